//! Stands a real runner process up for a test, and speaks to it as the daemon would.
use crate::support;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tripline::model::{FindingId, OrderId, Severity, TargetKind};
use tripline::respond::runner::{self, Meeting};
use tripline::respond::wire::{VERSION, frame};
use tripline::respond::{Ending, HookDocument, HookFinding, HookTarget, Reply, Request, RunnerSettings};

/// Nothing in these tests takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[test]
#[ignore = "the runner's process, which the other tests start"]
fn runner_process() {
    let Some(dir) = std::env::var_os("TRIPLINE_TEST_RUNNER").map(PathBuf::from) else {
        return;
    };
    let load = || -> Result<RunnerSettings, String> {
        let text = std::fs::read_to_string(dir.join("tripline.toml")).map_err(|e| e.to_string())?;
        toml::from_str(&text).map_err(|e| e.to_string())
    };
    let meeting = match std::env::var("TRIPLINE_TEST_MEETING").as_deref() {
        Ok("stdin") => Meeting::Stdin,
        Ok("activated") => Meeting::Activated,
        Ok(path) => Meeting::Path(path.into()),
        Err(e) => panic!("{e}"),
    };
    runner::run(load, &dir.join("state"), meeting).unwrap();
}

/// The command that starts this test binary as a runner.
pub fn runner_command(dir: &Path, meeting: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "stand::runner_process", "--ignored", "--nocapture"])
        .env("TRIPLINE_TEST_RUNNER", dir)
        .env("TRIPLINE_TEST_MEETING", meeting)
        .stdout(Stdio::null());
    command
}

/// A folder with a configuration, hooks and a journal.
pub struct Stand {
    pub dir: tempfile::TempDir,
}

impl Stand {
    pub fn new() -> Stand {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tripline.toml"), "").unwrap();
        Stand { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Adds `[actions.NAME]` with a hook that is this shell script; `$DIR` in it is the stand's folder.
    pub fn hook(&self, name: &str, script: &str, more: &str) -> PathBuf {
        let path = support::hook(self.dir.path(), name, script);
        self.action(name, &[path.to_str().unwrap()], more);
        path
    }

    pub fn action(&self, name: &str, command: &[&str], more: &str) {
        self.configure(&format!("[actions.{name}]\ncommand = {command:?}\n{more}\n"));
    }

    pub fn configure(&self, toml: &str) {
        let path = self.path("tripline.toml");
        let text = std::fs::read_to_string(&path).unwrap() + toml;
        std::fs::write(path, text).unwrap();
    }

    pub fn start(&self) -> Daemon {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let runner = runner_command(self.dir.path(), "stdin").stdin(OwnedFd::from(theirs)).spawn().unwrap();
        Daemon::greet(ours, Some(runner))
    }

    /// How often the hooks wrote to the file `ran`.
    pub fn ran(&self) -> usize {
        std::fs::read_to_string(self.path("ran")).unwrap_or_default().lines().count()
    }
}

/// The daemon's end of a runner's socket.
pub struct Daemon {
    to: UnixStream,
    from: BufReader<UnixStream>,
    pub runner: Option<Child>,
    pub hello: Reply,
}

impl Daemon {
    pub fn greet(stream: UnixStream, runner: Option<Child>) -> Daemon {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let from = BufReader::new(stream.try_clone().unwrap());
        let hello = Reply::Error { message: "no hello yet".into() };
        let mut daemon = Daemon { to: stream, from, runner, hello };
        daemon.say(&Request::Hello { version: VERSION });
        daemon.hello = daemon.hear();
        daemon
    }

    pub fn say(&mut self, request: &Request) {
        self.raw(&frame(request).unwrap());
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).unwrap();
    }

    /// The next reply; nothing at the end of the connection.
    pub fn try_hear(&mut self) -> Option<Reply> {
        let mut line = String::new();
        let read = self.from.read_line(&mut line).expect("a reply within the patience");
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    pub fn hear(&mut self) -> Reply {
        self.try_hear().expect("the runner is there")
    }

    /// Has `order` carried out, and waits for its end.
    pub fn run(&mut self, action: &str, order: u8) -> (Ending, String) {
        self.say(&Request::Run { retry: false, document: document(action, order) });
        self.end_of(order)
    }

    pub fn end_of(&mut self, wanted: u8) -> (Ending, String) {
        loop {
            if let Reply::Ended { order, ending, note } = self.hear()
                && order == id(wanted)
            {
                return (ending, note);
            }
        }
    }

    pub fn ask(&mut self, order: u8) -> Reply {
        self.say(&Request::Ask { order: id(order) });
        self.hear()
    }

    /// Ends the runner as a power cut would.
    pub fn kill(mut self) {
        let mut runner = self.runner.take().unwrap();
        runner.kill().unwrap();
        runner.wait().unwrap();
    }

    /// Closes the connection and waits for the runner's end.
    pub fn close(mut self) {
        let mut runner = self.runner.take().unwrap();
        drop(self);
        assert!(runner.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(runner) = &mut self.runner {
            let _ = runner.kill();
            let _ = runner.wait();
        }
    }
}

pub fn id(order: u8) -> OrderId {
    OrderId([order; 16])
}

pub fn document(action: &str, order: u8) -> Box<HookDocument> {
    Box::new(HookDocument {
        schema: 1,
        order: id(order),
        idempotency_key: id(order),
        action: action.into(),
        purpose: tripline::model::Purpose::End,
        attempt: 1,
        test: false,
        target: HookTarget {
            kind: TargetKind::Session,
            session: Some("s-41".into()),
            actor: Some("anna".into()),
            actor_uid: None,
            ip: Some("192.0.2.7".parse().unwrap()),
            export: None,
        },
        finding: HookFinding {
            id: FindingId([0xf1; 16]),
            policy: "bulk-export".into(),
            title: "Message logs leave in bulk".into(),
            severity: Severity::High,
            time: "2024-04-01T09:00:00.000Z".into(),
        },
    })
}

/// Waits until `condition` holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
