//! The throw-away provider's portal: a session store, and the two trails that a portal and its download endpoint write.
use super::people::{Customer, Person};
use crate::cli::Failure;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The portal's own audit trail.
pub const PORTAL_TRAIL: &str = "portal-audit.jsonl";
/// The access log of the endpoint that sends the files.
pub const DOWNLOAD_TRAIL: &str = "download-access.log";

/// The bytes of one record in a file: time, number, carrier, place, type.
const RECORD_BYTES: u64 = 105;

/// The name of a session's file in the store.
pub fn file_of(session: &str) -> String {
    format!("sess_{session}")
}

/// A portal that writes its trails.
pub struct Portal {
    sessions: PathBuf,
    trails: Mutex<Trails>,
}

struct Trails {
    portal: File,
    downloads: File,
    acts: u64,
    exports: u64,
    lines: u64,
}

/// Somebody who is logged in, or at least holds a session's cookie.
pub struct Visit<'a> {
    /// Who it says it is.
    pub person: &'a Person,
    /// The cookie.
    pub session: String,
}

/// An export that is asked for.
pub struct Export<'a> {
    /// Its id, made up by whoever asks, as single-page portals do.
    pub id: String,
    /// Whose records.
    pub customer: &'a Customer,
    /// First and last day.
    pub days: (Date, Date),
    /// How many records those days have.
    pub records: u64,
}

/// What a person does.
pub enum Act<'a> {
    /// Signs in.
    Login,
    /// Signs out.
    Logout,
    /// Opens a customer's page.
    View(&'a Customer),
    /// Looks something up in a customer's log.
    Query(&'a Customer),
    /// Asks for a file.
    Ask(&'a Export<'a>),
}

impl Portal {
    /// A portal that keeps its trails and its sessions in `dir`.
    ///
    /// # Errors
    /// They can't be made.
    pub fn new(dir: &Path) -> Result<Portal, Failure> {
        let sessions = dir.join("sessions");
        std::fs::create_dir(&sessions).map_err(|e| Failure::new(format!("making {}: {e}", sessions.display())))?;
        let open = |name: &str| {
            let path = dir.join(name);
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(&path)
                .map_err(|e| Failure::new(format!("making {}: {e}", path.display())))
        };
        let trails =
            Trails { portal: open(PORTAL_TRAIL)?, downloads: open(DOWNLOAD_TRAIL)?, acts: 0, exports: 0, lines: 0 };
        Ok(Portal { sessions, trails: Mutex::new(trails) })
    }

    /// Where the sessions lie.
    pub fn sessions(&self) -> &Path {
        &self.sessions
    }

    /// Lines written to both trails.
    pub fn lines(&self) -> u64 {
        self.trails().lines
    }

    fn trails(&self) -> std::sync::MutexGuard<'_, Trails> {
        self.trails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of a new export.
    pub fn new_export(&self) -> String {
        let mut trails = self.trails();
        trails.exports += 1;
        format!("ex-{:05}", trails.exports)
    }

    /// Whether the session is alive: what a portal asks at every request.
    pub fn knows(&self, visit: &Visit) -> bool {
        self.sessions.join(file_of(&visit.session)).exists()
    }

    /// Puts a session into the store, and writes the login.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn login(&self, visit: &Visit) -> Result<(), Failure> {
        let path = self.sessions.join(file_of(&visit.session));
        std::fs::write(&path, visit.person.login())
            .map_err(|e| Failure::new(format!("writing {}: {e}", path.display())))?;
        self.act(visit, Timestamp::now(), &Act::Login)
    }

    /// A request now: `true` where the session is alive and it is granted. Both are written.
    ///
    /// # Errors
    /// The trail can't be written.
    pub fn request(&self, visit: &Visit, act: &Act) -> Result<bool, Failure> {
        let known = self.knows(visit);
        self.write_act(visit, Timestamp::now(), act, known)?;
        Ok(known)
    }

    /// Writes what was done at `at`, with success.
    ///
    /// # Errors
    /// The trail can't be written.
    pub fn act(&self, visit: &Visit, at: Timestamp, act: &Act) -> Result<(), Failure> {
        self.write_act(visit, at, act, true)
    }

    fn write_act(&self, visit: &Visit, at: Timestamp, act: &Act, granted: bool) -> Result<(), Failure> {
        let (event, customer) = match act {
            Act::Login => ("session.login", None),
            Act::Logout => ("session.logout", None),
            Act::View(customer) => ("page.view", Some(*customer)),
            Act::Query(customer) => ("log.query", Some(*customer)),
            Act::Ask(export) => ("log.export.requested", Some(export.customer)),
        };
        let mut details = match act {
            Act::Ask(e) => {
                json!({"export": e.id, "kind": "mfa", "from": e.days.0.to_string(), "to": e.days.1.to_string(), "rows": e.records})
            }
            _ => json!({}),
        };
        if !granted {
            details["reason"] = Value::from("signed out");
        }
        let login = visit.person.login();
        let mut trails = self.trails();
        trails.acts += 1;
        let line = json!({
            "ts": format!("{at:.3}"),
            "id": format!("ev-{:06}", trails.acts),
            "event": event,
            "outcome": if granted { "success" } else { "failure" },
            "actor": {"id": format!("u-{login}"), "name": login, "type": "user", "role": "support"},
            "session": visit.session,
            "ip": visit.person.address,
            "ua": visit.person.agent,
            "account": customer.map(|c| &c.account),
            "details": details,
        });
        trails.lines += 1;
        append(&mut trails.portal, PORTAL_TRAIL, format!("{line}\n"))
    }

    /// Writes that a file was sent, or refused (401), after `seconds`.
    ///
    /// # Errors
    /// The trail can't be written.
    pub fn download(
        &self,
        visit: &Visit,
        ended: Timestamp,
        export: &Export,
        granted: bool,
        seconds: f64,
    ) -> Result<(), Failure> {
        let (user, status, bytes, rows) = match granted {
            true => (visit.person.login(), 200, export.records * RECORD_BYTES, export.records.to_string()),
            false => ("-".into(), 401, 0, "-".into()),
        };
        let line = format!(
            "{} - {user} [{}] \"GET /exports/{}.csv HTTP/1.1\" {status} {bytes} \"-\" \"{}\" rt={seconds:.3} sid={} rows={rows}\n",
            visit.person.address,
            TimeZone::UTC.to_datetime(ended).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            export.id,
            visit.person.agent,
            visit.session,
        );
        let mut trails = self.trails();
        trails.lines += 1;
        append(&mut trails.downloads, DOWNLOAD_TRAIL, line)
    }
}

/// One write for a line, so that nobody reads half of it.
fn append(file: &mut File, name: &str, line: String) -> Result<(), Failure> {
    file.write_all(line.as_bytes()).map_err(|e| Failure::new(format!("writing {name}: {e}")))
}

/// The last `days` days before `at`.
pub fn last_days(at: Timestamp, days: i64) -> (Date, Date) {
    let last = TimeZone::UTC.to_datetime(at).date().saturating_sub(1.day());
    (last.saturating_sub((days - 1).days()), last)
}

/// The whole month before that of `at`.
pub fn last_month(at: Timestamp) -> (Date, Date) {
    let last = TimeZone::UTC.to_datetime(at).date().first_of_month().saturating_sub(1.day());
    (last.first_of_month(), last)
}
