//! From the append of the line that completes a detection to the start of the hook's process.
//!
//! `cargo bench --bench latency`: the real daemon follows a file; a policy of the bench's own fires at each impersonation and
//! its order ends a session by a hook, which is this program: it notes when it started. On an idle machine the last
//! percentile says what an operator may expect.
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, into] = &arguments[..]
        && flag == "--hook"
    {
        return hook(Path::new(into));
    }
    let dir = tempfile::tempdir().expect("a scratch directory");
    let times = dir.path().join("times");
    std::fs::create_dir(&times).expect("made");
    configure(dir.path(), &times);
    let trail = dir.path().join("portal.jsonl");
    std::fs::write(&trail, "").expect("written");
    let mut daemon = Daemon::start(dir.path());
    let mut file = std::fs::OpenOptions::new().append(true).open(&trail).expect("there");
    let mut took: Vec<Duration> = (0..ROUNDS).map(|round| one(&mut file, &times, round)).collect();
    daemon.stop();
    took.sort();
    let at =
        |share: f64| took[((took.len() as f64 * share).ceil() as usize).clamp(1, took.len()) - 1].as_secs_f64() * 1e3;
    println!(
        "append to hook start, {ROUNDS} orders: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms",
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

fn one(file: &mut std::fs::File, times: &Path, round: usize) -> Duration {
    let now = jiff::Timestamp::now();
    let line = format!(
        r#"{{"ts":"{now:.3}","id":"ev-{round}","event":"impersonation.start","outcome":"success","actor":{{"id":"u-{round}","name":"p{round}@provider.example","type":"staff","role":"support"}},"session":"s-{round}","ip":"192.0.2.1","ua":"curl/8.5.0","account":"AC1"}}"#
    );
    let appended = jiff::Timestamp::now().as_nanosecond();
    file.write_all(format!("{line}\n").as_bytes()).expect("appended");
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(path) = std::fs::read_dir(times)
            .expect("there")
            .flatten()
            .map(|e| e.path())
            .find(|p| !p.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')))
        {
            let started: i128 = std::fs::read_to_string(&path).expect("readable").parse().expect("a number");
            std::fs::remove_file(path).expect("removed");
            return Duration::from_nanos((started - appended).max(0) as u64);
        }
        assert!(Instant::now() < deadline, "no hook was started within 10 s: see the daemon's log");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn configure(dir: &Path, times: &Path) {
    let detections = dir.join("policies/detections");
    std::fs::create_dir_all(&detections).expect("made");
    let policy = "title: Impersonation\nid: 6a5f0c0e-3a57-4d61-9c7e-52f0b7f0f6a1\nname: bench\nlevel: high\nlogsource: { product: ocsf }\n\
                  detection:\n  sel: { activity_name: impersonation }\n  condition: sel\ntripline:\n  response: [ { action: end-session, target: session } ]\n";
    std::fs::write(detections.join("bench.yml"), policy).expect("written");
    let me = std::env::current_exe().expect("our own program");
    let config = format!(
        "state_dir = {dir:?}\ncontrol_socket = {socket:?}\npolicies_dir = {policies:?}\n[[trail]]\nname = \"portal\"\npaths = [{trail:?}]\nprofile = \"tripline-portal\"\n\
         [response]\nmode = \"enforce\"\nlimit = 1000000\n[actions.end-session]\ncommand = [{me:?}, \"--hook\", {times:?}]\n",
        dir = dir.join("state"),
        socket = dir.join("control.sock"),
        policies = dir.join("policies"),
        trail = dir.join("portal.jsonl"),
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
            .stderr(Stdio::from(std::fs::File::create(dir.join("daemon.log")).expect("a log")))
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
