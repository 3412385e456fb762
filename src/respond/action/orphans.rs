//! What a hook leaves behind: programs that left its process group and outlived it.
//!
//! The runner adopts them (`PR_SET_CHILD_SUBREAPER`): once a hook has ended, whatever of it lives on is a child of the runner
//! that the runner did not start. It is killed, and then what it had started itself, which comes to the runner next. It needs no
//! control group, and so no unit that may write to them.
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};
use std::collections::BTreeSet;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the end of what was killed is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// The hooks that run now; nothing where this process adopts nobody.
static HOOKS: Mutex<Option<BTreeSet<i32>>> = Mutex::new(None);

/// From now on this process is given what its hooks leave behind. For a process that starts nothing but hooks.
///
/// # Errors
/// The kernel does not do it.
pub fn adopt() -> std::io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    hooks().get_or_insert_default();
    Ok(())
}

fn hooks() -> MutexGuard<'static, Option<BTreeSet<i32>>> {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a hook by `start`, so that nobody takes it for what another one left behind.
pub(super) fn start<T>(start: impl FnOnce() -> std::io::Result<(Child, T)>) -> std::io::Result<(Child, T)> {
    let mut hooks = hooks();
    let started = start()?;
    if let Some(hooks) = hooks.as_mut() {
        hooks.insert(Pid::from_child(&started.0).as_raw_nonzero().get());
    }
    Ok(started)
}

/// Ends what hooks have left behind, now that the hook of that id has ended and was waited for.
pub(super) fn end(hook: Pid) {
    let until = Instant::now() + PATIENCE;
    if let Some(hooks) = hooks().as_mut() {
        hooks.remove(&hook.as_raw_nonzero().get());
    }
    loop {
        // held throughout: a hook that starts meanwhile would look like one of them
        let hooks = hooks();
        let Some(running) = hooks.as_ref() else { return };
        let left: Vec<Pid> =
            children().into_iter().filter(|pid| !running.contains(&pid.as_raw_nonzero().get())).collect();
        if left.is_empty() || Instant::now() >= until {
            return;
        }
        for pid in left {
            // it may have ended by itself; that it is a child of ours which nobody waited for keeps its number its own
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        drop(hooks);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The processes whose parent we are.
fn children() -> Vec<Pid> {
    let us = getpid().as_raw_nonzero().to_string();
    let ids = std::fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let id: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // the name may hold anything, brackets too: what follows the last one is the state, and then the parent
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.to_owned();
        (parent == us).then(|| Pid::from_raw(id))?
    });
    ids.collect()
}
