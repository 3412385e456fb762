//! Throughput of the whole pipeline: trails in, ledger committed out, held against only parsing the same lines.
//!
//! `cargo bench --bench throughput`: with `WORLD` set to a folder made by a world generator (`portal-audit.jsonl`,
//! `download-access.log`, and the tables that `tests/world/tripline.toml` names) it reads that; otherwise it makes lines
//! of its own. Each figure is the best of three runs; ratios of one run are what can be compared between machines.
use serde::Deserialize;
use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline::config::Config;
use tripline::daemon::replay::{Shares, replay};
use tripline::framing::Framing;
use tripline::ledger::{Durability, Keys, Ledger};
use tripline::model::{Severity, SourceName, WallTime};
use tripline::pipeline::{Rules, Scratch};
use tripline::rules::{self, Tables, Texts};
use tripline::source::{Follower, Start, TrailSpec, Until};

/// As in the program, so that it is the program that is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The portal's line, as a hand-written reader would take it up.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what is parsed is the point, not what is done with it")]
struct PortalLine<'a> {
    #[serde(borrow)]
    ts: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    actor: Actor<'a>,
    #[serde(borrow)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ip: Cow<'a, str>,
    #[serde(borrow)]
    ua: Cow<'a, str>,
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    details: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what is parsed is the point, not what is done with it")]
struct Actor<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    role: Cow<'a, str>,
}

fn main() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let world = std::env::var_os("WORLD").map(PathBuf::from).unwrap_or_else(|| make(scratch.path()));
    let portal = world.join("portal-audit.jsonl");
    let parse = best(|| parse_only(&portal));
    println!("parsing only (serde_json into a typed struct, one thread): {:>9.0} lines/s", parse);
    stages(&world);
    let mut rates = Vec::new();
    for run in 0..3 {
        let state = scratch.path().join(format!("state-{run}"));
        let keys = Arc::new(Keys::throw_away().expect("randomness"));
        let (rules, trails) = rules(&world, &keys);
        let mut ledger = Ledger::open(&state, Durability::Full, keys).expect("a ledger");
        let begun = Instant::now();
        let shares = replay(&Arc::new(rules), &mut ledger, trails, now(), 1, &mut |_| {}).expect("a replay");
        rates.push((shares.lines as f64 / begun.elapsed().as_secs_f64(), shares));
    }
    let (rate, shares) = rates.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).expect("three runs");
    println!("the whole pipeline, ledger committed (fsync):                 {rate:>9.0} lines/s");
    println!("ratio to parsing only: {:.2}", rate / parse);
    print_shares(&shares);
}

/// What the writer's thread did with its time.
fn print_shares(shares: &Shares) {
    let all = (shares.waiting + shares.advancing + shares.committing).as_secs_f64();
    let share = |d: Duration| 100.0 * d.as_secs_f64() / all;
    println!(
        "the writer's time: waiting for the trails {:.0} %, folding in {:.0} %, committing {:.0} %",
        share(shares.waiting),
        share(shares.advancing),
        share(shares.committing)
    );
}

/// What each stage before the writer costs, on one thread.
fn stages(world: &Path) {
    let keys = Keys::throw_away().expect("randomness");
    let (rules, trails) = rules(world, &keys);
    let mut scratch = Scratch::new(1);
    let (mut reading, mut preparing, mut lines) = (Duration::ZERO, Duration::ZERO, 0);
    for spec in trails {
        let mut follower = Follower::open(spec, Vec::new());
        follower.reconcile();
        loop {
            let begun = Instant::now();
            let Some(batch) = follower.next(now()).expect("readable") else { break };
            reading += begun.elapsed();
            lines += batch.frames.len();
            let begun = Instant::now();
            std::hint::black_box(rules.prepare(batch, &mut scratch));
            preparing += begun.elapsed();
        }
    }
    let each = |d: Duration| d.as_secs_f64() * 1e6 / lines as f64;
    println!(
        "a line, one thread: reading {:.2} µs; decoding, normalising, enriching, matching {:.2} µs",
        each(reading),
        each(preparing)
    );
}

fn rules(world: &Path, keys: &Keys) -> (Rules, Vec<TrailSpec>) {
    if world.join("geo.mmdb").exists() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/tripline.toml");
        let text =
            std::fs::read_to_string(file).expect("the configuration").replace("${WORLD}", &world.to_string_lossy());
        let copy = tempfile::NamedTempFile::new().expect("a scratch file");
        copy.as_file().write_all(text.as_bytes()).expect("written");
        let config = Config::read(copy.path()).expect("a good configuration");
        let rules = config.rules(keys.secrets()).expect("good rules");
        let trails = config.trails(Until::EndOfFile, &rules);
        return (rules, trails);
    }
    let name = SourceName("portal".into());
    let paths = vec![world.join("portal-audit.jsonl").to_string_lossy().into_owned()];
    let trail = TrailSpec {
        name: name.clone(),
        paths,
        start: Start::Beginning,
        framing: Framing::Lines,
        names: None,
        lists: Default::default(),
        until: Until::EndOfFile,
    };
    let profiles = [rules::TrailProfile::plain(name, "tripline-portal")];
    let rules = rules::compile(
        &Texts::shipped(),
        Tables::default(),
        &profiles,
        Default::default(),
        Severity::Medium,
        keys.secrets(),
    );
    (rules.expect("good rules"), vec![trail])
}

fn parse_only(path: &Path) -> f64 {
    let bytes = std::fs::read(path).expect("readable");
    let begun = Instant::now();
    let mut lines = 0u32;
    for line in bytes.split(|b| *b == b'\n') {
        // a line that was cut short is an error here too
        lines += u32::from(std::hint::black_box(serde_json::from_slice::<PortalLine<'_>>(line)).is_ok());
    }
    f64::from(lines) / begun.elapsed().as_secs_f64()
}

fn best(run: impl Fn() -> f64) -> f64 {
    (0..3).map(|_| run()).fold(0.0, f64::max)
}

fn now() -> WallTime {
    tripline::daemon::wall_now()
}

/// A portal's trail: two hundred people who look at pages, log in, and now and then export.
fn make(dir: &Path) -> PathBuf {
    let mut file =
        std::io::BufWriter::new(std::fs::File::create(dir.join("portal-audit.jsonl")).expect("a scratch file"));
    let start: jiff::Timestamp = "2026-03-01T00:00:00Z".parse().expect("a time");
    for n in 0..300_000u64 {
        let at = start + jiff::SignedDuration::from_millis(n as i64 * 12_000);
        let who = n.wrapping_mul(2_654_435_761) % 200;
        let (event, more) = match n % 50 {
            0 => ("session.login", String::new()),
            1 => (
                "log.export.requested",
                format!(
                    r#","details":{{"export":"ex-{n}","kind":"sms","from":"2026-02-27","to":"2026-02-28","rows":{}}}"#,
                    n % 3000
                ),
            ),
            _ => ("page.view", String::new()),
        };
        writeln!(
            file,
            r#"{{"ts":"{at:.3}","id":"ev-{n:016x}","event":"{event}","outcome":"success","actor":{{"id":"u-{who:04}","name":"person{who}@provider.example","type":"staff","role":"support"}},"session":"s-{:016x}","ip":"192.0.2.{who}","ua":"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/12{}.0.0.0 Safari/537.36","account":"AC{}"{more}}}"#,
            n / 5000 * 1000 + who,
            n / 150_000,
            100_000 + (who * 7 + n % 40) % 400,
        )
        .expect("written");
    }
    dir.to_owned()
}
