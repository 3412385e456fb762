//! What an operator writes about actions and the runner: the tables `[actions]` and `[runner]`.
use super::action::{ActionKind, Limits, Means};
use super::needs::Needs;
use super::outlet::{SyslogTarget, Target, WebhookTarget};
use crate::model::{Mode, TargetKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The longest deadline of an action. A session lives on while one hangs.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(300);
/// Where the runner listens when systemd starts it.
pub const RUNNER_SOCKET: &str = "/run/tripline-hook-runner.sock";

/// `[actions.NAME]`: how something is ended. The shipped policies ask for the actions `end-session` (of a session) and `revoke-key` (of
/// a service key).
///
/// The key `kind` says how it is carried out: `exec` (without it), `http`, `set`, `redis`, `postgres`, `php_session` or `haproxy`; each
/// has keys of its own, below. In its place, `recipe` names a shipped action, whose keys stand where you write none, and `with` gives the values
/// that the recipe asks for, such as `{ base = "https://id.example.org", realm = "staff" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
// Derived beside the traits, which are below: a recipe is put in before the keys are read.
#[serde(remote = "Self")]
pub struct ActionSpec {
    /// After so many seconds it is given up, and a program gets SIGTERM; 1 to 300.
    #[serde(default = "ten")]
    pub deadline_seconds: u32,
    /// So many seconds after that, a program and its process group are killed.
    #[serde(default = "two")]
    pub grace_seconds: u32,
    /// Doing it twice for one order does no more than doing it once: it may be tried again, under the same key.
    #[serde(default)]
    pub idempotent: bool,
    /// It is never carried out under a less careful mode. Without it: the policy's.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// What is done when it did not hold: the next grade, such as `{ action = "lock-account", target = "account" }`. Without it:
    /// nothing.
    #[serde(default)]
    pub then: Option<NextGrade>,
    /// The action that asks whether it held: done for "it has ended", failed for "it lives". Without it: only the trail is watched.
    #[serde(default)]
    pub check: Option<String>,
    /// The action that takes it back. Without it: nothing does.
    #[serde(default)]
    pub undo: Option<String>,
    /// After so many seconds it is taken back by itself; needs `undo`. Without it: until a person does.
    #[serde(default)]
    pub lasts_seconds: Option<u32>,
    /// How it is carried out: the key `kind`, and the keys of that kind.
    #[serde(flatten)]
    pub kind: ActionKind,
}

/// An action that follows another which did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextGrade {
    /// The name of the action.
    pub action: String,
    /// What it acts on.
    pub target: TargetKind,
}

impl<'de> Deserialize<'de> for ActionSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = toml::Table::deserialize(from)?;
        let whole = super::recipe::put_in(written).map_err(serde::de::Error::custom)?;
        ActionSpec::deserialize(toml::Value::Table(whole)).map_err(|e| serde::de::Error::custom(e.message()))
    }
}

impl Serialize for ActionSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        ActionSpec::serialize(self, to)
    }
}

const fn ten() -> u32 {
    10
}
const fn two() -> u32 {
    2
}

impl ActionSpec {
    /// How long it may run.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds.into())
    }

    /// How long it may take to end after it was told to.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }

    fn limits(&self) -> Limits {
        Limits { deadline: self.deadline(), grace: self.grace(), idempotent: self.idempotent }
    }

    /// Makes it ready for use. Looks at no disk.
    ///
    /// # Errors
    /// What is wrong with what was written.
    pub fn compile(&self) -> Result<Box<dyn Means>, String> {
        let longest = LONGEST_DEADLINE.as_secs();
        if !(1..=longest).contains(&self.deadline_seconds.into()) {
            return Err(format!("`deadline_seconds` must be 1 to {longest}"));
        }
        if u64::from(self.grace_seconds) > longest {
            return Err(format!("`grace_seconds` must be at most {longest}"));
        }
        self.kind.compile(self.limits())
    }

    /// What is wrong with it, as far as can be told without looking at the disk.
    pub fn fault(&self) -> Option<String> {
        self.compile().err()
    }

    /// What it needs of the machine.
    pub fn needs(&self) -> Needs {
        self.kind.needs()
    }

    /// Whether it could be carried out on this machine, its secrets aside: only the runner can read those.
    ///
    /// # Errors
    /// What keeps it from it, in words.
    pub fn fitness(&self) -> Result<(), String> {
        self.compile()?.settle()
    }
}

impl ActionSpec {
    /// What it would be carried out without on this machine, although it asks for it; in words.
    pub fn caution(&self) -> Option<String> {
        self.compile().ok()?.caution()
    }
}

/// `[runner]`: the process that runs hooks and speaks to the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunnerTable {
    /// Where the runner listens that systemd starts: `/run/tripline-hook-runner.sock`. Without it: the daemon starts a runner of its
    /// own.
    #[serde(default)]
    pub socket: Option<PathBuf>,
    /// Where the runner's journal lies. Without it: systemd's `STATE_DIRECTORY`, or a folder in the daemon's state.
    #[serde(default)]
    pub state_dir: Option<PathBuf>,
}

/// Everything that the runner is told: some tables of the one file that operators write. The other tables are the daemon's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunnerSettings {
    /// By name.
    pub actions: BTreeMap<String, ActionSpec>,
    /// By name; those of transport `unix` are the daemon's.
    pub syslog: BTreeMap<String, SyslogTarget>,
    /// By name.
    pub webhook: BTreeMap<String, WebhookTarget>,
}

impl RunnerSettings {
    /// The outlets that leave this machine, by the names of their tables.
    pub fn outlets(&self) -> BTreeMap<String, Target> {
        let mut all = Target::all(&self.syslog, &BTreeMap::new(), &BTreeMap::new(), &self.webhook);
        all.retain(|_, target| target.leaves());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_actions_say_what_to_write() {
        for (toml, said) in [
            ("command = []", Some("absolute path")),
            ("command = ['end-session']", Some("absolute path")),
            ("command = ['/bin/x']\ndeadline_seconds = 0", Some("1 to 300")),
            ("command = ['/bin/x']\ndeadline_seconds = 301", Some("1 to 300")),
            ("command = ['/bin/x', '--fast']", None),
        ] {
            let spec: ActionSpec = toml::from_str(toml).unwrap();
            let fault = spec.fault();
            assert_eq!(fault.is_some(), said.is_some(), "{toml}: {fault:?}");
            assert!(fault.unwrap_or_default().contains(said.unwrap_or_default()));
        }
        assert!(toml::from_str::<ActionSpec>("command = ['/x']\ndeadline = 3").is_err());
    }
}
