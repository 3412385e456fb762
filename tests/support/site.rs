//! A site for a test: a configuration, its trails, and the real program as daemon and as command.
use super::{DOWNLOADS, Daemon, PATIENCE, PORTAL, World, hook, sorted, text, tripline, uids, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A policy that finds every export, and asks for its session's end.
pub const ANY_EXPORT: &str = "title: Any export\nname: any_export\nlevel: high\nlogsource: { product: ocsf }\n\
    detection:\n  sel: { activity_name: export_requested }\n  condition: sel\n\
    tripline:\n  response: [ { action: end-session, target: session } ]\n";

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
            assert!(!daemon.has_ended(), "it ended: {}", daemon.log());
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
        Daemon::of(child, log)
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
