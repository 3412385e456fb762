//! `tripline replay`: old trails through the same engine.
use super::show::say;
use super::{Exit, Failure, show};
use crate::config::address::Address;
use crate::config::{self, Config};
use crate::control::answer;
use crate::daemon::replay::{Shares, replay_watching};
use crate::daemon::watching::{Watching, What};
use crate::framing::Framing;
use crate::incident::ocsf;
use crate::ledger::read::FindingFilter;
use crate::ledger::{Durability, FILE, Keys, Ledger, Reader, seal};
use crate::model::limits::MOST_ROWS;
use crate::model::{Field, OrderState, Severity, SourceName, json_shown};
use crate::normalise::Wrapping;
use crate::pipeline::Rules;
use crate::respond::confine;
use crate::rules::{self, Tables, Texts, TrailProfile};
use crate::source::{self, Start, TrailSpec, Until};
use clap::{Args, ValueEnum};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args)]
pub struct ReplayArgs {
    /// Trail files, plain, .gz or .zst; their products are recognised
    #[arg(value_name = "FILE", conflicts_with = "config", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// A configuration: its trails, policies, databases and lists
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep the ledger here, and go on from where it stands (otherwise it is thrown away)
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Replay the recorded inputs of the ledger in this state directory, in their recorded order (with --config and --state)
    #[arg(long, value_name = "DIR", requires = "config", requires = "state")]
    inputs: Option<PathBuf>,
    /// Journal files, in place of the journal, for the trails with receive = ["journal:…"] (with --config)
    #[arg(long, value_name = "FILE", requires = "config", conflicts_with = "inputs")]
    journal: Vec<PathBuf>,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only findings of at least this severity, in the table: informational, low, medium, high, critical
    #[arg(long, value_name = "LEVEL", default_value = "medium", value_parser = level)]
    severity: Severity,
    /// Say what one event came to: which detections selected it and what kept the others, what each correlation measured
    ///
    /// The event is TRAIL:LINE, a line of the first file of a trail (without a configuration the trail is the FILE as it is
    /// written here), or the id of an event. It is met as the replay comes to it, with what came before it.
    #[arg(long, value_name = "WHAT", value_parser = what, conflicts_with_all = ["inputs", "format", "severity"])]
    explain: Option<What>,
    /// With --explain: JSON, one object
    #[arg(long, requires = "explain")]
    json: bool,
    /// Say where the time went
    #[arg(long)]
    timings: bool,
}

/// Reads which event is to be explained.
fn what(text: &str) -> Result<What, &'static str> {
    if let Ok(id) = text.parse() {
        return Ok(What::Id(id));
    }
    match text.rsplit_once(':').map(|(trail, line)| (trail, line.parse::<u64>())) {
        Some((trail, Ok(line))) if !trail.is_empty() && line > 0 => Ok(What::Line(SourceName(trail.into()), line)),
        _ => Err("write TRAIL:LINE, with the lines counted from 1, or the id of an event (32 hexadecimal digits)"),
    }
}

/// Reads a severity.
pub fn level(text: &str) -> Result<Severity, &'static str> {
    Severity::from_name(text).ok_or("informational, low, medium, high or critical")
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One OCSF object a line: Detection Findings, and a Remediation Activity for each order that would have been given
    Ocsf,
}

/// Where the ledger of this replay lies; a throw-away one goes when this goes.
pub enum Place {
    Kept(PathBuf),
    ThrowAway(PathBuf),
}

impl Place {
    /// The given one, or a throw-away one.
    pub fn new(state: Option<&Path>) -> Result<Place, Failure> {
        if let Some(state) = state {
            return Ok(Place::Kept(state.to_owned()));
        }
        let seed = seal::random_seed().map_err(Failure::new)?;
        let path = std::env::temp_dir().join(format!("tripline-replay-{seed:016x}"));
        remove_at_a_signal(path.clone()).map_err(|e| Failure::new(format!("listening to signals: {e}")))?;
        Ok(Place::ThrowAway(path))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        match self {
            Place::Kept(path) | Place::ThrowAway(path) => path,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Place::ThrowAway(path) = self {
            // a scratch directory that can't be removed is the system's to clean
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// Has a scratch directory removed where a signal ends the program: personal data is in it.
fn remove_at_a_signal(path: PathBuf) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let mut tasks = tokio::task::JoinSet::new();
    for kind in kinds {
        let mut signal = runtime.block_on(async { signal(kind) })?;
        tasks.spawn_on(async move { signal.recv().await.map(|()| kind.as_raw_value()) }, runtime.handle());
    }
    let wait = move || {
        let ended = runtime.block_on(tasks.join_next()).and_then(Result::ok).flatten();
        // one that can't be removed is the system's to clean
        let _ = std::fs::remove_dir_all(&path);
        // what shells give for a program that a signal ended
        std::process::exit(128 + ended.unwrap_or_default());
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}

/// Gives up sockets and execve for good: what old files hold is anybody's. Where the kernel takes no filter, that is said.
pub fn give_up() {
    confine::forbid_dumps();
    if let Err(e) = confine::give_up_all_but(confine::Role::Offline) {
        eprintln!("{e}: this goes on without");
    }
}

/// Runs the replay.
pub fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let config = args.config.as_deref().map(Config::read).transpose()?;
    let place = Place::new(args.state.as_deref())?;
    let (durability, keys) = match &place {
        Place::Kept(path) => (Durability::Full, Arc::new(crate::daemon::keys(path)?)),
        Place::ThrowAway(_) => (Durability::None, Arc::new(Keys::throw_away().map_err(Failure::new)?)),
    };
    let (rules, trails) = match &config {
        Some(config) => {
            let rules = config.rules(keys.secrets())?;
            let trails = config.trails(Until::EndOfFile, &rules);
            (rules, trails)
        }
        None => recognised(&args.files, &keys, args.format)?,
    };
    let rules = Arc::new(rules);
    let trails = match &config {
        Some(config) if !args.journal.is_empty() => from_journal(config, trails, &args.journal, place.path())?,
        _ => trails,
    };
    // journalctl was the last that it had to start, and nothing has been read but by that
    give_up();
    let mut ledger = Ledger::open(place.path(), durability, keys)?;
    let seed = seal::random_seed().map_err(Failure::new)?;
    if let Some(inputs) = &args.inputs {
        // clap asks for a configuration with --inputs
        let learning = config.as_ref().map(|config| config.rules(ledger.keys().secrets())).transpose()?;
        let learning = learning.map_or_else(|| rules.clone(), |rules| Arc::new(rules.learning()));
        return again((&rules, &learning), inputs, &mut ledger, trails, seed);
    }
    let bar = progress(&trails);
    let mut watching = args.explain.clone().map(Watching::new);
    let now = crate::daemon::wall_now();
    let shares =
        replay_watching(&rules, &mut ledger, trails, now, seed, watching.as_mut(), &mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    if let Place::Kept(_) = &place {
        ledger.checkpoint(now)?;
    }
    if let Some(watching) = watching {
        return super::watched::print(watching, args.json);
    }
    let reader = Reader::open(&place.path().join(FILE))?;
    match args.format {
        Format::Ocsf => print_ocsf(&reader)?,
        Format::Table => print_table(&reader, &rules, args.severity)?,
    }
    if args.timings {
        timings(&shares);
    }
    Ok(Exit::Done)
}

/// The trails, with those of the journal read out of these files of it.
fn from_journal(
    config: &Config,
    mut trails: Vec<TrailSpec>,
    files: &[PathBuf],
    place: &Path,
) -> Result<Vec<TrailSpec>, Failure> {
    let dir = place.join("journal");
    std::fs::create_dir_all(&dir).map_err(|e| Failure::new(format!("{}: {e}", dir.display())))?;
    let mut found = false;
    for (trail, spec) in config.written.trail.iter().zip(&mut trails) {
        let units: Vec<String> = trail.receive.iter().filter_map(Address::unit).map(str::to_owned).collect();
        if units.is_empty() {
            continue;
        }
        found = true;
        let spool = dir.join(format!("{}.spool", trail.name));
        crate::receive::journal::from_files(units, files, &spool)
            .map_err(|e| Failure::new(format!("trail {}: reading the journal files: {e}", trail.name)))?;
        spec.paths = vec![source::literal(&spool)];
    }
    match found {
        true => Ok(trails),
        false => Err(Failure::new("--journal: no trail of the configuration has `receive = [\"journal:…\"]`")),
    }
}

/// Replays the recorded inputs of another ledger.
fn again(
    rules: (&Arc<Rules>, &Arc<Rules>),
    inputs: &Path,
    into: &mut Ledger,
    trails: Vec<TrailSpec>,
    seed: u64,
) -> Result<Exit, Failure> {
    let from = Reader::open(&inputs.join(FILE))?;
    let replayed = crate::daemon::recorded::replay_inputs(rules, &from, into, trails, seed)?;
    say!("{} inputs replayed", replayed.inputs);
    if let Some(first) = replayed.other_rules.first() {
        say!("from input {first} on other policies, profiles or tables held than now: what follows may differ");
    }
    Ok(Exit::Done)
}

/// Without a configuration: each file is a trail, whose product is recognised.
fn recognised(files: &[PathBuf], keys: &Keys, format: Format) -> Result<(Rules, Vec<TrailSpec>), Failure> {
    let texts = Texts::shipped();
    let (_, mut normaliser) = texts.compile()?;
    let mut trails = Vec::new();
    let mut profiles = Vec::new();
    for file in files {
        std::fs::File::open(file).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
        let name = SourceName(file.to_string_lossy().into());
        let paths = vec![source::literal(file)];
        let found = match config::recognise(&normaliser, &paths, name.as_str(), Wrapping::default()) {
            Ok(found) => found,
            Err(e) => {
                eprintln!("{}", show::shown(&e.to_string()));
                continue;
            }
        };
        let of_trail: Vec<String> = found.profiles().map(|profile| normaliser.name(profile).to_owned()).collect();
        let profile = normaliser.together(&found.profiles().collect::<Vec<_>>()).map_err(Failure::new)?;
        if format == Format::Table {
            say!(
                "{}: {} ({:.0} % of its first lines{})",
                show::shown(name.as_str()),
                normaliser.title(profile),
                found.share * 100.0,
                if found.syslog { ", behind headers of syslog" } else { "" }
            );
        }
        let wrapping = Wrapping { syslog: found.syslog, ..Wrapping::default() };
        // behind a header of syslog a record is a line
        let names = normaliser.header_names(profile).filter(|_| !found.syslog);
        let framing = match &names {
            None if found.syslog => Framing::Lines,
            Some(_) => Framing::CSV,
            None if found.documents => Framing::JsonDocuments,
            None if found.format == "json" => Framing::JsonLines,
            None => Framing::Lines,
        };
        trails.push(TrailSpec {
            name: name.clone(),
            paths,
            start: Start::Beginning,
            framing,
            names,
            lists: normaliser.record_lists(profile),
            until: Until::EndOfFile,
        });
        profiles.push(TrailProfile { profiles: of_trail, wrapping, ..TrailProfile::plain(name, "") });
    }
    if trails.is_empty() {
        return Err(Failure::new(
            "none of the files is of a product that is known: write a profile for it (see policies/profiles), and name it in a configuration",
        ));
    }
    let rules =
        rules::compile(&texts, Tables::default(), &profiles, Default::default(), Severity::Medium, keys.secrets())?;
    Ok((rules, trails))
}

/// A bar over the bytes of the files, on a terminal.
pub fn progress<'a>(trails: impl IntoIterator<Item = &'a TrailSpec>) -> indicatif::ProgressBar {
    bar(trails.into_iter().flat_map(|trail| &trail.paths).map(Path::new))
}

/// The same over these files.
pub fn bar<'a>(files: impl Iterator<Item = &'a Path>) -> indicatif::ProgressBar {
    let total: u64 = files.map(|path| std::fs::metadata(path).map_or(0, |meta| meta.len())).sum();
    if !std::io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let style = indicatif::ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    indicatif::ProgressBar::new(total).with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
}

fn print_ocsf(reader: &Reader) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut findings = reader.findings(&FindingFilter::default())?;
    findings.reverse();
    for object in answer::as_ocsf(reader, &findings)? {
        writeln!(out, "{}", json_shown(&object.to_string())).map_err(Failure::of_output)?;
    }
    let mut orders = reader.orders(MOST_ROWS, None)?;
    orders.sort_by_key(|o| (o.time, o.id));
    for order in orders.iter().filter(|o| o.state == OrderState::Observed) {
        writeln!(out, "{}", json_shown(&ocsf::order(order).to_string())).map_err(Failure::of_output)?;
    }
    out.flush().map_err(Failure::of_output)
}

fn print_table(reader: &Reader, rules: &Rules, severity: Severity) -> Result<(), Failure> {
    let mut rows = reader.findings(&FindingFilter { severity: Some(severity), ..Default::default() })?;
    rows.reverse();
    for (source, row) in reader.trails()? {
        let source = show::shown(&source);
        say!(
            "{source}: {} lines, {} events, {} rejected, {} repeated",
            row.lines,
            row.events,
            row.rejected(),
            row.repeated
        );
        for (count, what) in [
            (row.undated, "state no time that can be read"),
            (row.unplaced, "are left out by policies that count over time, for nothing says when they were"),
            (row.origin_unread, "state an origin that can't be read"),
            (row.origin_stated, "have an origin that a client may have stated: `trusted_proxies` is not set"),
        ] {
            if count > 0 {
                say!("  {count} of its events {what}");
            }
        }
    }
    super::coverage::say(rules.coverage(), None)?;
    say!();
    if rows.is_empty() {
        say!("no finding of severity {} or above", severity.name());
        return Ok(());
    }
    show::print(&show::findings(&rows))?;
    let orders = reader.orders(MOST_ROWS, None)?;
    let given = orders.iter().filter(|o| o.state == OrderState::Observed).count();
    say!("\n{} findings; {given} orders would have been given", rows.len());
    Ok(())
}

/// Fields that come from databases and lists, not from the trail.
pub fn enriched(field: Field) -> bool {
    use Field::{AsName, AsNumber, City, Country, DeviceFamily, DeviceOs, DeviceType, DeviceVersion, Listed, Prefix};
    matches!(
        field,
        AsName | AsNumber | City | Country | DeviceFamily | DeviceOs | DeviceType | DeviceVersion | Listed | Prefix
    )
}

fn timings(shares: &Shares) {
    let seconds = (shares.waiting + shares.advancing + shares.committing).as_secs_f64().max(1e-9);
    let share = |d: std::time::Duration| 100.0 * d.as_secs_f64() / seconds;
    eprintln!(
        "{} lines in {seconds:.2} s: {:.0} lines/s; waiting for the trails {:.0} %, folding in {:.0} %, committing {:.0} %",
        shares.lines,
        shares.lines as f64 / seconds,
        share(shares.waiting),
        share(shares.advancing),
        share(shares.committing)
    );
}
