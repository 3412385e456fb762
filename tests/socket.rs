//! The control socket, against clients that mean no good.
use crate::support::{self, DOWNLOADS, PORTAL, Site};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn site() -> Site {
    let site = Site::bare("", "");
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    site
}

fn connect(site: &Site) -> UnixStream {
    let stream = UnixStream::connect(site.path("control.sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What is answered until the daemon hangs up; at most a little.
fn answer(mut stream: UnixStream) -> String {
    let mut said = Vec::new();
    // a reset is an answer too
    let _ = (&mut stream).take(1 << 20).read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn x105_garbage_and_endless_frames_are_refused_and_others_are_answered() {
    let site = site();
    let daemon = site.start(&[]);
    for garbage in [
        &b"\x00\xff\xfe\n"[..],
        b"{\"ask\":\"everything\"}\n",
        b"{\"ask\":\"orders\",\"limit\":1,\"more\":1}\n",
        b"[]\n",
        &[&[b'['; 60_000][..], b"\n"].concat(),
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = connect(&site);
        stream.write_all(garbage).unwrap();
        assert!(answer(stream).contains("error"));
    }
    // a frame without end costs no more than its limit
    let before = memory(daemon.id());
    let mut stream = connect(&site);
    let block = vec![b'x'; 1 << 20];
    let sent = (0..1024).take_while(|_| stream.write_all(&block).is_ok()).count();
    assert!(sent < 64, "{sent} MiB were taken");
    drop(stream);
    assert!(memory(daemon.id()) < before + (32 << 10), "KiB more than before: {}", memory(daemon.id()) - before);
    assert_eq!(site.status()["hold"], false);
}

/// Resident memory in KiB.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn x105_slow_clients_in_great_number_do_not_keep_others_out_for_long() {
    let site = site();
    let _daemon = site.start(&[]);
    let mut slow = Vec::new();
    for _ in 0..200 {
        let Ok(mut stream) = UnixStream::connect(site.path("control.sock")) else { break };
        let _ = stream.write_all(b"{\"ask\":");
        slow.push(stream);
    }
    let asked = Instant::now();
    let out = site.say(&["status"]);
    assert!(out.status.success(), "{}", support::text(&out));
    // a user's own connections are eight, each of which is given five seconds; the command asks again until there is room
    println!("answered after {:?}, behind {} slow clients of the same user", asked.elapsed(), slow.len());
    assert!(asked.elapsed() < Duration::from_secs(15));
}

#[test]
fn x105_half_a_frame_is_waited_for_no_longer_than_the_patience() {
    let site = site();
    let _daemon = site.start(&[]);
    let mut stream = connect(&site);
    stream.write_all(b"{\"ask\":\"status\"").unwrap();
    let asked = Instant::now();
    assert_eq!(answer(stream), "");
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[test]
fn a_group_that_only_a_name_service_knows_may_ask() {
    let library = std::fs::read_dir("/usr/lib")
        .unwrap()
        .map(|folder| folder.unwrap().path().join("libnss_wrapper.so"))
        .find(|library| library.exists())
        .expect("tests/run installs libnss-wrapper");
    let dir = tempfile::tempdir().unwrap();
    let gid = rustix::process::getegid().as_raw();
    std::fs::write(dir.path().join("group"), format!("sms-operations:x:{gid}:\n")).unwrap();
    let site = Site::bare("control_group = 'sms-operations'", "");
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    let mut command = site.command(&["run"]);
    command.env("LD_PRELOAD", library).env("NSS_WRAPPER_PASSWD", "/etc/passwd");
    command.env("NSS_WRAPPER_GROUP", dir.path().join("group"));
    let daemon = site.start_with(command);
    let meta = std::fs::metadata(site.path("control.sock")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&meta), gid);
    daemon.stop();
}
