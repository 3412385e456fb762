//! Lines in, events out.
mod aws;
mod exports;
mod google;
mod okta_auth0_duo;
mod identity;
mod microsoft;
mod profiles;
mod requests;
mod wrapped;
use super::*;
use crate::decode::address::Proxies;
use crate::model::Outcome;
use crate::model::limits::FIELD_BYTES;
use crate::model::{FileId, FrameFlags, RawValue, SourceName, Stretch, WallTime};
use std::sync::Arc;

/// A batch of one frame for each line.
pub(super) fn batch(lines: &[&[u8]], flags: FrameFlags) -> Batch {
    let (mut data, mut frames) = (Vec::new(), Vec::new());
    for line in lines {
        let start = data.len();
        data.extend_from_slice(line);
        let end = data.len();
        data.push(b'\n');
        frames.push(Frame { start: start as u32, end: end as u32, from: start as u64, to: end as u64 + 1, flags });
    }
    let to = data.len() as u64;
    Batch {
        source: SourceName("test".into()),
        path: Arc::from(std::path::Path::new("test")),
        stretch: Stretch { file: FileId::default(), from: 0, to },
        discontinuity: None,
        observed: WallTime(1_800_000_000_000),
        data: data.into(),
        frames,
        header: None,
        witness: Digest([0; 32]),
        size: to,
    }
}

fn events_of(profile: &str, line: &str) -> Vec<Event> {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let batch = batch(&[line.as_bytes()], FrameFlags::default());
    let mut out = Vec::new();
    normaliser
        .normalise(normaliser.profile(profile).unwrap(), &batch, &batch.frames[0], &mut Scratch::default(), &mut out)
        .unwrap();
    out.into_iter().map(|event| *event).collect()
}

fn event_of(profile: &str, line: &str) -> Event {
    events_of(profile, line).remove(0)
}

/// The fields of `event` in one line, as `path=value`, those that are there.
fn shown(event: &Event, fields: &[Field]) -> String {
    let show = |field: &Field| match event.get(*field) {
        crate::model::Value::Absent => "-".to_owned(),
        crate::model::Value::Text(text) => text.to_owned(),
        crate::model::Value::Int(n) => n.to_string(),
        crate::model::Value::Ip(ip) => ip.to_string(),
        crate::model::Value::Bool(b) => b.to_string(),
        crate::model::Value::List(list) => list.join(","),
    };
    fields.iter().map(show).collect::<Vec<_>>().join(" ")
}

const EXPORT: &str = r#"{"ts":"2026-03-01T00:15:30.886Z","id":"ev-1","event":"log.export.requested","outcome":"success","actor":{"id":"u-0073","name":"a.ito73@provider.example","type":"staff","role":"billing"},"session":"s-1","ip":"41.116.78.74","ua":"curl/8.5.0","account":"AC1","details":{"export":"ex-1","kind":"sms","from":"2026-02-01","to":"2026-02-28","rows":8000}}"#;

#[test]
fn the_portal_says_what_was_asked_for() {
    use Field::*;
    let event = event_of("tripline-portal", EXPORT);
    assert_eq!(event.time.to_string(), "2026-03-01T00:15:30.886Z");
    assert_eq!(
        shown(
            &event,
            &[Activity, Outcome, ActorName, ActorUid, ActorType, ActorRole, SessionUid, SessionVouched, Ip, Customer]
        ),
        "export_requested success a.ito73@provider.example u-0073 user billing s-1 server 41.116.78.74 AC1"
    );
    assert_eq!(shown(&event, &[ExportJob, ExportKind, ExportDays, ExportRecords]), "ex-1 sms 28 8000");
    assert!(event.evidence.own_id && !event.marks.time_missing);
    assert_eq!(
        event.id,
        event_of("tripline-portal", &EXPORT.replace("8000", "8001")).id,
        "the portal's own id is the identity"
    );
}

#[test]
fn the_download_log_says_what_was_fetched() {
    use Field::*;
    let fields = [
        Activity,
        Outcome,
        ActorName,
        ActorType,
        SessionUid,
        SessionVouched,
        Customer,
        ExportJob,
        ExportKind,
        ExportDays,
        ExportRecords,
        ExportBytes,
        Duration,
    ];
    let pull = r#"41.25.41.245 - key-016 [01/Mar/2026:00:00:20 +0000] "GET /api/v1/accounts/AC100045/messages.csv?from=2026-02-27&to=2026-02-28&type=sms HTTP/1.1" 200 8804 "-" "Go-http-client/1.1" rt=0.020 sid=- rows=88"#;
    let event = event_of("download-log", pull);
    assert_eq!(shown(&event, &fields), "download success key-016 key - - AC100045 - sms 2 88 8804 20");
    assert!(!event.evidence.own_id);
    let file = r#"41.25.41.245 - a@b [01/Mar/2026:00:00:20 +0000] "GET /exports/ex-1.csv HTTP/1.1" 404 0 "-" "x" rt=0.020 sid=s-1"#;
    assert_eq!(
        shown(&event_of("download-log", file), &fields),
        "download failure a@b user s-1 client - ex-1 - - 0 0 20"
    );
    let without_rows = pull.replace(" rows=88", "");
    let event = event_of("download-log", &without_rows);
    assert_eq!((shown(&event, &[ExportRecords]).as_str(), event.export.unwrap().records_estimated), ("82", true));
}

#[test]
fn products_are_recognised_and_generic_logs_stay_generic() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let name = |frames: &[&[u8]]| normaliser.recognise(frames).map(|r| normaliser.name(r.profile).to_owned());
    assert_eq!(name(&[EXPORT.as_bytes(), b"{\"broken", EXPORT.as_bytes()]).as_deref(), Some("tripline-portal"));
    let other = br#"192.0.2.1 - - [01/Mar/2026:00:00:20 +0000] "GET /index.html HTTP/1.1" 200 5 "-" "x""#;
    assert_eq!(name(&[other]).as_deref(), Some("access"));
    let ours = br#"192.0.2.1 - - [01/Mar/2026:00:00:20 +0000] "GET /exports/a.csv HTTP/1.1" 200 5 "-" "x""#;
    assert_eq!(name(&[ours]).as_deref(), Some("download-log"));
    assert_eq!(name(&[b"hello", b"world"]), None);
    assert_eq!(name(&[br#"{"unknown":1}"#]), None);
    let lines: Vec<&[u8]> = EXPORT.as_bytes().split_inclusive(|b| *b == b',').collect();
    assert!(normaliser.recognise(&lines).is_some_and(|r| r.documents), "one document over several lines");
}

#[test]
fn t57_a_line_without_a_readable_time_has_that_of_its_reading_and_is_marked() {
    let event = event_of("tripline-portal", &EXPORT.replace("2026-03-01T00:15:30.886Z", "yesterday"));
    assert!(event.marks.time_missing);
    assert_eq!(event.time.0, event.observed.0);
}

#[test]
fn of_what_anybody_may_write_no_server_vouches_for_anything() {
    use crate::model::Vouched::{self, Client, Server};
    const DOWNLOAD: &str = "192.0.2.1 - key-1 [01/Mar/2026:10:00:00 +0000] \"GET /x HTTP/1.1\" 200 9 \"-\" \"curl/8\" rt=0.1 sid=s1 rows=9";
    let open = || Trust { senders: Some(Senders::default()), ..Trust::default() };
    let by = |actors: Vouched| Trust { actors: Some(actors), ..Trust::default() };
    let mut normaliser = Normaliser::new(&[], &[]).unwrap();
    for (profile, line, trust, actor, session) in [
        ("download-log", DOWNLOAD, Trust::default(), Server, Client),
        ("download-log", DOWNLOAD, by(Client), Client, Client),
        ("download-log", DOWNLOAD, open(), Client, Client),
        ("access", DOWNLOAD, Trust::default(), Client, Client),
        ("access", DOWNLOAD, by(Server), Server, Client),
        ("access", DOWNLOAD, Trust { senders: Some(Senders::default()), ..by(Server) }, Client, Client),
        ("tripline-portal", EXPORT, Trust::default(), Server, Server),
        ("tripline-portal", EXPORT, open(), Client, Client),
    ] {
        let shown = format!("{profile} {trust:?}");
        let profile = normaliser.profile(profile).unwrap();
        let profile = normaliser.for_trail(profile, None, Wrapping::default(), trust);
        let batch = batch(&[line.as_bytes()], FrameFlags::default());
        let mut out = Vec::new();
        normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        let is = |event: &Event| (event.actor.as_ref().unwrap().vouched, event.session.as_ref().unwrap().vouched);
        assert_eq!(is(&out[0]), (actor, session), "{shown}");
    }
}

#[test]
fn an_origin_that_a_client_may_have_stated_is_marked_until_somebody_says_whose_the_proxies_are() {
    let mut normaliser = Normaliser::new(&[], &[]).unwrap();
    let mut read = |profile: &str, line: &str, trusted: Option<&[&str]>| {
        let proxies = trusted.map(|list| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let proxies = proxies.map_or_else(Proxies::default, |list| Proxies::try_from(list).unwrap());
        let profile = normaliser.profile(profile).unwrap();
        let profile = normaliser.for_trail(profile, None, Wrapping::default(), proxies);
        let batch = batch(&[line.as_bytes()], FrameFlags::default());
        let mut out = Vec::new();
        normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        (shown(&out[0], &[Field::Ip]), out[0].marks.origin_stated, out[0].marks.origin_unread)
    };
    let is = |ip: &str, stated, unread| (ip.to_owned(), stated, unread);
    let json = |ip: &str| EXPORT.replace("\"41.116.78.74\"", ip);
    let list = json("\"192.0.2.1, 198.51.100.4, 10.0.0.1\"");
    let access = |front: &str, behind: &str| {
        format!("{front} - - [01/Mar/2026:00:00:20 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\" \"{behind}\"")
    };
    for (line, profile) in [
        (list.clone(), "tripline-portal"),
        (json("[\"192.0.2.1\",\"198.51.100.4\",\"10.0.0.1\"]"), "tripline-portal"),
        (access("10.0.0.1", "192.0.2.1, 198.51.100.4"), "access"),
        (access("192.0.2.1, 198.51.100.4, 10.0.0.1", "-"), "access"),
    ] {
        assert_eq!(read(profile, &line, None), is("198.51.100.4", true, false), "{line}");
        assert_eq!(read(profile, &line, Some(&["private"])), is("198.51.100.4", false, false), "{line}");
        let more = ["private", "198.51.100.0/24"];
        assert_eq!(read(profile, &line, Some(&more)), is("192.0.2.1", false, false), "{line}");
    }
    // a peer that is nobody's proxy says of itself what it likes
    let forged = access("203.0.113.7", "192.0.2.1");
    assert_eq!(read("access", &forged, None), is("203.0.113.7", false, false));
    assert_eq!(read("access", &forged, Some(&["203.0.113.7"])), is("192.0.2.1", false, false));
    assert_eq!(read("tripline-portal", EXPORT, None), is("41.116.78.74", false, false));
    assert_eq!(read("tripline-portal", &json("\"41.116.78.740\""), None), is("-", false, true));
    assert_eq!(read("tripline-portal", &json("null"), None), is("-", false, false));
    assert_eq!(read("access", &access("gateway.example", "-"), None), is("-", false, true));
}

#[test]
fn what_a_client_writes_before_the_end_of_a_list_is_never_its_origin() {
    let access = |front: &str, behind: &str| {
        format!("{front} - ana [01/Mar/2026:00:00:20 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\" \"{behind}\"")
    };
    let json = |name: &str, list: &str| {
        let list = serde_json::to_string(list).unwrap();
        format!(r#"{{"time":"2026-03-01T00:00:20Z","{name}":{list},"request":"GET / HTTP/1.1","status":200}}"#)
    };
    for mine in [
        "[192.0.2.1]",
        "[192.0.2.1]:80",
        "192.0.2.1%x",
        "192.0.2.1%",
        "x",
        "a - [01/Mar/2026:00:00:21 +0000] \"x",
        "\u{1}",
        "",
    ] {
        let list = format!("{mine}, 203.0.113.66");
        let mut lines = vec![
            (EXPORT.replace("\"41.116.78.74\"", &serde_json::to_string(&list).unwrap()), "tripline-portal"),
            (json("remote_addr", &list), "access"),
            (json("x_forwarded_for", &list), "access"),
        ];
        if !mine.contains(['"', '\u{1}']) {
            lines.push((access("10.0.0.1", &list), "access"));
            lines.push((access(&format!("\"{list}\" 10.0.0.1"), "-"), "access"));
        }
        if !mine.contains(' ') {
            lines.push((access(&list, "-"), "access"));
        }
        for (line, profile) in lines {
            let event = event_of(profile, &line);
            assert_eq!(shown(&event, &[Field::Ip]), "203.0.113.66", "{line}");
            assert!(!event.marks.origin_unread, "{line}");
        }
    }
}

#[test]
fn e38_a_clipped_line_is_kept_as_far_as_it_goes() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let profile = normaliser.profile("tripline-portal").unwrap();
    let line = &EXPORT.as_bytes()[..EXPORT.len() - 20];
    for clipped in [true, false] {
        let batch = batch(&[line], FrameFlags { clipped, ..FrameFlags::default() });
        let mut out = Vec::new();
        let result = normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out);
        assert_eq!((out.len(), result.is_ok()), (1, true));
        assert!(out.iter().all(|e| e.marks.clipped));
    }
}

#[test]
fn what_shippers_put_around_records_is_taken_off() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let profile = normaliser.profile("tripline-portal").unwrap();
    let text = serde_json::to_string(EXPORT).unwrap();
    let docker = format!(r#"{{"log":{text},"stream":"stdout","time":"2026-03-01T00:00:01Z"}}"#);
    assert_eq!(normaliser.recognise(&[docker.as_bytes()]).map(|found| found.profile), Some(profile));
    let events = |line: &str| {
        let batch = batch(&[line.as_bytes()], FrameFlags::default());
        let mut out = Vec::new();
        normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        out
    };
    let (plain, wrapped) = (events(EXPORT), events(&docker));
    assert_eq!((plain[0].id, plain[0].time, plain[0].activity), (wrapped[0].id, wrapped[0].time, wrapped[0].activity));
    assert_eq!(
        normaliser.redact(profile, docker.as_bytes(), None),
        normaliser.redact(profile, EXPORT.as_bytes(), None)
    );
    let undated = r#"{"event":"page.view","actor":{"name":"ana"}}"#;
    let cri = events(&format!("2026-03-01T00:00:01Z stderr F {undated}"));
    assert_eq!((cri[0].time.to_string().as_str(), cri[0].marks.time_missing), ("2026-03-01T00:00:01.000Z", false));
    let item = |n: u32| {
        format!(r#"{{"id":"{n}","timestamp":1772323201000,"message":{}}}"#, serde_json::to_string(undated).unwrap())
    };
    let several =
        events(&format!(r#"{{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{},{}]}}"#, item(1), item(2)));
    assert_eq!(several.iter().map(|e| e.evidence.index).collect::<Vec<_>>(), [0, 1]);
    assert_ne!(several[0].id, several[1].id);
}

#[test]
fn what_a_cut_record_lacks_is_not_taken_for_absent() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let profile = normaliser.profile("aws-cloudtrail").unwrap();
    let whole = r#"{"eventTime":"2026-03-01T00:00:00Z","eventName":"GetObject","eventSource":"s3.amazonaws.com","userAgent":"xxxxxxxx"}"#;
    for (line, outcome) in [(whole, Outcome::Success), (&whole[..whole.len() - 6], Outcome::Unknown)] {
        let batch = batch(&[line.as_bytes()], FrameFlags::default());
        let mut out = Vec::new();
        normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        assert_eq!((out[0].outcome, out[0].marks.clipped), (outcome, outcome == Outcome::Unknown));
    }
}

#[test]
fn raw_fields_that_policies_want_are_there_in_their_order() {
    let normaliser = Normaliser::new(&[], &["details.kind".into(), "nothing".into(), "details.rows".into()]).unwrap();
    let batch = batch(&[EXPORT.as_bytes()], FrameFlags::default());
    let mut out = Vec::new();
    let profile = normaliser.profile("tripline-portal").unwrap();
    normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
    let values: Vec<_> = out[0].unmapped.iter().collect();
    assert_eq!(values, [(0, &"sms".into()), (2, &"8000".into())]);
}

#[test]
fn an_operators_profile_replaces_one_and_mistakes_name_their_line() {
    let own = "name = \"access\"\ntitle = \"ours\"\nformat = \"access\"\n";
    let normaliser = Normaliser::new(&[("x.toml".into(), own.into())], &[]).unwrap();
    assert_eq!(normaliser.title(normaliser.profile("access").unwrap()), "ours");
    for (text, line, part) in [
        ("name = \"x\"\ntitle = \"x\"\nformat = \"yaml\"\n", 3, "no format"),
        ("name = \"x\"\ntitle = \"x\"\nformat = \"json\"\ncolour = 1\n", 4, "colour"),
        ("name = \"x\"\ntitle = \"x\"\nformat = \"json\"\n[fields]\n\"actor.nobody\" = \"a\"\n", 5, "no field"),
        ("name = \"x\"\ntitle = \"x\"\nformat = \"json\"\n[fields]\n\"device.family\" = \"a\"\n", 5, "tripline does"),
        ("name = \"x\"\ntitle = \"x\"\nformat = \"json\"\n[[activity]]\nis = \"dance\"\n", 5, "no activity"),
        ("name = \"x\"\ntitle = \"x\"\nformat = \"json\"\nid = \"a|twist\"\n", 4, "no step"),
        (
            "name = \"x\"\ntitle = \"x\"\nformat = \"json\"\n[cause]\nfrom = \"why\"\nwrong_pasword = [\"1\"]\n",
            6,
            "wrong_pasword",
        ),
        ("name = \n", 1, ""),
    ] {
        let errors = Normaliser::new(&[("x.toml".into(), text.into())], &[]).err().unwrap();
        assert_eq!(errors.len(), 1, "{text}");
        assert_eq!((errors[0].line, errors[0].message.contains(part)), (line, true), "{text} {errors:?}");
    }
}

#[test]
fn sigma_names_of_a_trail_are_told() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let sources = normaliser.log_sources(normaliser.profile("aws-cloudtrail").unwrap());
    assert_eq!((sources[0].product.as_deref(), sources[0].service.as_deref()), (Some("aws"), Some("cloudtrail")));
}

#[test]
fn what_a_profile_provides_is_known() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let lacks = |profile, wanted: &[Field]| {
        let provides = normaliser.provides(profile);
        wanted.iter().copied().filter(|field| !provides.contains(field)).collect::<Vec<_>>()
    };
    let access = normaliser.profile("access").unwrap();
    let wanted = [Field::Ip, Field::AsNumber, Field::DeviceFamily, Field::Customer, Field::ExportRecords];
    assert_eq!(lacks(access, &wanted), [Field::Customer]);
    let portal = normaliser.profile("tripline-portal").unwrap();
    assert_eq!(
        lacks(portal, Field::ALL).iter().map(|f| f.path()).collect::<Vec<_>>(),
        ["metadata.loggers.name", "http_request.http_method", "http_request.url.path", "http_response.code"]
    );
}

#[test]
fn a_source_in_another_zone_has_a_profile_of_its_own() {
    let mut normaliser = Normaliser::new(&[], &[]).unwrap();
    let utc = normaliser.profile("vonage").unwrap();
    let there = normaliser.for_trail(
        utc,
        Some(jiff::tz::TimeZone::fixed(jiff::tz::offset(2))),
        Wrapping::default(),
        Proxies::default(),
    );
    let line =
        br#"{"event_type":"USER_LOGIN","created_at":"2018-07-04T11:41:32","account_id":"a","source_ip":"192.0.2.1"}"#;
    let batch = batch(&[line], FrameFlags::default());
    let time = |profile| {
        let mut out = Vec::new();
        normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        out[0].time.to_string()
    };
    assert_eq!(time(utc), "2018-07-04T11:41:32.000Z");
    assert_eq!(time(there), "2018-07-04T09:41:32.000Z");
    assert_eq!(normaliser.profiles().count(), PROFILES.len(), "the variant has no name of its own");
}

#[test]
fn an_answer_with_several_records_gives_several_events() {
    let answer = r#"{"response":{"authlogs":[{"txid":"1","result":"success","timestamp":1,"user":{"name":"a"}},{"txid":"2","result":"fraud","timestamp":2,"user":{"name":"b"}}]},"stat":"OK"}"#;
    let events = events_of("duo", answer);
    let shown: Vec<_> =
        events.iter().map(|e| (e.evidence.index, e.outcome, e.actor.as_ref().unwrap().name.as_str())).collect();
    assert_eq!(shown, [(0, crate::model::Outcome::Success, "a"), (1, crate::model::Outcome::Failure, "b")]);
    assert_ne!(events[0].id, events[1].id);
    assert!(events_of("duo", r#"{"response":[],"stat":"OK"}"#).is_empty());
}

#[test]
fn an_own_id_is_the_same_in_whatever_wrapping_it_comes() {
    let record = |id: &str| {
        format!(r#"{{"eventVersion":"1","eventTime":"2026-03-01T00:00:00Z","eventID":"{id}","eventName":"GetObject"}}"#)
    };
    let wrapped = events_of("aws-cloudtrail", &format!(r#"{{"Records":[{},{}]}}"#, record("a"), record("b")));
    assert_eq!(wrapped.iter().map(|e| e.evidence.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(wrapped[1].id, event_of("aws-cloudtrail", &record("b")).id);
    let bridged = format!(r#"{{"version":"0","id":"x","detail-type":"AWS API Call","detail":{}}}"#, record("b"));
    assert_eq!(wrapped[1].id, event_of("aws-cloudtrail", &bridged).id);
}

#[test]
fn equal_lines_share_an_id_and_other_lines_do_not() {
    let line = r#"192.0.2.1 - - [01/Mar/2026:00:00:20 +0000] "GET / HTTP/1.1" 200 5"#;
    let id = |line: &str| event_of("access", line).id;
    assert_eq!(id(line), id(line));
    assert_ne!(id(line), id(&line.replace(":20", ":21")));
}

#[test]
fn what_is_kept_of_a_line_holds_no_session() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    for (profile, line) in [
        ("tripline-portal", EXPORT),
        ("okta", r#"{"authenticationContext":{"externalSessionId":"s-1"}}"#),
        ("download-log", r#"1.2.3.4 - - [x] "GET /?sid=s-1&token=s-1 HTTP/1.1" 200 5 sid=s-1 rows=8000"#),
    ] {
        let kept = normaliser.redact(normaliser.profile(profile).unwrap(), line.as_bytes(), None);
        assert!(!kept.contains("s-1") && kept.contains("[cut]"), "{kept}");
    }
}

proptest::proptest! {
    #[test]
    fn no_line_makes_a_profile_panic(cut in 0usize..600, put in "[\"\\\\{}\\[\\]:, =%é+0-9]{0,6}", bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
        let normaliser = Normaliser::new(&[], &[]).unwrap();
        let at = (0..=cut.min(EXPORT.len())).rev().find(|n| EXPORT.is_char_boundary(*n)).unwrap();
        let changed = format!("{}{put}{}", &EXPORT[..at], &EXPORT[at..]);
        let access = format!("192.0.2.1 - {put} [01/Mar/2026:00:00:20 +0000] \"GET /exports/{put}.csv?a={put} HTTP/1.1\" 200 5 \"{put}\" \"x\" sid={put}");
        let batch = batch(&[changed.as_bytes(), access.as_bytes(), &bytes], FrameFlags::default());
        for profile in normaliser.profiles() {
            for frame in &batch.frames {
                let mut out = Vec::new();
                let _ = normaliser.normalise(profile, &batch, frame, &mut Scratch::default(), &mut out);
                let kept = normaliser.redact(profile, batch.bytes(frame), None);
                proptest::prop_assert!(kept.len() <= crate::model::limits::KEPT_LINE_BYTES);
            }
        }
    }
}

/// The values of raw fields, shown, in a record of the portal.
fn raw_of(names: &[&str], line: &str) -> (Vec<String>, Box<Event>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let normaliser = Normaliser::new(&[], &names).unwrap();
    let batch = batch(&[line.as_bytes()], FrameFlags::default());
    let mut out = Vec::new();
    let profile = normaliser.profile("tripline-portal").unwrap();
    normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
    let event = out.remove(0);
    let shown = (0..names.len()).map(|i| match event.unmapped.get(i) {
        None => "-".to_owned(),
        Some(RawValue::Null) => "null".to_owned(),
        Some(RawValue::Text(text)) => text.to_string(),
        Some(RawValue::List(list)) => format!("[{}]", list.join("|")),
    });
    (shown.collect(), event)
}

#[test]
fn a_raw_field_is_what_the_record_has_there() {
    let line =
        r#"{"event":"x","n":null,"e":[],"l":["a","b\"c",null,["d"]],"o": { "k" : [1, "x y"] },"t":true,"d":-1.50}"#;
    let (values, _) = raw_of(&["n", "e", "l", "o", "t", "d", "o.k", "gone", "o.gone"], line);
    assert_eq!(values, ["null", "[]", "[a|b\"c|d]", r#"{"k":[1,"x y"]}"#, "true", "-1.50", "[1|x y]", "-", "-"]);
}

#[test]
fn a_dotted_name_is_looked_for_flat_then_nested_then_between() {
    let line = r#"{"a.b":"flat","a":{"b":"nested","c":{"d":"deep"},"h.m":"between"},"x..y":"odd","w[0]":"bracket"}"#;
    let (values, _) = raw_of(&["a.b", "a.c.d", "a.h.m", "x..y", "w[0]", "a.c"], line);
    assert_eq!(values, ["flat", "deep", "between", "odd", "bracket", r#"{"d":"deep"}"#]);
    let (values, _) = raw_of(&["a.b"], r#"{"a":{"b":"nested"}}"#);
    assert_eq!(values, ["nested"]);
}

#[test]
fn a_path_goes_through_lists_of_objects() {
    let line = r#"{"target":[{"type":"User","tags":["x","y"]},{"type":"App","in":[{"n":1},{"n":2}]},"text"],"one":{"type":"Z"}}"#;
    let (values, event) = raw_of(&["target.type", "target.tags", "target.in.n", "one.type", "target.none"], line);
    assert_eq!(values, ["[User|App]", "[x|y]", "[1|2]", "Z", "-"]);
    assert!(!event.marks.ambiguous, "a key of two elements is no key that stands twice");
}

#[test]
fn values_are_seen_whole_and_what_records_share_is_bounded() {
    let long = "x".repeat(9000) + "end";
    let line = format!(r#"{{"event":"x","ua":"{long}","details":{{"why":"{long}"}}}}"#);
    let (values, event) = raw_of(&["details.why", "ua"], &line);
    assert!(values.iter().all(|value| *value == long));
    assert_eq!(event.origin.user_agent.as_ref().map(|text| text.len()), Some(FIELD_BYTES), "what is kept of it");
    assert!(matches!(event.as_written(Field::UserAgent), crate::model::Value::Text(text) if *text == *long));
    assert!(!event.marks.clipped);
    // a thousand records that share one long value
    let profile = "name = \"shared\"\ntitle = \"t\"\nformat = \"json\"\nsplit = \"acts\"\n";
    let normaliser = Normaliser::new(&[("s.toml".into(), profile.into())], &["note".into()]).unwrap();
    let acts = vec![r#"{"a":1}"#; 1000].join(",");
    let line = format!(r#"{{"note":"{}","acts":[{acts}]}}"#, "x".repeat(200_000));
    let batch = batch(&[line.as_bytes()], FrameFlags::default());
    let mut out = Vec::new();
    let shared = normaliser.profile("shared").unwrap();
    normaliser.normalise(shared, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
    let bytes = |event: &Event| match event.unmapped.get(0) {
        Some(RawValue::Text(text)) => text.len(),
        _ => 0,
    };
    assert_eq!(out.len(), 1000);
    assert!(out.iter().map(|event| bytes(event)).sum::<usize>() < 10 << 20);
    assert!(out.iter().all(|event| event.marks.clipped == (bytes(event) < 200_000)), "what is cut is marked");
    // and a list
    let note = vec!["1"; 100_000].join(",");
    let line = line.replace(&format!("\"{}\"", "x".repeat(200_000)), &format!("[{note}]"));
    let batch = self::batch(&[line.as_bytes()], FrameFlags::default());
    out.clear();
    normaliser.normalise(shared, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
    let elements = |event: &Event| match event.unmapped.get(0) {
        Some(RawValue::List(list)) => list.len(),
        _ => 0,
    };
    assert!(out.len() == 1000 && out.iter().map(|event| elements(event)).sum::<usize>() < 1 << 18);
    assert!(!out[0].marks.clipped && out[999].marks.clipped);
}

#[test]
fn the_line_is_there_where_it_is_asked_for_and_is_that_of_the_record() {
    let ask = |name: &str| Asked { fields: Vec::new(), line: name == "aws-cloudtrail" };
    let normaliser = Normaliser::asked(&[], &ask).unwrap();
    let line = r#"{"Records":[{"eventName":"A","note":"first \u003cscript\u003e"},{"eventName":"B","note":"second"}]}"#;
    let batch = batch(&[line.as_bytes()], FrameFlags::default());
    for (profile, wanted) in [("aws-cloudtrail", true), ("okta", false)] {
        let mut out = Vec::new();
        let profile = normaliser.profile(profile).unwrap();
        normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        let lines: Vec<_> = out.iter().filter_map(|event| event.line.as_deref()).collect();
        match wanted {
            true => {
                let [written, resolved] = lines[0] else { panic!("{lines:?}") };
                assert!(lines.len() == 2 && written.contains("first") && !written.contains("second"), "{lines:?}");
                assert!(written.contains(r"\u003cscript") && resolved.contains("<script>"), "{lines:?}");
                assert_eq!(lines[1].len(), 1, "it has no escapes");
            }
            false => assert!(lines.is_empty() && !out.is_empty()),
        }
    }
}
