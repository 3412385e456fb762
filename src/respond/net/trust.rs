//! Whom we believe over TLS: the certificates of this system, or of one file that the operator names.
use crate::respond::secret::Secret;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions keep their bundle: Debian, Fedora, SUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The roots of one action or outlet, read when the configuration is read.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    file: Option<PathBuf>,
    roots: Arc<Vec<CertificateDer<'static>>>,
}

impl Trust {
    /// Of `ca_file`, or of the system. Nothing is read yet.
    ///
    /// # Errors
    /// The path is not absolute.
    pub fn new(ca_file: Option<&Path>) -> Result<Trust, String> {
        match ca_file {
            Some(path) if !path.is_absolute() => {
                Err(format!("`ca_file` is {}, which is not an absolute path", path.display()))
            }
            _ => Ok(Trust { file: ca_file.map(Path::to_owned), roots: Arc::default() }),
        }
    }

    /// Reads the certificates.
    ///
    /// # Errors
    /// There are none; in words, with the path.
    pub fn settle(&mut self) -> Result<(), String> {
        let bundle = || BUNDLES.iter().map(PathBuf::from).find(|path| path.is_file());
        let path = self.file.clone().or_else(bundle);
        let path = path.ok_or("no certificates: install ca-certificates, or name a `ca_file`")?;
        let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let roots = read.map_err(|e| format!("the certificates in {}: {e}", path.display()))?;
        if roots.is_empty() {
            return Err(format!("{} holds no certificate", path.display()));
        }
        self.roots = Arc::new(roots);
        Ok(())
    }

    /// The certificates that were read.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// TLS 1.2 and 1.3 as a client that believes these roots.
    ///
    /// # Errors
    /// The cryptography cannot be set up.
    pub fn client(&self) -> Result<Arc<ClientConfig>, String> {
        Ok(Arc::new(self.believing()?.with_no_client_auth()))
    }

    /// The same, as somebody who can say who he is: our certificate, with those that vouch for it behind it, and its key, in PEM.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together; in words, without anything of the key.
    pub fn client_as(&self, certificates: &Path, key: &Secret) -> Result<Arc<ClientConfig>, String> {
        let read = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let read = read.map_err(|e| format!("the certificates in {}: {e}", certificates.display()))?;
        let key =
            PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| "the key is no private key in PEM")?;
        let client = self.believing()?.with_client_auth_cert(read, key);
        client.map(Arc::new).map_err(|e| format!("the certificate in {} and its key: {e}", certificates.display()))
    }

    fn believing(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
        let mut store = rustls::RootCertStore::empty();
        store.add_parsable_certificates(self.roots.iter().cloned());
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        Ok(config.with_root_certificates(store))
    }
}
