//! Secrets of the actions: systemd credentials, or files that nobody else can read. Never arguments, environment or ledger.
//!
//! A secret is read anew for each order, so that a changed one holds from the next order on, and wiped after it. What an
//! action says goes through [`Secret::mask`], because a server may repeat in its answer what it was sent.
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A secret is no longer than this, in bytes: an RSA key of 8,192 bits as PEM takes 6,400.
const LONGEST: u64 = 16 << 10;
/// What is shown in a secret's place.
pub const MASK: &str = "[secret]";

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `credential = "NAME"`: a file of that name in the directory that systemd made for the unit (`LoadCredential=`).
    Credential(String),
    /// `secret_file = "/absolute/path"`.
    File(PathBuf),
}

impl Source {
    /// As the two keys say: one of them must be written.
    ///
    /// # Errors
    /// None or both are written, or one cannot be meant.
    pub fn of(credential: Option<&str>, secret_file: Option<&Path>) -> Result<Source, String> {
        match (credential, secret_file) {
            (Some(name), None) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                if name.is_empty() || name.len() > 255 || name.starts_with('.') || !name.chars().all(plain) {
                    return Err(format!("`credential` is {name:?}; it is the name that LoadCredential= gives it"));
                }
                Ok(Source::Credential(name.to_owned()))
            }
            (None, Some(path)) if path.is_absolute() => Ok(Source::File(path.to_owned())),
            (None, Some(path)) => Err(format!("`secret_file` is {}, which is not an absolute path", path.display())),
            (None, None) => Err("it needs `credential = \"NAME\"` or `secret_file = \"/path\"`".into()),
            (Some(_), Some(_)) => Err("`credential` and `secret_file` exclude each other".into()),
        }
    }

    /// Reads it, without the white space at its end.
    ///
    /// # Errors
    /// There is none, or somebody else can read or change it; in words, with its path.
    pub fn read(&self) -> Result<Secret, String> {
        let path = match self {
            Source::File(path) => path.clone(),
            Source::Credential(name) => {
                let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    format!(
                        "no credential {name:?}: systemd gave the runner none. Its unit needs LoadCredential={name}:/path"
                    )
                })?;
                PathBuf::from(directory).join(name)
            }
        };
        read(&path).map_err(|why| format!("the secret {}: {why}", path.display()))
    }

    /// Where it comes from, for people.
    pub fn shown(&self) -> String {
        match self {
            Source::Credential(name) => format!("[credential {name}]"),
            Source::File(path) => format!("[secret of {}]", path.display()),
        }
    }
}

fn read(path: &Path) -> Result<Secret, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| format!("cannot be opened: {e}"))?);
    let meta = file.metadata().map_err(|e| format!("cannot be looked at: {e}"))?;
    let us = rustix::process::geteuid().as_raw();
    match (meta.is_file(), meta.uid(), meta.mode() & 0o7777) {
        (false, ..) => return Err("is not a file".into()),
        (_, uid, _) if uid != 0 && uid != us => {
            return Err(format!("belongs to uid {uid}: it must belong to root or to the runner's user"));
        }
        (_, _, mode) if mode & 0o077 != 0 => {
            return Err(format!("can be read by others (mode {mode:04o}): chmod 0400 it"));
        }
        _ if meta.len() > LONGEST => return Err(format!("is {} bytes long; {LONGEST} are read", meta.len())),
        _ => {}
    }
    // Long enough that it is not moved while it grows: what is left behind would not be wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not text")?.trim_ascii_end();
    match text.is_empty() {
        true => Err("is empty".into()),
        false => Ok(Secret(Zeroizing::new(text.to_owned()))),
    }
}

/// Bytes that are wiped when they are no longer needed.
pub type Bytes = Zeroizing<Vec<u8>>;

/// A secret in memory. It can be shown to nobody by accident.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// One that came over the wire, such as an access token.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the secret, wherever it stood in it.
    pub fn mask(&self, text: &str) -> String {
        mask(text, &self.0)
    }
}

impl Clone for Secret {
    fn clone(&self) -> Secret {
        Secret(self.0.clone())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(MASK)
    }
}

/// `text` without `secret`, as it is, as JSON writes it, as it stands in a URL, and as we show it to people. What is shorter
/// than 8 bytes is no secret, and would be found in words where it does not stand.
pub fn mask(text: &str, secret: &str) -> String {
    if secret.len() < 8 {
        return text.to_owned();
    }
    let json = serde_json::Value::from(secret).to_string();
    let url = super::escape::query(secret);
    let shown = crate::model::Shown(secret).to_string();
    [secret, json.trim_matches('"'), &url, &shown].iter().fold(text.to_owned(), |text, form| text.replace(form, MASK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "s3cret-and-long\n").unwrap();
        let source = Source::File(path.clone());
        for (mode, said) in [(0o440, "mode 0440"), (0o604, "mode 0604"), (0o620, "mode 0620")] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(source.read().unwrap_err().contains(said));
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        let secret = source.read().unwrap();
        assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("s3cret-and-long", MASK));
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(Source::File(link).read().unwrap_err().contains("cannot be opened"));
    }

    #[test]
    fn a_source_is_one_of_two() {
        for (credential, file) in [
            (None, None),
            (Some("../x"), None),
            (Some(".."), None),
            (Some(""), None),
            (None, Some("relative")),
            (Some("a"), Some("/b")),
        ] {
            assert!(Source::of(credential, file.map(Path::new)).is_err(), "{credential:?} {file:?}");
        }
    }

    #[test]
    fn a_secret_is_masked_in_every_notation() {
        for (text, masked) in [
            ("no a/b\"c+d=1 here", "no [secret] here"),
            (r#"{"t":"a/b\"c+d=1"}"#, r#"{"t":"[secret]"}"#),
            ("/x/a%2Fb%22c%2Bd%3D1", "/x/[secret]"),
        ] {
            assert_eq!(mask(text, "a/b\"c+d=1"), masked);
        }
        assert_eq!(mask("in a list", "a"), "in a list");
    }
}
