//! Follows the systemd journal through `journalctl`, whose own reader knows every version of its files.
use super::sockets::Ended;
use super::{ReceiveError, Taken};
use crate::config::written::Start;
use crate::model::limits::FRAME_BYTES;
use crate::model::{FrameFlags, Shown, WallTime};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::Sender;

const PROGRAM: &str = "/usr/bin/journalctl";
/// How long to wait before it is started again after it ended.
const PAUSE: Duration = Duration::from_secs(1);
/// After it had to wait for so long it is started again: files that came and went meanwhile it would not see, nor miss.
const STALE: Duration = Duration::from_secs(60);
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
    pub to: Sender<Taken>,
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
            let mut child = self.start()?;
            let why = match self.entries(&mut child).await {
                Ok(true) => "it ended".to_owned(),
                Ok(false) => return Ok(()),
                Err(e) => e.to_string(),
            };
            let said = end(child).await;
            tracing::warn!(
                "journalctl for {}: {why}: {}; started again behind its last entry",
                self.units.join(", "),
                Shown(&said)
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn start(&self) -> Result<Child, ReceiveError> {
        let mut command = self.command(&self.units);
        command.arg("--follow");
        match (&self.mark, self.start) {
            // from the last entry on, so that it shows whether that is still there
            (Some(cursor), _) => command.arg(format!("--cursor={cursor}")).arg("--no-tail"),
            (None, Start::Beginning) => command.arg("--no-tail"),
            (None, Start::End) => command.arg("--lines=0"),
        };
        command.stderr(Stdio::piped());
        spawn(command).map_err(super::io(format!("starting {PROGRAM}, which reads the journal")))
    }

    fn command(&self, units: &[String]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["--output=json", "--all", "--no-pager", "--quiet"]);
        command.args(Arguments { units, directory: self.directory.as_deref(), files: &[] }.list());
        command
    }

    /// Whether the journal still holds that entry, of whatever unit: another one may be followed since.
    async fn holds(&self, cursor: &str) -> std::io::Result<bool> {
        let mut command = self.command(&[]);
        command.arg(format!("--cursor={cursor}")).arg("--no-tail").stderr(Stdio::null());
        let mut child = spawn(command)?;
        let mut line = Vec::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out.take(ENTRY_BYTES)).read_until(b'\n', &mut line).await?;
        }
        let _ = child.kill().await;
        Ok(entry(&line).and_then(|taken| taken.mark).is_some_and(|mark| is_same(&mark, cursor)))
    }

    /// Hands on what it prints behind the last entry. What then comes first is marked where that entry is gone, for files of the journal
    /// are deleted whole. `true` at its end, `false` where the spool takes no more.
    async fn entries(&mut self, child: &mut Child) -> std::io::Result<bool> {
        let Some(out) = child.stdout.take() else { return Ok(true) };
        let mut lines = BufReader::with_capacity(64 << 10, out);
        let mut line = Vec::new();
        let last = self.mark.clone();
        let mut is_first = last.is_some();
        loop {
            line.clear();
            let length = (&mut lines).take(ENTRY_BYTES).read_until(b'\n', &mut line).await?;
            if length == 0 {
                return Ok(true);
            }
            let Some(mut taken) = entry(&line) else {
                // its messages are bounded by journald: what is longer is no entry of this version
                tracing::warn!("journalctl printed {length} bytes that are no entry: they are left out");
                continue;
            };
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
            if self.to.send(taken).await.is_err() {
                return Ok(false);
            }
            if begun.elapsed() > STALE {
                return Ok(true);
            }
        }
    }
}

fn spawn(mut command: Command) -> std::io::Result<Child> {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
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
    let journal = Arguments { units: &units, directory: None, files };
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
        for (n, unit) in self.units.iter().enumerate() {
            if n > 0 {
                list.push("+".into());
            }
            // a match of its own, for `--unit` and other matches do not add up
            list.push(if unit.contains('=') { unit.into() } else { format!("_SYSTEMD_UNIT={unit}").into() });
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

    /// A journal of ten entries, made by systemd's own program.
    fn journal(dir: &std::path::Path) -> bool {
        let program = "/lib/systemd/systemd-journal-remote";
        if !std::path::Path::new(program).exists() {
            println!("skipped: systemd-journal-remote is not there");
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
        std::fs::write(&export, (1..=10).map(entry).collect::<String>()).unwrap();
        let output = format!("--output={}/remote.journal", dir.display());
        std::process::Command::new(program).arg(output).arg(&export).status().unwrap().success()
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_long_wait_journalctl_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        if !journal(dir.path()) {
            return;
        }
        let (to, mut taken) = tokio::sync::mpsc::channel(1);
        let directory = Some(dir.path().to_owned());
        let mut journal =
            Journal { units: vec!["portal.service".into()], mark: None, start: Start::Beginning, directory, to };
        let read = tokio::spawn(async move {
            let mut child = journal.start().unwrap();
            let ended = journal.entries(&mut child).await.unwrap();
            (ended, journal)
        });
        let mut messages = Vec::new();
        // whoever waits for the spool does so for more than a minute
        while !read.is_finished() && messages.len() < 10 {
            while taken.is_empty() && !read.is_finished() {
                tokio::task::yield_now().await;
            }
            tokio::time::advance(STALE + Duration::from_secs(1)).await;
            messages.extend(taken.try_recv());
        }
        assert!(read.is_finished(), "it ends before it has given all, to be begun anew");
        let (ended, mut journal) = read.await.unwrap();
        messages.extend(taken.try_recv());
        assert!(ended);
        let again = tokio::spawn(async move {
            let mut child = journal.start().unwrap();
            let _ = journal.entries(&mut child).await;
        });
        while messages.len() < 10 {
            messages.push(taken.recv().await.unwrap());
        }
        let said: Vec<_> = messages.iter().map(|m| String::from_utf8_lossy(&m.payload).into_owned()).collect();
        let all: Vec<_> = (1..=10).map(|n| format!("entry {n}")).collect();
        assert_eq!(said, all);
        assert!(messages.iter().all(|m| !m.flags.after_loss));
        again.abort();
    }
}
