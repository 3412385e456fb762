//! Actions on session stores, against the real servers: Redis, PostgreSQL and PHP, with sessions that Django and PHP made.
use crate::servers::stores::{self, Running};
use crate::servers::{self, program, run, secret};
use crate::stand::{self, Daemon, Stand, document};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use tripline::model::Purpose;
use tripline::respond::{Ending, HookDocument, Reply, Request};

fn send(daemon: &mut Daemon, document: Box<HookDocument>) -> (Ending, String) {
    daemon.say(&Request::Run { retry: false, document });
    loop {
        if let Reply::Ended { ending, note, .. } = daemon.hear() {
            return (ending, note);
        }
    }
}

/// Ends `session` by the action `end`.
fn end(daemon: &mut Daemon, order: u8, session: &str) -> (Ending, String) {
    let mut asked = document("end", order);
    asked.target.session = Some(session.into());
    send(daemon, asked)
}

/// Has the action `end` look whether `session` is still there.
fn check(daemon: &mut Daemon, order: u8, session: &str) -> Ending {
    let mut asked = document("end", order);
    (asked.target.session, asked.purpose) = (Some(session.into()), Purpose::Check);
    send(daemon, asked).0
}

fn done(note: &str) -> (Ending, String) {
    (Ending::Done, note.into())
}

/// A runner whose actions are the configuration `toml`.
fn runner(stand: &Stand, toml: &str) -> Daemon {
    stand.configure(toml);
    let daemon = stand.start();
    let Reply::Hello { refused, .. } = &daemon.hello else { panic!("a greeting") };
    assert!(refused.is_empty(), "{refused:?}");
    daemon
}

/// The sessions of a Django application.
struct Django<'a> {
    store: &'a str,
    place: String,
}

impl Django<'_> {
    fn run(&self, what: &str, argument: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/portal.py");
        let words = [self.store, &self.place, what, argument];
        run(Command::new("/usr/bin/python3").arg(script).args(words)).trim().to_owned()
    }

    fn login(&self, user: &str) -> String {
        self.run("login", user)
    }

    fn who(&self, session: &str) -> String {
        self.run("who", session)
    }
}

fn django_is_there() -> bool {
    let found = Command::new("/usr/bin/python3").args(["-c", "import django, django_redis, psycopg2"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        crate::support::skip(
            "Debian's python3-django, python3-django-redis and python3-psycopg2 are not on this machine",
        );
    }
    found
}

// ---- Redis ----

/// `[actions.end]` on that Redis, as its user `tripline`.
fn on_redis(stand: &Stand, redis: &Running, keys: &str) -> String {
    let password = secret(stand.dir.path(), "redis-password", "triplines-password\n");
    format!(
        "[actions.end]\nkind = \"redis\"\naddress = \"127.0.0.1:{}\"\nuser = \"tripline\"\nsecret_file = {password:?}\n{keys}\n",
        redis.port
    )
}

#[test]
fn a_session_in_redis_ends_and_no_other() {
    let Some(redis) = stores::redis() else { return };
    let stand = Stand::new();
    let mut daemon =
        runner(&stand, &on_redis(&stand, &redis, "keys = [\"sess:{target.session}\", \"also:{target.session}\"]"));
    // What would be a second command, a pattern, or several keys, is a part of one name.
    let odd = "a b\r\nFLUSHALL\r\n*?[";
    for key in ["sess:one", "also:one", "sess:two", &format!("sess:{odd}")] {
        assert_eq!(redis.redis(&["SET", key, "x"]), "OK");
    }
    assert_eq!(end(&mut daemon, 1, "one"), done("2 of 2 keys deleted"));
    assert_eq!(end(&mut daemon, 2, "one"), done("0 keys deleted: it was not there"));
    assert_eq!(end(&mut daemon, 3, "*"), done("0 keys deleted: it was not there"));
    assert_eq!(end(&mut daemon, 4, odd), done("1 of 2 keys deleted"));
    assert_eq!(redis.redis(&["KEYS", "*"]), "sess:two");
    assert_eq!((check(&mut daemon, 5, "one"), check(&mut daemon, 6, "two")), (Ending::Done, Ending::Failed));
    let mut undo = document("end", 7);
    undo.purpose = Purpose::Undo;
    assert_eq!(send(&mut daemon, undo).0, Ending::Refused);
    assert_eq!(redis.redis(&["KEYS", "*"]), "sess:two", "to look changes nothing");
}

#[test]
fn the_sessions_of_a_user_in_redis_are_found_by_what_they_hold() {
    let Some(redis) = stores::redis() else { return };
    let stand = Stand::new();
    let keys = "scan = \"sess:*\"\nmatch_field = \"user.id\"\nat_most_scanned = 5000";
    let mut daemon = runner(&stand, &on_redis(&stand, &redis, keys));
    for n in 0..40 {
        let user = if n % 10 == 0 { "u-7" } else { "u-8" };
        redis.redis(&["SET", &format!("sess:{n}"), &format!("{{\"user\":{{\"id\":\"{user}\"}}}}")]);
    }
    redis.redis(&["HSET", "sess:hash", "user.id", "u-7"]);
    redis.redis(&["HSET", "sess:other", "user.id", "u-8"]);
    redis.redis(&["SET", "cache:1", "{\"user\":{\"id\":\"u-7\"}}"]);
    redis.redis(&["RPUSH", "sess:list", "u-7"]);
    let mut asked = document("end", 1);
    asked.target.actor_uid = Some("u-7".into());
    assert_eq!(send(&mut daemon, asked), done("5 of 5 keys deleted"));
    assert_eq!(redis.redis(&["DBSIZE"]), "39", "36 of u-8, a hash of theirs, a list, and what is no session");
    // More than may be looked at is said, and is not "done".
    for n in 0..6000 / 50 {
        let words: Vec<String> = (0..50).flat_map(|m| [format!("sess:more-{n}-{m}"), "x".into()]).collect();
        redis.redis(&[&["MSET"], &words.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    }
    let mut asked = document("end", 2);
    asked.target.actor_uid = Some("u-7".into());
    let (ending, note) = send(&mut daemon, asked);
    assert!(ending == Ending::Failed && note.contains("at_most_scanned"), "{note}");
}

#[test]
fn what_redis_refuses_is_told_and_no_password_with_it() {
    let Some(redis) = stores::redis() else { return };
    let stand = Stand::new();
    let wrong = secret(stand.dir.path(), "wrong", "not-the-password");
    let at = format!("kind = \"redis\"\naddress = \"127.0.0.1:{}\"\nkeys = [\"{{target.session}}\"]\n", redis.port);
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.wrong]\n{at}secret_file = {wrong:?}\n[actions.none]\n{at}\n\
             [actions.gone]\nkind = \"redis\"\naddress = \"127.0.0.1:1\"\nkeys = [\"{{target.session}}\"]\n"
        ),
    );
    let (ending, note) = daemon.run("wrong", 1);
    assert!(ending == Ending::Permanent && note.contains("WRONGPASS") && !note.contains("not-the-password"), "{note}");
    let (ending, note) = daemon.run("none", 2);
    assert!(ending == Ending::Permanent && note.contains("NOAUTH"), "{note}");
    assert_eq!(daemon.run("gone", 3).0, Ending::Temporary);
}

#[test]
fn a_redis_that_hangs_or_lies_costs_the_deadline_and_is_unknown() {
    for (said, ending) in [
        // It hangs, closes, or answers with what is no RESP: once DEL was sent, nobody knows.
        (None, Ending::Unknown),
        (Some(&b""[..]), Ending::Unknown),
        (Some(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Ending::Unknown),
        (Some(b"$99999999999\r\n"), Ending::Unknown),
        (Some(b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), Ending::Unknown),
        (Some(b"-LOADING Redis is loading\r\n"), Ending::Temporary),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 512]);
                match said {
                    None => kept.push(stream),
                    Some(said) => drop(stream.write_all(said)),
                }
            }
        });
        let stand = Stand::new();
        let mut daemon = runner(
            &stand,
            &format!(
                "[actions.end]\nkind = \"redis\"\naddress = \"127.0.0.1:{port}\"\nkeys = [\"{{target.session}}\"]\ndeadline_seconds = 1\n"
            ),
        );
        let (ended, note) = daemon.run("end", 1);
        assert_eq!(ended, ending, "{said:?}: {note}");
    }
}

#[test]
fn stores_over_tls_are_believed_by_the_named_authority_and_for_the_right_name_only() {
    let stand = Stand::new();
    if !servers::certificates(stand.dir.path()) {
        return;
    }
    let (Some(redis), Some(postgres)) =
        (stores::redis_over_tls(stand.dir.path()), stores::postgres(Some(stand.dir.path())))
    else {
        return;
    };
    postgres.sql("portal", "CREATE TABLE sessions (id text); GRANT SELECT, DELETE ON sessions TO tripline; INSERT INTO sessions VALUES ('s-41')");
    let password = secret(stand.dir.path(), "password", "triplines-password");
    let ca = format!("ca_file = {:?}", stand.path("ca.pem"));
    for (name, host, ca) in
        [("good", "localhost", ca.as_str()), ("name", "127.0.0.1", &ca), ("stranger", "localhost", "")]
    {
        stand.configure(&format!(
            "[actions.redis-{name}]\nkind = \"redis\"\naddress = \"{host}:{}\"\ntls = true\nuser = \"tripline\"\n\
             secret_file = {password:?}\nkeys = [\"{{target.session}}\"]\n{ca}\n\
             [actions.postgres-{name}]\nkind = \"postgres\"\naddress = \"{host}:{}\"\ntls = true\nuser = \"tripline\"\n\
             database = \"portal\"\nsecret_file = {password:?}\nparameters = [\"{{target.session}}\"]\n\
             statement = \"DELETE FROM sessions WHERE id = $1\"\n{ca}\n",
            redis.port, postgres.port
        ));
    }
    let mut daemon = stand.start();
    assert_eq!(daemon.run("redis-good", 1), done("0 keys deleted: it was not there"));
    assert_eq!(daemon.run("postgres-good", 2), done("1 row"));
    for (n, name) in (3..).zip(["redis-name", "redis-stranger", "postgres-name", "postgres-stranger"]) {
        let (ending, note) = daemon.run(name, n);
        assert!(ending == Ending::Permanent && note.contains("certificate"), "{name}: {ending:?} {note}");
    }
}

#[test]
fn a_django_session_in_both_stores_ends_when_both_are_told() {
    if !django_is_there() {
        return;
    }
    let (Some(redis), Some(postgres)) = (stores::redis(), stores::postgres(None)) else { return };
    let stand = Stand::new();
    let password = secret(stand.dir.path(), "password", "triplines-password");
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.end]\nrecipe = \"django-redis-session\"\nuser = \"tripline\"\nsecret_file = {password:?}\n\
             with = {{ address = \"127.0.0.1:{}\", engine = \"cached_db\" }}\n\
             [actions.row]\nrecipe = \"django-postgres-session\"\nsecret_file = {password:?}\n\
             with = {{ address = \"127.0.0.1:{}\", database = \"portal\" }}\n",
            redis.port, postgres.port
        ),
    );
    let place = format!(
        "redis://:everyone%27s%20password@127.0.0.1:{}/0 {}:{}",
        redis.port,
        postgres.dir.path().display(),
        postgres.port
    );
    let django = Django { store: "both", place };
    django.run("migrate", "");
    postgres.sql("portal", "GRANT SELECT, DELETE ON django_session TO tripline");
    let thief = django.login("anna");
    assert_eq!(end(&mut daemon, 1, &thief), done("1 of 1 keys deleted"));
    assert_eq!(django.who(&thief), "anna", "Django reads the row again, and fills the cache");
    let mut asked = document("row", 2);
    asked.target.session = Some(thief.clone());
    assert_eq!(send(&mut daemon, asked), done("1 row"));
    assert_eq!(end(&mut daemon, 3, &thief), done("1 of 1 keys deleted"));
    assert_eq!(django.who(&thief), "nobody");
}

#[test]
fn a_django_session_in_redis_ends_by_its_recipe() {
    if !django_is_there() {
        return;
    }
    let Some(redis) = stores::redis() else { return };
    let stand = Stand::new();
    let password = secret(stand.dir.path(), "redis-password", "triplines-password");
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.end]\nrecipe = \"django-redis-session\"\nwith = {{ address = \"127.0.0.1:{}\" }}\nuser = \"tripline\"\n\
             secret_file = {password:?}\n",
            redis.port
        ),
    );
    let place = format!("redis://:everyone%27s%20password@127.0.0.1:{}/0", redis.port);
    let django = Django { store: "redis", place };
    let (thief, colleague) = (django.login("anna"), django.login("bert"));
    assert_eq!((django.who(&thief).as_str(), check(&mut daemon, 11, &thief)), ("anna", Ending::Failed));
    assert_eq!(end(&mut daemon, 1, &thief), done("1 of 1 keys deleted"));
    assert_eq!(check(&mut daemon, 12, &thief), Ending::Done);
    assert_eq!((django.who(&thief).as_str(), django.who(&colleague).as_str()), ("nobody", "bert"));
}

#[test]
fn the_token_of_jambonz_is_deleted_by_its_recipe() {
    let Some(redis) = stores::redis() else { return };
    let stand = Stand::new();
    let password = secret(stand.dir.path(), "redis-password", "triplines-password");
    let with = format!("with = {{ address = \"127.0.0.1:{}\", user = \"tripline\" }}", redis.port);
    let mut daemon = runner(
        &stand,
        &format!("[actions.end]\nrecipe = \"jambonz-end-session\"\n{with}\nsecret_file = {password:?}\n"),
    );
    for user in ["u-1", "u-2"] {
        redis.redis(&["SET", &format!("jwt:{user}:v2"), "eyJ"]);
    }
    let mut asked = document("end", 1);
    asked.target.actor_uid = Some("u-1".into());
    assert_eq!(send(&mut daemon, asked), done("1 of 1 keys deleted"));
    assert_eq!(redis.redis(&["KEYS", "*"]), "jwt:u-2:v2");
}

// ---- PostgreSQL ----

/// What every action on that PostgreSQL says, as the role `tripline`, over TCP and SCRAM.
fn on_postgres(stand: &Stand, postgres: &Running) -> String {
    let password = secret(stand.dir.path(), "postgres-password", "triplines-password\n");
    format!(
        "kind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nuser = \"tripline\"\ndatabase = \"portal\"\nsecret_file = {password:?}\n",
        postgres.port
    )
}

fn with_sessions() -> Option<Running> {
    let postgres = stores::postgres(None)?;
    postgres.sql("portal", "CREATE TABLE sessions (id text PRIMARY KEY, actor text)");
    postgres.sql("portal", "GRANT SELECT, DELETE ON sessions TO tripline");
    postgres.sql("portal", "INSERT INTO sessions SELECT 's-' || n, 'u-' || n % 3 FROM generate_series(1, 30) n");
    Some(postgres)
}

#[test]
fn rows_of_postgresql_are_deleted_by_one_statement_with_parameters() {
    let Some(postgres) = with_sessions() else { return };
    let stand = Stand::new();
    let at = on_postgres(&stand, &postgres);
    let socket = postgres.dir.path().join(format!(".s.PGSQL.{}", postgres.port));
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.end]\n{at}statement = \"DELETE FROM sessions WHERE id = $1\"\nparameters = [\"{{target.session}}\"]\n\
             [actions.user]\n{at}statement = \"DELETE FROM sessions WHERE actor = $1 AND id <> $2\"\n\
             parameters = [\"{{target.actor_uid}}\", \"{{target.session}}\"]\nat_most_rows = 20\n\
             [actions.socket]\nkind = \"postgres\"\naddress = {socket:?}\nuser = \"owner\"\ndatabase = \"portal\"\n\
             statement = \"DELETE FROM sessions WHERE id = $1\"\nparameters = [\"{{target.session}}\"]\n"
        ),
    );
    let left = || postgres.sql("portal", "SELECT count(*) FROM sessions");
    assert_eq!(end(&mut daemon, 1, "s-1"), done("1 row"));
    assert_eq!(end(&mut daemon, 2, "s-1"), done("0 rows: it was not there"));
    for (n, odd) in (3..).zip(["' OR '1'='1", "s-2'; DROP TABLE sessions; --", "$1", "\\", "\u{202e}%_", "s-2\n"]) {
        assert_eq!(end(&mut daemon, n, odd), done("0 rows: it was not there"), "{odd:?}");
    }
    let (ending, note) = end(&mut daemon, 20, "s-2\0");
    assert!(ending == Ending::Refused && note.contains("NUL"), "{note}");
    assert_eq!(left(), "29");
    let mut asked = document("user", 21);
    (asked.target.actor_uid, asked.target.session) = (Some("u-2".into()), Some("s-5".into()));
    assert_eq!(send(&mut daemon, asked), done("9 rows"));
    let mut asked = document("socket", 22);
    asked.target.session = Some("s-5".into());
    assert_eq!(send(&mut daemon, asked), done("1 row"));
    assert_eq!(left(), "19");
}

#[test]
fn a_password_that_is_not_ascii_is_prepared_as_postgresql_prepares_it() {
    let Some(postgres) = with_sessions() else { return };
    let stand = Stand::new();
    // with a soft hyphen, a Roman nine, and a space that does not break: the server keeps "pwIX ü"
    let written = "p\u{ad}w\u{2168}\u{a0}u\u{308}";
    postgres.sql("portal", &format!("ALTER ROLE tripline PASSWORD '{written}'"));
    let action = |name: &str, password: &str| {
        let file = secret(stand.dir.path(), name, password);
        format!(
            "[actions.{name}]\nkind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nuser = \"tripline\"\ndatabase = \"portal\"\n\
             secret_file = {file:?}\nstatement = \"DELETE FROM sessions WHERE id = $1\"\nparameters = [\"{{target.session}}\"]\n",
            postgres.port
        )
    };
    let mut daemon = runner(&stand, &(action("end", written) + &action("same", "pwIX \u{fc}")));
    assert_eq!(end(&mut daemon, 1, "s-1"), done("1 row"));
    let mut asked = document("same", 2);
    asked.target.session = Some("s-2".into());
    assert_eq!(send(&mut daemon, asked), done("1 row"));
}

#[test]
fn too_many_rows_are_taken_back() {
    let Some(postgres) = with_sessions() else { return };
    let stand = Stand::new();
    let at = on_postgres(&stand, &postgres);
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.end]\n{at}statement = \"DELETE FROM sessions WHERE id > $1\"\nparameters = [\"{{target.session}}\"]\n"
        ),
    );
    let (ending, note) = end(&mut daemon, 1, "s-");
    assert!(ending == Ending::Permanent && note.contains("taken back: 30 rows"), "{note}");
    assert_eq!(postgres.sql("portal", "SELECT count(*) FROM sessions"), "30");
}

#[test]
fn what_postgresql_refuses_is_told_and_a_lock_ends_at_the_deadline() {
    let Some(postgres) = with_sessions() else { return };
    let stand = Stand::new();
    let at = on_postgres(&stand, &postgres);
    let wrong = secret(stand.dir.path(), "wrong", "not-the-password");
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.table]\n{at}statement = \"DELETE FROM nowhere WHERE id = $1\"\nparameters = [\"{{target.session}}\"]\n\
             [actions.asks]\n{at}statement = \"DELETE FROM sessions WHERE id = $1\"\ncheck_statement = \"SELECT 1 FROM nowhere WHERE id = $1\"\n\
             parameters = [\"{{target.session}}\"]\n\
             [actions.changes]\n{at}statement = \"DELETE FROM sessions WHERE id = $1\"\ncheck_statement = \"DELETE FROM sessions WHERE id = $1\"\n\
             parameters = [\"{{target.session}}\"]\n\
             [actions.rights]\n{at}statement = \"UPDATE sessions SET actor = $1\"\nparameters = [\"{{target.session}}\"]\n\
             [actions.lock]\n{at}statement = \"DELETE FROM sessions WHERE id = $1\"\nparameters = [\"{{target.session}}\"]\ndeadline_seconds = 1\n\
             [actions.wrong]\nkind = \"postgres\"\naddress = \"127.0.0.1:{}\"\nuser = \"tripline\"\ndatabase = \"portal\"\n\
             secret_file = {wrong:?}\nstatement = \"DELETE FROM sessions WHERE id = $1\"\nparameters = [\"{{target.session}}\"]\n",
            postgres.port
        ),
    );
    // What could not be asked has not found that the session lives.
    let mut asked = document("table", 9);
    asked.purpose = Purpose::Check;
    assert_eq!(send(&mut daemon, asked).0, Ending::Refused, "there is no `check_statement`");
    let mut asked = document("asks", 10);
    asked.purpose = Purpose::Check;
    let (ending, note) = send(&mut daemon, asked);
    assert!(ending == Ending::Unknown && note.contains("42P01"), "{note}");
    let mut asked = document("changes", 11);
    asked.purpose = Purpose::Check;
    let (ending, note) = send(&mut daemon, asked);
    assert!(ending == Ending::Unknown && note.contains("25006"), "a check is read only: {note}");
    for (n, name, code) in [(1, "table", "42P01"), (2, "rights", "42501"), (3, "wrong", "28P01")] {
        let (ending, note) = daemon.run(name, n);
        assert!(ending == Ending::Permanent && note.contains(code), "{name}: {ending:?} {note}");
        assert!(!note.contains("not-the-password"));
    }
    // Somebody else holds the row.
    let holder = "BEGIN; LOCK sessions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT";
    let (socket, port) = (postgres.dir.path().to_owned(), postgres.port.to_string());
    let mut holding = Command::new(program("psql").unwrap())
        .args(["-U", "owner", "-d", "portal", "-c", holder, "-p", &port, "-h"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    stand::until("the table is held", || {
        postgres.sql("portal", "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'sessions'::regclass") == "1"
    });
    let mut asked = document("lock", 4);
    asked.target.session = Some("s-1".into());
    let (ending, note) = send(&mut daemon, asked);
    assert!(ending == Ending::Temporary && note.contains("nothing was changed"), "{ending:?} {note}");
    assert!(holding.wait().unwrap().success());
    assert_eq!(postgres.sql("portal", "SELECT count(*) FROM sessions"), "30");
}

#[test]
fn a_django_session_in_postgresql_ends_by_its_recipe() {
    if !django_is_there() {
        return;
    }
    let Some(postgres) = stores::postgres(None) else { return };
    let django = Django { store: "postgres", place: format!(" {}:{}", postgres.dir.path().display(), postgres.port) };
    django.run("migrate", "");
    postgres.sql("portal", "GRANT SELECT, DELETE ON django_session TO tripline");
    let stand = Stand::new();
    let password = secret(stand.dir.path(), "postgres-password", "triplines-password");
    let mut daemon = runner(
        &stand,
        &format!(
            "[actions.end]\nrecipe = \"django-postgres-session\"\nwith = {{ address = \"127.0.0.1:{}\", database = \"portal\" }}\n\
             secret_file = {password:?}\n",
            postgres.port
        ),
    );
    let (thief, colleague) = (django.login("anna"), django.login("bert"));
    assert_eq!((django.who(&thief).as_str(), check(&mut daemon, 11, &thief)), ("anna", Ending::Failed));
    assert_eq!(end(&mut daemon, 1, &thief), done("1 row"));
    assert_eq!(check(&mut daemon, 12, &thief), Ending::Done);
    assert_eq!((django.who(&thief).as_str(), django.who(&colleague).as_str()), ("nobody", "bert"));
}

#[test]
fn the_browsers_that_fusionpbx_remembers_are_forgotten_by_its_recipe() {
    let Some(postgres) = stores::postgres(None) else { return };
    // The columns of FusionPBX's schema that matter, and its types.
    postgres.sql("portal", "CREATE TABLE v_user_logs (user_log_uuid uuid PRIMARY KEY, user_uuid uuid, session_id text, remember_selector text, remember_validator text)");
    postgres.sql("portal", "GRANT SELECT (user_uuid, remember_selector), UPDATE (remember_selector, remember_validator) ON v_user_logs TO tripline");
    let (thief, colleague) = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002");
    for (user, selector) in [(thief, "'a'"), (thief, "'b'"), (thief, "NULL"), (colleague, "'c'")] {
        let row = format!("INSERT INTO v_user_logs VALUES (gen_random_uuid(), '{user}', 's', {selector}, 'v')");
        postgres.sql("portal", &row);
    }
    let stand = Stand::new();
    let password = secret(stand.dir.path(), "postgres-password", "triplines-password");
    let with = format!("with = {{ address = \"127.0.0.1:{}\", database = \"portal\" }}", postgres.port);
    let mut daemon = runner(
        &stand,
        &format!("[actions.end]\nrecipe = \"fusionpbx-forget-browsers\"\n{with}\nsecret_file = {password:?}\n"),
    );
    let mut forget = |order: u8, user: &str| {
        let mut asked = document("end", order);
        asked.target.actor_uid = Some(user.into());
        send(&mut daemon, asked)
    };
    assert_eq!(forget(1, thief), done("2 rows"));
    let (ending, note) = forget(2, "not a uuid");
    assert!(ending == Ending::Permanent && note.contains("22P02"), "{note}");
    assert_eq!(
        postgres.sql("portal", "SELECT remember_selector FROM v_user_logs WHERE remember_selector IS NOT NULL"),
        "c"
    );
}

// ---- PHP ----

const PORTAL: &str = r#"<?php
session_start();
if (isset($_GET['login'])) { $_SESSION['user'] = $_GET['login']; }
echo session_id(), ' ', $_SESSION['user'] ?? 'nobody';
"#;

/// Asks the portal with the cookie of `session`; the session's id and whose it is.
fn ask(php: &Running, path: &str, session: Option<&str>) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", php.port)).unwrap();
    let cookie = session.map(|id| format!("Cookie: PHPSESSID={id}\r\n")).unwrap_or_default();
    // In one piece: PHP's own server gives up on a request that comes in several.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: portal\r\n{cookie}\r\n").as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (id, user) = said.rsplit_once("\r\n\r\n").unwrap().1.split_once(' ').unwrap();
    (id.to_owned(), user.to_owned())
}

#[test]
fn the_next_request_in_a_session_of_php_is_nobodys() {
    for depth in [0, 2] {
        let save_path = |path: &Path| format!("{}{}", if depth > 0 { "2;" } else { "" }, path.display());
        let Some(php) = stores::php(PORTAL, save_path) else { return };
        let sessions = php.dir.path().join("sessions");
        for (a, b) in (0..36).flat_map(|a| (0..36).map(move |b| (a, b))).filter(|_| depth > 0) {
            let digit = |n: u32| char::from_digit(n, 36).unwrap().to_string();
            std::fs::create_dir_all(sessions.join(digit(a)).join(digit(b))).unwrap();
        }
        let stand = Stand::new();
        let mut daemon = runner(
            &stand,
            &format!(
                "[actions.end]\nrecipe = \"php-session\"\nwith = {{ directory = {sessions:?} }}\ndepth = {depth}\n"
            ),
        );
        let (thief, _) = ask(&php, "/?login=anna", None);
        let (colleague, _) = ask(&php, "/?login=bert", None);
        assert_eq!((ask(&php, "/", Some(&thief)).1.as_str(), check(&mut daemon, 11, &thief)), ("anna", Ending::Failed));
        assert_eq!(end(&mut daemon, 1, &thief), done("the session's file was removed"));
        assert_eq!(check(&mut daemon, 12, &thief), Ending::Done);
        assert_eq!(ask(&php, "/", Some(&thief)).1, "nobody");
        assert_eq!(ask(&php, "/", Some(&colleague)).1, "bert");
        assert_eq!(end(&mut daemon, 2, "0000000000000000"), done("the session's file was not there"));
    }
}

#[test]
fn an_id_that_is_none_of_phps_leads_nowhere() {
    let stand = Stand::new();
    let sessions = stand.path("sessions");
    std::fs::create_dir(&sessions).unwrap();
    let kept: PathBuf = stand.path("sess_kept");
    std::fs::write(&kept, "x").unwrap();
    std::os::unix::fs::symlink(&kept, sessions.join("sess_link")).unwrap();
    std::fs::create_dir(sessions.join("sess_folder")).unwrap();
    let mut daemon = runner(&stand, &format!("[actions.end]\nkind = \"php_session\"\ndirectory = {sessions:?}\n"));
    for (n, odd) in (1..).zip(["../sess_kept", "a/../../kept", "", ".", "a\0", "a\n", "ä", &"a".repeat(300)]) {
        assert_eq!(end(&mut daemon, n, odd).0, Ending::Refused, "{odd:?}");
    }
    for (n, odd) in (20..).zip(["link", "folder"]) {
        assert_eq!(end(&mut daemon, n, odd).0, Ending::Permanent, "{odd:?}");
    }
    assert!(kept.exists() && sessions.join("sess_link").symlink_metadata().is_ok());
}

#[test]
fn ss_cuts_the_connections_of_one_address_alone() {
    let Some(ss) = program("ss") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // two clients by addresses of their own, which only loopback has
    let connect = |from: &str| {
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
        let from: std::net::SocketAddr = format!("{from}:0").parse().unwrap();
        rustix::net::bind(&socket, &from).unwrap();
        rustix::net::connect(&socket, &listener.local_addr().unwrap()).unwrap();
        (TcpStream::from(socket), listener.accept().unwrap().0)
    };
    let (mut thief, mut other) = (connect("127.0.113.7"), connect("127.0.113.8"));
    let toml = format!("recipe = 'ss-cut-address'\nwith = {{ ss = {:?} }}", ss.to_str().unwrap());
    let spec: tripline::respond::ActionSpec = toml::from_str(&toml).unwrap();
    let mut order = document("end", 1);
    order.target.ip = Some("127.0.113.7".parse().unwrap());
    let ended = tripline::respond::carry_out(&spec, &order);
    assert_eq!(ended.ending, Ending::Done, "{}", ended.note);
    if !ended.note.contains("127.0.113.7") {
        return crate::support::skip("ss closed nothing: it takes CAP_NET_ADMIN and a kernel with INET_DIAG_DESTROY");
    }
    assert!(thief.0.write_all(b"more").is_err() || thief.0.read(&mut [0]).is_err(), "it goes on");
    assert!(thief.1.read(&mut [0]).is_err(), "the server's side goes on");
    other.0.write_all(b"x").unwrap();
    assert_eq!(other.1.read(&mut [0]).unwrap(), 1);
}
