//! [`Roles`]: which key of a sample seems to be what, by its name and the shapes of its values.
use super::super::stamp::Notation;
use super::column::Column;
use super::words::{activity_of, outcome_of};
use crate::model::{Field, Outcome};

/// A key, and what the guess rests on.
pub(super) struct Guess {
    pub column: usize,
    pub why: String,
}

/// What was guessed.
#[derive(Default)]
pub(super) struct Roles {
    /// The key of the time, in each notation that its values are in.
    pub time: Option<(Guess, Vec<Notation>)>,
    pub id: Option<Guess>,
    /// The key that says what was done.
    pub activity: Option<Guess>,
    pub outcome: Option<(Guess, Ending)>,
    pub fields: Vec<(Field, Guess)>,
}

/// How the values of a key say how it ended.
pub(super) enum Ending {
    /// Words, or numbers of which nothing is known; `reversed`: the key asks whether it failed.
    Words { reversed: bool },
    /// As HTTP says it.
    Statuses,
    /// It is there where it failed.
    Present,
}

/// The words by which something is known, the surest first, and those that speak against it.
struct Names {
    sure: &'static [&'static str],
    likely: &'static [&'static str],
    not: &'static [&'static str],
}

impl Names {
    /// How well the column's name says it; nothing where it says something else.
    fn rank(&self, column: &Column) -> Option<u32> {
        let against = column.says(self.not);
        let rank = (column.says(self.sure) * 20).max(column.says(self.likely) * 8);
        (against < 3).then_some(rank.saturating_sub(against * 8))
    }
}

const TIME: Names = Names {
    sure: &[
        "time",
        "timestamp",
        "ts",
        "datetime",
        "eventtime",
        "timelocal",
        "zeit",
        "zeitpunkt",
        "zeitstempel",
        "horodatage",
    ],
    likely: &[
        "datum",
        "heure",
        "fecha",
        "hora",
        "date",
        "at",
        "when",
        "created",
        "occurred",
        "published",
        "logged",
        "stamp",
    ],
    not: &[
        "expires",
        "expiry",
        "expiration",
        "expire",
        "updated",
        "modified",
        "birth",
        "valid",
        "until",
        "end",
        "ended",
        "last",
        "previous",
        "due",
    ],
};
const ADDRESS: Names = Names {
    sure: &["ip", "ipaddress", "clientip", "remoteaddr", "remoteip", "sourceip", "srcip", "ipaddr"],
    likely: &["address", "addr", "client", "remote", "source", "src", "origin", "peer"],
    not: &[
        "server",
        "dst",
        "dest",
        "destination",
        "local",
        "proxy",
        "gateway",
        "listener",
        "node",
        "target",
        "previous",
        "last",
        "old",
    ],
};
const AGENT: Names = Names { sure: &["useragent", "ua"], likely: &["agent", "browser"], not: &[] };
const SESSION: Names = Names {
    sure: &["session", "sessionid", "sid", "sess", "sessionuid"],
    likely: &[],
    not: &["type", "start", "started", "created", "duration", "count", "time", "age"],
};
const ACTIVITY: Names = Names {
    sure: &[
        "eventtype",
        "eventname",
        "action",
        "activity",
        "operation",
        "event",
        "actiontype",
        "activitytype",
        "operationname",
        "actionid",
        "aktion",
        "ereignis",
        "vorgang",
        "aktivität",
        "événement",
        "acción",
        "evento",
    ],
    likely: &["type", "method", "op", "verb", "command", "name", "category", "act", "description"],
    not: &[
        "actor", "user", "target", "device", "client", "app", "object", "resource", "outcome", "result", "status",
        "level", "severity",
    ],
};
const OUTCOME: Names = Names {
    sure: &[
        "outcome",
        "result",
        "status",
        "success",
        "succeeded",
        "successful",
        "ok",
        "failed",
        "statuscode",
        "resultstatus",
        "ergebnis",
        "résultat",
        "resultado",
    ],
    likely: &["response", "decision", "state", "code"],
    not: &["actor", "user", "target", "device"],
};
const FAILURE: Names = Names {
    sure: &["error", "errorcode", "failure", "failurereason", "errormessage"],
    likely: &["exception"],
    not: &[],
};
const REASON: Names = Names {
    sure: &["reason", "failurereason", "errormessage", "statusdetail", "resultdescription"],
    likely: &["error", "detail", "failure"],
    not: &["id", "code"],
};
const ID: Names = Names {
    sure: &["id", "uuid", "guid", "uid", "eventid", "recordid", "eventuuid", "logid"],
    likely: &[],
    not: &[
        "request",
        "trace",
        "span",
        "correlation",
        "session",
        "user",
        "actor",
        "device",
        "account",
        "customer",
        "job",
        "export",
        "parent",
        "thread",
    ],
};
const ACTOR: &[&str] = &[
    "actor",
    "user",
    "username",
    "login",
    "principal",
    "initiator",
    "subject",
    "operator",
    "admin",
    "employee",
    "staff",
    "member",
    "author",
    "identity",
    "caller",
    "performer",
    "who",
    "person",
    "remoteuser",
    "upn",
    "loginname",
    "useremail",
    "by",
    "benutzer",
    "benutzername",
    "nutzer",
    "anwender",
    "mitarbeiter",
    "utilisateur",
    "usuario",
];
const NO_ACTOR: &[&str] = &[
    "target",
    "affected",
    "customer",
    "tenant",
    "org",
    "organization",
    "company",
    "device",
    "host",
    "app",
    "application",
    "resource",
    "object",
    "role",
    "type",
    "kind",
    "group",
    "agent",
    "country",
    "city",
    "session",
    "ip",
    "address",
    "time",
    "reason",
    "recipient",
    "status",
    "new",
    "old",
];
const IDS: &[&str] = &["id", "uid", "uuid", "guid", "userid", "actorid", "number"];
const NAME: Names =
    Names { sure: &["email", "mail", "username", "login", "upn"], likely: &["name", "user", "actor"], not: NO_ACTOR };
const ROLE: Names = Names { sure: &["role", "userrole", "actorrole"], likely: &[], not: &["target", "new", "old"] };
const CUSTOMER: Names = Names {
    sure: &["customer", "customerid", "tenant", "tenantid", "subaccount", "subscriber"],
    likely: &["account", "accountid", "org", "organization", "organisation", "company", "accountsid"],
    not: &["type", "kind", "status", "user", "actor", "as", "asn", "isp"],
};
const TARGET: Names = Names {
    sure: &["target", "targetuser", "affected", "affecteduser", "targetname"],
    likely: &[],
    not: &["type", "kind", "url", "path"],
};

/// Counts and other numbers: the field, the words of its name, and those that speak against it.
const NUMBERS: &[(Field, &[&str], &[&str])] = &[
    (Field::ExportRecords, &["rows", "records", "rowcount", "recordcount", "numrecords"], &[]),
    (Field::ExportBytes, &["bytes", "bytessent", "filesize", "contentlength"], &["received", "request"]),
    (Field::Duration, &["duration", "took", "elapsed", "latency", "durationms", "requesttime"], &[]),
    (Field::Sequence, &["seq", "sequence", "sequencenumber", "serial"], &[]),
];

/// Finds the roles of a sample's keys.
pub(super) struct Finder<'c> {
    columns: &'c [Column],
    records: usize,
    used: Vec<usize>,
    found: Roles,
}

impl<'c> Finder<'c> {
    pub fn find(columns: &'c [Column], records: usize) -> Roles {
        let mut finder = Finder { columns, records, used: Vec::new(), found: Roles::default() };
        finder.time();
        finder.origin();
        finder.act();
        finder.ending();
        finder.who();
        finder.rest();
        finder.found
    }

    /// The column with the highest rank, those in more records and further up before others.
    fn best(&self, rank: impl Fn(&Column) -> Option<u32>) -> Option<usize> {
        let free =
            self.columns.iter().enumerate().filter(|(n, column)| !self.used.contains(n) && column.can_be_named());
        let ranked = free.filter_map(|(n, column)| {
            // what few records have is seldom what is meant, however it is called
            let there = (column.records * 100 / self.records.max(1)) as u32;
            let rank = (rank(column)? + there).saturating_sub(2 * column.depth());
            Some(((rank, column.records, std::cmp::Reverse(n)), n))
        });
        ranked.max().map(|(_, n)| n)
    }

    fn guess(&mut self, column: usize, what: impl Into<String>) -> Guess {
        self.used.push(column);
        let (there, of) = (self.columns[column].records, self.records);
        let what = what.into();
        let all =
            if there == of { format!("all {of} records have it") } else { format!("{there} of {of} records have it") };
        Guess { column, why: if what.is_empty() { all } else { format!("{all}; {what}") } }
    }

    /// Takes the column for that field.
    fn put(&mut self, field: Field, column: Option<usize>, what: impl Into<String>) {
        if let Some(column) = column {
            let guess = self.guess(column, what);
            self.found.fields.push((field, guess));
        }
    }

    /// Takes a column that is taken already for that field, too, where it fits.
    fn also(&mut self, column: usize, field: Field, fits: impl Fn(&Column) -> bool) {
        if fits(&self.columns[column]) {
            self.found.fields.push((field, Guess { column, why: "the same".to_owned() }));
        }
    }

    fn time(&mut self) {
        let column = self.best(|column| {
            let (notation, count) = column.notation();
            let rank = TIME.rank(column)?;
            let sure = !notation.is_number() || rank > 0;
            (column.mostly(count, 80) && sure).then_some(rank)
        });
        let Some(column) = column else { return };
        let of = &self.columns[column];
        let (main, count) = of.notation();
        let mut notations = vec![main];
        // what the first does not read another may
        // a date has its day in one place in all of a log
        let turned = [Notation::MonthFirst, Notation::DayFirst];
        let fits = |other: Notation| other != main && !(turned.contains(&main) && turned.contains(&other));
        let others = Notation::ALL.iter().zip(of.shapes.times).filter(|((n, _), count)| fits(*n) && *count > 0);
        notations.extend(others.map(|((notation, _), _)| *notation).filter(|_| count < of.values));
        let unzoned = match of.shapes.unzoned {
            0 => "",
            _ => "; values state no zone, so they are taken for UTC unless `zone` says otherwise",
        };
        let undecided = match (of.is_undecided(), main) {
            (false, _) => "",
            (true, Notation::DayFirst) => {
                "; no date says whether its day stands first, as it does where points are between the numbers"
            }
            (true, _) => "; no date says whether its day or its month stands first: if it is the day, write day_first",
        };
        let what = format!("{count} of {} values are times{unzoned}{undecided}", of.values);
        self.found.time = Some((self.guess(column, what), notations));
    }

    fn origin(&mut self) {
        let address = self.best(|column| {
            let values = column.values.max(column.records);
            (values > 0 && column.shapes.addresses * 100 >= values * 80).then(|| ADDRESS.rank(column)).flatten()
        });
        self.put(Field::Ip, address, "its values are addresses");
        let agent = self.best(|column| {
            let rank = AGENT.rank(column)?;
            let looks = column.mostly(column.shapes.agents, 50);
            (looks || (rank >= 60 && column.is_text())).then_some(rank + if looks { 40 } else { 0 })
        });
        self.put(Field::UserAgent, agent, "its values look like user agents, or its name says so");
        let session = self.best(|column| {
            // `sessionId`, and the `id` of a `session`
            let inner = column.says(SESSION.sure) == 1 && column.says(IDS) >= 3;
            let rank = SESSION.rank(column)? + if inner { 50 } else { 0 };
            let is_one = !column.mostly(column.shapes.booleans, 1) && column.known.keys().all(|value| value.len() >= 3);
            (rank >= 60 && is_one).then_some(rank)
        });
        self.put(Field::SessionUid, session, "its name says so");
    }

    fn act(&mut self) {
        let records = self.records;
        let activity = self.best(|column| {
            let rank = ACTIVITY.rank(column)?;
            let words = column.known.len();
            let few = !column.many && (words <= 8 || words * 2 <= column.values);
            let fits = column.mostly(column.shapes.words, 80) && column.records * 10 >= records * 8;
            let guessed = column.known.keys().filter(|value| activity_of(value).is_some()).count();
            (fits && few && rank > 0 && !column.mostly(column.shapes.booleans, 1))
                .then(|| rank + (30 * guessed / words.max(1)) as u32)
        });
        if let Some(column) = activity {
            let what = format!("{} different words, and its name says so", self.columns[column].known.len());
            self.found.activity = Some(self.guess(column, what));
            self.also(column, Field::Method, |column| column.mostly(column.shapes.methods, 95));
        }
        let id = self.best(|column| {
            let rank = ID.rank(column)?;
            (rank >= 60 && column.is_unique() && column.records == records).then_some(rank)
        });
        if let Some(column) = id {
            self.found.id = Some(self.guess(column, "no value comes twice, and its name says so"));
        }
    }

    fn ending(&mut self) {
        let is_reversed = |column: &Column| column.says(&["failed", "failure", "error", "denied"]) >= 3;
        let outcome = self.best(|column| {
            let rank = OUTCOME.rank(column)?;
            let says = |value: &String| outcome_of(value, is_reversed(column)) != Outcome::Unknown;
            let statuses = column.mostly(column.shapes.statuses, 95);
            let fits = !column.many && column.known.len() <= 20 && (statuses || column.known.keys().any(says));
            (fits && rank >= 24).then_some(rank + if statuses { 0 } else { 10 })
        });
        if let Some(column) = outcome {
            let of = &self.columns[column];
            let ending = match of.mostly(of.shapes.statuses, 95) {
                true => Ending::Statuses,
                false => Ending::Words { reversed: is_reversed(of) },
            };
            let what = format!("{} different values that say how something ended", of.known.len());
            self.found.outcome = Some((self.guess(column, what), ending));
            self.also(column, Field::Status, |column| column.mostly(column.shapes.statuses, 95));
        }
        let records = self.records;
        let reason = self.best(|column| REASON.rank(column).filter(|rank| *rank >= 24 && column.is_text()));
        if self.found.outcome.is_none() {
            let failure = self.best(|column| {
                FAILURE
                    .rank(column)
                    .filter(|rank| *rank >= 60 && column.records < records && !column.mostly(column.shapes.booleans, 1))
            });
            if let Some(column) = failure {
                let guess = self.guess(column, "others lack it, and its name says that something failed");
                self.found.outcome = Some((guess, Ending::Present));
                // why it failed may stand there, too
                let why = "it says why it failed".to_owned();
                if self.columns[column].is_text() {
                    self.found.fields.push((Field::Reason, Guess { column, why }));
                    return;
                }
            }
        }
        let reason = reason.filter(|column| !self.used.contains(column));
        self.put(Field::Reason, reason, "its name says so");
    }

    fn who(&mut self) {
        let says_actor = |column: &Column| column.says(ACTOR) > 0;
        let is_id = |column: &Column| column.says(IDS) >= 3;
        let name = self.best(|column| {
            let emails = column.mostly(column.shapes.emails, 80);
            let rank = NAME.rank(column)? + column.says(ACTOR) * 15 + if emails { 30 } else { 0 };
            let is_id = is_id(column) && !emails;
            let fits = column.is_text() && !is_id && !column.mostly(column.shapes.paths, 50);
            (fits && (says_actor(column) || emails)).then_some(rank)
        });
        self.put(Field::ActorName, name, "its values are names or mail addresses, and its name says so");
        let beside = name.map(|name| self.columns[name].parent().to_owned());
        let uid = self.best(|column| {
            let only = if column.says(IDS) == 4 { 10 } else { 0 };
            let near = beside.as_deref().is_some_and(|parent| !parent.is_empty() && parent == column.parent());
            let fits = is_id(column) && (says_actor(column) || near) && column.says(NO_ACTOR) < 3;
            fits.then(|| column.says(ACTOR) * 10 + only + if near { 30 } else { 0 })
        });
        let role = self.best(|column| ROLE.rank(column).filter(|rank| *rank >= 60 && column.is_text() && !column.many));
        match (name, uid) {
            (None, Some(_)) => self.put(Field::ActorName, uid, "its name says so; nothing looks like a person's name"),
            (_, uid) => self.put(Field::ActorUid, uid, "its name says so"),
        }
        self.put(Field::ActorRole, role, "its name says so");
    }

    fn rest(&mut self) {
        let customer = self.best(|column| {
            let fits = column.values > 0
                && !column.mostly(column.shapes.emails, 50)
                && !column.mostly(column.shapes.booleans, 1);
            CUSTOMER.rank(column).filter(|rank| *rank >= 24 && fits)
        });
        self.put(Field::Customer, customer, "its name says so");
        let target = self.best(|column| {
            // `targetUser`, and the `name` of a `target`
            let inner =
                column.says(TARGET.sure) == 1 && column.says(&["name", "email", "user", "login", "username"]) >= 3;
            TARGET.rank(column).filter(|rank| (*rank >= 60 || inner) && column.is_text())
        });
        self.put(Field::Target, target, "its name says so");
        for (field, sure, not) in NUMBERS {
            let number = self.best(|column| {
                let is_counter = *field != Field::Sequence || column.is_counter();
                let fits = column.mostly(column.shapes.numbers, 90) && is_counter;
                (fits && column.says(sure) >= 3 && column.says(not) < 3).then(|| column.says(sure))
            });
            self.put(*field, number, "numbers, and its name says so");
        }
        let method = self.best(|column| column.mostly(column.shapes.methods, 95).then_some(0));
        self.put(Field::Method, method, "its values are methods of HTTP");
        let path = self.best(|column| {
            let says = column.says(&["path", "uri", "url", "requesturi", "endpoint"]);
            (column.mostly(column.shapes.paths, 80) && says >= 3).then_some(says)
        });
        self.put(Field::Path, path, "its values are paths");
        let status = self.best(|column| {
            let says = column.says(&["status", "statuscode", "code", "httpstatus"]);
            (column.mostly(column.shapes.statuses, 95) && says >= 3).then_some(says)
        });
        self.put(Field::Status, status, "its values are statuses of HTTP");
    }
}
