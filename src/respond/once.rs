//! An action made ready, and one order carried out by it: by the runner for each order, and by hand for a trial.
//!
//! A document that says `test` ends nothing. A program, and a server that gets the whole document, are told so and decide for
//! themselves; for every other kind, all that can go wrong before something is sent is tried, and nothing is sent.
use super::action::{Ended, Means, Ready};
use super::document::HookDocument;
use super::secret;
use super::settings::ActionSpec;
use super::wire::{self, Ending, Reply, Request, VERSION};
use crate::model::limits::CONTROL_FRAME_BYTES;
use crate::model::{Purpose, cut};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest note of a reply, in bytes: even if JSON writes each byte as six, the frame stays within its limit.
const NOTE_BYTES: usize = 8 << 10;

/// An action that has what it needs on this machine.
pub(super) struct Fitted {
    means: Box<dyn Means>,
}

impl Fitted {
    /// Opens what `spec` names, and reads its secrets once, to find out now that they cannot be read.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn open(spec: &ActionSpec) -> Result<Fitted, String> {
        let mut means = spec.compile()?;
        means.settle()?;
        means.secrets().into_iter().try_for_each(|source| source.read().map(drop))?;
        Ok(Fitted { means })
    }

    /// See [`Means::caution`].
    pub(super) fn caution(&self) -> Option<String> {
        self.means.caution()
    }

    /// See [`Means::ready`].
    ///
    /// # Errors
    /// Why the order is refused: nothing was done.
    pub(super) fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        let ready = self.means.ready(document)?;
        if document.test && !self.means.tells_of_tests() {
            return Ok(Box::new(|| Ended::new(Ending::Done, "a test: nothing was sent, and nothing is missing")));
        }
        Ok(ready)
    }
}

/// What may be told of how `document`'s order ended. A session id is a secret while the session lives, and the note goes into
/// the ledger and to syslog. A check that could not be made has not found that the target lives.
pub(super) fn tellable(ended: Ended, document: &HookDocument) -> Ended {
    let ending = match (document.purpose, ended.ending) {
        (Purpose::Check, Ending::Permanent) => Ending::Unknown,
        (_, ending) => ending,
    };
    let session = document.target.session.as_deref().unwrap_or_default();
    let note = secret::mask(&ended.note, session);
    Ended { note: cut(&note, NOTE_BYTES).to_owned(), ending }
}

/// Really does what `spec` says with `document`, in this process: with our rights, our network and our credentials, and beside
/// the journal, so that nothing keeps it from being done twice. Blocks until it has ended: at the latest after the deadline
/// and the grace of the action.
pub fn carry_out(spec: &ActionSpec, document: &HookDocument) -> Ended {
    let fitted = match Fitted::open(spec) {
        Ok(fitted) => fitted,
        Err(why) => return Ended::refused(why),
    };
    let ended = fitted.ready(document).map_or_else(Ended::refused, |carry_out| carry_out());
    tellable(ended, document)
}

/// Has the runner that listens at `socket` carry out `document`, as it does for the daemon: with its rights, its network and
/// its credentials, once for its order's id. Blocks for at most `patience`.
///
/// # Errors
/// The runner cannot be reached, has no room, or did not say in time how it ended; in words.
pub fn carry_out_by_runner(
    socket: &Path,
    document: &HookDocument,
    patience: Duration,
) -> Result<(Ending, String), String> {
    let until = Instant::now() + patience;
    let failed = |e: std::io::Error| format!("the runner at {}: {e}", socket.display());
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    let hello = Request::Hello { version: VERSION };
    for request in [hello, Request::Run { retry: false, document: Box::new(document.clone()) }] {
        stream.write_all(&wire::frame(&request).map_err(|e| e.to_string())?).map_err(failed)?;
    }
    let mut from = BufReader::new(stream);
    loop {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        from.get_ref().set_read_timeout(Some(left)).map_err(failed)?;
        let mut line = String::new();
        let read = (&mut from).take(CONTROL_FRAME_BYTES as u64).read_line(&mut line).map_err(failed)?;
        if read == 0 || Instant::now() >= until {
            return Err(format!("the runner at {} did not say how it ended", socket.display()));
        }
        match serde_json::from_str(&line).map_err(|e| format!("the runner said what cannot be understood: {e}"))? {
            Reply::Ended { order, ending, note } if order == document.order => return Ok((ending, note)),
            Reply::Busy { order } if order == document.order => return Err("the runner has too much to do".into()),
            Reply::Error { message } => return Err(format!("the runner said: {message}")),
            // Of other orders, and what comes before the end of this one.
            _ => {}
        }
    }
}
