//! What a process gives up for good before it reads its first line: to execute anything, to open sockets, and what no part of tripline
//! ever needs. Each role ([`Role`]) has a seccomp filter of its own, the narrowest with which it can do its work.
//!
//! The unit files say the same (`NoExecPaths=`, `RestrictAddressFamilies=`, `PrivateNetwork=`). This holds in the foreground
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

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows, decides, and answers at its socket: it has unix sockets, and executes nothing.
    Daemon,
    /// Takes in what comes over the sockets that it has opened: it opens no other, but to tell systemd how it is.
    Receiver {
        /// Whether it starts journalctl, too.
        journal: bool,
    },
    /// Reads files and writes a ledger (`learn`, `replay`): it has no socket at all, and executes nothing.
    Offline,
}

/// Calls by which other processes or the kernel could be changed. Nothing here makes them.
const NEVER: [i64; 19] = [
    libc::SYS_io_uring_setup,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];
/// Those of them, and execve and execveat, that x32 has under numbers of their own (arch/x86/entry/syscalls/syscall_64.tbl).
#[cfg(target_arch = "x86_64")]
const X32: [(i64, i64); 6] = [
    (libc::SYS_execve, 520),
    (libc::SYS_ptrace, 521),
    (libc::SYS_kexec_load, 528),
    (libc::SYS_process_vm_readv, 539),
    (libc::SYS_process_vm_writev, 540),
    (libc::SYS_execveat, 545),
];

impl Role {
    /// The calls that it gives up, whatever their arguments.
    fn given_up(self) -> Vec<i64> {
        let mut calls = NEVER.to_vec();
        calls.push(libc::SYS_execveat);
        if self != (Role::Receiver { journal: true }) {
            calls.push(libc::SYS_execve);
        }
        if self != Role::Daemon {
            // whoever has opened its sockets binds no other, and nobody here connects
            calls.extend([libc::SYS_bind, libc::SYS_listen, libc::SYS_connect]);
        }
        if self == Role::Offline {
            calls.extend([libc::SYS_socket, libc::SYS_accept, libc::SYS_accept4]);
        }
        calls
    }
}

/// Gives up, for every thread of this process and for good, what its role does not need: execve, sockets that are not unix ones,
/// io_uring (which does both behind the filter's back), ptrace and the like. Sockets that are open already stay usable.
///
/// # Errors
/// No such filter is known for this processor, or the kernel takes none.
pub fn give_up_all_but(role: Role) -> Result<(), ConfineError> {
    let arch = std::env::consts::ARCH;
    let target = arch.try_into().map_err(|_| ConfineError::Processor(arch))?;
    let errno = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram = SeccompFilter::new(rules(role)?, SeccompAction::Allow, errno, target)
        .and_then(TryInto::try_into)
        .map_err(ConfineError::Made)?;
    seccompiler::apply_filter_all_threads(&program).map_err(ConfineError::Refused)
}

fn rules(role: Role) -> Result<BTreeMap<i64, Vec<SeccompRule>>, ConfineError> {
    // The kernel takes the domain as an int, so that the upper half of the register says nothing.
    let domain = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, libc::AF_UNIX as u64);
    let not_unix = domain.and_then(|c| SeccompRule::new(vec![c])).map_err(ConfineError::Made)?;
    let given_up = role.given_up();
    let mut rules = BTreeMap::from([(libc::SYS_socket, vec![not_unix])]);
    rules.extend(given_up.iter().map(|call| (*call, Vec::new())));
    // The x32 calls of an x86-64 kernel pass as the same architecture; whoever is given a program to start has none of them either.
    #[cfg(target_arch = "x86_64")]
    for call in given_up.into_iter().chain([libc::SYS_socket, libc::SYS_execve]) {
        let own = X32.iter().find(|(usual, _)| *usual == call).map_or(call, |(_, own)| *own);
        rules.insert(0x4000_0000 | own, Vec::new());
    }
    Ok(rules)
}

/// Forbids core dumps of this process, and other processes of our user to read its memory: it holds session ids and keys.
pub fn forbid_dumps() {
    // It can fail only for a value that the kernel does not know.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
