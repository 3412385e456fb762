//! The wanted keys of one JSON object: [`find`] by name, and [`Marked`] ones.

/// Some of the keys of one object, by their places; the first 128 cost no allocation.
#[derive(Default)]
pub(super) struct Marked {
    first: u128,
    more: Vec<u64>,
}

impl Marked {
    pub(super) fn has(&self, i: usize) -> bool {
        match i.checked_sub(128) {
            None => self.first >> i & 1 == 1,
            Some(i) => self.more.get(i / 64).is_some_and(|word| word >> (i % 64) & 1 == 1),
        }
    }

    pub(super) fn put(&mut self, i: usize) {
        match i.checked_sub(128) {
            None => self.first |= 1 << i,
            Some(i) => {
                self.more.resize(self.more.len().max(i / 64 + 1), 0);
                self.more[i / 64] |= 1 << (i % 64);
            }
        }
    }

    pub(super) fn meets(&self, other: &Marked) -> bool {
        self.first & other.first != 0 || self.more.iter().zip(&other.more).any(|(a, b)| a & b != 0)
    }
}

/// What a key of the text is.
pub(super) enum Found {
    /// A wanted one: its place, and its node.
    Exact(usize, usize),
    /// It differs from a wanted one in case only: the place of that.
    Twin(usize),
    /// None that is wanted.
    No,
}

/// Looks for `key` among wanted keys in the order of their lengths. `any_case`: a twin is as good as the key itself, where that is not wanted
/// as it is written.
pub(super) fn find(keys: &[(Box<str>, usize)], key: &str, any_case: bool) -> Found {
    let mut twin = Found::No;
    let first = keys.partition_point(|(wanted, _)| wanted.len() < key.len());
    for (i, (wanted, node)) in keys.iter().enumerate().skip(first) {
        if wanted.len() > key.len() {
            break;
        }
        if **wanted == *key {
            return Found::Exact(i, *node);
        }
        if wanted.eq_ignore_ascii_case(key) {
            twin = if any_case { Found::Exact(i, *node) } else { Found::Twin(i) };
        }
    }
    twin
}
