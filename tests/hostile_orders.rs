//! Whatever bytes a trail held: the target of an action, its arguments and its structure are the operator's. Faults H94, I6.
use crate::servers::{Asked, Web, secret, status};
use crate::stand::{Stand, document};
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use tripline::respond::{ActionSpec, Ended, Ending, HookDocument, carry_out, rehearse};

/// What attackers write into names, ids, user agents and URLs, and arbitrary bytes as a trail's decoder hands them on.
fn hostile() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "$(reboot)",
        "`id`",
        "; rm -rf /",
        "-rf",
        "--help",
        "| sh",
        "a\0b",
        "\r\nX-Admin: 1\r\n\r\n",
        "\n",
        "../../etc/passwd",
        "..%2f..",
        "{target.session}",
        "{{",
        "}",
        "${HOME}",
        "{{7*7}}",
        "%00",
        "\u{1b}]0;x\u{7}",
        "\"},\"a\":{\"b\":\"",
        "' OR '1'='1",
        "'; DROP TABLE s; --",
        "*",
        "?x=1&y=2#z",
        "\u{202e}",
        "\u{feff}",
        "/",
        "\\",
        "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
        "http://evil.example/",
        "@evil.example",
        "a@b:c",
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        any::<String>(),
        prop::collection::vec(prop::sample::select(KNOWN), 1..4).prop_map(|parts| parts.concat()),
    ]
}

fn documents() -> impl Strategy<Value = HookDocument> {
    (hostile(), hostile(), hostile(), hostile()).prop_map(|(session, actor, uid, title)| {
        let mut document = *document("end", 1);
        document.target.session = Some(session);
        (document.target.actor, document.target.actor_uid) = (Some(actor), Some(uid));
        document.finding.title = title;
        document
    })
}

fn action(toml: &str) -> ActionSpec {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}: {e}"))
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn cases(n: u32) -> ProptestConfig {
    ProptestConfig { cases: n, failure_persistence: None, ..ProptestConfig::default() }
}

/// Nothing for a refusal, which must then have come before anything was sent.
fn carried_out(spec: &ActionSpec, document: &HookDocument) -> Option<Ended> {
    let ended = carry_out(spec, document);
    let plain = ended.note.chars().all(|c| c == ' ' || !c.is_control());
    assert!(plain, "the note would reach a terminal: {:?}", ended.note);
    (ended.ending != Ending::Refused).then_some(ended)
}

#[test]
fn h94_a_request_keeps_its_host_its_path_its_headers_and_its_body() {
    let web = Web::start(vec![status(204)]);
    let spec = action(&format!(
        "kind = 'http'\nmethod = 'PUT'\nurl = '{}'\nheaders = {{ X-Order = '{{order}}' }}\n\
         json = {{ user = '{{target.actor}}', list = ['{{finding.title}}', 1], fixed = true }}",
        web.url("/api/{target.session}/end?who={target.actor_uid}&force=1")
    ));
    let form = action(&format!(
        "kind = 'http'\nurl = '{}'\nform = {{ user = '{{target.actor}}', force = '1' }}",
        web.url("/form")
    ));
    let names = |asked: &Asked| asked.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>();
    let seen = |n: usize| web.asked().get(n).cloned();
    let usual = std::cell::OnceCell::new();
    let sent = std::cell::Cell::new(0);
    proptest!(cases(400), |(document in documents())| {
        let target = &document.target;
        let ended = carried_out(&spec, &document);
        prop_assert_eq!(seen(sent.get()).is_some(), ended.is_some(), "what is refused is not sent");
        if let Some(asked) = seen(sent.get()) {
            sent.set(sent.get() + 1);
            let path = asked.line.strip_prefix("PUT /api/").unwrap().strip_suffix("&force=1 HTTP/1.1").unwrap();
            let (session, who) = path.split_once("/end?who=").unwrap();
            prop_assert!(!session.contains('/') && !who.contains('&') && session != "." && session != "..");
            prop_assert_eq!(percent_decode_str(session).decode_utf8().unwrap(), text(&target.session));
            prop_assert_eq!(percent_decode_str(who).decode_utf8().unwrap(), text(&target.actor_uid));
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            prop_assert_eq!(body, serde_json::json!({ "user": target.actor, "list": [document.finding.title, 1], "fixed": true }));
            prop_assert_eq!(usual.get_or_init(|| names(&asked)), &names(&asked), "one more header");
            prop_assert_eq!(asked.header("host"), web.at.to_string());
        }
        if carried_out(&form, &document).is_some() {
            let asked = seen(sent.get()).unwrap();
            sent.set(sent.get() + 1);
            let user = asked.body.strip_prefix("force=1&user=").unwrap();
            prop_assert!(!user.contains(['&', '=', ' ', '+']));
            prop_assert_eq!(percent_decode_str(user).decode_utf8().unwrap(), text(&target.actor));
        }
    });
    assert!(sent.get() > 300, "the test says nothing where everything is refused: {}", sent.get());
}

#[test]
fn h94_a_header_is_what_was_meant_or_the_order_is_refused() {
    let web = Web::start(vec![status(204)]);
    let spec =
        action(&format!("kind = 'http'\nurl = '{}'\nheaders = {{ X-User = 'u:{{target.actor}}' }}", web.url("/")));
    proptest!(cases(300), |(document in documents())| {
        let before = web.asked().len();
        if carried_out(&spec, &document).is_some() {
            let asked = web.asked().pop().unwrap();
            let wanted = format!("u:{}", text(&document.target.actor));
            prop_assert_eq!(asked.header("x-user"), wanted);
        } else {
            prop_assert_eq!(web.asked().len(), before);
        }
    });
}

#[test]
fn h94_a_program_has_the_same_arguments_and_environment_whatever_the_order_says() {
    let stand = Stand::new();
    let hook = stand.hook(
        "end",
        "printf '%s\\n' \"$#\" \"$@\" > $DIR/arguments; env | cut -d= -f1 | sort > $DIR/environment; cat > $DIR/input",
        "",
    );
    let spec = action(&format!("command = [{hook:?}, '--fast', '{{target.actor}}']"));
    let read = |name: &str| std::fs::read_to_string(stand.path(name)).unwrap();
    proptest!(cases(60), |(document in documents())| {
        prop_assert!(carried_out(&spec, &document).is_some());
        prop_assert_eq!(read("arguments"), "2\n--fast\n{target.actor}\n", "arguments are no templates");
        prop_assert_eq!(read("environment"), "LANG\nPATH\nPWD\nTRIPLINE_ORDER\n");
        let input = read("input");
        prop_assert_eq!(input.matches('\n').count(), 1, "one line");
        prop_assert_eq!(serde_json::from_str::<HookDocument>(&input).unwrap(), document);
    });
}

/// Commands, each with its words.
type Commands = Arc<Mutex<Vec<Vec<Vec<u8>>>>>;

/// A stand-in for Redis that notes every command, by its own reading of RESP.
fn redis() -> (u16, Commands) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let commands = Commands::default();
    let noted = commands.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut to = stream.unwrap();
            let mut from = BufReader::new(to.try_clone().unwrap());
            let number = |from: &mut BufReader<_>, kind: char| {
                let mut line = String::new();
                from.read_line(&mut line).ok()?;
                line.trim_end().strip_prefix(kind)?.parse::<usize>().ok()
            };
            while let Some(count) = number(&mut from, '*') {
                let words = (0..count).map(|_| {
                    let mut word = vec![0; number(&mut from, '$').unwrap() + 2];
                    from.read_exact(&mut word).unwrap();
                    assert_eq!(word.split_off(word.len() - 2), b"\r\n");
                    word
                });
                let words = words.collect();
                noted.lock().unwrap().push(words);
                let _ = to.write_all(b":1\r\n");
            }
        }
    });
    (port, commands)
}

#[test]
fn h94_redis_is_told_to_delete_one_key_of_the_named_form() {
    let (port, commands) = redis();
    let spec = action(&format!("kind = 'redis'\naddress = '127.0.0.1:{port}'\nkeys = ['sess:{{target.session}}:v2']"));
    proptest!(cases(300), |(document in documents())| {
        commands.lock().unwrap().clear();
        let done = carried_out(&spec, &document).is_some();
        let key = format!("sess:{}:v2", text(&document.target.session)).into_bytes();
        let wanted = if done { vec![vec![b"DEL".to_vec(), key]] } else { Vec::new() };
        prop_assert_eq!(&*commands.lock().unwrap(), &wanted);
        prop_assert_eq!(done, !text(&document.target.session).is_empty());
    });
}

#[test]
fn h94_no_file_but_the_sessions_is_removed() {
    let stand = Stand::new();
    let sessions = stand.path("sessions");
    std::fs::create_dir(&sessions).unwrap();
    let kept = ["sess_kept", "sess_", "sess_..", "other", "-rf", "sess_*"];
    kept.iter().for_each(|name| std::fs::write(sessions.join(name), "x").unwrap());
    std::fs::write(stand.path("outside"), "x").unwrap();
    let spec = action(&format!("kind = 'php_session'\ndirectory = {sessions:?}"));
    proptest!(cases(600), |(document in documents())| {
        carried_out(&spec, &document);
        prop_assert!(kept.iter().all(|name| sessions.join(name).exists()) && stand.path("outside").exists());
    });
}

#[test]
fn h94_statements_events_and_what_is_shown_keep_their_form() {
    let stand = Stand::new();
    let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pem = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key.as_ref());
    let key =
        secret(stand.dir.path(), "key", &format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n"));
    let sql = action(
        "kind = 'postgres'\naddress = '127.0.0.1:1'\nuser = 'u'\ndatabase = 'd'\nstatement = 'DELETE FROM s WHERE id = $1'\nparameters = ['{target.session}']",
    );
    let set = action(&format!(
        "kind = 'set'\nurl = 'http://127.0.0.1:1/'\nissuer = 'i'\naudience = 'a'\nalgorithm = 'EdDSA'\nsecret_file = {key:?}"
    ));
    proptest!(cases(300), |(document in documents())| {
        let target = &document.target;
        if let Ok(rehearsal) = rehearse(&sql, &document) {
            prop_assert_eq!(rehearsal.of("statement"), ["DELETE FROM s WHERE id = $1"]);
            prop_assert_eq!(rehearsal.of("$1"), [text(&target.session)]);
        }
        let Ok(event) = rehearse(&set, &document) else { return Ok(()) };
        let claims: serde_json::Value = serde_json::from_str(event.of("claims")[0]).unwrap();
        if claims["sub_id"]["format"] == "complex" {
            prop_assert_eq!(&claims["sub_id"]["session"], &serde_json::json!({ "format": "opaque", "id": target.session }));
        }
        prop_assert_eq!(claims["events"].as_object().unwrap().len(), 1);
        prop_assert_eq!(claims.as_object().unwrap().len(), 7);
    });
}
