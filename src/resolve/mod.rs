//! The customer's copy: joins what was exposed with the provider's own message logs, and lays the exact records into a folder for
//! each customer.
//!
//! An exposed export is a query: one customer account, a range of days, a kind of log. A row of a message log is exposed when one
//! of the queries would have returned it. Logs are CSV with a header, JSON lines, or JSON documents (a list
//! of rows, pages of an API), plain or compressed; they are streamed, and what is
//! found goes to disk at once, so that memory does not grow with them. An input that is done is remembered: a run that was ended
//! goes on with the next one. Nothing of all this enters the ledger.

mod elements;
mod moment;
mod numbers;
mod rows;
mod utf16;

use crate::incident::exposure::{Exposure, Extent};
use crate::model::{Millis, Text, json_shown};
use jiff::tz::TimeZone;
pub use moment::DateOrder;
pub use rows::Columns;
use rows::{Row, Rows};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What is asked of a message log by one exposed export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The export's id.
    pub export: String,
    /// The customer account.
    pub customer: Text,
    /// The kind of log, where the trail names one.
    pub kind: Option<Text>,
    /// The first day of the data, as days since 1970.
    pub first: i32,
    /// The last day of the data.
    pub last: i32,
    /// Records that left, as far as the trail counts them.
    pub records: Option<u64>,
    /// Whether all of it left. Of a part, nobody knows which records it was: all of them are in the copy.
    pub extent: Extent,
}

/// The queries of what left, and the exports of which the trail does not say enough to ask.
pub fn queries(exposure: &Exposure) -> (Vec<Query>, Vec<String>) {
    let (mut queries, mut unknown) = (Vec::new(), Vec::new());
    for (id, row) in exposure.exports.iter().filter(|(_, row)| row.downloads > 0) {
        match (&row.customer, row.days) {
            (Some(customer), Some((first, last))) => queries.push(Query {
                export: id.clone(),
                customer: customer.clone(),
                kind: row.kind.clone(),
                first,
                last,
                records: row.records(),
                extent: row.extent(),
            }),
            _ => unknown.push(id.clone()),
        }
    }
    (queries, unknown)
}

/// What was asked, and what came of it: the manifest of the whole folder, and the memory of a run that was ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The incident.
    pub incident: String,
    /// In whose zone the days of the queries begin (an IANA name).
    pub time_zone: String,
    /// The exposed exports.
    pub queries: Vec<Query>,
    /// Exports of which the trail does not say whose or which days: nothing can be looked up for them.
    pub not_answerable: Vec<String>,
    /// The message logs that were read, with what was found.
    pub inputs: BTreeMap<String, Input>,
    /// What each customer is to be handed over, by account.
    pub customers: BTreeMap<Text, Customer>,
}

impl Manifest {
    /// What is to be asked for an incident, and nothing found yet.
    pub fn asked(incident: String, time_zone: &str, exposure: &Exposure) -> Manifest {
        let (queries, not_answerable) = queries(exposure);
        Manifest { incident, time_zone: time_zone.to_owned(), queries, not_answerable, ..Manifest::default() }
    }
}

/// One message log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its size in bytes when it was read.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Rows of which account or time can't be read: they are in no copy.
    pub unreadable: u64,
    /// Rows that were exposed, by customer.
    pub exposed: BTreeMap<Text, u64>,
    /// Its rows state no kind, so that kinds were not compared.
    pub without_kind: bool,
    /// Its rows have no number, so that no numbers were collected.
    pub without_number: bool,
    /// Accounts of which it has no row, with how it spells one that differs in upper and lower case alone: that may be another
    /// customer, so that its rows are in no copy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spelled: BTreeMap<Text, Text>,
}

/// One customer's copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The folder's name.
    pub folder: String,
    /// Exposed records.
    pub records: u64,
    /// Different numbers in them.
    pub numbers: u64,
    /// SHA-256 of each file, in hexadecimal.
    pub files: BTreeMap<String, String>,
}

/// Where the manifest lies.
pub const MANIFEST: &str = "manifest.json";
/// Where the numbers of a customer lie, one a line, sorted, each once.
pub const NUMBERS: &str = "numbers.txt";
/// Where what is not finished lies, and numbers wait to be sorted: nothing of it is for a customer.
const WORK: &str = ".work";

/// Why it can't go on: what was being done, and why that failed.
#[derive(Debug)]
pub enum ResolveError {
    /// It can't be done.
    Failed(String),
    /// Nothing of a message log can be read.
    Unread(String),
}

impl std::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ResolveError::Failed(said) | ResolveError::Unread(said) => f.write_str(said),
        }
    }
}

impl std::error::Error for ResolveError {}

fn failed(what: &Path) -> impl FnOnce(std::io::Error) -> ResolveError {
    move |e| ResolveError::Failed(format!("{}: {e}", what.display()))
}

/// A run into one folder.
pub struct Resolve {
    out: PathBuf,
    zone: TimeZone,
    columns: Columns,
    /// What was asked, and has been found so far.
    pub manifest: Manifest,
}

impl Resolve {
    /// A run into `out`, which goes on with what an earlier one of the same queries left there.
    ///
    /// # Errors
    /// The folder can't be made, or holds the copy of other queries.
    pub fn begin(out: &Path, zone: TimeZone, columns: Columns, asked: Manifest) -> Result<Resolve, ResolveError> {
        use std::os::unix::fs::DirBuilderExt;
        // personal data of the customers' people: for whoever runs this, and nobody else
        fs::DirBuilder::new().recursive(true).mode(0o700).create(out).map_err(failed(out))?;
        let path = out.join(MANIFEST);
        let manifest = match fs::read(&path) {
            Ok(bytes) => {
                let before: Manifest = serde_json::from_slice(&bytes)
                    .map_err(|e| ResolveError::Failed(format!("{}: {e}: name another folder", path.display())))?;
                if (&before.queries, &before.time_zone) != (&asked.queries, &asked.time_zone) {
                    return Err(ResolveError::Failed(format!(
                        "{}: holds the copy of other queries (the incident has grown since?): name another folder",
                        out.display()
                    )));
                }
                before
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => asked,
            Err(e) => return Err(failed(&path)(e)),
        };
        Ok(Resolve { out: out.to_owned(), zone, columns, manifest })
    }

    /// Looks through one message log, unless that was done before. `progress` is told of bytes as they are read.
    ///
    /// # Errors
    /// It can't be read, its columns are not found, no row of it can be read, or the copy can't be written.
    pub fn input(&mut self, path: &Path, progress: &mut dyn FnMut(u64)) -> Result<(), ResolveError> {
        let size = fs::metadata(path).map_err(failed(path))?.len();
        let name = path.to_string_lossy().into_owned();
        if self.manifest.inputs.get(&name).is_some_and(|done| done.bytes == size) {
            progress(size);
            return Ok(());
        }
        let mut rows = Rows::open(path, &self.columns)?;
        let mut found = Input { bytes: size, ..Input::default() };
        let mut copies = Copies::new(&self.out, path, self.manifest.inputs.len(), &rows);
        let by_customer: BTreeMap<&str, Vec<&Query>> = {
            let mut map: BTreeMap<&str, Vec<&Query>> = BTreeMap::new();
            self.manifest.queries.iter().for_each(|query| map.entry(&query.customer).or_default().push(query));
            map
        };
        let by_plain: BTreeMap<String, &Text> =
            self.manifest.queries.iter().map(|query| (query.customer.trim().to_lowercase(), &query.customer)).collect();
        let mut read = 0;
        while let Some(row) = rows.next()? {
            let now = row.read;
            found.rows += 1;
            if found.rows.is_multiple_of(8192) {
                progress(now.saturating_sub(read));
                read = now;
            }
            let (Some(account), Some(day)) = (row.account, row.day(&self.zone)) else {
                found.unreadable += 1;
                continue;
            };
            let Some(queries) = by_customer.get(account) else {
                let asked =
                    by_plain.get(&account.trim().to_lowercase()).filter(|asked| !found.spelled.contains_key(**asked));
                let is_asked = |asked: &&Text| by_customer[asked.as_str()].iter().any(|query| query.returns(&row, day));
                found.spelled.extend(asked.copied().filter(is_asked).map(|asked| (asked.clone(), account.into())));
                continue;
            };
            if queries.iter().any(|query| query.returns(&row, day)) {
                *found.exposed.entry(account.into()).or_default() += 1;
                copies.add(&row, account)?;
            }
        }
        progress(size.saturating_sub(read));
        (found.without_kind, found.without_number) = rows.lacks();
        if found.unreadable == found.rows {
            return Err(ResolveError::Unread(rows.unread(&found)));
        }
        found.spelled.retain(|asked, _| !found.exposed.contains_key(asked));
        if let (Some((asked, is)), true) = (found.spelled.first_key_value(), found.exposed.is_empty()) {
            return Err(ResolveError::Unread(format!(
                "{}: none of its {} rows is of what left, but it has {:?} where the trail says {:?}: if they are one customer, let \
                 the log spell it as the trail does",
                path.display(),
                found.rows,
                is.as_str(),
                asked.as_str()
            )));
        }
        copies.finish()?;
        self.manifest.inputs.insert(name, found);
        self.save()
    }

    /// Sorts the numbers, reckons the digests, and writes the manifests.
    ///
    /// # Errors
    /// The copy can't be read or written.
    pub fn finish(&mut self) -> Result<(), ResolveError> {
        let mut records: BTreeMap<Text, u64> = BTreeMap::new();
        for input in self.manifest.inputs.values() {
            input.exposed.iter().for_each(|(account, n)| *records.entry(account.clone()).or_default() += n);
        }
        let exposed: BTreeSet<&Text> = self.manifest.queries.iter().map(|query| &query.customer).collect();
        for account in exposed {
            let folder = folder_of(account);
            let dir = self.out.join(&folder);
            let mut customer =
                Customer { folder, records: records.get(account).copied().unwrap_or(0), ..Customer::default() };
            if dir.is_dir() {
                let work = self.out.join(WORK).join(&customer.folder);
                customer.numbers = numbers::sort(&work, &dir.join(NUMBERS))?;
                let mut files: Vec<PathBuf> = fs::read_dir(&dir)
                    .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
                    .map_err(failed(&dir))?;
                files.sort();
                for file in files {
                    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    if name != MANIFEST {
                        customer.files.insert(name, digest(&file)?);
                    }
                }
                let queries: Vec<&Query> = self.manifest.queries.iter().filter(|q| q.customer == *account).collect();
                let own = serde_json::json!({"customer": account, "copy": customer, "queries": queries, "time_zone": self.manifest.time_zone});
                write_json(&dir.join(MANIFEST), &own)?;
            }
            self.manifest.customers.insert(account.clone(), customer);
        }
        self.save()
    }

    fn save(&self) -> Result<(), ResolveError> {
        write_json(&self.out.join(MANIFEST), &self.manifest)
    }
}

impl Query {
    fn returns(&self, row: &Row<'_>, day: i32) -> bool {
        let kind = match (&self.kind, row.kind) {
            (Some(asked), Some(is)) => asked.eq_ignore_ascii_case(is),
            _ => true,
        };
        kind && (self.first..=self.last).contains(&day)
    }
}

/// The copies that one input is written into: a file for each customer, whole or not there.
struct Copies<'a> {
    out: &'a Path,
    name: String,
    head: Vec<u8>,
    open: BTreeMap<String, Copy>,
}

struct Copy {
    part: PathBuf,
    whole: PathBuf,
    records: BufWriter<File>,
    numbers: BufWriter<File>,
    unsorted: PathBuf,
}

impl<'a> Copies<'a> {
    fn new(out: &'a Path, input: &Path, number: usize, rows: &Rows) -> Copies<'a> {
        let stem = input.file_name().unwrap_or_default().to_string_lossy();
        let stem = stem.trim_end_matches(".gz").trim_end_matches(".zst");
        // two inputs of the same name in two folders are two files here
        Copies { out, name: folder_of(&format!("{number:04}-{stem}")), head: rows.head(), open: BTreeMap::new() }
    }

    fn add(&mut self, row: &Row<'_>, account: &str) -> Result<(), ResolveError> {
        if !self.open.contains_key(account) {
            let copy = self.begin(account)?;
            self.open.insert(account.to_owned(), copy);
        }
        let Some(copy) = self.open.get_mut(account) else { return Ok(()) };
        copy.records.write_all(row.line).map_err(failed(&copy.part))?;
        if let Some(number) = row.number.filter(|number| !number.contains(['\n', '\r'])) {
            let line = copy.numbers.write_all(number.as_bytes()).and_then(|()| copy.numbers.write_all(b"\n"));
            line.map_err(failed(&copy.unsorted))?;
        }
        Ok(())
    }

    fn begin(&self, account: &str) -> Result<Copy, ResolveError> {
        let folder = folder_of(account);
        let (dir, work) = (self.out.join(&folder), self.out.join(WORK).join(&folder));
        for dir in [&dir, &work] {
            fs::create_dir_all(dir).map_err(failed(dir))?;
        }
        let part = work.join(format!("{}.part", self.name));
        let unsorted = work.join(format!("{}.{NUMBERS}", self.name));
        let mut records = BufWriter::new(File::create(&part).map_err(failed(&part))?);
        records.write_all(&self.head).map_err(failed(&part))?;
        let numbers = BufWriter::new(File::create(&unsorted).map_err(failed(&unsorted))?);
        Ok(Copy { whole: dir.join(&self.name), part, records, numbers, unsorted })
    }

    fn finish(self) -> Result<(), ResolveError> {
        for (_, mut copy) in self.open {
            copy.records.flush().and_then(|()| copy.records.get_ref().sync_data()).map_err(failed(&copy.part))?;
            copy.numbers.flush().map_err(failed(&copy.unsorted))?;
            fs::rename(&copy.part, &copy.whole).map_err(failed(&copy.whole))?;
        }
        Ok(())
    }
}

/// The longest name of a folder, in bytes: file systems take 255.
const FOLDER_BYTES: usize = 200;

/// A file's or folder's name for what may be any text: two texts, two names.
pub fn folder_of(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    let mut name = String::new();
    for (n, byte) in text.bytes().enumerate() {
        match plain(&byte) && !(n == 0 && byte == b'.') {
            true => name.push(byte as char),
            false => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    match name.len() > FOLDER_BYTES {
        // two that begin alike are two
        true => {
            let whole = crate::model::Digest::of(text.as_bytes()).to_string();
            format!("{}-{}", crate::model::cut(&name, FOLDER_BYTES - 33), &whole[..32])
        }
        false => name,
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ResolveError> {
    let part = path.with_extension("json.part");
    let text =
        serde_json::to_string_pretty(value).map_err(|e| ResolveError::Failed(format!("{}: {e}", path.display())))?;
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&part)?;
        file.write_all(json_shown(&text).as_bytes())?;
        file.sync_data()?;
        fs::rename(&part, path)
    };
    write().map_err(failed(path))
}

fn digest(path: &Path) -> Result<String, ResolveError> {
    use std::io::Read;
    let mut file = File::open(path).map_err(failed(path))?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut bytes = vec![0; 1 << 20];
    loop {
        match file.read(&mut bytes).map_err(failed(path))? {
            0 => return Ok(crate::model::id::hex(context.finish().as_ref())),
            n => context.update(&bytes[..n]),
        }
    }
}

/// The day of a moment in that zone, as days since 1970.
fn day_of(ms: i64, zone: &TimeZone) -> Option<i32> {
    if *zone == TimeZone::UTC {
        return i32::try_from(ms.div_euclid(Millis::DAY.0)).ok();
    }
    let offset = zone.to_offset(jiff::Timestamp::from_millisecond(ms).ok()?);
    i32::try_from((ms + i64::from(offset.seconds()) * 1000).div_euclid(Millis::DAY.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_two_folders_however_long_they_are() {
        let long = "Общество с ограниченной ответственностью ".repeat(3);
        let names: Vec<String> =
            ["", ".", "..", "a/b", "AC1", &format!("{long}1"), &format!("{long}2")].map(folder_of).to_vec();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for name in names {
            assert!(name.len() <= FOLDER_BYTES && !name.contains('/') && !name.starts_with('.'), "{name}");
        }
    }

    /// What comes of one log that a query for AC1, 4 March 2026, is looked up in: records and unreadable rows, or what is wrong.
    fn looked_up(log: &[u8], order: Option<DateOrder>) -> Result<(u64, Input), String> {
        let dir = tempfile::tempdir().unwrap();
        let (file, out) = (dir.path().join("m.csv"), dir.path().join("out"));
        fs::write(&file, log).unwrap();
        let day = 20_516;
        let query = Query {
            export: "ex-1".into(),
            customer: "AC1".into(),
            kind: None,
            first: day,
            last: day,
            records: None,
            extent: Extent::Whole,
        };
        let asked = Manifest { queries: vec![query], time_zone: "UTC".into(), ..Manifest::default() };
        let columns = Columns { order, ..Columns::default() };
        let mut run = Resolve::begin(&out, TimeZone::UTC, columns, asked).unwrap();
        match run.input(&file, &mut |_| {}) {
            Ok(()) => {}
            Err(ResolveError::Unread(said)) => return Err(said),
            Err(other) => panic!("{other}"),
        }
        run.finish().unwrap();
        let input = run.manifest.inputs.values().next().unwrap().clone();
        Ok((run.manifest.customers["AC1"].records, input))
    }

    #[test]
    fn a_log_is_read_however_its_console_writes_times_and_separators() {
        let utf16 = |text: &str| -> Vec<u8> {
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
        };
        for log in [
            "account,date_sent,to,type\nAC1,\"Wed, 04 Mar 2026 14:03:22 +0000\",+1,sms\n".as_bytes().to_vec(),
            "\u{feff}Account SID;Date Sent;To;Type\r\nAC1;04/03/2026 14:03;+1;sms\r\nAC1;30/03/2026 14:03;+2;sms\r\n"
                .into(),
            "AccountSid\tSentDate\tTo\nAC1\t04.03.2026 14:03\t+1\n".into(),
            "account|date_sent|to\nAC1|3/4/2026 2:03 PM|+1\nAC1|3/30/2026 2:03 PM|+2\n".into(),
            "account,date_sent\nAC1,1772633002\n".into(),
            "account,date_sent\nAC1,1772633002.000\nAC1,20260305100000\n".into(),
            "account,date_sent\nAC1,2026-03-04\n".into(),
            utf16("account,date_sent,to\nAC1,2026-03-04 14:03:22,+1\n"),
            "\u{feff}{\"AccountSid\":\"AC1\",\"DateSent\":\"Wed, 04 Mar 2026 14:03:22 +0000\"}\n".into(),
            "{\"page\": 0, \"messages\": [{\"account_sid\": \"AC1\", \"date_sent\": \"Wed, 04 Mar 2026 14:03:22 +0000\", \"to\": \"+1\"}], \"next\": null}"
                .into(),
            "[\n {\n  \"Account Sid\": \"AC1\",\n  \"Date Sent\": \"2026-03-04T14:03:22Z\"\n }\n]\n".into(),
        ] {
            let (records, input) = looked_up(&log, None).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((records, input.unreadable), (1, 0), "{}", String::from_utf8_lossy(&log));
        }
        let latin1 = b"account,date_sent,to,note\nAC1,2026-03-04,+1,M\xfcller\n";
        assert_eq!(looked_up(latin1, None).unwrap().0, 1);
    }

    #[test]
    fn dates_that_may_mean_two_days_are_not_read_before_somebody_says_which() {
        let log = b"account,date_sent\nAC1,03/04/2026\nAC1,04/03/2026\nAC1,04/05/2026\n";
        let said = looked_up(log, None).unwrap_err();
        assert!(said.contains("--date-order") && said.contains("no row of it says"), "{said}");
        for order in [DateOrder::DayFirst, DateOrder::MonthFirst] {
            assert_eq!(looked_up(log, Some(order)).unwrap().0, 1);
        }
        let both = b"account,date_sent\nAC1,13/03/2026\nAC1,03/13/2026\n";
        assert!(looked_up(both, None).unwrap_err().contains("some the month"));
        let (records, input) = looked_up(both, Some(DateOrder::DayFirst)).unwrap();
        assert_eq!((records, input.unreadable), (0, 1));
    }

    #[test]
    fn a_log_of_which_no_row_can_be_read_is_an_error() {
        for log in [
            "account,date_sent\nAC1,yesterday\n",
            "account,date_sent\n",
            "account,date_sent\nAC1,7\nAC1,99999999999999\n",
            "{\"account\":\"AC1\"}\n",
            "nothing\n",
            "",
        ] {
            assert!(looked_up(log.as_bytes(), None).is_err(), "{log}");
        }
        // one that can be read is enough, and the others are counted
        let (records, input) = looked_up(b"account,date_sent\nAC1,yesterday\nAC1,2026-03-04\n", None).unwrap();
        assert_eq!((records, input.unreadable), (1, 1));
    }

    #[test]
    fn an_account_in_other_letters_is_told_and_not_taken_for_the_one_that_was_asked_for() {
        let said = looked_up(b"account,date_sent\nAc1,2026-03-04\nAC2,2026-03-04\n", None).unwrap_err();
        assert!(said.contains("\"Ac1\"") && said.contains("\"AC1\""), "{said}");
        // beside the account itself it is another one, and so it is on another day
        let (records, input) = looked_up(b"account,date_sent\nac1,2026-03-04\nAC1,2026-03-04\n", None).unwrap();
        assert_eq!((records, input.spelled.len()), (1, 0));
        assert_eq!(looked_up(b"account,date_sent\nac1,2026-03-05\n", None).unwrap().0, 0);
    }

    #[test]
    fn the_copy_of_a_document_has_a_row_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("page.json");
        fs::write(&file, "[{\n\"account\": \"AC1\",\n\"time\": \"2026-03-04\"},\n{\"account\": \"AC1\", \"time\": 1}]")
            .unwrap();
        let mut rows = Rows::open(&file, &Columns::default()).unwrap();
        let row = rows.next().unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(row.line), "{ \"account\": \"AC1\", \"time\": \"2026-03-04\"}\n");
        assert!(rows.next().unwrap().is_some() && rows.next().unwrap().is_none());
    }

    #[test]
    fn of_an_empty_log_it_is_said_that_nothing_is_in_it() {
        for log in ["", "\n\r\n", "\u{feff}"] {
            let said = looked_up(log.as_bytes(), None).unwrap_err();
            assert!(said.contains("there is nothing in it"), "{said}");
        }
        for log in ["[]", "{\"messages\": [], \"page\": 0}", "account,date_sent\n"] {
            let said = looked_up(log.as_bytes(), None).unwrap_err();
            assert!(said.contains("it has no rows"), "{said}");
        }
    }

    #[test]
    fn json_without_numbers_and_kinds_says_so_as_csv_does() {
        let json = br#"{"Account":"AC1","Time":"2026-03-04"}"#;
        let (_, input) = looked_up(json, None).unwrap();
        assert!(input.without_kind && input.without_number);
        let json = br#"{"account":"AC1","time":"2026-03-04","MSISDN":"+1","Kind":"sms"}"#;
        let (_, input) = looked_up(json, None).unwrap();
        assert!(!input.without_kind && !input.without_number);
    }
}
