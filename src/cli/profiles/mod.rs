//! `tripline profiles …`: what the records of products mean, tried on files.
mod draft;
mod trial;

use super::ask::print_json;
use super::show::{self, shown};
use super::{Exit, Failure};
use crate::config::Config;
use crate::framing::Framing;
use crate::model::SourceName;
use crate::normalise::{Normaliser, PROFILES, ProfileRef};
use crate::policy::{Asked, LogSource, did_you_mean};
use crate::rules::{ConfigError, Texts};
use crate::source::{Follower, Start, TrailSpec, Until, literal};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// `tripline profiles …`
#[derive(Subcommand)]
pub enum Profiles {
    /// List the profiles: name, format, product, and whether it is shipped or your own
    List {
        #[command(flatten)]
        own: OwnArgs,
        /// JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Print a profile's file as it is read
    Show {
        /// The profile
        name: String,
        #[command(flatten)]
        own: OwnArgs,
    },
    /// Say of each record of a file what is read, what nothing reads, and what is wrong
    ///
    /// The file is read as a trail would be, whose product is recognised unless --profile says it. Of each record: every field of
    /// its event, the keys of the record of which the profile makes nothing, and what is wrong. Then how many records did what, and
    /// which keys are not read in how many of them. Secrets, phone numbers and contents of messages are cut out.
    ///
    /// Exit 1: a record could not be read, or states no time that can be read.
    Test(trial::TestArgs),
    /// Draft a profile from a sample, and print it
    ///
    /// From the names of keys and the shapes of their values in the whole sample it is guessed which of them is the time, the
    /// address, the actor and so on. Each guess says in a comment what it rests on; what was not found is left as a comment. Read
    /// it, change it, and try it: tripline profiles test SAMPLE --profile DRAFT.toml
    New(draft::NewArgs),
}

/// Whose profiles there are beside the shipped ones.
#[derive(Args)]
pub struct OwnArgs {
    /// A configuration: the profiles of its `policies_dir`, too
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What is around each line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Envelope {
    /// Time, host and program, as syslog writes them
    Syslog,
}

/// Runs what is asked for.
pub fn run(command: &Profiles) -> Result<Exit, Failure> {
    match command {
        Profiles::List { own, json } => list(own, *json),
        Profiles::Show { name, own } => show(name, own),
        Profiles::Test(args) => trial::run(args),
        Profiles::New(args) => draft::run(args),
    }
}

/// A profile's file.
struct Text {
    profile: String,
    file: String,
    text: String,
    is_own: bool,
}

impl OwnArgs {
    fn texts(&self) -> Result<Texts, Failure> {
        Ok(self.config.as_deref().map(Config::read).transpose()?.map_or_else(|| Ok(Texts::shipped()), |c| c.texts())?)
    }
}

/// The shipped profiles, and `texts` beside or in place of them.
fn compiled(texts: &[(String, String)]) -> Result<Normaliser, Failure> {
    let compiled = Normaliser::asked(texts, &|_| Asked::default());
    compiled.map_err(|errors| ConfigError(errors.iter().map(ToString::to_string).collect()).into())
}

/// The files of the profiles, in their order; a later one of the same name has taken the place of an earlier one.
fn files(texts: &[(String, String)]) -> Vec<Text> {
    let shipped = PROFILES.iter().map(|(file, text)| (*file, *text, false));
    let own = texts.iter().map(|(file, text)| (file.as_str(), text.as_str(), true));
    let mut files: Vec<Text> = Vec::new();
    for (file, text, is_own) in shipped.chain(own) {
        // what was compiled is TOML and has a name
        let table: toml::Table = text.parse().unwrap_or_default();
        let profile = table.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let text = Text { profile, file: file.to_owned(), text: text.to_owned(), is_own };
        match files.iter_mut().find(|earlier| earlier.profile == text.profile) {
            Some(earlier) => *earlier = text,
            None => files.push(text),
        }
    }
    files
}

fn list(own: &OwnArgs, json: bool) -> Result<Exit, Failure> {
    let texts = own.texts()?.profiles;
    let normaliser = compiled(&texts)?;
    let mut table = show::table(&["NAME", "FORMAT", "FROM", "PRODUCT", "LOG SOURCES"]);
    let mut rows = Vec::new();
    for text in files(&texts) {
        let Some(profile) = normaliser.profile(&text.profile) else { continue };
        let sources: Vec<String> = normaliser.log_sources(profile).iter().map(source).collect();
        let title = normaliser.title(profile);
        let from = if text.is_own { format!("profiles/{}", text.file) } else { "shipped".to_owned() };
        rows.push(json!({
            "name": text.profile,
            "format": normaliser.format(profile),
            "own": text.is_own,
            "file": text.file,
            "title": title,
            "log_sources": sources,
        }));
        let format = normaliser.format(profile).to_owned();
        table.add_row([shown(&text.profile), format, shown(&from), shown(&title), shown(&sources.join("; "))]);
    }
    match json {
        true => print_json(&rows),
        false => show::print(&table).map(|()| Exit::Done),
    }
}

/// A log source as a rule would write it.
fn source(of: &LogSource) -> String {
    let parts = [("category", &of.category), ("product", &of.product), ("service", &of.service)];
    let parts = parts.iter().filter_map(|(key, value)| Some(format!("{key}: {}", value.as_ref()?)));
    parts.collect::<Vec<_>>().join(", ")
}

fn show(name: &str, own: &OwnArgs) -> Result<Exit, Failure> {
    let texts = own.texts()?.profiles;
    let files = files(&texts);
    match files.iter().find(|text| text.profile == name) {
        Some(text) => {
            // as it is, for a copy of it is how many a profile begins: it is the operator's own text, or ours
            std::io::stdout().write_all(text.text.as_bytes()).map_err(Failure::of_output)?;
            Ok(Exit::Done)
        }
        None => Err(unknown(name, files.iter().map(|text| text.profile.as_str()))),
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let near = did_you_mean(name, known.clone());
    let known = known.collect::<Vec<_>>().join(", ");
    Failure::new(format!("there is no profile {:?}{near}; there are: {known}", shown(name)))
}

/// A file as a trail of this profile, read from its beginning to its end.
fn as_trail(normaliser: &Normaliser, file: &Path, profile: ProfileRef, framing: Framing) -> TrailSpec {
    TrailSpec {
        name: SourceName(file.to_string_lossy().into()),
        paths: vec![literal(file)],
        start: Start::Beginning,
        names: (framing == Framing::CSV).then(|| normaliser.header_names(profile)).flatten(),
        lists: normaliser.record_lists(profile),
        framing,
        until: Until::EndOfFile,
    }
}

/// Hands the batches of a file to `each` as long as it wants more.
fn read(spec: TrailSpec, mut each: impl FnMut(crate::model::Batch) -> Result<bool, Failure>) -> Result<(), Failure> {
    let now = crate::daemon::wall_now();
    let mut follower = Follower::open(spec, Vec::new());
    if let Some(problem) = follower.reconcile().into_iter().next() {
        return Err(Failure::new(problem));
    }
    while let Some(batch) = follower.finish(now).map_err(Failure::new)? {
        if !each(batch)? {
            break;
        }
    }
    Ok(())
}
