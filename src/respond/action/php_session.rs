//! `kind = "php_session"`: removes the file in which PHP keeps a session, as `session_destroy()` does.
//!
//! The id must be of PHP's alphabet, so that it cannot name another folder, and the file is removed relative to the folder's
//! own descriptor: nothing that is put in the way of the path can lead elsewhere.
use super::{Ended, Limits, Means, Ready, Rehearsal};
use crate::model::Purpose;
use crate::respond::document::HookDocument;
use crate::respond::needs::Needs;
use crate::respond::template::Template;
use crate::respond::wire::Ending;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// PHP's own limit on an id (ext/session/session.c).
const LONGEST_ID: usize = 256;
/// How deep `session.save_path = "N;/path"` may go.
const DEEPEST: u8 = 5;

/// The keys of `kind = "php_session"`: PHP's file of a session is removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `session.save_path`, without the depth before it.
    pub directory: PathBuf,
    /// The number N of `session.save_path = "N;/path"`: sessions lie in N folders of one character each.
    #[serde(default)]
    pub depth: u8,
    /// The session's id. Without it: `{target.session}`.
    pub session: Option<String>,
}

struct PhpSession {
    directory: PathBuf,
    depth: u8,
    session: Template,
}

impl super::Spec for Spec {
    fn compile(&self, _: Limits) -> Result<Box<dyn Means>, String> {
        if !self.directory.is_absolute() {
            return Err(format!("`directory` is {}, which is not an absolute path", self.directory.display()));
        }
        if self.depth > DEEPEST {
            return Err(format!("`depth` is {}; at most {DEEPEST}", self.depth));
        }
        let session = Template::parse(self.session.as_deref().unwrap_or("{target.session}"));
        let session = session.map_err(|why| format!("`session`, {why}"))?;
        if session.is_constant() {
            return Err("`session` names no field: it would be the same for every order".into());
        }
        Ok(Box::new(PhpSession { directory: self.directory.clone(), depth: self.depth, session }))
    }

    fn needs(&self) -> Needs {
        Needs { writes: vec![self.directory.clone()], ..Needs::default() }
    }
}

impl PhpSession {
    fn id(&self, document: &HookDocument) -> Result<String, String> {
        let id = self.session.plain(document)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == ',' || c == '-';
        match id.len() <= LONGEST_ID && id.len() > self.depth.into() && id.chars().all(plain) {
            true => Ok(id),
            false => Err("the session's id is none of PHP's: letters, digits, comma and hyphen".into()),
        }
    }

    fn open(&self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(&self.directory, flags, Mode::empty())
    }

    /// Where the file lies; nothing where it is not there.
    fn find(&self, id: &str) -> Result<Option<(OwnedFd, String)>, Errno> {
        let mut folder = self.open()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for at in 0..usize::from(self.depth) {
            folder = match rustix::fs::openat(&folder, &id[at..=at], flags, Mode::empty()) {
                Err(Errno::NOENT) => return Ok(None),
                folder => folder?,
            };
        }
        let name = format!("sess_{id}");
        // Somebody who may write there could have put a link or a folder in its place: that is not PHP's, and stays.
        match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            stat => match FileType::from_raw_mode(stat?.st_mode) {
                FileType::RegularFile => Ok(Some((folder, name))),
                _ => Err(Errno::LOOP),
            },
        }
    }

    fn remove(&self, id: &str) -> Result<bool, Errno> {
        let Some((folder, name)) = self.find(id)? else { return Ok(false) };
        match rustix::fs::unlinkat(&folder, &name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// Whether the session is still there.
    fn look(&self, id: &str) -> Ended {
        match self.find(id) {
            Ok(Some(_)) => Ended::new(Ending::Failed, "the session's file is there"),
            Ok(None) => Ended::new(Ending::Done, "the session's file is not there"),
            Err(e) => Ended::new(Ending::Unknown, format!("cannot look into {}: {e}", self.directory.display())),
        }
    }

    fn carry_out(&self, id: &str) -> Ended {
        match self.remove(id) {
            Ok(true) => Ended::new(Ending::Done, "the session's file was removed"),
            Ok(false) => Ended::new(Ending::Done, "the session's file was not there"),
            Err(Errno::LOOP) => Ended::new(
                Ending::Permanent,
                "what lies in the place of the session's file is not a file, and was left there",
            ),
            Err(e) => Ended::new(
                Ending::Failed,
                format!("cannot remove the session's file in {}: {e}", self.directory.display()),
            ),
        }
    }
}

impl Means for PhpSession {
    fn settle(&mut self) -> Result<(), String> {
        self.open().map(drop).map_err(|e| format!("the directory {}: {e}", self.directory.display()))
    }

    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        let id = self.id(document)?;
        match document.purpose {
            Purpose::End => Ok(Box::new(move || self.carry_out(&id))),
            Purpose::Check => Ok(Box::new(move || self.look(&id))),
            Purpose::Undo => Err("a session's file that was removed does not come back".into()),
        }
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let id = self.id(document)?;
        let folders: String = id.chars().take(self.depth.into()).map(|c| format!("{c}/")).collect();
        Ok(Rehearsal::default().line("remove", format!("{}/{folders}sess_{id}", self.directory.display())))
    }
}
