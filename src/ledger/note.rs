//! Signed heads of the evidence tree: C2SP tlog-checkpoints, signed notes with Ed25519.
//!
//! ```text
//! ORIGIN
//! SIZE
//! BASE64(root)
//! time RFC 3339
//!
//! — ORIGIN BASE64(key hash ‖ signature)
//! ```
use super::evidence::Hash;
use crate::model::{Digest, WallTime};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// A head of the tree, as a note states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose tree.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When it was signed, as the note says.
    pub time: String,
    /// The whole note.
    pub note: String,
}

/// Who signs: the name and the public key, as `name+keyhash+base64` (a note's verifier key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: Vec<u8>,
}

/// The algorithm's byte in key hashes and verifier keys.
const ALGORITHM: u8 = 1;

impl VerifierKey {
    /// Of a key pair under a name.
    pub fn of(name: &str, pair: &Ed25519KeyPair) -> VerifierKey {
        VerifierKey { name: name.to_owned(), public: pair.public_key().as_ref().to_vec() }
    }

    fn hash(&self) -> [u8; 4] {
        let text = [self.name.as_bytes(), b"\n", &[ALGORITHM], &self.public].concat();
        let digest = Digest::of(&text).0;
        [digest[0], digest[1], digest[2], digest[3]]
    }

    /// Reads `name+keyhash+base64`.
    pub fn read(text: &str) -> Option<VerifierKey> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, hash) = (parts.next()?, parts.next()?);
        let key = STANDARD.decode(parts.next()?).ok()?;
        let (algorithm, public) = key.split_first()?;
        let read = VerifierKey { name: name.to_owned(), public: public.to_vec() };
        (*algorithm == ALGORITHM && public.len() == 32 && crate::model::id::hex(&read.hash()) == hash).then_some(read)
    }

    /// The checkpoint of a note that this key signed.
    pub fn open(&self, note: &str) -> Option<Checkpoint> {
        let (text, signatures) = note.split_once("\n\n")?;
        let text = format!("{text}\n");
        let of = format!("\u{2014} {} ", self.name);
        let signed = |line: &str| {
            let bytes = STANDARD.decode(line.strip_prefix(&of)?).ok()?;
            let (hash, signature) = bytes.split_at_checked(4)?;
            let key = UnparsedPublicKey::new(&ED25519, &self.public);
            (hash == self.hash() && key.verify(text.as_bytes(), signature).is_ok()).then_some(())
        };
        signatures.lines().find_map(signed)?;
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
        let time = lines.next().and_then(|line| line.strip_prefix("time ")).unwrap_or_default().to_owned();
        (origin == self.name).then(|| Checkpoint { origin, size, root, time, note: note.to_owned() })
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ALGORITHM], &self.public[..]].concat();
        write!(f, "{}+{}+{}", self.name, crate::model::id::hex(&self.hash()), STANDARD.encode(key))
    }
}

/// The signed note of a head of the tree.
pub fn sign(origin: &str, pair: &Ed25519KeyPair, size: u64, root: &Hash, at: WallTime) -> String {
    let text = format!("{origin}\n{size}\n{}\ntime {at}\n", STANDARD.encode(root));
    let signature = pair.sign(text.as_bytes());
    let hash = VerifierKey::of(origin, pair).hash();
    let signed = STANDARD.encode([&hash[..], signature.as_ref()].concat());
    format!("{text}\n\u{2014} {origin} {signed}\n")
}

/// The notes in a text: as they are, or as syslog messages carry them (`note="BASE64"`).
pub fn notes_in(text: &str) -> Vec<String> {
    let carried = text.split("note=\"").skip(1).filter_map(|rest| {
        let note = STANDARD.decode(rest.split('"').next()?).ok()?;
        String::from_utf8(note).ok()
    });
    let mut notes: Vec<String> = carried.collect();
    let mut lines = text.lines().peekable();
    let mut body: Vec<&str> = Vec::new();
    while let Some(line) = lines.next() {
        if !line.is_empty() {
            body.push(line);
            continue;
        }
        // the empty line between a note's text and its signatures
        let mut signatures = String::new();
        while let Some(signature) = lines.next_if(|line| line.starts_with('\u{2014}')) {
            signatures.push_str(signature);
            signatures.push('\n');
        }
        if !signatures.is_empty() && body.len() >= 3 {
            // what stands before the text is another note's, or a comment
            let from = body.len().saturating_sub(4);
            notes.extend((from..body.len() - 2).map(|at| format!("{}\n\n{signatures}", body[at..].join("\n"))));
        }
        body.clear();
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_opened_by_its_key_and_no_other_and_not_when_it_was_changed() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = VerifierKey::of("tripline/00", &pair);
        let note = sign("tripline/00", &pair, 12, &[3; 32], WallTime(1_764_235_000_000));
        let opened = key.open(&note).unwrap();
        assert_eq!((opened.size, opened.root), (12, [3; 32]));
        assert_eq!(VerifierKey::read(&key.to_string()), Some(key.clone()));
        assert_eq!(key.open(&note.replace("\n12\n", "\n13\n")), None);
        let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap();
        assert_eq!(VerifierKey::of("tripline/00", &other).open(&note), None);
        let around = format!("# kept since May\n{note}\n{note}");
        let syslog = format!("<1>1 - - x [a note=\"{}\"] y", STANDARD.encode(&note));
        for text in [around, syslog] {
            assert!(notes_in(&text).iter().filter_map(|n| key.open(n)).all(|c| c.size == 12));
            assert!(notes_in(&text).iter().any(|n| key.open(n).is_some()), "{text}");
        }
    }
}
