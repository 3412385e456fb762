//! The ways in which an order is carried out: one file a kind, each behind the trait [`Means`].
//!
//! | kind          | what it does                                                    |
//! | ------------- | --------------------------------------------------------------- |
//! | `exec`        | runs a program                                                  |
//! | `haproxy`     | cuts what runs through HAProxy, and keeps an address out        |
//! | `http`        | one HTTP request                                                |
//! | `set`         | pushes a signed CAEP `session-revoked` event (RFC 8417, RFC 8935) |
//! | `redis`       | deletes the session's keys                                      |
//! | `postgres`    | one SQL statement with parameters                               |
//! | `php_session` | removes PHP's session file                                      |
//!
//! To add one: a file here with a `Spec` that is read from the configuration, and a line in `kinds!` below.
//!
//! What a kind may do is fixed when the configuration is read. An order only fills in values, each escaped for the place
//! where it stands; a value that cannot stand there makes the order refused before anything is sent.
mod auth;
pub(super) mod exec;
pub(super) mod executable;
pub mod haproxy;
pub mod http;
mod jws;
mod orphans;
pub mod php_session;
pub mod postgres;
mod postgres_wire;
pub mod redis;
mod resp;
mod retry;
mod sandbox;
mod scram;
pub mod set;

pub use http::SignSpec;
pub(super) use http::{header_name, url};
pub(super) use orphans::adopt as adopt_orphans;
pub(super) use retry::told;

use super::document::HookDocument;
use super::needs::Needs;
use super::secret::Source;
use super::wire::Ending;
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// How an order ended.
#[derive(Debug)]
pub struct Ended {
    /// As the kind's table says.
    pub ending: Ending,
    /// For people: what came back, escaped.
    pub note: String,
}

impl Ended {
    pub(super) fn new(ending: Ending, note: impl Into<String>) -> Ended {
        Ended { ending, note: note.into() }
    }

    /// Nothing was done, because of `why`.
    pub fn refused(why: impl Into<String>) -> Ended {
        Ended::new(Ending::Refused, why)
    }
}

/// How long an action may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From its start.
    pub deadline: Duration,
    /// What a program is given after that to end.
    pub grace: Duration,
    /// It may be tried again under the same key.
    pub idempotent: bool,
}

/// What is left to do once everything that could be refused has been looked at. Blocks until the order has ended, at the
/// latest after the deadline and the grace.
pub type Ready<'a> = Box<dyn FnOnce() -> Ended + Send + 'a>;

/// One configured action.
pub trait Means: Send + Sync {
    /// Looks at what it needs of this machine, and holds on to it; once, when the configuration is read.
    ///
    /// # Errors
    /// What is missing or unsafe, in words.
    fn settle(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// What would be done with less protection on this machine than the configuration asks for, in words.
    fn caution(&self) -> Option<String> {
        None
    }

    /// The secrets that it reads for each order.
    fn secrets(&self) -> Vec<&Source> {
        Vec::new()
    }

    /// Whether what it does tells the other side that a document is a test. Where it cannot, a test does nothing.
    fn tells_of_tests(&self) -> bool {
        false
    }

    /// Fills in what `document` says, and reads the secrets. Sends nothing.
    ///
    /// # Errors
    /// Why the order is refused: nothing was done.
    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String>;

    /// What [`Means::ready`] would send, with secrets left out: a name and a value a line.
    ///
    /// # Errors
    /// Why the order would be refused.
    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String>;
}

/// What would be sent: lines of a name and a value, in their order. Values hold what the document holds, unescaped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// `request`, `header`, `body`, `command` and so on.
    pub lines: Vec<(String, String)>,
}

impl Rehearsal {
    pub(super) fn line(mut self, name: &str, value: impl Into<String>) -> Self {
        self.lines.push((name.to_owned(), value.into()));
        self
    }

    /// The values of the lines of that name.
    pub fn of(&self, name: &str) -> Vec<&str> {
        self.lines.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }
}

/// What the configuration says of one kind.
pub trait Spec {
    /// Parses its templates and checks its words. Looks at no disk.
    ///
    /// # Errors
    /// What is wrong: the key, the place in its value, and what to write instead.
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String>;

    /// What it needs of the machine.
    fn needs(&self) -> Needs;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal: $spec:ty,)*) => {
        /// How an action is carried out, with what is particular to that way.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(tag = "kind")]
        pub enum ActionKind {
            $($(#[$doc])* #[serde(rename = $name)] $variant(Box<$spec>),)*
        }

        impl ActionKind {
            /// The names of all kinds.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The name that the key `kind` has.
            pub const fn name(&self) -> &'static str {
                match self { $(ActionKind::$variant(_) => $name,)* }
            }

            fn spec(&self) -> &dyn Spec {
                match self { $(ActionKind::$variant(spec) => spec.as_ref(),)* }
            }

            fn read(kind: &str, rest: toml::Value) -> Result<ActionKind, String> {
                match kind {
                    $($name => {
                        let spec = rest.try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
                        Ok(ActionKind::$variant(spec))
                    })*
                    _ => Err(format!("unknown kind {kind:?}; known are {}", Self::NAMES.join(" "))),
                }
            }
        }
    };
}

kinds! {
    /// A program is run.
    Exec = "exec": exec::Spec,
    /// Commands are sent to HAProxy's runtime socket.
    Haproxy = "haproxy": haproxy::Spec,
    /// A request is sent.
    Http = "http": http::Spec,
    /// A Security Event Token is pushed.
    Set = "set": set::Spec,
    /// Keys of a Redis session store are deleted.
    Redis = "redis": redis::Spec,
    /// A statement is run on a PostgreSQL session store.
    Postgres = "postgres": postgres::Spec,
    /// A session file of PHP is removed.
    PhpSession = "php_session": php_session::Spec,
}

impl ActionKind {
    /// Makes it ready for use; see [`Spec::compile`].
    ///
    /// # Errors
    /// What is wrong with what was written.
    pub fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        self.spec().compile(limits)
    }

    /// What it needs of the machine.
    pub fn needs(&self) -> Needs {
        self.spec().needs()
    }
}

impl<'de> Deserialize<'de> for ActionKind {
    /// From the keys that [`super::ActionSpec`] does not know itself; without `kind` it is `exec`.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(from)?;
        let kind = match table.remove("kind") {
            None => "exec".to_owned(),
            Some(toml::Value::String(kind)) => kind,
            Some(_) => return Err(serde::de::Error::custom("`kind` is a text")),
        };
        ActionKind::read(&kind, toml::Value::Table(table)).map_err(serde::de::Error::custom)
    }
}
