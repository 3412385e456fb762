//! Syslog as a receiver sees it: faults O96 to O99, with a strict parser of RFC 5424.
use crate::records::parse;
use crate::stand::{Daemon, PATIENCE, Stand, until};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};
use syslog::Facility;
use tripline::model::finding::SessionRef;
use tripline::model::{
    EventTime, Finding, FindingId, Measure, Mode, Order, OrderId, OrderState, Severity, Shown, Subject, TargetKind,
    WallTime,
};
use tripline::respond::outlet::Form;
use tripline::respond::outlet::local::{BUDGET, LocalError, LocalSyslog};
use tripline::respond::outlet::syslog::{Message, SHORTEST_LIMIT, Sender};
use tripline::respond::wire::Outcome;
use tripline::respond::{Reply, Request};

fn finding() -> Finding {
    Finding {
        id: FindingId([0xf1; 16]),
        policy: "bulk-export".into(),
        decision: None,
        title: "Message logs leave in bulk".into(),
        severity: Severity::High,
        time: EventTime(1_711_962_000_000),
        observed: WallTime(1_711_962_001_250),
        first: EventTime(1_711_961_000_000),
        entity: "actor.user.name=anna".into(),
        subject: Subject {
            actor: Some("anna".into()),
            ip: Some("192.0.2.7".parse().unwrap()),
            place: Some("NL, Example Hosting".into()),
            session: Some(SessionRef { digest: [0xab; 16], by_server: true }),
            ..Subject::default()
        },
        measures: vec![Measure {
            what: "records asked for in 1 h".into(),
            value: "81,000".into(),
            against: "20,000".into(),
        }],
        witnesses: vec![],
        tags: vec![],
        asks: vec![],
        test: false,
        silenced: None,
    }
}

fn order() -> Order {
    Order {
        actor: Some("anna".into()),
        findings: vec![FindingId([0xf1; 16])],
        mode: Mode::Enforce,
        state: OrderState::Failed,
        time: EventTime(1_711_962_000_000),
        changed: WallTime(1_711_962_002_000),
        note: Some("exit 3".into()),
        ..Order::blank(OrderId([0x0d; 16]), "end-session", TargetKind::Session, WallTime(1_711_962_001_000))
    }
}

fn sender() -> Sender {
    Sender::new("log1.example.org", 4711)
}

#[test]
fn a_finding_and_an_order_read_as_a_receiver_would_want_them() {
    let text = Message::finding(&finding()).render(Form::Rfc5424, &sender(), Facility::LOG_AUTHPRIV, 8192);
    assert_eq!(
        text,
        "<83>1 2024-04-01T09:00:01.250Z log1.example.org tripline 4711 FINDING \
         [tripline@32473 id=\"f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1\" severity=\"high\" policy=\"bulk-export\" \
         time=\"2024-04-01T09:00:00.000Z\" actor=\"anna\" ip=\"192.0.2.7\" session=\"abababababababababababababababab\" \
         place=\"NL, Example Hosting\" first_seen=\"2024-04-01T08:43:20.000Z\" \
         measure=\"records asked for in 1 h: 81,000 (against 20,000)\"] \
         \u{feff}Message logs leave in bulk: anna from 192.0.2.7 (NL, Example Hosting); records asked for in 1 h: 81,000 (against 20,000)"
    );
    let text = Message::order(&order(), Severity::High).render(Form::Rfc5424, &sender(), Facility::LOG_LOCAL0, 8192);
    let record = parse(text.as_bytes()).unwrap();
    assert_eq!((record.pri, record.header[4].as_str()), (16 * 8 + 3, "ORDER"));
    assert_eq!(record.get("state"), Some("failed"));
    assert_eq!(record.get("finding"), Some("f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1"));
    assert_eq!(record.text, "order failed: end-session session of anna: exit 3");
}

#[test]
fn times_and_hosts_that_the_header_cannot_say_do_not_shift_it() {
    for (host, at) in [("h st\"\n", i64::MAX), ("", i64::MIN), (&"x".repeat(400), -62_200_000_000_000)] {
        let mut finding = finding();
        finding.observed = WallTime(at);
        let text = Message::finding(&finding).render(Form::Rfc5424, &Sender::new(host, 1), Facility::LOG_USER, 8192);
        let record = parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(record.header[0], "-");
        assert_eq!(record.header[2..], ["tripline", "1", "FINDING"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").map_or(2000, |n| n.parse().unwrap()), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn o98_o97_whatever_the_fields_hold_there_is_one_record_with_the_right_fields(
        texts in proptest::collection::vec("(?s)[\\x00-\\x7f\u{80}-\u{a0}\u{2028}\u{202e}\u{feff}\u{10ffff}é\"\\\\\\]\n]{0,900}", 6),
        limit in 0_usize..9000,
        severity in 0_usize..5,
    ) {
        let mut finding = finding();
        finding.policy = texts[0].as_str().into();
        finding.title = texts[1].as_str().into();
        finding.subject.actor = Some(texts[2].as_str().into());
        finding.subject.customer = Some(texts[3].as_str().into());
        finding.measures[0].what = texts[4].as_str().into();
        finding.tags = vec![texts[5].as_str().into()];
        finding.severity = Severity::ALL[severity];
        let text = Message::finding(&finding).render(Form::Rfc5424, &sender(), Facility::LOG_AUTHPRIV, limit);
        prop_assert!(text.len() <= limit.max(SHORTEST_LIMIT), "{} bytes", text.len());
        let record = parse(text.as_bytes()).map_err(|e| TestCaseError::fail(format!("{e}: {text:?}")))?;
        prop_assert_eq!(&record.header, &["2024-04-01T09:00:01.250Z", "log1.example.org", "tripline", "4711", "FINDING"]);
        prop_assert_eq!(record.get("id"), Some("f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1"));
        prop_assert_eq!(record.get("severity"), Some(finding.severity.name()));
        let names: Vec<_> = record.params.iter().map(|(n, _)| n.as_str()).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        prop_assert_eq!(distinct.len(), names.len());
        let local = Message::finding(&finding).render(Form::Local, &sender(), Facility::LOG_AUTHPRIV, limit);
        prop_assert!(local.len() <= limit.max(SHORTEST_LIMIT) && !local.contains(char::is_control), "{local:?}");
        let (head, body) = local.split_once(": ").unwrap();
        prop_assert!(head.starts_with(text.split_once('>').unwrap().0) && head.ends_with(" tripline[4711]"), "{head}");
        let same = parse(format!("<83>1 - - tripline 4711 {}", body.replacen("\"] ", "\"] \u{feff}", 1)).as_bytes());
        prop_assert_eq!(same.map(|r| r.get("id").map(str::to_owned)), Ok(record.get("id").map(str::to_owned)));
        if record.get("truncated").is_none() {
            let actor = Shown(&texts[2]).to_string();
            prop_assert_eq!(record.get("actor"), Some(actor.as_str()));
            prop_assert!(record.text.starts_with(&Shown(&texts[1]).to_string()));
        }
    }
}

#[test]
fn o97_a_message_that_fits_is_whole_and_one_that_does_not_says_so() {
    let mut long = finding();
    long.subject.customer = Some("c".repeat(9000).into());
    long.tags = vec!["t".repeat(500).into(); 8];
    let render = |finding: &Finding, limit| {
        Message::finding(finding).render(Form::Rfc5424, &sender(), Facility::LOG_USER, limit)
    };
    assert!(!render(&finding(), 8192).contains("truncated"));
    for limit in [0, 480, 1024, 2048, 8192] {
        let text = render(&long, limit);
        let record = parse(text.as_bytes()).unwrap();
        assert_eq!(record.get("truncated"), Some("true"));
        assert_eq!((record.get("id").map(str::len), record.get("severity")), (Some(32), Some("high")));
        assert!(!record.text.is_empty(), "at {limit} bytes nothing is said to a person");
    }
}

#[tokio::test]
async fn o96_a_receiver_that_is_missing_restarted_or_full_costs_only_delay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut target = LocalSyslog::new(&path, Form::Rfc5424, Facility::LOG_USER, sender());
    let message = Message::finding(&finding());
    let missing = target.send(&message).await.unwrap_err();
    assert!(matches!(missing, LocalError::Io(..)) && missing.to_string().contains("cannot send syslog to"));
    assert!(matches!(target.send(&message).await, Err(LocalError::Pausing(_))), "it does not try at once again");

    let receiver = UnixDatagram::bind(&path).unwrap();
    delivered(&mut target, &message).await;
    received(&receiver);
    // Restarted: the old socket is dead for ever, and no message is lost to that.
    drop(receiver);
    std::fs::remove_file(&path).unwrap();
    let receiver = UnixDatagram::bind(&path).unwrap();
    target.send(&message).await.unwrap();
    received(&receiver);

    let begun = Instant::now();
    let stalled = loop {
        if let Err(e) = target.send(&message).await {
            break e;
        }
    };
    assert!(matches!(stalled, LocalError::Stalled(_)), "{stalled}");
    assert!(begun.elapsed() < BUDGET * 60, "the daemon was held up");
    while receiver.set_nonblocking(true).is_ok() && receiver.recv(&mut [0; 9000]).is_ok() {}
    receiver.set_nonblocking(false).unwrap();
    delivered(&mut target, &message).await;
    received(&receiver);
}

async fn delivered(target: &mut LocalSyslog, message: &Message) {
    let begun = Instant::now();
    while target.send(message).await.is_err() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
}

fn received(receiver: &UnixDatagram) {
    // one that never comes is a failure, and not a test that never ends
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; 9000];
    let n = receiver.recv(&mut buffer).unwrap();
    assert_eq!(parse(&buffer[..n]).unwrap().get("severity"), Some("high"));
}

/// A record of octet counting: RFC 6587, 3.4.1.
fn counted(from: &mut BufReader<TcpStream>) -> String {
    let mut length = Vec::new();
    from.read_until(b' ', &mut length).unwrap();
    let length = std::str::from_utf8(&length).unwrap().trim_end().parse().unwrap();
    let mut text = vec![0; length];
    from.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn send(daemon: &mut Daemon, target: &str, seq: u64) {
    let message = format!("message {seq}\u{feff}é");
    daemon.say(&Request::Send { outlet: target.into(), seq, message });
}

fn outcome(daemon: &mut Daemon) -> (u64, Option<String>) {
    match daemon.hear() {
        Reply::Sent { seq, outcome: Outcome::Sent, .. } => (seq, None),
        Reply::Sent { seq, outcome: Outcome::Failed(why), .. } => (seq, Some(why)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn o99_what_a_reset_may_have_lost_is_said_to_have_failed_and_arrives_when_sent_again() {
    let stand = Stand::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    stand.configure(&format!("[syslog.siem]\ntransport = 'tcp'\naddress = '{address}'\n"));
    let mut daemon = stand.start();
    let Reply::Hello { outlets, .. } = &daemon.hello else { panic!() };
    assert_eq!(outlets, &["syslog.siem"]);
    send(&mut daemon, "syslog.siem", 1);
    let (stream, _) = listener.accept().unwrap();
    let mut first = BufReader::new(stream);
    assert_eq!(counted(&mut first), "message 1\u{feff}é");
    assert_eq!(outcome(&mut daemon), (1, None));
    // Two more are written, and the receiver is gone before it has read them.
    send(&mut daemon, "syslog.siem", 2);
    send(&mut daemon, "syslog.siem", 3);
    first.get_ref().peek(&mut [0]).unwrap();
    // Written is not sent: for a while nothing is said about them.
    let written = Instant::now();
    while written.elapsed() < Duration::from_millis(50) {
        let reply = daemon.ask(9);
        assert!(matches!(reply, Reply::Ended { .. }), "too early: {reply:?}");
    }
    rustix::net::sockopt::set_socket_linger(first.get_ref(), Some(Duration::ZERO)).unwrap();
    drop(first);
    for seq in [2, 3] {
        let (failed, why) = outcome(&mut daemon);
        assert_eq!(failed, seq);
        assert!(why.unwrap().contains("syslog receiver at 127.0.0.1"));
    }
    // What comes before the pause is over fails as well; the daemon waits longer than that.
    std::thread::sleep(Duration::from_millis(1500));
    send(&mut daemon, "syslog.siem", 2);
    send(&mut daemon, "syslog.siem", 3);
    let mut second = BufReader::new(accepted(&listener));
    // The first one had been read, as the test knows and the runner cannot: it comes once more, and none is missing.
    for seq in [1, 2, 3] {
        assert_eq!(counted(&mut second), format!("message {seq}\u{feff}é"));
    }
    assert_eq!([outcome(&mut daemon), outcome(&mut daemon)], [(2, None), (3, None)]);
}

/// The next connection; fails the test where there is none in time.
fn accepted(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let mut found = None;
    until("a connection", || {
        found = listener.accept().ok();
        found.is_some()
    });
    let (stream, _) = found.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn o99_a_receiver_that_is_not_there_fails_each_message() {
    let stand = Stand::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stand.configure(&format!("[syslog.siem]\ntransport = 'tcp'\naddress = '{gone}'\n"));
    let mut daemon = stand.start();
    send(&mut daemon, "syslog.siem", 1);
    assert!(outcome(&mut daemon).1.unwrap().contains("refused"));
    send(&mut daemon, "syslog.nobody", 2);
    assert!(outcome(&mut daemon).1.unwrap().contains("no outlet \"syslog.nobody\""));
}

#[test]
fn udp_messages_arrive_one_a_datagram() {
    let stand = Stand::new();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    stand.configure(&format!("[syslog.siem]\ntransport = 'udp'\naddress = '{}'\n", receiver.local_addr().unwrap()));
    let mut daemon = stand.start();
    for seq in [7, 8] {
        send(&mut daemon, "syslog.siem", seq);
        assert_eq!(outcome(&mut daemon), (seq, None));
        let mut buffer = [0; 100];
        let n = receiver.recv(&mut buffer).unwrap();
        assert_eq!(std::str::from_utf8(&buffer[..n]).unwrap(), format!("message {seq}\u{feff}é"));
    }
    until("nothing more comes", || {
        receiver.set_nonblocking(true).unwrap();
        receiver.recv(&mut [0; 10]).is_err()
    });
}
