//! The command line's end of the control socket, and the way round it for the ledger's owner when the daemon is down.
use super::answer::{self, Policies};
use super::wire::{Line, Request};
use crate::ledger::Reader;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a busy daemon is asked again: longer than it waits for a client that says nothing.
const BUSY: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers at the socket, and the ledger can't be read instead.
    Unreachable(String),
    /// Whoever asks may not.
    Denied(String),
    /// The answer is that it can't be done.
    Refused(String),
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClientError::Unreachable(why) | ClientError::Denied(why) | ClientError::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ClientError {}

/// Asks the daemon; where none answers and the question changes nothing, reads `ledger` directly.
/// The flag says whether the daemon answered. `policies` are those of the configuration, for when it does not.
///
/// # Errors
/// See [`ClientError`].
pub fn ask(
    socket: &Path,
    ledger: &Path,
    request: &Request,
    policies: Policies<'_>,
) -> Result<(Vec<Value>, bool), ClientError> {
    match UnixStream::connect(socket) {
        Ok(stream) => patiently(socket, stream, request).map(|rows| (rows, true)),
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Err(ClientError::Denied(denied(socket))),
        Err(e) if request.changes() => Err(ClientError::Unreachable(format!(
            "no daemon answers at {}: {e}; this needs a running one (`systemctl start tripline`, or `tripline run`)",
            socket.display()
        ))),
        Err(e) => {
            let unreachable = |why: String| {
                ClientError::Unreachable(format!(
                    "no daemon answers at {}: {e}; and the ledger can't be read: {why}",
                    socket.display()
                ))
            };
            let reader = Reader::open(ledger).map_err(|e| unreachable(e.to_string()))?;
            answer::answer(&reader, request, policies).map(|rows| (rows, false)).map_err(ClientError::Refused)
        }
    }
}

/// Who may ask at that socket, and what to do about it.
fn denied(socket: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let name = |uid| nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    let me = nix::unistd::geteuid();
    let me = name(me).unwrap_or_else(|| format!("uid {me}"));
    let at = format!("{me} may not ask the daemon at {}", socket.display());
    let Ok(meta) = std::fs::metadata(socket) else {
        return format!("{at}: a folder above it may not be entered: run this as root");
    };
    let group = nix::unistd::Group::from_gid(meta.gid().into()).ok().flatten();
    let owner = name(meta.uid().into());
    match (group, owner) {
        // without `control_group` its group is the owner's own, and nobody belongs into that
        (Some(group), owner) if owner.as_ref() != Some(&group.name) => {
            let group = group.name;
            format!("{at}: members of group {group} may (`usermod -aG {group} {me}`, then log in again), and root")
        }
        _ => format!("{at}: root may; to let a group ask, set `control_group` in the configuration"),
    }
}

/// Asks again for a while where others of this user keep the daemon busy.
fn patiently(socket: &Path, mut stream: UnixStream, request: &Request) -> Result<Vec<Value>, ClientError> {
    let until = Instant::now() + BUSY;
    loop {
        match converse(stream, request)? {
            Some(rows) => return Ok(rows),
            None if Instant::now() >= until => {
                return Err(ClientError::Unreachable(
                    "the daemon is busy with other connections of yours: end those, or try again".into(),
                ));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
        let gone = |e| ClientError::Unreachable(format!("no daemon answers at {} any more: {e}", socket.display()));
        stream = UnixStream::connect(socket).map_err(gone)?;
    }
}

/// The rows; nothing where the daemon is busy.
fn converse(mut stream: UnixStream, request: &Request) -> Result<Option<Vec<Value>>, ClientError> {
    let broken = |e: std::io::Error| ClientError::Unreachable(format!("the daemon hung up: {e}"));
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(broken)?;
    let mut line = serde_json::to_vec(request).unwrap_or_default();
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut rows = Vec::new();
    // ends with the daemon's last line, or when it hangs up
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line.map_err(broken)?) {
            Ok(Line::Row(row)) => rows.push(row),
            Ok(Line::End) => return Ok(Some(rows)),
            Ok(Line::Busy) => return Ok(None),
            Ok(Line::Error(why)) => return Err(ClientError::Refused(why)),
            Err(e) => return Err(ClientError::Unreachable(format!("the daemon speaks another version: {e}"))),
        }
    }
    Err(ClientError::Unreachable("the daemon hung up in the middle of its answer".into()))
}
