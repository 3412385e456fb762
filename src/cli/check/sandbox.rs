//! Compares a configuration with what the installed units allow, and names the drop-ins and commands that are missing.
use super::unit::Unit;
use crate::config::address::Address;
use crate::config::{Config, spool_dir};
use crate::respond::needs::Needs;
use crate::respond::settings::RUNNER_SOCKET;
use nix::unistd::{Group, User};
use rustix::fs::{Gid, Uid};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const DAEMON: &str = "tripline.service";
const RUNNER: &str = "tripline-hook-runner.service";
const RUNNER_LISTENS: &str = "tripline-hook-runner.socket";
const RECEIVER: &str = "tripline-receiver.service";
const RECEIVER_LISTENS: &str = "tripline-receiver.socket";
/// Ports below this only root may open: systemd does.
const PRIVILEGED_PORTS: u16 = 1024;

/// What keeps the units from doing what the configuration asks for.
#[derive(Default)]
pub struct Compared {
    /// What is wrong, in words.
    pub faults: Vec<String>,
    /// By unit, the section and lines of the drop-in that mends it.
    pub drop_ins: BTreeMap<String, (&'static str, Vec<String>)>,
    /// What else is to be done, as commands.
    pub commands: Vec<String>,
}

/// Compares the configuration with the units below `root`. `Err` of the inner result says why there is nothing to compare it with.
///
/// # Errors
/// A unit can't be read.
pub fn compare(root: &Path, config: &Config) -> std::io::Result<Result<Compared, &'static str>> {
    let Some(daemon) = Unit::read(root, DAEMON)? else { return Ok(Err("tripline.service is not installed")) };
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let plain = |word: &&str| word.trim_matches(['"', '\'']).rsplit('=').next().map(PathBuf::from);
    let mut named: Vec<PathBuf> = daemon.words("ExecStart").iter().filter_map(plain).collect();
    if !named.iter().any(|word| word.extension().is_some_and(|e| e == "toml")) {
        named.push(super::super::DEFAULT_CONFIG.into());
    }
    if !named.iter().any(|word| real(word) == real(&config.path)) {
        return Ok(Err("tripline.service runs another configuration"));
    }
    let mut compared = Compared::default();
    compared.daemon(root, config, &daemon);
    compared.runner(root, config, &daemon)?;
    compared.receiver(root, config)?;
    Ok(Ok(compared))
}

impl Compared {
    fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }

    /// A fault that a line in a drop-in mends.
    fn line(&mut self, unit: &str, line: impl Into<String>, what: impl Into<String>) {
        let section = if unit.ends_with(".socket") { "[Socket]" } else { "[Service]" };
        let (_, lines) = self.drop_ins.entry(unit.to_owned()).or_insert((section, Vec::new()));
        let line = line.into();
        if !lines.contains(&line) {
            lines.push(line);
        }
        self.fault(what);
    }

    fn command(&mut self, command: impl Into<String>, what: impl Into<String>) {
        let command = command.into();
        if !self.commands.contains(&command) {
            self.commands.push(command);
        }
        self.fault(what);
    }

    fn daemon(&mut self, root: &Path, config: &Config, unit: &Unit) {
        let written = &config.written;
        self.user(unit);
        self.enabled(root, DAEMON);
        if let Some(group) = &written.control_group {
            self.control_group(unit, group);
        }
        self.writes(unit, "state_dir", &written.state_dir);
        self.writes(unit, "control_socket", written.control_socket.parent().unwrap_or(Path::new("/")));
        for (name, outlet) in written.outlets().iter().filter(|(_, outlet)| !outlet.leaves()) {
            let Needs { writes, reads, .. } = outlet.needs();
            writes.iter().for_each(|path| self.writes(unit, name, path));
            reads.iter().for_each(|path| self.sees(unit, name, path));
        }
        written.rules.iter().for_each(|rules| self.sees(unit, "[[rules]]", &rules.path));
        for trail in written.trail.iter().filter(|trail| trail.receive.is_empty()) {
            let what = format!("trail {}", trail.name);
            let folders = trail.paths.iter().map(|path| folder(path));
            folders.for_each(|folder| self.sees(unit, &what, &folder));
            let paths = trail.paths.clone();
            let opened = as_user(unit, move || crate::source::head(&paths, 1).map(drop).map_err(|e| e.to_string()));
            if let (Some(Err(why)), Some(path)) = (opened, trail.paths.first()) {
                let (user, folder) = (unit.value("User").unwrap_or("root"), folder(path));
                let folder = folder.display();
                self.command(
                    format!("setfacl -m u:{user}:rX {folder} && setfacl -d -m u:{user}:r {folder} && setfacl -m u:{user}:r {path}"),
                    format!("{what}: as user {user}: {why}"),
                );
            }
        }
        let enrich = &written.enrich;
        let named =
            enrich.databases.iter().chain(&enrich.network_lists).chain(&enrich.directory).chain(&enrich.watch_list);
        for path in named.chain(&written.policies_dir).chain([&config.path]) {
            self.sees(unit, "the configuration", path);
            self.opens(unit, "the configuration", path);
        }
    }

    fn user(&mut self, unit: &Unit) {
        if let Some(user) = unit.value("User").filter(|user| User::from_name(user).ok().flatten().is_none()) {
            self.command("systemd-sysusers", format!("{}: there is no user {user}", unit.name()));
        }
    }

    fn enabled(&mut self, root: &Path, unit: &str) {
        let wants = std::fs::read_dir(root.join("etc/systemd/system")).into_iter().flatten().flatten();
        let wants = wants.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "wants"));
        if !wants.map(|folder| folder.join(unit)).any(|link| link.symlink_metadata().is_ok()) {
            self.command(
                format!("systemctl enable --now {unit}"),
                format!("{unit} is not enabled: it does not start by itself"),
            );
        }
    }

    fn control_group(&mut self, unit: &Unit, name: &str) {
        let Ok(Some(group)) = Group::from_name(name) else {
            return self
                .command(format!("groupadd --system {name}"), format!("control_group: there is no group {name}"));
        };
        let user = unit.value("User").unwrap_or("root");
        let listed = unit.words("SupplementaryGroups").contains(&name) || unit.value("Group") == Some(name);
        if user != "root" && !listed && !groups_of(user).contains(&group.gid.as_raw()) {
            let what = format!("control_group: user {user} is not in group {name}, and may not hand the socket to it");
            self.line(DAEMON, format!("SupplementaryGroups={name}"), what);
        }
    }

    fn writes(&mut self, unit: &Unit, what: &str, path: &Path) {
        let (name, shown) = (unit.name(), path.display());
        if !unit.may_see(path) {
            return self.fault(format!("{what}: {name} does not see {shown}: choose another place"));
        }
        if unit.may_write(path) {
            return;
        }
        self.line(name, format!("ReadWritePaths={shown}"), format!("{what}: {name} may not write {shown}"));
        let user = unit.value("User").unwrap_or("root");
        if !path.exists() {
            // a unit does not start where a folder that it may write is not there
            self.commands.push(format!("install -d -m 0700 -o {user} -g {user} {shown}"));
        }
    }

    fn sees(&mut self, unit: &Unit, what: &str, path: &Path) {
        if unit.may_see(path) {
            return;
        }
        let name = unit.name();
        // a file that is bound alone stays the one that it was when the unit started, whatever takes its name
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let fault = format!("{what}: {name} does not see {}", path.display());
        if !folder.exists() {
            return self.fault(format!("{fault}: choose another place"));
        }
        let bind = format!("BindReadOnlyPaths={}", folder.display());
        if unit.hides_home(path) {
            self.line(name, "ProtectHome=tmpfs", fault.clone());
            self.line(name, bind, fault);
            self.faults.dedup();
        } else if unit.is_inaccessible(path) {
            self.fault(format!("{fault}, and no drop-in opens what is in InaccessiblePaths=: choose another place"));
        } else {
            self.line(name, bind, fault);
        }
    }

    fn runner(&mut self, root: &Path, config: &Config, daemon: &Unit) -> std::io::Result<()> {
        let written = &config.written;
        let outlets = written.outlets();
        let needed = !written.actions.is_empty() || outlets.values().any(|outlet| outlet.leaves());
        let Some(unit) = Unit::read(root, RUNNER)? else {
            if needed {
                self.fault(format!(
                    "{RUNNER} is not installed: no order is carried out, and nothing leaves the machine"
                ));
            }
            return Ok(());
        };
        let listens = Unit::read(root, RUNNER_LISTENS)?;
        let at = listens.as_ref().and_then(|unit| unit.value("ListenStream")).unwrap_or(RUNNER_SOCKET);
        match &written.runner.socket {
            Some(socket) if socket == Path::new(at) => self.enabled(root, RUNNER_LISTENS),
            Some(socket) => self.fault(format!("[runner] socket is {}, and {RUNNER_LISTENS} listens at {at}", socket.display())),
            None if needed => self.fault(format!(
                "[runner] socket is not set: the daemon starts a runner of its own, without network and in its own sandbox; write [runner] socket = \"{at}\""
            )),
            None => return Ok(()),
        }
        let user = daemon.value("User").unwrap_or("root");
        if let Some(other) = listens.as_ref().and_then(|unit| unit.value("SocketUser")).filter(|other| *other != user) {
            self.line(
                RUNNER_LISTENS,
                format!("SocketUser={user}"),
                format!("{RUNNER_LISTENS}: only {other} may connect"),
            );
        }
        self.user(&unit);
        for (name, path) in unit.credential_files().into_iter().filter(|(_, path)| !path.exists()) {
            self.fault(format!(
                "{RUNNER} does not start: its credential {name} is to come from {}, which is not there",
                path.display()
            ));
        }
        written.runner.state_dir.iter().for_each(|dir| self.writes(&unit, "[runner] state_dir", dir));
        for (name, action) in &written.actions {
            self.needs(&unit, &format!("action {name}"), &action.needs());
        }
        for (name, outlet) in outlets.iter().filter(|(_, outlet)| outlet.leaves()) {
            self.needs(&unit, &format!("[{name}]"), &outlet.needs());
        }
        Ok(())
    }

    fn needs(&mut self, unit: &Unit, what: &str, needs: &Needs) {
        for program in &needs.runs {
            for path in std::iter::once(program.clone()).chain(interpreter(program)) {
                if !unit.may_execute(&path) {
                    let line = format!("ExecPaths={}", path.display());
                    self.line(unit.name(), line, format!("{what}: {} may not execute {}", unit.name(), path.display()));
                }
                self.sees(unit, what, &path);
                self.opens(unit, what, &path);
            }
        }
        needs.writes.iter().for_each(|path| self.writes(unit, what, path));
        for path in &needs.reads {
            self.sees(unit, what, path);
            self.opens(unit, what, path);
        }
        for name in needs.credentials.iter().filter(|name| !unit.has_credential(name)) {
            let file = format!("/etc/tripline/keys/{name}");
            if !Path::new(&file).exists() {
                // the unit does not start without it
                self.commands.push(format!("install -m 0400 FILE-WITH-THE-SECRET {file}"));
            }
            let line = format!("LoadCredential={name}:{file}");
            self.line(unit.name(), line, format!("{what}: {} is not handed the credential {name}", unit.name()));
        }
        for host in &needs.reaches {
            self.reaches(unit, what, host);
        }
    }

    fn opens(&mut self, unit: &Unit, what: &str, path: &Path) {
        use std::os::unix::fs::FileTypeExt;
        if std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
            return;
        }
        let file = path.to_owned();
        let opened = as_user(unit, move || std::fs::File::open(file).map(drop).map_err(|e| e.to_string()));
        if let Some(Err(why)) = opened {
            let user = unit.value("User").unwrap_or("root");
            self.fault(format!("{what}: user {user} can't read {}: {why}", path.display()));
        }
    }

    fn reaches(&mut self, unit: &Unit, what: &str, host: &str) {
        let (may, line) = match host.parse::<IpAddr>() {
            Ok(ip) => (unit.may_reach(ip), format!("IPAddressAllow={ip}")),
            Err(_) if host == "localhost" => return,
            Err(_) => {
                (unit.reaches_others(), format!("#IPAddressAllow= the addresses of {host}, and of your name servers"))
            }
        };
        if !may {
            self.line(unit.name(), line, format!("{what}: {} may not reach {host}", unit.name()));
        }
    }

    fn receiver(&mut self, root: &Path, config: &Config) -> std::io::Result<()> {
        let written = &config.written;
        let received = || written.trail.iter().flat_map(|t| t.receive.iter().map(move |from| (t, from)));
        let mut from_elsewhere = received().filter(|(_, from)| **from != Address::Stdin).peekable();
        if from_elsewhere.peek().is_none() {
            return Ok(());
        }
        if !written.receiver.unit {
            self.fault("[receiver] unit is not set: the daemon starts a receiver in its own sandbox, which has no network and starts no journalctl; write [receiver] unit = true");
        }
        let Some(unit) = Unit::read(root, RECEIVER)? else {
            self.fault(format!("{RECEIVER} is not installed: nothing is received"));
            return Ok(());
        };
        self.user(&unit);
        self.enabled(root, RECEIVER);
        let listens = Unit::read(root, RECEIVER_LISTENS)?;
        for (trail, from) in from_elsewhere {
            let what = format!("trail {}: {from}", trail.name);
            self.writes(&unit, &what, &spool_dir(&written.state_dir, &trail.name));
            match from {
                Address::Udp(at) | Address::Tcp(at) => {
                    let kind = if matches!(from, Address::Udp(_)) { "ListenDatagram" } else { "ListenStream" };
                    let opened =
                        listens.as_ref().is_some_and(|unit| unit.words(kind).contains(&at.to_string().as_str()));
                    if at.port() < PRIVILEGED_PORTS && !opened {
                        let line = format!("{kind}={at}");
                        self.line(
                            RECEIVER_LISTENS,
                            line,
                            format!("{what}: {RECEIVER_LISTENS} does not open it, and {RECEIVER} may not"),
                        );
                    }
                    if at.port() < PRIVILEGED_PORTS {
                        self.receiver_socket(root);
                    }
                    if !at.ip().is_loopback() && !unit.reaches_others() {
                        let line = "#IPAddressAllow= the addresses or networks of those who send";
                        self.line(RECEIVER, line, format!("{what}: {RECEIVER} takes nothing from other machines"));
                    }
                }
                Address::UnixDatagram(path) | Address::Lines(path) => {
                    let folder = path.parent().unwrap_or(Path::new("/"));
                    if !unit.may_write(folder) || !unit.may_see(folder) {
                        let made = unit.value("RuntimeDirectory").unwrap_or("tripline-receiver");
                        self.fault(format!(
                            "{what}: {RECEIVER} makes its sockets below /run/{made}: choose a path there"
                        ));
                    }
                }
                Address::Journal(_) if !unit.words("SupplementaryGroups").contains(&"systemd-journal") => {
                    self.line(
                        RECEIVER,
                        "SupplementaryGroups=systemd-journal",
                        format!("{what}: {RECEIVER} may not read the journal"),
                    );
                }
                Address::Journal(_) | Address::Stdin => {}
            }
        }
        Ok(())
    }
}

impl Compared {
    /// The receiver's socket unit has to be started before its service: systemd refuses it beside one that runs.
    fn receiver_socket(&mut self, root: &Path) {
        let before = self.commands.len();
        self.enabled(root, RECEIVER_LISTENS);
        if self.commands.len() > before {
            self.commands.insert(before, format!("systemctl stop {RECEIVER}"));
            self.commands.push(format!("systemctl start {RECEIVER}"));
        }
    }
}

/// The folder of a trail's path: what stands before its first wildcard, up to the last slash.
fn folder(path: &str) -> PathBuf {
    let fixed = path.split(['*', '?', '[']).next().unwrap_or_default();
    PathBuf::from(fixed.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder }))
}

/// The interpreter of a script.
fn interpreter(program: &Path) -> Option<PathBuf> {
    use std::io::Read;
    let mut head = Vec::new();
    std::fs::File::open(program).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    std::str::from_utf8(line).ok()?.split_whitespace().next().map(PathBuf::from)
}

fn groups_of(user: &str) -> Vec<u32> {
    let Ok(Some(found)) = User::from_name(user) else { return Vec::new() };
    let name = CString::new(user).unwrap_or_default();
    let groups = nix::unistd::getgrouplist(&name, found.gid).unwrap_or_default();
    groups.into_iter().map(nix::unistd::Gid::as_raw).collect()
}

/// Does something with the rights of a unit's user and groups, on a thread of its own; nothing where we are not root, or there is no
/// such user.
fn as_user<T: Send + 'static>(unit: &Unit, what: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let user = unit.value("User")?;
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let found = User::from_name(user).ok().flatten()?;
    let named = unit.words("SupplementaryGroups").into_iter();
    let named = named.filter_map(|name| Some(Group::from_name(name).ok()??.gid.as_raw()));
    let groups: Vec<Gid> = groups_of(user).into_iter().chain(named).map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(found.uid.as_raw()), Gid::from_raw(found.gid.as_raw()));
    let thread = std::thread::spawn(move || {
        // of this thread alone: the system calls, not the C library's functions, which would change the whole process
        let dropped = rustix::thread::set_thread_groups(&groups)
            .and_then(|()| rustix::thread::set_thread_res_gid(gid, gid, gid))
            .and_then(|()| rustix::thread::set_thread_res_uid(uid, uid, uid));
        dropped.ok().map(|()| what())
    });
    thread.join().ok().flatten()
}
