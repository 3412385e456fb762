//! The shipped recipes: each can be used, says what it was proven against, asks for what its product documents, and has a
//! drop-in that opens what it needs.
use crate::servers::{self, Web, answer, secret, status};
use crate::stand::{Stand, document};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use tripline::model::{Purpose, TargetKind};
use tripline::respond::recipe::{RECIPES, Recipe, named};
use tripline::respond::{ActionSpec, Ending, HookDocument, carry_out, rehearse};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names_in(folder: &str, end: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(root().join(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_suffix(end).unwrap_or_else(|| panic!("{folder}/{name}")).to_owned()).collect()
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, Recipe)> {
    RECIPES.iter().map(|(name, text)| (*name, *text, named(name).unwrap_or_else(|why| panic!("{why}"))))
}

/// What `with` needs, by the recipe's examples, and what is put over that.
fn action(name: &str, over: &[(&str, &str)]) -> ActionSpec {
    let recipe = named(name).unwrap();
    let needed = recipe.with.iter().filter(|(_, parameter)| parameter.default.is_none() && !parameter.optional);
    let examples = needed.map(|(name, parameter)| (name.as_str(), parameter.example.as_deref().expect("an example")));
    let with: BTreeMap<_, _> = examples.chain(over.iter().copied()).collect();
    let with: Vec<_> = with.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    let toml = format!("recipe = {name:?}\nwith = {{ {} }}", with.join(", "));
    toml::from_str(&toml).unwrap_or_else(|e| panic!("{toml}: {e}"))
}

/// The action of that recipe towards nobody, with no secret to be read first.
fn without_credential(name: &str) -> ActionSpec {
    let text = toml::to_string(&action(name, &[])).unwrap();
    let mut table: toml::Table = text.parse().unwrap();
    for (key, nobody) in
        [("address", "127.0.0.1:1"), ("url", "http://127.0.0.1:1/{target.session}"), ("directory", "/tmp")]
    {
        if table.contains_key(key) {
            table.insert(key.into(), nobody.into());
        }
    }
    table.retain(|key, _| key != "credential" && key != "auth");
    table.insert("deadline_seconds".into(), 1.into());
    table.try_into().unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn order() -> HookDocument {
    let mut order = *document("end", 1);
    order.target.session = Some("s-41".into());
    (order.target.actor, order.target.actor_uid) = (Some("ana@example.org".into()), Some("u|381".into()));
    order.target.export = Some("ex-91".into());
    order
}

#[test]
fn every_recipe_is_compiled_in() {
    let known: BTreeSet<String> = RECIPES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, names_in("policies/recipes", ".toml"));
    assert_eq!(known.len(), RECIPES.len());
}

#[test]
fn every_recipe_can_be_used_with_its_examples_and_with_every_value_given() {
    for (name, _, recipe) in all() {
        let values: Vec<(&str, &str)> = recipe.with.keys().map(|key| (key.as_str(), "given")).collect();
        let values = values.into_iter().map(|(key, given)| {
            match recipe.with[key].default.as_deref().or(recipe.with[key].example.as_deref()) {
                Some(usual) => (key, usual),
                None => (key, given),
            }
        });
        for spec in [action(name, &[]), action(name, &values.collect::<Vec<_>>())] {
            assert_eq!(spec.fault(), None, "{name}");
            let rehearsal = rehearse(&spec, &order()).unwrap_or_else(|why| panic!("{name}: {why}"));
            let text = format!("{rehearsal:?}");
            assert!(!text.contains("{with.") && !text.contains("{target."), "{name}: {text}");
        }
        // Each value has a use.
        for parameter in recipe.with.keys() {
            let table = recipe.action.to_string();
            assert!(table.contains(&format!("{{with.{parameter}}}")), "{name}: {parameter} is not used");
        }
    }
}

#[test]
fn every_recipe_says_in_its_head_what_it_was_proven_against() {
    for (name, text, recipe) in all() {
        let head: String = text.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
        let head = head.replace("\n#", "");
        for said in ["Proven against: ", "Needs: "] {
            assert!(head.contains(said), "{name}: {said:?} is not in its head");
        }
        // Only what a test runs may be claimed.
        match recipe.proof.as_str() {
            "from documentation only" => assert!(head.contains("from documentation only"), "{name}"),
            proof => {
                assert!(head.contains("by tests/stores.rs") && !head.contains("documentation only"), "{name}: {proof}")
            }
        }
        assert!(TargetKind::from_name(&recipe.grade).is_some(), "{name}: {}", recipe.grade);
        assert!(!recipe.about.is_empty() && !recipe.source.is_empty());
        if let Some(undo) = &recipe.undo {
            let undoing = named(undo).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!((&undoing.grade, undoing.undo), (&recipe.grade, None), "{name}");
        }
        if let Some(check) = &recipe.check {
            let order = HookDocument { purpose: Purpose::Check, ..order() };
            assert_eq!(named(check).unwrap_or_else(|why| panic!("{name}: {why}")).grade, recipe.grade, "{name}");
            let ended = carry_out(&without_credential(check), &order);
            assert!(!ended.note.contains("check"), "{check} cannot check: {}", ended.note);
        }
    }
    assert!(all().filter(|(_, _, recipe)| recipe.proof != "from documentation only").count() >= 3);
}

#[test]
fn every_recipe_has_a_drop_in_that_hands_over_its_secret() {
    let mut used = BTreeSet::new();
    for (name, _, recipe) in all() {
        let text = std::fs::read_to_string(root().join("systemd").join(&recipe.drop_in));
        let text = text.unwrap_or_else(|e| panic!("{name}: {}: {e}", recipe.drop_in));
        let secret = recipe.with.get("credential").and_then(|parameter| parameter.default.as_deref());
        if let Some(secret) = secret {
            let line = format!("LoadCredential={secret}:/etc/tripline/keys/{secret}");
            assert!(text.lines().any(|l| l == line), "{name}: {line} is not in {}", recipe.drop_in);
        }
        // What reaches another machine must be let out, and nothing else may be.
        let http = matches!(recipe.action["kind"].as_str(), Some("http" | "set"));
        let opened = text.lines().any(|l| l.starts_with("IPAddressAllow="));
        assert!(opened || !http, "{name}: {} opens no address", recipe.drop_in);
        used.insert(recipe.drop_in.trim_start_matches("recipes/").trim_end_matches(".conf").to_owned());
    }
    assert_eq!(used, names_in("systemd/recipes", ".conf"), "a drop-in that no recipe names");
}

#[test]
fn systemd_takes_the_unit_with_each_drop_in() {
    if !servers::there_is("systemd-analyze") {
        return;
    }
    for name in names_in("systemd/recipes", ".conf") {
        let scratch = tempfile::tempdir().unwrap();
        for unit in ["tripline-hook-runner.service", "tripline-hook-runner.socket"] {
            let text = std::fs::read_to_string(root().join("systemd").join(unit)).unwrap();
            std::fs::write(scratch.path().join(unit), text.replace("=/usr/bin/tripline ", "=/bin/true ")).unwrap();
        }
        let folder = scratch.path().join("tripline-hook-runner.service.d");
        std::fs::create_dir(&folder).unwrap();
        std::fs::copy(root().join(format!("systemd/recipes/{name}.conf")), folder.join("one.conf")).unwrap();
        let unit = scratch.path().join("tripline-hook-runner.service");
        let output = Command::new("systemd-analyze").arg("verify").arg(unit).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");
    }
}

/// The request of each recipe that sends one, as its product documents it: method and URL, the body, who signs.
const REQUESTS: &[(&str, &str, &str, &str)] = &[
    ("keycloak-logout-session", "DELETE https://id.example.org/admin/realms/staff/sessions/s-41", "", "Bearer"),
    ("keycloak-logout-user", "POST https://id.example.org/admin/realms/staff/users/u%7C381/logout", "", "Bearer"),
    (
        "keycloak-disable-user",
        "PUT https://id.example.org/admin/realms/staff/users/u%7C381",
        r#"{"enabled":false}"#,
        "Bearer",
    ),
    (
        "keycloak-enable-user",
        "PUT https://id.example.org/admin/realms/staff/users/u%7C381",
        r#"{"enabled":true}"#,
        "Bearer",
    ),
    ("okta-end-session", "DELETE https://example.okta.com/api/v1/sessions/s-41", "", "SSWS"),
    (
        "okta-clear-user-sessions",
        "DELETE https://example.okta.com/api/v1/users/u%7C381/sessions?oauthTokens=true&forgetDevices=true",
        "",
        "SSWS",
    ),
    ("okta-suspend-user", "POST https://example.okta.com/api/v1/users/u%7C381/lifecycle/suspend", "", "SSWS"),
    ("okta-unsuspend-user", "POST https://example.okta.com/api/v1/users/u%7C381/lifecycle/unsuspend", "", "SSWS"),
    ("entra-revoke-sessions", "POST https://graph.microsoft.com/v1.0/users/u%7C381/revokeSignInSessions", "", "Bearer"),
    (
        "entra-disable-account",
        "PATCH https://graph.microsoft.com/v1.0/users/u%7C381",
        r#"{"accountEnabled":false}"#,
        "Bearer",
    ),
    (
        "entra-enable-account",
        "PATCH https://graph.microsoft.com/v1.0/users/u%7C381",
        r#"{"accountEnabled":true}"#,
        "Bearer",
    ),
    ("auth0-end-session", "DELETE https://example.eu.auth0.com/api/v2/sessions/s-41", "", "Bearer"),
    ("auth0-end-user-sessions", "DELETE https://example.eu.auth0.com/api/v2/users/u%7C381/sessions", "", "Bearer"),
    (
        "auth0-revoke-refresh-tokens",
        "DELETE https://example.eu.auth0.com/api/v2/users/u%7C381/refresh-tokens",
        "",
        "Bearer",
    ),
    ("auth0-block-user", "PATCH https://example.eu.auth0.com/api/v2/users/u%7C381", r#"{"blocked":true}"#, "Bearer"),
    ("auth0-unblock-user", "PATCH https://example.eu.auth0.com/api/v2/users/u%7C381", r#"{"blocked":false}"#, "Bearer"),
    (
        "google-sign-out",
        "POST https://admin.googleapis.com/admin/directory/v1/users/ana%40example.org/signOut",
        "",
        "Bearer",
    ),
    (
        "google-suspend-user",
        "PATCH https://admin.googleapis.com/admin/directory/v1/users/ana%40example.org",
        r#"{"suspended":true}"#,
        "Bearer",
    ),
    (
        "google-restore-user",
        "PATCH https://admin.googleapis.com/admin/directory/v1/users/ana%40example.org",
        r#"{"suspended":false}"#,
        "Bearer",
    ),
    ("authentik-end-session", "DELETE https://auth.example.org/api/v3/core/authenticated_sessions/s-41/", "", "Bearer"),
    (
        "authentik-end-user-sessions",
        "DELETE https://auth.example.org/api/v3/core/authenticated_sessions/bulk_delete/?user_pks=u%7C381",
        "",
        "Bearer",
    ),
    (
        "authentik-deactivate-user",
        "PATCH https://auth.example.org/api/v3/core/users/u%7C381/",
        r#"{"is_active":false}"#,
        "Bearer",
    ),
    (
        "authentik-activate-user",
        "PATCH https://auth.example.org/api/v3/core/users/u%7C381/",
        r#"{"is_active":true}"#,
        "Bearer",
    ),
    (
        "twilio-delete-key",
        "DELETE https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000000/Keys/u%7C381.json",
        "",
        "Basic",
    ),
    ("signed-link-revoke", "DELETE https://portal.example.org/internal/links/ex-91", "", "Bearer"),
    ("export-job-cancel", "POST https://portal.example.org/internal/exports/ex-91/cancel", "", "Bearer"),
    ("twilio-cancel-export", "DELETE https://bulkexports.twilio.com/v1/Exports/Jobs/ex-91", "", "Basic"),
    ("wazo-end-session", "DELETE https://wazo.example.org/api/auth/0.1/sessions/s-41", "", "X-Auth-Token"),
    (
        "kazoo-disable-user",
        "PATCH https://kazoo.example.org:8443/v2/accounts/0123456789abcdef0123456789abcdef/users/u%7C381",
        r#"{"data":{"enabled":false}}"#,
        "X-Auth-Token",
    ),
    (
        "kazoo-enable-user",
        "PATCH https://kazoo.example.org:8443/v2/accounts/0123456789abcdef0123456789abcdef/users/u%7C381",
        r#"{"data":{"enabled":true}}"#,
        "X-Auth-Token",
    ),
    ("okta-check-session", "GET https://example.okta.com/api/v1/sessions/s-41", "", "SSWS"),
    ("auth0-check-session", "GET https://example.eu.auth0.com/api/v2/sessions/s-41", "", "Bearer"),
];

#[test]
fn requests_are_as_the_products_document_them() {
    let listed: BTreeSet<&str> = REQUESTS.iter().map(|(name, ..)| *name).collect();
    let sending: BTreeSet<&str> =
        all().filter(|(_, _, recipe)| recipe.action["kind"].as_str() == Some("http")).map(|(name, ..)| name).collect();
    assert_eq!(listed, sending);
    for (name, request, body, signed) in REQUESTS {
        let rehearsal = rehearse(&action(name, &[]), &order()).unwrap();
        assert_eq!(rehearsal.of("request"), [*request], "{name}");
        assert_eq!(rehearsal.of("body").first().copied().unwrap_or_default(), *body, "{name}");
        let header = rehearsal.of("header").into_iter().find(|header| header.contains('[')).unwrap();
        assert!(header.contains(signed) && !header.contains("secret:"), "{name}: {header}");
    }
}

/// `spec` with its secret in a file.
fn with_secret(name: &str, web: &Web, path: &Path) -> ActionSpec {
    let recipe = named(name).unwrap();
    let needed = recipe.with.iter().filter(|(_, parameter)| parameter.default.is_none() && !parameter.optional);
    let with = needed.map(|(key, parameter)| match key.as_str() {
        "base" => format!("base = {:?}", web.url("")),
        key => format!("{key} = {:?}", parameter.example.as_deref().unwrap()),
    });
    let with = with.collect::<Vec<_>>().join(", ");
    toml::from_str(&format!("recipe = {name:?}\nwith = {{ {with} }}\nauth = {{ secret_file = {path:?} }}")).unwrap()
}

#[test]
fn tokens_are_got_and_used_as_the_products_document_it() {
    for (name, token_request, body, answered, header) in [
        (
            "keycloak-logout-user",
            "POST /realms/staff/protocol/openid-connect/token HTTP/1.1",
            "grant_type=client_credentials&client_id=tripline&client_secret=the-secret",
            answer(200, "", r#"{"access_token":"t-1","expires_in":60,"token_type":"Bearer"}"#),
            ("authorization", "Bearer t-1"),
        ),
        (
            "auth0-end-user-sessions",
            "POST /oauth/token HTTP/1.1",
            "grant_type=client_credentials&client_id=AbCdEf&client_secret=the-secret&audience=",
            answer(200, "", r#"{"access_token":"t-1","expires_in":86400,"token_type":"Bearer"}"#),
            ("authorization", "Bearer t-1"),
        ),
        (
            "wazo-end-session",
            "POST /api/auth/0.1/token HTTP/1.1",
            r#"{"expiration":600}"#,
            answer(200, "", r#"{"data":{"token":"t-1","session_uuid":"s"}}"#),
            ("x-auth-token", "t-1"),
        ),
        (
            "kazoo-disable-user",
            "PUT /v2/api_auth HTTP/1.1",
            r#"{"data":{"api_key":"the-secret"}}"#,
            answer(201, "", r#"{"auth_token":"t-1","data":{"account_id":"a"},"status":"success"}"#),
            ("x-auth-token", "t-1"),
        ),
    ] {
        let stand = Stand::new();
        let path = secret(stand.dir.path(), "secret", "the-secret\n");
        let web = Web::start(vec![answered, status(204)]);
        let ended = carry_out(&with_secret(name, &web, &path), &order());
        assert_eq!((ended.ending, ended.note.as_str()), (Ending::Done, "HTTP 204"), "{name}");
        let [login, call] = &web.asked()[..] else { panic!("{name}: two requests") };
        assert_eq!(login.line, token_request, "{name}");
        assert!(login.body.starts_with(body), "{name}: {}", login.body);
        assert_eq!(call.header(header.0), header.1, "{name}");
    }
    for (name, wanted) in [("okta-suspend-user", "SSWS the-secret"), ("authentik-end-session", "Bearer the-secret")] {
        let stand = Stand::new();
        let path = secret(stand.dir.path(), "secret", "the-secret\n");
        let web = Web::start(vec![status(204)]);
        assert_eq!(carry_out(&with_secret(name, &web, &path), &order()).ending, Ending::Done);
        assert_eq!(web.asked()[0].header("authorization"), wanted);
    }
}

#[test]
fn teleport_reads_the_lock_from_standard_input() {
    let stand = Stand::new();
    let tctl = stand.hook("tctl", "printf '%s ' \"$@\" > $DIR/arguments; cat > $DIR/lock.json", "");
    let mut spec = action("teleport-lock-user", &[("tctl", tctl.to_str().unwrap())]);
    spec.deadline_seconds = 5;
    let mut order = order();
    order.target.actor = Some("ana\": }\n- x: \"$(id)".into());
    let ended = carry_out(&spec, &order);
    assert_eq!(ended.ending, Ending::Done, "{}", ended.note);
    let read = |name: &str| std::fs::read_to_string(stand.path(name)).unwrap();
    assert_eq!(
        read("arguments"),
        "--auth-server=teleport.example.org:443 --identity=/run/credentials/tripline-hook-runner.service/teleport-identity create -f "
    );
    let lock: serde_json::Value = serde_json::from_str(&read("lock.json")).unwrap();
    assert_eq!(lock["spec"]["target"], serde_json::json!({ "user": order.target.actor }));
    assert_eq!((lock["kind"].as_str(), lock["version"].as_str()), (Some("lock"), Some("v2")));
}

#[test]
fn ss_reads_whose_connections_it_cuts_from_standard_input() {
    let stand = Stand::new();
    let ss = stand.hook("ss", "printf '%s ' \"$@\" > $DIR/arguments; cat > $DIR/filter", "");
    let mut spec = action("ss-cut-address", &[("ss", ss.to_str().unwrap())]);
    spec.deadline_seconds = 5;
    let ended = carry_out(&spec, &order());
    assert_eq!(ended.ending, Ending::Done, "{}", ended.note);
    let read = |name: &str| std::fs::read_to_string(stand.path(name)).unwrap();
    assert_eq!((read("arguments"), read("filter")), ("-K -t -n -H -F - ".into(), "dst 192.0.2.7\n".into()));
    let mut nowhere = order();
    nowhere.target.ip = None;
    let refused = carry_out(&spec, &nowhere);
    assert_eq!((refused.ending, refused.note.contains("no trail stated target.ip")), (Ending::Refused, true));
}

#[test]
fn nginx_is_told_of_an_address_by_a_line_of_its_file() {
    let stand = Stand::new();
    let file = stand.path("deny.conf");
    std::fs::write(&file, "deny 198.51.100.1;\n").unwrap();
    let with = [("file", file.to_str().unwrap())];
    let deny = |name: &str, order: &HookDocument| carry_out(&action(name, &with), order);
    let mut six = order();
    six.target.ip = Some("2001:db8::7".parse().unwrap());
    for order in [order(), six] {
        let ended = deny("nginx-deny-address", &order);
        assert_eq!(ended.ending, Ending::Done, "{}", ended.note);
    }
    let read = || std::fs::read_to_string(&file).unwrap();
    assert_eq!(read(), "deny 198.51.100.1;\ndeny 192.0.2.7;\ndeny 2001:db8::7;\n");
    assert_eq!(deny("nginx-deny-nobody", &HookDocument { purpose: Purpose::Undo, ..order() }).ending, Ending::Done);
    assert!(read().starts_with("# nobody") && !read().contains("deny "), "{}", read());
}

#[test]
fn lines_take_plain_words_alone() {
    let text = |lines: &str| format!("command = ['/bin/cat']\nlines = {lines}\ndeadline_seconds = 5");
    let spec: ActionSpec = toml::from_str(&text("['a {target.actor} b', 'c']")).unwrap();
    let said = carry_out(&spec, &order());
    assert_eq!((said.ending, said.note.contains("a ana@example.org b")), (Ending::Done, true), "{}", said.note);
    for odd in ["ana; shutdown frontend portal", "ana\nshow env", "ana }", "a'b", "$(id)"] {
        let mut order = order();
        order.target.actor = Some(odd.into());
        let ended = carry_out(&spec, &order);
        assert_eq!(ended.ending, Ending::Refused, "{odd}: {}", ended.note);
    }
    for (lines, said) in [("[\"a\\nb\"]", "line break"), ("['{target.nobody}']", "nobody")] {
        let fault = toml::from_str::<ActionSpec>(&text(lines)).map(|spec| spec.fault());
        let fault = fault.map_or_else(|e| e.to_string(), |fault| fault.unwrap_or_default());
        assert!(fault.contains(said), "{lines}: {fault}");
    }
    let both = format!("{}\njson = {{ a = 'b' }}", text("['a']"));
    assert!(toml::from_str::<ActionSpec>(&both).unwrap().fault().unwrap().contains("write one"));
}

/// HAProxy's runtime socket, as documented: a command a connection, an empty line where it was carried out.
struct Haproxy {
    said: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    path: std::path::PathBuf,
}

impl Haproxy {
    /// With these streams; commands that begin with `odd` are answered by words.
    fn start(folder: &Path, streams: &'static [&'static str], odd: &'static str) -> Haproxy {
        use std::io::{BufRead, BufReader, Write};
        let path = folder.join("admin.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let said = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let told = said.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut line = String::new();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
                let line = line.trim().to_owned();
                let answer = match line.as_str() {
                    "show sess" => streams.iter().map(|stream| format!("{stream}\n")).collect(),
                    line if line.starts_with(odd) => "Permission denied\n".to_owned(),
                    _ => "\n".to_owned(),
                };
                told.lock().unwrap().push(line);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Haproxy { said, path }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

const STREAMS: &[&str] = &[
    "0x55d0: proto=tcpv4 src=192.0.2.7:51234 fe=portal be=app srv=app1 ts=00 age=4s calls=3",
    "0x55d1: proto=tcpv4 src=192.0.2.70:4242 fe=portal be=app srv=app1 ts=00 age=1s calls=3",
    "0x55d2: proto=tcpv6 src=::ffff:192.0.2.7:51236 fe=portal be=app srv=app1 ts=00 age=2s calls=3",
    "0x55d3: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 age=0s calls=1",
];

#[test]
fn haproxy_keeps_an_address_out_and_cuts_its_streams_alone() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Haproxy::start(folder.path(), STREAMS, "never");
    let spec = |name: &str| action(name, &[("socket", proxy.path.to_str().unwrap())]);
    let ended = carry_out(&spec("haproxy-cut-address"), &order());
    assert_eq!((ended.ending, ended.note.as_str()), (Ending::Done, "2 streams of 192.0.2.7 were shut down"));
    let block = "set table tripline_blocked key 192.0.2.7 data.gpt0 1";
    assert_eq!(proxy.said(), [block, "show sess", "shutdown session 0x55d0", "shutdown session 0x55d2"]);
    let check = HookDocument { purpose: Purpose::Check, ..order() };
    let lives = carry_out(&spec("haproxy-cut-address"), &check);
    assert_eq!((lives.ending, lives.note.as_str()), (Ending::Failed, "2 streams of 192.0.2.7 go on"));
    let mut other = check.clone();
    other.target.ip = Some("192.0.2.8".parse().unwrap());
    assert_eq!(carry_out(&spec("haproxy-cut-address"), &other).ending, Ending::Done);
    let undo = HookDocument { purpose: Purpose::Undo, ..order() };
    assert_eq!(carry_out(&spec("haproxy-admit-address"), &undo).ending, Ending::Done);
    assert_eq!(proxy.said().last().unwrap(), "clear table tripline_blocked key 192.0.2.7");
}

#[test]
fn what_haproxy_answers_in_words_was_not_done() {
    for (odd, asked) in [("set table", 1), ("shutdown", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let proxy = Haproxy::start(folder.path(), STREAMS, odd);
        let ended = carry_out(&action("haproxy-cut-address", &[("socket", proxy.path.to_str().unwrap())]), &order());
        assert_eq!(
            (ended.ending, ended.note.as_str()),
            (Ending::Failed, "HAProxy answered: Permission denied"),
            "{odd}"
        );
        assert_eq!(proxy.said().len(), asked, "{odd}");
    }
    let nobody = action("haproxy-cut-address", &[("socket", "/run/there-is-none.sock")]);
    assert_eq!(carry_out(&nobody, &order()).ending, Ending::Temporary);
}

#[test]
fn what_does_not_fit_a_recipe_is_refused_with_what_it_needs() {
    for (toml, said) in [
        ("recipe = 'keycloak'", "there is no recipe \"keycloak\"; there are: auth0-block-user"),
        ("recipe = 'keycloak-logout-user'", "`with` needs base: where Keycloak is"),
        ("recipe = 'keycloak-logout-user'\nwith = { realm = 'r', host = 'h' }", "`with` has no \"host\""),
        ("recipe = 'keycloak-logout-user'\nwith = { realm = '{target.session}', base = 'https://h' }", "holds a brace"),
        ("recipe = 'keycloak-logout-user'\nwith = { realm = '', base = 'https://h' }", "is empty"),
        (
            "recipe = 'keycloak-logout-user'\nkind = 'exec'\nwith = { realm = 'r', base = 'https://h' }",
            "has a `kind` of its own",
        ),
        ("command = ['/bin/true']\nwith = { a = 'b' }", "`with` is for a `recipe`"),
        ("recipe = 'php-session'\nwith = { directory = '/s' }\ndeept = 2", "deept"),
    ] {
        let refused = toml::from_str::<ActionSpec>(toml).unwrap_err().to_string();
        assert!(refused.contains(said), "{toml}: {refused}");
    }
    // A host that is no address of anything stays a fault of the configuration.
    let spec = action("keycloak-logout-user", &[("base", "http://id.example.org")]);
    assert!(spec.fault().unwrap().contains("plain http"));
}

#[test]
fn every_recipe_is_named_in_the_book() {
    let page = std::fs::read_to_string(root().join("docs/src/reference/recipes.md")).unwrap();
    let missing: Vec<_> = RECIPES.iter().filter(|(name, _)| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{:?}", missing.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn secrets_of_recipes_are_no_arguments() {
    for (name, text, recipe) in all() {
        assert!(!text.contains("whsec_") && !text.contains("BEGIN "), "{name}");
        if recipe.action["kind"].as_str() == Some("exec") {
            let command = recipe.action["command"].to_string();
            assert!(!command.contains("{target.") && !command.contains("{with.credential}"), "{name}: {command}");
        }
    }
}
