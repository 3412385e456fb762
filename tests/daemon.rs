//! Tests of the whole program on trails of its own: as a daemon, as a replay, as a command, and of what it keeps in its ledger. They need
//! no more of a machine than Python.
//! `cargo test --test daemon kill::` runs those of one file.
mod ask;
mod asking;
mod corpora;
mod csv_trails;
mod cut;
mod demo;
mod dismissing;
mod docs;
mod drilling;
mod flood;
mod forged;
mod hostile_lines;
mod identity;
mod incidents;
mod kill;
mod learning;
mod ledger;
mod live_equals_replay;
mod orders;
mod origins;
mod output;
mod outputs;
mod profiles;
mod refusals;
mod reporting;
mod resolving;
mod retention;
mod roots;
mod settings;
mod sigma;
mod socket;
mod stretches;
mod support {
    mod again;
    mod batch;
    mod daemon;
    mod dice;
    mod program;
    mod site;
    mod skip;
    mod wait;
    mod world;
    mod writer;

    pub use batch::{BEGINNING, batch, line, rules};
    pub use daemon::{Daemon, children};
    pub use dice::Dice;
    pub use program::{difference, hook, sorted, text, tripline, uids};
    pub use site::{ANY_EXPORT, Site};
    pub use skip::skip;
    pub use wait::{Ends, PATIENCE, until};
    pub use world::{DOWNLOADS, PORTAL, World, of_world, python};
    pub use writer::Writer;
}
mod trail_clocks;
mod undated;
mod world;
