//! Real lines of real products (other projects' samples), read without any configuration, held against what Elastic's pipelines make of them.
//!
//! For each product: recognised by itself, and time, actor, origin, outcome and activity agree on at least 95 % of its lines. Every
//! disagreement is printed; those that are explained stand in [`EXPLAINED`], with the reason.
use crate::support::of_others;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tripline::model::*;
use tripline::normalise::{Normaliser, ProfileRef, Recognised, Scratch};

/// Product, the profiles that may be recognised, folders of inputs.
const PRODUCTS: &[(&str, &[&str], &[&str])] = &[
    ("Okta", &["okta"], &["elastic-integrations/okta/system"]),
    ("Entra sign-in", &["entra-signin"], &["elastic-integrations/azure/signinlogs"]),
    ("Entra audit", &["entra-audit"], &["elastic-integrations/azure/auditlogs"]),
    ("Keycloak", &["keycloak"], &["elastic-integrations/keycloak/log"]),
    ("Auth0", &["auth0"], &["elastic-integrations/auth0/logs"]),
    (
        "Duo",
        &["duo", "duo-admin", "duo-telephony"],
        &[
            "elastic-integrations/cisco_duo/auth",
            "elastic-integrations/cisco_duo/admin",
            "elastic-integrations/cisco_duo/telephony",
            "elastic-integrations/cisco_duo/offline_enrollment",
        ],
    ),
    ("GitHub", &["github"], &["elastic-integrations/github/audit"]),
    (
        "Google Workspace",
        &["google-workspace"],
        &[
            "elastic-integrations/google_workspace/admin",
            "elastic-integrations/google_workspace/context_aware_access",
            "elastic-integrations/google_workspace/drive",
            "elastic-integrations/google_workspace/groups",
            "elastic-integrations/google_workspace/login",
            "elastic-integrations/google_workspace/saml",
            "elastic-integrations/google_workspace/token",
            "elastic-integrations/google_workspace/user_accounts",
        ],
    ),
    ("CloudTrail", &["aws-cloudtrail"], &["elastic-integrations/aws/cloudtrail"]),
    (
        "nginx",
        &["access", "download-log"],
        &[
            "elastic-integrations/nginx/access",
            "elastic-beats-oss/nginx/access",
            "elastic-integrations/nginx_ingress_controller/access",
            "elastic-beats-oss/nginx/ingress_controller",
        ],
    ),
    ("Apache", &["access"], &["elastic-integrations/apache/access", "elastic-beats-oss/apache/access"]),
];

/// Disagreements that are known: part of the line's report, and why we differ.
const EXPLAINED: &[(&str, &str)] = &[
    (
        "test-login.log:11: outcome",
        "a challenge that was passed is a success; the peer looks for another spelling of it",
    ),
    (
        "test-login.log:12: outcome",
        "a challenge that was passed is a success; the peer looks for another spelling of it",
    ),
    ("failed-to-send-email-notification", "a message that could not be sent is nobody's login"),
    ("cisco_duo/auth/test-empty.log", "an answer of the API without any event"),
    ("test-access-basic.log:10: origin", "the column holds a name; the header behind it is only what a client sent"),
];

/// The share of lines that must be right.
const ENOUGH: f64 = 0.95;

#[test]
fn products_are_recognised_and_read_as_their_peers_read_them() {
    let Some(samples) = of_others("samples") else { return };
    let mut normaliser = Normaliser::new(&[], &[]).unwrap();
    // Keycloak states no zone; the peer's test was told this one.
    let keycloak = normaliser.profile("keycloak").unwrap();
    let zoned = normaliser.for_trail(
        keycloak,
        Some(jiff::tz::TimeZone::fixed(jiff::tz::offset(-5))),
        Default::default(),
        tripline::normalise::Trust::default(),
    );
    let mut failed = Vec::new();
    for (product, profiles, folders) in PRODUCTS {
        let (mut lines, mut right) = (0, 0);
        for input in folders.iter().flat_map(|folder| inputs(&samples.join(folder))) {
            for (n, problems) in compare(&normaliser, zoned, profiles, &input).into_iter().enumerate() {
                lines += 1;
                right += usize::from(problems.is_empty());
                for problem in problems {
                    let name = input.strip_prefix(&samples).unwrap().display();
                    let report = format!("{name}:{}: {problem}", n + 1);
                    let why = EXPLAINED.iter().find(|(part, _)| report.contains(part)).map_or("", |(_, why)| *why);
                    println!("  {report} {why}");
                }
            }
        }
        let share = f64::from(right as u32) / f64::from(lines.max(1) as u32);
        println!("{product}: {right} of {lines} lines right ({:.1} %)", share * 100.0);
        if lines == 0 || share < ENOUGH {
            failed.push(format!("{product} {:.1} %", share * 100.0));
        }
    }
    assert!(failed.is_empty(), "below {ENOUGH}: {failed:?}");
}

/// What can be found in a trail is worked out from specimens of its profile: they have to be all that there is.
#[test]
fn real_events_are_of_the_sorts_that_their_profiles_have_specimens_of() {
    let Some(samples) = of_others("samples") else { return };
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let mut specimens = BTreeMap::new();
    let (mut events, mut strange) = (0, Vec::new());
    for input in PRODUCTS.iter().flat_map(|(.., folders)| *folders).flat_map(|f| inputs(&samples.join(f))) {
        let Some(read) = read(&normaliser, None, &std::fs::read(&input).unwrap()) else { continue };
        let of = specimens.entry(read.found.profile).or_insert_with(|| normaliser.specimens(read.found.profile));
        for event in &read.events {
            events += 1;
            let like = of.iter().filter(|specimen| specimen.is_like(event));
            let has = |field: &Field| event.get(*field) != Value::Absent;
            let all = |specimen: &tripline::normalise::Specimen| {
                Field::ALL.iter().filter(|f| has(f)).all(|f| specimen.can_have(*f))
            };
            // what time and place a record has, and what follows from it, is nothing of the specimen's
            let derived = |field: &Field| matches!(field, Field::ExportDays | Field::ExportAge | Field::ExportRecords);
            if like.clone().next().is_none() || !like.clone().any(all) {
                let lacks: Vec<_> = Field::ALL
                    .iter()
                    .filter(|f| has(f) && !derived(f) && !like.clone().any(|specimen| specimen.can_have(**f)))
                    .collect();
                if like.clone().next().is_some() && lacks.is_empty() {
                    continue;
                }
                let said =
                    [Field::Product, Field::Activity, Field::Outcome, Field::Cause, Field::ActorType, Field::Code];
                strange.push(format!("{:?} lacks {lacks:?}", said.map(|field| event.get(field))));
            }
        }
    }
    strange.sort();
    strange.dedup();
    assert!(events > 500 && strange.is_empty(), "of {events} events:\n{}", strange.join("\n"));
}

/// The inputs of a folder that have an expected document beside them.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let mut list: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("-expected.json") && expected_path(path).exists())
        .collect();
    list.sort();
    list
}

fn expected_path(input: &Path) -> PathBuf {
    PathBuf::from(format!("{}-expected.json", input.display()))
}

/// The problems of each line of `input`.
fn compare(normaliser: &Normaliser, zoned: ProfileRef, profiles: &[&str], input: &Path) -> Vec<Vec<String>> {
    let bytes = std::fs::read(input).unwrap();
    let expected: Json = serde_json::from_slice(&std::fs::read(expected_path(input)).unwrap()).unwrap();
    let expected = expected.get("expected").unwrap_or(&expected).as_array().unwrap();
    let Some(Read { found, events, rejects, lines }) = read(normaliser, Some(zoned), &bytes) else {
        if expected.iter().all(Json::is_null) {
            return Vec::new();
        }
        return vec![vec!["not recognised".to_owned()]; expected.len()];
    };
    let name = normaliser.name(found.profile);
    if !profiles.contains(&name) {
        return vec![vec![format!("recognised as {name}")]; expected.len()];
    }
    if events.len() != expected.len() {
        // The peer's test joined some lines to the one before: its documents name theirs.
        let of = |doc: &Json| {
            let line = text(doc, "event.original")?.lines().next()?.trim();
            events.iter().find(|e| String::from_utf8_lossy(&bytes_of(&lines, e)).trim() == line)
        };
        let none = || vec![format!("{} events for {} documents; {rejects:?}", events.len(), expected.len())];
        return expected.iter().map(|doc| of(doc).map_or_else(none, |event| disagreements(event, doc))).collect();
    }
    let kept = events.iter().zip(expected).filter(|(_, doc)| !doc.is_null());
    kept.map(|(event, doc)| disagreements(event, doc)).collect()
}

/// What was recognised in a file, the events, what was refused, and the lines.
struct Read {
    found: Recognised,
    events: Vec<Event>,
    rejects: Vec<String>,
    lines: Batch,
}

fn bytes_of(lines: &Batch, event: &Event) -> Vec<u8> {
    lines.data[event.evidence.from as usize..event.evidence.to as usize].to_vec()
}

/// Reads a file as a first look at it would.
fn read(normaliser: &Normaliser, zoned: Option<ProfileRef>, bytes: &[u8]) -> Option<Read> {
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|l| !l.iter().all(u8::is_ascii_whitespace)).collect();
    let found = normaliser.recognise(&lines[..lines.len().min(10_000)])?;
    let frames = if found.documents { vec![bytes] } else { lines };
    let profile = zoned.filter(|z| normaliser.name(*z) == normaliser.name(found.profile)).unwrap_or(found.profile);
    let batch = batch(&frames);
    let (mut events, mut rejects, mut scratch) = (Vec::new(), Vec::new(), Scratch::default());
    for frame in &batch.frames {
        if let Err(reject) = normaliser.normalise(profile, &batch, frame, &mut scratch, &mut events) {
            rejects.push(reject.to_string());
        }
    }
    Some(Read { found, events: events.into_iter().map(|event| *event).collect(), rejects, lines: batch })
}

fn batch(lines: &[&[u8]]) -> Batch {
    let (mut data, mut frames) = (Vec::new(), Vec::new());
    for line in lines {
        let start = data.len();
        data.extend_from_slice(line);
        let end = data.len();
        let flags = FrameFlags::default();
        frames.push(Frame { start: start as u32, end: end as u32, from: start as u64, to: end as u64, flags });
    }
    Batch {
        source: SourceName("sample".into()),
        path: Arc::from(Path::new("sample")),
        stretch: Stretch { file: FileId::default(), from: 0, to: data.len() as u64 },
        discontinuity: None,
        observed: WallTime(1_900_000_000_000),
        size: data.len() as u64,
        data: data.into(),
        frames,
        header: None,
        witness: Digest([0; 32]),
    }
}

/// The value at `path`, nested or flat.
fn at<'d>(doc: &'d Json, path: &str) -> Option<&'d Json> {
    doc.get(path).or_else(|| path.split('.').try_fold(doc, |doc, key| doc.get(key)))
}

fn text<'d>(doc: &'d Json, path: &str) -> Option<&'d str> {
    at(doc, path)?.as_str().filter(|t| !t.is_empty() && *t != "-")
}

fn list<'d>(doc: &'d Json, path: &str) -> Vec<&'d str> {
    match at(doc, path) {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(all)) => all.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn disagreements(event: &Event, doc: &Json) -> Vec<String> {
    let mut problems = Vec::new();
    if event.marks.ambiguous {
        problems.push("ambiguous".to_owned());
    }
    let mut check = |field: &str, right: bool, theirs: String, ours: String| {
        if !right {
            problems.push(format!("{field}: they say {theirs}, we say {ours}"));
        }
    };
    if let Some(stamp) = text(doc, "@timestamp") {
        let theirs = stamp.parse::<jiff::Timestamp>().ok().map(|t| t.as_millisecond());
        check("time", theirs.is_none_or(|ms| ms == event.time.0), stamp.into(), event.time.to_string());
    }
    const NAMES: &[&str] = &[
        "user.name",
        "user.email",
        "user.id",
        "client.user.name",
        "client.user.id",
        "source.user.name",
        "source.user.id",
    ];
    let theirs: Vec<&str> = NAMES.iter().filter_map(|path| text(doc, path)).collect();
    let ours: Vec<&str> =
        event.actor.iter().flat_map(|a| [Some(a.name.as_str()), a.uid.as_deref()]).flatten().collect();
    let same =
        ours.iter().any(|o| theirs.contains(o) || o.split_once('@').is_some_and(|(name, _)| theirs.contains(&name)));
    check("actor", theirs.is_empty() || same, format!("{theirs:?}"), format!("{ours:?}"));
    if let Some(ip) = text(doc, "source.ip").or_else(|| text(doc, "client.ip")) {
        let ours = event.origin.ip.map(|ip| ip.to_string());
        check("origin", ip.parse().ok() == event.origin.ip, ip.into(), format!("{ours:?}"));
    }
    if let Some(outcome) = text(doc, "event.outcome").filter(|o| *o != "unknown") {
        check("outcome", outcome == event.outcome.name(), outcome.into(), event.outcome.name().into());
    }
    let allowed = allowed(doc);
    let right = allowed.is_empty() || allowed.contains(&event.activity);
    let theirs =
        format!("{:?} {:?} {:?}", text(doc, "event.action"), list(doc, "event.category"), list(doc, "event.type"));
    check("activity", right, theirs, format!("{} {:?}", event.activity.name(), event.code));
    problems
}

/// The activities that fit the document's ECS category and type; none where it says nothing.
fn allowed(doc: &Json) -> Vec<Activity> {
    use Activity::*;
    let (categories, types) = (list(doc, "event.category"), list(doc, "event.type"));
    let action = text(doc, "event.action").unwrap_or("");
    let has = |what: &str| categories.contains(&what);
    let of_people = [
        UserChanged,
        CredentialReset,
        KeyCreated,
        KeyDeleted,
        Impersonation,
        SessionRevoked,
        SettingsChanged,
        LoggingChanged,
        ExportRequested,
    ];
    let mut list = Vec::new();
    if has("authentication") || has("session") {
        match types.contains(&"end") {
            true => list.extend([Logout, SessionRevoked]),
            false => list.extend([Login, MfaChallenge, CredentialReset, Impersonation]),
        }
        // Auth0: signing up, and calls of the management API, are "authentication" there.
        if action.contains("signup") || action.contains("email") {
            list.push(UserChanged);
        }
    }
    if has("iam") {
        list.extend(of_people);
        list.extend([View, Download, ApiCall]);
    }
    if has("configuration") {
        list.extend(of_people);
        list.extend([Other, Download, View]);
    }
    if has("file") {
        list.extend([View, Download, Other, SettingsChanged, ApiCall]);
    }
    if has("web") && !has("configuration") {
        list.extend([View, Download, ApiCall]);
        list.extend(has("iam").then_some(SettingsChanged));
    }
    list
}

/// Larger samples without expected documents: recognised, nearly every line read, the fields that detections need filled.
#[test]
fn larger_samples_are_read() {
    let Some(samples) = of_others("samples") else { return };
    let bytes = std::fs::read(samples.join("elastic-examples/apache_logs")).unwrap();
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let Read { found, events, rejects, .. } = read(&normaliser, None, &bytes).unwrap();
    assert_eq!(normaliser.name(found.profile), "access");
    println!("apache_logs: {} events, {} rejects {:?}", events.len(), rejects.len(), rejects.first());
    assert!(rejects.len() * 1000 <= events.len());
    assert!(events.iter().all(|e| !e.marks.time_missing && e.origin.ip.is_some() && e.outcome != Outcome::Unknown));

    for (folder, profile, refused) in [
        ("apache2-logs", "access", 2),
        ("nginx_http-logs", "access", 1),
        ("keycloak-logs", "keycloak", 0),
        ("aws-cloudtrail", "aws-cloudtrail", 0),
    ] {
        // What is refused are lines of error logs in the same file.
        let path = samples.join(format!("crowdsec-hub/{folder}/{folder}.log"));
        let Read { found, events, rejects, .. } = read(&normaliser, None, &std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((normaliser.name(found.profile), rejects.len()), (profile, refused), "{rejects:?}");
        assert!(events.iter().all(|e| e.origin.ip.is_some()), "{folder}");
    }

    let office = gunzip(&samples, "invictus-o365/auditdata_sorted.ndjson.gz");
    let Read { found, events, rejects, .. } = read(&normaliser, None, &office).unwrap();
    assert_eq!((normaliser.name(found.profile), rejects.len()), ("microsoft-365", 0));
    assert!(events.iter().all(|e| !e.marks.time_missing && e.actor.is_some() && e.evidence.own_id));

    let bytes = gunzip(&samples, "sans504-cloudtrail/sans504_events.ndjson.gz");
    let Read { found, events, rejects, .. } = read(&normaliser, None, &bytes).unwrap();
    assert_eq!(normaliser.name(found.profile), "aws-cloudtrail");
    let mut kinds = BTreeMap::<&str, usize>::new();
    events.iter().for_each(|e| *kinds.entry(e.activity.name()).or_default() += 1);
    println!("sans504: {} events, {} rejects, {kinds:?}", events.len(), rejects.len());
    assert!(rejects.is_empty());
    assert!(
        events
            .iter()
            .all(|e| !e.marks.time_missing && e.actor.is_some() && e.evidence.own_id && e.outcome != Outcome::Unknown)
    );
}

fn gunzip(samples: &Path, name: &str) -> Vec<u8> {
    let gz = std::fs::read(samples.join(name)).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&gz[..]), &mut bytes).unwrap();
    bytes
}
