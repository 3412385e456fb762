//! `kind = "redis"`: deletes the keys of a session in Redis, Valkey or what else speaks RESP.
//!
//! `keys` names them. `scan` finds the user's sessions instead: among the keys of a constant pattern, those whose value holds
//! the user at `match_field` (a field of a hash, or a member of a JSON text). Not there is done, and said so.
use super::resp::{Client, Value};
use super::{Ended, Limits, Means, Ready, Rehearsal};
use crate::model::{Purpose, Shown};
use crate::respond::document::HookDocument;
use crate::respond::needs::Needs;
use crate::respond::net::stream::{Place, Stream, unconnected};
use crate::respond::net::trust::Trust;
use crate::respond::secret::{Secret, Source};
use crate::respond::template::Template;
use crate::respond::wire::Ending;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// How many keys a scan looks at unless `at_most_scanned` says otherwise.
const SCANNED: u32 = 100_000;
/// How many keys are asked for at once.
const BATCH: &[u8] = b"500";

/// The keys of `kind = "redis"`: keys of a session store are deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `host:port`, or a socket's absolute path.
    pub address: String,
    /// `true`: speak TLS.
    #[serde(default)]
    pub tls: bool,
    /// `true`: without TLS to another machine. Without it: refused.
    #[serde(default)]
    pub insecure: bool,
    /// Certificates to believe instead of the system's. Without it: the system's.
    pub ca_file: Option<PathBuf>,
    /// The user of an ACL (Redis 6 and later).
    pub user: Option<String>,
    /// The password: the name of a systemd credential.
    pub credential: Option<String>,
    /// The same, as a file that only root or the runner's user can read.
    pub secret_file: Option<PathBuf>,
    /// The number of the database.
    #[serde(default)]
    pub database: u16,
    /// The keys to delete; they may name members.
    #[serde(default)]
    pub keys: Vec<String>,
    /// Instead of `keys`, a pattern of keys, constant, as SCAN takes it; those of them are deleted whose hash field or JSON member is
    /// the value.
    pub scan: Option<String>,
    /// With `scan`: the field of the hash, or member of the JSON text (`user.id`), that is compared.
    pub match_field: Option<String>,
    /// With `scan`: what it must be equal to. Without it: `{target.actor_uid}`.
    pub match_value: Option<String>,
    /// With `scan`: more keys than that are not looked at, and that is said. Without it: 100000.
    pub at_most_scanned: Option<u32>,
}

struct Scan {
    pattern: String,
    field: String,
    value: Template,
    most: u32,
}

enum Which {
    Keys(Vec<Template>),
    Scan(Scan),
}

struct Redis {
    place: Place,
    host: Option<String>,
    user: Option<String>,
    password: Option<Source>,
    database: u16,
    which: Which,
    trust: Trust,
    limits: Limits,
}

impl super::Spec for Spec {
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        let place = Place::parse(&self.address)?;
        let host = match (&place, self.tls) {
            (Place::Tcp(host, _), true) => Some(host.clone()),
            (Place::Unix(_), true) => return Err("`tls` is for host:port; a socket on this machine needs none".into()),
            (_, false) if !place.is_local() && !self.insecure => {
                return Err("without `tls` the password and the session go over the network as they are: write `tls = true`, or `insecure = true`".into());
            }
            _ => None,
        };
        let named = self.credential.is_some() || self.secret_file.is_some();
        let password =
            named.then(|| Source::of(self.credential.as_deref(), self.secret_file.as_deref())).transpose()?;
        if self.user.is_some() && password.is_none() {
            return Err("`user` needs a password: `credential` or `secret_file`".into());
        }
        Ok(Box::new(Redis {
            place,
            host,
            user: self.user.clone(),
            password,
            database: self.database,
            which: self.which()?,
            trust: Trust::new(self.ca_file.as_deref())?,
            limits,
        }))
    }

    fn needs(&self) -> Needs {
        let needs = Needs::default().address(&self.address).file(self.ca_file.as_deref());
        needs.secret(self.credential.as_deref(), self.secret_file.as_deref())
    }
}

impl Spec {
    fn which(&self) -> Result<Which, String> {
        let parse = |key: &str, text: &str| Template::parse(text).map_err(|why| format!("`{key}`, {why}"));
        match (&self.scan, &self.match_field, self.keys.is_empty()) {
            (None, None, false) if self.match_value.is_none() && self.at_most_scanned.is_none() => {
                let keys = self.keys.iter().map(|key| {
                    let key = parse("keys", key)?;
                    match key.is_constant() {
                        true => {
                            Err("`keys` holds one that names no field: it would be the same for every order".into())
                        }
                        false => Ok(key),
                    }
                });
                Ok(Which::Keys(keys.collect::<Result<_, String>>()?))
            }
            (Some(pattern), Some(field), true) => Ok(Which::Scan(Scan {
                pattern: pattern.clone(),
                field: field.clone(),
                value: parse("match_value", self.match_value.as_deref().unwrap_or("{target.actor_uid}"))?,
                most: self.at_most_scanned.unwrap_or(SCANNED),
            })),
            _ => Err("it needs `keys`, or `scan` with `match_field`, and not both".into()),
        }
    }
}

/// What an order comes to.
enum Filled<'a> {
    Keys(Vec<String>),
    Scan(&'a Scan, String),
}

/// Why it went wrong, and whether anything may have been deleted by then.
struct Broken {
    ending: Ending,
    why: String,
}

impl Redis {
    fn fill(&self, document: &HookDocument) -> Result<Filled<'_>, String> {
        match &self.which {
            Which::Keys(keys) => keys.iter().map(|key| key.plain(document)).collect::<Result<_, _>>().map(Filled::Keys),
            Which::Scan(scan) => Ok(Filled::Scan(scan, scan.value.plain(document)?)),
        }
    }

    fn carry_out(&self, filled: &Filled, password: Option<&Secret>, purpose: Purpose) -> Ended {
        let ended = self.enter(password).and_then(|mut client| {
            let (keys, more) = match filled {
                Filled::Keys(keys) => (keys.iter().map(|key| key.clone().into_bytes()).collect(), false),
                Filled::Scan(scan, value) => find(&mut client, scan, value).map_err(before)?,
            };
            match purpose {
                Purpose::Check => look(&mut client, &keys, more),
                Purpose::End | Purpose::Undo => delete(&mut client, &keys, more),
            }
        });
        let ended = ended.unwrap_or_else(|broken| Ended::new(broken.ending, Shown(&broken.why).to_string()));
        let note = password.map_or(ended.note.clone(), |secret| secret.mask(&ended.note));
        Ended { note, ..ended }
    }

    fn enter(&self, password: Option<&Secret>) -> Result<Client<Stream>, Broken> {
        let until = Instant::now() + self.limits.deadline;
        let stream = Stream::connect(&self.place, until).and_then(|stream| match &self.host {
            Some(host) => stream.secure(host, &self.trust),
            None => Ok(stream),
        });
        let mut client = Client::new(stream.map_err(before)?);
        if let Some(password) = password {
            let password = password.expose().as_bytes();
            let words: Vec<&[u8]> = match &self.user {
                Some(user) => vec![b"AUTH", user.as_bytes(), password],
                None => vec![b"AUTH", password],
            };
            well(client.ask(&words).map_err(before)?)?;
        }
        if self.database != 0 {
            well(client.ask(&[b"SELECT", self.database.to_string().as_bytes()]).map_err(before)?)?;
        }
        Ok(client)
    }
}

/// What fails before a key is deleted.
fn before(e: std::io::Error) -> Broken {
    Broken { ending: unconnected(&e), why: format!("nothing was deleted: {e}") }
}

fn well(answer: Value) -> Result<Value, Broken> {
    match answer {
        // A server that still loads, or that is busy, will be able to later.
        Value::Error(why) => {
            let later = ["LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN"].iter().any(|w| why.starts_with(w));
            Err(Broken {
                ending: if later { Ending::Temporary } else { Ending::Permanent },
                why: format!("nothing was deleted: the server said {why}"),
            })
        }
        answer => Ok(answer),
    }
}

fn delete(client: &mut Client<Stream>, keys: &Vec<Vec<u8>>, more: bool) -> Result<Ended, Broken> {
    let mut deleted = 0;
    for key in keys {
        let lost = |e| Broken { ending: Ending::Unknown, why: format!("it was sent, and no answer came: {e}") };
        match well(client.ask(&[b"DEL", key]).map_err(lost)?)? {
            Value::Number(n) => deleted += n,
            _ => return Err(Broken { ending: Ending::Unknown, why: "the answer to DEL is no number".into() }),
        }
    }
    Ok(match (deleted, more) {
        (_, true) => Ended::new(
            Ending::Failed,
            format!("{deleted} keys were deleted, and there are more than `at_most_scanned` to look at"),
        ),
        (0, _) => Ended::new(Ending::Done, "0 keys deleted: it was not there"),
        (n, _) => Ended::new(Ending::Done, format!("{n} of {} keys deleted", keys.len())),
    })
}

/// Whether any of `keys` is there.
fn look(client: &mut Client<Stream>, keys: &[Vec<u8>], more: bool) -> Result<Ended, Broken> {
    let mut there = 0;
    for key in keys {
        match well(client.ask(&[b"EXISTS", key]).map_err(before)?)? {
            Value::Number(n) => there += n,
            _ => return Err(Broken { ending: Ending::Unknown, why: "the answer to EXISTS is no number".into() }),
        }
    }
    Ok(match (there, more) {
        (0, false) => Ended::new(Ending::Done, "no key is there"),
        (0, true) => Ended::new(Ending::Unknown, "there are more keys than `at_most_scanned` to look at"),
        (n, _) => Ended::new(Ending::Failed, format!("{n} keys are there")),
    })
}

/// The keys whose value names the user, and whether there were more than may be looked at.
fn find(client: &mut Client<Stream>, scan: &Scan, value: &str) -> std::io::Result<(Vec<Vec<u8>>, bool)> {
    let (mut cursor, mut found, mut looked) = (b"0".to_vec(), Vec::new(), 0);
    loop {
        let words: [&[u8]; 6] = [b"SCAN", &cursor, b"MATCH", scan.pattern.as_bytes(), b"COUNT", BATCH];
        let Value::List(mut answer) = client.ask(&words)? else { return Err(unexpected()) };
        let (Some(Value::List(keys)), Some(Value::Bytes(Some(next)))) = (answer.pop(), answer.pop()) else {
            return Err(unexpected());
        };
        for key in keys {
            let Value::Bytes(Some(key)) = key else { return Err(unexpected()) };
            looked += 1;
            if looked > scan.most {
                return Ok((found, true));
            }
            if names(client, &key, &scan.field, value)? && !found.contains(&key) {
                found.push(key);
            }
        }
        // The server gives back 0 when it has been round once.
        if next == b"0" {
            return Ok((found, false));
        }
        cursor = next;
    }
}

fn unexpected() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, "the answer to SCAN is not a cursor and keys")
}

fn names(client: &mut Client<Stream>, key: &[u8], field: &str, value: &str) -> std::io::Result<bool> {
    match client.ask(&[b"HGET", key, field.as_bytes()])? {
        Value::Bytes(Some(held)) => return Ok(held == value.as_bytes()),
        Value::Bytes(None) => return Ok(false),
        // No hash: a text, then.
        _ => {}
    }
    let Value::Bytes(Some(text)) = client.ask(&[b"GET", key])? else { return Ok(false) };
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(&text) else { return Ok(false) };
    let held = field.split('.').try_fold(&json, |json, name| json.get(name));
    Ok(match held {
        Some(serde_json::Value::String(held)) => held == value,
        Some(serde_json::Value::Number(held)) => held.to_string() == value,
        _ => false,
    })
}

impl Means for Redis {
    fn settle(&mut self) -> Result<(), String> {
        if self.host.is_some() { self.trust.settle() } else { Ok(()) }
    }

    fn secrets(&self) -> Vec<&Source> {
        self.password.iter().collect()
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        let purpose = document.purpose;
        if purpose == Purpose::Undo {
            return Err("keys that were deleted do not come back".into());
        }
        let filled = self.fill(document)?;
        let password = self.password.as_ref().map(Source::read).transpose()?;
        Ok(Box::new(move || self.carry_out(&filled, password.as_ref(), purpose)))
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let mut lines = Rehearsal::default().line("server", format!("{:?}, database {}", self.place, self.database));
        if let Some(password) = &self.password {
            lines = lines.line("AUTH", format!("{} {}", self.user.as_deref().unwrap_or_default(), password.shown()));
        }
        let word = if document.purpose == Purpose::Check { "EXISTS" } else { "DEL" };
        Ok(match self.fill(document)? {
            Filled::Keys(keys) => keys.into_iter().fold(lines, |lines, key| lines.line(word, key)),
            Filled::Scan(scan, value) => {
                lines.line("SCAN", &scan.pattern).line("match", format!("{} = {value}", scan.field))
            }
        })
    }
}
