//! Actions that speak HTTP, against servers on loopback: `kind = "http"` and `kind = "set"`. Fault H90, and that no secret leaks.
use crate::servers::{self, CUT, HANG, Web, answer, run, secret, status, there_is};
use crate::stand::{Daemon, Stand, document};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tripline::model::Purpose;
use tripline::respond::{Ending, HookDocument, Reply, Request};

/// A runner with one action, `end`.
fn one(web: &Web, path: &str, more: &str) -> (Stand, Daemon) {
    let stand = Stand::new();
    stand.configure(&format!("[actions.end]\nkind = \"http\"\nurl = \"{}\"\n{more}\n", web.url(path)));
    let daemon = stand.start();
    (stand, daemon)
}

fn send(daemon: &mut Daemon, document: Box<HookDocument>) -> (Ending, String) {
    daemon.say(&Request::Run { retry: false, document });
    loop {
        if let Reply::Ended { ending, note, .. } = daemon.hear() {
            return (ending, note);
        }
    }
}

#[test]
fn a_request_holds_what_was_configured_and_what_the_order_says() {
    let web = Web::start(vec![status(204)]);
    let (_stand, mut daemon) = one(
        &web,
        "/sessions/{target.session}?who={target.actor}",
        "method = \"PUT\"\nheaders = { X-Session = \"{target.session}\" }\n\
         json = { user = \"{target.actor}\", why = [\"{finding.title}\", 7], fixed = true }",
    );
    let mut asked = document("end", 1);
    asked.target.session = Some("a+b=|1".into());
    asked.target.actor = Some("o'neil & \"co\"\n".into());
    assert_eq!(send(&mut daemon, asked), (Ending::Done, "HTTP 204".into()));
    let [request] = &web.asked()[..] else { panic!("one request") };
    assert_eq!(request.line, "PUT /sessions/a%2Bb%3D%7C1?who=o%27neil%20%26%20%22co%22%0A HTTP/1.1");
    assert_eq!(request.header("x-session"), "a+b=|1");
    assert_eq!(request.header("idempotency-key"), "01".repeat(16));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let wanted =
        serde_json::json!({ "user": "o'neil & \"co\"\n", "why": ["Message logs leave in bulk", 7], "fixed": true });
    assert_eq!(body, wanted);
}

#[test]
fn what_cannot_stand_in_its_place_is_refused_before_anything_is_sent() {
    let web = Web::start(vec![status(204)]);
    let (_stand, mut daemon) = one(&web, "/s/{target.session}", "headers = { X-Who = \"{target.actor}\" }");
    for (n, (session, actor)) in (1..).zip([
        (Some("../../users"), Some("anna")),
        (Some(".."), Some("anna")),
        (Some("a\\b"), Some("anna")),
        (Some("a\r\nb"), Some("anna")),
        (Some(""), Some("anna")),
        (None, Some("anna")),
        (Some("s"), Some("anna\r\nX-Admin: 1")),
        (Some("s"), Some("anna; b=c")),
        (Some("s"), Some("änna")),
    ]) {
        let mut asked = document("end", n);
        (asked.target.session, asked.target.actor) = (session.map(Into::into), actor.map(Into::into));
        let (ending, note) = send(&mut daemon, asked);
        assert_eq!(ending, Ending::Refused, "{session:?} {actor:?}: {note}");
    }
    assert!(web.asked().is_empty());
}

#[test]
fn h90_answers_mean_what_the_table_says() {
    for (code, idempotent, ending) in [
        (200, false, Ending::Done),
        (208, false, Ending::Done),
        (404, false, Ending::Done),
        (400, true, Ending::Permanent),
        (401, true, Ending::Permanent),
        (409, true, Ending::Permanent),
        (429, false, Ending::Temporary),
        (500, true, Ending::Failed),
        (502, false, Ending::Unknown),
        (503, false, Ending::Temporary),
    ] {
        let web = Web::start(vec![answer(code, "", "it \x1b[31mis\n so")]);
        let (_stand, mut daemon) = one(&web, "/", &format!("done_statuses = [404]\nidempotent = {idempotent}"));
        let (ended, note) = daemon.run("end", 1);
        assert_eq!(ended, ending, "{code}: {note}");
        assert!(note.contains(&code.to_string()) && !note.contains(['\x1b', '\n']), "{note:?}");
        assert_eq!(web.asked().len(), 1, "{code}");
    }
}

#[test]
fn a_check_says_that_it_lives_only_where_an_answer_means_that() {
    let check = |code: u16, more: &str| {
        let web = Web::start(vec![status(code)]);
        let (_stand, mut daemon) = one(&web, "/", &format!("method = \"GET\"\n{more}"));
        let mut asked = document("end", 1);
        asked.purpose = Purpose::Check;
        send(&mut daemon, asked).0
    };
    let more = "done_statuses = [404]\nlives_statuses = [200]";
    for (code, ending) in [
        (404, Ending::Done),
        (200, Ending::Failed),
        // We may not ask, or asked the wrong way: that says nothing of the session.
        (401, Ending::Unknown),
        (403, Ending::Unknown),
        (302, Ending::Unknown),
        (503, Ending::Temporary),
    ] {
        assert_eq!(check(code, more), ending, "{code}");
    }
    assert_eq!(check(200, "done_statuses = [404]"), Ending::Refused, "it could never say that it lives");
}

#[test]
fn h90_a_redirect_is_not_followed() {
    let elsewhere = Web::start(vec![status(200)]);
    let to = format!("location: {}\r\n", elsewhere.url("/evil"));
    for code in [301, 302, 303, 307, 308] {
        let web = Web::start(vec![answer(code, &to, "")]);
        let (_stand, mut daemon) = one(&web, "/", "");
        let (ending, note) = daemon.run("end", 1);
        assert_eq!(ending, Ending::Permanent);
        assert!(note.contains("is not followed"), "{note}");
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn h90_only_what_is_idempotent_is_tried_again_and_under_the_same_key() {
    let busy = answer(503, "retry-after: 1\r\n", "");
    let web = Web::start(vec![busy.clone(), status(502), CUT.into(), status(409)]);
    let (_stand, mut daemon) = one(&web, "/", "idempotent = true\ndeadline_seconds = 20");
    let begun = Instant::now();
    let (ending, note) = daemon.run("end", 1);
    assert_eq!((ending, note.as_str()), (Ending::Done, "HTTP 409 (after 4 tries)"));
    assert!(begun.elapsed() >= Duration::from_millis(1000 + 500 + 1000), "Retry-After, then the schedule");
    let keys: Vec<_> = web.asked().iter().map(|a| a.header("idempotency-key").to_owned()).collect();
    assert_eq!(keys, vec!["01".repeat(16); 4]);
    // A pause that would end after the deadline is not begun.
    let web = Web::start(vec![answer(429, "retry-after: 3600\r\n", "")]);
    let (_stand, mut daemon) = one(&web, "/", "idempotent = true");
    let begun = Instant::now();
    assert_eq!(daemon.run("end", 1).0, Ending::Temporary);
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(web.asked().len(), 1);
}

#[test]
fn h90_no_connection_is_temporary_and_no_answer_is_unknown() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = nobody.local_addr().unwrap();
    drop(nobody);
    let stand = Stand::new();
    stand.configure(&format!("[actions.end]\nkind = \"http\"\nurl = \"http://{at}/\"\ndeadline_seconds = 1\n"));
    let mut daemon = stand.start();
    let (ending, note) = daemon.run("end", 1);
    assert_eq!(ending, Ending::Temporary);
    assert!(note.contains("no connection") && note.contains("tries"), "tried again within its second: {note}");
    for said in [HANG, CUT] {
        let web = Web::start(vec![said.into()]);
        let (_stand, mut daemon) = one(&web, "/", "deadline_seconds = 1");
        let begun = Instant::now();
        assert_eq!(daemon.run("end", 1).0, Ending::Unknown, "{said}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        assert_eq!(web.asked().len(), 1, "sent once");
    }
}

#[test]
fn h90_a_body_without_end_is_cut_and_costs_no_more_than_the_deadline() {
    let endless = format!("HTTP/1.1 400 No\r\nconnection: close\r\n\r\n{}", "x".repeat(4 << 20));
    let web = Web::start(vec![endless]);
    let (_stand, mut daemon) = one(&web, "/", "deadline_seconds = 5");
    let (ending, note) = daemon.run("end", 1);
    assert_eq!(ending, Ending::Permanent);
    assert!(note.len() < 1200, "{}", note.len());
}

#[test]
fn requests_are_signed_as_standard_webhooks_are() {
    let web = Web::start(vec![status(200)]);
    let stand = Stand::new();
    let bytes = [7_u8; 32];
    let key = secret(stand.dir.path(), "whsec", &format!("whsec_{}\n", STANDARD.encode(bytes)));
    stand.configure(&format!(
        "[actions.end]\nkind = \"http\"\nurl = \"{}\"\ndocument = true\nsign = {{ secret_file = {key:?} }}\n",
        web.url("/hook")
    ));
    let mut daemon = stand.start();
    assert_eq!(daemon.run("end", 3).0, Ending::Done);
    let request = &web.asked()[0];
    let sent: HookDocument = serde_json::from_str(&request.body).unwrap();
    assert_eq!(sent, *document("end", 3));
    assert_eq!(request.header("webhook-id"), "03".repeat(16));
    let signed = format!("{}.{}.{}", request.header("webhook-id"), request.header("webhook-timestamp"), request.body);
    let tag = STANDARD.decode(request.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes);
    ring::hmac::verify(&key, signed.as_bytes(), &tag).expect("the signature is good");
}

#[test]
fn a_token_is_fetched_once_kept_and_fetched_anew_when_it_is_refused() {
    let tokens = Web::serve(|n, asked| {
        assert_eq!(asked.line, "POST /token HTTP/1.1");
        assert_eq!(
            asked.body,
            "grant_type=client_credentials&client_id=tripline&client_secret=very%2Fsecret%2B1&scope=a%20b"
        );
        answer(
            200,
            "",
            &format!("{{\"access_token\":\"token-number-{n}\",\"expires_in\":300,\"token_type\":\"Bearer\"}}"),
        )
    });
    // The third order finds its token refused once.
    let web = Web::start(vec![status(204), status(204), status(401), status(204)]);
    let stand = Stand::new();
    let key = secret(stand.dir.path(), "client", "very/secret+1\n");
    stand.configure(&format!(
        "[actions.end]\nkind = \"http\"\nurl = \"{}\"\nauth = {{ type = \"oauth2\", token_url = \"{}\", \
         client_id = \"tripline\", scope = \"a b\", secret_file = {key:?} }}\n",
        web.url("/"),
        tokens.url("/token"),
    ));
    let mut daemon = stand.start();
    for order in 1..4 {
        assert_eq!(daemon.run("end", order).0, Ending::Done);
    }
    let sent: Vec<_> = web.asked().iter().map(|a| a.header("authorization").to_owned()).collect();
    assert_eq!(sent, [0, 0, 0, 1].map(|n| format!("Bearer token-number-{n}")));
    assert_eq!(tokens.asked().len(), 2);
}

#[test]
fn a_token_is_got_by_a_products_own_way() {
    // As Kazoo and Wazo do it.
    for (keys, asked_for, basic, said) in [
        (
            "method = \"PUT\", json = { data = { api_key = \"{secret}\" } }, token_at = \"auth_token\"",
            ("PUT /login HTTP/1.1", r#"{"data":{"api_key":"very\"secret-key"}}"#),
            "",
            answer(201, "", r#"{"auth_token":"token-0"}"#),
        ),
        (
            "user = \"tripline\", json = { expiration = 600 }, token_at = \"data.token\"",
            ("POST /login HTTP/1.1", r#"{"expiration":600}"#),
            "Basic dHJpcGxpbmU6dmVyeSJzZWNyZXQta2V5",
            answer(200, "", r#"{"data":{"token":"token-0"}}"#),
        ),
    ] {
        let (tokens, web, stand) = (Web::start(vec![said]), Web::start(vec![status(204)]), Stand::new());
        let key = secret(stand.dir.path(), "key", "very\"secret-key\n");
        stand.configure(&format!(
            "[actions.end]\nkind = \"http\"\nurl = \"{}\"\nauth = {{ type = \"login\", token_url = \"{}\", {keys}, \
             name = \"X-Auth-Token\", secret_file = {key:?} }}\n",
            web.url("/"),
            tokens.url("/login"),
        ));
        let mut daemon = stand.start();
        assert_eq!(daemon.run("end", 1).0, Ending::Done);
        assert_eq!(daemon.run("end", 2).0, Ending::Done);
        let [login] = &tokens.asked()[..] else { panic!("a token is kept") };
        assert_eq!((login.line.as_str(), login.body.as_str()), asked_for);
        assert_eq!(login.header("authorization"), basic);
        assert!(web.asked().iter().all(|asked| asked.header("x-auth-token") == "token-0"));
    }
    // What holds no token, or one that would break a header, is none.
    for said in [r#"{"token":""}"#, r#"{"token":"a\r\nb"}"#, r#"{"token":7}"#, "[]", "no"] {
        let (tokens, web, stand) =
            (Web::start(vec![answer(200, "", said)]), Web::start(vec![status(204)]), Stand::new());
        let key = secret(stand.dir.path(), "key", "very-secret-key");
        stand.configure(&format!(
            "[actions.end]\nkind = \"http\"\nurl = \"{}\"\nauth = {{ type = \"login\", token_url = \"{}\", token_at = \"token\", secret_file = {key:?} }}\n",
            web.url("/"),
            tokens.url("/login"),
        ));
        let (ending, note) = stand.start().run("end", 1);
        assert!(ending == Ending::Permanent && note.contains("holds no token"), "{note}");
        assert!(web.asked().is_empty());
    }
}

#[test]
fn no_secret_and_no_session_is_in_what_is_told_or_kept() {
    // Servers that repeat everything they were sent.
    let echo = |_: usize, asked: &servers::Asked| answer(400, "", &format!("you sent {asked:?}"));
    let (web, stand) = (Web::serve(echo), Stand::new());
    let secrets = ["tok/en+with=odd\"signs", "pass\\word-of-basic", "client-secret-of-oauth"];
    let files: Vec<_> =
        (0..).zip(secrets).map(|(n, text)| secret(stand.dir.path(), &format!("secret-{n}"), text)).collect();
    let url = web.url("/{target.session}?s={target.session}");
    for (name, auth) in [
        ("bearer", format!("type = \"bearer\", secret_file = {:?}", files[0])),
        ("basic", format!("type = \"basic\", user = \"u\", secret_file = {:?}", files[1])),
        (
            "oauth2",
            format!(
                "type = \"oauth2\", token_url = {:?}, client_id = \"c\", secret_file = {:?}",
                web.url("/t"),
                files[2]
            ),
        ),
    ] {
        stand.configure(&format!("[actions.{name}]\nkind = \"http\"\nurl = {url:?}\nauth = {{ {auth} }}\n"));
    }
    stand.hook("exec", "cat", "");
    let mut daemon = stand.start();
    let mut told = String::new();
    for (n, name) in (1..).zip(["bearer", "basic", "oauth2", "exec"]) {
        let mut asked = document(name, n);
        asked.target.session = Some("live-session-id".into());
        let (_, note) = send(&mut daemon, asked);
        assert!(note.contains("[secret]"), "something was masked: {note}");
        told += &note;
    }
    daemon.close();
    let kept =
        std::fs::read_dir(stand.path("state")).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    told += &kept.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect::<String>();
    let basic = STANDARD.encode(format!("u:{}", secrets[1]));
    for secret in secrets.iter().copied().chain(["live-session-id", &basic]) {
        for form in [secret.to_owned(), secret.replace('\\', "\\\\"), secret.replace('"', "\\\"")] {
            assert!(!told.contains(&form), "{form} stands in {told}");
        }
    }
}

#[test]
fn a_secret_that_is_missing_or_open_refuses_the_action_and_no_other() {
    let (web, stand) = (Web::start(vec![status(204)]), Stand::new());
    let open = secret(stand.dir.path(), "open", "secret-secret");
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (name, key) in [
        ("open", format!("secret_file = {open:?}")),
        ("gone", "secret_file = \"/nowhere/at/all\"".into()),
        ("unit", "credential = \"portal-token\"".into()),
    ] {
        stand.configure(&format!(
            "[actions.{name}]\nkind = \"http\"\nurl = \"{}\"\nauth = {{ type = \"bearer\", {key} }}\n",
            web.url("/")
        ));
    }
    stand.configure(&format!("[actions.good]\nkind = \"http\"\nurl = \"{}\"\n", web.url("/")));
    let mut daemon = stand.start();
    let Reply::Hello { actions, refused, .. } = &daemon.hello else { panic!("a greeting") };
    assert_eq!(actions, &["good"]);
    let why = |name: &str| refused.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert!(why("open").contains("chmod 0400"), "{}", why("open"));
    assert!(why("gone").contains("/nowhere/at/all"));
    assert!(why("unit").contains("LoadCredential=portal-token"));
    assert_eq!(daemon.run("open", 1).0, Ending::Refused);
    assert_eq!(daemon.run("good", 2).0, Ending::Done);
}

// ---- TLS ----

/// Serves TLS; answers 204 to whoever gets so far.
fn tls_server(stand: &Stand) -> u16 {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let chain = CertificateDer::pem_file_iter(stand.path("server.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(stand.path("server.key")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let (config, listener) = (Arc::new(config), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::StreamOwned::new(connection, tcp.unwrap());
            if servers::read(&mut tls).is_some() {
                let _ = std::io::Write::write_all(&mut tls, status(204).as_bytes());
                let _ = std::io::Write::flush(&mut tls);
            }
        }
    });
    port
}

#[test]
fn h90_tls_is_believed_by_the_named_authority_and_for_the_right_name_only() {
    let stand = Stand::new();
    if !servers::certificates(stand.dir.path()) {
        return;
    }
    let port = tls_server(&stand);
    let ca = stand.path("ca.pem");
    for (name, host, ca_file) in [
        ("good", "localhost", format!("ca_file = {ca:?}")),
        ("name", "127.0.0.1", format!("ca_file = {ca:?}")),
        ("stranger", "localhost", String::new()),
    ] {
        stand.configure(&format!("[actions.{name}]\nkind = \"http\"\nurl = \"https://{host}:{port}/\"\n{ca_file}\n"));
    }
    let mut daemon = stand.start();
    assert_eq!(daemon.run("good", 1), (Ending::Done, "HTTP 204".into()));
    for (n, name) in [(2, "name"), (3, "stranger")] {
        let (ending, note) = daemon.run(name, n);
        assert_eq!(ending, Ending::Permanent, "{name}: {note}");
        assert!(note.contains("trusted"), "{note}");
    }
}

// ---- Security Event Tokens ----

#[test]
fn a_session_revoked_event_is_signed_and_pushed_as_the_specifications_say() {
    let stand = Stand::new();
    if !there_is("openssl") {
        return;
    }
    let web = Web::start(vec![status(202)]);
    let openssl = |words: &[&str]| run(Command::new("openssl").args(words).current_dir(stand.dir.path()));
    for (name, words) in [
        ("ES256", vec!["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("RS256", vec!["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
        ("EdDSA", vec!["genpkey", "-algorithm", "ed25519"]),
    ] {
        openssl(&[&words[..], &["-out", name]].concat());
        std::fs::set_permissions(stand.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
        stand.configure(&format!(
            "[actions.{name}]\nkind = \"set\"\nurl = \"{}\"\nissuer = \"https://tripline.example.org/\"\n\
             audience = \"https://sp.example.com/caep\"\nalgorithm = \"{name}\"\nkey_id = \"k1\"\nsecret_file = {:?}\n",
            web.url("/events"),
            stand.path(name),
        ));
    }
    let mut daemon = stand.start();
    for (n, name) in (0..).zip(["ES256", "RS256", "EdDSA"]) {
        let mut asked = document(name, n);
        asked.target.actor_uid = Some("99be\"\n".into());
        let (ending, note) = send(&mut daemon, asked);
        assert_eq!((ending, note.as_str()), (Ending::Done, "HTTP 202: the receiver took the event"), "{name}");
        let request = &web.asked()[usize::from(n)];
        assert_eq!(request.header("content-type"), "application/secevent+jwt");
        let parts: Vec<_> = request.body.split('.').collect();
        let json =
            |part: &str| serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(json(parts[0]), serde_json::json!({ "typ": "secevent+jwt", "alg": name, "kid": "k1" }));
        claims(&json(parts[1]), n);
        verify(&stand, name, &format!("{}.{}", parts[0], parts[1]), &URL_SAFE_NO_PAD.decode(parts[2]).unwrap());
    }
}

/// Held against the example of CAEP 1.0, 3.1 (figure 9), with our values in it.
fn claims(claims: &serde_json::Value, order: u8) {
    let (iat, id) = (claims["iat"].clone(), format!("{order:02x}").repeat(16));
    assert!((1_700_000_000..4_000_000_000).contains(&iat.as_i64().unwrap()));
    let wanted = serde_json::json!({
        "iss": "https://tripline.example.org/", "jti": id, "iat": iat, "aud": "https://sp.example.com/caep", "txn": "f1".repeat(16),
        "sub_id": {
            "format": "complex",
            "session": { "format": "opaque", "id": "s-41" },
            "user": { "format": "iss_sub", "iss": "https://tripline.example.org/", "sub": "99be\"\n" },
        },
        "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
            "initiating_entity": "policy", "reason_admin": { "en": "Message logs leave in bulk (bulk-export)" }, "event_timestamp": iat,
        } },
    });
    assert_eq!(*claims, wanted);
    // RFC 8417, 2.2: a SET has no `exp`, and CAEP forbids `sub`.
    assert!(claims.get("exp").is_none() && claims.get("sub").is_none());
}

/// By OpenSSL, which is not what signed it.
fn verify(stand: &Stand, name: &str, signed: &str, signature: &[u8]) {
    let openssl = |words: &[&str]| run(Command::new("openssl").args(words).current_dir(stand.dir.path()));
    openssl(&["pkey", "-in", name, "-pubout", "-out", "public.pem"]);
    std::fs::write(stand.path("signed"), signed).unwrap();
    let signature = if name == "ES256" { der(signature) } else { signature.to_vec() };
    std::fs::write(stand.path("signature"), signature).unwrap();
    let verify =
        ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "signed", "-sigfile", "signature"];
    let digest: &[&str] = if name == "EdDSA" { &[] } else { &["-digest", "sha256"] };
    assert!(openssl(&[&verify[..], digest].concat()).contains("Verified Successfully"), "{name}");
    std::fs::write(stand.path("signed"), format!("{signed}x")).unwrap();
    let forged = Command::new("openssl").args(verify).args(digest).current_dir(stand.dir.path()).output().unwrap();
    assert!(!forged.status.success(), "the check can fail");
}

/// The two halves of an ECDSA signature as OpenSSL wants them.
fn der(raw: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let mut bytes: Vec<u8> = half.iter().copied().skip_while(|b| *b == 0).collect();
        if bytes.first().is_none_or(|b| *b >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![2, bytes.len() as u8], bytes].concat()
    };
    let both = [integer(&raw[..32]), integer(&raw[32..])].concat();
    [vec![0x30, both.len() as u8], both].concat()
}

#[test]
fn what_the_receiver_of_an_event_says_is_told() {
    let stand = Stand::new();
    let key = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(key.as_ref()));
    let key = secret(stand.dir.path(), "key", &pem);
    // RFC 8935, figure 4.
    let refusal = r#"{"err": "invalid_key", "description": "Key ID 12345 has been \u001b[31mrevoked."}"#;
    let servers = [answer(400, "", refusal), status(200), answer(400, "", "no json"), status(503)];
    for (name, said) in ["refused", "odd", "plain", "busy"].iter().zip(servers) {
        let web = Web::start(vec![said]);
        stand.configure(&format!(
            "[actions.{name}]\nkind = \"set\"\nurl = \"{}\"\nissuer = \"i\"\naudience = \"a\"\nalgorithm = \"EdDSA\"\nsecret_file = {key:?}\n",
            web.url("/")
        ));
    }
    let mut daemon = stand.start();
    let refused = "HTTP 400: the receiver refused the event: invalid_key: Key ID 12345 has been \\x1b[31mrevoked.";
    assert_eq!(daemon.run("refused", 1), (Ending::Permanent, refused.into()));
    assert_eq!(daemon.run("odd", 2).0, Ending::Failed, "200 is no 202");
    assert_eq!(daemon.run("plain", 3).0, Ending::Permanent);
    assert_eq!(daemon.run("busy", 4).0, Ending::Temporary);
}
