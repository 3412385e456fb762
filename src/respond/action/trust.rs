//! Whom we believe over TLS: the certificates of this system, or of one file that the operator names.
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions keep their bundle: Debian, Fedora, SUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The roots of one action, read when the configuration is read.
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
        let mut store = rustls::RootCertStore::empty();
        store.add_parsable_certificates(self.roots.iter().cloned());
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
