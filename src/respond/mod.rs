//! Carries out what was committed: hooks and network syslog through the runner, local syslog directly. It decides nothing.
//!
//! In the daemon: [`client`] talks to the runner in the words of [`wire`], [`syslog`] writes messages and [`local`] sends
//! them to a socket of this machine, [`confine`] gives up everything that only the runner may do. In the runner: [`runner`]
//! serves the socket, `claims` decides what may be run at all, [`journal`] remembers it, `executable` says whether the
//! file may be trusted, `exec` runs it, `relay` speaks to the network. [`service`] is what both have to say to systemd.
pub mod client;
pub mod confine;
pub mod document;
pub mod journal;
pub mod local;
pub mod runner;
pub mod service;
pub mod settings;
pub mod syslog;
pub mod wire;

mod claims;
mod exec;
mod executable;
mod relay;

pub use client::{NotTaken, RunnerClient, RunnerEvent, RunnerLink, RunnerProcess};
pub use document::{HookDocument, HookFinding, HookTarget};
pub use settings::{ActionKind, ActionSpec, NextGrade, RunnerSettings, RunnerTable, SyslogTarget, Transport};
pub use wire::{Ending, Reply, Request};

/// Whether a hook's command would be run: what keeps it from it, in words.
///
/// # Errors
/// Its executable is missing, not executable, not ours or root's, or others may write it.
pub fn fitness(command: &[String]) -> Result<(), String> {
    executable::Executable::open(command).map(drop).map_err(|e| e.to_string())
}
