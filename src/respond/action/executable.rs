//! A hook's executable: opened once, held by its descriptor, and refused when somebody else could have changed it.
//!
//! The file and every argument that names an existing file must belong to root or to us and be writable by nobody else,
//! and so must the directories above them (a sticky directory such as `/tmp` above the last one will do). Before each run
//! the file is looked at again: device, inode, size, times, and SHA-256 must be what they were at the start.
//!
//! A binary is executed through its descriptor (`/proc/self/fd/N`), so that what was checked is what runs. A script
//! cannot be: the kernel hands its interpreter a path, and the descriptor is closed by then. It is executed by its path
//! directly after the check; only root or we could have changed it in between.
use crate::model::Digest;
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// An executable larger than this is refused, in bytes: it is read whole before each run.
const LARGEST: u64 = 64 << 20;

/// An executable that was found fit to run.
#[derive(Debug)]
pub struct Executable {
    file: File,
    path: PathBuf,
    identity: Identity,
    script: bool,
    arguments: Vec<(PathBuf, Identity)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    changed: (i64, i64),
    digest: Digest,
}

/// Why a program is not run.
#[derive(Debug)]
pub enum Unfit {
    /// A file operation failed.
    Io {
        /// Which.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a file that can be executed.
    NotExecutable(PathBuf),
    /// Owned by somebody else.
    Owner(PathBuf, u32),
    /// Writable by others.
    Writable(PathBuf, u32),
    /// Larger than what is read.
    TooLarge(PathBuf, u64),
    /// Not the file that was found fit when the runner started.
    Changed(PathBuf),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unfit::Io { operation, path, source } => {
                write!(f, "cannot {operation} {}: {source}", path.display())
            }
            Unfit::NotExecutable(path) => {
                write!(f, "{} is not an executable file: chmod 0755 it", path.display())
            }
            Unfit::Owner(path, uid) => write!(
                f,
                "{} belongs to uid {uid}, who could change it: it must belong to root or to the runner's user",
                path.display()
            ),
            Unfit::Writable(path, mode) => {
                write!(f, "{} is writable by others (mode {:04o}): chmod go-w it", path.display(), mode & 0o7777)
            }
            Unfit::TooLarge(path, size) => {
                write!(f, "{} is {size} bytes long; a hook may have {LARGEST}", path.display())
            }
            Unfit::Changed(path) => write!(
                f,
                "{} was changed since the runner read its configuration: look at it, then `systemctl reload tripline` (SIGHUP)",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Unfit {}

impl Executable {
    /// Opens and checks the program of `command`, and the files that its arguments name.
    pub fn open(command: &[String]) -> Result<Executable, Unfit> {
        let program = Path::new(command.first().map_or("", String::as_str));
        let path = program.canonicalize().map_err(failed("find", program))?;
        let file = File::open(&path).map_err(failed("open", &path))?;
        let identity = Identity::checked(&file, &path)?;
        if identity.mode & 0o111 == 0 {
            return Err(Unfit::NotExecutable(path));
        }
        let mut head = [0; 2];
        let script = matches!(file.read_at(&mut head, 0), Ok(2)) && &head == b"#!";
        let arguments = command[1..].iter().filter_map(|a| argument(a)).collect::<Result<_, _>>()?;
        Ok(Executable { file, path, identity, script, arguments })
    }

    /// Checks that everything is as it was, and gives the path to execute.
    pub fn recheck(&self) -> Result<PathBuf, Unfit> {
        let now = File::open(&self.path).map_err(failed("open", &self.path))?;
        if Identity::checked(&now, &self.path)? != self.identity {
            return Err(Unfit::Changed(self.path.clone()));
        }
        for (path, identity) in &self.arguments {
            let file = File::open(path).map_err(failed("open", path))?;
            if Identity::checked(&file, path)? != *identity {
                return Err(Unfit::Changed(path.clone()));
            }
        }
        Ok(match self.script {
            true => self.path.clone(),
            false => format!("/proc/self/fd/{}", self.file.as_raw_fd()).into(),
        })
    }
}

/// An argument that names an existing file is as good as the program: `python3 /etc/tripline/hooks/end.py`.
fn argument(text: &str) -> Option<Result<(PathBuf, Identity), Unfit>> {
    let path = Path::new(text);
    if !path.is_absolute() || !path.metadata().is_ok_and(|m| m.is_file()) {
        return None;
    }
    let check = || {
        let path = path.canonicalize().map_err(failed("find", path))?;
        let file = File::open(&path).map_err(failed("open", &path))?;
        let identity = Identity::checked(&file, &path)?;
        Ok((path, identity))
    };
    Some(check())
}

impl Identity {
    /// The identity of the open `file` at `path`, if nobody but root and us can change it.
    fn checked(mut file: &File, path: &Path) -> Result<Identity, Unfit> {
        let meta = file.metadata().map_err(failed("look at", path))?;
        if !meta.is_file() {
            return Err(Unfit::NotExecutable(path.into()));
        }
        owned(&meta, path, 0)?;
        directories(path)?;
        if meta.len() > LARGEST {
            return Err(Unfit::TooLarge(path.into(), meta.len()));
        }
        let digest = digest(&mut file, path)?;
        Ok(Identity {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.len(),
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            digest,
        })
    }
}

fn digest(file: &mut &File, path: &Path) -> Result<Digest, Unfit> {
    let mut context = Context::new(&SHA256);
    let mut buffer = [0; 16 << 10];
    // Ends at the end of the file, or where somebody lets it grow past the limit meanwhile.
    let mut left = LARGEST;
    while left > 0 {
        match file.read(&mut buffer).map_err(failed("read", path))? {
            0 => break,
            n => {
                context.update(&buffer[..n]);
                left = left.saturating_sub(n as u64);
            }
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Ok(Digest(out))
}

fn directories(path: &Path) -> Result<(), Unfit> {
    for (above, directory) in path.ancestors().skip(1).enumerate() {
        let meta = directory.metadata().map_err(failed("look at", directory))?;
        // In a sticky directory nobody can replace what belongs to somebody else. Directly above the file that is not
        // enough: there the file could be planted before it is first opened.
        let sticky = if above > 0 { 0o1000 } else { 0 };
        owned(&meta, directory, sticky)?;
    }
    Ok(())
}

fn owned(meta: &std::fs::Metadata, path: &Path, excuse: u32) -> Result<(), Unfit> {
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != 0 && meta.uid() != us {
        return Err(Unfit::Owner(path.into(), meta.uid()));
    }
    if meta.mode() & 0o022 != 0 && meta.mode() & excuse == 0 {
        return Err(Unfit::Writable(path.into(), meta.mode()));
    }
    Ok(())
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl Fn(std::io::Error) -> Unfit + 'a {
    move |source| Unfit::Io { operation, path: path.into(), source }
}
