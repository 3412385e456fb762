//! What a process can still do after it has given up execve and the network: in a process of its own, thread by thread.
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::process::Command;
use std::sync::mpsc;
use tripline::respond::confine::{self, Role};

/// Whether a call of those that nobody here makes is let through: this one asks for nothing.
fn unshare() -> bool {
    #[allow(deprecated, reason = "the tests have no unsafe code, and with nothing to unshare this changes nothing")]
    rustix::thread::unshare(rustix::thread::UnshareFlags::empty()).is_ok()
}

/// Each thing that is tried, and whether it worked.
fn tries(listener: &TcpListener) -> Vec<(&'static str, bool)> {
    let address = listener.local_addr().unwrap();
    let thread = format!("{:?} of {}", std::thread::current().id(), std::process::id());
    let own = SocketAddr::from_abstract_name(thread).unwrap();
    let netlink = rustix::net::socket(rustix::net::AddressFamily::NETLINK, rustix::net::SocketType::RAW, None);
    vec![
        ("exec", Command::new("/bin/true").status().is_ok()),
        ("tcp connect", TcpStream::connect(address).is_ok()),
        ("tcp listen", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("udp", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("udp 6", rustix::net::socket(rustix::net::AddressFamily::INET6, rustix::net::SocketType::DGRAM, None).is_ok()),
        ("netlink", netlink.is_ok()),
        ("unshare", unshare()),
        ("unix pair", UnixStream::pair().is_ok()),
        ("unix bind", UnixDatagram::bind_addr(&own).is_ok()),
        ("unix datagram", UnixDatagram::unbound().is_ok()),
        ("thread", std::thread::spawn(|| ()).join().is_ok()),
        ("open listener", listener.try_clone().is_ok()),
    ]
}

/// The roles, by the names under which the confined process is told of them.
const ROLES: [(&str, Role); 4] = [
    ("daemon", Role::Daemon),
    ("receiver", Role::Receiver { journal: false }),
    ("receiver with a journal", Role::Receiver { journal: true }),
    ("offline", Role::Offline),
];

#[test]
#[ignore = "the confined process, which the other test starts"]
fn confined_process() {
    let (Some(report), Ok(role)) = (std::env::var_os("TRIPLINE_TEST_CONFINED"), std::env::var("TRIPLINE_TEST_ROLE"))
    else {
        return;
    };
    let role = ROLES.iter().find(|(name, _)| *name == role).unwrap().1;
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
    // one that came before the filter is
    let _waits = std::thread::spawn({
        let address = listener.local_addr().unwrap();
        move || TcpStream::connect(address).unwrap()
    })
    .join()
    .unwrap();
    confine::give_up_all_but(role).unwrap();
    confine::forbid_dumps();
    let after = tries(&listener);
    go.send(()).unwrap();
    let elsewhere = thread.join().unwrap();
    let dumps = rustix::process::dumpable_behavior().unwrap();
    let mut out = std::fs::File::create(report).unwrap();
    let failed =
        |tries: Vec<(&'static str, bool)>| tries.into_iter().filter(|(_, ok)| !ok).map(|(what, _)| what).collect();
    let all: Vec<Vec<&str>> = [before, after, elsewhere].map(failed).to_vec();
    let accepts = listener.accept().is_ok();
    write!(
        out,
        "{all:?}\n{:?}\n{dumps:?}\n{accepts}\n",
        Command::new("/bin/true").status().map_err(|e| e.kind()).err()
    )
    .unwrap();
}

#[test]
fn each_role_has_what_it_needs_and_nothing_else() {
    let network = ["tcp connect", "tcp listen", "udp", "udp 6", "netlink", "unshare"];
    for (name, _) in ROLES {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("report");
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "confine::confined_process", "--ignored"])
            .env("TRIPLINE_TEST_CONFINED", &report)
            .env("TRIPLINE_TEST_ROLE", name)
            .status()
            .unwrap();
        assert!(status.success());
        let may_execute = name == "receiver with a journal";
        let mut denied = network.to_vec();
        denied.splice(0..0, (!may_execute).then_some("exec"));
        denied.extend((name != "daemon").then_some("unix bind"));
        denied.extend((name == "offline").then_some("unix datagram"));
        let why = if may_execute { "None" } else { "Some(PermissionDenied)" };
        let report = std::fs::read_to_string(report).unwrap();
        let accepts = name != "offline";
        assert_eq!(
            report,
            format!("{:?}\n{why}\nNotDumpable\n{accepts}\n", [vec![], denied.clone(), denied]),
            "{name}"
        );
    }
}
