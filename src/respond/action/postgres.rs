//! `kind = "postgres"`: one statement with parameters, in one transaction.
//!
//! The statement is constant; `$1`, `$2` stand for what an order says and are sent apart from it. Where more rows than
//! `at_most_rows` would be touched, everything is taken back.
use super::postgres_wire::{Client, Refusal, asks_tls};
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

/// The keys of `kind = "postgres"`: one statement with parameters is run in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `host:port`, or the socket's absolute path (`/run/postgresql/.s.PGSQL.5432`).
    pub address: String,
    /// Speak TLS, and check the certificate; `false` to do without. Without it: wherever the server is on another machine.
    pub tls: Option<bool>,
    /// Certificates to believe instead of the system's. Without it: the system's.
    pub ca_file: Option<PathBuf>,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The password: the name of a systemd credential.
    pub credential: Option<String>,
    /// The same, as a file that only root or the runner's user can read.
    pub secret_file: Option<PathBuf>,
    /// The statement, with `$1` and so on.
    pub statement: String,
    /// What is asked where the action is a `check`, with the same parameters: rows mean that it lives, none that it has ended. Without
    /// it: it cannot check.
    pub check_statement: Option<String>,
    /// What `$1` and so on are; each may name members.
    pub parameters: Vec<String>,
    /// Where more rows would be touched, all is taken back.
    #[serde(default = "one")]
    pub at_most_rows: u64,
}

const fn one() -> u64 {
    1
}

struct Postgres {
    spec: Spec,
    place: Place,
    host: Option<String>,
    password: Option<Source>,
    parameters: Vec<Template>,
    trust: Trust,
    limits: Limits,
}

impl super::Spec for Spec {
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        let place = Place::parse(&self.address)?;
        let host = match (&place, self.tls) {
            (Place::Unix(_), Some(true)) => return Err("`tls` is for host:port; a socket needs none".into()),
            (Place::Unix(_), _) | (_, Some(false)) => None,
            (_, None) if place.is_local() => None,
            (Place::Tcp(host, _), _) => Some(host.clone()),
        };
        for (key, value) in [("user", &self.user), ("database", &self.database), ("statement", &self.statement)] {
            if value.is_empty() || value.contains('\0') {
                return Err(format!("`{key}` is empty, or holds a NUL byte"));
            }
        }
        let named = self.credential.is_some() || self.secret_file.is_some();
        let parameters = (1..).zip(&self.parameters).map(|(n, text)| {
            let all = [("statement", Some(&self.statement)), ("check_statement", self.check_statement.as_ref())];
            for (key, statement) in all.into_iter().filter_map(|(key, statement)| Some((key, statement?))) {
                if !statement.contains(&format!("${n}")) {
                    return Err(format!("`{key}` has no ${n}, for which there is a parameter"));
                }
            }
            Template::parse(text).map_err(|why| format!("`parameters`, ${n}, {why}"))
        });
        let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
        if parameters.iter().all(Template::is_constant) {
            return Err("`parameters` name no field: the statement would be the same for every order".into());
        }
        Ok(Box::new(Postgres {
            spec: self.clone(),
            place,
            host,
            password: named.then(|| Source::of(self.credential.as_deref(), self.secret_file.as_deref())).transpose()?,
            parameters,
            trust: Trust::new(self.ca_file.as_deref())?,
            limits,
        }))
    }

    fn needs(&self) -> Needs {
        let needs = Needs::default().address(&self.address).file(self.ca_file.as_deref());
        needs.secret(self.credential.as_deref(), self.secret_file.as_deref())
    }
}

impl Postgres {
    fn fill(&self, document: &HookDocument) -> Result<Vec<String>, String> {
        let values = self.parameters.iter().map(|template| {
            template.render(document, |value| match value.contains('\0') {
                true => Err("holds a NUL byte, which PostgreSQL cannot store".into()),
                false => Ok(value.to_owned()),
            })
        });
        values.collect()
    }

    /// What is run for that purpose.
    fn statement(&self, purpose: Purpose) -> Result<&str, String> {
        match (purpose, &self.spec.check_statement) {
            (Purpose::Check, Some(statement)) => Ok(statement),
            (Purpose::Check, None) => Err("it cannot check: write `check_statement`".into()),
            (Purpose::End | Purpose::Undo, _) => Ok(&self.spec.statement),
        }
    }

    fn carry_out(&self, statement: &str, values: &[String], password: Option<&Secret>, purpose: Purpose) -> Ended {
        let ended = self.enter(password).and_then(|mut client| match purpose {
            Purpose::Check => look(&mut client, statement, values),
            Purpose::End | Purpose::Undo => self.transact(&mut client, statement, values),
        });
        let ended = ended.unwrap_or_else(|ended| ended);
        let note = password.map_or(ended.note.clone(), |secret| secret.mask(&ended.note));
        Ended { note, ..ended }
    }

    fn connect(&self, until: Instant) -> std::io::Result<Stream> {
        let mut stream = Stream::connect(&self.place, until)?;
        match &self.host {
            Some(_) if !asks_tls(&mut stream)? => Err(std::io::Error::other("the server has no TLS")),
            Some(host) => stream.secure(host, &self.trust),
            None => Ok(stream),
        }
    }

    fn enter(&self, password: Option<&Secret>) -> Result<Client<Stream>, Ended> {
        let until = Instant::now() + self.limits.deadline;
        let stream = self.connect(until).map_err(before)?;
        let entered = Client::enter(stream, &self.spec.user, &self.spec.database, password).map_err(before)?;
        let mut client = entered.map_err(refused)?;
        // Ours is not the last say: a lock that somebody holds must not outlive the deadline on the server's side.
        let left = until.saturating_duration_since(Instant::now()).as_millis().max(1);
        client.simple(&format!("SET statement_timeout = {left}")).map_err(before)?.map_err(refused)?;
        Ok(client)
    }

    fn transact(&self, client: &mut Client<Stream>, statement: &str, values: &[String]) -> Result<Ended, Ended> {
        client.simple("BEGIN").map_err(before)?.map_err(refused)?;
        // Until COMMIT is sent, a connection that breaks takes everything back.
        let rows = client.run(statement, values).map_err(before)?.map_err(refused)?;
        if rows > self.spec.at_most_rows {
            let note = format!(
                "taken back: {rows} rows would have been touched, and `at_most_rows` is {}",
                self.spec.at_most_rows
            );
            client.simple("ROLLBACK").map_err(before)?.map_err(refused)?;
            return Ok(Ended::new(Ending::Permanent, note));
        }
        let lost = |e: std::io::Error| {
            Ended::new(Ending::Unknown, format!("COMMIT was sent, and no answer came: {}", Shown(&e.to_string())))
        };
        client.simple("COMMIT").map_err(lost)?.map_err(refused)?;
        Ok(Ended::new(
            Ending::Done,
            match rows {
                0 => "0 rows: it was not there".to_owned(),
                1 => "1 row".to_owned(),
                n => format!("{n} rows"),
            },
        ))
    }
}

/// Asks, in a transaction that can change nothing.
fn look(client: &mut Client<Stream>, statement: &str, values: &[String]) -> Result<Ended, Ended> {
    client.simple("BEGIN READ ONLY").map_err(before)?.map_err(refused)?;
    Ok(match client.run(statement, values).map_err(before)?.map_err(refused)? {
        0 => Ended::new(Ending::Done, "no row is there"),
        n => Ended::new(Ending::Failed, format!("{n} rows are there")),
    })
}

fn before(e: std::io::Error) -> Ended {
    Ended::new(unconnected(&e), format!("nothing was changed: {}", Shown(&e.to_string())))
}

fn refused(refusal: Refusal) -> Ended {
    // Classes of SQLSTATE (appendix A of PostgreSQL's documentation): connection, resources, rollback, intervention.
    let later = ["08", "40", "53", "55", "57"].iter().any(|class| refusal.code.starts_with(class));
    let ending = if later { Ending::Temporary } else { Ending::Permanent };
    Ended::new(ending, format!("nothing was changed: {} ({})", Shown(&refusal.message), Shown(&refusal.code)))
}

impl Means for Postgres {
    fn settle(&mut self) -> Result<(), String> {
        if self.host.is_some() { self.trust.settle() } else { Ok(()) }
    }

    fn secrets(&self) -> Vec<&Source> {
        self.password.iter().collect()
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        let (purpose, statement) = (document.purpose, self.statement(document.purpose)?);
        let values = self.fill(document)?;
        let password = self.password.as_ref().map(Source::read).transpose()?;
        Ok(Box::new(move || self.carry_out(statement, &values, password.as_ref(), purpose)))
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let server = format!("{:?}, database {}, user {}", self.place, self.spec.database, self.spec.user);
        let mut lines = Rehearsal::default().line("server", server);
        if let Some(password) = &self.password {
            lines = lines.line("password", password.shown());
        }
        let lines = lines.line("statement", self.statement(document.purpose)?);
        Ok((1..).zip(self.fill(document)?).fold(lines, |lines, (n, value)| lines.line(&format!("${n}"), value)))
    }
}
