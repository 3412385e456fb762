//! Signatures of Standard Webhooks: `v1` with a shared key, `v1a` with Ed25519; one signature for each key, so that a receiver
//! can be given a new key before the old one goes.
use crate::respond::secret::{Bytes, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::Ed25519KeyPair;

enum Key {
    Shared(hmac::Key),
    Own(Ed25519KeyPair),
}

/// Keys that were read from a secret.
pub struct Keys(Vec<Key>);

impl Keys {
    /// One key, or several with white space between them: `whsec_…` or `whsk_…`.
    ///
    /// # Errors
    /// One of them is none; in words, without anything of it.
    pub fn parse(secret: &Secret) -> Result<Keys, String> {
        let keys: Vec<Key> = secret.expose().split_ascii_whitespace().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err("the signing key is empty".into()) } else { Ok(Keys(keys)) }
    }

    /// The header `webhook-signature` of a message `id`, sent at `at` (seconds since 1970) with `body`.
    pub fn sign(&self, id: &str, at: i64, body: &[u8]) -> String {
        let signed = [format!("{id}.{at}.").as_bytes(), body].concat();
        let signatures = self.0.iter().map(|key| match key {
            Key::Shared(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, &signed))),
            Key::Own(key) => format!("v1a,{}", STANDARD.encode(key.sign(&signed))),
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn key(text: &str) -> Result<Key, String> {
    let wrong =
        "the signing key is neither `whsec_` and base64 of 24 to 64 bytes, nor `whsk_` and base64 of an Ed25519 key";
    let bytes = |text: &str| STANDARD.decode(text).map(Bytes::new).map_err(|_| wrong);
    if let Some(own) = text.strip_prefix("whsk_") {
        // The seed, and by some programs the public half after it.
        let bytes = bytes(own)?;
        let seed = matches!(bytes.len(), 32 | 64).then(|| bytes.first_chunk::<32>()).flatten().ok_or(wrong)?;
        return Ed25519KeyPair::from_seed_unchecked(seed).map(Key::Own).map_err(|_| wrong.into());
    }
    let bytes = bytes(text.strip_prefix("whsec_").ok_or(wrong)?)?;
    match (24..=64).contains(&bytes.len()) {
        true => Ok(Key::Shared(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
        false => Err(wrong.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(keys: &str) -> String {
        let keys = Keys::parse(&Secret::new(keys.into())).unwrap();
        keys.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}")
    }

    #[test]
    fn signatures_are_as_the_reference_libraries_of_standard_webhooks_have_them() {
        let shared = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let own = (
            "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=",
            "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
        );
        assert_eq!((sign(shared.0).as_str(), sign(own.0).as_str()), (shared.1, own.1));
        assert_eq!(
            sign(&format!("{}\n{}", shared.0, own.0)),
            format!("{} {}", shared.1, own.1),
            "both, while keys change"
        );
    }

    #[test]
    fn what_is_no_key_is_told_without_the_key() {
        for wrong in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!", "whsk_c2hvcnQ=", "whpk_c2hvcnQ="] {
            let Err(why) = Keys::parse(&Secret::new(wrong.into())) else { panic!("{wrong} was taken") };
            assert!(wrong.len() < 8 || !why.contains(wrong), "{why}");
        }
    }
}
