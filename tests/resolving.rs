//! The customer's copy holds exactly the records that the exposed exports would have returned.
use crate::support::{self, DOWNLOADS, Dice, PORTAL, Site, World};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

/// One row of a message log, as this test makes it.
struct Message {
    id: u64,
    account: String,
    /// Milliseconds since 1970.
    at: i64,
    number: String,
    kind: &'static str,
}

const DAY: i64 = 86_400_000;

/// Messages of some accounts over these days, at the first and the last moment of a day too.
fn messages(accounts: &[String], days: std::ops::Range<i64>, count: u64, dice: &mut Dice) -> Vec<Message> {
    (0..count)
        .map(|id| {
            let day = days.start + dice.below((days.end - days.start) as usize) as i64;
            let within = match dice.below(10) {
                0 => 0,
                1 => DAY - 1,
                _ => dice.below(DAY as usize) as i64,
            };
            Message {
                id,
                account: accounts[dice.below(accounts.len())].clone(),
                at: day * DAY + within,
                number: format!("+49151{:07}", dice.below(4000)),
                kind: ["sms", "voice", "mfa"][dice.below(3)],
            }
        })
        .collect()
}

fn stamp(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

/// Writes a third of them as CSV, a third as JSON lines, a third as compressed CSV with other names.
fn write(dir: &Path, messages: &[Message]) -> Vec<String> {
    let mut plain = b"id;date_sent;account_sid;to;type;note\n".to_vec();
    let mut json = Vec::new();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"ID,Timestamp,Account,MSISDN,Kind\n").unwrap();
    for m in messages {
        let Message { id, account, at, number, kind } = m;
        match id % 3 {
            // quoted, with a line end, the delimiter and a quotation mark inside
            0 => writeln!(plain, "{id};{};{account};{number};{kind};\"a;\n\"\"b\"\"\"", stamp(*at)).unwrap(),
            1 => writeln!(json, "{{\"id\":{id},\"time\":{at},\"customer\":\"{account}\",\"recipient\":\"{number}\",\"kind\":\"{kind}\"}}").unwrap(),
            _ => writeln!(packed, "{id},{},{account},{number},{}", at / 1000, kind.to_uppercase()).unwrap(),
        }
    }
    plain.extend_from_slice(b"9999;not a time;AC1;+1;sms;\n");
    json.extend_from_slice(b"{\"broken\n");
    let files = [("log.csv", plain), ("log.jsonl", json), ("log2.csv.gz", packed.finish().unwrap())];
    files
        .map(|(name, bytes)| {
            std::fs::write(dir.join(name), bytes).unwrap();
            dir.join(name).to_str().unwrap().to_owned()
        })
        .to_vec()
}

/// The ids of the rows in a customer's folder.
fn ids(folder: &Path) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        match path.extension().and_then(|e| e.to_str()) {
            Some("jsonl") => {
                ids.extend(text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["id"].as_u64().unwrap()))
            }
            Some("csv") => {
                let delimiter = if text.starts_with("id;") { b';' } else { b',' };
                let mut rows = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
                ids.extend(rows.records().map(|row| row.unwrap()[0].parse::<u64>().unwrap()));
            }
            _ => {}
        }
    }
    ids
}

#[test]
fn each_customer_gets_exactly_what_left_and_an_ended_run_goes_on() {
    let world = World::make(2);
    let site = Site::following(&world, "");
    for name in [PORTAL, DOWNLOADS] {
        std::fs::copy(world.path(name), site.path(name)).unwrap();
    }
    let state = site.path("state");
    let state = state.to_str().unwrap();
    let out = site.say(&["replay", "--state", state]);
    assert!(out.status.success(), "{}", support::text(&out));
    let incidents = site.json(&["incident", "list", "--all", "--state", state]);
    let exposure = |id: &str| site.json(&["exposure", id, "--state", state]).remove(0)["exposure"]["exports"].clone();
    let most = |i: &&Value| exposure(i["id"].as_str().unwrap()).as_object().unwrap().len();
    let incident = incidents.iter().max_by_key(most).unwrap()["id"].as_str().unwrap().to_owned();
    let exports = exposure(&incident);
    let exports: Vec<&Value> =
        exports.as_object().unwrap().values().filter(|e| e["downloads"].as_u64() > Some(0)).collect();
    assert!(exports.len() > 2, "{exports:?}");

    let first = exports.iter().filter_map(|e| e["days"][0].as_i64()).min().unwrap();
    let last = exports.iter().filter_map(|e| e["days"][1].as_i64()).max().unwrap();
    let mut accounts: Vec<String> = exports.iter().map(|e| e["customer"].as_str().unwrap().to_owned()).collect();
    accounts.extend(["AC-other".to_owned(), "AC-more".to_owned()]);
    let log = messages(&accounts, first - 2..last + 3, 30_000, &mut Dice::new(7));
    let returned = |m: &&Message| {
        let day = m.at.div_euclid(DAY);
        exports.iter().any(|e| {
            let days = (e["days"][0].as_i64().unwrap(), e["days"][1].as_i64().unwrap());
            e["customer"] == m.account.as_str()
                && (days.0..=days.1).contains(&day)
                && e["kind"].as_str().is_none_or(|kind| kind == m.kind)
        })
    };
    let mut expected: BTreeMap<&str, (BTreeSet<u64>, BTreeSet<&str>)> = BTreeMap::new();
    for m in log.iter().filter(returned) {
        let (ids, numbers) = expected.entry(&m.account).or_default();
        ids.insert(m.id);
        numbers.insert(&m.number);
    }
    let files = write(site.dir.path(), &log);
    let copy = site.path("copy");
    let run = |files: &[String]| {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let words = [
            &["exposure", &incident, "--state", state, "--out", copy.to_str().unwrap(), "--json", "--resolve"],
            &files[..],
        ];
        // the configuration stands before the files
        let mut command = support::tripline(&[]);
        command.args(&words.concat()[..1]).arg("-c").arg(site.config()).args(&words.concat()[1..]);
        let out = command.output().unwrap();
        assert!(out.status.success(), "{}", support::text(&out));
        serde_json::from_slice::<Value>(&out.stdout).unwrap()
    };
    // ended after the first file, and gone on with
    run(&files[..1]);
    let manifest = run(&files);
    let whole: BTreeMap<String, Vec<u8>> = all_files(&copy);
    run(&files);
    assert_eq!(all_files(&copy), whole, "a run that has nothing to do changes nothing");

    for (account, (wanted, numbers)) in &expected {
        let customer = &manifest["customers"][account];
        let folder = copy.join(customer["folder"].as_str().unwrap());
        assert_eq!(&ids(&folder), wanted, "{account}");
        assert_eq!(customer["records"], wanted.len(), "{customer}");
        let listed = std::fs::read_to_string(folder.join("numbers.txt")).unwrap();
        assert_eq!(listed.lines().collect::<BTreeSet<_>>(), *numbers);
        assert_eq!(customer["numbers"], numbers.len());
        for (name, digest) in customer["files"].as_object().unwrap() {
            let out = std::process::Command::new("sha256sum").arg(folder.join(name)).output().unwrap();
            assert!(String::from_utf8_lossy(&out.stdout).starts_with(digest.as_str().unwrap()), "{name}");
        }
    }
    assert!(!copy.join("AC-other").exists());
    let unreadable: u64 =
        manifest["inputs"].as_object().unwrap().values().filter_map(|i| i["unreadable"].as_u64()).sum();
    assert_eq!(unreadable, 2);

    let bad = site.path("bad.csv");
    std::fs::write(&bad, "account,date_sent,to\nAC1,yesterday,+1\n").unwrap();
    let mut command = support::tripline(&["exposure"]);
    command.arg("-c").arg(site.config()).args([&incident, "--state", state, "--out"]);
    let out = command.arg(site.path("other")).arg("--resolve").arg(&bad).output().unwrap();
    assert_eq!(out.status.code(), Some(65), "{}", support::text(&out));
    assert!(!site.path("other").join("AC1").exists());
}

fn all_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(all_files(&path)),
            false => drop(all.insert(path.to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())),
        }
    }
    all
}
