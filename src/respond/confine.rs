//! What the daemon gives up for good before it reads its first line: to execute anything, and to open any socket but a unix one.
//!
//! The unit file says the same (`NoExecPaths=`, `RestrictAddressFamilies=`, `PrivateNetwork=`). This holds in the foreground
//! too, and for every thread. What is refused fails with EPERM, as it does for a user who may not, so that nothing crashes.
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;

/// Why the filter is not in force.
#[derive(Debug)]
pub enum ConfineError {
    /// There is no such filter for this kind of processor.
    Processor(&'static str),
    /// The filter could not be made.
    Made(seccompiler::BackendError),
    /// The kernel did not take it.
    Refused(seccompiler::Error),
}

impl std::fmt::Display for ConfineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfineError::Processor(arch) => write!(f, "no seccomp filter is known for {arch}"),
            ConfineError::Made(e) => write!(f, "the seccomp filter cannot be made: {e}"),
            ConfineError::Refused(e) => {
                write!(f, "the kernel refused the seccomp filter: {e}. Its configuration needs SECCOMP_FILTER")
            }
        }
    }
}

impl std::error::Error for ConfineError {}

/// Gives up, for every thread of this process and for good: execve and execveat, every socket that is not a unix one,
/// io_uring (which does both behind the filter's back), and ptrace. Sockets that are open already stay usable.
pub fn give_up_exec_and_network() -> Result<(), ConfineError> {
    let arch = std::env::consts::ARCH;
    let target = arch.try_into().map_err(|_| ConfineError::Processor(arch))?;
    let errno = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram = SeccompFilter::new(rules()?, SeccompAction::Allow, errno, target)
        .and_then(TryInto::try_into)
        .map_err(ConfineError::Made)?;
    seccompiler::apply_filter_all_threads(&program).map_err(ConfineError::Refused)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, ConfineError> {
    let not_unix = || {
        // The kernel takes the domain as an int, so that the upper half of the register says nothing.
        let domain = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64);
        domain.and_then(|c| SeccompRule::new(vec![c])).map_err(ConfineError::Made)
    };
    let mut rules = BTreeMap::new();
    for call in [libc::SYS_execve, libc::SYS_execveat, libc::SYS_io_uring_setup, libc::SYS_ptrace] {
        rules.insert(call, Vec::new());
    }
    rules.insert(libc::SYS_socket, vec![not_unix()?]);
    // The x32 calls of an x86-64 kernel pass as the same architecture under numbers of their own
    // (arch/x86/entry/syscalls/syscall_64.tbl): socket, io_uring_setup, execve, ptrace, execveat.
    #[cfg(target_arch = "x86_64")]
    for call in [41, 425, 520, 521, 545] {
        rules.insert(0x4000_0000 | call, Vec::new());
    }
    Ok(rules)
}

/// Forbids core dumps of this process, and other processes of our user to read its memory: it holds session ids and keys.
pub fn forbid_dumps() {
    // It can fail only for a value that the kernel does not know.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
