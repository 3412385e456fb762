//! The daemon of the demo: a configuration as an operator would write it, and `tripline run` as a process of its own.
use super::portal::{DOWNLOAD_TRAIL, PORTAL_TRAIL};
use crate::cli::Failure;
use crate::control::client;
use crate::control::wire::Request;
use crate::ledger::read::FindingFilter;
use crate::model::{Finding, FindingRow};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The configuration's name in the demo's directory.
pub const CONFIG: &str = "tripline.toml";
const LOG: &str = "daemon.log";
/// How long the daemon may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The daemon's process; it ends with this value.
pub struct Daemon {
    child: Child,
    dir: PathBuf,
}

/// Writes the hook and the configuration into `dir`.
///
/// # Errors
/// They can't be written, or the runner would refuse the hook.
pub fn configure(dir: &Path, sessions: &Path) -> Result<(), Failure> {
    let program = std::env::current_exe().map_err(|e| Failure::new(format!("finding our own program: {e}")))?;
    let hook = dir.join("end-session");
    let script = format!(
        "#!/bin/sh\n# What tripline runs to end a session; it reads which one from standard input.\nexec {} demo-hook --sessions {}\n",
        quoted(&program),
        quoted(sessions)
    );
    write(&hook, 0o700, &script)?;
    let hook = hook.display().to_string();
    // the runner's own check, before anything is shown that then could not be done
    crate::respond::fitness(std::slice::from_ref(&hook))
        .map_err(|why| Failure::new(format!("tripline would refuse to run the demo's hook: {why}\nset TMPDIR to a directory that only you or root may write, and try again")))?;
    let place = |name: &str| Value::from(dir.join(name).display().to_string());
    // a JSON string is a TOML string
    let text = format!(
        "# The configuration of `tripline demo`, as for a provider.\n\
         state_dir = {}\ncontrol_socket = {}\n\n\
         [[trail]]\nname = \"portal\"\npaths = [{}]\nprofile = \"tripline-portal\"\n\n\
         [[trail]]\nname = \"downloads\"\npaths = [{}]\nprofile = \"download-log\"\n\n\
         # Left out, tripline only says what it would do.\n\
         [response]\nmode = \"enforce\"\n\n\
         [actions.end-session]\ncommand = [{}]\n\n\
         # For the report, and for who must be told.\n\
         [notices]\nprovider = \"Example Messages, made up for this demo\"\ncontact = \"security@messages.example\"\n\
         clocks = [\"gdpr-processor\", \"eu-611-2013\", \"fcc-cpni\"]\n\
         fields = {{ mfa = \"phone number, carrier, country, date and time; no contents\" }}\n",
        place("state"),
        place("control.sock"),
        place(PORTAL_TRAIL),
        place(DOWNLOAD_TRAIL),
        Value::from(hook),
    );
    write(&dir.join(CONFIG), 0o600, &text)
}

fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()));
    written.map_err(|e| Failure::new(format!("writing {}: {e}", path.display())))
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

impl Daemon {
    /// Starts `tripline run` on the configuration in `dir`.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(dir: &Path) -> Result<Daemon, Failure> {
        let failed = |e: std::io::Error| Failure::new(format!("starting `tripline run`: {e}"));
        let program = std::env::current_exe().map_err(failed)?;
        let log = File::create(dir.join(LOG)).map_err(failed)?;
        let mut command = Command::new(program);
        command.arg("run").arg("-c").arg(dir.join(CONFIG)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // the demo's daemon has nothing to do with a service that started us
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "JOURNAL_STREAM"] {
            command.env_remove(name);
        }
        Ok(Daemon { child: command.spawn().map_err(failed)?, dir: dir.to_owned() })
    }

    /// Asks the daemon through its control socket, as `tripline findings` and the others do.
    ///
    /// # Errors
    /// It does not answer, or the answer is no.
    pub fn ask(&self, request: &Request) -> Result<Vec<Value>, Failure> {
        let ledger = self.dir.join("state").join(crate::ledger::FILE);
        Ok(client::ask(&self.dir.join("control.sock"), &ledger, request, &|| None)?.0)
    }

    /// What it found about an actor, the first thing first.
    ///
    /// # Errors
    /// It does not answer.
    pub fn findings(&self, actor: &str) -> Result<Vec<Finding>, Failure> {
        let filter = FindingFilter { actor: Some(actor.to_owned()), ..FindingFilter::default() };
        let rows = self.ask(&Request::Findings { filter, ocsf: false })?;
        let read = |row| serde_json::from_value::<FindingRow>(row).map(|row| row.finding).map_err(Failure::new);
        rows.into_iter().rev().map(read).collect()
    }

    /// How many lines the daemon has read and committed; none before it answers.
    ///
    /// # Errors
    /// It has ended.
    pub fn lines(&mut self) -> Result<u64, Failure> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(Failure::new(format!("`tripline run` ended ({status}):\n{}", self.said())));
        }
        let status = self.ask(&Request::Status).unwrap_or_default();
        let trails = status.first().and_then(|row| row["trails"].as_object()).into_iter().flatten();
        Ok(trails.filter_map(|(_, trail)| trail["lines"].as_u64()).sum())
    }

    /// The last that the daemon said.
    pub fn said(&self) -> String {
        let text = std::fs::read_to_string(self.dir.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(8)..].join("\n")
    }
}

impl Drop for Daemon {
    /// Ends it as systemd would; its runner ends with it.
    fn drop(&mut self) {
        // only while it has not been waited for is its number surely its own
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        }
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
