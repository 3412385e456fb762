//! What a program may touch of the file system, by Landlock (Linux 5.13 and later): the paths that its action names, and what
//! every program needs to run. The runner itself is not restricted.
//!
//! Landlock restricts one thread and what it starts. So a thread is made for the purpose, restricts itself, starts the program,
//! and ends. A confined program can neither signal nor trace what is outside, where the kernel knows how to forbid that.
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// The newest version of Landlock that the rules below were written for; a kernel that knows less does what it can.
const KNOWN: ABI = ABI::V6;
/// Where programs and their libraries are.
const PROGRAMS: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What programs look up in order to run, to find a host, and to check its certificate.
const LOOKED_UP: [&str; 18] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/locale.alias",
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/proc",
    "/dev/urandom",
];

/// The paths that an action names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// May be read, and what is below.
    pub reads: Vec<PathBuf>,
    /// May be read and changed, and what is below.
    pub writes: Vec<PathBuf>,
    /// The program, and the files among its arguments.
    pub programs: Vec<PathBuf>,
}

impl Sandbox {
    /// Whether every path that the action names is there.
    ///
    /// # Errors
    /// The one that is not; in words. Without it, the program would run with less than was meant.
    pub fn check(&self) -> Result<(), String> {
        for (key, paths) in [("reads", &self.reads), ("writes", &self.writes)] {
            for path in paths {
                PathFd::new(path).map_err(|e| format!("`{key}`: {}: {e}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Starts `command` confined to this. Gives the child, and what of the confinement the kernel does not know, in words.
    ///
    /// # Errors
    /// The program cannot be started; or it cannot be confined although the kernel could, and then it is not started.
    pub fn start(&self, command: &mut Command) -> std::io::Result<(Child, Option<String>)> {
        std::thread::scope(|scope| {
            let confined = || {
                let lacking = self.enter().map_err(std::io::Error::other)?;
                command.spawn().map(|child| (child, lacking))
            };
            let thread = std::thread::Builder::new().name("confined".into()).spawn_scoped(scope, confined)?;
            thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it panicked")))
        })
    }

    /// Confines the calling thread.
    fn enter(&self) -> Result<Option<String>, RulesetError> {
        let reads = AccessFs::ReadFile | AccessFs::ReadDir;
        let runs = AccessFs::from_read(KNOWN);
        let nowhere: BitFlags<AccessFs> = AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock;
        let ruleset = begin()?
            .add_rules(path_beneath_rules(PROGRAMS.map(Path::new).into_iter().chain(self.programs()), runs))?
            .add_rules(path_beneath_rules(LOOKED_UP, reads))?
            .add_rules(path_beneath_rules(["/dev/null"], reads | AccessFs::WriteFile))?
            .add_rules(path_beneath_rules(&self.reads, reads))?
            .add_rules(path_beneath_rules(&self.writes, AccessFs::from_all(KNOWN) & !nowhere))?;
        Ok(lacking(&ruleset.restrict_self()?))
    }

    /// Not the folders among the arguments: to name one is not to open it.
    fn programs(&self) -> impl Iterator<Item = &Path> {
        self.programs.iter().map(PathBuf::as_path).filter(|path| path.is_file())
    }
}

fn begin() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()
}

fn lacking(status: &RestrictionStatus) -> Option<String> {
    match status.ruleset {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => {
            Some(format!("confined in part only: this kernel has {:?}", status.landlock))
        }
        RulesetStatus::NotEnforced => Some("not confined to `reads` and `writes`: this kernel has no Landlock".into()),
    }
}

/// What this kernel does not know of the confinement, in words. Tried on a thread of its own, which ends.
pub fn caution() -> Option<String> {
    let tried = std::thread::spawn(|| begin().and_then(|ruleset| ruleset.restrict_self()).map(|s| lacking(&s)));
    match tried.join() {
        Ok(Ok(lacking)) => lacking,
        Ok(Err(e)) => Some(format!("cannot be confined to `reads` and `writes`: {e}")),
        Err(_) => Some("cannot be confined to `reads` and `writes`".into()),
    }
}
