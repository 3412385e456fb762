//! `tripline profiles test`: what a profile makes of the records of a file, and what it leaves.
use super::super::ask::print_json;
use super::super::show::{self, say, shown};
use super::super::{Exit, Failure};
use super::{Envelope, OwnArgs, as_trail, compiled, read, unknown};
use crate::config;
use crate::decode::Reject;
use crate::decode::address::Proxies;
use crate::framing::Framing;
use crate::model::limits::SAMPLE_KEYS;
use crate::model::{Batch, Field, Frame, Value};
use crate::normalise::{Examined, Normaliser, ProfileRef, Scratch, Wrapping};
use crate::source;
use clap::Args;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct TestArgs {
    /// Trail files, plain, .gz or .zst
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The profile that reads them, in place of the one that is recognised: its name, or its file (…/NAME.toml); may be given
    /// several times, for files that hold several sorts of records
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    #[command(flatten)]
    own: OwnArgs,
    /// The time zone of stamps that state none, as `time_zone` of a trail
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    time_zone: Option<TimeZone>,
    /// What is around each line, as `envelope` of a trail
    #[arg(long, value_enum)]
    envelope: Option<Envelope>,
    /// Print the first so many records of each file; all are counted [default: 20, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// JSON, one object a line for each record
    #[arg(long)]
    json: bool,
}

fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|e| format!("{e}; write a name as Europe/Berlin"))
}

/// How many records are printed where nothing is said.
const PRINTED: u64 = 20;
/// How many unread keys the summary lists.
const LISTED: usize = 60;

/// Tries profiles on files.
pub fn run(args: &TestArgs) -> Result<Exit, Failure> {
    show::ends_with_a_verdict();
    let mut texts = args.own.texts()?.profiles;
    let named = args.profile.iter().map(|name| named(name, &mut texts)).collect::<Result<Vec<String>, _>>()?;
    let mut normaliser = compiled(&texts)?;
    let mut well = true;
    for (n, file) in args.files.iter().enumerate() {
        if n > 0 && !args.json {
            say!();
        }
        well &= try_on(args, &mut normaliser, &named, file)?;
    }
    Ok(if well { Exit::Done } else { Exit::NotWell })
}

/// The name of a profile that is asked for by its name, or by its file, which takes the place of others of its name.
fn named(asked: &str, texts: &mut Vec<(String, String)>) -> Result<String, Failure> {
    if !asked.ends_with(".toml") {
        return Ok(asked.to_owned());
    }
    let text = std::fs::read_to_string(asked).map_err(|e| Failure::new(format!("{asked}: {e}")))?;
    let table: toml::Table = text.parse().unwrap_or_default();
    let name = table.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    // one that is no profile is refused where it is compiled, with its line
    texts.push((asked.to_owned(), text));
    Ok(name)
}

/// Tries the profiles on one file; false where a record could not be read.
fn try_on(args: &TestArgs, normaliser: &mut Normaliser, named: &[String], file: &Path) -> Result<bool, Failure> {
    let fault = |why: String| Failure::new(format!("{}: {why}", file.display()));
    std::fs::File::open(file).map_err(|e| fault(e.to_string()))?;
    let head = source::first_lines(&[source::literal(file)]).map_err(|e| fault(e.to_string()))?.unwrap_or_default();
    if head.iter().all(|line| line.trim_ascii().is_empty()) {
        return Err(fault("there is nothing in it".to_owned()));
    }
    let name = file.to_string_lossy();
    let mut wrapping = Wrapping { syslog: args.envelope.is_some(), ..Wrapping::default() };
    let (profiles, documents, how) = match named {
        [] => {
            let found = config::recognise(normaliser, &[source::literal(file)], &name, wrapping).map_err(|e| {
                Failure::new(format!("{e}, with --profile, or begin with: tripline profiles new {}", file.display()))
            })?;
            let behind = if found.syslog && !wrapping.syslog { ", behind headers of syslog (`envelope`)" } else { "" };
            let share = format!("recognised by {:.0} % of its first lines{behind}", found.share * 100.0);
            wrapping.syslog = found.syslog;
            (found.profiles().collect::<Vec<_>>(), found.documents, share)
        }
        named => {
            let known: Vec<&str> = normaliser.profiles().map(|profile| normaliser.name(profile)).collect();
            let find = |name: &String| normaliser.profile(name).ok_or_else(|| unknown(name, known.iter().copied()));
            (named.iter().map(find).collect::<Result<_, _>>()?, false, "as --profile says".to_owned())
        }
    };
    let together = normaliser.together(&profiles).map_err(Failure::new)?;
    let profile = normaliser.for_trail(together, args.time_zone.clone(), wrapping, Proxies::default());
    let is_plain = wrapping == Wrapping::default();
    let framing = match normaliser.header_names(profile) {
        Some(_) if is_plain => Framing::CSV,
        None if documents => Framing::JsonDocuments,
        None if is_plain && normaliser.format(profile) == "json" => Framing::JsonLines,
        _ => Framing::Lines,
    };
    let names: Vec<&str> = normaliser.names(profile).collect();
    if !args.json {
        say!("{}: {}, {how}: {}", shown(&name), shown(&names.join(" and ")), shown(&normaliser.title(profile)));
    }
    let limit = args.limit.unwrap_or(if args.json { u64::MAX } else { PRINTED });
    let mut trial =
        Trial { normaliser, profile, file: &name, json: args.json, limit, is_counting: false, count: Count::default() };
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    read(as_trail(normaliser, file, profile, framing), |batch| {
        for frame in &batch.frames {
            let rejected = normaliser.examine(profile, &batch, frame, &mut scratch, &mut out).err();
            trial.frame(&batch, frame, &mut out, rejected)?;
        }
        Ok(true)
    })?;
    if !args.json {
        trial.count.print(names.len() > 1)?;
    }
    Ok(trial.count.is_well())
}

/// One file that is tried.
struct Trial<'n> {
    normaliser: &'n Normaliser,
    profile: ProfileRef,
    file: &'n str,
    json: bool,
    /// How many more are printed.
    limit: u64,
    is_counting: bool,
    count: Count,
}

/// What was read.
#[derive(Default)]
struct Count {
    lines: u64,
    records: u64,
    rejected: u64,
    /// By what is wrong.
    faults: BTreeMap<&'static str, u64>,
    /// By profile, activity and outcome.
    did: BTreeMap<(String, &'static str, &'static str), u64>,
    /// By key: how many records have it, and the first value.
    unread: BTreeMap<String, (u64, String)>,
    /// Keys were left out of `unread`.
    more_keys: bool,
}

const NO_TIME: &str = "states no time that can be read";
const CLIPPED: &str = "breaks off: what stood behind that is not there";
const AMBIGUOUS: &str = "is ambiguous: a field of meaning stands there twice, or columns do not fit";
const NO_ACTIVITY: &str = "no rule says what was done";
const UNFIT: &str = "a value is none that its field can hold";

impl Trial<'_> {
    fn frame(
        &mut self,
        batch: &Batch,
        frame: &Frame,
        out: &mut Vec<Examined>,
        rejected: Option<Reject>,
    ) -> Result<(), Failure> {
        self.count.lines += u64::from(!out.is_empty() || rejected.is_some());
        for examined in out.drain(..) {
            self.count.records += 1;
            let faults = self.count.add(&examined);
            if self.limit > 0 {
                self.limit -= 1;
                match self.json {
                    true => self.object(&examined, &faults, frame)?,
                    false => self.record(&examined, &faults, frame)?,
                }
            } else {
                self.says_that_it_counts()?;
            }
        }
        if let Some(reject) = rejected {
            self.count.rejected += 1;
            let line = self.normaliser.redact(self.profile, batch.bytes(frame), batch.header.as_deref());
            let begin = crate::model::cut(&line, crate::model::limits::SHOWN_VALUE_BYTES);
            if self.limit > 0 {
                self.limit -= 1;
                let why = reject.to_string();
                match self.json {
                    true => drop(print_json(&[
                        json!({"file": self.file, "from": frame.from, "to": frame.to, "read": false, "why": why, "line": begin}),
                    ])?),
                    false => say!("\nnot read, bytes {} to {}: {why}\n  {}", frame.from, frame.to, shown(begin)),
                }
            }
        }
        Ok(())
    }

    /// Says once that what follows is not printed.
    fn says_that_it_counts(&mut self) -> Result<(), Failure> {
        if !self.json && !std::mem::replace(&mut self.is_counting, true) {
            say!("\nfurther records are only counted: --limit prints more");
        }
        Ok(())
    }

    fn record(&self, examined: &Examined, faults: &[String], frame: &Frame) -> Result<(), Failure> {
        let event = &examined.event;
        let (n, product) = (self.count.records, shown(&event.product));
        say!("\nrecord {n}, bytes {} to {}, {product}", frame.from, frame.to);
        let time = if event.marks.time_missing { "none".to_owned() } else { event.time.to_string() };
        let fields = examined.fields.iter().map(|(field, value)| (field.path(), value.as_str()));
        for (path, value) in std::iter::once((Field::Time.path(), time.as_str())).chain(fields) {
            say!("  {path:<28} {}", shown(value));
        }
        for unread in &examined.unread {
            say!("  not read: {} = {}", shown(&unread.name), shown(&unread.value));
        }
        for fault in faults {
            say!("  wrong: {}", shown(fault));
        }
        Ok(())
    }

    fn object(&self, examined: &Examined, faults: &[String], frame: &Frame) -> Result<(), Failure> {
        let event = &examined.event;
        let mut fields: Map<String, Json> = Map::new();
        for (field, text) in &examined.fields {
            let value = match event.get(*field) {
                Value::Int(n) if !matches!(field, Field::ExportFirstDay | Field::ExportLastDay) => json!(n),
                _ => json!(text),
            };
            fields.insert(field.path().to_owned(), value);
        }
        let time = (!event.marks.time_missing).then(|| event.time.to_string());
        let unread: Vec<Json> =
            examined.unread.iter().map(|unread| json!({"key": unread.name, "value": unread.value})).collect();
        print_json(&[json!({
            "file": self.file,
            "from": frame.from,
            "to": frame.to,
            "read": true,
            "profile": &*event.product,
            "time": time,
            "fields": fields,
            "not_read": unread,
            "wrong": faults,
        })])
        .map(drop)
    }
}

impl Count {
    /// Counts a record, and says what is wrong with it.
    fn add(&mut self, examined: &Examined) -> Vec<String> {
        let event = &examined.event;
        let did = (event.product.to_string(), event.activity.name(), event.outcome.name());
        *self.did.entry(did).or_default() += 1;
        let mut keys: Vec<_> = examined.unread.iter().collect();
        keys.sort();
        keys.dedup_by(|a, b| a.name == b.name);
        for key in keys {
            let has_room = self.unread.len() < SAMPLE_KEYS;
            match self.unread.get_mut(&key.name) {
                Some((records, _)) => *records += 1,
                None if has_room => {
                    self.unread.insert(key.name.clone(), (1, key.value.clone()));
                }
                None => self.more_keys = true,
            }
        }
        let wrong = [
            (event.marks.time_missing, NO_TIME),
            (event.marks.clipped, CLIPPED),
            (event.marks.ambiguous, AMBIGUOUS),
            (!examined.has_activity, NO_ACTIVITY),
        ];
        let mut faults = Vec::new();
        for (_, what) in wrong.into_iter().filter(|(is, _)| *is) {
            *self.faults.entry(what).or_default() += 1;
            faults.push(what.to_owned());
        }
        *self.faults.entry(UNFIT).or_default() += u64::from(!examined.unfit.is_empty());
        let unfit = |(field, value): &(Field, crate::normalise::KeyValue)| {
            format!("{} can't be read from {} = {}", field.path(), value.name, value.value)
        };
        faults.extend(examined.unfit.iter().map(unfit));
        faults
    }

    fn is_well(&self) -> bool {
        self.records > 0 && self.rejected == 0 && !self.faults.contains_key(NO_TIME)
    }

    fn print(&self, several: bool) -> Result<(), Failure> {
        let of = |n: u64, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        say!(
            "\n{}: {} read, {} not read",
            of(self.lines, "line or document", "lines or documents"),
            of(self.records, "record", "records"),
            of(self.rejected, "line", "lines"),
        );
        for (what, n) in self.faults.iter().filter(|(_, n)| **n > 0) {
            say!("  {}: {what}", of(*n, "record", "records"));
        }
        if !self.did.is_empty() {
            say!();
            let mut table = show::table(&["RECORDS", "ACTIVITY", "OUTCOME", if several { "PROFILE" } else { "" }]);
            for ((product, activity, outcome), n) in &self.did {
                let product = if several { shown(product) } else { String::new() };
                table.add_row([n.to_string(), (*activity).to_owned(), (*outcome).to_owned(), product]);
            }
            show::print(&table)?;
        }
        let mut keys: Vec<_> = self.unread.iter().collect();
        keys.sort_by_key(|(key, (records, _))| (std::cmp::Reverse(*records), *key));
        if keys.is_empty() {
            say!("\nevery key of every record is read");
            return Ok(());
        }
        say!();
        let mut table = show::table(&["RECORDS", "KEY THAT IS NOT READ", "FOR EXAMPLE"]);
        for (key, (records, example)) in keys.iter().take(LISTED) {
            table.add_row([records.to_string(), shown(key), shown(example)]);
        }
        show::print(&table)?;
        match keys.len().saturating_sub(LISTED) {
            _ if self.more_keys => say!("and more than {} further keys", SAMPLE_KEYS - LISTED),
            0 => {}
            n => say!("and {}", of(n as u64, "further key", "further keys")),
        }
        Ok(())
    }
}
