//! Names that are digests: the same content has the same name on every machine and in every replay.
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

/// The first 16 bytes of the SHA-256 digest of some content.
pub type ContentDigest = [u8; 16];

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(ring::digest::digest(&SHA256, bytes).as_ref());
        Digest(out)
    }

    /// The first 16 bytes: 64 bits of collision resistance, enough for names.
    pub fn short(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&self.0[..16]);
        out
    }
}

/// Lower-case hexadecimal of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// The bytes that `text` writes in hexadecimal, or nothing where it is not `N` bytes of it.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |d: u8| (d as char).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(out)
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Hashes a list of parts so that no two different lists give the same digest: each part is preceded by its length.
pub struct HashParts(Context);

impl HashParts {
    /// A new list; `domain` keeps digests made for different purposes apart.
    pub fn new(domain: &str) -> HashParts {
        HashParts(Context::new(&SHA256)).part(domain.as_bytes())
    }

    /// With one more part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> HashParts {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// With one more part, a number.
    #[must_use]
    pub fn number(self, n: i64) -> HashParts {
        self.part(&n.to_le_bytes())
    }

    /// The digest of the list.
    pub fn finish(self) -> Digest {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        Digest(out)
    }
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);
        impl Serialize for $name {
            /// Hexadecimal for people, bytes for rows.
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if !from.is_human_readable() {
                    return Deserialize::deserialize(from).map($name);
                }
                let text = std::borrow::Cow::<str>::deserialize(from)?;
                text.parse().map_err(|()| serde::de::Error::custom(concat!("not a ", stringify!($name))))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl std::str::FromStr for $name {
            type Err = ();
            fn from_str(text: &str) -> Result<Self, ()> {
                unhex(text).map($name).ok_or(())
            }
        }
    };
}
named!(
    /// Digest of (logical source, the product's own event id), or of (source, content, ordinal among equals): never of an offset.
    EventId
);
named!(
    /// Digest of (decision, entity, episode).
    FindingId
);
named!(
    /// Digest of (action, target, episode).
    OrderId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let of = |a: &str, b: &str| HashParts::new("t").part(a.as_bytes()).part(b.as_bytes()).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("a", "b"), of("a", "b"));
    }

    #[test]
    fn hexadecimal_is_read_back_and_refused_when_wrong() {
        let id = EventId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<EventId>(), Err(()));
        assert_eq!(unhex::<1>("+f"), None);
    }
}
