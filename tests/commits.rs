//! A commit that fails at each of its operations, a process that dies in each of them, and what lies on disk after a power cut:
//! what opens is a state that some instant had, and the run ends like an undisturbed one.
//!
//! strace makes the n-th call on the ledger's files fail, or kills the daemon there. Here some n of each; TRIPLINE_FAULTS=200 tries
//! all up to that one (tests/sweep commits).
use crate::support::{Dice, PORTAL, Site, Tracer, difference, skip, text, tripline, until};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline::framing::Framing;
use tripline::ledger::{Durability, Error, Keys, Ledger, Reader};
use tripline::model::{Input, Severity, SourceName, WallTime};
use tripline::pipeline::{Core, Rules, Scratch};
use tripline::rules::{self, Tables, Texts};
use tripline::source::{Cursor, Follower, Start, TrailSpec, Until};

/// One line: a person asks for an export. Every twentieth is of half a million records.
fn line(n: usize) -> String {
    let rows = if n % 20 == 19 { 500_000 } else { 5 };
    let at = WallTime(1_790_000_000_000 + n as i64 * 60_000);
    let person = n % 3;
    format!(
        "{{\"ts\":\"{at}\",\"id\":\"ev-{n}\",\"event\":\"log.export.requested\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-{person}\",\
         \"name\":\"ana{person}\",\"type\":\"staff\",\"role\":\"noc\"}},\"session\":\"s-{person}\",\"ip\":\"192.0.2.{person}\",\
         \"ua\":\"Mozilla/5.0\",\"account\":\"AC1\",\"details\":{{\"export\":\"ex-{n}\",\"kind\":\"sms\",\"rows\":{rows}}}}}\n"
    )
}

// ---- what lies on disk, without a daemon ----

const LINES: usize = 60;

/// A trail, and what is needed to fold it into a ledger, a line a commit.
struct Bench {
    dir: tempfile::TempDir,
    keys: Arc<Keys>,
    rules: Arc<Rules>,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let lines: String = (0..LINES).map(line).collect();
        std::fs::write(dir.path().join("portal.jsonl"), lines).unwrap();
        let keys = Arc::new(Keys::new(&[7; 32]));
        let profiles = [rules::TrailProfile::plain(SourceName("portal".into()), "tripline-portal")];
        let settings = Default::default();
        let rules =
            rules::compile(&Texts::shipped(), Tables::default(), &profiles, settings, Severity::Medium, keys.secrets());
        Bench { dir, keys, rules: Arc::new(rules.unwrap()) }
    }

    fn state(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self, state: &Path) -> Result<Ledger, Error> {
        Ledger::open(state, Durability::Full, self.keys.clone())
    }

    /// Folds in all that is not yet in the ledger, a line a commit, and looks at the ledger after each.
    fn go_on(&self, mut ledger: Ledger, mut look: impl FnMut(&Path)) {
        let spec = TrailSpec {
            name: SourceName("portal".into()),
            paths: vec![self.dir.path().join("portal.jsonl").to_str().unwrap().to_owned()],
            start: Start::Beginning,
            framing: Framing::Lines,
            names: None,
            lists: Default::default(),
            until: Until::Forever,
        };
        let cursors = ledger.cursors().unwrap().into_iter().map(|row| Cursor {
            source: row.source,
            path: row.path.to_path_buf(),
            file: row.file,
            offset: row.offset,
            witness: row.witness,
        });
        let mut follower = Follower::open(spec, cursors.collect());
        assert!(follower.reconcile().is_empty());
        let mut core = Core::new(self.rules.clone(), ledger.recorded().unwrap(), false, 1);
        while let Some(batch) = follower.next(WallTime(1_790_010_000_000)).unwrap() {
            let mut rest = batch;
            while !rest.frames.is_empty() {
                let (piece, behind) = rest.cut(1);
                rest = behind;
                let input = Input::Lines(vec![self.rules.prepare(piece, &mut Scratch::new(1))]);
                let outcome = core.begin().fold(input, &ledger).unwrap();
                let receipt = ledger.commit(outcome).unwrap_or_else(|_| panic!("it can be written"));
                core = receipt.core;
                look(&ledger.path());
            }
        }
    }
}

fn dump(file: &Path) -> Result<String, Error> {
    Ok(Reader::open(file)?.dump()?.join("\n"))
}

/// A state directory with these files.
fn image(bench: &Bench, name: &str, ledger: &[u8], wal: &[u8]) -> PathBuf {
    let state = bench.state(name);
    let _ = std::fs::remove_dir_all(&state);
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("ledger.sqlite"), ledger).unwrap();
    std::fs::write(state.join("ledger.sqlite-wal"), wal).unwrap();
    state
}

/// A run that nobody disturbed: every state that it had, and its files before and after the WAL was written back.
struct Undisturbed {
    states: BTreeSet<String>,
    last: String,
    ledger: Vec<u8>,
    wal: Vec<u8>,
    after: Vec<u8>,
}

fn undisturbed(bench: &Bench) -> Undisturbed {
    let state = bench.state("undisturbed");
    let ledger = bench.open(&state).unwrap();
    let file = ledger.path();
    let mut states = BTreeSet::from([dump(&file).unwrap()]);
    let mut last = String::new();
    let mut files = (Vec::new(), Vec::new());
    bench.go_on(ledger, |file| {
        last = dump(file).unwrap();
        states.insert(last.clone());
        files = (std::fs::read(file).unwrap(), std::fs::read(file.with_extension("sqlite-wal")).unwrap());
    });
    assert_eq!(states.len(), LINES + 1);
    assert!(last.contains("finding"), "{last}");
    // the last connection writes the WAL back
    drop(bench.open(&state).unwrap());
    Undisturbed { states, last, ledger: files.0, wal: files.1, after: std::fs::read(&file).unwrap() }
}

#[test]
fn s75_a_copy_of_the_wal_at_any_byte_is_a_state_that_was_and_the_run_goes_on_from_there() {
    let bench = Bench::new();
    let was = undisturbed(&bench);
    let mut dice = Dice::new(75);
    let tries = tries(40);
    let mut seen = BTreeSet::new();
    for n in 0..tries {
        // every beginning and end of a frame is somewhere among them, and so is any byte between
        let length = if n == 0 { was.wal.len() } else { dice.below(was.wal.len() + 1) };
        let state = image(&bench, "copy", &was.ledger, &was.wal[..length]);
        let ledger = bench.open(&state).unwrap();
        let opened = dump(&ledger.path()).unwrap();
        assert!(was.states.contains(&opened), "{length} bytes of the WAL: {opened}");
        seen.insert(opened.len());
        if n % 4 == 0 {
            bench.go_on(ledger, |_| ());
            assert!(dump(&state.join("ledger.sqlite")).unwrap() == was.last, "{length} bytes of the WAL");
        }
    }
    assert!(seen.len() > (tries / 4).min(was.states.len() / 2), "the copies are of {} moments", seen.len());
}

#[test]
fn s75_pages_that_a_power_cut_left_half_written_back_are_read_from_the_wal() {
    let bench = Bench::new();
    let was = undisturbed(&bench);
    let mut dice = Dice::new(76);
    for _ in 0..tries(20) {
        let mut mixed = was.ledger.clone();
        mixed.resize(was.after.len().max(mixed.len()), 0);
        for (page, new) in mixed.chunks_mut(512).zip(was.after.chunks(512)) {
            // a sector at a time
            if dice.below(2) == 0 {
                page[..new.len()].copy_from_slice(new);
            }
        }
        let state = image(&bench, "torn", &mixed, &was.wal);
        let ledger = bench.open(&state).unwrap();
        assert!(dump(&ledger.path()).unwrap() == was.last);
    }
}

#[test]
fn s75_a_ledger_that_was_cut_short_is_refused_or_whole() {
    let bench = Bench::new();
    let was = undisturbed(&bench);
    let mut dice = Dice::new(77);
    for n in 0..tries(30) {
        let length = if n == 0 { was.after.len() - 4096 } else { dice.below(was.after.len()) };
        let state = image(&bench, "short", &was.after[..length], &[]);
        match bench.open(&state) {
            // an empty file is none
            Ok(ledger) => assert!(was.states.contains(&dump(&ledger.path()).unwrap()), "{length} bytes"),
            Err(e) => assert!(e.to_string().contains("move it aside"), "{length} bytes: {e}"),
        }
    }
}

#[test]
fn s76_a_bit_that_flips_is_refused_at_start_or_does_not_pass_for_evidence() {
    let bench = Bench::new();
    let was = undisturbed(&bench);
    let mut dice = Dice::new(78);
    let (mut refused, mut seen, mut same) = (0, 0, 0);
    for _ in 0..tries(120) {
        let mut flipped = was.after.clone();
        let at = dice.below(flipped.len());
        flipped[at] ^= 1 << dice.below(8);
        let state = image(&bench, "flipped", &flipped, &[]);
        // what a daemon does first: anything but a panic
        let started = bench.open(&state).and_then(|ledger| ledger.recorded().map(|_| ledger.path()));
        let opened = started.and_then(|file| dump(&file));
        match opened {
            Ok(now) if now == was.last => same += 1,
            // a record is not what it was, or no longer read: whoever asks is told
            Ok(now) => {
                let verified = tripline(&["verify", "--state"]).arg(&state).output().unwrap();
                let evidence = |text: &str| {
                    let of = text
                        .lines()
                        .filter(|l| ["finding ", "order ", "input "].iter().any(|kind| l.starts_with(kind)));
                    of.map(str::to_owned).collect::<Vec<_>>()
                };
                let same = evidence(&now) == evidence(&was.last);
                assert!(!verified.status.success() || same, "byte {at}: {}", text(&verified));
                seen += 1;
            }
            Err(e) => {
                assert!(matches!(e, Error::Foreign { .. } | Error::Sql { .. }), "byte {at}: {e}");
                refused += 1;
            }
        }
    }
    println!("{refused} refused, {seen} seen, {same} in places that hold nothing");
    assert!(refused > 0 && same > 0);
    // in the WAL a flipped bit ends it: what comes before is there
    for _ in 0..tries(30) {
        let mut flipped = was.wal.clone();
        let at = dice.below(flipped.len());
        flipped[at] ^= 1 << dice.below(8);
        let state = image(&bench, "flipped", &was.ledger, &flipped);
        let opened = dump(&bench.open(&state).unwrap().path()).unwrap();
        assert!(was.states.contains(&opened), "byte {at} of the WAL");
    }
}

#[test]
fn s80_a_state_directory_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can give a directory away");
    }
    let bench = Bench::new();
    let state = bench.state("theirs");
    std::fs::create_dir(&state).unwrap();
    std::os::unix::fs::chown(&state, Some(65_534), None).unwrap();
    let refused = bench.open(&state).map(drop).unwrap_err().to_string();
    assert!(refused.contains("belongs to the user of id 65534"), "{refused}");
    std::os::unix::fs::chown(&state, Some(0), None).unwrap();
    std::os::unix::fs::symlink("/dev/null", state.join("ledger.sqlite")).unwrap();
    let refused = bench.open(&state).map(drop).unwrap_err().to_string();
    assert!(refused.contains("follows no link"), "{refused}");
}

// ---- a daemon ----

/// How many random cases: so many here, all of `TRIPLINE_FAULTS` in the sweep.
fn tries(some: usize) -> usize {
    std::env::var("TRIPLINE_FAULTS").map_or(some, |n| n.parse::<usize>().unwrap() * 10)
}

/// Appends the lines of one of three parts.
fn feed(site: &Site, part: usize) {
    let lines: String = (part * 20..part * 20 + 20).map(line).collect();
    site.append_to(PORTAL).write_all(lines.as_bytes()).unwrap();
}

/// strace on `process`, which does `inject` at calls on the ledger's files.
fn tracer(site: &Site, process: u32, call: &str, inject: &str) -> Tracer {
    let state = site.path("state");
    let files = ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"].map(|name| state.join(name));
    let (trace, inject) = (format!("trace={call},pwrite64"), format!("inject={call}:{inject}"));
    let log = site.path("strace.log");
    let mut arguments = vec!["-y", "-e", &trace, "-e", &inject, "-o", log.to_str().unwrap()];
    files.iter().for_each(|file| arguments.extend(["-P", file.to_str().unwrap()]));
    Tracer::attach(site, process, &arguments)
}

/// What a run that nobody disturbs ends with.
fn expected() -> Vec<String> {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    for part in 0..3 {
        feed(&site, part);
        site.caught_up();
    }
    daemon.stop();
    site.dump("state")
}

/// Whether the fault happened at all.
fn survives(expected: &[String], call: &str, inject: &str) -> bool {
    let what = format!("{call} {inject}");
    let site = Site::finding_exports("");
    let mut daemon = site.start(&[]);
    feed(&site, 0);
    site.caught_up();
    // while somebody else has it open, closing it writes nothing back by itself
    let beside = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
    let _: u64 = beside.query_row("SELECT count(*) FROM inputs", [], |r| r.get(0)).unwrap();
    let tracing = tracer(&site, daemon.id(), call, inject);
    feed(&site, 1);
    let size = std::fs::metadata(site.path(PORTAL)).unwrap().len();
    let covered = || site.ask("{\"ask\":\"status\"}")?["trails"]["portal"]["bytes"].as_u64();
    let end = Instant::now() + Duration::from_secs(20);
    while !daemon.has_ended() && covered().is_none_or(|bytes| bytes < size) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let happened = daemon.has_ended()
        || std::fs::read_to_string(site.path("strace.log")).unwrap_or_default().contains("(INJECTED)");
    if happened && !daemon.has_ended() && call == "fsync" && inject.starts_with("error") {
        // into the file itself, and not only behind what is in the WAL
        let log = std::fs::read_to_string(site.path("strace.log")).unwrap();
        let (_, after) = log.split_once("(INJECTED)").unwrap();
        assert!(
            after.contains("pwrite64(") && after.contains("ledger.sqlite>"),
            "{what}: nothing is written anew: {after}"
        );
    }
    tracing.end();
    feed(&site, 2);
    let size = std::fs::metadata(site.path(PORTAL)).unwrap().len();
    until("the daemon to catch up", || {
        if daemon.has_ended() {
            // as systemd would
            daemon = site.start(&[]);
        }
        covered().filter(|bytes| *bytes >= size)
    });
    until("all to be well", || site.status()["health"]["ledger"].is_null().then_some(()));
    daemon.stop();
    let dump = site.dump("state");
    let (one, other) = difference(&dump, expected);
    assert!(dump == expected, "{what}: here only: {one:#?}\nundisturbed only: {other:#?}");
    let verified = site.say(&["verify"]);
    assert!(verified.status.success(), "{what}: {}", text(&verified));
    println!("{what}: {}", if happened { "happened" } else { "did not come to it" });
    happened
}

/// Every call in turn, up to the last that a batch needs.
fn sweep(calls: &[(&str, &[usize])], inject: &str) {
    let expected = expected();
    let all = std::env::var("TRIPLINE_FAULTS").ok().map(|n| n.parse::<usize>().unwrap());
    for (call, some) in calls {
        let points: Vec<usize> = all.map_or_else(|| some.to_vec(), |n| (1..=n).collect());
        let (mut happened, mut not) = (0, 0);
        for n in points {
            match survives(&expected, call, &format!("{inject}:when={n}")) {
                true => (happened, not) = (happened + 1, 0),
                false => not += 1,
            }
            // beyond the last of its calls
            if not == 3 {
                break;
            }
        }
        assert!(happened > 0, "no {call} of the ledger's was met");
    }
}

#[test]
fn s72_an_operation_that_fails_is_tried_again_and_nothing_is_lost_or_twice() {
    sweep(&[("pwrite64", &[3]), ("pread64", &[1]), ("fcntl", &[2])], "error=EIO");
}

#[test]
fn s73_a_sync_that_fails_is_not_believed_and_everything_is_written_anew() {
    sweep(&[("fsync", &[1])], "error=EIO");
}

#[test]
fn s74_killed_at_any_call_of_a_commit_it_goes_on_from_what_was_committed() {
    sweep(&[("pwrite64,fdatasync,fsync,fcntl,ftruncate", &[1, 8, 16])], "signal=SIGKILL");
}

#[test]
fn s71_a_backup_that_locks_the_ledger_for_long_costs_only_delay() {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    feed(&site, 0);
    site.caught_up();
    let backup = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
    backup.execute_batch("BEGIN IMMEDIATE").unwrap();
    feed(&site, 1);
    let why = until("the lock to be said", || Some(site.status()["health"]["ledger"].as_str()?.to_owned()));
    assert!(why.contains("locked"), "{why}");
    backup.execute_batch("ROLLBACK").unwrap();
    drop(backup);
    site.caught_up();
    feed(&site, 2);
    site.caught_up();
    assert!(site.status()["health"]["ledger"].is_null());
    daemon.stop();
    assert!(site.dump("state") == expected());
}

#[test]
fn s76_after_a_damaged_ledger_was_moved_aside_the_same_is_found_again() {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    (0..3).for_each(|part| feed(&site, part));
    site.caught_up();
    daemon.stop();
    let found = site.findings("state");
    let file = site.path("state/ledger.sqlite");
    let mut bytes = std::fs::read(&file).unwrap();
    // the root page of the first table
    bytes[4096..4104].fill(0xff);
    std::fs::write(&file, bytes).unwrap();
    let out = site.say(&["run"]);
    assert_eq!(out.status.code(), Some(78), "{}", text(&out));
    assert!(text(&out).contains("move it aside"), "{}", text(&out));
    for name in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = std::fs::rename(site.path("state").join(name), site.path(name));
    }
    let daemon = site.start(&[]);
    site.caught_up();
    daemon.stop();
    assert_eq!(site.findings("state"), found, "the ids are those of before");
    assert!(!found.is_empty());
}

#[test]
fn s77_a_ledger_that_is_replaced_or_deleted_while_it_is_open_is_not_written_to() {
    for how in ["deleted", "replaced"] {
        let site = Site::finding_exports("");
        let mut daemon = site.start(&[]);
        feed(&site, 0);
        site.caught_up();
        let file = site.path("state/ledger.sqlite");
        std::fs::rename(&file, site.path("taken")).unwrap();
        if how == "replaced" {
            std::fs::copy(site.path("taken"), &file).unwrap();
        }
        let size = std::fs::metadata(site.path(PORTAL)).unwrap().len();
        feed(&site, 1);
        let ended = daemon.wait();
        assert_eq!(ended.code(), Some(78), "{how}: {}", daemon.log());
        let taken = rusqlite::Connection::open(site.path("taken")).unwrap();
        // what lay in the WAL is not in it
        let read = taken.query_row("SELECT max(\"offset\") FROM cursors", [], |r| r.get::<_, Option<u64>>(0));
        assert!(read.ok().flatten().unwrap_or(0) <= size, "{how}: written to after it was taken away");
        assert!(daemon.log().contains("was deleted or replaced while it was open"), "{how}: {}", daemon.log());
    }
}

#[test]
fn s78_a_long_reader_lets_the_wal_grow_and_holds_up_nothing() {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    feed(&site, 0);
    site.caught_up();
    let reader = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM findings").unwrap();
    for n in 0..60 {
        let lines: String = (1000 + n * 400..1000 + n * 400 + 400).map(line).collect();
        site.append_to(PORTAL).write_all(lines.as_bytes()).unwrap();
    }
    site.caught_up();
    let wal = || std::fs::metadata(site.path("state/ledger.sqlite-wal")).unwrap().len();
    let grown = wal();
    assert!(grown > 8 << 20, "{grown} bytes");
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    feed(&site, 1);
    site.caught_up();
    feed(&site, 2);
    site.caught_up();
    // what is in it is written back, and its room is used again: it does not grow with every batch any more
    assert!(wal() <= grown + (8 << 20), "{} bytes after {grown}", wal());
    daemon.stop();
}

#[test]
fn s82_the_sqlite_of_debian_reading_beside_the_daemon_harms_nothing() {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    feed(&site, 0);
    site.caught_up();
    // read-write as its command line opens it; that it writes cannot be kept from root, and `verify` says what it did
    let program = "import sqlite3, sys, time\n\
        end = time.time() + 3\n\
        while time.time() < end:\n    c = sqlite3.connect(sys.argv[1]); c.execute('SELECT count(*) FROM findings').fetchall(); c.close()\n";
    let mut beside =
        Command::new("python3").args(["-c", program]).arg(site.path("state/ledger.sqlite")).spawn().unwrap();
    feed(&site, 1);
    feed(&site, 2);
    site.caught_up();
    assert!(beside.wait().unwrap().success());
    daemon.stop();
    assert!(site.dump("state") == expected());
    assert!(site.say(&["verify"]).status.success());
}
