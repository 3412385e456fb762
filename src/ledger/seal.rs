//! The keys of this installation: what stands for a session id, and what seals it.
use crate::pipeline::Secrets;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::Ed25519KeyPair;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// The name of the key file in the state directory, and of the systemd credential that takes its place.
pub const KEY_FILE: &str = "state.key";

/// Keys derived from one secret of 32 bytes.
pub struct Keys {
    root: hmac::Key,
    secrets: Secrets,
    sealing: LessSafeKey,
    salt: hmac::Key,
    random: SystemRandom,
}

impl Keys {
    /// The keys that derive from `secret`.
    pub fn new(secret: &[u8; 32]) -> Keys {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let sealing = derive(&root, "seal sessions");
        let sealing = UnboundKey::new(&AES_256_GCM, &*sealing).expect("32 bytes are the length of an AES-256 key");
        Keys {
            secrets: Secrets::new(&derive(&root, "stand for sessions")),
            sealing: LessSafeKey::new(sealing),
            salt: hmac::Key::new(hmac::HMAC_SHA256, &*derive(&root, "salt leaves")),
            random: SystemRandom::new(),
            root,
        }
    }

    /// Reads the key file. Where there is none and `may_make` says so, it is made with mode 0600.
    ///
    /// # Errors
    /// It can't be read or made, others may read it, or it is not 32 bytes long.
    pub fn read(path: &Path, may_make: bool) -> std::io::Result<Keys> {
        match std::fs::metadata(path) {
            Ok(meta) if meta.mode() & 0o077 != 0 => {
                Err(std::io::Error::other("others may read it: make its mode 0600"))
            }
            Ok(_) => {
                let bytes = Zeroizing::new(std::fs::read(path)?);
                let secret: &[u8; 32] =
                    bytes.as_slice().try_into().map_err(|_| std::io::Error::other("is not a key of 32 bytes"))?;
                Ok(Keys::new(secret))
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && may_make => {
                let secret = random_secret()?;
                // whole or not at all: half a key would keep every later start from coming about
                let part = path.with_extension("part");
                let mut file =
                    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
                file.write_all(&*secret)?;
                file.sync_all()?;
                std::fs::rename(&part, path)?;
                if let Some(directory) = path.parent() {
                    std::fs::File::open(directory)?.sync_all()?;
                }
                Ok(Keys::new(&secret))
            }
            Err(e) => Err(e),
        }
    }

    /// Tells this installation's keys from others, without telling anything of them.
    pub(super) fn fingerprint(&self) -> String {
        crate::model::id::hex(&hmac::sign(&self.root, b"fingerprint").as_ref()[..16])
    }

    /// Keys that nobody will know again, for a throw-away ledger.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn throw_away() -> std::io::Result<Keys> {
        Ok(Keys::new(&*random_secret()?))
    }

    /// What stands for the session.
    pub fn session_digest(&self, id: &str) -> [u8; 16] {
        self.secrets.session_digest(id)
    }

    /// The part of the keys that the core needs.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(&derive(&self.root, "stand for sessions"))
    }

    /// The name under which heads of the evidence tree are signed: of this installation's key, and so of no other.
    fn origin(&self) -> String {
        format!("tripline/{}", &self.fingerprint()[..16])
    }

    fn signer(&self) -> Option<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&*derive(&self.root, "sign heads")).ok()
    }

    /// The signed note of a head of the evidence tree. See [`super::note`].
    pub(super) fn sign_head(&self, size: u64, root: &super::evidence::Hash, at: crate::model::WallTime) -> String {
        let origin = self.origin();
        self.signer().map(|pair| super::note::sign(&origin, &pair, size, root, at)).unwrap_or_default()
    }

    /// By which those notes are checked; to be kept where they are kept.
    pub fn verifier(&self) -> Option<super::note::VerifierKey> {
        Some(super::note::VerifierKey::of(&self.origin(), &self.signer()?))
    }

    /// The salt of the leaf with that number: without it nobody can guess a body from its hash, and it is no secret of others.
    pub(super) fn leaf_salt(&self, sequence: u64) -> [u8; 16] {
        let mut out = [0; 16];
        out.copy_from_slice(&hmac::sign(&self.salt, &sequence.to_be_bytes()).as_ref()[..16]);
        out
    }

    /// By which it is told that nobody else wrote how the outbox stands.
    pub(super) fn seal_of_outbox(&self, told: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*derive(&self.root, "seal the outbox"));
        crate::model::id::hex(hmac::sign(&key, told.as_bytes()).as_ref())
    }

    /// Seals a session id: nonce, ciphertext, tag; bound to the digest that stands for it.
    pub(super) fn seal(&self, digest: &[u8; 16], id: &str) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        if self.random.fill(&mut nonce).is_err() {
            return Vec::new(); // without randomness nothing is sealed, and an order on this session will say so
        }
        let mut sealed = id.as_bytes().to_vec();
        let done =
            self.sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(digest), &mut sealed);
        if done.is_err() {
            return Vec::new();
        }
        [&nonce[..], &sealed].concat()
    }

    /// The session id that was sealed, or nothing where this is not our seal.
    pub(super) fn open(&self, digest: &[u8; 16], sealed: &[u8]) -> Option<String> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let id =
            self.sealing.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(digest), &mut sealed).ok()?;
        String::from_utf8(id.to_vec()).ok()
    }
}

/// A seed for in-memory maps.
///
/// # Errors
/// The system has no randomness.
pub fn random_seed() -> std::io::Result<u64> {
    let secret = random_secret()?;
    let mut seed = [0; 8];
    seed.copy_from_slice(&secret[..8]);
    Ok(u64::from_le_bytes(seed))
}

fn random_secret() -> std::io::Result<Zeroizing<[u8; 32]>> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *secret).map_err(|_| std::io::Error::other("the system has no randomness"))?;
    Ok(secret)
}

fn derive(root: &hmac::Key, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(hmac::sign(root, purpose.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_with_its_key_and_for_its_session() {
        let keys = Keys::new(&[7; 32]);
        let digest = keys.session_digest("s-1");
        let sealed = keys.seal(&digest, "s-1");
        assert_eq!(keys.open(&digest, &sealed).as_deref(), Some("s-1"));
        assert_eq!(keys.open(&[0; 16], &sealed), None);
        assert_eq!(Keys::new(&[8; 32]).open(&digest, &sealed), None);
        assert!(!sealed.windows(3).any(|w| w == b"s-1"));
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join(KEY_FILE);
        assert!(Keys::read(&path, false).is_err(), "a key is only made where there is nothing yet that needs another");
        let made = Keys::read(&path, true).expect("made").session_digest("x");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(Keys::read(&path, false).expect("read").session_digest("x"), made);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("chmod");
        assert!(Keys::read(&path, true).is_err());
    }
}
