//! What leaves, whatever the request looks like: paths, answers under paths that no rule knows, and ranges.
use super::*;
use Field::{
    Activity as Act, ActorType, Customer, ExportAge, ExportBytes, ExportDays, ExportJob, ExportKind, ExportRecords,
    Outcome as How, Path,
};

fn pull(method: &str, target: &str, answer: &str) -> Event {
    event_of(
        "download-log",
        &format!(r#"192.0.2.1 - key-1 [01/Apr/2026:00:00:20 +0000] "{method} {target} HTTP/1.1" {answer}"#),
    )
}

#[test]
fn a_pull_is_one_however_its_path_is_written() {
    let query = "?from=2026-03-01&to=2026-03-30&type=mfa";
    let plain = "/api/v1/accounts/AC1/messages.csv";
    let wanted = "download success key AC1 mfa 30 100 10000";
    for (target, path) in [
        (plain, plain),
        ("/api/v1/./accounts/AC1/messages.csv", "/api/v1/./accounts/AC1/messages.csv"),
        ("/api/v1/x/%2e%2e/accounts//AC1/messages%2Ecsv", "/api/v1/x/../accounts/AC1/messages.csv"),
        ("/API/v1/accounts/AC1/messages.csv;x=1", "/API/v1/accounts/AC1/messages.csv;x=1"),
        ("HTTP://api.provider.example/api/v1/accounts/AC1/messages.csv/", "/api/v1/accounts/AC1/messages.csv/"),
        ("/api/v2/accounts/AC1/messages.json", "/api/v2/accounts/AC1/messages.json"),
    ] {
        let event = pull("GET", &format!("{target}{query}"), r#"200 10000 "-" "curl/8" rt=0.1 sid=- rows=100"#);
        let fields = [Act, How, ActorType, Customer, ExportKind, ExportDays, ExportRecords, ExportBytes];
        assert_eq!(shown(&event, &fields), wanted, "{target}");
        assert_eq!(shown(&event, &[Path]), path, "it is shown as it was asked for");
    }
}

#[test]
fn a_profile_of_ones_own_has_its_paths_plain_too() {
    let profile = r#"
        name = "own"
        title = "own"
        format = "json"
        fields = { "http_request.url.path" = "req.uri|before:?", "actor.user.name" = "who" }
        [[recognise]]
        "req.uri" = "/Files/*"
        [[activity]]
        is = "settings_changed"
        when = { "req.uri" = ["/raw;x", "/raw;y"] }
        [[activity]]
        is = "download"
        when = { "req.uri" = "/Files/{name}" }
        set = { "export.job_uid" = "{name}" }
        [[activity]]
        is = "view"
        when = { "http_request.url.path" = { not = "/open/*" } }
    "#;
    let normaliser = Normaliser::only([("own", profile)].into_iter(), &[]).unwrap();
    let read = |uri: &str| {
        let line = format!(r#"{{"who":"ana","req":{{"uri":"{uri}"}}}}"#);
        let batch = batch(&[line.as_bytes()], FrameFlags::default());
        let mut out = Vec::new();
        let own = normaliser.profile("own").unwrap();
        normaliser.normalise(own, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        shown(&out[0], &[Act, ExportJob])
    };
    for (uri, wanted) in [
        ("/files/./Q1?x=/../y", "download Q1"),
        ("https://h.example/FILES/Q%31/", "download Q1"),
        ("/x/../open/a", "other -"),
        ("/open/../a", "view -"),
        ("/raw;x", "settings_changed -"),
        ("/RAW", "view -"),
    ] {
        assert_eq!(read(uri), wanted, "{uri}");
    }
}

#[test]
fn what_is_sent_under_a_path_that_no_rule_knows_is_fetched() {
    let fields = [Act, ActorType, Customer, ExportRecords, ExportBytes];
    let of = |method: &str, target: &str, answer: &str| shown(&pull(method, target, answer), &fields);
    let rows =
        |status: u16, bytes: u64, rows: &str| format!(r#"{status} {bytes} "-" "curl/8" rt=0.1 sid=- rows={rows}"#);
    assert_eq!(of("GET", "/other/list", &rows(200, 900, "9")), "download user - 9 900");
    assert_eq!(of("POST", "/graphql", &rows(200, 2_100_180, "-")), "download user - 20000 2100180");
    assert_eq!(of("GET", "/api/v3/accounts/AC1/calls", &rows(200, 900, "9")), "download key AC1 9 900");
    assert_eq!(of("GET", "/api/v3/everything", &rows(200, 900, "9")), "download key - 9 900");
    assert_eq!(of("GET", "/x/messages.csv/x.js", &rows(200, 2_100_180, "-")), "download user - 20000 2100180");
    for (method, target, answer) in [
        ("GET", "/api/v3/accounts/AC1/balance", rows(200, 900, "-")),
        ("GET", "/other", rows(200, 999_999, "0")),
        ("GET", "/static/v1.2/App.JS", rows(200, 2_100_180, "-")),
        ("HEAD", "/other/list", rows(200, 0, "9")),
        ("GET", "/other/list", rows(304, 0, "9")),
        ("GET", "/other/list", rows(302, 2_100_180, "9")),
        ("GET", "/other/list", rows(404, 2_100_180, "9")),
    ] {
        let event = pull(method, target, &answer);
        assert_eq!((shown(&event, &[Act]).as_str(), event.export), ("view", None), "{method} {target} {answer}");
    }
    let access = |target: &str| {
        let line =
            format!(r#"192.0.2.1 - ana [01/Apr/2026:00:00:20 +0000] "GET {target} HTTP/1.1" 200 2100180 "-" "x""#);
        shown(&event_of("access", &line), &[Act, ExportRecords])
    };
    assert_eq!(access("/messages"), "download 20000");
    assert_eq!(access("/app.css"), "view -");
    let line =
        r#"192.0.2.1 - ana [01/Apr/2026:00:00:20 +0000] "GET http://x.example/iso HTTP/1.1" 200 2100180 "-" "x""#;
    assert_eq!(shown(&event_of("proxy", line), &[Act]), "view", "what people fetch elsewhere is nothing of ours");
}

#[test]
fn an_answer_counts_as_what_it_sent() {
    let fields = [Act, How, ExportRecords];
    let of = |method: &str, answer: &str| shown(&pull(method, "/exports/ex-1.csv", answer), &fields);
    assert_eq!(of("GET", r#"200 5250180 "-" "x" rows=50000"#), "download success 50000");
    assert_eq!(of("GET", r#"206 105180 "-" "x" rows=50000"#), "download success 1000", "a part of it");
    assert_eq!(of("GET", r#"499 105180 "-" "x" rows=50000"#), "download success 1000", "what it had when it was cut");
    assert_eq!(of("GET", r#"499 0 "-" "x" rows=50000"#), "download failure 0", "nothing was sent");
    assert_eq!(of("HEAD", r#"200 0 "-" "x" rows=50000"#), "view success -");
    assert_eq!(of("GET", r#"304 0 "-" "x" rows=50000"#), "view failure -");
    assert_eq!(of("GET", r#"204 0 "-" "x" rows=50000"#), "view success -");
    assert_eq!(of("GET", r#"200 5250180 "-" "x" rows=1 rows=50000"#), "download success 50000", "one is a client's");
}

#[test]
fn a_range_that_cannot_be_read_is_everything() {
    let asked =
        |range: &str| event_of("tripline-portal", &EXPORT.replace(r#""from":"2026-02-01","to":"2026-02-28""#, range));
    let days = |range: &str| {
        let event = asked(range);
        (shown(&event, &[ExportDays, ExportAge]), event.export.unwrap().everything)
    };
    let all = ("3650 3650".to_owned(), true);
    for range in [
        r#""x":1"#,
        r#""from":"","to":"2026-02-28""#,
        r#""from":null,"to":"2026-02-28""#,
        r#""from":"03/01/2026","to":"03/30/2026""#,
        r#""from":"2026-02-28","to":"2026-02-01""#,
        r#""from":"2099-01-01","to":null"#,
        r#""from":["2026-02-01"],"to":"2026-02-28""#,
        r#""from":"all","to":"2026-02-28""#,
    ] {
        assert_eq!(days(range), all, "{range}");
    }
    for (range, wanted) in [
        (r#""from":"20260201","to":"20260228""#, "28 28"),
        (r#""from":1769904000,"to":1772236800000"#, "28 28"),
        (r#""from":"2026-02-01T00:00:00Z","to":"28.02.2026""#, "28 28"),
        (r#""from":"2026-02-01""#, "29 28"),
        (r#""from":"2026-02-01","to":"soon""#, "29 28"),
    ] {
        assert_eq!(days(range), (wanted.to_owned(), false), "{range}");
    }
    let refused = EXPORT.replace(r#""from":"2026-02-01","#, "").replace(r#""success""#, r#""failure""#);
    assert_eq!(shown(&event_of("tripline-portal", &refused), &[ExportDays]), "-");
    let twice =
        pull("GET", "/api/v1/accounts/AC1/messages.csv?from=2026-03-30&from=2026-01-01&to=2026-03-30", "200 9 rows=1");
    assert_eq!(shown(&twice, &[ExportDays]), "3650");
    // where the range is the request's, or the trail states none
    assert_eq!(shown(&pull("GET", "/exports/ex-1.csv", "200 9 rows=1"), &[ExportDays]), "-");
    assert_eq!(shown(&pull("GET", "/other", "200 9 rows=1"), &[Act, ExportDays]), "download -");
    let line = r#"192.0.2.1 - ana [01/Apr/2026:00:00:20 +0000] "GET /a.csv HTTP/1.1" 200 9 "-" "x""#;
    assert_eq!(shown(&event_of("access", line), &[Act, ExportDays]), "download -");
}
