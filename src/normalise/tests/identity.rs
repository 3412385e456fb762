//! By what an act is known again: the product's own id, what its record holds, or its line.
use super::*;
use crate::model::EventId;

const PUSH: &str = r#"{"txid":"t1","application":{"key":"k","name":"VPN"},"user":{"key":"DU1","name":"ana"},"result":"denied","reason":"no_response","factor":"duo_push","event_type":"authentication","timestamp":1796029200,"access_device":{"ip":"198.51.100.9"}}"#;
const TURNED: &str = r#"{"access_device": {"ip": "198.51.100.9"}, "timestamp": 1796029200, "event_type": "authentication", "factor": "duo_push", "reason": "no_response", "result": "denied", "user": {"name": "\u0061na", "key": "DU1"}, "application": {"name": "VPN", "key": "k"}, "txid": "t1"}"#;

/// The ids of the events of a line, which must not depend on how many lines equal it.
fn ids(profile: &str, line: &str) -> Vec<EventId> {
    let events = events_of(profile, line);
    assert!(events.iter().all(|event| event.evidence.own_id), "{line}");
    events.iter().map(|event| event.id).collect()
}

#[test]
fn what_a_record_holds_is_its_id_where_the_profile_says_so() {
    let id = ids("duo", PUSH);
    assert_eq!(ids("duo", TURNED), id);
    // on a page of an API, twice on it, and in what a shipper puts around it
    let page = format!(r#"{{"response":{{"authlogs":[{PUSH},{TURNED}]}},"stat":"OK"}}"#);
    assert_eq!(ids("duo", &page), [id[0], id[0]]);
    let shipped = |at: &str| {
        let message = serde_json::to_string(PUSH).unwrap();
        format!(r#"{{"@timestamp":"2026-11-30T09:0{at}:00Z","agent":{{"type":"filebeat"}},"message":{message}}}"#)
    };
    assert_eq!((ids("duo", &shipped("1")), ids("duo", &shipped("2"))), (id.clone(), id.clone()));
    for (what, by) in [("t1", "t2"), ("1796029200", "1796029201"), ("denied", "success"), ("DU1", "DU2")] {
        assert_ne!(ids("duo", &PUSH.replace(what, by)), id, "{by}");
    }
    for (profile, one, other) in [
        (
            "github",
            r#"{"@timestamp":1796029200000,"action":"git.clone","actor":"ana","org":"x"}"#,
            r#"{"org":"x","actor":"ana","action":"git.clone","@timestamp":1796029200000}"#,
        ),
        (
            "keycloak-events",
            r#"{"time":1796029200000,"type":"LOGIN","realmId":"m","clientId":"c","details":{"username":"ana","x":1}}"#,
            r#"{"details":{"x":1,"username":"ana"},"clientId":"c","realmId":"m","type":"LOGIN","time":1796029200000}"#,
        ),
        (
            "entra-audit",
            r#"{"time":"2026-11-30T09:00:00Z","category":"AuditLogs","operationName":"Add user","correlationId":"c"}"#,
            r#"{"correlationId":"c","operationName":"Add user","category":"AuditLogs","time":"2026-11-30T09:00:00Z"}"#,
        ),
        (
            "azure-activity",
            r#"{"time":"2026-11-30T09:00:00Z","category":"Write","resourceId":"/x","operationName":"A/B/WRITE"}"#,
            r#"{"operationName":"A/B/WRITE","resourceId":"/x","category":"Write","time":"2026-11-30T09:00:00Z"}"#,
        ),
        (
            "entra-risk",
            r#"{"time":"2026-11-30T09:00:00Z","category":"RiskyUsers","properties":{"id":"u","riskState":"atRisk"}}"#,
            r#"{"category":"RiskyUsers","properties":{"riskState":"atRisk","id":"u"},"time":"2026-11-30T09:00:00Z"}"#,
        ),
    ] {
        assert_eq!(ids(profile, one), ids(profile, other), "{profile}");
    }
}

#[test]
fn two_records_of_equal_length_in_one_wrapping_are_two() {
    let message = |txid: &str| serde_json::to_string(&PUSH.replace("t1", txid)).unwrap();
    let event = |txid: &str| format!(r#"{{"id":"1","timestamp":1796029200000,"message":{}}}"#, message(txid));
    let line = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{},{}]}}"#,
        event("t1"),
        event("t2")
    );
    let found = ids("duo", &line);
    assert!(found.len() == 2 && found[0] != found[1], "{found:?}");
}

#[test]
fn a_record_of_nobody_is_no_act_of_the_product() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    for profile in normaliser.profiles().filter(|profile| normaliser.format(*profile) == "json") {
        let name = normaliser.name(profile);
        let event = event_of(name, r#"{"hello":1,"xyzzy":{"a":[{"b":"c"}]}}"#);
        let act = (event.activity, event.outcome, event.cause);
        assert_eq!(act, (crate::model::Activity::Other, crate::model::Outcome::Unknown, None), "{name}");
    }
    // a record of the product's that is not whole is still its record
    let event = event_of("duo", r#"{"txid":"1","result":"fraud","timestamp":2,"user":{"name":"b"}}"#);
    assert_eq!(event.outcome, crate::model::Outcome::Failure);
}

#[test]
fn a_line_counts_each_time_where_nothing_says_otherwise() {
    let is_own = |profile: &str, line: &str| event_of(profile, line).evidence.own_id;
    assert!(!is_own("access", r#"192.0.2.1 - - [01/Mar/2026:00:00:20 +0000] "GET / HTTP/1.1" 200 5"#));
    // neither a time nor a whole record
    assert!(!is_own("duo", &PUSH.replace("timestamp", "at")));
    let cut = batch(&[&PUSH.as_bytes()[..200]], FrameFlags { clipped: true, ..FrameFlags::default() });
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let mut out = Vec::new();
    let duo = normaliser.profile("duo").unwrap();
    normaliser.normalise(duo, &cut, &cut.frames[0], &mut Scratch::default(), &mut out).unwrap();
    assert!(!out[0].evidence.own_id);
    // a time to the minute is that of many
    let own = |head: &str| {
        let text = format!(
            "name = \"own\"\ntitle = \"t\"\nformat = \"json\"\n{head}\n[[time]]\nfrom = \"t\"\nnotation = \"rfc3339\"\n"
        );
        let normaliser = Normaliser::new(&[("own.toml".to_owned(), text)], &[]).unwrap();
        move |record: &str| {
            let batch = batch(&[record.as_bytes()], FrameFlags::default());
            let mut out = Vec::new();
            let own = normaliser.profile("own").unwrap();
            normaliser.normalise(own, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
            out[0].evidence.own_id
        }
    };
    let (says, says_not) = (own("content_id = true"), own(""));
    assert!(says(r#"{"t":"2026-11-30T09:00:00Z"}"#) && says(r#"{"t":"2026-11-30 09:00:00.5+01:00"}"#));
    assert!(!says(r#"{"t":"2026-11-30T09:00Z"}"#) && !says(r#"{"t":"2026-11-30T09:00+01:00"}"#));
    assert!(!says_not(r#"{"t":"2026-11-30T09:00:00Z"}"#));
}

#[test]
fn the_acts_of_one_google_activity_count_each_and_come_again_as_themselves() {
    let record = |etag: &str, time: &str, events: &str| {
        format!(
            r#"{{"kind":"admin#reports#activity","etag":"{etag}","id":{{"time":"{time}","uniqueQualifier":"7","applicationName":"login"}},"actor":{{"email":"ana@provider.example","profileId":"1"}},"ipAddress":"198.51.100.9","events":[{events}]}}"#
        )
    };
    let twins = r#"{"type":"login","name":"login_success"},{"type":"login","name":"login_success"}"#;
    let (at, later) = ("2026-11-30T09:00:00.123Z", "2026-11-30T09:00:01.123Z");
    let found = ids("google-workspace", &record("a", at, twins));
    assert!(found.len() == 2 && found[0] != found[1], "{found:?}");
    assert_eq!(ids("google-workspace", &record("b", at, twins)), found);
    let page = format!(r#"{{"items":[{},{}]}}"#, record("c", later, twins), record("d", at, twins));
    assert_eq!(ids("google-workspace", &page)[2..], found);
    assert_ne!(ids("google-workspace", &record("a", later, twins)), found);
    let unqualified = record("a", at, twins).replace("uniqueQualifier", "other");
    let found = ids("google-workspace", &unqualified);
    assert!(found[0] != found[1] && found == ids("google-workspace", &unqualified));
}
