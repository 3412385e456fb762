//! What an operator writes about syslog and files: the tables `[syslog]` and `[ocsf]`.
use crate::model::Severity;
use crate::model::limits::{SYSLOG_BYTES, SYSLOG_LOCAL_BYTES, SYSLOG_UDP_BYTES};
use crate::respond::net::trust::Trust;
use crate::respond::secret::Source;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How a syslog message travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A datagram to a socket on this machine, by the daemon itself.
    #[default]
    Unix,
    /// A datagram on the network (RFC 5426), by the runner. Nobody learns when it is lost.
    Udp,
    /// A connection with octet counting (RFC 6587, 3.4.1), by the runner.
    Tcp,
    /// The same under TLS (RFC 5425), by the runner.
    Tls,
}

/// How a syslog message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// RFC 5424, with structured data.
    Rfc5424,
    /// As syslog(3) writes to `/dev/log`: `<PRI>`, a local time, `tripline[PID]: `, then what RFC 5424 has behind its header. journald,
    /// rsyslog's imuxsock and syslog-ng's system() take anything else there for text of an unknown program.
    Local,
}

/// `[syslog.NAME]`: where findings and orders are told as syslog messages; as many as you like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogTarget {
    /// How messages travel.
    #[serde(default)]
    pub transport: Transport,
    /// How a message is written. Without it: `local` for `unix`, else `rfc5424`.
    pub format: Option<Form>,
    /// A socket's absolute path, or `host:port`.
    #[serde(default = "dev_log")]
    pub address: String,
    /// The facility (RFC 5424, 6.2.1): `auth`, `authpriv`, `daemon`, `local0` to `local7`, `kern`, `user`, `mail`, `cron`.
    #[serde(default = "authpriv")]
    pub facility: String,
    /// Findings below it are not sent there; orders are, at each change.
    #[serde(default = "informational")]
    pub severity: Severity,
    /// `tls`: certificates to believe. Without it: the system's.
    pub ca_file: Option<PathBuf>,
    /// `tls`: the name that the receiver's certificate has. Without it: the host of `address`.
    pub server_name: Option<String>,
    /// `tls`: our own certificates, PEM, the first one ours, where the receiver wants to know who sends. Without it: we show none.
    pub certificate_file: Option<PathBuf>,
    /// `tls`: the key of our certificate, PEM: the name of a systemd credential of the runner. Without it: required with
    /// `certificate_file`, or `secret_file`.
    pub credential: Option<String>,
    /// `tls`: the same as a file that only its owner can read.
    pub secret_file: Option<PathBuf>,
}

fn dev_log() -> String {
    "/dev/log".into()
}
fn authpriv() -> String {
    "authpriv".into()
}
const fn informational() -> Severity {
    Severity::Informational
}

impl SyslogTarget {
    /// How its messages are written.
    pub fn form(&self) -> Form {
        let usual = if self.transport == Transport::Unix { Form::Local } else { Form::Rfc5424 };
        self.format.unwrap_or(usual)
    }

    /// The longest message that goes there, in bytes.
    pub fn limit(&self) -> usize {
        match self.transport {
            Transport::Udp => SYSLOG_UDP_BYTES,
            Transport::Unix => SYSLOG_LOCAL_BYTES,
            Transport::Tcp | Transport::Tls => SYSLOG_BYTES,
        }
    }

    /// What is wrong with it, as far as can be told without looking at the disk.
    pub fn fault(&self) -> Option<String> {
        if super::syslog::facility(&self.facility).is_none() {
            let known = "kern user mail daemon auth authpriv cron local0 to local7";
            return Some(format!("`facility` is {:?}; known are {known}", self.facility));
        }
        match self.transport {
            Transport::Unix if !self.address.starts_with('/') => {
                return Some(format!("`address` is {:?}; a unix socket has an absolute path", self.address));
            }
            Transport::Unix => {}
            _ if self.format == Some(Form::Local) => {
                return Some("`format = \"local\"` is for a socket of this machine (`transport = \"unix\"`)".into());
            }
            Transport::Udp | Transport::Tcp | Transport::Tls => {
                let place = self.address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
                if place.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                    return Some(format!("`address` is {:?}; write host:port, as log.example.org:514", self.address));
                }
            }
        }
        self.fault_of_tls().err()
    }

    fn fault_of_tls(&self) -> Result<(), String> {
        if self.transport == Transport::Tls {
            Trust::new(self.ca_file.as_deref())?;
            self.identity()?;
            rustls::pki_types::ServerName::try_from(self.server_name()).map_err(|_| {
                format!("{:?} is no name that a certificate can have: write `server_name`", self.server_name())
            })?;
            return Ok(());
        }
        let of_tls = [
            ("ca_file", self.ca_file.is_some()),
            ("server_name", self.server_name.is_some()),
            ("certificate_file", self.certificate_file.is_some()),
            ("credential", self.credential.is_some()),
            ("secret_file", self.secret_file.is_some()),
        ];
        match of_tls.iter().find(|(_, written)| *written) {
            Some((key, _)) => Err(format!("`{key}` is for `transport = \"tls\"`")),
            None => Ok(()),
        }
    }

    /// The name that the receiver's certificate must have.
    pub fn server_name(&self) -> &str {
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        self.server_name.as_deref().unwrap_or(host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// Our certificate and where its key is, if we have one to show.
    ///
    /// # Errors
    /// One is written without the other.
    pub fn identity(&self) -> Result<Option<(PathBuf, Source)>, String> {
        let key = (self.credential.as_deref(), self.secret_file.as_deref());
        match (&self.certificate_file, key) {
            (None, (None, None)) => Ok(None),
            (None, _) => Err("a key without `certificate_file`".into()),
            (Some(path), _) if !path.is_absolute() => {
                Err(format!("`certificate_file` is {}, which is not an absolute path", path.display()))
            }
            (Some(path), (credential, file)) => {
                let source =
                    Source::of(credential, file).map_err(|why| format!("the key of `certificate_file`: {why}"))?;
                Ok(Some((path.clone(), source)))
            }
        }
    }
}

/// `[ocsf.NAME]`: a file of OCSF objects, one a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcsfTarget {
    /// Its absolute path; the unit can write below `/var/log/tripline`. It is made with mode 0640 where there is none.
    pub path: PathBuf,
    /// Findings below it are not written; orders are, at each change.
    #[serde(default = "informational")]
    pub severity: Severity,
}

impl OcsfTarget {
    /// What is wrong with it, as far as can be told without looking at the disk.
    pub fn fault(&self) -> Option<String> {
        not_absolute(&self.path)
    }
}

/// `[checkpoints.NAME]`: a file of the signed heads of the evidence tree, one a line, once a minute.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointsTarget {
    /// Its absolute path: where something takes it to another machine, or on another machine's disk; the unit can write below
    /// `/var/log/tripline`. It is made with mode 0640 where there is none.
    pub path: PathBuf,
}

impl CheckpointsTarget {
    /// What is wrong with it, as far as can be told without looking at the disk.
    pub fn fault(&self) -> Option<String> {
        not_absolute(&self.path)
    }
}

fn not_absolute(path: &Path) -> Option<String> {
    (!path.is_absolute()).then(|| format!("`path` is {}, which is not an absolute path", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_targets_say_what_to_write() {
        for (toml, said) in [
            ("", None),
            ("address = 'log'", Some("absolute path")),
            ("transport = 'tcp'\naddress = 'log.example.org'", Some("host:port")),
            ("transport = 'tcp'\naddress = ':514'", Some("host:port")),
            ("transport = 'udp'\naddress = '[::1]:514'", None),
            ("transport = 'tcp'\naddress = 'h:514'\nformat = 'local'", Some("for a socket of this machine")),
            ("format = 'rfc5424'", None),
            ("facility = 'local9'", Some("local0 to local7")),
            ("ca_file = '/etc/ca.pem'", Some("is for `transport = \"tls\"`")),
            ("transport = 'tls'\naddress = 'log.example.org:6514'", None),
            ("transport = 'tls'\naddress = '192.0.2.1:6514'\nca_file = 'ca.pem'", Some("not an absolute path")),
            ("transport = 'tls'\naddress = '[2001:db8::1]:6514'\nserver_name = 'log one'", Some("`server_name`")),
            ("transport = 'tls'\naddress = 'h:6514'\nsecret_file = '/k'", Some("without `certificate_file`")),
            ("transport = 'tls'\naddress = 'h:6514'\ncertificate_file = '/c'", Some("the key of `certificate_file`")),
        ] {
            let target: SyslogTarget = toml::from_str(toml).unwrap();
            let fault = target.fault();
            assert_eq!(fault.is_some(), said.is_some(), "{toml}: {fault:?}");
            assert!(fault.clone().unwrap_or_default().contains(said.unwrap_or_default()), "{toml}: {fault:?}");
        }
        assert!(toml::from_str::<OcsfTarget>("path = 'x.jsonl'").unwrap().fault().is_some());
    }
}
