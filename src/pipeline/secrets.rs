//! The keyed digest that stands for a session id, which may be a live secret.
use crate::model::finding::SessionRef;
use crate::model::{Session, Vouched};
use ring::hmac;

/// The keys of this installation that the core needs. Neither a finding's id nor any state depends on them.
pub struct Secrets {
    session: hmac::Key,
}

impl Secrets {
    /// From 32 bytes of key material.
    pub fn new(session_key: &[u8; 32]) -> Secrets {
        Secrets { session: hmac::Key::new(hmac::HMAC_SHA256, session_key) }
    }

    /// What stands for the session: the first 16 bytes of HMAC-SHA-256 of its id.
    pub fn session_ref(&self, session: &Session) -> SessionRef {
        SessionRef { digest: self.session_digest(&session.id), by_server: session.vouched == Vouched::Server }
    }

    /// The keyed digest of a session id.
    pub fn session_digest(&self, id: &str) -> [u8; 16] {
        let tag = hmac::sign(&self.session, id.as_bytes());
        let mut digest = [0; 16];
        digest.copy_from_slice(&tag.as_ref()[..16]);
        digest
    }
}
