//! `tripline profiles new`: a first draft of a profile, from a sample.
use super::super::{Exit, Failure};
use super::read;
use crate::framing::Framing;
use crate::model::SourceName;
use crate::model::limits::SAMPLE_RECORDS;
use crate::normalise::{Drafting, Normaliser};
use crate::source::{Start, TrailSpec, Until, literal};
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct NewArgs {
    /// A sample of the trail, plain, .gz or .zst: the more of what its product writes, the better
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The profile's name; the file's without it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Drafts a profile and prints it.
pub fn run(args: &NewArgs) -> Result<Exit, Failure> {
    let fault = |why: String| Failure::new(format!("{}: {why}", args.file.display()));
    std::fs::File::open(&args.file).map_err(|e| fault(e.to_string()))?;
    let paths = vec![literal(&args.file)];
    let head = crate::source::first_lines(&paths).map_err(|e| fault(e.to_string()))?.unwrap_or_default();
    let lines: Vec<&[u8]> = head.iter().map(Vec::as_slice).collect();
    if lines.is_empty() {
        return Err(fault("there is nothing in it".to_owned()));
    }
    let mut drafting = Drafting::begin(&lines).map_err(fault)?;
    let framing = match drafting.header_names() {
        Some(_) => Framing::CSV,
        None if drafting.is_document() => Framing::JsonDocuments,
        None if drafting.format() == "json" => Framing::JsonLines,
        None => Framing::Lines,
    };
    let spec = TrailSpec {
        name: SourceName(args.file.to_string_lossy().into()),
        paths,
        start: Start::Beginning,
        names: drafting.header_names(),
        lists: drafting.lists(),
        framing,
        until: Until::EndOfFile,
    };
    read(spec, |batch| Ok(batch.frames.iter().all(|frame| drafting.add(batch.bytes(frame), batch.header.as_deref()))))?;
    let (records, unread) = drafting.counts();
    if records == 0 {
        return Err(fault(format!("no record of it can be read as {}", drafting.format())));
    }
    if records >= SAMPLE_RECORDS {
        eprintln!("tripline: drafted from the first {records} records");
    }
    if unread > 0 {
        eprintln!("tripline: {unread} lines of the sample can't be read as {}", drafting.format());
    }
    let name = args.name.clone().unwrap_or_else(|| name_of(&args.file));
    let text = drafting.text(&name);
    // what is printed can be used
    let compiled = Normaliser::new(&[(format!("{name}.toml"), text.clone())], &[]);
    compiled.map_err(|errors| fault(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    std::io::stdout().write_all(text.as_bytes()).map_err(Failure::of_output)?;
    Ok(Exit::Done)
}

/// A profile's name, of a file's.
fn name_of(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("draft");
    let plain: String = stem.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "draft".to_owned() } else { plain.to_owned() }
}
