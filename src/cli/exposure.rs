//! `tripline exposure`: what left in an incident, and the customers' copies of it.
use super::ask::{ask, print_json};
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure};
use crate::control::wire::Request;
use crate::incident::exposure::{Exposure, Extent, Total, day};
use crate::model::Text;
use crate::resolve::{Columns, DateOrder, Manifest, Resolve};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `tripline exposure`
#[derive(Args)]
pub struct ExposureArgs {
    /// The incident's id, or that of any finding of it, or its beginning
    #[arg(value_name = "INCIDENT")]
    id: String,
    /// Only of this customer account
    #[arg(long, value_name = "ACCOUNT")]
    customer: Option<String>,
    /// Join what left with these message logs (CSV with a header, or JSON lines; plain, .gz or .zst): writes for each customer the exact
    /// records, the distinct numbers, and a manifest with digests, into --out
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "out")]
    resolve: Vec<PathBuf>,
    /// The folder for --resolve; a run that was ended goes on there
    #[arg(long, value_name = "DIR", requires = "resolve")]
    out: Option<PathBuf>,
    /// In whose zone the days of exports begin, and of times that state none (an IANA name)
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "resolve")]
    time_zone: String,
    /// The column of the message logs that names the customer account
    #[arg(long, value_name = "NAME", requires = "resolve")]
    account_column: Option<String>,
    /// The column with the time of a message
    #[arg(long, value_name = "NAME", requires = "resolve")]
    time_column: Option<String>,
    /// The column with the number that it went to
    #[arg(long, value_name = "NAME", requires = "resolve")]
    number_column: Option<String>,
    /// The column with the kind of log, to be compared with that of the export
    #[arg(long, value_name = "NAME", requires = "resolve")]
    kind_column: Option<String>,
    /// Which number of a date like 03/04/2026 is the day, where the message logs themselves don't say
    #[arg(long, value_name = "ORDER", value_enum, requires = "resolve")]
    date_order: Option<Order>,
    #[command(flatten)]
    asking: AskArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// 30/03/2026
    DayFirst,
    /// 03/30/2026
    MonthFirst,
}

/// Runs `tripline exposure`.
pub fn exposure(args: &ExposureArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(&args.asking, &Request::Exposure { id: args.id.clone(), customer: args.customer.clone() })?;
    if let (Some(out), Some(row)) = (&args.out, rows.first()) {
        return resolve(args, out, row);
    }
    if args.asking.json {
        return print_json(&rows);
    }
    for row in rows {
        let read = |key: &str| row[key].clone();
        let exposure: Exposure = serde_json::from_value(read("exposure")).map_err(Failure::new)?;
        let sums: BTreeMap<Text, Total> = serde_json::from_value(read("totals")).map_err(Failure::new)?;
        exports(&exposure)?;
        totals(&sums, &exposure, row["cut"] == Value::Bool(true))?;
    }
    Ok(Exit::Done)
}

fn exports(exposure: &Exposure) -> Result<(), Failure> {
    let mut rows: Vec<_> = exposure.exports.iter().collect();
    rows.sort_by_key(|(_, row)| row.requested.iter().chain(&row.fetches).map(|by| by.at).min());
    let mut table = show::table(&[
        "ASKED FOR",
        "BY",
        "CUSTOMER",
        "KIND",
        "DATA FROM",
        "DATA TO",
        "RECORDS",
        "LEFT",
        "BYTES",
        "FETCHED",
        "BY",
        "FROM",
        "EXPORT",
    ]);
    for (id, row) in rows {
        let dash = || "-".to_owned();
        let requested = row.requested.as_ref();
        let fetch = row.fetches.iter().find(|by| by.outcome.name() != "failure");
        let name =
            |by: Option<&crate::incident::exposure::By>| by.and_then(|by| by.actor.as_deref()).map_or_else(dash, shown);
        let (from, to) = row.days.map(|(a, b)| (day(a), day(b))).unwrap_or_else(|| (dash(), dash()));
        let about = if row.estimated { "about " } else { "" };
        let left = match (row.extent(), row.records()) {
            (Extent::Nothing, _) if row.refused > 0 => "nothing (refused)".to_owned(),
            (Extent::Nothing, _) => "nothing".to_owned(),
            (extent, Some(records)) => format!("{about}{records} ({})", extent.name()),
            (extent, None) => extent.name().to_owned(),
        };
        table.add_row([
            requested.map_or_else(dash, |by| by.at.to_string()),
            name(requested),
            row.customer.as_deref().map_or_else(dash, shown),
            row.kind.as_deref().map_or_else(dash, shown),
            from,
            to,
            row.asked.map_or_else(dash, |n| n.to_string()),
            left,
            row.bytes.to_string(),
            fetch.map_or_else(dash, |by| by.at.to_string()),
            name(fetch),
            fetch.and_then(|by| by.ip).map_or_else(dash, |ip| ip.to_string()),
            shown(id),
        ]);
    }
    show::print(&table)?;
    Ok(())
}

/// Joins what left with message logs.
fn resolve(args: &ExposureArgs, out: &Path, row: &Value) -> Result<Exit, Failure> {
    let exposure: Exposure = serde_json::from_value(row["exposure"].clone()).map_err(Failure::new)?;
    let zone = jiff::tz::TimeZone::get(&args.time_zone).map_err(|e| Failure::new(format!("--time-zone: {e}")))?;
    let order = args.date_order.map(|order| match order {
        Order::DayFirst => DateOrder::DayFirst,
        Order::MonthFirst => DateOrder::MonthFirst,
    });
    let mut columns = Columns { order, ..Columns::default() };
    for (named, column) in [
        (&args.account_column, &mut columns.account),
        (&args.time_column, &mut columns.time),
        (&args.number_column, &mut columns.number),
        (&args.kind_column, &mut columns.kind),
    ] {
        named.iter().for_each(|name| *column = vec![name.clone()]);
    }
    let incident = row["incident"].as_str().unwrap_or_default().to_owned();
    let asked = Manifest::asked(incident, &args.time_zone, &exposure);
    let mut run = Resolve::begin(out, zone, columns, asked)?;
    let bar = super::replay::bar(args.resolve.iter().map(|path| path.as_path()));
    for path in &args.resolve {
        run.input(path, &mut |bytes| bar.inc(bytes))?;
    }
    bar.finish_and_clear();
    run.finish()?;
    let is_well = run.manifest.inputs.values().all(|input| input.spelled.is_empty());
    let exit = if is_well { Exit::Done } else { Exit::NotWell };
    if args.asking.json {
        say!("{}", serde_json::to_string(&run.manifest).map_err(Failure::new)?);
        return Ok(exit);
    }
    resolved(&run.manifest, out)?;
    Ok(exit)
}

fn resolved(manifest: &Manifest, out: &Path) -> Result<(), Failure> {
    let mut table = show::table(&["CUSTOMER", "RECORDS", "BY THE TRAIL", "NUMBERS", "FOLDER"]);
    for (account, customer) in &manifest.customers {
        let by_trail: Option<u64> =
            manifest.queries.iter().filter(|query| query.customer == *account).map(|query| query.records).sum();
        table.add_row([
            shown(account),
            customer.records.to_string(),
            by_trail.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            customer.numbers.to_string(),
            customer.folder.clone(),
        ]);
    }
    show::print(&table)?;
    let unreadable: u64 = manifest.inputs.values().map(|input| input.unreadable).sum();
    if unreadable > 0 {
        say!("{unreadable} rows have no account or time that can be read: they are in no copy");
    }
    if manifest.inputs.values().any(|input| input.without_kind) {
        say!("a message log has no column for the kind of log: kinds were not compared (--kind-column)");
    }
    for (name, input) in &manifest.inputs {
        for (asked, is) in &input.spelled {
            say!(
                "{}: has no row of {}, but of {}: if they are one customer, let the log spell it as the trail does",
                shown(name),
                shown(asked),
                shown(is)
            );
        }
    }
    if manifest.queries.iter().any(|query| query.extent == Extent::Part) {
        say!(
            "of exports that were cut off nobody knows which records had left: all that were asked for are in the copy"
        );
    }
    if !manifest.not_answerable.is_empty() {
        say!(
            "{} exports name no customer or no days: nothing could be looked up for them",
            manifest.not_answerable.len()
        );
    }
    say!(
        "written to {}; manifest.json there has the queries and the digest of every file",
        shown(&out.to_string_lossy())
    );
    Ok(())
}

/// What left, by customer.
pub fn totals(totals: &BTreeMap<Text, Total>, exposure: &Exposure, cut: bool) -> Result<(), Failure> {
    let fetched = exposure.exports.values().filter(|row| row.downloads > 0).count();
    let records: u64 = totals.values().map(|total| total.records).sum();
    let customers = totals.values().filter(|total| total.exports > 0).count();
    let estimated = if totals.values().any(|total| total.estimated) { "about " } else { "" };
    say!(
        "\nwhat left: {estimated}{records} records of {customers} customers in {fetched} exports; {} more were asked for and not fetched",
        exposure.exports.len() - fetched
    );
    if cut {
        say!("the ledger is large, and not all of it was looked at: there may be more");
    }
    if totals.is_empty() {
        return Ok(());
    }
    let mut table = show::table(&[
        "CUSTOMER",
        "EXPORTS",
        "RECORDS",
        "BYTES",
        "DATA FROM",
        "DATA TO",
        "NOT FETCHED",
        "READ ON SCREEN",
    ]);
    for (customer, total) in totals {
        let about = if total.estimated { "about " } else { "" };
        let more =
            if total.unknown > 0 { format!(" + {} exports of unknown size", total.unknown) } else { String::new() };
        let (from, to) = total.days.map(|(a, b)| (day(a), day(b))).unwrap_or_default();
        table.add_row([
            if customer.is_empty() { "(not named)".to_owned() } else { shown(customer) },
            total.exports.to_string(),
            format!("{about}{}{more}", total.records),
            total.bytes.to_string(),
            from,
            to,
            total.not_fetched.to_string(),
            total.reads.to_string(),
        ]);
    }
    show::print(&table)?;
    Ok(())
}
