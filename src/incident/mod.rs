//! What people and other systems are told: findings and orders in OCSF, and what was exported and fetched.

pub mod exposure;
pub mod ocsf;
