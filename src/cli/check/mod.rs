//! `tripline check`: whether what was written can be used, before the daemon relies on it.
mod foreign;
mod origins;
mod sandbox;
mod unit;
mod writers;

use super::replay::enriched;
use super::show::{say, shown};
use super::{Exit, Failure};
use crate::config::Config;
use crate::enrich::Known;
use crate::ledger::Keys;
use crate::model::{Field, Mode};
use crate::policy::{Policy, PolicySet, did_you_mean};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads and compiles everything that the configuration names, and says what each trail can't show; with `verbose` also of each foreign rule
/// that can match nothing why.
pub fn run(path: &Path, verbose: bool) -> Result<Exit, Failure> {
    super::show::ends_with_a_verdict();
    let config = Config::read(path)?;
    let keys = Keys::throw_away().map_err(Failure::new)?;
    let mut rules = config.rules(keys.secrets())?;
    let specs = config.trails(crate::source::Until::EndOfFile, &rules);
    let lists = specs.into_iter().map(|spec| origins::lists(&config, &mut rules, spec)).collect::<Vec<_>>();
    let set = rules.engine.policies();
    say!("{}: can be used", shown(&path.display().to_string()));
    say!("policies: {} ({} of them make findings)", set.rules.len(), set.rules.iter().filter(|p| p.alerts).count());
    let mut well = true;
    tuned(&config, set)?;
    well &= warned(set)?;
    foreign::say_all(&rules, verbose)?;
    for path in &config.texts()?.beside {
        well = false;
        say!(
            "warning: {} is not read: put it into `detections` (*.yml) or `profiles` (*.toml)",
            shown(&path.display().to_string())
        );
    }
    for silence in rules.silences.iter() {
        say!("{}", super::silences::line(silence));
    }
    for (trail, lists) in config.written.trail.iter().zip(&lists) {
        let Some(profile) = rules.trails.iter().find(|(name, _)| name.as_str() == trail.name).map(|(_, p)| *p) else {
            continue;
        };
        say!("trail {}: {}", trail.name, rules.normaliser.title(profile));
        match crate::source::head(&trail.paths, 1) {
            Ok(Some(_)) => {}
            Ok(None) => say!("  there is nothing to read yet"),
            Err(e) => {
                well = false;
                say!("  {e}");
            }
        }
        let have = rules.normaliser.provides(profile);
        let missing: Vec<&str> =
            WANTED.iter().filter(|f| !have.contains(f) && !enriched(**f)).map(|f| f.path()).collect();
        if !missing.is_empty() {
            say!("  does not show: {}", missing.join(", "));
        }
        lists.say()?;
        writers::say(trail, rules.normaliser.vouches_for_copied_names(profile))?;
    }
    if config.written.enrich.databases.is_empty() {
        say!("no database: countries, networks and their owners are unknown, and what needs them is blind");
    } else {
        let lacks: Vec<&str> = rules.enricher.lacks().into_iter().map(Known::name).collect();
        if !lacks.is_empty() {
            say!("no database gives: {}; what needs it is blind", lacks.join(", "));
        }
    }
    super::coverage::say(rules.coverage(), (!verbose).then_some("--verbose says them all"))?;
    well &= actions(&config)?;
    well &= unconfigured(&config, set)?;
    well &= units(&config)?;
    Ok(if well { Exit::Done } else { Exit::NotWell })
}

/// Says what the installed units keep from working, and what mends it.
fn units(config: &Config) -> Result<bool, Failure> {
    let compared = sandbox::compare(Path::new("/"), config).map_err(|e| Failure::new(format!("reading units: {e}")))?;
    let sandbox::Compared { faults, drop_ins, commands } = match compared {
        Ok(compared) => compared,
        Err(why) => {
            say!("units: not compared, for {why}");
            return Ok(true);
        }
    };
    if !rustix::process::geteuid().is_root() {
        say!("units: what their users may read was not looked at: run it as root for that");
    }
    if faults.is_empty() {
        return Ok(true);
    }
    say!("units: as they are installed they do not do all that is asked for:");
    for fault in faults {
        say!("  {}", shown(&fault));
    }
    if !commands.is_empty() {
        say!("do this:\n");
        for command in commands {
            say!("    {}", shown(&command));
        }
    }
    if !drop_ins.is_empty() {
        say!("\nwrite these drop-ins, then `systemctl daemon-reload && {}`:", restarts(drop_ins.keys()));
    }
    for (unit, (section, lines)) in drop_ins {
        say!("\n/etc/systemd/system/{unit}.d/tripline-check.conf:\n    {section}");
        for line in lines {
            say!("    {}", shown(&line));
        }
    }
    say!();
    Ok(false)
}

/// How the units of these drop-ins are started anew.
fn restarts<'a>(units: impl Iterator<Item = &'a String>) -> String {
    let units: Vec<&str> = units.map(String::as_str).collect();
    match units.contains(&"tripline-receiver.socket") {
        // systemd refuses the socket beside a service that runs
        true => format!(
            "systemctl stop tripline-receiver.service && systemctl restart {} tripline-receiver.service",
            units.join(" ")
        ),
        false => format!("systemctl restart {}", units.join(" ")),
    }
}

/// How many places are named of something that is only worth knowing.
const NAMED: usize = 5;

/// Says what is hardly meant in policies; `false` where something is not well.
fn warned(set: &PolicySet) -> Result<bool, Failure> {
    let (notes, mistakes): (Vec<_>, Vec<_>) = set.warnings.iter().partition(|warning| warning.is_note);
    for warning in &mistakes {
        say!("warning: {}", shown(&warning.to_string()));
    }
    // a line a reason
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for note in notes {
        let place = format!("{}:{}", note.at.file, note.at.line);
        by_reason.entry(&note.at.message).or_default().push(place);
    }
    for (reason, places) in by_reason {
        let more = match places.len().saturating_sub(NAMED) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let named = places.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        say!("note: {reason}: {}{more}", shown(&named));
    }
    Ok(mistakes.is_empty())
}

/// Says what the configuration changes of the policies.
fn tuned(config: &Config, set: &PolicySet) -> Result<(), Failure> {
    for policy in set.rules.iter().filter(|p| config.written.policy.contains_key(&*p.name)) {
        let name = shown(&policy.name);
        for what in policy.tuned.iter() {
            say!("policy {name}: {}", shown(what));
        }
        if policy.tuned.is_empty() {
            say!("policy {name}: as its file has it: [policy.{name}] changes nothing");
        }
    }
    Ok(())
}

/// Says which actions policies ask for and nobody has configured; `false` where orders would be refused for it.
fn unconfigured(config: &Config, set: &PolicySet) -> Result<bool, Failure> {
    let mut asked: BTreeMap<&str, Vec<&Policy>> = BTreeMap::new();
    for policy in set.rules.iter().filter(|p| p.alerts && !p.off) {
        let missing = policy.asks.iter().filter(|a| !config.written.actions.contains_key(&*a.action));
        missing.for_each(|ask| asked.entry(&ask.action).or_default().push(policy));
    }
    let response = &config.written.response;
    let mode = |policy: &Policy| response.modes.get(&*policy.name).copied().unwrap_or(response.mode);
    let chosen = |policy: &Policy| config.written.policy.get(&*policy.name).is_some_and(|t| t.response.is_some());
    let mut well = true;
    for (action, policies) in asked {
        well &= !policies.iter().any(|p| chosen(p) || mode(p) != Mode::Observe);
        let of = config.written.actions.keys().map(String::as_str);
        let names: Vec<&str> = policies.iter().map(|p| &*p.name).take(3).collect();
        let more = if policies.len() > names.len() { " and others" } else { "" };
        say!(
            "there is no [actions.{}]{}, for which {}{more} ask{}: under `approve` and `enforce` those orders are refused",
            shown(action),
            did_you_mean(action, of),
            shown(&names.join(", ")),
            if policies.len() == 1 { "s" } else { "" },
        );
    }
    Ok(well)
}

/// What detection makes most of.
const WANTED: &[Field] = &[
    Field::ActorName,
    Field::ActorRole,
    Field::SessionUid,
    Field::Ip,
    Field::UserAgent,
    Field::Customer,
    Field::ExportJob,
    Field::ExportKind,
    Field::ExportRecords,
    Field::ExportDays,
];

fn actions(config: &Config) -> Result<bool, Failure> {
    let mut well = true;
    for (name, action) in &config.written.actions {
        match action.fitness() {
            Ok(()) => say!("action {}: can be run", shown(name)),
            Err(why) => {
                well = false;
                say!("action {}: would be refused: {}", shown(name), shown(&why));
            }
        }
    }
    let response = &config.written.response;
    let enforced = response.mode != Mode::Observe || response.modes.values().any(|m| *m != Mode::Observe);
    if enforced && config.written.actions.is_empty() {
        well = false;
        say!("the mode is not observe, but there is no [actions.NAME]: every order would be refused");
    }
    if !enforced {
        say!("mode: observe; orders say what would be done, and nothing is");
    }
    Ok(well)
}
