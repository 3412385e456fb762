//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side: the password does not go over the wire, and the server has to show
//! that it knows it too.
use crate::respond::secret::{Bytes, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::borrow::Cow;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// More rounds than this are refused: a server could keep us busy for ever. PostgreSQL's default is 4,096.
const MOST_ROUNDS: u32 = 10_000_000;

/// One exchange. PostgreSQL takes the user's name from its own start message, and leaves it out here.
pub struct Scram {
    nonce: String,
    signature: Option<hmac::Tag>,
}

impl Scram {
    /// Begins, with a nonce of ours that nobody can guess.
    pub fn new(nonce: String) -> Scram {
        Scram { nonce, signature: None }
    }

    /// The first message.
    pub fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The last message, to the server's first one.
    ///
    /// # Errors
    /// The server's message is not as the RFC has it.
    pub fn last(&mut self, server: &str, password: &Secret) -> Result<String, &'static str> {
        let part = |name: &str| server.split(',').find_map(|part| part.strip_prefix(name));
        let (nonce, salt, rounds) = part("r=")
            .zip(part("s="))
            .zip(part("i="))
            .map(|((r, s), i)| (r, s, i))
            .ok_or("SCRAM: a part is missing")?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("SCRAM: the server's nonce does not go on from ours");
        }
        let salt = STANDARD.decode(salt).map_err(|_| "SCRAM: the salt is not base64")?;
        let rounds = rounds.parse().ok().filter(|n: &NonZeroU32| n.get() <= MOST_ROUNDS);
        let rounds = rounds.ok_or("SCRAM: the number of rounds cannot be meant")?;
        let mut salted = Bytes::new(vec![0; digest::SHA256_OUTPUT_LEN]);
        let password = prepared(password.expose());
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &mut salted);
        let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let client_key = mac(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client_key.as_ref());
        let plain = format!("c=biws,r={nonce}");
        let signed = format!("{},{server},{plain}", self.bare());
        let signature = mac(stored.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        self.signature = Some(mac(mac(&salted, b"Server Key").as_ref(), signed.as_bytes()));
        Ok(format!("{plain},p={}", STANDARD.encode(proof)))
    }

    /// Whether the server's last message shows that it knows the password.
    pub fn is_genuine(&self, server: &str) -> bool {
        let told = server.strip_prefix("v=").and_then(|text| STANDARD.decode(text).ok());
        // What is compared is public once it was sent: nothing is learnt from how long it takes.
        told.zip(self.signature.as_ref()).is_some_and(|(told, ours)| told == ours.as_ref())
    }
}

/// A password as both sides reckon with it (RFC 5802, 2.2). One that SASLprep forbids is taken as it is, as PostgreSQL does.
fn prepared(password: &str) -> Zeroizing<String> {
    let prepared = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
    Zeroizing::new(prepared.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_prepared_as_rfc_4013_has_it() {
        for (written, meant) in [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            ("p\u{a0}w", "p w"),
            // forbidden: a control character, and letters of both directions
            ("\u{7}", "\u{7}"),
            ("\u{627}1", "\u{627}1"),
        ] {
            assert_eq!(*prepared(written), meant, "{written:?}");
        }
    }

    #[test]
    fn the_exchange_is_as_postgresql_has_it() {
        // Made with the keys of RFC 7677, 3, whose user name PostgreSQL leaves out; checked against a real server in tests.
        let mut scram = Scram::new("rOprNGfwEbeRWgbNEkqO".into());
        assert_eq!(scram.first(), "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
        let password = Secret::new("pencil".into());
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let last = scram.last(server, &password).unwrap();
        assert!(last.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="), "{last}");
        assert!(!scram.is_genuine("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        for wrong in
            ["r=other,s=aaaa,i=1", "r=rOprNGfwEbeRWgbNEkqO,s=aaaa,i=1", "s=aaaa,i=1", &server.replace("4096", "0")]
        {
            assert!(scram.last(wrong, &password).is_err(), "{wrong}");
        }
    }
}
