//! The demo's directory, which goes away at the end, and the signal to stop before it.
use crate::cli::Failure;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A directory of our own; it is removed with this value unless it is to be kept.
pub struct Directory {
    path: PathBuf,
    keep: bool,
}

impl Directory {
    /// Makes it, with mode 0700.
    ///
    /// # Errors
    /// It can't be made.
    pub fn new(keep: bool) -> Result<Directory, Failure> {
        let above = std::env::temp_dir();
        // ends: at most a hundred names are tried
        for n in 0..100 {
            let path = above.join(format!("tripline-demo-{}", std::process::id() + n));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Directory { path, keep }),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Failure::new(format!(
                        "making {}: {e}\nset TMPDIR to a directory that you may write",
                        path.display()
                    )));
                }
            }
        }
        Err(Failure::new(format!("{} is full of kept demos: remove tripline-demo-*", above.display())))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.keep
            && let Err(e) = std::fs::remove_dir_all(&self.path)
        {
            eprintln!("tripline: removing {}: {e}: please remove it", self.path.display());
        }
    }
}

/// Whether somebody pressed Ctrl-C or sent SIGTERM.
#[derive(Clone, Default)]
pub struct Told(Arc<AtomicBool>);

impl Told {
    /// Listens from now on.
    ///
    /// # Errors
    /// The signals can't be listened to.
    pub fn listen() -> Result<Told, Failure> {
        let failed = |e: std::io::Error| Failure::new(format!("listening to signals: {e}"));
        let told = Told::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let flag = told.0.clone();
        let listen = move || {
            // where signals can't be listened to, they end us as they always do
            if runtime.block_on(crate::respond::service::told_to_end()).is_ok() {
                flag.store(true, Ordering::Release);
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(listen).map_err(failed)?;
        Ok(told)
    }

    /// Whether it has happened.
    pub fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Waits.
    ///
    /// # Errors
    /// We are told to stop.
    pub fn pause(&self, length: Duration) -> Result<(), Failure> {
        let end = Instant::now() + length;
        while !self.is() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        Err(Failure::new("stopped before the end"))
    }
}
