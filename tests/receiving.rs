//! Trails that come over sockets, pipes and from the journal, from the programs that really send them.

use crate::servers;
use crate::support::{self, Ends, Site, children, until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// An act of the portal, as it writes it.
fn act(n: u64) -> String {
    let at = jiff::Timestamp::now().as_millisecond() - 3_600_000 + n as i64;
    let at = jiff::Timestamp::from_millisecond(at).unwrap();
    format!(
        "{{\"ts\":\"{at}\",\"id\":\"e{n}\",\"event\":\"session.login\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u1\",\"name\":\"ana\",\
         \"type\":\"user\",\"role\":\"support\"}},\"session\":\"s-0000001\",\"ip\":\"192.0.2.1\",\"ua\":\"Mozilla/5.0\"}}"
    )
}

/// A site with one trail, `portal`, that is received so.
fn site(receive: &str, more: &str) -> Site {
    let site = Site::bare("", "");
    let d = site.dir.path().display();
    site.configure(&format!(
        "state_dir = '{d}/state'\ncontrol_socket = '{d}/control.sock'\n\
         [[trail]]\nname = 'portal'\nprofile = 'tripline-portal'\nreceive = [{}]\n{more}",
        receive.replace("$DIR", &d.to_string())
    ));
    site
}

fn events(site: &Site) -> u64 {
    site.status()["trails"]["portal"]["events"].as_u64().unwrap_or(0)
}

/// Waits until all of them are there, and sees that they stay as many.
fn all_there(site: &Site, count: u64) {
    until("the events", || (events(site) >= count).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let portal = site.status()["trails"]["portal"].clone();
    assert_eq!(portal["events"], count, "{portal}");
    assert!(portal["rejects"].as_object().is_some_and(serde_json::Map::is_empty), "{portal}");
    assert_eq!(portal["repeated"], 0, "{portal}");
}

/// rsyslogd, which follows a file and sends each of its lines on.
struct Rsyslogd {
    dir: tempfile::TempDir,
    child: Child,
}

impl Rsyslogd {
    /// `legacy` stands before the ruleset whose action is `action`.
    fn sending(legacy: &str, action: &str) -> Option<Rsyslogd> {
        let program = servers::program("rsyslogd")?;
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path().display();
        let config = dir.path().join("rsyslog.conf");
        std::fs::write(dir.path().join("portal.log"), "").unwrap();
        std::fs::write(
            &config,
            format!(
                "global(workDirectory=\"{d}\" maxMessageSize=\"64k\")\nmodule(load=\"imfile\" mode=\"inotify\")\n\
                 input(type=\"imfile\" File=\"{d}/portal.log\" Tag=\"portal\" ruleset=\"out\")\n\
                 {legacy}\nruleset(name=\"out\") {{\n{action}\n}}\n"
            ),
        )
        .unwrap();
        let child = Command::new(program)
            .args(["-n", "-i", "NONE", "-f"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Rsyslogd { dir, child })
    }

    fn log(&self, acts: impl Iterator<Item = u64>) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.dir.path().join("portal.log")).unwrap();
        for n in acts {
            writeln!(file, "{}", act(n)).unwrap();
        }
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a real rsyslogd sends with `action` arrives whole and once.
fn from_rsyslogd(receive: &str, legacy: impl Fn(&Site) -> String, action: &str) {
    let site = site(receive, "apps = ['portal']\n");
    let daemon = site.start(&[]);
    // a sender that finds nobody there waits for long before it tries again
    until("the receiver", || site.path("state/spool/portal/0000000000000001.spool").exists().then_some(()));
    std::thread::sleep(Duration::from_millis(200));
    let Some(sender) = Rsyslogd::sending(&legacy(&site), action) else { return };
    sender.log(0..500);
    all_there(&site, 500);
    sender.log(500..600);
    all_there(&site, 600);
    daemon.stop();
}

#[test]
fn rsyslogd_over_tcp_with_octet_counting_and_rfc_5424() {
    let port = servers::free_port();
    from_rsyslogd(
        &format!("'tcp:127.0.0.1:{port}'"),
        |_| String::new(),
        &format!(
            "action(type=\"omfwd\" action.resumeInterval=\"1\" Target=\"127.0.0.1\" Port=\"{port}\" Protocol=\"tcp\" TCP_Framing=\"octet-counted\" \
             template=\"RSYSLOG_SyslogProtocol23Format\")"
        ),
    );
}

#[test]
fn rsyslogd_over_tcp_a_message_a_line_and_rfc_3164() {
    let port = servers::free_port();
    from_rsyslogd(
        &format!("'tcp:127.0.0.1:{port}'"),
        |_| String::new(),
        &format!(
            "action(type=\"omfwd\" action.resumeInterval=\"1\" Target=\"127.0.0.1\" Port=\"{port}\" Protocol=\"tcp\" \
             template=\"RSYSLOG_TraditionalForwardFormat\")"
        ),
    );
}

#[test]
fn rsyslogd_over_udp() {
    let port = servers::free_port();
    let action = format!(
        "action(type=\"omfwd\" action.resumeInterval=\"1\" Target=\"127.0.0.1\" Port=\"{port}\" Protocol=\"udp\" template=\"RSYSLOG_ForwardFormat\")"
    );
    from_rsyslogd(&format!("'udp:127.0.0.1:{port}'"), |_| String::new(), &action);
}

#[test]
fn rsyslogd_over_a_unix_socket() {
    let legacy = |site: &Site| format!("$ModLoad omuxsock\n$OMUxSockSocket {}", site.path("log.sock").display());
    from_rsyslogd("'unixgram:$DIR/log.sock'", legacy, "*.* :omuxsock:;RSYSLOG_SyslogProtocol23Format");
}

#[test]
fn two_trails_share_a_socket_by_the_program_that_speaks() {
    let site = site("'unixgram:$DIR/log.sock'", "apps = ['portal']\n");
    let d = site.dir.path().display().to_string();
    let second = format!(
        "[[trail]]\nname = 'idp'\nprofile = 'tripline-portal'\nreceive = ['unixgram:{d}/log.sock']\napps = ['idp']\n"
    );
    site.configure(&(site.configuration() + &second));
    let daemon = site.start(&[]);
    let socket = UnixDatagram::unbound().unwrap();
    until("the socket", || socket.connect(site.path("log.sock")).ok());
    for n in 0..30 {
        let app = ["portal", "idp", "cron"][n as usize % 3];
        socket.send(format!("<134>1 2026-04-01T09:12:44Z gw {app} - - - {}", act(n)).as_bytes()).unwrap();
    }
    until("both", || {
        let trails = site.status()["trails"].clone();
        (trails["portal"]["events"] == 10 && trails["idp"]["events"] == 10).then_some(())
    });
    daemon.stop();
}

/// Who vouches for the sessions of what was received.
fn vouched(site: &Site) -> Vec<String> {
    let ledger = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
    let mut rows = ledger.prepare("SELECT body ->> 'vouched' FROM tail ORDER BY sequence").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn of_what_comes_over_a_socket_a_server_vouches_where_the_trail_says_who_sends() {
    let own = rustix::process::geteuid().as_raw();
    let mine = format!("senders = ['uid:{own}']\n");
    let another = format!("senders = ['uid:{}']\n", own + 1);
    for (senders, by) in [("", "client"), (&*mine, "server"), (&*another, "client")] {
        let site = site("'lines:$DIR/portal.sock', 'unixgram:$DIR/log.sock'", senders);
        let daemon = site.start(&[]);
        let mut lines = until("the socket", || UnixStream::connect(site.path("portal.sock")).ok());
        writeln!(lines, "{}", act(0)).unwrap();
        let datagrams = UnixDatagram::unbound().unwrap();
        until("the other", || datagrams.connect(site.path("log.sock")).ok());
        datagrams.send(format!("<134>1 2026-04-01T09:12:44Z gw portal - - - {}", act(1)).as_bytes()).unwrap();
        all_there(&site, 2);
        let health = site.status()["health"].clone();
        let said = health["senders of portal"].as_str().unwrap_or_default();
        assert_eq!(said.contains("portal.sock and ") && said.contains("set `senders`"), senders.is_empty(), "{health}");
        daemon.stop();
        assert_eq!(vouched(&site), [by; 2], "{senders}");
    }
}

#[test]
fn that_anybody_can_write_a_trail_is_said_until_the_configuration_says_who_may() {
    let site = site("'lines:$DIR/portal.sock', 'stdin', 'journal:portal.service'", "");
    let daemon = site.start(&[]);
    let said = || site.status()["health"]["senders of portal"].as_str().map(str::to_owned);
    let why = until("it to be said", said);
    assert!(why.contains("portal.sock") && !why.contains("stdin") && !why.contains("journal"), "{why}");
    site.configure(&format!("{}senders = ['uid:0']\n", site.configuration()));
    daemon.signal(rustix::process::Signal::HUP);
    until("it to be over", || said().is_none().then_some(()));
    daemon.stop();
}

#[test]
fn a_shipper_at_a_unix_stream_socket_and_one_that_dies_in_a_line() {
    let site = site("'lines:$DIR/portal.sock'", "");
    let daemon = site.start(&[]);
    let connect = || until("the socket", || UnixStream::connect(site.path("portal.sock")).ok());
    let (mut one, mut other) = (connect(), connect());
    for n in 0..200 {
        let to = if n % 2 == 0 { &mut one } else { &mut other };
        writeln!(to, "{}", act(n)).unwrap();
    }
    // the last line without its end is an act all the same
    write!(one, "{}", act(200)).unwrap();
    drop((one, other));
    all_there(&site, 201);
    daemon.stop();
}

#[test]
fn what_is_piped_in_is_followed_and_a_second_pipe_waits_for_its_turn() {
    let site = site("'stdin'", "");
    let daemon = site.start(&[]);
    let pipe = |acts: std::ops::Range<u64>| {
        let mut child = site
            .command(&["receive", "--stdin", "portal"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        acts.for_each(|n| writeln!(stdin, "{}", act(n)).unwrap());
        (child, stdin)
    };
    let (mut first, stdin) = pipe(0..100);
    all_there(&site, 100);
    let (second, _) = pipe(0..0);
    let refused = second.wait_with_output().unwrap();
    assert_eq!(refused.status.code(), Some(75), "{}", String::from_utf8_lossy(&refused.stderr));
    drop(stdin);
    assert!(first.wait().unwrap().success());
    let (mut third, stdin) = pipe(100..150);
    drop(stdin);
    assert!(third.wait().unwrap().success());
    all_there(&site, 150);
    daemon.stop();
}

#[test]
fn while_the_daemon_is_down_the_spool_fills_to_its_limit_and_senders_wait() {
    let site = site("'lines:$DIR/portal.sock'", "[receiver]\nunit = true\nspool_bytes = 4194304\n");
    let receiver = receiver(&site);
    let mut to = until("the socket", || UnixStream::connect(site.path("portal.sock")).ok());
    to.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    // more than fits; what is not taken is written later, from where it stopped
    let all: Vec<u8> = (0..60_000).flat_map(|n| (act(n) + "\n").into_bytes()).collect();
    let mut sent = 0;
    while let Ok(n) = to.write(&all[sent..]) {
        sent += n;
        assert!(sent < all.len(), "the sender never had to wait");
    }
    let waiting = || -> u64 {
        let files = std::fs::read_dir(site.path("state/spool/portal")).unwrap();
        files.map(|f| f.unwrap().metadata().unwrap().len()).sum()
    };
    assert!(waiting() < 10 << 20, "{}", waiting());
    let daemon = site.start(&[]);
    to.set_write_timeout(Some(support::PATIENCE)).unwrap();
    to.write_all(&all[sent..]).unwrap();
    drop(to);
    all_there(&site, 60_000);
    // what was processed takes no more room
    until("the spool to shrink", || (waiting() < 4 << 20).then_some(()));
    daemon.stop();
    drop(receiver);
}

#[test]
fn a_hostile_connection_harms_no_other() {
    let port = servers::free_port();
    let site = site(&format!("'tcp:127.0.0.1:{port}'"), "");
    let daemon = site.start(&[]);
    let connect = || until("the port", || TcpStream::connect(("127.0.0.1", port)).ok());
    let (mut endless, mut counted, mut idle) = (connect(), connect(), connect());
    idle.write_all(b"17").unwrap();
    endless.write_all(&vec![b'x'; 5 << 20]).unwrap();
    counted.write_all(b"9999999999 \x00\x1b[2J").unwrap();
    let mut good = connect();
    for n in 0..100 {
        let message = format!("<134>1 2026-04-01T09:12:44Z gw portal - - - {}", act(n));
        write!(good, "{} {message}", message.len()).unwrap();
    }
    until("the events", || (events(&site) >= 100).then_some(()));
    drop((endless, counted, idle, good));
    daemon.stop();
}

#[test]
fn a_sender_with_many_connections_leaves_places_for_others() {
    let port = servers::free_port();
    let site = site(&format!("'tcp:127.0.0.1:{port}'"), "");
    let daemon = site.start(&[]);
    let connect = || until("the port", || TcpStream::connect(("127.0.0.1", port)).ok());
    // more than there are places for all
    let mut greedy: Vec<TcpStream> = (0..300).map(|_| connect()).collect();
    let mut last = greedy.pop().unwrap();
    last.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let read = last.read(&mut [0; 1]);
    assert!(!matches!(&read, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock), "it is closed: {read:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        let message = format!("<134>1 2026-04-01T09:12:44Z gw portal - - - {}\n", act(1));
        tokio::io::AsyncWriteExt::write_all(&mut other, message.as_bytes()).await.unwrap();
    });
    until("its event", || (events(&site) == 1).then_some(()));
    // and who had too many has places again when it has given some up
    greedy.clear();
    let message = format!("<134>1 2026-04-01T09:12:45Z gw portal - - - {}\n", act(2));
    until("another one", || {
        let mut again = connect();
        again.write_all(message.as_bytes()).ok()?;
        drop(again);
        std::thread::sleep(std::time::Duration::from_millis(50));
        (events(&site) == 2).then_some(())
    });
    daemon.stop();
}

/// What the spool holds now, whatever the file.
fn spooled(site: &Site) -> String {
    let files = std::fs::read_dir(site.path("state/spool/portal")).unwrap();
    // the daemon may delete one in between
    files.filter_map(|file| std::fs::read(file.ok()?.path()).ok()).map(|bytes| text_of(&bytes)).collect()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_is_committed_leaves_the_disk_within_seconds_at_an_orderly_stop_and_after_a_kill() {
    let site = site("'lines:$DIR/portal.sock'", "");
    let connect = || until("the socket", || UnixStream::connect(site.path("portal.sock")).ok());
    let daemon = site.start(&[]);
    let mut to = connect();
    for n in 0..50 {
        writeln!(to, "{}", act(n)).unwrap();
    }
    all_there(&site, 50);
    until("the spool to be empty", || (!spooled(&site).contains("s-0000001")).then_some(()));
    writeln!(to, "{}", act(50)).unwrap();
    until("the event", || (events(&site) == 51).then_some(()));
    assert!(spooled(&site).contains("s-0000001"), "it is not so soon that this can't be tried");
    daemon.stop();
    assert!(!spooled(&site).contains("s-0000001"), "{}", spooled(&site));
    let daemon = site.start(&[]);
    let mut to = connect();
    for n in 51..60 {
        writeln!(to, "{}", act(n)).unwrap();
    }
    until("the events", || (events(&site) == 60).then_some(()));
    // neither has the time to clear up; what was committed stays so
    let receiver = children(daemon.id())
        .into_iter()
        .find(|id| text_of(&std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default()).contains("receive"));
    daemon.signal(rustix::process::Signal::KILL);
    let receiver = rustix::process::Pid::from_raw(i32::try_from(receiver.unwrap()).unwrap()).unwrap();
    let _ = rustix::process::kill_process(receiver, rustix::process::Signal::KILL);
    drop(daemon);
    assert!(spooled(&site).contains("s-0000001"));
    let daemon = site.start(&[]);
    until("the spool to be empty", || (!spooled(&site).contains("s-0000001")).then_some(()));
    let mut to = connect();
    writeln!(to, "{}", act(60)).unwrap();
    drop(to);
    all_there(&site, 61);
    daemon.stop();
}

#[test]
fn unfinished_messages_take_little_memory_and_an_honest_large_one_gets_through() {
    let port = servers::free_port();
    let site = site(&format!("'tcp:127.0.0.1:{port}'"), "");
    let daemon = site.start(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = |from: String| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        let stream = runtime.block_on(socket.connect(([127, 0, 0, 1], port).into())).unwrap().into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream
    };
    until("the port", || TcpStream::connect(("127.0.0.1", port)).ok());
    let begun = [format!("{} ", 1 << 20).into_bytes(), vec![b'y'; (1 << 20) - 1]].concat();
    let hostile: Vec<TcpStream> = (0..252)
        .map(|n| {
            let mut stream = connect(format!("127.0.0.{}:0", 11 + n % 4));
            stream.write_all(&begun).unwrap();
            stream
        })
        .collect();
    let large = act(1).replace("Mozilla/5.0", &format!("Mozilla/5.0 {}", "x".repeat(900 << 10)));
    let message = format!("<134>1 2026-04-01T09:12:44Z gw portal - - - {large}");
    let mut honest = connect("127.0.0.2:0".into());
    write!(honest, "{} {message}", message.len()).unwrap();
    until("its event", || (events(&site) >= 1).then_some(()));
    let said = until("what was cut", || {
        let health = site.status()["health"]["receiver of portal"].clone();
        health.as_str().is_some_and(|said| said.contains("unfinished messages were cut")).then_some(health)
    });
    let receiver = children(daemon.id()).into_iter().find_map(|id| {
        let read = |name| Some(text_of(&std::fs::read(format!("/proc/{id}/{name}")).ok()?));
        let most = read("status")?.split_once("VmHWM:")?.1.split_whitespace().next()?.parse::<u64>().ok()?;
        read("cmdline")?.contains("receive").then_some(most >> 10)
    });
    // it has some 40 MiB before, as it is built for tests
    assert!(receiver.is_some_and(|mib| mib < 192), "{receiver:?} MiB, {said}");
    drop((hostile, honest));
    daemon.stop();
}

/// Makes journals, as systemd does.
const JOURNALS: &str = "/lib/systemd/systemd-journal-remote";

/// Appends entries of `portal.service` to a journal that systemd's own program writes.
fn journal(dir: &Path, acts: std::ops::Range<u64>) {
    journal_of("portal.service", dir, acts.map(|n| (n, act(n))));
}

/// Appends numbered entries of a unit.
fn journal_of(unit: &str, dir: &Path, messages: impl Iterator<Item = (u64, String)>) {
    let now = u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap();
    let entries: String = messages
        .map(|(n, message)| {
            format!(
                "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=7b1ac8a0a3e54cb9a6a2d2a2b9f3c001\n\
                 _SYSTEMD_UNIT={unit}\nPRIORITY=6\nMESSAGE={message}\n\n",
                now + n,
                n + 1,
            )
        })
        .collect();
    let export = dir.join("export");
    std::fs::write(&export, entries).unwrap();
    let output = format!("--output={}/remote.journal", dir.display());
    servers::run(Command::new(JOURNALS).arg(output).arg(&export));
    std::fs::remove_file(export).unwrap();
}

#[test]
fn a_journal_file_is_replayed() {
    if !can_make_journals() {
        return;
    }
    let site = site("'journal:portal.service'", "");
    journal(site.dir.path(), 0..50);
    let (file, state) = (site.path("remote.journal"), site.path("replayed"));
    let out = site.say(&["replay", "--journal", file.to_str().unwrap(), "--state", state.to_str().unwrap()]);
    assert!(out.status.success(), "{}", support::text(&out));
    let status = site.json(&["status", "--state", state.to_str().unwrap()]).remove(0);
    assert_eq!(status["trails"]["portal"]["events"], 50, "{status}");
}

#[test]
fn the_journal_is_read_to_the_last_entry_and_none_twice_however_often_the_receiver_dies() {
    let Some((dir, site)) = with_a_journal("'journal:portal.service'") else { return };
    journal(dir.path(), 0..200);
    let daemon = site.start(&[]);
    for round in 1..=6 {
        let receiver = receiver(&site);
        journal(dir.path(), round * 200..(round + 1) * 200);
        // anywhere in its work
        std::thread::sleep(Duration::from_millis(40 * round));
        drop(receiver);
    }
    let receiver = receiver(&site);
    all_there(&site, 1400);
    assert_eq!(gaps(&site), 0);
    drop(receiver);
    daemon.stop();
}

#[test]
fn a_journal_that_was_vacuumed_beyond_what_was_read_is_a_gap() {
    let Some((dir, site)) = with_a_journal("'journal:portal.service'") else { return };
    journal(dir.path(), 0..50);
    let daemon = site.start(&[]);
    let receive = |count| {
        let receiver = receiver(&site);
        all_there(&site, count);
        drop(receiver);
    };
    receive(50);
    journal(dir.path(), 50..60);
    std::fs::remove_file(dir.path().join("remote.journal")).unwrap();
    // what comes first then says nothing, and hides nothing
    journal_of("portal.service", dir.path(), [(60, String::new())].into_iter());
    journal(dir.path(), 61..91);
    receive(80);
    assert_eq!(gaps(&site), 1);
    // and from there on nothing is lost
    journal(dir.path(), 91..101);
    receive(90);
    assert_eq!(gaps(&site), 1);
    daemon.stop();
    // who reads what was received once more finds the same
    site.replay("again");
    assert_eq!(site.findings("again"), site.findings("state"));
}

#[test]
fn a_unit_that_is_no_longer_followed_leaves_no_gap_in_the_journal() {
    let both = "'journal:portal.service', 'journal:old.service'";
    let Some((dir, site)) = with_a_journal(both) else { return };
    let daemon = site.start(&[]);
    journal(dir.path(), 0..20);
    journal_of("old.service", dir.path(), (20..30).map(|n| (n, act(n))));
    let receiving = receiver(&site);
    all_there(&site, 30);
    drop(receiving);
    let config = site.configuration();
    assert!(config.contains(both));
    std::fs::write(site.config(), config.replace(both, "'journal:portal.service'")).unwrap();
    journal(dir.path(), 30..40);
    let receiving = receiver(&site);
    all_there(&site, 40);
    assert_eq!(gaps(&site), 0);
    drop(receiving);
    daemon.stop();
}

fn can_make_journals() -> bool {
    let can = Path::new(JOURNALS).exists();
    if !can {
        support::skip("systemd-journal-remote is not there");
    }
    can
}

/// A folder for a journal, and a site that receives `what` from it, by a receiver of its own.
fn with_a_journal(what: &str) -> Option<(tempfile::TempDir, Site)> {
    let dir = can_make_journals().then(|| tempfile::tempdir().unwrap())?;
    let more = format!("[receiver]\nunit = true\njournal_directory = '{}'\n", dir.path().display());
    let site = site(what, &more);
    Some((dir, site))
}

/// `tripline receive`, which is killed with this.
fn receiver(site: &Site) -> Ends {
    Ends(site.command(&["receive"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn gaps(site: &Site) -> usize {
    let found = site.json(&["findings", "list"]);
    found.iter().filter(|finding| finding["finding"]["policy"] == "trail_gap").count()
}
