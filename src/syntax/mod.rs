//! What policies are written in: YAML as a tree whose nodes know their lines, names of fields, bounds, and faults with their places.
pub(crate) mod error;
pub(crate) mod field;
pub(crate) mod range;
pub(crate) mod yaml;

pub use error::{LoadError, did_you_mean};
pub use field::FieldRef;
pub use range::{Comparison, LONGEST, Range};
pub use yaml::FILE_BYTES;
