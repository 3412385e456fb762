//! What an action or an outlet needs of the machine, so that it can be compared with what the runner's unit allows.
use super::secret::Source;
use std::path::{Path, PathBuf};

/// What has to be executed, read, written, reached and handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Programs.
    pub runs: Vec<PathBuf>,
    /// Files, folders and unix sockets that it opens.
    pub reads: Vec<PathBuf>,
    /// Files and folders that it changes.
    pub writes: Vec<PathBuf>,
    /// Hosts on the network: names, or addresses without brackets.
    pub reaches: Vec<String>,
    /// systemd credentials, by name.
    pub credentials: Vec<String>,
}

impl Needs {
    /// A secret, if its two keys name one.
    #[must_use]
    pub fn secret(mut self, credential: Option<&str>, file: Option<&Path>) -> Needs {
        match Source::of(credential, file) {
            Ok(Source::Credential(name)) => self.credentials.push(name),
            Ok(Source::File(path)) => self.reads.push(path),
            // none is written, or `fault` says what is wrong with it
            Err(_) => {}
        }
        self
    }

    /// A file that is read, if one is named.
    #[must_use]
    pub fn file(mut self, path: Option<&Path>) -> Needs {
        self.reads.extend(path.map(Path::to_owned));
        self
    }

    /// The host of a URL.
    #[must_use]
    pub fn url(self, url: &str) -> Needs {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        self.host(authority)
    }

    /// `host:port`, or a socket's absolute path.
    #[must_use]
    pub fn address(self, address: &str) -> Needs {
        match address.starts_with('/') {
            true => self.file(Some(Path::new(address))),
            false => self.host(address),
        }
    }

    fn host(mut self, authority: &str) -> Needs {
        let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => authority.split(':').next().unwrap_or_default(),
        };
        if !host.is_empty() {
            self.reaches.push(host.to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_urls_and_addresses() {
        for (url, host) in [
            ("https://portal.example.org/sessions/{target.session}?a=b", "portal.example.org"),
            ("http://127.0.0.1:8080", "127.0.0.1"),
            ("https://[2001:db8::1]:8443/x", "2001:db8::1"),
        ] {
            assert_eq!(Needs::default().url(url).reaches, [host]);
        }
        assert_eq!(Needs::default().address("log.example.org:514").reaches, ["log.example.org"]);
        let socket = Needs::default().address("/run/redis.sock");
        assert!(socket.reaches.is_empty() && socket.reads == [Path::new("/run/redis.sock")]);
    }
}
