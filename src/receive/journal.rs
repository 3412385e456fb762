//! Follows the systemd journal through `journalctl`, whose own reader knows every version of its files.
use super::sockets::Ended;
use super::standing::Standing;
use super::{Queue, Taken};
use crate::config::written::Start;
use crate::model::limits::FRAME_BYTES;
use crate::model::{FrameFlags, Shown, WallTime};
use crate::source::MACHINE_ID;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

const PROGRAM: &str = "/usr/bin/journalctl";
/// How long to wait before it is started again after it ended.
const PAUSE: Duration = Duration::from_secs(1);
/// After it had to wait for so long it is started again: files that came and went meanwhile it would not see, nor miss.
const STALE: Duration = Duration::from_secs(60);
/// After so long without an entry it is started again: one that hangs, or whose files may not be read any more, prints nothing either.
const IDLE: Duration = Duration::from_secs(60);
/// A question to it is answered within this.
const ANSWERS: Duration = Duration::from_secs(20);
/// One that has not ended for so long reads the journal.
const SETTLED: Duration = Duration::from_secs(3);
/// What the journal is called where it is told that it can't be read.
const JOURNAL: &str = "journal";
/// The longest entry, in bytes of its JSON: the longest message, each of its bytes as a number.
const ENTRY_BYTES: u64 = 8 * FRAME_BYTES as u64;

/// What one trail takes from the journal.
pub(super) struct Journal {
    /// Units, or matches of fields; an entry that fits one of them is taken.
    pub units: Vec<String>,
    /// The cursor of the last entry that was taken: it goes on behind that.
    pub mark: Option<String>,
    /// Where it begins without one.
    pub start: Start,
    /// Where the journal lies, if it is not this machine's own.
    pub directory: Option<PathBuf>,
    /// Where the entries go.
    pub to: Queue,
    /// Where it is said that nothing can be read.
    pub standing: Arc<Standing>,
}

/// Why journalctl prints no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is to be begun anew, as now and then.
    Anew,
    /// It ended by itself.
    Itself,
    /// The spool takes no more.
    NotWanted,
}

/// One entry, as `--output=json` prints it.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "__CURSOR", borrow)]
    cursor: std::borrow::Cow<'a, str>,
    /// Microseconds since 1970, when journald received it.
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow)]
    received: std::borrow::Cow<'a, str>,
    #[serde(rename = "MESSAGE")]
    message: Option<Message>,
    #[serde(rename = "_SYSTEMD_UNIT")]
    unit: Option<Message>,
}

/// The value of a field: what is no UTF-8 is a list of its bytes, and a field that an entry has several times a list of values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
    Several(Vec<Message>),
    Absent(()),
}

impl Message {
    fn bytes(self) -> Vec<u8> {
        match self {
            Message::Text(text) => text.into_bytes(),
            Message::Bytes(bytes) => bytes,
            Message::Several(values) => values.into_iter().next().map(Message::bytes).unwrap_or_default(),
            Message::Absent(()) => Vec::new(),
        }
    }
}

impl Journal {
    /// Follows until the spool takes no more.
    pub async fn follow(mut self) -> Ended {
        loop {
            let why = match self.once().await {
                Ok((End::NotWanted, _)) => return Ok(()),
                Ok((End::Anew, _)) => continue,
                Ok((End::Itself, said)) => format!("journalctl ended: {said}"),
                Err(e) => e.to_string(),
            };
            tracing::warn!("the journal for {}: {}; tried again", self.units.join(", "), Shown(&why));
            self.standing.wrong(JOURNAL, &why);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows with one journalctl, and says why that ended and what it complained of.
    async fn once(&mut self) -> std::io::Result<(End, String)> {
        let newest = self.newest().await?;
        if self.mark.is_none() && self.start == Start::End {
            // kept before anything that comes, so that what comes while nobody receives is not left out
            self.mark = Some(newest.clone());
            if !self.to.send(Taken::mark(newest.clone())).await {
                return Ok((End::NotWanted, String::new()));
            }
        }
        let (mut child, before) = (self.start()?, self.mark.clone());
        let ended = self.entries(&mut child).await;
        let said = end(child).await;
        let ended = ended?;
        // it has printed all up to there that is ours: where that is nothing for long, the last of ours may be vacuumed unmissed
        if ended == End::Anew && self.mark == before && self.mark.as_ref() != Some(&newest) {
            self.mark = Some(newest.clone());
            if !self.to.send(Taken::mark(newest)).await {
                return Ok((End::NotWanted, said));
            }
        }
        Ok((ended, said))
    }

    /// The cursor of the newest entry, of whatever unit. journalctl prints nothing where it may read nothing, as where there is
    /// nothing; and a machine that has booted has a journal.
    async fn newest(&self) -> std::io::Result<String> {
        let mut command = self.command(&[]);
        command.arg("--lines=1");
        let (line, said) = first_line(command).await?;
        entry(&line).and_then(|taken| taken.mark).ok_or_else(|| {
            let help = "is the user that this runs as in group systemd-journal, and is there a journal?";
            std::io::Error::other(format!("no entry can be read: {help} ({said})"))
        })
    }

    fn start(&self) -> std::io::Result<Child> {
        let mut command = self.command(&self.units);
        command.args(["--follow", "--no-tail"]);
        // from the last entry on, so that it shows whether that is still there
        command.args(self.mark.iter().map(|cursor| format!("--cursor={cursor}")));
        spawn(command)
    }

    fn command(&self, units: &[String]) -> Command {
        let mut command = Command::new(PROGRAM);
        // `--merge`: without it `--follow` shows the current boot alone, whose name it asks of a file that the unit hides
        command.args(["--output=json", "--all", "--no-pager", "--quiet", "--merge"]);
        let directory = self.directory.as_deref();
        // merged are the journals of all machines that lie there: of its own folder only what this one wrote is meant
        let machine = std::fs::read_to_string(MACHINE_ID).ok().filter(|_| directory.is_none());
        let machine = machine.as_deref().map(str::trim);
        command.args(Arguments { units, directory, files: &[], machine }.list());
        command
    }

    /// Whether the journal still holds that entry, of whatever unit: another one may be followed since.
    async fn holds(&self, cursor: &str) -> std::io::Result<bool> {
        let mut command = self.command(&[]);
        command.arg(format!("--cursor={cursor}")).arg("--no-tail");
        let (line, _) = first_line(command).await?;
        Ok(entry(&line).and_then(|taken| taken.mark).is_some_and(|mark| is_same(&mark, cursor)))
    }

    /// Hands on what it prints behind the last entry. What then comes first is marked where that entry is gone, for files of the journal
    /// are deleted whole.
    async fn entries(&mut self, child: &mut Child) -> std::io::Result<End> {
        let Some(out) = child.stdout.take() else { return Ok(End::Itself) };
        let mut lines = BufReader::with_capacity(64 << 10, out);
        let mut line = Vec::new();
        let last = self.mark.clone();
        let mut is_first = last.is_some();
        let mut patience = SETTLED;
        loop {
            line.clear();
            loop {
                let mut bounded = (&mut lines).take(ENTRY_BYTES);
                match tokio::time::timeout(patience, bounded.read_until(b'\n', &mut line)).await {
                    Ok(read) => {
                        read?;
                        break;
                    }
                    // what was read of a line stays in it
                    Err(_) if patience == SETTLED => patience = IDLE,
                    Err(_) => return Ok(End::Anew),
                }
                self.standing.well(JOURNAL);
            }
            if line.is_empty() {
                return Ok(End::Itself);
            }
            let Some(mut taken) = entry(&line) else {
                // its messages are bounded by journald: what is longer is no entry of this version
                tracing::warn!("journalctl printed {} bytes that are no entry: they are left out", line.len());
                continue;
            };
            self.standing.well(JOURNAL);
            let is_last = last.as_deref().zip(taken.mark.as_deref()).is_some_and(|(last, this)| is_same(last, this));
            if is_last || taken.payload.is_empty() {
                is_first &= !is_last;
                continue;
            }
            if let Some(last) = last.as_deref().filter(|_| std::mem::take(&mut is_first)) {
                taken.flags.after_loss = !self.holds(last).await?;
            }
            self.mark.clone_from(&taken.mark);
            let begun = tokio::time::Instant::now();
            if !self.to.send(taken).await {
                return Ok(End::NotWanted);
            }
            if begun.elapsed() > STALE {
                return Ok(End::Anew);
            }
        }
    }
}

/// The first line that it prints, without the fields of an entry that have no bound, and what it complains of.
async fn first_line(mut command: Command) -> std::io::Result<(Vec<u8>, String)> {
    // the cursor and the times are printed all the same
    command.arg("--output-fields=_BOOT_ID");
    let mut child = spawn(command)?;
    let mut line = Vec::new();
    if let Some(out) = child.stdout.take() {
        let mut lines = BufReader::new(out.take(ENTRY_BYTES));
        let read = tokio::time::timeout(ANSWERS, lines.read_until(b'\n', &mut line)).await;
        read.map_err(|_| std::io::Error::other(format!("journalctl says nothing for {} s", ANSWERS.as_secs())))??;
    }
    Ok((line, end(child).await))
}

fn spawn(mut command: Command) -> std::io::Result<Child> {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().map_err(|e| std::io::Error::new(e.kind(), format!("starting {PROGRAM}: {e}")))
}

/// Whether two cursors are of one entry. Copied from memory to disk it has another place in another file; the boot, the times and the
/// hash of what it says stay.
fn is_same(one: &str, other: &str) -> bool {
    let stays = |cursor: &str| cursor.find(";b=").unwrap_or(0);
    one[stays(one)..] == other[stays(other)..]
}

/// Lays what a trail takes from these journal files into a new spool file, for a replay. Returns how many entries.
///
/// # Errors
/// journalctl can't be started, does not read the files, or the spool can't be written.
pub fn from_files(units: Vec<String>, files: &[PathBuf], spool: &std::path::Path) -> std::io::Result<u64> {
    use std::io::{BufRead, Write};
    let journal = Arguments { units: &units, directory: None, files, machine: None };
    let mut child = std::process::Command::new(PROGRAM)
        .args(["--output=json", "--all", "--no-pager", "--quiet"])
        .args(journal.list())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = std::io::BufWriter::new(std::fs::File::create(spool)?);
    let mut lines = std::io::BufReader::new(child.stdout.take().ok_or_else(|| std::io::Error::other("no output"))?);
    let (mut line, mut bytes, mut count) = (Vec::new(), Vec::new(), 0);
    while std::io::Read::take(&mut lines, ENTRY_BYTES).read_until(b'\n', &mut line)? > 0 {
        if record(&line, &mut bytes) {
            out.write_all(&bytes)?;
            count += 1;
        }
        line.clear();
        bytes.clear();
    }
    out.flush()?;
    match child.wait()? {
        status if status.success() => Ok(count),
        status => Err(std::io::Error::other(format!("journalctl: {status}"))),
    }
}

/// What journalctl is told about which entries.
struct Arguments<'a> {
    units: &'a [String],
    directory: Option<&'a std::path::Path>,
    files: &'a [PathBuf],
    /// The machine that wrote them, where it matters.
    machine: Option<&'a str>,
}

impl Arguments<'_> {
    fn list(&self) -> Vec<std::ffi::OsString> {
        let option = |name: &str, path: &std::path::Path| {
            let mut option = std::ffi::OsString::from(name);
            option.push(path);
            option
        };
        let mut list: Vec<_> = self.directory.map(|directory| option("--directory=", directory)).into_iter().collect();
        list.extend(self.files.iter().map(|file| option("--file=", file)));
        let machine = self.machine.map(|id| format!("_MACHINE_ID={id}"));
        for (n, unit) in self.units.iter().enumerate() {
            if n > 0 {
                list.push("+".into());
            }
            // a match of its own, for `--unit` and other matches do not add up
            list.push(if unit.contains('=') { unit.into() } else { format!("_SYSTEMD_UNIT={unit}").into() });
            // both must fit, on each side of the `+`
            list.extend(machine.iter().map(Into::into));
        }
        if self.units.is_empty() {
            list.extend(machine.iter().map(Into::into));
        }
        list
    }
}

/// Appends the record of a spool file that an entry, as `--output=json` prints it, becomes; whether it is one.
pub fn record(line: &[u8], out: &mut Vec<u8>) -> bool {
    entry(line).map(|taken| taken.write(out)).is_some()
}

fn entry(line: &[u8]) -> Option<Taken> {
    let entry: Entry<'_> = serde_json::from_slice(line).ok()?;
    let mut payload = entry.message.map(Message::bytes).unwrap_or_default();
    let clipped = payload.len() > FRAME_BYTES;
    payload.truncate(FRAME_BYTES);
    let unit = entry.unit.map(Message::bytes).unwrap_or_default();
    let micros: i64 = entry.received.parse().ok()?;
    Some(Taken {
        received: WallTime(micros / 1000),
        sender: format!("journal:{}", String::from_utf8_lossy(&unit)).into(),
        flags: FrameFlags { clipped, ..FrameFlags::default() },
        payload,
        mark: Some(entry.cursor.into_owned()),
        room: None,
    })
}

/// Ends it, and says what it complained of.
async fn end(mut child: Child) -> String {
    let mut said = Vec::new();
    let _ = child.start_kill();
    if let Some(err) = child.stderr.take() {
        let mut err = err.take(1024);
        let _ = tokio::time::timeout(PAUSE, err.read_to_end(&mut said)).await;
    }
    let status = child.wait().await;
    let status = status.map_or_else(|e| e.to_string(), |status| status.to_string());
    format!("{status} {}", String::from_utf8_lossy(&said).trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::Sender;

    #[test]
    fn an_entry_is_read_whatever_its_message_is() {
        for (message, is) in [
            (r#""{\"a\":1}""#, &b"{\"a\":1}"[..]),
            ("[255,10,65]", b"\xff\nA"),
            (r#"["first","second"]"#, b"first"),
            ("null", b""),
        ] {
            let line = format!(
                r#"{{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1764235000123456","MESSAGE":{message},"_SYSTEMD_UNIT":"portal.service","X":3}}"#
            );
            let taken = entry(line.as_bytes()).unwrap();
            assert_eq!(taken.payload, is, "{message}");
            assert_eq!((&*taken.sender, taken.received.0), ("journal:portal.service", 1_764_235_000_123));
            assert_eq!(taken.mark.as_deref(), Some("s=1;i=2"));
        }
        assert!(entry(b"Hint: you are not in the right group").is_none());
    }

    #[test]
    fn an_entry_is_the_same_wherever_it_lies() {
        let entry = "s=0a;i=4f;b=7b;m=1c;t=66;x=ac";
        assert!(is_same(entry, "s=0b;i=1;b=7b;m=1c;t=66;x=ac"), "copied to disk");
        assert!(!is_same(entry, "s=0a;i=4f;b=7b;m=1c;t=66;x=ad"), "of the same moment, and says something else");
        assert!(!is_same(entry, "s=0a;i=4f;b=7c;m=1c;t=66;x=ac") && !is_same("s=0a;i=4f", "s=0a;i=50"));
    }

    /// Appends entries to a journal, by systemd's own program.
    fn journal(dir: &std::path::Path, entries: std::ops::RangeInclusive<u64>) -> bool {
        let program = "/lib/systemd/systemd-journal-remote";
        if !std::path::Path::new(program).exists() {
            crate::skip::skip("systemd-journal-remote is not there");
            return false;
        }
        let entry = |n: u64| {
            format!(
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={n}\n_BOOT_ID=7b1ac8a0a3e54cb9a6a2d2a2b9f3c001\n\
                 _SYSTEMD_UNIT=portal.service\nMESSAGE=entry {n}\n\n",
                1_764_235_000_000_000 + n
            )
        };
        let export = dir.join("export");
        std::fs::write(&export, entries.map(entry).collect::<String>()).unwrap();
        let output = format!("--output={}/remote.journal", dir.display());
        std::process::Command::new(program).arg(output).arg(&export).status().unwrap().success()
    }

    fn reading(dir: &std::path::Path, start: Start, to: Sender<Taken>) -> Journal {
        let standing = Arc::new(Standing::new(dir, "test"));
        let directory = Some(dir.to_owned());
        let to = Queue::new(to);
        Journal { units: vec!["portal.service".into()], mark: None, start, directory, to, standing }
    }

    fn said(taken: &[Taken]) -> Vec<String> {
        taken.iter().map(|taken| String::from_utf8_lossy(&taken.payload).into_owned()).collect()
    }

    fn numbered(entries: std::ops::RangeInclusive<u64>) -> Vec<String> {
        entries.map(|n| format!("entry {n}")).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_long_wait_journalctl_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        if !journal(dir.path(), 1..=10) {
            return;
        }
        let (to, mut from) = tokio::sync::mpsc::channel(1);
        let mut journal = reading(dir.path(), Start::Beginning, to);
        let read = tokio::spawn(async move {
            let mut begun = 0;
            // where nobody waits, the clock of this test stands at the end of every wait at once
            while journal.once().await.unwrap().0 == End::Anew {
                begun += 1;
            }
            begun
        });
        let mut taken = Vec::new();
        // whoever waits for the spool does so for more than a minute
        while taken.len() < 10 {
            while from.is_empty() {
                tokio::task::yield_now().await;
            }
            tokio::time::advance(STALE + Duration::from_secs(1)).await;
            taken.extend(from.try_recv());
        }
        drop(from);
        assert_eq!(said(&taken), numbered(1..=10));
        assert!(taken.iter().all(|taken| !taken.flags.after_loss));
        read.abort();
    }

    #[tokio::test]
    async fn one_that_begins_at_the_end_remembers_where_that_was() {
        let dir = tempfile::tempdir().unwrap();
        if !journal(dir.path(), 1..=5) {
            return;
        }
        let (to, mut from) = tokio::sync::mpsc::channel(20);
        let mut first = reading(dir.path(), Start::End, to.clone());
        let task = tokio::spawn(async move { first.once().await });
        let begins = from.recv().await.unwrap();
        assert!(begins.payload.is_empty() && begins.mark.is_some());
        task.abort();
        // written while nobody receives
        assert!(journal(dir.path(), 6..=8));
        let mut second = Journal { mark: begins.mark, ..reading(dir.path(), Start::End, to) };
        let task = tokio::spawn(async move { second.once().await });
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.push(from.recv().await.unwrap());
        }
        task.abort();
        assert_eq!(said(&taken), numbered(6..=8));
        assert!(taken.iter().all(|taken| !taken.flags.after_loss));
    }

    #[tokio::test]
    async fn a_journal_that_can_not_be_read_is_told_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = crate::lock::take(&dir.path().join(super::super::standing::LOCK)).unwrap();
        let (to, mut from) = tokio::sync::mpsc::channel(20);
        let task = tokio::spawn(reading(dir.path(), Start::Beginning, to).follow());
        let wrong = || super::super::standing::heard(dir.path()).unwrap().unwrap().wrong;
        while wrong().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(wrong()[JOURNAL].contains("no entry can be read"), "{:?}", wrong());
        if !journal(dir.path(), 1..=3) {
            return;
        }
        assert_eq!(from.recv().await.unwrap().payload, b"entry 1");
        while !wrong().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        task.abort();
    }
}
