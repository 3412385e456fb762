//! The running daemon: what it has given up, and what it tells systemd.
use crate::support::{DOWNLOADS, Ends, PORTAL, Site, World, children, skip, text, until};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};

fn can_be_had(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        skip(format_args!("{program} is not installed"));
    }
    there
}

/// The value of a field of `/proc/PID/task/TID/status` for each thread, with the thread's name.
fn threads(process: u32, field: &str) -> Vec<(String, String)> {
    let of = |path: &Path| {
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let value =
            |key: &str| Some(status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'))?.trim().to_owned());
        Some((value("Name")?, value(field)?))
    };
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks.filter_map(|t| of(&t.ok()?.path())).collect()
}

#[test]
fn every_thread_of_a_running_daemon_is_filtered_and_its_runner_is_not() {
    let site = Site::bare("", "");
    for name in [PORTAL, DOWNLOADS] {
        site.append_to(name);
    }
    let daemon = site.start(&[]);
    let filtered = threads(daemon.id(), "Seccomp");
    assert!(filtered.len() >= 5, "two of the runtime, the writer and two trails: {filtered:?}");
    assert!(filtered.iter().any(|(name, _)| name == "writer"), "{filtered:?}");
    assert!(filtered.iter().all(|(_, mode)| mode == "2"), "{filtered:?}");
    assert!(threads(daemon.id(), "NoNewPrivs").iter().all(|(_, on)| on == "1"));
    // the runner can do both: it is what they were given up for
    let runner = until("the runner", || children(daemon.id()).first().copied());
    assert!(threads(runner, "Seccomp").iter().all(|(_, mode)| mode == "0"));
    daemon.stop();
    // and the test would notice: without the filter there is none
    let daemon = site.start(&["--unconfined"]);
    assert!(threads(daemon.id(), "Seccomp").iter().all(|(_, mode)| mode == "0"));
    daemon.stop();
}

#[test]
fn every_thread_of_a_receiver_is_filtered_and_so_are_learn_and_replay() {
    let site = Site::bare("", "");
    let d = site.dir.path().display();
    site.configure(&format!(
        "state_dir = '{d}/state'\ncontrol_socket = '{d}/control.sock'\n[receiver]\nunit = true\n\
         [[trail]]\nname = 'portal'\nprofile = 'tripline-portal'\nreceive = ['lines:{d}/portal.sock']\n"
    ));
    let receiver = Ends(site.command(&["receive"]).stderr(Stdio::null()).spawn().unwrap());
    until("the filter", || {
        let filtered = threads(receiver.0.id(), "Seccomp");
        (filtered.len() >= 3 && filtered.iter().all(|(_, mode)| mode == "2")).then_some(())
    });
    drop(receiver);
    if !can_be_had("strace") {
        return;
    }
    let site = Site::bare("", "");
    site.append_to(PORTAL);
    let trail = site.path(PORTAL).display().to_string();
    for arguments in [&["learn", "--trail", "portal", "-c"][..], &["replay", "-c"]] {
        let log = site.path("trace");
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-e", "trace=seccomp,socket,connect,execve", "-o"]).arg(&log);
        traced.arg(env!("CARGO_BIN_EXE_tripline")).args(arguments).arg(site.config());
        traced.args(arguments.contains(&"learn").then_some(&trail));
        let out = traced.output().unwrap();
        let trace = std::fs::read_to_string(&log).unwrap();
        let after = trace.split_once("SECCOMP_SET_MODE_FILTER").map(|(_, after)| after);
        let after = after.unwrap_or_else(|| panic!("{arguments:?} takes no filter: {trace}\n{}", text(&out)));
        assert!(after.lines().next().unwrap().ends_with("= 0"), "{arguments:?}: {trace}");
        assert!(!after.contains("socket(") && !after.contains("execve("), "{arguments:?} needs neither: {trace}");
    }
}

#[test]
fn a_daemon_at_work_neither_executes_nor_connects_to_the_network() {
    let world = World::make(5);
    if !can_be_had("strace") {
        return;
    }
    let site = Site::following(&world, "");
    let log = site.path("trace");
    let hook = site.hook("end-session", "cat > /dev/null; echo told");
    let more = format!(
        "[response]\nmode = 'enforce'\nlimit = 1000\ntoo_old_seconds = 4000000000\n[actions.end-session]\ncommand = ['{}']\n\
         [syslog.local]\naddress = '{}'\n[syslog.far]\ntransport = 'udp'\naddress = '127.0.0.1:9'\n",
        hook.display(),
        site.path("log.sock").display()
    );
    site.configure(&(site.configuration() + &more));
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(site.path(name), world.read(name)).unwrap();
    }
    let plain = site.command(&["run"]);
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-qq", "-e", "trace=execve,execveat,connect,socket,bind", "-o"])
        .arg(&log)
        .arg(plain.get_program())
        .args(plain.get_args());
    let daemon = site.start_with(traced);
    let process = site.status()["pid"].as_u64().unwrap();
    site.caught_up();
    until("an order to be carried out", || {
        site.json(&["orders", "list"]).iter().any(|o| o["state"] == "done").then_some(())
    });
    let threads: Vec<String> = std::fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .filter_map(|t| t.ok()?.file_name().into_string().ok())
        .collect();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap(),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let mut daemon = daemon;
    assert!(daemon.wait().success(), "{}", daemon.log());
    let trace = std::fs::read_to_string(&log).unwrap();
    let own: Vec<&str> = trace
        .lines()
        .filter(|l| l.split_whitespace().next().is_some_and(|id| threads.iter().any(|t| t == id)))
        .collect();
    let executed = own.iter().filter(|l| l.contains("execve")).count();
    assert_eq!(executed, 1, "only its own start: {own:#?}");
    assert!(!own.iter().any(|l| l.contains("AF_INET")), "{own:#?}");
    assert!(own.iter().any(|l| l.contains("AF_UNIX")), "the trace saw its sockets: {own:#?}");
    // the runner did what the daemon can't
    assert!(trace.lines().any(|l| l.contains("execve") && l.contains("end-session")), "the hook was run");
}

/// The next message to systemd that holds `word`.
fn told(socket: &UnixDatagram, word: &str) -> String {
    let mut buffer = [0; 4096];
    until(word, || {
        let n = socket.recv(&mut buffer).ok()?;
        let message = String::from_utf8_lossy(&buffer[..n]).into_owned();
        message.lines().any(|l| l.starts_with(word)).then_some(message)
    })
}

#[test]
fn systemd_is_told_of_readiness_life_reload_and_end() {
    let site = Site::bare("", "");
    let socket = UnixDatagram::bind(site.path("notify.sock")).unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let mut command = site.command(&["run"]);
    command.env("NOTIFY_SOCKET", site.path("notify.sock")).env("WATCHDOG_USEC", "400000");
    let daemon = site.spawn(command);
    told(&socket, "READY=1");
    // ready means that it answers
    assert!(site.ask("{\"ask\":\"status\"}").is_some());
    told(&socket, "WATCHDOG=1");
    told(&socket, "WATCHDOG=1");
    daemon.signal(rustix::process::Signal::HUP);
    told(&socket, "RELOADING=1");
    told(&socket, "READY=1");
    daemon.signal(rustix::process::Signal::TERM);
    told(&socket, "STOPPING=1");
    let mut daemon = daemon;
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert!(!site.path("control.sock").exists(), "a socket that nobody answers at would only puzzle");
}

#[test]
fn a_runner_that_systemd_starts_carries_out_the_orders() {
    let world = World::make(5);
    if !can_be_had("systemd-socket-activate") {
        return;
    }
    let site = Site::following(&world, "");
    let hook = site.hook("end-session", "cat >> $DIR/documents; echo told");
    let socket = site.path("runner.sock");
    let more = format!(
        "[response]\nmode = 'enforce'\nlimit = 1000\ntoo_old_seconds = 4000000000\n[actions.end-session]\ncommand = ['{}']\n\
         [runner]\nsocket = '{}'\nstate_dir = '{}'\n",
        hook.display(),
        socket.display(),
        site.path("runner").display()
    );
    site.configure(&(site.configuration() + &more));
    for name in [PORTAL, DOWNLOADS] {
        std::fs::write(site.path(name), world.read(name)).unwrap();
    }
    let plain = site.command(&["hook-runner"]);
    let mut activated = Command::new("systemd-socket-activate");
    activated.arg("-l").arg(&socket).arg(plain.get_program()).args(plain.get_args());
    let mut runner = site.spawn(activated);
    until("systemd's socket", || socket.exists().then_some(()));
    let daemon = site.start(&[]);
    site.caught_up();
    until("an order to be carried out", || {
        site.json(&["orders", "list"]).iter().any(|o| o["state"] == "done").then_some(())
    });
    assert!(children(daemon.id()).is_empty(), "the daemon starts no runner of its own");
    let status = site.say(&["status"]);
    assert!(text(&status).contains("health: well"), "{}", text(&status));
    let documents = std::fs::read_to_string(site.path("documents")).unwrap();
    let document: serde_json::Value = serde_json::from_str(documents.lines().next().unwrap()).unwrap();
    assert!(
        document["target"]["session"].as_str().unwrap().starts_with("s-"),
        "the hook gets the real session: {document}"
    );
    runner.kill();
    until("the runner's absence to be shown", || site.status()["health"]["runner"].is_string().then_some(()));
    daemon.stop();
}

#[test]
fn a_signal_while_it_starts_is_obeyed_when_it_has_started() {
    let site = Site::bare("", "");
    let mut daemon = site.spawn(site.command(&["run"]));
    until("the signals to be listened to", || {
        let (_, caught) = threads(daemon.id(), "SigCgt").pop()?;
        let both = 1 << (15 - 1) | 1;
        (u64::from_str_radix(&caught, 16).ok()? & both == both).then_some(())
    });
    daemon.signal(rustix::process::Signal::HUP);
    daemon.signal(rustix::process::Signal::TERM);
    let status = daemon.wait();
    assert!(status.success(), "{status}: {}", daemon.log());
}
