//! From the append of the line that completes a detection to the start of the hook's process, and to the first request that
//! the portal refuses.
//!
//! `cargo bench --bench latency`: the real daemon follows a file with all shipped policies and two of the bench's own, which
//! fire at one line each. One orders a hook, which is this program and notes when it started; the other has the built-in
//! action delete the session from a redis-server on loopback, where the bench asks for it as a portal does at each request.
//! Both on an idle machine, and while [`BUSY`] lines a second of other people's acts are appended to the same file. That the
//! daemon kept up is said by its own lag at the end.
#[allow(dead_code, reason = "it is for the tests, of which this needs a part")]
#[path = "../tests/servers/mod.rs"]
mod servers;
#[allow(dead_code, reason = "it is for the tests, of which this needs a part")]
#[path = "../tests/support/skip.rs"]
mod skip;
/// The part of the tests' support that `servers` needs.
mod support {
    pub use crate::skip::skip;
}

use servers::stores::{self, Running};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Orders for each figure.
const ROUNDS: usize = 200;
/// Lines a second of the busy half.
const BUSY: u64 = 20_000;
/// How long the load stands before it is measured.
const WARM: Duration = Duration::from_secs(5);
/// No answer within this is a failure, not a figure.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, into] = &arguments[..]
        && flag == "--hook"
    {
        return hook(Path::new(into));
    }
    let redis = stores::redis();
    if redis.is_none() {
        println!("no redis-server here: nothing is said of refused requests");
    }
    for rate in [0, BUSY] {
        measure(rate, redis.as_ref());
    }
}

/// Both figures, under a load of `rate` lines a second.
fn measure(rate: u64, redis: Option<&Running>) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let times = dir.path().join("times");
    std::fs::create_dir(&times).expect("made");
    configure(dir.path(), &times, redis);
    let trail = dir.path().join("portal.jsonl");
    File::create(&trail).expect("created");
    let mut daemon = Daemon::start(dir.path());
    let load = (rate > 0).then(|| Load::start(&trail, rate));
    if load.is_some() {
        std::thread::sleep(WARM);
    }
    let mut file = OpenOptions::new().append(true).open(&trail).expect("there");
    let mut portal = redis.map(Portal::connect);
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        started.push(until_started(&mut file, &times, round));
        if let Some(portal) = &mut portal {
            refused.push(until_refused(&mut file, portal, round));
        }
    }
    let under = match load {
        Some(load) => format!("under {:.0} lines/s ({} behind at the end)", load.stop(), daemon.behind(dir.path())),
        None => "idle".to_owned(),
    };
    daemon.stop();
    say(&under, "start of the hook", started);
    if !refused.is_empty() {
        say(&under, "refused request", refused);
    }
}

fn say(under: &str, what: &str, mut took: Vec<Duration>) {
    took.sort();
    let at =
        |share: f64| took[((took.len() as f64 * share).ceil() as usize).clamp(1, took.len()) - 1].as_secs_f64() * 1e3;
    println!(
        "{under}: append to {what}, {} orders: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
        took.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

/// Notes when it started, under the order's name.
fn hook(into: &Path) {
    let now = jiff::Timestamp::now().as_nanosecond().to_string();
    let order = std::env::var("TRIPLINE_ORDER").unwrap_or_default();
    let part = into.join(format!(".{order}"));
    std::fs::write(&part, now).expect("written");
    std::fs::rename(part, into.join(order)).expect("renamed");
}

fn line(event: &str, person: &str, session: &str) -> String {
    let now = jiff::Timestamp::now();
    format!(
        "{{\"ts\":\"{now:.3}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-{person}\",\"name\":\"{person}@provider.example\",\
         \"type\":\"staff\",\"role\":\"support\"}},\"session\":\"{session}\",\"ip\":\"192.0.2.1\",\"ua\":\"curl/8.5.0\",\"account\":\"AC1\"}}\n"
    )
}

fn until_started(file: &mut File, times: &Path, round: usize) -> Duration {
    let text = line("impersonation.start", &format!("h{round}"), &format!("s-hook-{round}"));
    let appended = jiff::Timestamp::now().as_nanosecond();
    file.write_all(text.as_bytes()).expect("appended");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let noted = std::fs::read_dir(times).expect("there").flatten().map(|entry| entry.path());
        if let Some(path) = { noted }.find(|p| !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'))) {
            let started: i128 = std::fs::read_to_string(&path).expect("readable").parse().expect("a number");
            std::fs::remove_file(path).expect("removed");
            return Duration::from_nanos((started - appended).max(0) as u64);
        }
        assert!(Instant::now() < deadline, "no hook was started in time: see the daemon's log");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn until_refused(file: &mut File, portal: &mut Portal, round: usize) -> Duration {
    let session = format!("s-portal-{round}");
    portal.log_in(&session);
    let text = line("settings.bench", &format!("p{round}"), &session);
    let appended = Instant::now();
    file.write_all(text.as_bytes()).expect("appended");
    while portal.serves(&session) {
        assert!(appended.elapsed() < PATIENCE, "the session was not ended in time: see the daemon's log");
        std::thread::sleep(Duration::from_micros(500));
    }
    appended.elapsed()
}

/// A portal whose sessions are keys of Redis: each request asks whether the key is there.
struct Portal(BufReader<TcpStream>);

impl Portal {
    fn connect(redis: &Running) -> Portal {
        let stream = TcpStream::connect(("127.0.0.1", redis.port)).expect("redis listens");
        stream.set_nodelay(true).expect("set");
        let mut portal = Portal(BufReader::new(stream));
        assert_eq!(portal.ask("AUTH \"everyone's password\""), "+OK");
        portal
    }

    /// An inline command (RESP), and the first line of its answer.
    fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).expect("sent");
        let mut answer = String::new();
        self.0.read_line(&mut answer).expect("answered");
        answer.trim_end().to_owned()
    }

    fn log_in(&mut self, session: &str) {
        assert_eq!(self.ask(&format!("SET session:{session} somebody")), "+OK");
    }

    fn serves(&mut self, session: &str) -> bool {
        self.ask(&format!("EXISTS session:{session}")) == ":1"
    }
}

/// Two thousand people at work.
struct Load {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<f64>,
}

impl Load {
    fn start(trail: &Path, rate: u64) -> Load {
        let mut file = OpenOptions::new().append(true).open(trail).expect("there");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (begun, mut written) = (Instant::now(), 0);
            while !stopped.load(Ordering::Relaxed) {
                let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
                let mut text = String::new();
                for n in written..due {
                    let event = if n % 5 == 0 { "log.query" } else { "page.view" };
                    let person = n * 7 % 2_000;
                    text.push_str(&line(event, &format!("busy{person}"), &format!("s-busy-{person}")));
                }
                file.write_all(text.as_bytes()).expect("appended");
                written = due;
                std::thread::sleep(Duration::from_millis(5));
            }
            written as f64 / begun.elapsed().as_secs_f64()
        });
        Load { stop, thread }
    }

    /// The rate that was reached, in lines a second.
    fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it ends")
    }
}

fn configure(dir: &Path, times: &Path, redis: Option<&Running>) {
    let detections = dir.join("policies/detections");
    std::fs::create_dir_all(&detections).expect("made");
    for (name, id, selection, action) in [
        ("bench_hook", "6a5f0c0e-3a57-4d61-9c7e-52f0b7f0f6a1", "activity_name: impersonation", "note-start"),
        (
            "bench_portal",
            "6a5f0c0e-3a57-4d61-9c7e-52f0b7f0f6a2",
            "metadata.event_code: settings.bench",
            "end-portal-session",
        ),
    ] {
        let policy = format!(
            "title: {name}\nid: {id}\nname: {name}\nlevel: high\nlogsource: {{ product: ocsf }}\n\
             detection:\n  sel: {{ {selection} }}\n  condition: sel\ntripline:\n  response: [ {{ action: {action}, target: session }} ]\n"
        );
        std::fs::write(detections.join(format!("{name}.yml")), policy).expect("written");
    }
    let me = std::env::current_exe().expect("our own program");
    let mut config = format!(
        "state_dir = {state:?}\ncontrol_socket = {socket:?}\npolicies_dir = {policies:?}\n\
         [[trail]]\nname = \"portal\"\npaths = [{trail:?}]\nprofile = \"tripline-portal\"\n\
         [response]\nmode = \"enforce\"\nlimit = 1000000\n\
         [actions.note-start]\ncommand = [{me:?}, \"--hook\", {times:?}]\n",
        state = dir.join("state"),
        socket = dir.join("control.sock"),
        policies = dir.join("policies"),
        trail = dir.join("portal.jsonl"),
    );
    let password = servers::secret(dir, "redis-password", "triplines-password");
    config += &format!(
        "[actions.end-portal-session]\nkind = \"redis\"\naddress = \"127.0.0.1:{port}\"\nuser = \"tripline\"\n\
         secret_file = {password:?}\nkeys = [\"session:{{target.session}}\"]\n",
        port = redis.map_or(1, |redis| redis.port),
    );
    let path = dir.join("tripline.toml");
    std::fs::write(&path, config).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
}

struct Daemon(Child);

impl Daemon {
    fn start(dir: &Path) -> Daemon {
        let child = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .args(["run", "-c"])
            .arg(dir.join("tripline.toml"))
            .stderr(Stdio::from(File::create(dir.join("daemon.log")).expect("a log")))
            .spawn()
            .expect("the daemon");
        let daemon = Daemon(child);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !dir.join("control.sock").exists() {
            assert!(
                Instant::now() < deadline,
                "the daemon did not start: {}",
                std::fs::read_to_string(dir.join("daemon.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    /// How far it is behind the ends of its files, as its status says.
    fn behind(&self, dir: &Path) -> String {
        let asked = Command::new(env!("CARGO_BIN_EXE_tripline"))
            .args(["status", "--json", "-c"])
            .arg(dir.join("tripline.toml"))
            .output()
            .expect("asked");
        let status: serde_json::Value = serde_json::from_slice(&asked.stdout).expect("a status");
        format!("{} KiB", status["files"]["portal"][0]["lag_bytes"].as_u64().expect("a lag") >> 10)
    }

    fn stop(&mut self) {
        // ended by its id; it ends its runner itself
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}
