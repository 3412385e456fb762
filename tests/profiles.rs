//! `tripline profiles`: every shipped profile listed, printed and tried; drafts from samples that read them.
use crate::support::{text, tripline};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use tripline::normalise::PROFILES;

fn run(arguments: &[&str]) -> Output {
    tripline(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn write(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A record of each product, with a key `zz.extra` (or a field behind it) that nothing reads; which activity, outcome and actor it has.
const RECORDS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "tripline-portal",
        r#"{"ts":"2026-03-01T00:00:00Z","id":"e1","event":"session.login","outcome":"success","actor":{"id":"u1","name":"ana"},"session":"secret-1","ip":"192.0.2.1","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "download-log",
        r#"192.0.2.1 - ana [01/Mar/2026:00:00:00 +0000] "GET /exports/j1.csv HTTP/1.1" 200 512 "-" "curl/8" rt=0.1 sid=secret-1 rows=4 zz.extra=x"#,
        "download",
        "success",
        "ana",
    ),
    (
        "access",
        r#"192.0.2.1 - ana [01/Mar/2026:00:00:00 +0000] "GET /home HTTP/1.1" 404 5 "-" "curl/8" zz.extra=x"#,
        "view",
        "failure",
        "ana",
    ),
    (
        "okta",
        r#"{"uuid":"u1","published":"2026-03-01T00:00:00Z","eventType":"user.session.start","outcome":{"result":"FAILURE","reason":"INVALID_CREDENTIALS"},"actor":{"id":"a","alternateId":"ana"},"client":{"ipAddress":"192.0.2.1"},"zz":{"extra":"x"}}"#,
        "login",
        "failure",
        "ana",
    ),
    (
        "entra-signin",
        r#"{"time":"2026-03-01T00:00:00Z","category":"SignInLogs","resultType":"0","properties":{"id":"i1","userPrincipalName":"ana","ipAddress":"192.0.2.1","status":{"errorCode":0}},"zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "entra-audit",
        r#"{"time":"2026-03-01T00:00:00Z","category":"AuditLogs","operationName":"Reset user password","properties":{"result":"success","activityDisplayName":"Reset user password","initiatedBy":{"user":{"userPrincipalName":"ana","ipAddress":"192.0.2.1"}}},"zz":{"extra":"x"}}"#,
        "credential_reset",
        "success",
        "ana",
    ),
    (
        "keycloak",
        r#"2026-03-01 00:00:00,123 WARN  [org.keycloak.events] (executor-thread-1) type="LOGIN", realmId="r", clientId="portal", userId="ana", ipAddress="192.0.2.1", zz_extra="x""#,
        "login",
        "success",
        "ana",
    ),
    (
        "keycloak-events",
        r#"{"id":"e1","time":1772323200123,"type":"LOGIN","realmId":"r","clientId":"portal","userId":"ana","ipAddress":"192.0.2.1","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "auth0",
        r#"{"log_id":"l1","date":"2026-03-01T00:00:00.000Z","type":"s","client_id":"c","user_name":"ana","user_id":"auth0|1","ip":"192.0.2.1","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "duo",
        r#"{"txid":"t1","timestamp":1772323200,"application":{"name":"vpn"},"user":{"name":"ana","key":"k"},"factor":"duo_push","result":"success","reason":"user_approved","access_device":{"ip":"192.0.2.1"},"zz":{"extra":"x"}}"#,
        "mfa_challenge",
        "success",
        "ana",
    ),
    (
        "duo-admin",
        r#"{"action":"admin_login","description":"{\"ip_address\": \"192.0.2.1\", \"email\": \"ana@provider.example\"}","isotimestamp":"2026-03-01T00:00:00+00:00","object":null,"timestamp":1772323200,"username":"ana","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "duo-telephony",
        r#"{"context":"authentication","credits":1,"isotimestamp":"2026-03-01T00:00:00+00:00","phone":"+15551234567","timestamp":1772323200,"type":"sms","zz":{"extra":"x"}}"#,
        "mfa_challenge",
        "unknown",
        "-",
    ),
    (
        "github",
        r#"{"@timestamp":1772323200123,"_document_id":"d1","action":"org.add_member","actor":"ana","actor_ip":"192.0.2.1","org":"o","created_at":1772323200123,"zz":{"extra":"x"}}"#,
        "user_changed",
        "success",
        "ana",
    ),
    (
        "google-workspace",
        r#"{"kind":"admin#reports#activity","id":{"time":"2026-03-01T00:00:00Z","uniqueQualifier":"1","applicationName":"login"},"actor":{"email":"ana","profileId":"1"},"ipAddress":"192.0.2.1","events":[{"type":"login","name":"login_success"}],"zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "aws-cloudtrail",
        r#"{"Records":[{"eventVersion":"1.08","eventTime":"2026-03-01T00:00:00Z","eventID":"i1","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","userIdentity":{"type":"IAMUser","userName":"ana"},"sourceIPAddress":"192.0.2.1","userAgent":"Mozilla/5.0","responseElements":{"ConsoleLogin":"Success"},"zz":{"extra":"x"}}]}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "microsoft-365",
        r#"{"CreationTime":"2026-03-01T00:00:00","Id":"i1","Operation":"UserLoggedIn","Workload":"AzureActiveDirectory","RecordType":15,"ResultStatus":"Success","UserType":0,"UserId":"ana","ActorIpAddress":"192.0.2.1","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "twilio",
        r#"{"sid":"AE1","event_type":"api-key.created","event_date":"2026-03-01T00:00:00Z","actor_sid":"US1","account_sid":"AC1","source_ip_address":"192.0.2.1","zz":{"extra":"x"}}"#,
        "key_created",
        "success",
        "US1",
    ),
    (
        "vonage",
        r#"{"id":"i1","event_type":"USER_LOGIN","created_at":"2026-03-01T00:00:00","account_id":"a","user_email":"ana","source_ip":"192.0.2.1","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "ringcentral",
        r#"{"id":"i1","eventTime":"2026-03-01T00:00:00Z","actionId":"LOGIN_SUCCESS","accountId":"a","initiator":{"name":"Ana","extensionId":"1"},"clientIp":"192.0.2.1","zz":{"extra":"x"}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "kazoo",
        r#"{"data":{"id":"i1","auth_type":"user","auth_module":"cb_user_auth","client_ip":"192.0.2.1","timestamp":63939542400,"metadata":{"owner_id":"ana","account_id":"a"},"status":"success","zz":{"extra":"x"}}}"#,
        "login",
        "success",
        "ana",
    ),
    (
        "proxy",
        r#"192.0.2.1 - ana [01/Mar/2026:00:00:00 +0000] "GET http://elsewhere.example/a HTTP/1.1" 200 512 "-" "curl/8" zz.extra=x"#,
        "view",
        "success",
        "ana",
    ),
    (
        "entra-risk",
        r#"{"category":"UserRiskEvents","time":"2026-03-01T00:00:00Z","properties":{"detectedDateTime":"2026-03-01T00:00:00Z","riskEventType":"leakedCredentials","userPrincipalName":"ana","ipAddress":"192.0.2.1","zz":{"extra":"x"}}}"#,
        "other",
        "unknown",
        "ana",
    ),
    (
        "azure-activity",
        r#"{"time":"2026-03-01T00:00:00Z","category":"Administrative","resourceId":"/subscriptions/s","operationName":"Microsoft.Compute/virtualMachines/write","resultType":"Success","callerIpAddress":"192.0.2.1","identity":{"claims":{"upn":"ana"}},"zz":{"extra":"x"}}"#,
        "settings_changed",
        "success",
        "ana",
    ),
    (
        "okta-csv",
        "timestamp,uuid,event_type,actor.id,actor.type,actor.alternate_id,client.ip_address,outcome.result,zz_extra\n2026-03-01T00:00:00Z,e1,user.session.start,u1,User,ana,192.0.2.1,SUCCESS,x",
        "login",
        "success",
        "ana",
    ),
    (
        "entra-signin-csv",
        "Date (UTC),Request ID,User agent,Correlation ID,User ID,User,Username,IP address,Status,Sign-in error code,Failure reason,zz_extra\n2026-03-01T00:00:00Z,r1,curl/8,c1,u1,Ana,ana,192.0.2.1,Success,,,x",
        "login",
        "success",
        "ana",
    ),
    (
        "entra-audit-csv",
        "Date (UTC),CorrelationId,Service,Category,Activity,Result,ActorType,ActorObjectId,ActorUserPrincipalName,IPAddress,zz_extra\n2026-03-01T00:00:00Z,c1,Core Directory,UserManagement,Reset user password,success,User,u1,ana,192.0.2.1,x",
        "credential_reset",
        "success",
        "ana",
    ),
    (
        "microsoft-365-csv",
        "RecordId,CreationDate,RecordType,Operation,UserId,AuditData\nr1,2026-03-01T00:00:00Z,15,UserLoggedIn,ana,\"{\"\"Id\"\":\"\"r1\"\",\"\"CreationTime\"\":\"\"2026-03-01T00:00:00\"\",\"\"Operation\"\":\"\"UserLoggedIn\"\",\"\"UserId\"\":\"\"ana\"\",\"\"ClientIP\"\":\"\"192.0.2.1\"\",\"\"zz\"\":{\"\"extra\"\":\"\"x\"\"}}\"",
        "login",
        "success",
        "ana",
    ),
    (
        "google-workspace-csv",
        "Date,Event,Description,Actor,IP address,zz_extra\n2026-03-01T00:00:00Z,Successful login,Ana logged in,ana,192.0.2.1,x",
        "login",
        "success",
        "ana",
    ),
    (
        "duo-csv",
        "Timestamp (UTC),User,Integration,Factor,Result,Reason,Access Device IP,zz_extra\n2026-03-01T00:00:00+00:00,ana,VPN,Duo Push,SUCCESS,User approved,192.0.2.1,x",
        "mfa_challenge",
        "success",
        "ana",
    ),
    (
        "duo-admin-csv",
        "Timestamp (UTC),Administrator,Action,Object,Description,zz_extra\n2026-03-01 00:00:00,ana,admin_login,,\"{\"\"ip_address\"\": \"\"192.0.2.1\"\"}\",x",
        "login",
        "success",
        "ana",
    ),
    (
        "github-csv",
        "action,actor,user,org,created_at,actor_ip,user_agent,zz_extra\npersonal_access_token.create,ana,,octo-org,1772323200000,192.0.2.1,git/2,x",
        "key_created",
        "success",
        "ana",
    ),
    (
        "twilio-csv",
        "Event Date,Event Type,Description,Actor,Actor Type,Account SID,Source,Source IP Address,Resource SID,zz_extra\n2026-03-01T00:00:00Z,api-key.created,x,ana,user,AC1,web,192.0.2.1,SK1,x",
        "key_created",
        "success",
        "ana",
    ),
];

#[test]
fn every_profile_is_listed_and_printed_as_it_is() {
    let listed = run(&["profiles", "list", "--json"]);
    assert!(listed.status.success(), "{}", text(&listed));
    let rows = objects(&listed);
    let names: BTreeSet<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let files: BTreeSet<&str> = PROFILES.iter().map(|(file, _)| file.trim_end_matches(".toml")).collect();
    assert_eq!(names, files);
    assert!(rows.iter().all(|row| row["own"] == false && row["title"].as_str().is_some_and(|title| !title.is_empty())));
    let table = out(&run(&["profiles", "list"]));
    for (file, toml) in PROFILES {
        let name = file.trim_end_matches(".toml");
        assert!(table.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}: {table}");
        assert_eq!(out(&run(&["profiles", "show", name])), *toml);
    }
    let unknown = run(&["profiles", "show", "oktaa"]);
    assert_eq!(unknown.status.code(), Some(70));
    assert!(text(&unknown).contains("did you mean"), "{}", text(&unknown));
}

#[test]
fn every_profile_is_tried_on_a_record_of_its_product() {
    let tried: BTreeSet<&str> = RECORDS.iter().map(|record| record.0).collect();
    assert_eq!(tried, PROFILES.iter().map(|(file, _)| file.trim_end_matches(".toml")).collect());
    let dir = tempfile::tempdir().unwrap();
    for (profile, record, activity, outcome, actor) in RECORDS {
        let file = write(dir.path(), profile, &format!("{record}\n"));
        // what nothing tells from others has to be named
        let is_known = PROFILES.iter().any(|(name, toml)| {
            name.trim_end_matches(".toml") == *profile && toml.lines().any(|line| line == "[[recognise]]")
        });
        let named = if is_known { &[][..] } else { &["--profile", profile] };
        let tried = run(&[&["profiles", "test", "--json", &file], named].concat());
        assert_eq!(tried.status.code(), Some(0), "{profile}: {}", text(&tried));
        let rows = objects(&tried);
        let [row] = &rows[..] else { panic!("{profile}: {rows:?}") };
        assert_eq!(row["profile"], *profile, "{row}");
        assert!(row["time"].as_str().is_some_and(|time| time.starts_with("2026-03-01T00:00:00")), "{row}");
        let fields = &row["fields"];
        assert_eq!(
            (&fields["activity_name"], &fields["status"]),
            (&Value::from(*activity), &Value::from(*outcome)),
            "{row}"
        );
        if *actor != "-" {
            let is = (&fields["actor.user.name"], &fields["src_endpoint.ip"]);
            assert_eq!(is, (&Value::from(*actor), &Value::from("192.0.2.1")), "{row}");
        }
        let unread: BTreeSet<&str> =
            row["not_read"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap()).collect();
        assert!(unread.iter().any(|key| key.ends_with("zz.extra") || *key == "zz_extra"), "{profile}: {unread:?}");
        assert!(row["wrong"].as_array().unwrap().is_empty(), "{row}");
        assert!(!text(&tried).contains("secret-1") && !text(&tried).contains("15551234567"), "{}", text(&tried));
        // named, and as a person reads it
        let named = run(&["profiles", "test", &file, "--profile", profile]);
        assert_eq!(named.status.code(), Some(0), "{}", text(&named));
        assert!(out(&named).contains("as --profile says") && out(&named).contains("1 record read"), "{}", text(&named));
    }
}

#[test]
fn what_is_wrong_with_a_record_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let good = RECORDS[0].1;
    let lines = [
        good.to_owned(),
        good.replace("2026-03-01T00:00:00Z", "yesterday"),
        good.replace("192.0.2.1", "somewhere\u{202e}"),
        good.replace("session.login", "what.else"),
        good.replace(r#""ip""#, r#""ts":"x","ip""#),
        "not JSON".to_owned(),
        good.replace(r#""x""#, r#""ask me: password=hunter2""#),
    ];
    let file = write(dir.path(), "trail.jsonl", &lines.join("\n"));
    let tried = run(&["profiles", "test", &file]);
    assert_eq!(tried.status.code(), Some(1), "{}", text(&tried));
    let said = out(&tried);
    for what in [
        "tripline-portal, recognised by",
        "wrong: states no time that can be read",
        "wrong: time can't be read from ts = yesterday",
        "wrong: src_endpoint.ip can't be read from ip = somewhere\\u{202e}",
        "wrong: no rule says what was done",
        "wrong: is ambiguous",
        "not read: zz.extra = x",
        "actor.session.uid            [cut]",
        "not a JSON object at byte 0 of the line",
        "7 lines or documents: 6 records read, 1 line not read",
    ] {
        assert!(said.contains(what), "{what}\n{said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("secret-1"), "{said}");
    let limited = out(&run(&["profiles", "test", &file, "--limit", "1"]));
    assert_eq!(limited.matches("\nrecord ").count(), 1, "{limited}");
    assert!(limited.contains("6 records read"), "all are counted: {limited}");
    assert_eq!(limited.matches("only counted").count(), 1, "{limited}");
    assert!(!said.contains("only counted"), "{said}");
}

#[test]
fn a_trail_is_read_as_it_would_be() {
    let dir = tempfile::tempdir().unwrap();
    let signin = RECORDS.iter().find(|record| record.0 == "entra-signin").unwrap().1;
    let audit = RECORDS.iter().find(|record| record.0 == "entra-audit").unwrap().1;
    let both = write(dir.path(), "entra.json", &format!("{signin}\n{audit}\n"));
    for arguments in [&[][..], &["--profile", "entra-signin", "--profile", "entra-audit"]] {
        let tried = run(&[&["profiles", "test", "--json", &both], arguments].concat());
        let products: Vec<Value> = objects(&tried).iter().map(|row| row["profile"].clone()).collect();
        assert_eq!(products, ["entra-signin", "entra-audit"], "{}", text(&tried));
    }
    let vonage = RECORDS.iter().find(|record| record.0 == "vonage").unwrap().1;
    let wrapped = write(dir.path(), "wrapped.log", &format!("<13>Mar  1 00:00:09 gw portal: {vonage}\n"));
    let tried = run(&[
        "profiles",
        "test",
        "--json",
        &wrapped,
        "--profile",
        "vonage",
        "--envelope",
        "syslog",
        "--time-zone",
        "Europe/Berlin",
    ]);
    assert_eq!(objects(&tried)[0]["time"], "2026-02-28T23:00:00.000Z", "{}", text(&tried));
    assert_eq!(run(&["profiles", "test", &wrapped, "--time-zone", "Nowhere/Land"]).status.code(), Some(2));
    for (arguments, what) in [
        (&["profiles", "test", &both, "--profile", "oktaa"][..], "did you mean `okta`"),
        (&["profiles", "test", "/gone/away"], "No such file"),
        (&["profiles", "test", &write(dir.path(), "odd", "a\nb\n")], "tripline profiles new"),
    ] {
        let tried = run(arguments);
        assert_eq!(tried.status.code(), Some(70), "{}", text(&tried));
        assert!(text(&tried).contains(what), "{what}: {}", text(&tried));
    }
}

/// Samples of several kinds: file name, lines, records.
fn samples() -> Vec<(&'static str, String, usize)> {
    let nested = |n: usize| {
        format!(
            r#"{{"uid":"e{n}","occurredAt":"2026-03-01T00:{n:02}:00+01:00","operation":"{}","status":"{}","user":{{"id":"u{}","email":"p{}@provider.example"}},"network":{{"clientIp":"192.0.2.{n}"}},"context":{{"request":{{"id":"r{n}"}}}}}}"#,
            ["session.login", "report.exported", "config.updated"][n % 3],
            ["ok", "denied"][n % 2],
            n % 4,
            n % 4
        )
    };
    let flat = |n: usize| {
        format!(
            r#"{{"time":{},"event":"{}","username":"ana{}","ip":"198.51.100.{n}","success":{}}}"#,
            1_772_323_200 + n,
            ["login", "logout"][n % 2],
            n % 3,
            !n.is_multiple_of(5)
        )
    };
    let row = |n: usize| format!("2026-03-01T00:{n:02}:00Z,ana{},203.0.113.{n},Sign in,Success", n % 3);
    let access = |n: usize| {
        format!(
            r#"192.0.2.{n} - ana{} [01/Mar/2026:00:{n:02}:00 +0000] "POST /login HTTP/1.1" 200 5 "-" "Mozilla/5.0""#,
            n % 3
        )
    };
    let all = |line: &dyn Fn(usize) -> String, by: &str| (0..20).map(line).collect::<Vec<_>>().join(by);
    vec![
        ("nested.jsonl", all(&nested, "\n"), 20),
        ("flat.jsonl", all(&flat, "\n"), 20),
        ("console.csv", format!("Time,User,IP address,Action,Result\n{}\n", all(&row, "\n")), 20),
        ("access.log", all(&access, "\n"), 20),
        ("document.json", format!("{{\n  \"entries\": [\n{}\n  ]\n}}\n", all(&nested, ",\n")), 20),
        ("list.json", format!("[\n{}\n]\n", all(&flat, ",\n")), 20),
        (
            "server.log",
            (0..20).map(|n| format!("{}\n", RECORDS[6].1.replace(":00,123", &format!(":{n:02},123")))).collect(),
            20,
        ),
    ]
}

#[test]
fn what_is_drafted_from_a_sample_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    for (name, sample, records) in samples() {
        let file = write(dir.path(), name, &sample);
        let drafted = run(&["profiles", "new", &file, "--name", "mine"]);
        assert!(drafted.status.success(), "{name}: {}", text(&drafted));
        let profile = write(dir.path(), "mine.toml", &out(&drafted));
        let tried = run(&["profiles", "test", "--json", &file, "--profile", &profile]);
        assert_eq!(tried.status.code(), Some(0), "{name}: {}\n{}", text(&tried), out(&drafted));
        let rows = objects(&tried);
        assert_eq!(rows.len(), records, "{name}: {}", out(&drafted));
        for row in &rows {
            let has = |field: &str| row["fields"][field].is_string();
            let whole = row["time"].is_string() && has("actor.user.name") && has("src_endpoint.ip");
            assert!(whole, "{name}: {row}\n{}", out(&drafted));
            assert_eq!(row["profile"], "mine");
        }
    }
    let (name, sample, _) = samples().remove(0);
    let drafted = out(&run(&["profiles", "new", &write(dir.path(), name, &sample)]));
    assert!(drafted.contains("name = \"nested\""), "{drafted}");
    let none = run(&["profiles", "new", &write(dir.path(), "odd", "a\nb\n")]);
    assert_eq!(none.status.code(), Some(70), "{}", text(&none));
}

/// A configuration whose `profiles/` has these files.
fn configured(dir: &Path, profiles: &[(&str, &str)]) -> PathBuf {
    std::fs::create_dir_all(dir.join("policies/profiles")).unwrap();
    for (name, toml) in profiles {
        write(&dir.join("policies/profiles"), name, toml);
    }
    let trail = write(dir, "trail.jsonl", &format!("{}\n", RECORDS[0].1));
    let config = format!(
        "state_dir = '{d}/state'\npolicies_dir = '{d}/policies'\n[[trail]]\nname = 'a'\npaths = ['{trail}']\n",
        d = dir.display()
    );
    write(dir, "tripline.toml", &config).into()
}

#[test]
fn profiles_of_a_configuration_are_there_too() {
    let dir = tempfile::tempdir().unwrap();
    let okta = PROFILES.iter().find(|(file, _)| *file == "okta.toml").unwrap().1.replace("Okta System Log\"", "Ours\"");
    let mine = "name = \"mine\"\ntitle = \"My own\"\nformat = \"json\"\n[[recognise]]\nx = true\n";
    let config = configured(dir.path(), &[("mine.toml", mine), ("okta.toml", &okta)]);
    let config = config.to_str().unwrap();
    let rows = objects(&run(&["profiles", "list", "--json", "-c", config]));
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((&row("mine")["own"], &row("mine")["title"]), (&Value::Bool(true), &Value::from("My own")));
    assert_eq!((&row("okta")["own"], &row("okta")["title"]), (&Value::Bool(true), &Value::from("Ours")));
    assert_eq!(rows.len(), PROFILES.len() + 1);
    assert_eq!(out(&run(&["profiles", "show", "mine", "-c", config])), mine);
    let x = write(dir.path(), "x.jsonl", "{\"x\":1}\n");
    let tried = run(&["profiles", "test", &x, "-c", config]);
    assert!(out(&tried).contains("mine, recognised by 100 %"), "{}", text(&tried));
    assert_eq!(tried.status.code(), Some(1), "it states no time: {}", text(&tried));

    configured(dir.path(), &[("mine.toml", "name = \"mine\"\nformat = \"jsno\"\ntitle = \"\"\n")]);
    for command in [&["profiles", "list", "-c", config][..], &["profiles", "test", &x, "-c", config]] {
        let broken = run(command);
        assert_eq!(broken.status.code(), Some(78), "{}", text(&broken));
        assert!(text(&broken).contains("line 2"), "{}", text(&broken));
    }
}
