//! What a process can still do after it has given up execve and the network: in a process of its own, thread by thread.
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use tripline::respond::confine;

/// Each thing that is tried, and whether it worked.
fn tries(listener: &TcpListener) -> Vec<(&'static str, bool)> {
    let address = listener.local_addr().unwrap();
    let netlink = rustix::net::socket(rustix::net::AddressFamily::NETLINK, rustix::net::SocketType::RAW, None);
    vec![
        ("exec", Command::new("/bin/true").status().is_ok()),
        ("tcp connect", TcpStream::connect(address).is_ok()),
        ("tcp listen", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("udp", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("udp 6", rustix::net::socket(rustix::net::AddressFamily::INET6, rustix::net::SocketType::DGRAM, None).is_ok()),
        ("netlink", netlink.is_ok()),
        ("unix pair", UnixStream::pair().is_ok()),
        ("unix datagram", std::os::unix::net::UnixDatagram::unbound().is_ok()),
        ("thread", std::thread::spawn(|| ()).join().is_ok()),
        ("open listener", listener.try_clone().is_ok()),
    ]
}

#[test]
#[ignore = "the confined process, which the other test starts"]
fn confined_process() {
    if std::env::var_os("TRIPLINE_TEST_CONFINED").is_none() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (go, wait) = mpsc::channel();
    let (other, listener2) = (mpsc::channel(), listener.try_clone().unwrap());
    // This thread is there before the filter is.
    let thread = std::thread::spawn(move || {
        wait.recv().unwrap();
        other.0.send(tries(&listener2)).unwrap();
        other.1.recv().unwrap()
    });
    let before = tries(&listener);
    confine::give_up_exec_and_network().unwrap();
    confine::forbid_dumps();
    let after = tries(&listener);
    go.send(()).unwrap();
    let elsewhere = thread.join().unwrap();
    let exec = Command::new("/bin/true").status().unwrap_err();
    let dumps = rustix::process::dumpable_behavior().unwrap();
    let mut out = std::fs::File::create(std::env::var_os("TRIPLINE_TEST_CONFINED").unwrap()).unwrap();
    write!(out, "{before:?}\n{after:?}\n{elsewhere:?}\n{:?}\n{dumps:?}\n", exec.kind()).unwrap();
}

#[test]
fn after_it_neither_exec_nor_the_network_and_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("report");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "confine::confined_process", "--ignored"])
        .env("TRIPLINE_TEST_CONFINED", &report)
        .status()
        .unwrap();
    assert!(status.success());
    let report = std::fs::read_to_string(report).unwrap();
    let lines: Vec<_> = report.lines().collect();
    let all = "[(\"exec\", true), (\"tcp connect\", true), (\"tcp listen\", true), (\"udp\", true), (\"udp 6\", true), (\"netlink\", true), \
               (\"unix pair\", true), (\"unix datagram\", true), (\"thread\", true), (\"open listener\", true)]";
    let (denied, kept) = all.split_once(" (\"unix pair\"").unwrap();
    let confined = format!("{} (\"unix pair\"{kept}", denied.replace("true", "false"));
    assert_eq!(lines, [all, &confined, &confined, "PermissionDenied", "NotDumpable"]);
}
