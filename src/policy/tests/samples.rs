//! The specification's own files and SigmaHQ's rules, where they are at hand.
use super::*;
