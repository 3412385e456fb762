//! A site for a test: a made world, a configuration that follows it, and the real program as daemon and as command.
mod skip;

use serde_json::Value;
pub use skip::{of_others, skip};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Nothing in these tests takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something; fails the test when it does not within [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Makes a hook in that folder that is this shell script. `$DIR` in it is the folder.
pub fn hook(dir: &Path, name: &str, script: &str) -> PathBuf {
    let path = dir.join(name);
    let text = format!("#!/bin/sh\n{}\n", script.replace("$DIR", dir.to_str().unwrap()));
    let written = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(written.path(), text).unwrap();
    install(written.path(), &path);
    path
}

/// Copies a program. Another process does it: what this one has open for writing a child that begins at that moment has
/// open too, and nobody can execute it (ETXTBSY).
pub fn install(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap();
    assert!(status.success(), "{}", to.display());
}

/// A process that is ended with this, be it in the middle of a test that fails.
pub struct Ends(pub Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Numbers by chance that are the same for the same seed (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One of `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % n.max(1)
    }
}

/// A file of `tests/world`: the makers of worlds, and what measures them.
pub fn of_world(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world").join(name)
}

/// Runs a Python program, which must succeed, and gives its output.
pub fn python<S: AsRef<std::ffi::OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> String {
    let out = Command::new("python3").arg(program).args(arguments).output().expect("python3, which tests/run installs");
    assert!(out.status.success(), "{}: {}", program.display(), text(&out));
    String::from_utf8(out.stdout).unwrap()
}

/// A policy that finds every export, and asks for its session's end.
pub const ANY_EXPORT: &str = "title: Any export\nname: any_export\nlevel: high\nlogsource: { product: ocsf }\n\
    detection:\n  sel: { activity_name: export_requested }\n  condition: sel\n\
    tripline:\n  response: [ { action: end-session, target: session } ]\n";

pub const PORTAL: &str = "portal-audit.jsonl";
pub const DOWNLOADS: &str = "download-access.log";

/// A folder with trails and what belongs to them.
pub struct World(pub PathBuf);

impl World {
    /// A small world with one attack of each kind.
    pub fn make(seed: u64) -> World {
        let mut hasher = DefaultHasher::new();
        for name in ["world.py", "mmdb.py"] {
            std::fs::read(of_world(name)).unwrap().hash(&mut hasher);
        }
        let name = format!("world-{seed}-{:016x}", hasher.finish());
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        if !kept.exists() {
            let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let (seed, out) = (seed.to_string(), made.path().to_str().unwrap());
            let size = ["--days", "14", "--staff", "30", "--accounts", "60", "--per-kind", "1"];
            python(&of_world("world.py"), ["--seed", &seed, "--out", out].into_iter().chain(size));
            // another test may have been faster with the same bytes
            let _ = std::fs::rename(made.keep(), &kept);
        }
        World(kept)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

/// Appends the world's lines to the site's trails, each at its own pace, in pieces that end anywhere, even inside a line.
pub struct Writer {
    dice: Dice,
    trails: Vec<Pieces>,
    most: usize,
}

/// One trail that is being written.
struct Pieces {
    name: &'static str,
    file: std::fs::File,
    lines: std::vec::IntoIter<Vec<u8>>,
    /// What a piece left out of its last line.
    rest: Vec<u8>,
}

impl Writer {
    /// Writes the trails of these names, in pieces of at most `most` lines.
    pub fn new(world: &World, site: &Site, names: &[&'static str], seed: u64, most: usize) -> Writer {
        let lines = |name| {
            world.read(name).split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter()
        };
        let trail =
            |name: &&'static str| Pieces { name, file: site.append_to(name), lines: lines(name), rest: Vec::new() };
        Writer { dice: Dice::new(seed), trails: names.iter().map(trail).collect(), most }
    }

    /// Writes the next piece, and says of which trail it was; nothing when all is written.
    pub fn piece(&mut self) -> Option<&'static str> {
        self.trails.retain(|t| t.lines.len() > 0 || !t.rest.is_empty());
        if self.trails.is_empty() {
            return None;
        }
        let i = self.dice.below(self.trails.len());
        let trail = &mut self.trails[i];
        let mut piece = std::mem::take(&mut trail.rest);
        let count = 1 + self.dice.below(self.most);
        piece.extend(trail.lines.by_ref().take(count).flatten());
        if trail.lines.len() > 0 {
            // now and then whole lines, most often not
            let cut = piece.len() - self.dice.below(piece.len().min(300));
            trail.rest = piece.split_off(cut);
        }
        trail.file.write_all(&piece).unwrap();
        Some(trail.name)
    }
}

/// A scratch folder with a configuration, trails and a state directory.
pub struct Site {
    pub dir: tempfile::TempDir,
}

impl Site {
    /// A site whose trails are empty, with the world's databases and lists.
    pub fn following(world: &World, more: &str) -> Site {
        let site = Site::bare(
            "",
            &format!(
                "[enrich]\ndatabases = ['{w}/geo.mmdb']\nnetwork_lists = ['{w}/listed-networks.csv']\ndirectory = '{w}/staff.csv'\n{more}",
                w = world.0.display()
            ),
        );
        for name in [PORTAL, DOWNLOADS] {
            std::fs::write(site.path(name), "").unwrap();
        }
        site
    }

    /// A site with both trails; `first` stands at the top of the configuration, `more` at its end.
    pub fn bare(first: &str, more: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let site = Site { dir };
        let d = site.dir.path().display();
        site.configure(&format!(
            "state_dir = '{d}/state'\ncontrol_socket = '{d}/control.sock'\n{first}\n\
             [[trail]]\nname = 'portal'\npaths = ['{d}/{PORTAL}']\nprofile = 'tripline-portal'\n\
             [[trail]]\nname = 'downloads'\npaths = ['{d}/{DOWNLOADS}']\nprofile = 'download-log'\n{more}"
        ));
        site
    }

    /// A site with both trails, empty, and [`ANY_EXPORT`] beside the shipped policies.
    pub fn finding_exports(more: &str) -> Site {
        let site = Site::bare("", more);
        site.policy("any-export", ANY_EXPORT);
        let policies = site.path("policies");
        site.configure(&format!("policies_dir = '{}'\n{}", policies.display(), site.configuration()));
        [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
        site
    }

    /// Writes a policy into the folder `policies`, which the configuration has to name.
    pub fn policy(&self, name: &str, text: &str) {
        let folder = self.path("policies/detections");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name).with_extension("yml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("tripline.toml")
    }

    pub fn configure(&self, toml: &str) {
        std::fs::write(self.config(), toml).unwrap();
    }

    pub fn configuration(&self) -> String {
        std::fs::read_to_string(self.config()).unwrap()
    }

    pub fn append_to(&self, name: &str) -> std::fs::File {
        let mut options = std::fs::OpenOptions::new();
        options.append(true).create(true).open(self.path(name)).unwrap()
    }

    /// Makes a hook that is this shell script. `$DIR` in it is the site's folder.
    pub fn hook(&self, name: &str, script: &str) -> PathBuf {
        hook(self.dir.path(), name, script)
    }

    /// The command, not started yet: `arguments` and this site's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tripline(arguments);
        command.arg("-c").arg(self.config());
        command
    }

    /// What the command says.
    pub fn say(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The rows that the command prints as JSON.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let out = self.say(&[arguments, &["--json"]].concat());
        assert!(out.status.success(), "{}", text(&out));
        let lines = String::from_utf8(out.stdout).unwrap();
        lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    /// Starts the daemon and waits until it answers.
    pub fn start(&self, arguments: &[&str]) -> Daemon {
        self.start_with(self.command(&[&["run"], arguments].concat()))
    }

    pub fn start_with(&self, command: Command) -> Daemon {
        let mut daemon = self.spawn(command);
        until("an answer of the daemon", || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "it ended: {}", daemon.log());
            self.ask("{\"ask\":\"status\"}")
        });
        daemon
    }

    /// Starts the daemon and does not wait.
    pub fn spawn(&self, mut command: Command) -> Daemon {
        let log = self.path("daemon.log");
        let mut options = std::fs::OpenOptions::new();
        let out = options.append(true).create(true).open(&log).unwrap();
        let child = command.env("NO_COLOR", "1").stdin(Stdio::null()).stderr(out).spawn().unwrap();
        Daemon { child, log, ended: None }
    }

    /// One row of the daemon's answer, as it stands on the wire.
    pub fn ask(&self, request: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.path("control.sock")).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{request}\n").as_bytes()).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        serde_json::from_str::<Value>(&line).ok()?.get_mut("row").map(Value::take)
    }

    pub fn status(&self) -> Value {
        self.ask("{\"ask\":\"status\"}").expect("the daemon answers")
    }

    /// Waits until all whole lines that stand in the trails are on disk.
    pub fn caught_up(&self) {
        let whole = |name: &str| {
            let bytes = std::fs::read(self.path(name)).unwrap();
            let end = bytes.iter().rposition(|b| *b == b'\n');
            end.map_or(0, |end| end as u64 + 1)
        };
        let sizes = [("portal", PORTAL), ("downloads", DOWNLOADS)].map(|(trail, name)| (trail, whole(name)));
        until("the daemon to catch up", || {
            let status = self.ask("{\"ask\":\"status\"}")?;
            let covered = |trail: &str| status["trails"][trail]["bytes"].as_u64().unwrap_or(0);
            sizes.iter().all(|(trail, size)| covered(trail) >= *size).then_some(())
        });
    }

    /// The canonical dump of the ledger in `state`.
    pub fn dump(&self, state: &str) -> Vec<String> {
        let out = tripline(&["ledger", "dump", "--state"]).arg(self.path(state)).output().unwrap();
        assert!(out.status.success(), "{}", text(&out));
        let lines = String::from_utf8(out.stdout).unwrap();
        lines.lines().map(ToOwned::to_owned).collect()
    }

    /// Replays the trails as they stand now into `state`, and gives the ids of the findings.
    pub fn replay(&self, state: &str) -> Vec<String> {
        let state = self.path(state);
        let state = state.to_str().unwrap();
        uids(&self.say(&["replay", "--format", "ocsf", "--state", state]))
    }

    /// Makes the ledger of `state` again from its recorded inputs and the trails as they stand now, in `again`, and holds them to be equal.
    pub fn make_again(&self) {
        let (state, again) = (self.path("state"), self.path("again"));
        let said = self.say(&["replay", "--inputs", state.to_str().unwrap(), "--state", again.to_str().unwrap()]);
        assert!(said.status.success(), "{}", text(&said));
        let (only_first, only_again) = difference(&self.dump("state"), &self.dump("again"));
        assert!(only_first.is_empty() && only_again.is_empty(), "{only_first:#?}\n{only_again:#?}");
    }

    /// The findings in the ledger of `state`, read while no daemon has it: their ids and what they are.
    pub fn findings(&self, state: &str) -> Vec<String> {
        let (nobody, state) = (self.path("nobody.sock"), self.path(state));
        let at = ["--socket", nobody.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let rows = self.json(&[&["findings", "list", "--limit", "100000"], &at[..]].concat());
        sorted(rows.iter().map(|row| {
            let f = &row["finding"];
            let word = |key: &str| f[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", word("id"), word("policy"), word("entity"))
        }))
    }
}

/// The ids of the findings that a replay printed as OCSF.
pub fn uids(out: &Output) -> Vec<String> {
    assert!(out.status.success(), "{}", text(out));
    let objects = std::str::from_utf8(&out.stdout).unwrap().lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let findings = objects.filter(|o| o["class_uid"] == 2004);
    sorted(findings.map(|o| o["finding_info"]["uid"].as_str().unwrap().to_owned()))
}

pub fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

/// What only one of two lists has, of each at most twenty.
pub fn difference(one: &[String], other: &[String]) -> (Vec<String>, Vec<String>) {
    let only = |these: &[String], others: &[String]| {
        let others: std::collections::BTreeSet<_> = others.iter().collect();
        let only = these.iter().filter(|l| !others.contains(l));
        only.take(20).cloned().collect()
    };
    (only(one, other), only(other, one))
}

/// The program.
pub fn tripline(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments);
    command
}

/// The same command by somebody who reads and writes only what they may, which root does not else.
pub fn as_others_may(command: Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    let mut bounded = Command::new("setpriv");
    bounded.arg("--bounding-set=-dac_override,-dac_read_search").arg(command.get_program()).args(command.get_args());
    bounded
}

/// All that a command said.
pub fn text(out: &Output) -> String {
    format!("{}{}{}", out.status, String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A running daemon. It ends with the test.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Daemon {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged; the daemons before it at this site too.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        let runners = children(self.id());
        self.child.kill().unwrap();
        self.ended = Some(self.child.wait().unwrap());
        for runner in runners {
            until("the runner to end with its daemon", || {
                (!Path::new(&format!("/proc/{runner}")).exists()).then_some(())
            });
        }
    }

    /// Whether it has ended, by itself or by somebody else's hand.
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended.is_some()
    }

    /// How it ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = until("the daemon to end", || self.child.try_wait().unwrap());
        self.ended = Some(status);
        status
    }

    /// Ends it as an operator would.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // it is ours and not waited for, so the id is still its own
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// strace on a running process, until it is told to end or the test ends.
pub struct Tracer(Child);

impl Tracer {
    /// Attaches to `process` with these arguments, and waits until it has it.
    pub fn attach(site: &Site, process: u32, arguments: &[&str]) -> Tracer {
        let log = site.path("attached.log");
        let out = std::fs::File::create(&log).unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &process.to_string()]).args(arguments);
        let tracer = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out).spawn().unwrap();
        until("strace to have it", || std::fs::read_to_string(&log).unwrap().contains("attached").then_some(()));
        Tracer(tracer)
    }

    /// Lets go of the process, which goes on.
    pub fn end(mut self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::TERM)
            .unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // one that has ended is nobody's any more
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The processes that `parent` started.
pub fn children(parent: u32) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let of = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        after.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    ids.filter(of).collect()
}
