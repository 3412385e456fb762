//! `tripline learn`: what is usual, out of months of old logs.
use super::replay::give_up;
use super::show::{say, shown};
use super::{ConfigArgs, Exit, Failure, show};
use crate::config::{self, Config};
use crate::daemon::learn::{Lessons, OldFile, learn, look, too_late};
use crate::daemon::met::Lacks;
use crate::ledger::{Durability, Ledger};
use crate::model::{ActorKind, EventTime, SourceName, Text, limits};
use crate::normalise::Wrapping;
use crate::pipeline::Rules;
use crate::source::{self, TrailSpec, Until};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// From what is learned, and as what.
#[derive(Args)]
pub struct LearnArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Take the files for lines of this trail (otherwise their products are recognised, and each is of the trail of that product)
    #[arg(long, value_name = "NAME")]
    trail: Option<String>,
    /// Learn although the daemon has watched for longer than the lines are old: they are late, and teach little
    #[arg(long)]
    anyway: bool,
    /// JSON, one object
    #[arg(long)]
    json: bool,
    /// Old files, plain, .gz or .zst, in any order
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Learns.
pub fn run(args: &LearnArgs) -> Result<Exit, Failure> {
    give_up();
    let config = Config::read(&args.config.config)?;
    let state = &config.written.state_dir;
    let keys = Arc::new(crate::daemon::keys(state)?);
    let rules = config.rules(keys.secrets())?.learning();
    let specs = specs(args, &config, &rules)?;
    let mut ledger = Ledger::open(state, Durability::Full, keys)?;
    let (now, rules) = (crate::daemon::wall_now(), Arc::new(rules));
    let seed = crate::ledger::seal::random_seed().map_err(Failure::new)?;
    let files = look(&rules, specs, now, seed)?;
    if let Some(why) = too_late(&ledger, &files)?.filter(|_| !args.anyway) {
        return Err(Failure::new(why));
    }
    let reads_again = reads_again(&config, &files);
    let bar = super::replay::progress(files.iter().map(|f| &f.spec));
    // who asks is whom the system says that we are
    let by = Text::from(format!("uid {}", rustix::process::getuid().as_raw()));
    let lessons = learn(&rules, &mut ledger, files, now, by, &mut |bytes| bar.inc(bytes))?;
    bar.finish_and_clear();
    let lacks = lessons.met.lacks(rules.engine.policies());
    if args.json {
        say!("{}", as_json(&lessons, &lacks));
    } else {
        print(&lessons, &lacks)?;
        warn(&lessons, &reads_again)?;
    }
    Ok(Exit::Done)
}

/// The files as what they are read: one each.
fn specs(args: &LearnArgs, config: &Config, rules: &Rules) -> Result<Vec<TrailSpec>, Failure> {
    let trails = config.trails(Until::EndOfFile, rules);
    args.files
        .iter()
        .map(|file| {
            std::fs::File::open(file).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
            // the record says where it lay, wherever we stand now
            let paths = vec![source::literal(&std::path::absolute(file).map_err(Failure::new)?)];
            let trail = trail_of(args, &trails, rules, file, &paths)?;
            Ok(TrailSpec { paths, ..trail.clone() })
        })
        .collect()
}

/// Of which trail the file's lines are.
fn trail_of<'a>(
    args: &LearnArgs,
    trails: &'a [TrailSpec],
    rules: &Rules,
    file: &Path,
    paths: &[String],
) -> Result<&'a TrailSpec, Failure> {
    let names = || trails.iter().map(|t| t.name.to_string()).collect::<Vec<_>>().join(", ");
    if let Some(name) = &args.trail {
        let found = trails.iter().find(|t| t.name.as_str() == name);
        return found.ok_or_else(|| Failure::new(format!("--trail {name}: the configuration has {}", names())));
    }
    if let [only] = trails {
        return Ok(only);
    }
    let fault = |why: String| Failure::new(format!("{}: {why}: say --trail with one of {}", file.display(), names()));
    let found = config::recognise(&rules.normaliser, paths, &file.to_string_lossy(), Wrapping::default());
    let found = found.map_err(|e| fault(e.to_string()))?;
    let of = |t: &TrailSpec| rules.trails.get(&t.name).map(|profile| rules.normaliser.names(*profile));
    let product = rules.normaliser.name(found.profile);
    let is = |t: &&TrailSpec| of(t).is_some_and(|mut names| names.any(|name| name == product));
    let mut fit = trails.iter().filter(is);
    match (fit.next(), fit.next()) {
        (Some(trail), None) => Ok(trail),
        (Some(_), Some(_)) => Err(fault("several trails are of its product".into())),
        (None, _) => Err(fault(format!("no trail is of {}", rules.normaliser.title(found.profile)))),
    }
}

/// The trails of which the daemon will read one of these files from its beginning.
fn reads_again(config: &Config, files: &[OldFile]) -> Vec<SourceName> {
    let same =
        |a: &str, b: &str| matches!((std::fs::canonicalize(a), std::fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b);
    let followed = |name: &SourceName, path: &str| {
        config.written.trail.iter().any(|t| {
            t.name == name.as_str()
                && t.start == config::written::Start::Beginning
                && t.paths.iter().any(|p| same(p, path))
        })
    };
    let mut names: Vec<SourceName> = files
        .iter()
        .filter(|f| f.spec.paths.iter().any(|p| followed(&f.spec.name, p)))
        .map(|f| f.spec.name.clone())
        .collect();
    names.dedup();
    names
}

fn warn(lessons: &Lessons, reads_again: &[SourceName]) -> Result<(), Failure> {
    for name in reads_again {
        let lines: u64 = lessons.files.iter().filter(|f| f.source == *name).map(|f| f.events).sum();
        if lines > limits::REMEMBERED_IDS as u64 {
            say!(
                "\nthe daemon will read a file of trail {} again from its beginning, and of {lines} events it remembers the last {}: \
                 set start = \"end\" for it, or the older ones are counted twice",
                shown(name.as_str()),
                limits::REMEMBERED_IDS
            );
        }
    }
    Ok(())
}

fn print(lessons: &Lessons, lacks: &[Lacks]) -> Result<(), Failure> {
    let time = |time: Option<EventTime>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    let mut table = show::table(&["FILE", "TRAIL", "LINES", "EVENTS", "FIRST", "LAST"]);
    for f in &lessons.files {
        let (path, source) = (shown(&f.path), shown(f.source.as_str()));
        table.add_row([path, source, f.lines.to_string(), f.events.to_string(), time(f.first), time(f.last)]);
    }
    show::print(&table)?;
    let (people, keys) = (lessons.met.count(ActorKind::User), lessons.met.count(ActorKind::Key));
    say!(
        "\n{people} people and {keys} keys met; {} events had been seen before and were not counted again",
        lessons.repeated
    );
    if !lacks.is_empty() {
        say!();
        let mut table = show::table(&["LEARNS", "DAYS", "KNOWN", "STILL LACKING"]);
        for l in lacks {
            let lacking: Vec<String> = l.lacking.iter().map(|(days, n)| lacking(*days, *n)).collect();
            let lacking = if lacking.is_empty() { "-".to_owned() } else { lacking.join(", ") };
            table.add_row([shown(&l.policy), l.days.to_string(), format!("{} of {}", l.learned, l.of), lacking]);
        }
        show::print(&table)?;
    }
    say!("\nfindings that there would have been, of which nobody is told:");
    if lessons.unsaid.is_empty() {
        say!("  none");
    }
    for (policy, count) in &lessons.unsaid {
        say!("  {count:>6}  {}", shown(policy));
    }
    Ok(())
}

fn lacking(days: u32, count: usize) -> String {
    match days {
        0 => format!("{count} more observations"),
        1 => format!("{count} 1 day"),
        days => format!("{count} {days} days"),
    }
}

fn as_json(lessons: &Lessons, lacks: &[Lacks]) -> serde_json::Value {
    serde_json::json!({
        "files": lessons.files,
        "people": lessons.met.count(ActorKind::User),
        "keys": lessons.met.count(ActorKind::Key),
        "repeated": lessons.repeated,
        "learning": lacks,
        "would_have_found": lessons.unsaid.iter().map(|(policy, n)| (policy.to_string(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
    })
}
