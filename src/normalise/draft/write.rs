//! The text of a draft: TOML that can be used as it is, in which a comment says of each guess what it rests on.
use super::super::redact::Redactor;
use super::super::stamp::Notation;
use super::column::Column;
use super::roles::{Ending, Guess, Roles};
use super::words::{activity_of, outcome_of};
use crate::model::{Activity, Field, Outcome, Shown};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many words of which nothing is guessed are listed.
const LISTED: usize = 100;
/// How many keys a record is recognised by.
const RECOGNISED_BY: usize = 5;

/// What is written down.
pub(super) struct Draft<'d> {
    pub name: &'d str,
    pub format: &'d str,
    pub lists: &'d [String],
    pub columns: &'d [Column],
    pub records: usize,
    pub roles: Roles,
}

/// The fields that a profile should have, with what to look for.
const WANTED: &[(Field, &str)] = &[
    (Field::Code, "the product's own name for what was done"),
    (Field::Reason, "why it was refused, in the product's words"),
    (Field::ActorName, "who did it: the name by which all trails know them"),
    (Field::ActorUid, "the product's own id of who did it, which stays where the name changes"),
    (Field::ActorRole, "the role"),
    (Field::SessionUid, "the session: without it no session can be ended"),
    (Field::Ip, "where it came from; a list as proxies write it is read from the right"),
    (Field::UserAgent, "the user agent"),
    (Field::Customer, "the customer's account that it concerns"),
    (Field::Target, "whom it was done to: whose factor was reset, who was impersonated"),
    (Field::ExportJob, "the id by which the request of an export and its download are joined"),
    (Field::ExportRecords, "how many records left"),
    (Field::ExportBytes, "how many bytes left"),
    (Field::Method, "the method of HTTP"),
    (Field::Path, "the path"),
    (Field::Status, "the status of HTTP"),
    (Field::Duration, "how long it took, in milliseconds (`KEY|seconds` of seconds with a fraction)"),
    (Field::Sequence, "where the product numbers its records, one more each"),
];

/// Text as a basic string of TOML.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // what can't be seen is spelled out
            c if Shown(c.encode_utf8(&mut [0; 4])).to_string().chars().count() > 1 || c.is_control() => {
                out += &format!("\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of them.
fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    format!("[{}]", texts.into_iter().map(quote).collect::<Vec<_>>().join(", "))
}

impl Draft<'_> {
    fn column(&self, guess: &Guess) -> &Column {
        &self.columns[guess.column]
    }

    /// The whole text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.head(&mut out);
        self.recognise(&mut out);
        self.time(&mut out);
        self.fields(&mut out);
        self.outcome(&mut out);
        self.activity(&mut out);
        out += "\n# Keys whose values are secrets, beside those that are called so (token, password, session, …): they are cut out of\n\
                # kept lines.\n# [redact]\n# keys = []\n";
        out
    }

    fn head(&self, out: &mut String) {
        let records = self.records;
        *out += &format!(
            "# Drafted from {records} records of a sample: every line is a guess, and says what it rests on. Look at each, with the\n\
             # product's documentation beside it, and write down here where that is. Then try it on all that you have:\n\
             #\n#   tripline profiles test SAMPLE --profile THIS-FILE.toml\n#\n\
             # It is used from `profiles/` in the folder that `policies_dir` of the configuration names.\n\
             name = {}\n# Which product, and which trail of it.\ntitle = {}\nformat = {}\n",
            quote(self.name),
            quote(self.name),
            quote(self.format)
        );
        if !self.lists.is_empty() {
            let _ = writeln!(
                out,
                "# The sample's documents hold lists of records under it.\nrecords = {}",
                list(self.lists.iter().map(String::as_str))
            );
        }
        match &self.roles.id {
            Some(guess) => {
                let _ = writeln!(
                    out,
                    "# The product's own id of a record, so that one that comes twice counts once: {}.\nid = {}",
                    guess.why,
                    quote(&self.column(guess).name)
                );
            }
            None => {
                *out += "# Not found: the product's own id of a record, so that one that comes twice counts once. Where records come again,\n\
                         # from an API that is asked again, those that hold the same can be one: `content_id`. Without either each line counts.\n\
                         # id = \"…\"\n# content_id = true\n"
            }
        }
        *out += "# Where the product compares names of people in any case:\n# names = \"any_case\"\n\
                 # Where the server itself states the session, and not a client's cookie: only such a session can be ended.\n\
                 # session_vouched_by = \"server\"\n\
                 # What Sigma rules call this trail:\n# log_sources = [{ product = \"…\", service = \"…\" }]\n";
        let unzoned = |(guess, _): &(Guess, _)| self.column(guess).shapes.unzoned > 0;
        if self.roles.time.as_ref().is_some_and(unzoned) {
            *out += "# The zone of times that state none: UTC, or an offset. A trail's `time_zone` goes before it.\nzone = \"UTC\"\n";
        }
    }

    /// By keys that every record has; those that something else rests on first.
    fn recognise(&self, out: &mut String) {
        let roles = &self.roles;
        let first = [roles.activity.as_ref(), roles.time.as_ref().map(|(guess, _)| guess), roles.id.as_ref()];
        let first =
            first.into_iter().flatten().chain(roles.fields.iter().map(|(_, guess)| guess)).map(|guess| guess.column);
        let mut by: Vec<&Column> = Vec::new();
        for n in first.chain(0..self.columns.len()) {
            let column = &self.columns[n];
            let everywhere = column.records == self.records && column.can_be_named();
            if everywhere && by.len() < RECOGNISED_BY && !by.iter().any(|known| std::ptr::eq(*known, column)) {
                by.push(column);
            }
        }
        *out += "\n# A record is this product's where it has all of these; every record of the sample does. Keys that no other product has\n\
                 # are the best ones, and a value that is always the same (KEY = \"value\").\n";
        if by.is_empty() {
            *out += "# Not found: a key that every record has.\n# [[recognise]]\n# KEY = true\n";
            return;
        }
        *out += "[[recognise]]\n";
        by.iter().for_each(|column| *out += &format!("{} = true\n", quote(&column.name)));
        let redactor = Redactor::new();
        let constant = |column: &&Column| {
            column.records == self.records
                && column.known.len() == 1
                && !column.many
                && column.can_be_named()
                && column.is_text()
        };
        for column in self.columns.iter().filter(constant).take(RECOGNISED_BY) {
            let may_be_shown = |value: &&String| redactor.value(&column.name, value, true, &[]) == **value;
            let value = column.known.keys().next().filter(|value| value.len() <= 64 && is_plain(value));
            if let Some(value) = value.filter(may_be_shown) {
                *out += &format!("# always the same: {} = {}\n", quote(&column.name), quote(value));
            }
        }
    }

    fn time(&self, out: &mut String) {
        let Some((guess, notations)) = &self.roles.time else {
            *out += "\n# Not found: when it happened. There are the notations rfc3339, clf, epoch_seconds, epoch_milliseconds,\n\
                     # day_first (30.11.2026 09:00), month_first, month_name, …\n\
                     # [[time]]\n# from = \"…\"\n# notation = \"rfc3339\"\n";
            return;
        };
        *out += &format!("\n# When it happened: {}.\n", guess.why);
        for notation in notations {
            let name = Notation::ALL.iter().find(|(known, _)| known == notation).map_or("rfc3339", |(_, name)| name);
            *out += &format!("[[time]]\nfrom = {}\nnotation = {}\n", quote(&self.column(guess).name), quote(name));
        }
    }

    fn fields(&self, out: &mut String) {
        *out += "\n[fields]\n";
        let mut lacking = String::new();
        for (field, what) in WANTED {
            let of_activity = self.roles.activity.as_ref().filter(|_| *field == Field::Code);
            let guess = self.roles.fields.iter().find(|(of, _)| of == field).map(|(_, guess)| guess).or(of_activity);
            match guess {
                Some(guess) => {
                    let column = self.column(guess);
                    let seconds = *field == Field::Duration && column.shapes.fractions > 0;
                    let from = if seconds { format!("{}|seconds", column.name) } else { column.name.clone() };
                    *out += &format!("# {what}: {}.\n{} = {}\n", guess.why, quote(field.path()), quote(&from));
                }
                None => lacking += &format!("# Not found: {what}.\n# {} = \"…\"\n", quote(field.path())),
            }
        }
        *out += &lacking;
    }

    fn outcome(&self, out: &mut String) {
        let Some((guess, ending)) = &self.roles.outcome else {
            return self.outcome_of_acts(out);
        };
        let column = self.column(guess);
        *out += &format!("\n# How it ended: {}.\n[outcome]\nfrom = {}\n", guess.why, quote(&column.name));
        match ending {
            Ending::Present => *out += "otherwise = \"failure\"\nabsent = \"success\"\n",
            Ending::Statuses => *out += "success = [\"2*\", \"3*\"]\nfailure = [\"4*\", \"5*\"]\n",
            Ending::Words { reversed } => {
                let of = |outcome| column.known.keys().filter(move |value| outcome_of(value, *reversed) == outcome);
                for outcome in [Outcome::Success, Outcome::Failure, Outcome::Unknown] {
                    let values: Vec<&str> = of(outcome).map(String::as_str).filter(|value| is_plain(value)).collect();
                    match outcome {
                        _ if values.is_empty() => {}
                        Outcome::Unknown => {
                            *out += &format!("# Of these nothing is guessed.\nunknown = {}\n", list(values))
                        }
                        outcome => *out += &format!("{} = {}\n", outcome.name(), list(values)),
                    }
                }
            }
        }
        self.cause(out);
    }

    /// Where no key says how it ended, the act's own name may.
    fn outcome_of_acts(&self, out: &mut String) {
        let acts = self.roles.activity.iter().flat_map(|guess| self.column(guess).known.keys());
        let failed: Vec<&str> = acts
            .filter(|act| outcome_of(act, false) == Outcome::Failure && is_plain(act))
            .map(String::as_str)
            .collect();
        match self.roles.activity.as_ref().filter(|_| !failed.is_empty()) {
            Some(guess) => {
                let from = quote(&self.column(guess).name);
                *out += &format!(
                    "\n# How it ended: no key of its own says so, and the names of some acts do.\n[outcome]\nfrom = {from}\n\
                     failure = {}\notherwise = \"success\"\n",
                    list(failed)
                );
                self.cause(out);
            }
            None => {
                *out += "\n# Not found: how it ended. Without it every outcome is unknown, and no refused login is seen.\n\
                         # [outcome]\n# from = \"…\"\n# success = [\"…\"]\n# failure = [\"…\"]\n";
            }
        }
    }

    fn cause(&self, out: &mut String) {
        *out += "\n# Why a login or second factor was refused, by the product's own codes. Without it each refused login is a wrong password,\n\
                 # which is wrong of sessions that expired and of sign-ins that go on with a second factor.\n\
                 # [cause]\n# from = \"…\"\n# wrong_password = [\"…\"]\n# expired = [\"…\"]\n# unfinished = [\"…\"]\n# forbidden = [\"…\"]\n# otherwise = \"other\"\n";
    }

    fn activity(&self, out: &mut String) {
        let Some(guess) = &self.roles.activity else {
            *out += "\n# Not found: the key that says what was done. Without rules every act is `other`, which no policy asks for.\n\
                     # [[activity]]\n# is = \"login\"\n# when = { KEY = [\"…\"] }\n";
            return;
        };
        let column = self.column(guess);
        // one that is called like a field of the event means itself
        let key = match Field::from_path(&column.name) {
            Some(_) => quote(&format!("raw:{}", column.name)),
            None => quote(&column.name),
        };
        let mut guessed: BTreeMap<Activity, Vec<&str>> = BTreeMap::new();
        let mut others = Vec::new();
        for (value, count) in column.known.iter().filter(|(value, _)| is_plain(value)) {
            match activity_of(value) {
                Some(activity) => guessed.entry(activity).or_default().push(value),
                None => others.push((value, count)),
            }
        }
        *out +=
            &format!("\n# What was done: {}. Guessed from the words of each; `*` stands for any text.\n", guess.why);
        for (activity, values) in guessed {
            *out +=
                &format!("[[activity]]\nis = {}\nwhen = {{ {key} = {} }}\n\n", quote(activity.name()), list(values));
        }
        if !others.is_empty() {
            let known: Vec<&str> = Activity::ALL.iter().map(|activity| activity.name()).collect();
            *out += &format!("# Of these nothing is guessed. There are: {}.\n", known.join(", "));
        }
        for (value, count) in others.iter().take(LISTED) {
            let records = if **count == 1 { "record".to_owned() } else { "records".to_owned() };
            *out += &format!(
                "# {count} {records}\n# [[activity]]\n# is = \"other\"\n# when = {{ {key} = {} }}\n",
                quote(value)
            );
        }
        if others.len() > LISTED {
            *out += &format!("# and {} more\n", others.len() - LISTED);
        }
    }
}

/// Whether the value is a pattern that means itself.
fn is_plain(value: &str) -> bool {
    !value.contains(['*', '{', '}'])
}
