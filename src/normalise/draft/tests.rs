//! Samples in, profiles out that read them.
use super::super::tests::batch;
use super::super::{Examined, Normaliser, Scratch};
use super::*;
use crate::decode::address::Proxies;
use crate::model::{Activity, Field, FrameFlags, Outcome, Value};
use crate::normalise::Wrapping;

/// What is drafted from these lines, and what it makes of them.
fn drafted(lines: &[String]) -> (String, Vec<Examined>) {
    let bytes: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    let mut drafting = Drafting::begin(&bytes).unwrap();
    let header = drafting.header_names().map(|_| lines[0].clone());
    for line in &bytes {
        drafting.add(line, header.as_deref());
    }
    let text = drafting.text("drafted");
    let mut normaliser =
        Normaliser::new(&[("drafted.toml".to_owned(), text.clone())], &[]).unwrap_or_else(|e| panic!("{e:?}\n{text}"));
    let profile = normaliser.profile("drafted").unwrap();
    let profile = normaliser.for_trail(profile, None, Wrapping::default(), Proxies::default());
    let mut batch = batch(&bytes, FrameFlags::default());
    batch.header = header.map(Into::into);
    let mut out = Vec::new();
    for frame in &batch.frames {
        normaliser
            .examine(profile, &batch, frame, &mut Scratch::default(), &mut out)
            .unwrap_or_else(|e| panic!("{e}\n{text}"));
    }
    (text, out)
}

fn value(examined: &Examined, field: Field) -> String {
    match examined.event.get(field) {
        Value::Absent => "-".to_owned(),
        Value::Text(text) => text.to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Ip(ip) => ip.to_string(),
        other => format!("{other:?}"),
    }
}

/// Every record has a time, an actor and an address; the first one's values of `fields` are `first`.
fn holds(lines: &[String], records: usize, fields: &[Field], first: &[&str]) -> String {
    let (text, out) = drafted(lines);
    assert_eq!(out.len(), records, "{text}");
    for examined in &out {
        assert!(!examined.event.marks.time_missing, "{text}");
        for field in [Field::ActorName, Field::Ip] {
            assert_ne!(value(examined, field), "-", "{field:?}\n{text}");
        }
    }
    let got: Vec<String> = fields.iter().map(|field| value(&out[0], *field)).collect();
    assert_eq!(got, first, "{text}");
    text
}

#[test]
fn nested_json() {
    use Field::*;
    let acts = ["user.login", "user.login", "log.export", "key.created", "heartbeat"];
    let line = |n: usize| {
        let act = acts[n % acts.len()];
        let result = if n % 7 == 1 { "FAILURE" } else { "SUCCESS" };
        format!(
            r#"{{"eventId":"e-{n}","published":"2026-03-01T00:{:02}:00.123Z","eventType":"{act}","outcome":{{"result":"{result}","reason":"bad password"}},"actor":{{"id":"u{}","email":"p{}@provider.example","role":"support"}},"client":{{"ipAddress":"192.0.2.{}","userAgent":"Mozilla/5.0 (X11)"}},"session":{{"id":"sess-{}"}},"target":[{{"type":"Account","id":"AC{n}"}}],"tenantId":"T1","server":{{"ip":"10.0.0.1"}},"expires":"2027-01-01T00:00:00Z"}}"#,
            n % 60,
            n % 4,
            n % 4,
            n % 9,
            n % 5
        )
    };
    let lines: Vec<String> = (0..40).map(line).collect();
    let fields = [Code, Outcome, ActorName, ActorUid, ActorRole, SessionUid, Ip, UserAgent, Customer, Activity, Reason];
    let first = [
        "user.login",
        "success",
        "p0@provider.example",
        "u0",
        "support",
        "sess-0",
        "192.0.2.0",
        "Mozilla/5.0 (X11)",
        "T1",
        "login",
        "bad password",
    ];
    let text = holds(&lines, 40, &fields, &first);
    assert!(text.contains("id = \"eventId\"") && text.contains("is = \"export_requested\""), "{text}");
    assert!(text.contains("# when = { \"eventType\" = \"heartbeat\" }"), "{text}");
    let (_, out) = drafted(&lines);
    assert!(out.iter().all(|examined| examined.event.evidence.own_id));
    assert_eq!(out.iter().filter(|e| e.event.outcome == crate::model::Outcome::Failure).count(), 6);
    let unread: Vec<&str> = out[0].unread.iter().map(|key| key.name.as_str()).collect();
    assert!(unread.contains(&"server.ip") && unread.contains(&"target[].id"), "{unread:?}");
}

#[test]
fn flat_json_with_an_epoch_and_a_flag() {
    let line = |n: usize| {
        format!(
            r#"{{"ts":{},"api_token":"a-secret","app":"portal","action":"{}","user":"ana{}","remote_ip":"198.51.100.{n}","ok":{},"duration_ms":{},"rows":{}}}"#,
            1_775_034_000_123_u64 + n as u64 * 1000,
            ["sign_in", "sign_out", "download_file"][n % 3],
            n % 5,
            !n.is_multiple_of(4),
            n * 3,
            n + 7
        )
    };
    let lines: Vec<String> = (0..30).map(line).collect();
    use Field::*;
    let fields = [Activity, Outcome, ActorName, Ip, Duration, ExportRecords];
    let text = holds(&lines, 30, &fields, &["login", "failure", "ana0", "198.51.100.0", "0", "7"]);
    assert!(text.contains("# always the same: \"app\" = \"portal\"") && !text.contains("a-secret"), "{text}");
}

#[test]
fn keys_that_are_called_alike_are_told_apart() {
    let line = |n: usize| {
        format!(
            r#"{{{}"at":"2026-03-01T00:{n:02}:00Z","actor":{{"id":"00u{}","alternateId":"p{}@provider.example","displayName":"P {}"}},"client":{{"ip":"192.0.2.{n}"}},"chain":[{{"ip":"10.0.0.1"}}],"security":{{"asOrg":"a network"}},"type":"user.login"}}"#,
            if n < 2 { r#""timestamp":1772323200123,"# } else { "" },
            n % 3,
            n % 3,
            n % 3
        )
    };
    let lines: Vec<String> = (0..12).map(line).collect();
    use Field::*;
    holds(&lines, 12, &[ActorName, ActorUid, Ip, Customer], &["p0@provider.example", "00u0", "192.0.2.0", "-"]);
}

#[test]
fn csv_with_titles_of_a_console() {
    let mut lines = vec!["Event Time;Employee;Client IP;Operation;Result;Comment".to_owned()];
    lines.extend((0..12).map(|n| {
        let (act, result) = [("Login", "Succeeded"), ("Export logs", "Succeeded"), ("Login", "Denied")][n % 3];
        format!("2026-03-{:02} 10:00:00;\"p{}@provider.example\";203.0.113.{n};{act};{result};\"a; b\"", n + 1, n % 4)
    }));
    use Field::*;
    let first = ["login", "success", "p0@provider.example", "203.0.113.0"];
    let text = holds(&lines, 12, &[Activity, Outcome, ActorName, Ip], &first);
    assert!(text.contains("format = \"csv\"") && text.contains("zone = \"UTC\""), "{text}");
}

#[test]
fn an_access_log() {
    let line = |n: usize| {
        format!(
            r#"192.0.2.{n} - ana{} [01/Mar/2026:00:{n:02}:00 +0000] "GET /cdr?page={n} HTTP/1.1" {} 512 "-" "curl/8.5.0" rt=0.120"#,
            n % 3,
            if n.is_multiple_of(5) { 403 } else { 200 }
        )
    };
    let lines: Vec<String> = (0..20).map(line).collect();
    use Field::*;
    let fields = [ActorName, Ip, UserAgent, Outcome, Activity, Method, Path, Status];
    holds(&lines, 20, &fields, &["ana0", "192.0.2.0", "curl/8.5.0", "failure", "view", "GET", "/cdr", "403"]);
}

#[test]
fn a_document_that_wraps_its_records() {
    let record = |n: usize| {
        format!(
            r#"{{"when":"2026-03-01T00:{n:02}:00Z","actorName":"ana{}","sourceIPAddress":"192.0.2.7","activity":"LOGIN_{}"}}"#,
            n % 2,
            ["OK", "FAILED"][n % 2]
        )
    };
    let records: Vec<String> = (0..6).map(record).collect();
    let lines = vec![format!(r#"{{"page":1,"Items":[{}],"next":null}}"#, records.join(","))];
    use Field::*;
    let text = holds(&lines, 6, &[Activity, Outcome, ActorName, Ip], &["login", "success", "ana0", "192.0.2.7"]);
    assert!(text.contains("records = [\"Items\"]"), "{text}");
    assert!(text.contains("failure = [\"LOGIN_FAILED\"]"), "{text}");
}

#[test]
fn what_is_not_found_is_left_as_a_comment() {
    let lines: Vec<String> = (0..4).map(|n| format!(r#"{{"a|b":{n},"weight":{n}}}"#)).collect();
    let (text, out) = drafted(&lines);
    for what in [
        "# [[time]]",
        "# [[activity]]",
        "# [outcome]",
        "# \"src_endpoint.ip\" = \"…\"",
        "# \"actor.user.name\" = \"…\"",
    ] {
        assert!(text.contains(what), "{what}\n{text}");
    }
    assert_eq!((out.len(), out[0].event.activity, out[0].event.outcome), (4, Activity::Other, Outcome::Unknown));
    assert!(Drafting::begin(&[b"no format at all", b"of any kind"]).is_err());
}

#[test]
fn whatever_a_sample_calls_its_keys_the_draft_compiles() {
    let lines: Vec<String> = (0..3)
        .map(|n| {
            let odd = serde_json::json!({
                "event\"]\n[x": "login", "user.name": format!("ana{n}"), "duration": "login", "é\u{202e}": 1, "a[b": "x", "": 2, "t\\": "y",
                "ip": "192.0.2.1", "{time}": "2026-03-01T00:00:00Z", "outcome": "a*b{c", "type": "x{y",
            });
            odd.to_string()
        })
        .collect();
    let (text, out) = drafted(&lines);
    assert_eq!(out.len(), 3, "{text}");
    assert!(!text.contains('\u{202e}'), "{text}");
}

proptest::proptest! {
    #[test]
    fn any_sample_drafts_a_profile_that_compiles(
        keys in proptest::collection::vec("(time|user|ip|action|status|id|[a-z.\\[\"\\\\| é]{0,6}){1,2}", 1..6),
        values in proptest::collection::vec("(login|failed|192.0.2.1|2026-03-01T00:00:00Z|[*{}a-z\"\\\\]{0,5}|200|true)", 1..8),
    ) {
        let lines: Vec<String> = (0..3).map(|n| {
            let members = keys.iter().enumerate().map(|(i, key)| (key.clone(), values[(i + n) % values.len()].clone().into()));
            serde_json::Value::Object(members.collect()).to_string()
        }).collect();
        drafted(&lines);
    }
}

#[test]
fn a_log_in_another_language_with_the_day_first_is_drafted() {
    let mut lines = vec!["Zeit;Benutzer;Aktion;Adresse;Zweig".to_owned()];
    let act = |n: usize| ["login", "export", "view"][n % 3];
    lines.extend((1..30).map(|n| format!("{n:02}.11.2026 09:00:00;p{};{};198.51.100.{n};b{}", n % 4, act(n), n % 2)));
    let text = {
        use Field::{ActorName, Code, Ip};
        holds(&lines, 29, &[ActorName, Code, Ip], &["p1", "export", "198.51.100.1"])
    };
    assert!(text.contains("notation = \"day_first\"") && !text.contains("month_first\""), "{text}");
    let (_, out) = drafted(&lines);
    assert_eq!(out[0].event.time.to_string(), "2026-11-01T09:00:00.000Z");
    assert!(text.contains("\"Zweig\" = true"), "{text}");
    // what the product is recognised by, and nothing is made of, is not read
    let unread: Vec<&str> = out[0].unread.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(unread, ["Zweig"], "{text}");
}

#[test]
fn of_dates_that_may_mean_two_days_a_draft_says_so() {
    let line = |date: &str| format!(r#"{{"time":"{date}","user":"ana","ip":"198.51.100.1"}}"#);
    let draft = |dates: &[&str]| drafted(&dates.iter().map(|date| line(date)).collect::<Vec<_>>()).0;
    let text = draft(&["03/04/2026 09:00", "05/04/2026 09:00"]);
    assert!(text.contains("notation = \"month_first\"") && text.contains("write day_first"), "{text}");
    let text = draft(&["03/04/2026 09:00", "13/04/2026 09:00"]);
    assert!(text.contains("notation = \"day_first\"") && !text.contains("month_first\""), "{text}");
    let text = draft(&["Wed, 04 Mar 2026 14:03:22 +0000", "Thu, 05 Mar 2026 14:03:22 +0000"]);
    assert!(text.contains("notation = \"month_name\""), "{text}");
}
