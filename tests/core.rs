//! Tests of the pure modules: they need no daemon and no ledger, and of the library only what is there without the feature `host`.
//! `tests/quick` builds and runs them: the inner loop of a change in detection.
mod coverage;
mod oracle;
mod policies;
mod samples;
mod sigmahq;
mod support {
    mod dice;
    mod skip;

    pub use dice::Dice;
    pub use skip::{of_others, skip};
}
mod tidy;
mod tuning;
mod walk;
