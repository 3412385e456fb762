//! The reading connection: answers questions, and can change nothing.
use super::{Error, block, foreign, open_file, sql_error};
use crate::model::incident::IncidentStep;
use crate::model::limits::MOST_ROWS;
use crate::model::silence::{Silence, Silenced, Standing};
use crate::model::{
    EventId, EventTime, FindingId, FindingRow, FindingVerdict, Judged, Mute, Order, OrderId, OrderState, Severity,
    WallTime,
};
use crate::pipeline::EventRow;
use crate::pipeline::trail::TrailRow;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Of findings, those that wait for somebody: what is silenced waits for nobody. Quotes inside of texts are escaped in JSON, so
/// that no text can look like the member.
const OPEN: &str = "(acknowledged_at IS NULL AND instr(body, ',\"silenced\":{') = 0)";

/// A connection that only reads.
pub struct Reader {
    connection: Connection,
    pub(super) path: PathBuf,
}

/// Which findings are asked for; all that is `None` does not narrow.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingFilter {
    /// Event time at or after, in milliseconds since 1970.
    #[serde(default)]
    pub since: Option<i64>,
    /// Event time before, in milliseconds since 1970.
    #[serde(default)]
    pub until: Option<i64>,
    /// The actor's name.
    #[serde(default)]
    pub actor: Option<String>,
    /// The policy's name.
    #[serde(default)]
    pub policy: Option<String>,
    /// At least this severity.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Only those that nobody has acknowledged and no silence covers.
    #[serde(default)]
    pub open: bool,
    /// What people have said of it.
    #[serde(default)]
    pub verdict: Option<FindingVerdict>,
    /// From this address.
    #[serde(default)]
    pub ip: Option<std::net::IpAddr>,
    /// At most so many, the newest first.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A silence with what it has kept quiet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SilenceRow {
    /// The silence; of one that was taken out only whose it was and why.
    pub silence: Silence,
    /// Whether it is among those that the daemon read last.
    pub written: bool,
    /// How many findings are under it.
    pub findings: u64,
}

impl SilenceRow {
    /// How it stands; one that was taken out has ended.
    pub fn standing(&self, at: EventTime) -> Standing {
        if self.written { self.silence.standing(at) } else { Standing::Ended }
    }
}

/// One step of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: WallTime,
    /// What state it came into.
    pub state: String,
    /// Why it was refused or held.
    pub refusal: Option<String>,
    /// What was said.
    pub note: Option<String>,
}

/// One recorded input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedInput {
    /// Its number.
    pub sequence: u64,
    /// When it was observed.
    pub at: WallTime,
    /// `lines`, `tick`, …
    pub kind: String,
    /// JSON of it.
    pub body: String,
}

/// How far an outlet has got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutletRow {
    /// Its name.
    pub name: String,
    /// Messages that it has not been given.
    pub waiting: u64,
    /// What kept it from taking the next one.
    pub error: Option<String>,
}

impl Reader {
    /// Opens the ledger file for reading.
    ///
    /// # Errors
    /// It is not there, can't be read, or is not ours.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let connection = open_file(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "query_only", true).map_err(sql_error("opening for reading", path))?;
        let version: i32 = connection
            .pragma_query_value(None, "user_version", |r| r.get(0))
            .map_err(sql_error("opening for reading", path))?;
        if version != super::VERSION {
            return Err(super::file::other_schema(path, version));
        }
        Ok(Reader { connection, path: path.to_owned() })
    }

    /// The findings asked for, the newest first.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn findings(&self, filter: &FindingFilter) -> Result<Vec<FindingRow>, Error> {
        let sql = format!(
            "SELECT body, acknowledged_at, acknowledged_by, verdict, judged_at, judged_by, reason FROM findings \
             WHERE time >= ?1 AND time < ?2 AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR policy = ?4) \
             AND severity >= ?5 AND (NOT ?6 OR {OPEN}) AND (?7 IS NULL OR verdict = ?7) \
             AND (?9 IS NULL OR json_extract(body, '$.subject.ip') = ?9) \
             ORDER BY time DESC, id LIMIT ?8"
        );
        let values = params![
            filter.since.unwrap_or(i64::MIN),
            filter.until.unwrap_or(i64::MAX),
            filter.actor,
            filter.policy,
            filter.severity.map_or(0, Severity::ocsf),
            filter.open,
            filter.verdict.map(FindingVerdict::name),
            filter.limit.unwrap_or(MOST_ROWS).min(MOST_ROWS),
            filter.ip.map(|ip| ip.to_string())
        ];
        self.read("reading findings", |c| {
            c.prepare_cached(&sql)?.query_map(values, finding_row)?.collect::<rusqlite::Result<Vec<_>>>()
        })?
        .into_iter()
        .map(|row| row.map_err(|why| foreign(&self.path, why)))
        .collect()
    }

    /// One finding, with what people did about it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn finding(&self, id: &FindingId) -> Result<Option<FindingRow>, Error> {
        let sql = "SELECT body, acknowledged_at, acknowledged_by, verdict, judged_at, judged_by, reason FROM findings WHERE id = ?";
        self.read("reading a finding", |c| c.prepare_cached(sql)?.query_row([&id.0[..]], finding_row).optional())?
            .transpose()
            .map_err(|why| foreign(&self.path, why))
    }

    /// The ids of findings that begin with `prefix` (hexadecimal), at most two.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn findings_named(&self, prefix: &str) -> Result<Vec<FindingId>, Error> {
        Ok(self.named("findings", prefix)?.into_iter().map(FindingId).collect())
    }

    /// What stands for the sealed sessions that begin with `prefix` (hexadecimal), at most two.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn sessions_named(&self, prefix: &str) -> Result<Vec<[u8; 16]>, Error> {
        let sql = "SELECT digest FROM sessions WHERE substr(lower(hex(digest)), 1, length(?1)) = lower(?1) LIMIT 2";
        self.read("looking a session up", |c| c.prepare_cached(sql)?.query_map([prefix], |r| r.get(0))?.collect())
    }

    /// A session's id, where it is sealed here and `keys` opens it.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn unseal(&self, keys: &super::Keys, digest: &[u8; 16]) -> Result<Option<String>, Error> {
        let sealed: Option<Vec<u8>> = self.read("reading a sealed session", |c| {
            let sql = "SELECT sealed FROM sessions WHERE digest = ?";
            c.prepare_cached(sql)?.query_row([&digest[..]], |r| r.get(0)).optional()
        })?;
        Ok(sealed.and_then(|sealed| keys.open(digest, &sealed)))
    }

    /// The ids of orders that begin with `prefix` (hexadecimal), at most two.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn orders_named(&self, prefix: &str) -> Result<Vec<OrderId>, Error> {
        Ok(self.named("orders", prefix)?.into_iter().map(OrderId).collect())
    }

    fn named(&self, table: &'static str, prefix: &str) -> Result<Vec<[u8; 16]>, Error> {
        let sql = format!("SELECT id FROM {table} WHERE substr(lower(hex(id)), 1, length(?1)) = lower(?1) LIMIT 2");
        self.read("looking an id up", |c| c.prepare_cached(&sql)?.query_map([prefix], |r| r.get(0))?.collect())
    }

    /// The orders, or those in one state, the newest first, at most `limit`.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn orders(&self, limit: u32, state: Option<OrderState>) -> Result<Vec<Order>, Error> {
        let sql = "SELECT body FROM orders WHERE ?2 IS NULL OR state = ?2 ORDER BY made DESC, id LIMIT ?1";
        self.read("reading orders", |c| {
            c.prepare_cached(sql)?
                .query_map(params![limit.min(MOST_ROWS), state.map(|s| s.name())], |r| r.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?
        .iter()
        .map(|body| {
            serde_json::from_str(body).map_err(|e| foreign(&self.path, format!("holds an unreadable order: {e}")))
        })
        .collect()
    }

    /// One order.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn order(&self, id: &OrderId) -> Result<Option<Order>, Error> {
        let sql = "SELECT body FROM orders WHERE id = ?";
        let body: Option<String> =
            self.read("reading an order", |c| c.prepare_cached(sql)?.query_row([&id.0[..]], |r| r.get(0)).optional())?;
        body.map(|body| serde_json::from_str(&body))
            .transpose()
            .map_err(|e| foreign(&self.path, format!("holds an unreadable order: {e}")))
    }

    /// The steps of an order, the first one first.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn steps(&self, id: &OrderId) -> Result<Vec<Step>, Error> {
        let sql = "SELECT at, state, refusal, note FROM order_steps WHERE id = ? ORDER BY sequence";
        self.read("reading an order's steps", |c| {
            c.prepare_cached(sql)?
                .query_map([&id.0[..]], |r| {
                    Ok(Step { at: WallTime(r.get(0)?), state: r.get(1)?, refusal: r.get(2)?, note: r.get(3)? })
                })?
                .collect()
        })
    }

    /// What people did about incidents, in order.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn incident_steps(&self) -> Result<Vec<IncidentStep>, Error> {
        let bodies: Vec<String> = self.read("reading what people did about incidents", |c| {
            c.prepare_cached("SELECT body FROM incident_steps ORDER BY sequence")?
                .query_map([], |r| r.get(0))?
                .collect()
        })?;
        let parsed = bodies.iter().map(|body| serde_json::from_str(body));
        parsed
            .collect::<Result<_, _>>()
            .map_err(|e| foreign(&self.path, format!("holds an unreadable step of an incident: {e}")))
    }

    /// How many orders are in each state.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn order_counts(&self) -> Result<Vec<(String, u64)>, Error> {
        let sql = "SELECT state, count(*) FROM orders GROUP BY state ORDER BY state";
        self.read("counting orders", |c| {
            c.prepare_cached(sql)?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect()
        })
    }

    /// How many findings there are, and how many of them are open.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn finding_counts(&self) -> Result<(u64, u64), Error> {
        let sql = format!("SELECT count(*), count(*) FILTER (WHERE {OPEN}) FROM findings");
        self.read("counting findings", |c| c.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?))))
    }

    /// How far the outlets have got.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn outlets(&self) -> Result<Vec<OutletRow>, Error> {
        let sql =
            "SELECT name, (SELECT count(*) FROM outbox WHERE sequence > delivered), error FROM outlets ORDER BY name";
        self.read("reading the outlets", |c| {
            c.prepare_cached(sql)?
                .query_map([], |r| Ok(OutletRow { name: r.get(0)?, waiting: r.get(1)?, error: r.get(2)? }))?
                .collect()
        })
    }

    /// The recorded inputs from number `from` on, at most `most`.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn inputs(&self, from: u64, most: u32) -> Result<Vec<RecordedInput>, Error> {
        let sql = "SELECT sequence, at, kind, body FROM inputs WHERE sequence >= ? ORDER BY sequence LIMIT ?";
        self.read("reading inputs", |c| {
            c.prepare_cached(sql)?
                .query_map(params![from, most], |r| {
                    Ok(RecordedInput { sequence: r.get(0)?, at: WallTime(r.get(1)?), kind: r.get(2)?, body: r.get(3)? })
                })?
                .collect()
        })
    }

    /// The trails' counters, of all machines together.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn trails(&self) -> Result<BTreeMap<String, TrailRow>, Error> {
        let rows: Vec<(String, String)> = self.read("reading trails", |c| {
            c.prepare_cached("SELECT source, body FROM trails")?
                .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
                .collect()
        })?;
        let mut trails: BTreeMap<String, TrailRow> = BTreeMap::new();
        for (source, body) in rows {
            let row: TrailRow = serde_json::from_str(&body)
                .map_err(|e| foreign(&self.path, format!("holds an unreadable trail row: {e}")))?;
            let together = trails.remove(&source).map_or_else(|| row.clone(), |others| others.with(&row));
            trails.insert(source, together);
        }
        Ok(trails)
    }

    /// Whether orders are on hold.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn hold(&self) -> Result<bool, Error> {
        let sql = "SELECT count(*) FROM meta WHERE key = 'hold' AND value = 'on'";
        self.read("reading the hold", |c| c.query_row(sql, [], |r| r.get::<_, i64>(0)).map(|n| n > 0))
    }

    /// The mutes that were put on last; some may have ended by now.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn mutes(&self) -> Result<Vec<Mute>, Error> {
        let sql = "SELECT value FROM meta WHERE key = 'mutes'";
        let json: Option<String> = self.read("reading mutes", |c| c.query_row(sql, [], |r| r.get(0)).optional())?;
        json.map_or(Ok(Vec::new()), |json| {
            serde_json::from_str(&json).map_err(|e| foreign(&self.path, format!("holds unreadable mutes: {e}")))
        })
    }

    /// The silences that were read last, and those that were taken out but have findings under them.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn silences(&self) -> Result<Vec<SilenceRow>, Error> {
        let foreign_row = |e| foreign(&self.path, format!("holds an unreadable silence: {e}"));
        let known = self.read("reading silences", |c| {
            let sql = "SELECT value FROM meta WHERE key = 'silences'";
            c.query_row(sql, [], |r| r.get::<_, String>(0)).optional()
        })?;
        let known: Vec<Silence> =
            known.map(|json| serde_json::from_str(&json).map_err(foreign_row)).transpose()?.unwrap_or_default();
        let mut under = self.silenced()?;
        let counted = |silence: Silence| {
            let findings = under.remove(&silence.id).map_or(0, |(_, findings)| findings);
            SilenceRow { silence, written: true, findings }
        };
        let mut rows: Vec<SilenceRow> = known.into_iter().map(counted).collect();
        rows.extend(under.into_values().map(|(silenced, findings)| SilenceRow {
            silence: Silence::taken_out(silenced),
            written: false,
            findings,
        }));
        Ok(rows)
    }

    /// For each silence with findings under it, whose it is and how many they are.
    fn silenced(&self) -> Result<BTreeMap<crate::model::Text, (Silenced, u64)>, Error> {
        // inside a text of the JSON the quotes are escaped, so nothing that a log line chose looks like this
        let sql = "SELECT json_extract(body, '$.silenced.silence'), json_extract(body, '$.silenced.author'), \
                   json_extract(body, '$.silenced.reason'), count(*) \
                   FROM findings WHERE instr(body, ',\"silenced\":{') > 0 GROUP BY 1 LIMIT 10000";
        let rows: Vec<(Silenced, u64)> = self.read("counting silenced findings", |c| {
            let row = |r: &rusqlite::Row<'_>| {
                let silence: String = r.get(0)?;
                Ok((Silenced { silence: silence.into(), author: r.get(1)?, reason: r.get(2)? }, r.get(3)?))
            };
            c.prepare_cached(sql)?.query_map([], row)?.collect()
        })?;
        Ok(rows.into_iter().map(|(silenced, findings)| (silenced.silence.clone(), (silenced, findings))).collect())
    }

    /// The recorded events of those ids, each block read once.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn events_named(&self, ids: &BTreeSet<EventId>) -> Result<BTreeMap<EventId, EventRow>, Error> {
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let may_hold = |keys: &[u8]| names.iter().any(|id| block::may_hold(keys, "event", id));
        // a row begins with its id: look before reading it whole
        let id = |line: &str| line.strip_prefix("{\"id\":\"")?.get(..32)?.parse::<EventId>().ok();
        let events =
            self.events(may_hold, |line| id(line).is_some_and(|id| ids.contains(&id)), |row| ids.contains(&row.id))?;
        Ok(events.into_iter().map(|e| (e.id, e)).collect())
    }

    /// The recorded events of an actor, a session (by what stands for it), an address, a customer or an export, in order of time.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn events_of(&self, kind: Asked, value: &str) -> Result<Vec<EventRow>, Error> {
        let fits = |row: &EventRow| kind.fits(row, value);
        // as JSON writes it
        let needle = serde_json::Value::from(value).to_string();
        self.events(|keys| block::may_hold(keys, kind.name(), value), |line| line.contains(&needle), fits)
    }

    /// Every recorded event, in the order of recording.
    ///
    /// # Errors
    /// The file can't be read, or `each` says so.
    pub fn each_event(&self, mut each: impl FnMut(EventRow)) -> Result<(), Error> {
        let mut bodies = |c: &Connection| -> rusqlite::Result<()> {
            let mut blocks = c.prepare("SELECT body FROM blocks ORDER BY id")?;
            let mut rows = blocks.query([])?;
            while let Some(row) = rows.next()? {
                block::events(&row.get::<_, Vec<u8>>(0)?, |_| true).for_each(&mut each);
            }
            let mut tail = c.prepare("SELECT body FROM tail ORDER BY sequence")?;
            let mut rows = tail.query([])?;
            while let Some(row) = rows.next()? {
                if let Ok(event) = serde_json::from_str(&row.get::<_, String>(0)?) {
                    each(event);
                }
            }
            Ok(())
        };
        bodies(&self.connection).map_err(sql_error("reading events", &self.path))
    }

    fn events(
        &self,
        block_may: impl Fn(&[u8]) -> bool,
        line_may: impl Fn(&str) -> bool,
        fits: impl Fn(&EventRow) -> bool,
    ) -> Result<Vec<EventRow>, Error> {
        let read = |c: &Connection| -> rusqlite::Result<Vec<EventRow>> {
            let mut found = Vec::new();
            let mut blocks = c.prepare_cached("SELECT id, keys FROM blocks ORDER BY id")?;
            let mut body = c.prepare_cached("SELECT body FROM blocks WHERE id = ?")?;
            let mut rows = blocks.query([])?;
            while let Some(row) = rows.next()? {
                if block_may(row.get_ref(1)?.as_blob()?) {
                    let body: Vec<u8> = body.query_row([row.get::<_, i64>(0)?], |r| r.get(0))?;
                    found.extend(block::events(&body, &line_may).filter(&fits));
                }
            }
            let mut tail = c.prepare_cached("SELECT body FROM tail ORDER BY sequence")?;
            let mut rows = tail.query([])?;
            while let Some(row) = rows.next()? {
                let text = row.get_ref(0)?.as_str()?;
                if line_may(text)
                    && let Ok(event) = serde_json::from_str::<EventRow>(text)
                    && fits(&event)
                {
                    found.push(event);
                }
            }
            found.sort_by_key(|e| (e.time, e.id));
            Ok(found)
        };
        self.read("reading events", read)
    }

    /// The newest event time that any trail has reached.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn newest(&self) -> Result<EventTime, Error> {
        let sql = "SELECT coalesce(max(json_extract(body, '$.newest')), 0) FROM trails";
        self.read("reading trails", |c| c.query_row(sql, [], |r| r.get(0).map(EventTime)))
    }

    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        run(&self.connection).map_err(sql_error(operation, &self.path))
    }
}

/// By what recorded events can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The actor's name.
    Actor,
    /// What stands for the session, in hexadecimal.
    Session,
    /// The address.
    Address,
    /// The customer account.
    Customer,
    /// The export's id.
    Export,
}

impl Asked {
    /// Whether the event is one that is asked for.
    pub(super) fn fits(self, row: &EventRow, value: &str) -> bool {
        match self {
            Asked::Actor => row.actor.as_ref().is_some_and(|a| a.name == value || a.label.as_deref() == Some(value)),
            Asked::Session => row.session.as_deref() == Some(value),
            Asked::Address => row.origin.ip.is_some_and(|ip| ip.to_string() == value),
            Asked::Customer => row.customer.as_deref() == Some(value),
            Asked::Export => row.export.as_ref().and_then(|x| x.job.as_deref()) == Some(value),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Asked::Actor => "actor",
            Asked::Session => "session",
            Asked::Address => "ip",
            Asked::Customer => "customer",
            Asked::Export => "export",
        }
    }
}

fn finding_row(r: &rusqlite::Row<'_>) -> rusqlite::Result<Result<FindingRow, String>> {
    let body: String = r.get(0)?;
    let acknowledged = match (r.get::<_, Option<i64>>(1)?, r.get::<_, Option<String>>(2)?) {
        (Some(at), Some(by)) => Some((WallTime(at), by)),
        _ => None,
    };
    let verdict: String = r.get(3)?;
    let judged = match (r.get(4)?, r.get(5)?, r.get(6)?) {
        (Some(at), Some(by), Some(reason)) => Some(Judged { at: WallTime(at), by, reason }),
        _ => None,
    };
    let verdict = FindingVerdict::from_name(&verdict).unwrap_or(FindingVerdict::Open);
    Ok(serde_json::from_str(&body)
        .map(|finding| FindingRow { finding, acknowledged, verdict, judged })
        .map_err(|e| format!("holds an unreadable finding: {e}")))
}
