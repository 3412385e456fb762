//! tripline watches the audit trails of a provider of SMS and voice services, notices credentials used from a new
//! origin and message logs leaving in bulk, ends the session through a hook while the download still runs, and can say
//! afterwards whose records left.
//!
//! # The life of a log line
//!
//! A line is appended to a followed trail. [`source`] reads it and hands it on in a batch that says which stretch `(from, to]` of which
//! file it covers; where lines and records end, [`framing`] says. [`decode`] splits it into named fields, [`normalise`] says what those
//! fields mean for the product that wrote them, and [`enrich`] adds what is known of its origin: out comes one [`model::Event`]. [`detect`]
//! folds the event into the state of the people, sessions and keys that it concerns, as the policies of [`policy`] say (YAML, read by
//! [`syntax`]; what each type of correlation does is its [`operator`]), and may return a [`model::Finding`]. [`orders`] decides whether a
//! finding leads to an order to end a session, and what keeps it from doing so. [`pipeline`] is all of that in one pure step:
//! `advance(state, input) -> outcome`, under the [`rules`] that policies, profiles and lists were compiled into. [`ledger`] commits the
//! outcome (cursors, state, events, findings, orders, messages) in one SQLite transaction; nothing is done or said before it. Only after
//! the commit [`respond`] carries out what was committed: the runner starts hooks and speaks to the network, the daemon writes syslog.
//! [`incident`] says which findings belong together and what left, [`resolve`] lays out a copy of it for whose it was, and [`report`] tells
//! it to people who were not there. A state directory belongs to one process, by its [`lock`]. [`health`] lists what can be wrong with us,
//! [`config`] is what the operator wrote, [`receive`] is the process that lays on disk what comes over sockets and from the journal, where
//! it is followed like any trail, [`control`] answers questions over a local socket, [`daemon`] drives the loops, and [`cli`] is the
//! command line.
//!
//! # Architecture invariants
//!
//! - The modules are declared in the order in which data flows, and **a module imports only what is declared above it**
//!   (`tests/tidy.rs` holds this). The pure ones stand first, the edges after them, so that no pure module imports an edge.
//! - The *pure* modules know no clock, no randomness, no file, no socket, no thread: time and chance are inputs. The edges, and the
//!   crates that only they need, are there with the feature `host` alone. Without it (`--no-default-features`, which `.ci/run` compiles)
//!   the library is the pure modules, and they can name no runtime, no SQL, no TLS, no system call and no allocator, for there is no such
//!   crate. What the standard library has of that kind `clippy.toml` bans for the whole library; the edges are exempt below, each by name.
//! - Everything that can change a result is a recorded [`model::Input`].
//! - Only [`ledger`] speaks SQL. Only [`respond`] starts processes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
// clippy.toml lists what the pure modules must not know; Cargo.toml switches that list off for tests and benches
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod model;
pub mod syntax;
pub mod operator;
pub mod policy;
pub mod framing;
pub mod decode;
pub mod normalise;
pub mod enrich;
pub mod detect;
pub mod orders;
pub mod pipeline;
pub mod rules;
pub mod incident;

// The edges. Without the feature `host` they are not there, and neither is a crate that only they use.
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: reads files, and watches them grow")]
pub mod source;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: waits for a file that another has")]
pub mod lock;
#[cfg(feature = "host")]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: the one file that everything is committed to, and the keys beside it"
)]
pub mod ledger;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: reads message logs, writes copies")]
pub mod resolve;
#[cfg(feature = "host")]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: starts hooks, speaks to the network, waits"
)]
pub mod respond;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: is shared by the loops")]
pub mod health;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: reads what the operator wrote")]
pub mod config;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: takes in what comes over sockets")]
pub mod receive;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: answers over a socket")]
pub mod control;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: writes the folder of an incident")]
pub mod report;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: the clock, the loops, the threads")]
pub mod daemon;
#[cfg(feature = "host")]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: prints, asks, and starts all that")]
pub mod cli;

/// Tests here are left out in the same way as those of the whole program.
#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests say aloud what they leave out")]
#[path = "../tests/support/skip.rs"]
mod skip;

/// The tests of `tests` name the library so, and some of what they stand on is used here, too.
#[cfg(all(test, feature = "host"))]
extern crate self as tripline;
#[cfg(all(test, feature = "host"))]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests stand on what the program's tests stand on"
)]
#[path = "../tests/support/batch.rs"]
mod logins;
