//! [`Held`]: every value of a record, whether or not anybody asks for it. Not for the hot path: for people who write a profile.

/// One value of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    /// The name by which a profile reads it; of a value in a list that of the list's elements (`a[].b`).
    pub name: &'a str,
    /// The value; of a list of values the list as written.
    pub value: &'a str,
    /// It is a list of values.
    pub is_list: bool,
    /// The number of the field that asks for it.
    pub wanted: Option<usize>,
}
