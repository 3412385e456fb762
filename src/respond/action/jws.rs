//! JSON Web Signatures in compact form (RFC 7515), made with ring: ES256, RS256 and EdDSA.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

/// How a token is signed (RFC 7518, 3.1; RFC 8037, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    #[default]
    ES256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    RS256,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// As the header's `alg` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::ES256 => "ES256",
            Algorithm::RS256 => "RS256",
            Algorithm::EdDSA => "EdDSA",
        }
    }
}

/// Signs `claims` with the private key in `pem` (PKCS #8), under a header of type `typ`.
///
/// # Errors
/// The key cannot be read, or is of another kind; in words, without anything of the key.
pub fn sign(
    algorithm: Algorithm,
    pem: &str,
    typ: &str,
    key_id: Option<&str>,
    claims: &serde_json::Value,
) -> Result<String, String> {
    let mut header = serde_json::json!({ "typ": typ, "alg": algorithm.name() });
    if let Some(kid) = key_id {
        header["kid"] = kid.into();
    }
    let part = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = signature(algorithm, pem, signed.as_bytes())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn signature(algorithm: Algorithm, pem: &str, message: &[u8]) -> Result<Vec<u8>, String> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "the signing key is not a PKCS #8 private key in PEM: openssl pkcs8 -topk8 -nocrypt makes one")?;
    let der = key.secret_pkcs8_der();
    let refused = |why: String| format!("the signing key is none for {}: {why}", algorithm.name());
    let random = SystemRandom::new();
    match algorithm {
        Algorithm::ES256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random)
                .map_err(|e| refused(e.to_string()))?;
            key.sign(&random, message).map(|s| s.as_ref().to_vec()).map_err(|e| refused(e.to_string()))
        }
        Algorithm::EdDSA => {
            // Keys of other programs come without the public half.
            let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|e| refused(e.to_string()))?;
            Ok(key.sign(message).as_ref().to_vec())
        }
        Algorithm::RS256 => {
            let key = RsaKeyPair::from_pkcs8(der).map_err(|e| refused(e.to_string()))?;
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|e| refused(e.to_string()))?;
            Ok(signature)
        }
    }
}
