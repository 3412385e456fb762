//! The hook document and its published schema say the same, and what is tried by hand is what the runner would do.
use crate::servers::{Web, answer, secret, status};
use crate::stand::{self, Stand, document};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tripline::model::{Severity, TargetKind};
use tripline::respond::document::schema;
use tripline::respond::{ActionSpec, Ending, HookDocument, carry_out, carry_out_by_runner, rehearse};

fn full() -> HookDocument {
    let mut full = *document("end", 7);
    full.target.actor_uid = Some("u-381".into());
    full.target.export = Some("ex-91".into());
    full
}

fn bare() -> HookDocument {
    let mut bare = full();
    (bare.target.session, bare.target.actor, bare.target.actor_uid) = (None, None, None);
    (bare.target.ip, bare.target.export) = (None, None);
    bare
}

/// The names of members, with the path to them.
fn members(of: &Value, path: &str, into: &mut BTreeSet<String>) {
    for (name, value) in of.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        members(value, &path, into);
        into.insert(path);
    }
}

/// The members that the schema knows, and those that it requires.
fn known(schema: &Value, path: &str, all: &mut BTreeSet<String>, required: &mut BTreeSet<String>) {
    let names = schema["required"].as_array().into_iter().flatten();
    required.extend(names.map(|name| format!("{path}/{}", name.as_str().unwrap())));
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        assert!(inner["description"].is_string(), "{path}/{name} is not described");
        let path = format!("{path}/{name}");
        known(inner, &path, all, required);
        all.insert(path);
    }
}

#[test]
fn the_schema_names_every_member_and_requires_those_that_are_always_there() {
    let (mut all, mut required) = (BTreeSet::new(), BTreeSet::new());
    known(&schema(), "", &mut all, &mut required);
    for (document, wanted) in [(full(), all), (bare(), required)] {
        let mut found = BTreeSet::new();
        members(&serde_json::to_value(document).unwrap(), "", &mut found);
        assert_eq!(found, wanted);
    }
}

/// What a validator that others made says of each document: nothing where there is none on this machine.
fn verdicts(documents: &[Value]) -> Option<Vec<bool>> {
    let script = "import json, sys\nfrom jsonschema import Draft202012Validator as V, FormatChecker\nschema, documents = json.load(sys.stdin)\n\
                  V.check_schema(schema)\nv = V(schema, format_checker=FormatChecker())\nprint(json.dumps([v.is_valid(d) for d in documents]))";
    let there = Command::new("/usr/bin/python3").args(["-c", "import jsonschema"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        crate::support::skip("Debian's python3-jsonschema is not on this machine");
        return None;
    }
    let mut python = Command::new("/usr/bin/python3");
    let mut python = python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(json!([schema(), documents]).to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn real_documents_are_valid_and_broken_ones_are_not() {
    let mut good = vec![full(), bare()];
    for kind in TargetKind::ALL {
        for severity in Severity::ALL {
            let mut document = full();
            (document.target.kind, document.finding.severity) = (*kind, *severity);
            document.target.ip = Some("2001:db8::7".parse().unwrap());
            document.target.actor = Some("\u{0}\n\"\u{202e}".into());
            good.push(document);
        }
    }
    let mut documents: Vec<Value> = good.iter().map(|document| serde_json::to_value(document).unwrap()).collect();
    let good = documents.len();
    for (pointer, wrong) in [
        ("/schema", json!(2)),
        ("/order", json!("07")),
        ("/idempotency_key", json!(null)),
        ("/attempt", json!(0)),
        ("/test", json!("no")),
        ("/target/kind", json!("host")),
        ("/target/session", json!(7)),
        ("/target/ip", json!("not an address")),
        ("/finding/severity", json!("severe")),
        ("/finding", json!({})),
    ] {
        let mut broken = documents[0].clone();
        *broken.pointer_mut(pointer).unwrap() = wrong;
        documents.push(broken);
    }
    // A later version may say more.
    documents.push(documents[0].clone());
    documents.last_mut().unwrap()["urgency"] = json!("drill");
    let Some(verdicts) = verdicts(&documents) else { return };
    assert!(verdicts[..good].iter().all(|valid| *valid), "{verdicts:?}");
    assert!(verdicts[good..documents.len() - 1].iter().all(|valid| !valid), "{verdicts:?}");
    assert!(verdicts[documents.len() - 1]);
}

fn action(toml: &str) -> ActionSpec {
    toml::from_str(toml).unwrap()
}

#[test]
fn a_rehearsal_says_what_would_be_sent_and_sends_nothing() {
    let web = Web::start(vec![status(204)]);
    let stand = Stand::new();
    let token = secret(stand.dir.path(), "token", "very-secret-token");
    let spec = action(&format!(
        "kind = \"http\"\nmethod = \"DELETE\"\nurl = \"{}\"\njson = {{ user = \"{{target.actor}}\" }}\n\
         auth = {{ type = \"bearer\", secret_file = {token:?} }}",
        web.url("/s/{target.session}")
    ));
    let rehearsal = rehearse(&spec, &full()).unwrap();
    assert_eq!(rehearsal.of("request"), [format!("DELETE {}", web.url("/s/s-41"))]);
    assert_eq!(rehearsal.of("body"), ["{\"user\":\"anna\"}"]);
    let text = format!("{rehearsal:?}");
    assert!(text.contains("[secret of ") && !text.contains("very-secret-token"), "{text}");
    assert!(rehearse(&spec, &bare()).unwrap_err().contains("target.session"));
    assert!(web.asked().is_empty());
    // And then the same, really.
    let ended = carry_out(&spec, &full());
    assert_eq!((ended.ending, ended.note.as_str()), (Ending::Done, "HTTP 204"));
    assert_eq!(web.asked()[0].line, "DELETE /s/s-41 HTTP/1.1");
    assert_eq!(carry_out(&spec, &bare()).ending, Ending::Refused);
    assert_eq!(web.asked().len(), 1);
}

#[test]
fn every_kind_can_be_rehearsed_without_its_server_and_without_its_secret() {
    for (toml, shown) in [
        ("command = ['/nowhere/end', '--fast']", "/nowhere/end"),
        (
            "kind = 'set'\nurl = 'https://sp.example.com/'\nissuer = 'i'\naudience = 'a'\ncredential = 'k'",
            "session-revoked",
        ),
        ("kind = 'redis'\naddress = '127.0.0.1:1'\nkeys = ['s:{target.session}']\ncredential = 'k'", "s:s-41"),
        (
            "kind = 'postgres'\naddress = '127.0.0.1:1'\nuser = 'u'\ndatabase = 'd'\nstatement = 'DELETE $1'\nparameters = ['{target.actor_uid}']",
            "u-381",
        ),
        ("kind = 'php_session'\ndirectory = '/nowhere'", "/nowhere/sess_s-41"),
    ] {
        let rehearsal = rehearse(&action(toml), &full()).unwrap();
        let text = format!("{rehearsal:?}");
        assert!(text.contains(shown), "{text}");
    }
}

#[test]
fn a_test_ends_nothing() {
    let web = Web::start(vec![status(204)]);
    let stand = Stand::new();
    let sessions = stand.path("sessions");
    std::fs::create_dir(&sessions).unwrap();
    std::fs::write(sessions.join("sess_s-41"), "x").unwrap();
    let test = HookDocument { test: true, ..full() };
    for toml in [
        format!("kind = 'http'\nurl = '{}'\njson = {{ user = '{{target.actor}}' }}", web.url("/")),
        format!("kind = 'php_session'\ndirectory = {sessions:?}"),
        "kind = 'redis'\naddress = '127.0.0.1:1'\nkeys = ['{target.session}']".into(),
    ] {
        let ended = carry_out(&action(&toml), &test);
        assert!(ended.ending == Ending::Done && ended.note.contains("a test: nothing was sent"), "{ended:?}");
    }
    assert!(web.asked().is_empty() && sessions.join("sess_s-41").exists());
    // Who gets the whole document is told.
    let ended = carry_out(&action(&format!("kind = 'http'\nurl = '{}'\ndocument = true", web.url("/"))), &test);
    assert_eq!((ended.ending, ended.note.as_str()), (Ending::Done, "HTTP 204"));
    assert!(web.asked()[0].body.contains("\"test\":true"));
}

#[test]
fn the_runner_carries_out_what_is_tried_by_hand_once() {
    let web = Web::serve(|_, asked| answer(400, "", &format!("no {}", asked.line)));
    let stand = Stand::new();
    stand.configure(&format!("[actions.end]\nkind = \"http\"\nurl = \"{}\"\n", web.url("/{target.session}")));
    let socket = stand.path("runner.sock");
    let mut runner = stand::runner_command(stand.dir.path(), socket.to_str().unwrap()).spawn().unwrap();
    stand::until("the runner listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let mut asked = full();
    asked.target.session = Some("live-session".into());
    let (ending, note) = carry_out_by_runner(&socket, &asked, Duration::from_secs(20)).unwrap();
    assert!(ending == Ending::Permanent && note.contains("[secret]") && !note.contains("live-session"), "{note}");
    assert_eq!(carry_out_by_runner(&socket, &asked, Duration::from_secs(20)).unwrap(), (ending, note));
    assert_eq!(web.asked().len(), 1, "one order is carried out once, whoever asks");
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert!(carry_out_by_runner(&socket, &asked, Duration::from_secs(1)).is_err());
}
