//! What people and other systems are told: findings and orders in OCSF, what a finding rests on, and what was exported and fetched.

pub mod case;
pub mod chain;
pub mod clock;
pub mod days;
pub mod exposure;
pub mod history;
pub mod ocsf;
pub mod scope;
