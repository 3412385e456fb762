//! The daemon's end of the control socket.
use super::wire::{Line, Request};
use super::{answer, commands};
use crate::config::notices::Notices;
use crate::ledger::{Keys, Reader};
use crate::model::{Input, Text, limits};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Connections at once; more wait.
const CONNECTIONS: usize = 32;
/// Connections of one user at once; more are told to come back, so that nobody keeps the others out.
const CONNECTIONS_OF_ONE: usize = 8;
/// How long a client may take to ask, or to take a line of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a client may take to ask of whose user there are enough already.
const HURRY: Duration = Duration::from_millis(100);

/// What the server needs of the daemon.
pub trait Daemon: Send + Sync + 'static {
    /// Has an input committed.
    fn commit(&self, input: Input<crate::pipeline::Prepared>) -> impl Future<Output = Result<(), String>> + Send;
    /// What only the running daemon knows, to be added to the status.
    fn status(&self) -> serde_json::Value;
    /// What the configuration says of notices.
    fn notices(&self) -> Notices;
    /// The installation's keys.
    fn keys(&self) -> &Keys;
    /// The rules that hold now.
    fn rules(&self) -> Arc<crate::pipeline::Rules>;
}

/// Makes the socket, with mode 0660 and the given group.
///
/// # Errors
/// It can't be made, or somebody listens there already.
pub fn listen(path: &Path, group: Option<u32>) -> std::io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let listener = crate::respond::service::listen(path)?;
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Answers until the listener fails.
pub async fn serve(listener: UnixListener, ledger: PathBuf, daemon: Arc<impl Daemon>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let guests = Guests::default();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (ledger, daemon, guests) = (ledger.clone(), daemon.clone(), guests.clone());
                tokio::spawn(async move {
                    if let Err(e) = converse(stream, ledger, daemon.as_ref(), &guests).await {
                        tracing::debug!("a control connection ended: {e}");
                    }
                    drop(permit);
                });
            }
            Err(e) => {
                tracing::warn!("control socket: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// How many connections each user has.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<BTreeMap<u32, usize>>>);

/// One of them, until it is dropped.
struct Guest<'a>(&'a Guests, u32);

impl Guests {
    fn enter(&self, uid: u32) -> Option<Guest<'_>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(uid).or_default();
        (*count < CONNECTIONS_OF_ONE).then(|| {
            *count += 1;
            Guest(self, uid)
        })
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

async fn converse(stream: UnixStream, ledger: PathBuf, daemon: &impl Daemon, guests: &Guests) -> std::io::Result<()> {
    let peer = stream.peer_cred()?;
    let by = Text::from(format!("uid {}", peer.uid()));
    let (from, mut to) = stream.into_split();
    let guest = guests.enter(peer.uid());
    // who is turned away has asked first: closing on what nobody read would take the answer away as well
    let patience = if guest.is_some() { PATIENCE } else { HURRY };
    let mut line = Vec::new();
    let mut from = BufReader::new(from).take(limits::CONTROL_FRAME_BYTES as u64);
    let read = tokio::time::timeout(patience, from.read_until(b'\n', &mut line)).await;
    if guest.is_none() {
        return say(&mut to, &Line::Busy).await;
    }
    read??;
    let lines = match serde_json::from_slice::<Request>(&line) {
        Ok(Request::Reveal { .. }) if !is_own(peer.uid()) => {
            vec![Line::Error("only root and the daemon's own user may have a session id opened".into())]
        }
        Ok(Request::Notices) => vec![Line::Row(serde_json::json!(daemon.notices())), Line::End],
        Ok(request) => respond(request, &by, ledger, daemon).await,
        Err(e) => vec![Line::Error(format!("the request can't be read: {e}"))],
    };
    for line in lines {
        say(&mut to, &line).await?;
    }
    Ok(())
}

async fn say(to: &mut OwnedWriteHalf, line: &Line) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    tokio::time::timeout(PATIENCE, to.write_all(&bytes)).await?
}

async fn respond(request: Request, by: &Text, ledger: PathBuf, daemon: &impl Daemon) -> Vec<Line> {
    let changes = request.changes();
    if changes {
        tracing::info!("{by} asks: {request:?}");
    }
    let is_status = matches!(request, Request::Status);
    let (owned, rules, at) = (by.clone(), daemon.rules(), ledger.clone());
    let read = tokio::task::spawn_blocking(move || -> Result<Work, String> {
        let reader = Reader::open(&ledger).map_err(|e| e.to_string())?;
        if changes {
            commands::input(&reader, &rules, &request, owned).map(|i| Work::Commit(Box::new(i)))
        } else {
            answer::answer(&reader, &request, &|| Some(Cow::Borrowed(rules.engine.policies()))).map(Work::Rows)
        }
    });
    let outcome = match read.await {
        Ok(Ok(Work::Rows(mut rows))) => {
            if is_status
                && let (Some(row), serde_json::Value::Object(more)) =
                    (rows.first_mut().and_then(|r| r.as_object_mut()), daemon.status())
            {
                row.extend(more);
            }
            Ok(rows)
        }
        Ok(Ok(Work::Commit(input))) => {
            let opens = match &*input {
                Input::Reveal { session, .. } => Some(session.clone()),
                _ => None,
            };
            match (daemon.commit(*input).await, opens) {
                // that it was opened is on disk
                (Ok(()), Some(session)) => opened(&at, daemon.keys(), &session),
                (done, _) => done.map(|()| Vec::new()),
            }
        }
        Ok(Err(why)) => Err(why),
        Err(e) => Err(format!("the question could not be answered: {e}")),
    };
    match outcome {
        Ok(rows) => rows.into_iter().map(Line::Row).chain([Line::End]).collect(),
        Err(why) => vec![Line::Error(why)],
    }
}

/// Whether a peer is root or whom we run as.
fn is_own(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// The row with a session's id.
fn opened(ledger: &Path, keys: &Keys, session: &str) -> Result<Vec<serde_json::Value>, String> {
    let digest = crate::model::id::unhex(session).ok_or("the session has gone")?;
    let reader = Reader::open(ledger).map_err(|e| e.to_string())?;
    let id = reader
        .unseal(keys, &digest)
        .map_err(|e| e.to_string())?
        .ok_or("the session's time is over: its id was deleted")?;
    Ok(vec![serde_json::json!({"session": session, "id": id})])
}

enum Work {
    Rows(Vec<serde_json::Value>),
    Commit(Box<Input<crate::pipeline::Prepared>>),
}
