//! Runs one hook: one document in, an exit code and bounded output out, and nothing of it left behind at the deadline.
//!
//! | exit                       | means                                                                    |
//! | -------------------------- | ------------------------------------------------------------------------ |
//! | 0                          | done                                                                     |
//! | 75 (EX_TEMPFAIL)           | not now, and nothing was done                                            |
//! | 65 (EX_DATAERR)            | never: this target cannot be ended                                       |
//! | any other, or a signal     | failed                                                                   |
//! | none before the deadline   | unknown: SIGTERM at the deadline, SIGKILL to the whole group after the grace |
//!
//! The hook leads a process group of its own. When it ends, whatever is left of the group is killed: a hook that leaves
//! something behind would leave it with our rights. What left the group goes too, where the runner runs it (see [`super::orphans`]). Its output is read for at most [`DRAIN`] longer, since a grandchild
//! that left the group may hold the pipe for ever.
use super::executable::Executable;
use super::orphans;
use super::sandbox::{self, Sandbox};
use super::{Ended, Limits, Means, Ready, Rehearsal};
use crate::model::limits::HOOK_OUTPUT_BYTES;
use crate::model::{OrderId, ShownBytes};
use crate::respond::document::HookDocument;
use crate::respond::escape;
use crate::respond::needs::Needs;
use crate::respond::template::{JsonTemplate, Template};
use crate::respond::wire::Ending;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long output is still read after the hook has ended.
const DRAIN: Duration = Duration::from_millis(200);

/// The keys of `kind = "exec"`: a program is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The program's absolute path and its arguments. They are constant: what an order is about is told on standard input.
    pub command: Vec<String>,
    /// What the program reads instead of the hook document, for programs that were not made for it; its texts may name members. Without
    /// it: the hook document.
    pub json: Option<serde_json::Map<String, serde_json::Value>>,
    /// Lines that the program reads instead, for programs that read commands; they may name members, whose values may hold letters,
    /// digits and `.:_-@/+=,` and nothing else. Without it: the hook document.
    pub lines: Option<Vec<String>>,
    /// Paths that the program may read, with what is below them; beside them it sees what every program needs (libraries, name look-up,
    /// certificates) and nothing else, where the kernel has Landlock. Where it has not, that is said in the log and with every order.
    /// Without it: what the runner may.
    pub reads: Option<Vec<PathBuf>>,
    /// Paths that the program may read and change, with what is below them, as `reads`. Without it: what the runner may.
    pub writes: Option<Vec<PathBuf>>,
}

impl super::Spec for Spec {
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        let program = self.command.first().ok_or("`command` is empty: it begins with the program's absolute path")?;
        if !program.starts_with('/') {
            return Err(format!("`command` begins with {program:?}, which is not an absolute path"));
        }
        if self.command.iter().any(|arg| arg.contains('\0')) {
            return Err("`command` holds a NUL byte".into());
        }
        let json = self.json.clone().map(|json| JsonTemplate::parse("json", &json.into())).transpose()?;
        let input = match (json, &self.lines) {
            (None, None) => Input::Document,
            (Some(json), None) => Input::Json(json),
            (None, Some(lines)) => Input::Lines(lines.iter().map(|line| line_of(line)).collect::<Result<_, _>>()?),
            (Some(_), Some(_)) => return Err("of `json` and `lines` write one".into()),
        };
        Ok(Box::new(Exec { command: self.command.clone(), input, limits, executable: None, sandbox: self.sandbox()? }))
    }

    fn needs(&self) -> Needs {
        let all = |paths: &Option<Vec<PathBuf>>| paths.clone().unwrap_or_default();
        let runs = self.command.first().map(PathBuf::from).into_iter().collect();
        Needs { runs, reads: all(&self.reads), writes: all(&self.writes), ..Needs::default() }
    }
}

impl Spec {
    /// Nothing where neither `reads` nor `writes` is written: the program may then do what the runner may.
    fn sandbox(&self) -> Result<Option<Sandbox>, String> {
        for (key, paths) in [("reads", &self.reads), ("writes", &self.writes)] {
            if let Some(odd) = paths.iter().flatten().find(|path| !path.is_absolute()) {
                return Err(format!("`{key}` holds {}, which is not an absolute path", odd.display()));
            }
        }
        let words = self.command.iter().map(PathBuf::from).filter(|path| path.is_absolute());
        let paths = |key: &Option<Vec<PathBuf>>| key.clone().unwrap_or_default();
        Ok((self.reads.is_some() || self.writes.is_some()).then(|| Sandbox {
            reads: paths(&self.reads),
            writes: paths(&self.writes),
            programs: words.collect(),
        }))
    }
}

fn line_of(line: &str) -> Result<Template, String> {
    match line.chars().any(char::is_control) {
        true => Err("`lines` holds a line break or another control character: write one line an entry".into()),
        false => Template::parse(line).map_err(|why| format!("`lines`, {why}")),
    }
}

/// What the program reads.
enum Input {
    Document,
    Json(JsonTemplate),
    Lines(Vec<Template>),
}

struct Exec {
    command: Vec<String>,
    input: Input,
    limits: Limits,
    executable: Option<Executable>,
    sandbox: Option<Sandbox>,
}

impl Exec {
    fn input(&self, document: &HookDocument) -> Result<Vec<u8>, String> {
        let mut text = match &self.input {
            Input::Json(template) => template.render(document)?.to_string().into_bytes(),
            Input::Document => serde_json::to_vec(document).map_err(|e| e.to_string())?,
            Input::Lines(lines) => {
                let lines = lines.iter().map(|line| line.render(document, escape::word));
                lines.collect::<Result<Vec<_>, _>>()?.join("\n").into_bytes()
            }
        };
        text.push(b'\n');
        Ok(text)
    }
}

impl Means for Exec {
    fn settle(&mut self) -> Result<(), String> {
        self.executable = Some(Executable::open(&self.command).map_err(|unfit| unfit.to_string())?);
        self.sandbox.as_ref().map_or(Ok(()), Sandbox::check)
    }

    fn caution(&self) -> Option<String> {
        self.sandbox.as_ref().and_then(|_| sandbox::caution())
    }

    fn tells_of_tests(&self) -> bool {
        matches!(self.input, Input::Document)
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        let executable = self.executable.as_ref().ok_or("its executable was not opened")?;
        let program = executable.recheck().map_err(|unfit| unfit.to_string())?;
        let (order, input) = (document.order, self.input(document)?);
        Ok(Box::new(move || run(self, &program, order, &input)))
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let input = String::from_utf8_lossy(&self.input(document)?).trim_end().to_owned();
        let lines = self.command.iter().fold(Rehearsal::default(), |lines, word| lines.line("command", word));
        let confined = self.sandbox.iter().flat_map(|sandbox| {
            let shown = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" ");
            [("may read", shown(&sandbox.reads)), ("may write", shown(&sandbox.writes))]
        });
        let lines = confined.fold(lines, |lines, (name, paths)| lines.line(name, paths));
        Ok(lines.line("environment", format!("TRIPLINE_ORDER={}", document.order)).line("stdin", input))
    }
}

/// Runs the hook with `document` on its standard input, and returns when it has ended: at the latest after its deadline, its
/// grace and [`DRAIN`].
///
/// `program` is what [`Executable::recheck`] gave just now.
fn run(exec: &Exec, program: &Path, order: OrderId, document: &[u8]) -> Ended {
    let words = &exec.command;
    let mut command = Command::new(program);
    command
        .arg0(&words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C")
        .env("TRIPLINE_ORDER", order.to_string())
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let started = orphans::start(|| match &exec.sandbox {
        Some(sandbox) => sandbox.start(&mut command),
        None => command.spawn().map(|child| (child, None)),
    });
    match started {
        Ok((child, lacking)) => {
            let pid = Pid::from_child(&child);
            let ended = Hook::new(child, document, exec.limits).run();
            orphans::end(pid);
            match lacking {
                Some(lacking) => Ended { note: format!("{}; it ran {lacking}", ended.note), ..ended },
                None => ended,
            }
        }
        // Nothing of the hook has run: the kernel said why not.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Ended::refused(format!(
            "cannot run {}: {e}: if the runner's unit forbids it (ExecPaths=), `tripline check` names the drop-in to write",
            words[0]
        )),
        Err(e) => Ended::refused(format!("cannot run {}: {e}", words[0])),
    }
}

struct Hook<'a> {
    child: Child,
    group: Pid,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    document: &'a [u8],
    output: Vec<u8>,
    lost: u64,
    deadline: Instant,
    grace: Duration,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Terminated,
    Killed,
}

impl<'a> Hook<'a> {
    fn new(mut child: Child, document: &'a [u8], limits: Limits) -> Self {
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        for fd in [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)]
            .into_iter()
            .flatten()
        {
            // A pipe of ours takes O_NONBLOCK. If it did not, the worst would be that the deadline is noticed late.
            let _ = rustix::fs::fcntl_setfl(fd, rustix::fs::OFlags::NONBLOCK);
        }
        Hook {
            group: Pid::from_child(&child),
            child,
            stdin,
            stdout,
            stderr,
            document,
            output: Vec::new(),
            lost: 0,
            deadline: Instant::now() + limits.deadline,
            grace: limits.grace,
            stage: Stage::Running,
        }
    }

    fn run(mut self) -> Ended {
        let timed_out = match pidfd_open(self.group, PidfdFlags::empty()) {
            Ok(pidfd) => {
                while !self.turn(Some(&pidfd), self.deadline) {
                    self.escalate();
                }
                self.stage != Stage::Running
            }
            // Without a descriptor of it (a kernel before 5.3, or none left) it cannot be waited for with a deadline.
            Err(_) => true,
        };
        // The leader is not reaped yet, so that its group's number cannot belong to anybody else.
        let _ = kill_process_group(self.group, Signal::KILL);
        let status = self.child.wait();
        self.stdin = None;
        self.turn(None, Instant::now() + DRAIN);
        self.verdict(status, timed_out)
    }

    /// Moves bytes until the leader has ended (true) or the deadline is there (false). Without `pidfd`: until both
    /// outputs are closed, or the deadline.
    fn turn(&mut self, pidfd: Option<&std::os::fd::OwnedFd>, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let closed = self.stdout.is_none() && self.stderr.is_none();
            if pidfd.is_none() && closed {
                return true;
            }
            let ended = self.wait(pidfd, left);
            self.write();
            read(&mut self.stdout, &mut self.output, &mut self.lost);
            read(&mut self.stderr, &mut self.output, &mut self.lost);
            if ended {
                return true;
            }
        }
    }

    /// Waits until something can be done. True where the leader has ended.
    fn wait(&self, pidfd: Option<&std::os::fd::OwnedFd>, left: Duration) -> bool {
        let mut fds = Vec::with_capacity(4);
        if let Some(pidfd) = pidfd {
            fds.push(PollFd::new(pidfd, PollFlags::IN));
        }
        if let Some(fd) = &self.stdin {
            fds.push(PollFd::new(fd, PollFlags::OUT));
        }
        if let Some(fd) = &self.stdout {
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        if let Some(fd) = &self.stderr {
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        let timeout = Timespec::try_from(left).ok();
        // An error (a signal) is a turn in which nothing was ready; the deadline ends the loop above.
        let ready = poll(&mut fds, timeout.as_ref()).unwrap_or(0);
        ready > 0 && pidfd.is_some() && fds[0].revents().intersects(PollFlags::IN)
    }

    fn write(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(self.document) {
            Ok(n) => self.document = &self.document[n..],
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            // A hook may close its input unread; what it then says by its exit code counts.
            Err(_) => self.document = &[],
        }
        if self.document.is_empty() {
            self.stdin = None;
        }
    }

    fn escalate(&mut self) {
        let (signal, next) = match self.stage {
            Stage::Running => (Signal::TERM, Stage::Terminated),
            Stage::Terminated | Stage::Killed => (Signal::KILL, Stage::Killed),
        };
        self.stage = next;
        let _ = kill_process_group(self.group, signal);
        // After SIGKILL the loop goes on until the kernel has ended it; nothing else can be done about a process that
        // hangs in the kernel, and it keeps one of the few places, which is what should be seen.
        self.deadline = Instant::now() + self.grace.max(Duration::from_millis(100));
    }

    fn verdict(self, status: std::io::Result<ExitStatus>, timed_out: bool) -> Ended {
        let (ending, mut note) = match status {
            _ if timed_out && self.stage == Stage::Killed => {
                (Ending::Unknown, "killed after its deadline and grace".to_owned())
            }
            _ if timed_out && self.stage == Stage::Terminated => {
                (Ending::Unknown, "ended by SIGTERM at its deadline".to_owned())
            }
            _ if timed_out => (Ending::Unknown, "killed: it could not be watched".to_owned()),
            Err(e) => (Ending::Unknown, format!("cannot tell how it ended: {e}")),
            Ok(status) => meaning(status),
        };
        if !self.output.is_empty() {
            note += &format!("; it said: {}", ShownBytes(self.output.trim_ascii()));
        }
        if self.lost > 0 {
            note += &format!(" ({} bytes more)", self.lost);
        }
        Ended { ending, note }
    }
}

fn meaning(status: ExitStatus) -> (Ending, String) {
    match (status.code(), status.signal()) {
        (Some(0), _) => (Ending::Done, "exit 0".into()),
        (Some(75), _) => (Ending::Temporary, "exit 75: not now, nothing was done".into()),
        (Some(65), _) => (Ending::Permanent, "exit 65: this cannot be done".into()),
        (Some(code), _) => (Ending::Failed, format!("exit {code}")),
        (None, Some(signal)) => {
            let core = if status.core_dumped() { ", core dumped" } else { "" };
            (Ending::Failed, format!("ended by signal {signal}{core}"))
        }
        (None, None) => (Ending::Unknown, "it neither exited nor was ended".into()),
    }
}

/// Reads what is there: up to [`HOOK_OUTPUT_BYTES`] are kept, the rest is counted. A few buffers a turn, so that an
/// endless writer does not keep the deadline from being seen.
fn read(from: &mut Option<impl Read>, output: &mut Vec<u8>, lost: &mut u64) {
    let mut buffer = [0; 8 << 10];
    for _ in 0..8 {
        let Some(pipe) = from else { return };
        match pipe.read(&mut buffer) {
            Ok(0) => *from = None,
            Ok(n) => {
                let kept = n.min(HOOK_OUTPUT_BYTES - output.len());
                output.extend_from_slice(&buffer[..kept]);
                *lost += (n - kept) as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => *from = None,
        }
    }
}
