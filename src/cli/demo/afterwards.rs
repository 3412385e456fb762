//! What the provider does the day after: the report, the notices, and each customer's own records.
use super::daemon::CONFIG;
use crate::cli::{AskArgs, Failure, report};
use crate::incident::exposure::{Exposure, day};
use crate::model::FindingId;
use crate::report::bundle;
use crate::resolve::{Columns, Manifest, Resolve};
use jiff::tz::TimeZone;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The provider's own message log, as far as the demo needs one.
const MESSAGES: &str = "messages.csv";
const CARRIERS: [&str; 4] = ["Northern Mobile", "Coastline", "Valley Wireless", "Tricell"];
const COUNTRIES: [&str; 3] = ["US", "CA", "GB"];

/// Writes `report` and `customers` into the demo's directory, as `tripline report` and `tripline exposure --resolve` do.
///
/// # Errors
/// The directory or the ledger can't be used.
pub fn write(dir: &Path, finding: &FindingId) -> Result<(), Failure> {
    let asking = AskArgs { config: dir.join(CONFIG), socket: None, state: None, json: false };
    let mut report = report::gathered(&asking, &finding.to_string())?;
    let messages = dir.join(MESSAGES);
    log(&messages, &report.case.exposure).map_err(|e| Failure::new(format!("writing {}: {e}", messages.display())))?;
    let asked = Manifest::asked(report.case.incident.id.to_string(), "UTC", &report.case.exposure);
    let mut copies =
        Resolve::begin(&dir.join("customers"), TimeZone::UTC, Columns::default(), asked).map_err(Failure::new)?;
    copies.input(&messages, &mut |_| {}).map_err(Failure::new)?;
    copies.finish().map_err(Failure::new)?;
    report.evidence = report::evidence(&asking, &report.case)?;
    bundle::write(&report, None, Some(&copies.manifest), &dir.join("report")).map_err(Failure::new)?;
    Ok(())
}

/// A message log of the days that were exposed: each export's records, and as many of a customer that nobody touched.
fn log(path: &Path, exposure: &Exposure) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "account,date_sent,to,type,carrier,country")?;
    for row in exposure.exports.values().filter(|row| row.downloads > 0) {
        let (Some(customer), Some((first, last)), Some(records)) = (&row.customer, row.days, row.records()) else {
            continue;
        };
        let days = u64::from((last - first).max(0).unsigned_abs()) + 1;
        for account in [customer.as_str(), "hemlock-library"] {
            for n in 0..records {
                let sent = day(first + i32::try_from(n * days / records.max(1)).unwrap_or(0));
                let minute = n * 7919 % 1440;
                // North American numbers that are reserved for stories, with an area code in front
                let number = format!("+1{}555{:04}", 201 + n * 31 % 700, 100 + n * 13 % 100);
                let (carrier, country) = (CARRIERS[n as usize % 4], COUNTRIES[n as usize % 3]);
                writeln!(
                    out,
                    "{account},{sent}T{:02}:{:02}:00Z,{number},mfa,{carrier},{country}",
                    minute / 60,
                    minute % 60
                )?;
            }
        }
    }
    out.flush()
}
