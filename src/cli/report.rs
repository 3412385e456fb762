//! `tripline report`: an incident for people who were not there.
use super::ask::{ask, print_json};
use super::show::{say, shown};
use super::{AskArgs, Exit, Failure, clocks};
use crate::config::Config;
use crate::control::incidents::Case;
use crate::control::wire::Request;
use crate::ledger::seal::KEY_FILE;
use crate::ledger::{FILE, Keys, Reader};
use crate::report::{Evidence, Letterhead, Report, bundle, document, markdown};
use crate::resolve::{MANIFEST, Manifest, queries};
use clap::Args;
use std::path::{Path, PathBuf};

/// `tripline report`
#[derive(Args)]
pub struct ReportArgs {
    /// The incident's id, or that of any finding of it, or its beginning
    #[arg(value_name = "INCIDENT")]
    id: String,
    /// Write all of it into this folder, which must be new or empty; without it the report is printed as Markdown
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The folder that `exposure --resolve` wrote: its counts stand in the drafts of notices
    #[arg(long, value_name = "DIR", requires = "out")]
    resolved: Option<PathBuf>,
    #[command(flatten)]
    asking: AskArgs,
}

/// Runs `tripline report`.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let mut report = gathered(&args.asking, &args.id)?;
    let Some(out) = &args.out else {
        match args.asking.json {
            true => return print_json(&[serde_json::json!(report.case)]),
            false => say!("{}", markdown::markdown(&document::document(&report)).trim_end()),
        }
        return Ok(Exit::Done);
    };
    report.evidence = evidence(&args.asking, &report.case)?;
    let copy = args.resolved.as_deref().map(|dir| manifest(dir, &report)).transpose()?;
    let templates = clocks::notices(&args.asking)?.templates;
    let files = bundle::write(&report, templates.as_deref(), copy.as_ref(), out).map_err(Failure::new)?;
    if args.asking.json {
        return print_json(&[serde_json::json!({"out": out, "files": files})]);
    }
    say!("written to {}:", shown(&out.to_string_lossy()));
    for name in files.iter() {
        say!("  {}", shown(name));
    }
    if report.evidence.key.is_none() {
        say!("without proofs: the installation's key can't be read (run this as the daemon's user or root)");
    }
    Ok(Exit::Done)
}

/// What is recorded of an incident, without proofs.
///
/// # Errors
/// There is no such incident, or the daemon does not answer.
pub fn gathered(asking: &AskArgs, id: &str) -> Result<Report, Failure> {
    let (mut rows, _) = ask(asking, &Request::Incident { id: id.to_owned() })?;
    let row = rows.pop().ok_or_else(|| Failure::new("the daemon gave no answer"))?;
    let case: Case = serde_json::from_value(row).map_err(Failure::new)?;
    let notices = clocks::notices(asking)?;
    Ok(Report {
        clocks: clocks::of(asking, &case.incident)?,
        case,
        made: crate::daemon::wall_now(),
        letterhead: Letterhead { provider: notices.provider, contact: notices.contact, fields: notices.fields },
        evidence: Evidence::default(),
    })
}

/// The proofs of the findings, where the installation's key and ledger can be read.
///
/// # Errors
/// The ledger can't be read.
pub fn evidence(asking: &AskArgs, case: &Case) -> Result<Evidence, Failure> {
    let state = match &asking.state {
        Some(state) => state.clone(),
        None => Config::read(&asking.config)?.written.state_dir,
    };
    let Ok(keys) = Keys::read(&state.join(KEY_FILE), false) else { return Ok(Evidence::default()) };
    let Some(key) = keys.verifier() else { return Ok(Evidence::default()) };
    let reader = Reader::open(&state.join(FILE))?;
    let newest = reader.checkpoints()?.iter().rev().find_map(|note| key.open(note));
    let mut proofs = Vec::new();
    if let Some(newest) = &newest {
        for id in &case.incident.findings {
            proofs.extend(reader.prove(&keys, "finding", &id.to_string(), newest)?);
        }
    }
    Ok(Evidence { key: Some(key.to_string()), checkpoint: newest.map(|c| c.note), proofs })
}

fn manifest(dir: &Path, report: &Report) -> Result<Manifest, Failure> {
    let path = dir.join(MANIFEST);
    let bytes = std::fs::read(&path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let id = report.case.incident.id.to_string();
    let fault = if manifest.incident != id {
        format!("is of the incident {}", shown(&manifest.incident))
    } else if manifest.queries != queries(&report.case.exposure).0 {
        "is of other exports: the incident has grown since; resolve it again, into another folder".into()
    } else if manifest.queries.iter().any(|query| !manifest.customers.contains_key(&query.customer)) {
        "was not finished: run `tripline exposure --resolve` again, it goes on where it was".into()
    } else {
        return Ok(manifest);
    };
    Err(Failure::new(format!("{}: {fault}", path.display())))
}
