//! The runner as systemd starts it, and the daemon's end of its socket: with stand-ins for systemd's sockets.
use crate::stand::{Daemon, PATIENCE, Stand, document, id, runner_command, until};
use crate::support::{self, Ends};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::process::{Child, Command, Stdio};
use tokio::sync::mpsc::Receiver;
use tripline::respond::{Ending, NotTaken, Reply, Request, RunnerClient, RunnerEvent, RunnerLink, RunnerProcess};

fn heard(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 1000];
    let n = socket.recv(&mut buffer).expect("systemd is told within the patience");
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}

fn told_until(socket: &UnixDatagram, wanted: &str) {
    while !heard(socket).lines().any(|l| l == wanted) {}
}

#[test]
fn systemd_is_told_of_readiness_liveness_and_the_end() {
    let stand = Stand::new();
    let path = stand.path("notify");
    let by_path = UnixDatagram::bind(&path).unwrap();
    let name = format!("tripline-test-{}", std::process::id());
    let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    for (address, socket) in [(path.to_str().unwrap().to_owned(), by_path), (format!("@{name}"), by_name)] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let listening = stand.path("runner.sock");
        let mut runner = Ends(
            runner_command(stand.dir.path(), listening.to_str().unwrap())
                .env("NOTIFY_SOCKET", address)
                .env("WATCHDOG_USEC", "300000")
                .spawn()
                .unwrap(),
        );
        told_until(&socket, "READY=1");
        told_until(&socket, "WATCHDOG=1");
        told_until(&socket, "WATCHDOG=1");
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&listening).unwrap());
        assert_eq!(mode & 0o777, 0o600);
        terminate(&runner.0);
        told_until(&socket, "STOPPING=1");
        assert!(runner.0.wait().unwrap().success());
    }
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn a_socket_that_systemd_passes_is_served_and_outlives_the_runner() {
    let stand = Stand::new();
    stand.hook("end", "echo x >> $DIR/ran", "");
    let socket = stand.path("passed.sock");
    let runner = runner_command(stand.dir.path(), "activated");
    let mut activate = Command::new("systemd-socket-activate");
    for name in ["TRIPLINE_TEST_RUNNER", "TRIPLINE_TEST_MEETING"] {
        activate.arg(format!("--setenv={name}"));
    }
    activate.arg("-l").arg(&socket).arg(runner.get_program()).args(runner.get_args());
    activate.envs(runner.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let activate = match activate.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => Ends(child),
        Err(e) => return support::skip(format_args!("systemd-socket-activate: {e}")),
    };
    until("the socket is listened at", || UnixStream::connect(&socket).is_ok());
    for order in 1..=3 {
        let mut daemon = Daemon::greet(UnixStream::connect(&socket).unwrap(), None);
        assert_eq!(daemon.run("end", order).0, Ending::Done);
    }
    assert_eq!(stand.ran(), 3);
    drop(activate);
}

#[test]
fn a_runner_told_to_end_lets_its_hooks_finish_and_starts_no_more() {
    let stand = Stand::new();
    stand.hook("end", "echo x >> $DIR/ran; while [ -d $DIR ] && [ ! -e $DIR/go ]; do sleep 0.01; done", "");
    let mut daemon = stand.start();
    for order in 0..10 {
        daemon.say(&Request::Run { retry: false, document: document("end", order) });
    }
    until("four hooks run", || stand.ran() == 4);
    let mut runner = daemon.runner.take().unwrap();
    terminate(&runner);
    while daemon.try_hear().is_some() {}
    std::fs::write(stand.path("go"), "").unwrap();
    assert!(runner.wait().unwrap().success());
    assert_eq!(stand.ran(), 4);
    let mut again = stand.start();
    let known = (0..10).map(|order| again.ask(order));
    let done = known.filter(|r| matches!(r, Reply::Ended { ending: Ending::Done, .. })).count();
    assert_eq!(done, 4, "the others were never seen");
}

#[test]
fn what_the_file_says_at_a_hangup_holds_and_a_broken_file_keeps_the_old() {
    let stand = Stand::new();
    stand.hook("end", "exit 0", "");
    let mut daemon = stand.start();
    let pid = rustix::process::Pid::from_child(daemon.runner.as_ref().unwrap());
    let hang_up = || rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    support::hook(stand.dir.path(), "end", "exit 3");
    assert_eq!(daemon.run("end", 1).0, Ending::Refused, "changed");
    stand.hook("other", "exit 4", "");
    hang_up();
    let Reply::Hello { actions, .. } = daemon.hear() else { panic!() };
    assert_eq!(actions, ["end", "other"]);
    assert_eq!(daemon.run("end", 1), (Ending::Failed, "exit 3".into()));
    stand.configure("[actions.broken");
    hang_up();
    // Nothing is said, and everything goes on.
    assert_eq!(daemon.run("other", 2), (Ending::Failed, "exit 4".into()));
}

async fn next(events: &mut Receiver<RunnerEvent>) -> RunnerEvent {
    tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_client_connects_again_and_asks_what_became_of_an_order() {
    let stand = Stand::new();
    stand.hook("end", "echo x >> $DIR/ran; while [ -d $DIR ] && [ ! -e $DIR/go ]; do sleep 0.01; done", "");
    let socket = stand.path("runner.sock");
    let (client, mut events) = RunnerClient::start(RunnerLink::Path(socket.clone()));
    let RunnerEvent::Disconnected(why) = next(&mut events).await else { panic!() };
    assert!(why.contains("no runner at"), "{why}");
    let run = Request::Run { retry: false, document: document("end", 1) };
    assert_eq!(client.send(&run), Err(NotTaken::Disconnected));
    let start = || Ends(runner_command(stand.dir.path(), socket.to_str().unwrap()).spawn().unwrap());
    let first = start();
    let RunnerEvent::Connected { actions, .. } = next(&mut events).await else { panic!() };
    assert_eq!(actions, ["end"]);
    client.send(&run).unwrap();
    assert_eq!(next(&mut events).await, RunnerEvent::Reply(Reply::Accepted { order: id(1) }));
    assert_eq!(next(&mut events).await, RunnerEvent::Reply(Reply::Started { order: id(1) }));
    until("the hook runs", || stand.ran() == 1);
    drop(first);
    assert!(matches!(next(&mut events).await, RunnerEvent::Disconnected(_)));
    std::fs::write(stand.path("go"), "").unwrap();
    let _second = start();
    assert!(matches!(next(&mut events).await, RunnerEvent::Connected { .. }));
    client.send(&Request::Ask { order: id(1) }).unwrap();
    let RunnerEvent::Reply(Reply::Ended { ending, .. }) = next(&mut events).await else { panic!() };
    assert_eq!(ending, Ending::Unknown);
    let mut huge = document("end", 2);
    huge.target.session = Some("s".repeat(70_000));
    assert_eq!(client.send(&Request::Run { retry: false, document: huge }), Err(NotTaken::TooLong));
    assert_eq!(stand.ran(), 1);
}

#[tokio::test]
async fn a_runner_that_the_daemon_started_ends_with_it() {
    let stand = Stand::new();
    stand.hook("end", "exit 0", "");
    let command = runner_command(stand.dir.path(), "stdin");
    // The environment of the pair's other end is this process's, as it is for the daemon: `env` sets what the test needs.
    let variables = command.get_envs().filter_map(|(k, v)| Some(format!("{}={}", k.to_str()?, v?.to_str()?)));
    let words: Vec<std::ffi::OsString> = variables
        .map(Into::into)
        .chain([command.get_program().to_owned()])
        .chain(command.get_args().map(ToOwned::to_owned))
        .collect();
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    let (mut process, stream) = RunnerProcess::spawn("/usr/bin/env".as_ref(), &words).unwrap();
    let (client, mut events) = RunnerClient::start(RunnerLink::Pair(stream));
    assert!(matches!(next(&mut events).await, RunnerEvent::Connected { .. }));
    client.send(&Request::Run { retry: false, document: document("end", 1) }).unwrap();
    loop {
        if let RunnerEvent::Reply(Reply::Ended { ending, .. }) = next(&mut events).await {
            assert_eq!(ending, Ending::Done);
            break;
        }
    }
    assert_eq!(process.ended().unwrap(), None);
    drop((client, events));
    assert!(tokio::task::spawn_blocking(move || process.wait()).await.unwrap().unwrap().success());
}
