//! Exit codes, which scripts and systemd rely on.
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// It was done, and what was looked for is not well: a test failed, `check` found faults.
    NotWell,
    /// Nothing of an input could be read or used: nothing was made of it. EX_DATAERR of sysexits.
    Unread,
    /// It could not be done.
    Failed,
    /// Something is in use or away now: try again later. EX_TEMPFAIL of sysexits.
    TryAgain,
    /// Whoever runs it may not. EX_NOPERM of sysexits.
    Denied,
    /// The configuration can't be used: starting again does not help. EX_CONFIG of sysexits.
    Configuration,
}

/// For `tripline --help`.
pub const HELP: &str = "Exit codes:
   0  done
   1  done, and something is not well (a policy's test failed, `check` found faults)
   2  the command line is wrong
  65  nothing of an input could be used (a message log for `exposure --resolve`): no copy was made
  70  it could not be done; the message says why
  75  in use or not there now (another daemon, a daemon that is down): try again later
  77  you may not; the message says who may
  78  the configuration, a policy or the ledger can't be used: starting again does not help";

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::NotWell => 1,
            Exit::Unread => 65,
            Exit::Failed => 70,
            Exit::TryAgain => 75,
            Exit::Denied => 77,
            Exit::Configuration => 78,
        }
    }

    /// The exit of that code; anything else is a failure.
    pub const fn from_code(code: u8) -> Exit {
        match code {
            0 => Exit::Done,
            1 => Exit::NotWell,
            65 => Exit::Unread,
            75 => Exit::TryAgain,
            77 => Exit::Denied,
            78 => Exit::Configuration,
            _ => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// Why it could not be done.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// For a person; empty where there is nothing to say.
    pub said: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines = self.said.lines();
        write!(f, "{}", crate::model::Shown(lines.next().unwrap_or_default()))?;
        lines.try_for_each(|line| write!(f, "\n  {}", crate::model::Shown(line)))
    }
}

impl Failure {
    /// It could not be done.
    pub fn new(said: impl std::fmt::Display) -> Failure {
        Failure { exit: Exit::Failed, said: said.to_string() }
    }

    /// Standard output can't be written. A reader that has had enough (`| head`) is no failure, and nothing is said of it.
    pub fn of_output(e: std::io::Error) -> Failure {
        match e.kind() {
            std::io::ErrorKind::BrokenPipe => Failure { exit: Exit::Done, said: String::new() },
            _ => Failure::new(format!("standard output: {e}: what was printed is not complete")),
        }
    }
}

impl From<crate::rules::ConfigError> for Failure {
    fn from(e: crate::rules::ConfigError) -> Failure {
        Failure { exit: Exit::Configuration, said: e.to_string() }
    }
}

impl From<crate::resolve::ResolveError> for Failure {
    fn from(e: crate::resolve::ResolveError) -> Failure {
        use crate::resolve::ResolveError;
        match e {
            ResolveError::Failed(said) => Failure::new(said),
            ResolveError::Unread(said) => Failure { exit: Exit::Unread, said },
        }
    }
}

impl From<crate::ledger::Error> for Failure {
    fn from(e: crate::ledger::Error) -> Failure {
        use crate::ledger::Error;
        let exit = match e {
            Error::Locked(_) => Exit::TryAgain,
            Error::Sql { .. } => Exit::Failed,
            // a state directory that can't be made or written does not mend itself
            Error::Io { .. } | Error::Foreign { .. } => Exit::Configuration,
        };
        Failure { exit, said: e.to_string() }
    }
}

impl From<crate::daemon::RunError> for Failure {
    fn from(e: crate::daemon::RunError) -> Failure {
        use crate::daemon::RunError;
        match e {
            RunError::Config(e) => e.into(),
            RunError::Ledger(e) => e.into(),
            RunError::Io(said) => Failure { exit: Exit::Configuration, said },
            RunError::Defect(said) => Failure { exit: Exit::Failed, said },
        }
    }
}

impl From<crate::receive::ReceiveError> for Failure {
    fn from(e: crate::receive::ReceiveError) -> Failure {
        use crate::receive::ReceiveError;
        match e {
            ReceiveError::Config(e) => e.into(),
            ReceiveError::Busy(_) => Failure { exit: Exit::TryAgain, said: e.to_string() },
            ReceiveError::Io(said) => Failure::new(said),
        }
    }
}

impl From<crate::control::client::ClientError> for Failure {
    fn from(e: crate::control::client::ClientError) -> Failure {
        use crate::control::client::ClientError;
        match e {
            ClientError::Unreachable(said) => Failure { exit: Exit::TryAgain, said },
            ClientError::Denied(said) => Failure { exit: Exit::Denied, said },
            ClientError::Refused(said) => Failure::new(said),
        }
    }
}

impl From<crate::daemon::replay::ReplayError> for Failure {
    fn from(e: crate::daemon::replay::ReplayError) -> Failure {
        use crate::daemon::replay::ReplayError;
        match e {
            ReplayError::Ledger(e) => e.into(),
            other => Failure::new(other),
        }
    }
}
