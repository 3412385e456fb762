//! The folder of an incident, for somebody who has no tripline: the report, the recorded events, what left, drafts of notices, proofs, and a
//! list of digests.
use super::notice::{self, Facts};
use super::{Report, document, html, markdown};
use crate::incident::clock::Recipient;
use crate::incident::exposure::{EVERYTHING, Total, day};
use crate::incident::ocsf;
use crate::model::id::hex;
use crate::model::{Shown, json_shown};
use crate::resolve::{Manifest, folder_of};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The list of digests, as `sha256sum --check` reads it.
pub const SUMS: &str = "SHA256SUMS";

/// Drafts in the place of the shipped ones: a folder with `authority.md`, `customer.md` and `person.md`, each of which may be missing.
pub type Templates<'a> = Option<&'a Path>;

/// Writes the folder, which must not be there yet or be empty. Gives the names of the files in it.
///
/// # Errors
/// It is there and not empty, a file can't be written, or a template names what there is not.
pub fn write(
    report: &Report,
    templates: Templates<'_>,
    copy: Option<&Manifest>,
    out: &Path,
) -> Result<Vec<String>, String> {
    let files = files(report, templates, copy)?;
    // what it holds is the customers': for whoever runs this, and nobody else
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut inside = fs::read_dir(out).map_err(|e| format!("{}: {e}", out.display()))?;
    if inside.next().is_some() {
        return Err(format!("{}: is not empty: name a folder that is not there yet", out.display()));
    }
    let mut sums = String::new();
    for (name, body) in &files {
        let path = out.join(name);
        if let Some(folder) = path.parent() {
            builder.create(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        put(&path, body)?;
        let digest = ring::digest::digest(&ring::digest::SHA256, body);
        sums.push_str(&format!("{}  {name}\n", hex(digest.as_ref())));
    }
    put(&out.join(SUMS), sums.as_bytes())?;
    Ok(files.into_keys().chain([SUMS.to_owned()]).collect())
}

fn put(path: &Path, body: &[u8]) -> Result<(), String> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(body)).map_err(|e| format!("{}: {e}", path.display()))
}

/// The files by their names.
fn files(
    report: &Report,
    templates: Templates<'_>,
    copy: Option<&Manifest>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let case = &report.case;
    let document = document::document(report);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut add = |name: String, body: Vec<u8>| {
        files.insert(name, body);
    };
    add("README.txt".into(), README.into());
    add("report.html".into(), html::html(&document).into());
    add("report.md".into(), markdown::markdown(&document).into());
    add("incident.json".into(), json(case)?);
    add("events.jsonl".into(), lines(&case.acts)?);
    let mut objects = vec![ocsf::incident(&case.incident, &case.findings)];
    for row in &case.findings {
        let of = |act: &&_| {
            let act: &crate::pipeline::EventRow = act;
            row.finding.witnesses.iter().any(|w| w.event == act.id)
        };
        objects.push(ocsf::finding(row, &case.acts.iter().filter(of).collect::<Vec<_>>()));
    }
    objects.extend(case.incident.orders.iter().map(ocsf::order));
    add("ocsf.jsonl".into(), lines(&objects)?);
    add("exports.csv".into(), exports(report)?);
    for proof in &report.evidence.proofs {
        add(format!("proofs/{}.json", folder_of(&proof.key)), json(proof)?);
    }
    let text = |text: &Option<String>| text.as_ref().map(|text| format!("{}\n", text.trim_end()).into_bytes());
    text(&report.evidence.key).into_iter().for_each(|body| add("key.txt".into(), body));
    text(&report.evidence.checkpoint).into_iter().for_each(|body| add("checkpoint.txt".into(), body));
    for to in [Recipient::Authority, Recipient::Person] {
        let body = draft(to, templates, &notice::facts(report, None, copy))?;
        add(format!("notices/{}.md", to.name()), body);
    }
    let concerned = |total: &Total| total.exports > 0 || total.reads > 0;
    for (customer, _) in case.totals.iter().filter(|(name, total)| concerned(total) && !name.is_empty()) {
        let body = draft(Recipient::Customer, templates, &notice::facts(report, Some(customer), copy))?;
        add(format!("notices/customer-{}.md", folder_of(customer)), body);
    }
    Ok(files)
}

fn draft(to: Recipient, templates: Templates<'_>, facts: &Facts) -> Result<Vec<u8>, String> {
    let own = templates.map(|dir| dir.join(format!("{}.md", to.name())));
    let (name, text) = match own.filter(|path| path.exists()) {
        Some(path) => {
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            (path, text)
        }
        None => (PathBuf::from(format!("{}.md", to.name())), notice::shipped(to).to_owned()),
    };
    notice::filled(&text, facts).map(String::into_bytes).map_err(|e| format!("{}: {e}", name.display()))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| e.to_string())?;
    Ok(format!("{}\n", json_shown(&text)).into_bytes())
}

fn lines<T: Serialize>(rows: &[T]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for row in rows {
        let text = serde_json::to_string(row).map_err(|e| e.to_string())?;
        out.extend_from_slice(json_shown(&text).as_bytes());
        out.push(b'\n');
    }
    Ok(out)
}

/// Every export, a row each.
fn exports(report: &Report) -> Result<Vec<u8>, String> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let head = [
        "export",
        "customer",
        "kind",
        "first_day",
        "last_day",
        "records_asked",
        "records_left",
        "estimated",
        "extent",
        "bytes",
        "asked_at",
        "asked_by",
        "asked_from",
        "fetched_at",
        "fetched_by",
        "fetched_from",
        "downloads",
        "refused",
    ];
    out.write_record(head).map_err(|e| e.to_string())?;
    for (id, row) in &report.case.exposure.exports {
        let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let known = |day: Option<String>| match row.everything {
            true => EVERYTHING.to_owned(),
            false => day.unwrap_or_default(),
        };
        let fetched = row.fetches.iter().find(|by| by.outcome.name() != "failure");
        let by = |by: Option<&crate::incident::exposure::By>| {
            let at = by.map(|by| by.at.to_string()).unwrap_or_default();
            let who = by.and_then(|by| by.actor.as_deref()).map(cell).unwrap_or_default();
            let from = by.and_then(|by| by.ip).map(|ip| ip.to_string()).unwrap_or_default();
            [at, who, from]
        };
        let mut cells = vec![
            cell(id),
            row.customer.as_deref().map(cell).unwrap_or_default(),
            row.kind.as_deref().map(cell).unwrap_or_default(),
            known(row.days.map(|(first, _)| day(first))),
            known(row.days.map(|(_, last)| day(last))),
            number(row.asked),
            number(row.records()),
            row.estimated.to_string(),
            row.extent().name().to_owned(),
            row.bytes.to_string(),
        ];
        cells.extend(by(row.requested.as_ref()));
        cells.extend(by(fetched));
        cells.extend([row.downloads.to_string(), row.refused.to_string()]);
        out.write_record(cells).map_err(|e| e.to_string())?;
    }
    out.into_inner().map_err(|e| e.to_string())
}

/// A value that a spreadsheet does not take for a formula, and in which nothing is hidden.
fn cell(value: &str) -> String {
    let quote = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("{quote}{}", Shown(value))
}

const README: &str = "\
This folder tells of one incident: somebody used credentials without right, and message logs may have left. It can be read without tripline.

report.html      what happened, for a browser; needs no network and prints
report.md        the same as text
incident.json    all of it as data
events.jsonl     the recorded acts that are the incident's, one a line, with the file, byte range and digest of each line read;
                 secrets, phone numbers and contents of messages are cut out of the lines
ocsf.jsonl       the incident (class 2005), its findings (2004) and what was done (7001) in the Open Cybersecurity Schema Framework
exports.csv      every export: whose, of which days, how much was asked for and how much left
notices/         drafts for the authority, for each customer and for the people concerned; what stands in brackets is to be filled in
proofs/          for each finding, that it is a record of the signed tree (RFC 6962)
checkpoint.txt   the newest signed head of that tree (C2SP tlog-checkpoint, Ed25519)
key.txt          the public key
SHA256SUMS       digests of these files: sha256sum --check SHA256SUMS

A proof can be checked by anybody: the leaf is SHA-256(0x00 || salt || kind || 0x00 || key || 0x00 || SHA-256(body)), and the path leads from it
to the root in the checkpoint as RFC 6962, section 2.1.1, says. `tripline verify --proof FILE --key KEY` does the same.
";
