//! What belongs together and what left in it, who must be told by when, what a finding rests on, and all of it in OCSF.

pub mod case;
pub mod chain;
pub mod clock;
pub mod days;
pub mod exposure;
pub mod history;
pub mod ocsf;
pub mod scope;
