//! Rules and records by chance, and SigmaHQ's rules with records made for each: tripline selects what the specification says.
//!
//! `TRIPLINE_PAIRS=200000` for the long run, `TRIPLINE_SEED` for other ones.
use super::selecting::Live;
use super::sigma::{Record, selects};
use super::sigma_values::{Json, Yaml};
use super::{sigma_records, sigma_rules};
use crate::support::{Dice, of_others};
use std::path::{Path, PathBuf};

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |n| n.parse().expect("a number"))
}

/// Where both readings differ, up to a bound; and how many pairs were held against each other, and selected.
#[derive(Default)]
struct Tally {
    pairs: usize,
    selected: usize,
    different: usize,
    shown: Vec<String>,
}

impl Tally {
    /// Holds a rule against a record made for it.
    fn hold(&mut self, dice: &mut Dice, live: &Live, profile: &str, rule: usize, name: &str, detection: &Yaml) {
        let json = sigma_records::record(dice, detection);
        let escapes = dice.below(4) == 0;
        let wanted = selects(detection, &Record { json: &json, escapes });
        let line = json.written(escapes);
        let found = live.selects(rule, &live.events(profile, &line));
        self.pairs += 1;
        self.selected += usize::from(wanted);
        if found != wanted {
            self.different += 1;
            if self.shown.len() < 12 {
                let verdict = if wanted { "should select" } else { "should not select" };
                let short: String = line.chars().take(600).collect();
                self.shown.push(format!("{name}: {} {verdict} {short}", short_of(detection)));
            }
        }
    }

    /// Ends: there were enough of both kinds, and no difference.
    fn end(self, what: &str) {
        println!("{what}: {} pairs, {} selected, {} different", self.pairs, self.selected, self.different);
        assert!(self.different == 0, "{} of {} differ:\n{}", self.different, self.pairs, self.shown.join("\n"));
        let share = self.selected * 100 / self.pairs.max(1);
        assert!((10..=90).contains(&share), "{share} % are selected: the records are not near enough");
    }
}

fn short_of(detection: &Yaml) -> String {
    sigma_rules::file("x", detection).lines().last().unwrap_or_default().chars().take(1500).collect()
}

#[test]
fn generated_rules_select_what_the_specification_says() {
    /// So many rules are compiled together, and so many records made for each.
    const RULES: usize = 50;
    const RECORDS: usize = 20;
    let pairs = number("TRIPLINE_PAIRS", 3000);
    let mut dice = Dice::new(number("TRIPLINE_SEED", 1) as u64);
    let mut tally = Tally::default();
    let mut refused = Vec::new();
    while tally.pairs < pairs {
        let rules: Vec<Yaml> = (0..RULES).map(|_| sigma_rules::detection(&mut dice)).collect();
        let file =
            |(n, detection): (usize, &Yaml)| (format!("{n}.yml"), sigma_rules::file(&format!("r{n}"), detection));
        let live = Live::new(&rules.iter().enumerate().map(file).collect::<Vec<_>>());
        refused.extend(live.set.taken[0].set_aside.iter().map(|reason| reason.first.clone()));
        for (place, rule) in live.set.rules.iter().enumerate() {
            let n: usize = rule.name[1..].parse().expect("rules are named by numbers");
            for _ in 0..RECORDS {
                tally.hold(&mut dice, &live, "bare", place, &rule.name, &rules[n]);
            }
        }
    }
    assert!(refused.is_empty(), "rules are refused: {refused:#?}");
    tally.end("generated");
}

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, into),
            path if path.extension().is_some_and(|ext| ext == "yml") => into.push(path),
            _ => {}
        }
    }
}

/// Names that mean fields of the event: a profile of nothing fills none of them.
fn is_ours(name: &str) -> bool {
    const WEB: &[&str] =
        &["c-ip", "cs-method", "cs-uri-stem", "cs-user-agent", "c-useragent", "cs-username", "sc-status", "time-taken"];
    WEB.contains(&name) || tripline::model::Field::from_path(name).is_some()
}

fn names_ours(node: &Yaml) -> bool {
    match node {
        Yaml::Map(items) => {
            items.iter().any(|(key, value)| is_ours(key.split('|').next().unwrap_or("")) || names_ours(value))
        }
        Yaml::List(list) => list.iter().any(names_ours),
        _ => false,
    }
}

#[test]
fn the_rules_of_sigmahq_select_what_the_specification_says() {
    let Some(folder) = of_others("samples/sigmahq-all") else { return };
    let pairs = number("TRIPLINE_PAIRS", 3000);
    let mut dice = Dice::new(number("TRIPLINE_SEED", 1) as u64 + 1);
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    paths.sort();
    // in the short run every so many, another share for another seed
    let step = (paths.len() * 4 / pairs.max(1)).max(1);
    let first = dice.below(step);
    let mut texts = Vec::new();
    for path in paths.into_iter().skip(first).step_by(step) {
        let text = std::fs::read_to_string(&path).expect("text");
        // as written: `00000429` is no number of a keyboard's layout
        let options = serde_saphyr::options! {
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
        };
        let document: Yaml = match serde_saphyr::from_str_with_options(&text, options) {
            Ok(document) => document,
            Err(error) => {
                println!("not read: {}: {error}", path.display());
                continue;
            }
        };
        let (Some(id), Some(detection)) = (document.get("id"), document.get("detection")) else { continue };
        if !names_ours(detection) {
            texts.push((id.text(), detection.clone(), path.display().to_string(), text));
        }
    }
    // whatever product a rule is for, it is for these records: of `logsource` nothing is asked here
    let bare = |text: &str| {
        let mut inside = false;
        let lines = text.lines().filter(|line| {
            let is_inner = inside && line.starts_with([' ', '\t', '#']);
            inside = line.starts_with("logsource:") || is_inner;
            !inside
        });
        lines.map(|line| format!("{line}\n")).collect::<String>() + "logsource: { product: bare }\n"
    };
    let given: Vec<(String, String)> = texts.iter().map(|(_, _, path, text)| (path.clone(), bare(text))).collect();
    let live = Live::new(&given);
    let mut tally = Tally::default();
    let each = pairs.div_ceil(live.set.rules.len().max(1));
    for (place, rule) in live.set.rules.iter().enumerate() {
        let id = rule.id.as_deref().expect("rules of SigmaHQ have ids");
        let (_, detection, path, _) = texts.iter().find(|(known, ..)| known == id).expect("the rule's file");
        for _ in 0..each {
            tally.hold(&mut dice, &live, "bare", place, path, detection);
        }
    }
    println!("{} rules, of {}", live.set.rules.len(), texts.len());
    tally.end("sigmahq");
}

#[test]
fn a_difference_would_be_seen() {
    let detection = Yaml::Map(vec![
        ("s".to_owned(), Yaml::Map(vec![("f".to_owned(), Yaml::Text("alpha".to_owned()))])),
        ("condition".to_owned(), Yaml::Text("s".to_owned())),
    ]);
    let with = |text: &str| Json::Object(vec![("f".to_owned(), Json::Text(text.to_owned()))]);
    let selects = |json: &Json| selects(&detection, &Record { json, escapes: false });
    assert!(selects(&with("ALPHA")) && !selects(&with("alph")));
}
