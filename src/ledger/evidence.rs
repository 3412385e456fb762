//! The evidence tree: an RFC 6962 Merkle tree over the list of leaves, and its signed heads.
//!
//! A leaf stands for one record: `salt ‖ kind ‖ 0 ‖ key ‖ 0 ‖ SHA-256(body)`. The salt depends on the leaf's number and on this
//! installation's secret, so that nobody can guess a body from its hash, a body may go under retention while its proof stays, and
//! a record that is moved to another place no longer fits. The body of a block is its lines, each behind its length in eight
//! bytes, the highest first: how they were compressed is no matter.
//!
//! The list is in the order of the inputs: each input, then the findings, the steps of orders and of incidents that it led to, then
//! the blocks that its events filled. So the same inputs under the same key give the same leaves, whatever was committed together.
use ring::digest::{Context, SHA256};

/// A hash of the tree.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    finished(context)
}

fn finished(context: Context) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// What stands for the body of a record in its leaf.
pub fn body_digest(body: &[u8]) -> Hash {
    sha256(&[body])
}

/// The hash of a leaf (RFC 6962 §2.1: 0x00 before its data) of the record whose body has that digest.
pub fn leaf_hash(salt: &[u8; 16], kind: &str, key: &str, body: &Hash) -> Hash {
    sha256(&[&[0], salt, kind.as_bytes(), &[0], key.as_bytes(), &[0], body])
}

/// What stands for the body of an input: its time and kind with it.
pub fn input_body(at: i64, kind: &str, body: &str) -> Vec<u8> {
    format!("{at} {kind} {body}").into_bytes()
}

/// The body of a block, digested line by line.
pub struct Lines(Context);

impl Default for Lines {
    fn default() -> Lines {
        Lines(Context::new(&SHA256))
    }
}

impl Lines {
    /// Adds a line.
    pub fn push(&mut self, line: &[u8]) {
        self.0.update(&(line.len() as u64).to_be_bytes());
        self.0.update(line);
    }

    /// The digest of the body.
    pub fn digest(self) -> Hash {
        finished(self.0)
    }
}

/// The root of a tree whose leaves are texts, with no salt and no key: for what is compared and not proven.
pub fn root_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Hash {
    let mut tree = Frontier::default();
    texts.into_iter().for_each(|text| tree.push(sha256(&[&[0], text.as_bytes()])));
    tree.root()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The right edge of a tree: all that is needed to add leaves and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The roots of the perfect subtrees, the largest first: one for each bit of `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            // there is a peak for every bit that is set
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root (RFC 6962 §2.1: of an empty tree, the hash of nothing).
    pub fn root(&self) -> Hash {
        let fold = self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        fold.unwrap_or_else(|| sha256(&[]))
    }
}

/// The root of these leaves, by the recursion of RFC 6962.
fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The largest power of two below `n`, for `n` of two or more.
fn split(n: u64) -> u64 {
    1 << (u64::BITS - 1 - (n - 1).leading_zeros())
}

/// The audit path of leaf `index` (RFC 6962 §2.1.1): from the leaf's side up to the root's.
pub fn inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let middle = split(leaves.len() as u64) as usize;
    let (left, right) = leaves.split_at(middle);
    let (mut path, other) = match index < middle {
        true => (inclusion(left, index), root_of(right)),
        false => (inclusion(right, index - middle), root_of(left)),
    };
    path.push(other);
    path
}

/// The root that leaf `index` of a tree of `size` leaves comes to with this path; nothing where the path is not of that length.
pub fn root_by(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    if size == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (last, path) = path.split_last()?;
    let middle = split(size);
    match index < middle {
        true => Some(node_hash(&root_by(leaf, index, middle, path)?, last)),
        false => Some(node_hash(last, &root_by(leaf, index - middle, size - middle, path)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaf(n: u64) -> Hash {
        sha256(&[&[0], &n.to_be_bytes()])
    }

    /// The recursion of RFC 6962 §2.1, word for word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            many => {
                let k = split(many.len() as u64) as usize;
                node_hash(&mth(&many[..k]), &mth(&many[k..]))
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_specification() {
        let mut frontier = Frontier::default();
        let mut leaves = Vec::new();
        assert_eq!(
            crate::model::id::hex(&frontier.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for n in 0..300 {
            leaves.push(leaf(n));
            frontier.push(leaf(n));
            assert_eq!(frontier.root(), mth(&leaves), "{n}");
        }
    }

    proptest! {
        #[test]
        fn a_path_proves_its_leaf_and_no_other(size in 1..200u64, index in 0..200u64, other in any::<u64>()) {
            let index = index % size;
            let leaves: Vec<Hash> = (0..size).map(leaf).collect();
            let path = inclusion(&leaves, index as usize);
            let root = mth(&leaves);
            prop_assert_eq!(root_by(leaf(index), index, size, &path), Some(root));
            prop_assert_ne!(root_by(leaf(size + other % 1000), index, size, &path), Some(root));
            if size > 1 {
                prop_assert_eq!(root_by(leaf(index), index, size, &path[1..]), None);
                prop_assert_ne!(root_by(leaf(index), (index + 1) % size, size, &path), Some(root));
            }
        }
    }
}
