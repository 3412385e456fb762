//! Records in answers, hubs and logs that a server writes as JSON in names of its own.
use super::*;
use Field::{Activity as Act, ActorName, Ip, Method, Outcome as How, Path, Status, UserAgent};

fn recognised(lines: &[&str]) -> (Normaliser, Recognised) {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let found = normaliser.recognise(&bytes).unwrap_or_else(|| panic!("not recognised: {lines:?}"));
    (normaliser, found)
}

const FIELDS: &[Field] = &[Act, How, ActorName, Ip, Method, Path, Status, UserAgent, Field::ExportBytes];

#[test]
fn access_logs_as_json_are_read_by_the_shapes_of_their_values() {
    let agent = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0";
    let wanted = format!("download success ana 203.0.113.7 GET /files/x.csv 200 {agent} 5120");
    for line in [
        // nginx's log_format with escape=json, under nginx's names
        format!(
            r#"{{"time_local":"30/Mar/2026:14:03:22 +0000","remote_addr":"203.0.113.7","remote_user":"ana","request":"GET /files/x.csv?sig=1 HTTP/1.1","status":"200","body_bytes_sent":"5120","request_time":"0.512","http_referrer":"https://portal.example/","http_user_agent":"{agent}","upstream_addr":"10.0.0.5:8080","upstream_status":"200"}}"#
        ),
        // with the parts of the request apart, a time of ISO 8601, and numbers
        format!(
            r#"{{"@timestamp":"2026-03-30T16:03:22+02:00","server_addr":"10.0.0.1","client":"203.0.113.7","method":"GET","request_uri":"/files/x.csv?sig=1","http_host":"portal.example","protocol":"HTTP/2.0","code":200,"size":5120,"duration":512,"referer":"","user":"ana","agent":"{agent}"}}"#
        ),
        // Apache's LogFormat as JSON
        format!(
            r#"{{ "time":"[30/Mar/2026:14:03:22 +0000]", "remoteIP":"203.0.113.7", "host":"portal.example", "requestPath":"/files/x.csv", "query":"?sig=1", "method":"GET", "status":"200", "userAgent":"{agent}", "referer":"-", "remoteUser":"ana", "bytesSent":"5120", "pid":"4711" }}"#
        ),
        // objects in objects, a time since 1970, headers as lists
        format!(
            r#"{{"level":"info","ts":1774879402.125,"logger":"http.log.access","request":{{"remote_ip":"203.0.113.7","remote_port":"51413","proto":"HTTP/2.0","method":"GET","host":"portal.example","uri":"/files/x.csv?sig=1","headers":{{"User-Agent":["{agent}"],"Accept":["*/*"]}}}},"user_id":"ana","duration":0.5,"size":5120,"status":200}}"#
        ),
        // the common schema, with the server's own address before the client's
        format!(
            r#"{{"@timestamp":"2026-03-30T14:03:22Z","ecs":{{"version":"8.11"}},"event":{{"id":"e-1"}},"host":{{"ip":["10.0.0.1"],"name":"web-1"}},"http":{{"request":{{"method":"GET","id":"r-1"}},"response":{{"status_code":200,"body":{{"bytes":5120}}}},"version":"1.1"}},"service":{{"name":"web"}},"source":{{"ip":"203.0.113.7","port":51413}},"url":{{"original":"/files/x.csv?sig=1"}},"user":{{"id":"u-1","name":"ana"}},"user_agent":{{"name":"Firefox","original":"{agent}"}}}}"#
        ),
        // names that say nothing
        format!(
            r#"{{"a":"2026-03-30T14:03:22Z","b":"203.0.113.7","u":"ana","c":"GET /files/x.csv HTTP/1.1","d":200,"e":5120,"f":"https://portal.example/","g":"{agent}"}}"#
        ),
    ] {
        let (normaliser, found) = recognised(&[&line]);
        assert_eq!(normaliser.name(found.profile), "access", "{line}");
        let event = event_of("access", &line);
        let nameless = line.contains(r#""u":"ana""#);
        let wanted = if nameless { wanted.replace(" ana ", " - ") } else { wanted.clone() };
        assert_eq!(shown(&event, FIELDS), wanted, "{line}");
        assert_eq!(event.time.0 / 1000, 1_774_879_402, "{line}");
        assert!(!event.marks.ambiguous && !event.marks.clipped, "{line}");
        // what a relay has cut is read as far as it goes
        let cut = batch(&[&line.as_bytes()[..line.len() - 3]], FrameFlags { clipped: true, ..FrameFlags::default() });
        let mut out = Vec::new();
        let access = normaliser.profile("access").unwrap();
        normaliser.normalise(access, &cut, &cut.frames[0], &mut Scratch::default(), &mut out).unwrap();
        assert!(out[0].marks.clipped, "{line}");
    }
}

#[test]
fn what_a_client_writes_into_json_shifts_no_field() {
    let line = |user: &str, request: &str, agent: &str, forwarded: &str, peer: &str| {
        let json = |text: &str| serde_json::to_string(text).unwrap();
        format!(
            r#"{{"time":"2026-03-30T14:03:22Z","remote_addr":"{peer}","remote_user":{},"request":{},"status":401,"bytes":12,"user_agent":{},"http_x_forwarded_for":{},"sid":"s-1"}}"#,
            json(user),
            json(request),
            json(agent),
            json(forwarded)
        )
    };
    let hostile = "eve\" [30/Mar/2027:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"x\" sid=s-2";
    for (user, request, agent, forwarded, peer, wanted) in [
        (hostile, "POST /login HTTP/1.1", "x", "-", "203.0.113.7", format!("{hostile} 203.0.113.7 POST /login 401 x")),
        (
            "ana",
            "POST /login HTTP/1.1",
            hostile,
            "",
            "203.0.113.7",
            format!("ana 203.0.113.7 POST /login 401 {hostile}"),
        ),
        ("", "\u{16}\u{3}\u{1}", "-", "-", "203.0.113.7", "- 203.0.113.7 - - 401 -".to_owned()),
        ("", "GET /a\"b\\c HTTP/1.1", "x", "-", "203.0.113.7", "- 203.0.113.7 GET /a\"b\\c 401 x".to_owned()),
        ("", "GET //a%2fb/%22c HTTP/1.1", "x", "-", "203.0.113.7", "- 203.0.113.7 GET /a/b/\"c 401 x".to_owned()),
        // a proxy that is near says who it was; anybody else may say what they like
        ("", "GET / HTTP/1.1", "x", "198.51.100.9", "10.0.0.7", "- 198.51.100.9 GET / 401 x".to_owned()),
        ("", "GET / HTTP/1.1", "x", "198.51.100.9", "203.0.113.7", "- 203.0.113.7 GET / 401 x".to_owned()),
    ] {
        let line = line(user, request, agent, forwarded, peer);
        let event = event_of("access", &line);
        let fields = [ActorName, Ip, Method, Path, Status, UserAgent];
        assert_eq!(shown(&event, &fields), wanted, "{line}");
        assert_eq!(shown(&event, &[Field::SessionUid]), "s-1", "{line}");
        assert_eq!(event.time.to_string(), "2026-03-30T14:03:22.000Z");
    }
}

#[test]
fn the_host_that_a_client_asks_for_is_not_its_origin() {
    let line = r#"{"time":"2026-03-30T14:03:22Z","remote_addr":"10.0.0.7","host":"192.0.2.1","request":"GET / HTTP/1.1","status":200}"#;
    assert_eq!(shown(&event_of("access", line), &[Ip]), "10.0.0.7");
}

#[test]
fn json_that_is_no_access_log_is_not_taken_for_one() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    for line in [
        r#"{"time":"2026-03-30T14:03:22Z","level":"info","msg":"started","port":443}"#,
        r#"{"time":"2026-03-30T14:03:22Z","ip":"203.0.113.7","user":"ana","event":"login","status":"ok"}"#,
        r#"{"time":"2026-03-30T14:03:22Z","ip":"203.0.113.7","code":200,"event":"login"}"#,
        r#"{"method":"GET","uri":"/","status":200,"ip":"203.0.113.7"}"#,
        "{",
    ] {
        let found = normaliser.recognise(&[line.as_bytes()]).map(|found| normaliser.name(found.profile).to_owned());
        assert_eq!(found, None, "{line}");
    }
}

#[test]
fn keywords_are_looked_for_in_the_line_as_it_is_written() {
    let line = r#"{"time":"2026-03-30T14:03:22Z","ip":"203.0.113.7","request":"GET / HTTP/1.1","status":200}"#;
    let asked = |_: &str| Asked { line: true, ..Asked::default() };
    let normaliser = Normaliser::asked(&[], &asked).unwrap();
    let batch = batch(&[line.as_bytes()], FrameFlags::default());
    let mut out = Vec::new();
    let access = normaliser.profile("access").unwrap();
    normaliser.normalise(access, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
    assert!(format!("{:?}", out[0].line).contains(r#"\"status\":200"#), "{:?}", out[0].line);
}

#[test]
fn a_products_records_are_known_in_a_hub_and_in_the_answer_to_a_search() {
    let records = [EXPORT.to_owned(), EXPORT.replace("ev-1", "ev-2")];
    let hub = format!(r#"{{"records":[{}]}}"#, records.join(","));
    let text = serde_json::to_string(&hub).unwrap();
    let event =
        format!(r#"{{"SequenceNumber":7,"Offset":"64","EnqueuedTimeUtc":"x","SystemProperties":{{}},"Body":{text}}}"#);
    let hits: Vec<String> = records.iter().map(|r| format!(r#"{{"_index":"x","_id":"1","_source":{r}}}"#)).collect();
    let answer = format!(
        r#"{{"took":3,"timed_out":false,"_shards":{{}},"hits":{{"total":2,"max_score":null,"hits":[{}]}}}}"#,
        hits.join(",")
    );
    let list = format!("[{}]", hits.join(","));
    let pretty =
        |text: &str| serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap();
    let (pretty, pretty_list) = (pretty(&answer), pretty(&list));
    for (wrapped, documents) in
        [(hub, false), (event, false), (answer, false), (pretty, true), (list, false), (pretty_list, true)]
    {
        let lines: Vec<&str> = wrapped.lines().collect();
        let (normaliser, found) = recognised(&lines);
        assert_eq!((normaliser.name(found.profile), found.documents), ("tripline-portal", documents), "{wrapped}");
        let events = events_of("tripline-portal", &wrapped);
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        assert_eq!(ids, records.each_ref().map(|record| event_of("tripline-portal", record).id), "{wrapped}");
    }
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let lists = normaliser.record_lists(normaliser.profile("tripline-portal").unwrap());
    assert!(lists.iter().any(|list| list == "hits.hits"), "an answer of any size is read hit by hit");
}

#[test]
fn a_product_is_known_behind_headers_of_syslog_in_every_format() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let keycloak = r#"2026-03-01 00:00:20,123 DEBUG [org.keycloak.events] (executor-thread-1) type="LOGIN", realmId="m", clientId="portal", userId="u-1", sessionId="s1", ipAddress="203.0.113.9", username="ana""#;
    let access = r#"203.0.113.9 - ana [01/Mar/2026:00:00:20 +0000] "GET /a HTTP/1.1" 200 12 "-" "x""#;
    for (header, record, profile) in [
        ("<134>2026-03-01T00:00:20.123+01:00 gw1 portal[12]: ", EXPORT, "tripline-portal"),
        ("<134>1 2026-03-01T00:00:20Z gw1 portal 12 - - ", EXPORT, "tripline-portal"),
        ("Mar  1 00:00:20 gw1 kc: ", keycloak, "keycloak"),
        ("<134>Mar  1 00:00:20 gw1 web: ", access, "access"),
    ] {
        let line = format!("{header}{record}");
        let found = normaliser.recognise_behind_syslog(&[line.as_bytes(); 3]).unwrap_or_else(|| panic!("{line}"));
        assert_eq!((normaliser.name(found.profile), found.syslog, found.share), (profile, true, 1.0), "{line}");
        assert!(
            normaliser.recognise(&[line.as_bytes()]).is_none_or(|found| normaliser.name(found.profile) == "access")
        );
    }
    assert_eq!(normaliser.recognise_behind_syslog(&[b"<134>Mar  1 00:00:20 gw1 portal: started"]), None);
}
