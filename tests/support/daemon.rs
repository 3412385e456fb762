//! A running daemon, and the processes that it started.
use super::until;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

/// A running daemon. It ends with the test.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Daemon {
    pub fn of(child: Child, log: PathBuf) -> Daemon {
        Daemon { child, log, ended: None }
    }

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
        until("the daemon to end", || self.has_ended().then_some(()));
        self.ended.expect("it has ended")
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
