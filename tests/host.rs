//! Tests of the whole program among others and against the machine: the runner and what it speaks to, servers, disks that are full, calls
//! that fail, a system that boots. Much of it needs root, strace, or programs that `tests/run` installs.
//! `cargo test --test host faults::` runs those of one file.
mod booted;
mod commits;
mod confine;
mod confined;
mod crash;
mod disks;
mod evidence;
mod faults;
mod hook_document;
mod hooks;
mod hostile_orders;
mod outlets;
mod portal;
mod receiving;
mod recipes;
mod records;
mod sandbox;
mod servers;
mod service;
mod stand;
mod stores;
mod support {
    mod daemon;
    mod dice;
    mod program;
    mod site;
    mod skip;
    mod strace;
    mod wait;
    mod world;

    pub use daemon::{Daemon, children};
    pub use dice::Dice;
    pub use program::{difference, hook, install, sorted, text, tripline, uids};
    pub use site::{ANY_EXPORT, Site};
    pub use skip::skip;
    pub use strace::Tracer;
    pub use wait::{Ends, PATIENCE, until};
    pub use world::{DOWNLOADS, PORTAL, World};
}
mod syslog;
mod systemd;
mod web_actions;
