//! Carries out what was committed: hooks and whatever leaves the machine through the runner, the rest directly. It decides
//! nothing.
//!
//! In the daemon: [`client`] talks to the runner in the words of [`wire`], [`confine`] gives up everything that only the
//! runner may do. In the runner: [`runner`] serves the socket, `claims` decides what may be carried out at all, [`journal`]
//! remembers it, [`once`] carries one order out, [`action`] has one file for each way to do it, [`recipe`] the ones that are
//! shipped, `secret` the keys, `net` what speaks to other machines. [`outlet`] has one file for each way to tell what happened; which of the two processes does it
//! stands there. [`service`] is what both have to say to systemd.
pub mod action;
pub mod client;
pub mod confine;
pub mod document;
pub mod escape;
pub mod journal;
pub mod needs;
pub mod once;
pub mod outlet;
pub mod recipe;
pub mod runner;
pub mod service;
pub mod settings;
pub mod template;
pub mod wire;

mod claims;
pub use claims::ORDERS_WAITING;
mod net;
mod secret;

pub use action::{ActionKind, Ended, Rehearsal};
pub use client::{NotTaken, RunnerClient, RunnerEvent, RunnerLink, RunnerProcess};
pub use document::{HookDocument, HookFinding, HookTarget};
pub use once::{carry_out, carry_out_by_runner};
pub use settings::{ActionSpec, NextGrade, RunnerSettings, RunnerTable};
pub use wire::{Ending, Reply, Request};

/// Whether a hook's command would be run: what keeps it from it, in words.
///
/// # Errors
/// Its executable is missing, not executable, not ours or root's, or others may write it.
pub fn fitness(command: &[String]) -> Result<(), String> {
    action::executable::Executable::open(command).map(drop).map_err(|e| e.to_string())
}

/// What would be sent for `document`, with secrets left out. Reads no secret, sends nothing, and looks at no file.
///
/// # Errors
/// Why the order would be refused: the configuration is wrong, or a value cannot stand where it would have to.
pub fn rehearse(spec: &ActionSpec, document: &HookDocument) -> Result<Rehearsal, String> {
    spec.compile()?.rehearse(document)
}
