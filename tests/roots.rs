//! The same inputs give the same list of evidence whatever is committed together; the same lines give the same facts whatever the
//! inputs they come in.
use crate::support::{self, BEGINNING, DOWNLOADS, PORTAL, Site, World, difference, line, rules};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tripline::config::Config;
use tripline::ledger::dump::Roots;
use tripline::ledger::{Durability, Keys, Ledger, Reader};
use tripline::model::finding::Ask;
use tripline::model::{Batch, Input, Subject, TargetKind, WallTime};
use tripline::pipeline::{Core, Prepared, Rules, Scratch};
use tripline::source::Until;

/// A batch of these lines of the file, which begins there; of what ends later the reader knows later.
pub fn batch(lines: &[String], from: u64) -> Batch {
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    support::batch(lines, from, WallTime(BEGINNING + 30 * 86_400_000 + from as i64 + bytes as i64))
}

/// Some twenty thousand events in inputs of uneven sizes, with people's acts between them.
fn inputs(rules: &Rules) -> Vec<Input<Prepared>> {
    let lines: Vec<String> = (0..13_000).map(line).collect();
    let (mut inputs, mut offset, mut scratch) = (vec![rules.input(WallTime(1))], 0, Scratch::new(1));
    for (n, piece) in lines.chunks(811).enumerate() {
        let batch = batch(piece, offset);
        offset = batch.stretch.to;
        let at = batch.observed;
        inputs.push(Input::Lines(vec![rules.prepare(batch, &mut scratch)]));
        let by = || "uid 0".into();
        inputs.push(match n % 3 {
            0 => Input::TestFinding { at, by: by() },
            1 => Input::Hold { at, on: n % 2 == 0, by: by() },
            _ => Input::Invalidate {
                at,
                ask: Ask { action: "end-session".into(), target: TargetKind::Account },
                subject: Box::new(Subject { actor: Some("ana".into()), ..Subject::default() }),
                reason: "she called".into(),
                by: by(),
            },
        });
    }
    inputs
}

/// What a ledger comes to that commits after so many inputs, and is opened anew after so many commits.
fn committed(directory: &Path, every: usize, restart: usize) -> (Roots, Vec<(String, String)>) {
    let keys = Arc::new(Keys::new(&[7; 32]));
    let rules = rules(&keys, 9);
    let open = || Ledger::open(directory, Durability::None, keys.clone()).expect("opened");
    let core = |ledger: &Ledger| Core::new(rules.clone(), ledger.recorded().expect("readable"), false, 1);
    let mut ledger = open();
    let mut outcome = core(&ledger).begin();
    for (n, input) in (1..).zip(inputs(&rules)) {
        outcome = outcome.fold(input, &ledger).expect("readable");
        if n % every == 0 {
            let receipt = ledger.commit(outcome).unwrap_or_else(|_| panic!("the disk has room"));
            outcome = if n % (every * restart) == 0 {
                drop(ledger);
                ledger = open();
                core(&ledger)
            } else {
                receipt.core
            }
            .begin();
        }
    }
    assert!(ledger.commit(outcome).is_ok());
    let reader = Reader::open(&ledger.path()).expect("readable");
    assert_eq!(reader.verify(Some(&keys), &[]).expect("readable").faults, []);
    let file = rusqlite::Connection::open(ledger.path()).expect("opened");
    let blocks: Vec<u64> = all(&file, "SELECT events FROM blocks ORDER BY id", |r| r.get(0));
    let tail: Vec<u64> = all(&file, "SELECT count(*) FROM tail", |r| r.get(0));
    assert_eq!((blocks, tail), (vec![4096; 3], vec![13_000 - 3 * 4096]));
    let leaves = all(&file, "SELECT kind, key FROM leaves ORDER BY sequence", |r| Ok((r.get(0)?, r.get(1)?)));
    (reader.roots().expect("readable"), leaves)
}

fn all<T>(
    file: &rusqlite::Connection,
    sql: &str,
    row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Vec<T> {
    let mut statement = file.prepare(sql).unwrap();
    statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_same_inputs_give_the_same_root_whatever_is_committed_together() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let run = |name: &str, every, restart| committed(&scratch.path().join(name), every, restart);
    let (one, leaves) = run("one", 1, 1000);
    for kind in ["input", "reading", "finding", "order", "block"] {
        assert!(leaves.iter().any(|(of, _)| of == kind), "{kind}");
    }
    // in other commits, in one, and opened anew between them
    for (name, every, restart) in [("some", 3, 2), ("all", 1000, 1), ("anew", 1, 1)] {
        let (other, others) = run(name, every, restart);
        let first = leaves.iter().zip(&others).position(|(a, b)| a != b);
        assert_eq!((first, &other), (None, &one), "{name}");
    }
}

/// The second of March at which a line of the world was written.
fn second(line: &str) -> u64 {
    let two = |at: usize| line[at..at + 2].parse::<u64>().unwrap();
    let clock = |day: u64, at: usize| ((day * 24 + two(at)) * 60 + two(at + 3)) * 60 + two(at + 6);
    match line.strip_prefix("{\"ts\":\"2026-03-") {
        Some(rest) => clock(rest[..2].parse().unwrap(), "{\"ts\":\"2026-03-00T".len()),
        None => {
            let at = line.find('[').unwrap() + 1;
            assert_eq!(&line[at + 2..at + 12], "/Mar/2026:");
            clock(two(at), at + 12)
        }
    }
}

/// The world as three hosts of the portal and two that serve downloads wrote it: each session on a host of its own.
fn hosts(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, of, sign) in [(PORTAL, 3, "\"session\":"), (DOWNLOADS, 2, "sid=")] {
        for line in String::from_utf8(world.read(name)).unwrap().split_inclusive('\n') {
            let session = line.split_once(sign).map_or("", |(_, rest)| rest.split([',', ' ']).next().unwrap());
            let host = session.bytes().map(usize::from).sum::<usize>() % of;
            hosts.entry(format!("{host}-{name}")).or_default().push(line.to_owned());
        }
    }
    hosts
}

/// What a replay leaves that is run after each of so many equal parts of the time; two of the trails are behind by so many seconds.
fn replayed(world: &World, pieces: u64, late: u64) -> (Vec<String>, Roots) {
    let site = Site::following(world, "");
    let hosts = hosts(world);
    assert_eq!(hosts.len(), 5);
    let (before, rest) =
        site.configuration().split_once("[[trail]]").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let trails: String = hosts
        .keys()
        .map(|host| {
            let profile = if host.ends_with(PORTAL) { "tripline-portal" } else { "download-log" };
            let path = site.path(host);
            std::fs::write(&path, "").unwrap();
            format!(
                "[[trail]]\nname = '{}'\npaths = ['{}']\nprofile = '{profile}'\n",
                host.replace('.', "-"),
                path.display()
            )
        })
        .collect();
    site.configure(&format!("{before}{trails}{}", &rest[rest.find("[enrich]").unwrap()..]));
    let keys = Arc::new(Keys::new(&[7; 32]));
    let config = Config::read(&site.config()).unwrap();
    let rules = Arc::new(config.rules(keys.secrets()).unwrap());
    let mut ledger = Ledger::open(&site.path("state"), Durability::None, keys).unwrap();
    let times = || hosts.values().flatten().map(|line| second(line));
    let (first, last) = (times().min().unwrap(), times().max().unwrap() + 1);
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    // the last piece after the latest have come
    for piece in 1..=pieces + 1 {
        let until = if piece > pieces { u64::MAX } else { first + (last - first) * piece / pieces };
        for (n, (host, lines)) in hosts.iter().enumerate() {
            let until = if n % 2 == 1 { until.saturating_sub(late) } else { until };
            let from = written.entry(host).or_default();
            let new: String =
                lines[*from..].iter().take_while(|line| second(line) < until).map(String::as_str).collect();
            *from += new.lines().count();
            site.append_to(host).write_all(new.as_bytes()).unwrap();
        }
        let trails = config.trails(Until::EndOfFile, &rules);
        let now = WallTime(BEGINNING + 400 * 86_400_000 + piece as i64);
        tripline::daemon::replay::replay(&rules, &mut ledger, trails, now, piece, &mut |_| ()).unwrap();
    }
    let reader = Reader::open(&ledger.path()).unwrap();
    (reader.dump().unwrap(), reader.roots().unwrap())
}

#[test]
fn the_same_world_gives_the_same_facts_whatever_the_pieces() {
    let world = World::make(5);
    let (whole, roots) = replayed(&world, 1, 0);
    assert!(whole.iter().filter(|l| l.starts_with("finding ")).count() > 20);
    let (dump, other) = replayed(&world, 90, 0);
    let (only_whole, only_dump) = difference(&whole, &dump);
    assert!(whole == dump, "{only_whole:#?}\n{only_dump:#?}");
    assert_eq!(roots.facts, other.facts);
    // what was read together and when is recorded, too: this list is of other inputs
    assert_ne!(roots.recorded, other.recorded);
}
