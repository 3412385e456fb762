//! What the profiles of products say of a refusal: whether anybody tried a password, and who refused what.
use super::*;
use Field::{Activity as Act, Cause as Why, Outcome as How};

/// Each line read with the profile, as `activity outcome cause`.
pub(super) fn said(profile: &str, lines: &[(&str, &str)]) {
    for (line, wanted) in lines {
        let got = shown(&event_of(profile, line), &[Act, How, Why]);
        assert_eq!(got, *wanted, "{profile}: {line}");
    }
}

#[test]
fn a_keycloak_event_is_a_wrong_password_only_where_one_was_typed() {
    let line = |kind: &str, error: &str| {
        format!(
            "2026-04-01 09:00:00,123 WARN  [org.keycloak.events] (executor-thread-1) type=\"{kind}\", realmId=\"r\", \
             clientId=\"portal\", userId=\"u1\", ipAddress=\"198.51.100.9\"{error}"
        )
    };
    for (kind, error, wanted) in [
        ("LOGIN", "", "login success -"),
        ("LOGIN_ERROR", ", error=\"invalid_user_credentials\"", "login failure wrong_password"),
        ("LOGIN_ERROR", ", error=\"user_not_found\"", "login failure unknown_user"),
        ("LOGIN_ERROR", ", error=\"user_temporarily_disabled\"", "login failure locked"),
        ("LOGIN_ERROR", ", error=\"user_disabled\"", "login failure forbidden"),
        ("LOGIN_ERROR", ", error=\"expired_code\"", "login failure expired"),
        ("CODE_TO_TOKEN_ERROR", ", error=\"expired_code\"", "api_call failure -"),
        ("REFRESH_TOKEN_ERROR", ", error=\"invalid_token\"", "api_call failure -"),
    ] {
        let line = line(kind, error);
        said("keycloak", &[(&line, wanted)]);
        // the same in the two forms in which the server writes JSON
        let message = serde_json::to_string(line.split_once(") ").unwrap().1).unwrap();
        let quarkus = format!(
            r#"{{"timestamp":"2026-04-01T09:00:00.123+02:00","sequence":7,"loggerName":"org.keycloak.events","level":"WARN","message":{message},"threadName":"executor-thread-1","mdc":{{}}}}"#
        );
        let ecs = format!(
            r#"{{"@timestamp":"2026-04-01T07:00:00.123456789Z","log.logger":"org.keycloak.events","log.level":"WARN","message":{message},"ecs.version":"1.12.2"}}"#
        );
        for json in [quarkus, ecs] {
            said("keycloak-events", &[(&json, wanted)]);
            let event = event_of("keycloak-events", &json);
            assert_eq!(event.time.to_string(), "2026-04-01T07:00:00.123Z");
            assert_eq!(shown(&event, &[Field::ActorUid, Field::Ip]), "u1 198.51.100.9");
            // what another logger was given to say is no event
            let other = event_of("keycloak-events", &json.replace("org.keycloak.events", "org.keycloak.services"));
            assert_eq!(other.activity, crate::model::Activity::Other);
            let found = Normaliser::new(&[], &[]).unwrap();
            assert_eq!(
                found.recognise(&[json.as_bytes()]).map(|found| found.profile),
                found.profile("keycloak-events")
            );
        }
        let stored = error.replace(", error=", r#","error":"#);
        let event = format!(
            r#"{{"time":1775034000123,"type":"{kind}","realmId":"r","clientId":"portal","userId":"u1","ipAddress":"198.51.100.9"{stored}}}"#
        );
        said("keycloak-events", &[(&event, wanted)]);
    }
}

#[test]
fn an_entra_code_says_how_a_sign_in_ended() {
    let line = |code: &str, details: &str| {
        format!(
            r#"{{"time":"2026-04-01T09:00:00Z","category":"SignInLogs","resultType":"{code}","properties":{{"id":"i1","userPrincipalName":"Ana@provider.example","status":{{"errorCode":{code},"additionalDetails":"{details}"}}}}}}"#
        )
    };
    for (codes, wanted) in [
        ("0", "login success -"),
        ("50126 50054 50056 50064 120000", "login failure wrong_password"),
        ("7000215 70002", "login failure wrong_password"),
        ("50034 51004", "login failure unknown_user"),
        ("50053", "login failure locked"),
        ("50055 50125 50142 50144 50135", "login unknown unfinished"),
        ("50072 50074 50076 50079 50097 50127 50129 50158", "login unknown unfinished"),
        ("50058 50140 50199 16000 65001 90095", "login unknown unfinished"),
        ("50132 50133 50173 70008 70043 70044 700082 81010 500133 7000222", "login failure expired"),
        ("50057 50105 53000 53001 53002 53003 53004 530003 80012 90094 7000112", "login failure forbidden"),
        // what an application does wrong, what somebody declined, and a service that was not there
        ("65004 90025 500011 700016 7000218 9002313 50196 120002 80014 1", "login failure other"),
        ("500121", "login failure wrong_factor"),
    ] {
        for code in codes.split(' ') {
            said("entra-signin", &[(&line(code, ""), wanted)]);
            // the same in the unified audit log, as a number and, where it has a name, by that
            let record = serde_json::json!({
                "CreationTime": "2026-04-01T09:00:00", "Id": "i", "Operation": if code == "0" { "UserLoggedIn" } else { "UserLoginFailed" },
                "Workload": "AzureActiveDirectory", "RecordType": 15, "ResultStatus": "Success", "UserType": 0,
                "UserId": "ana@provider.example", "ErrorNumber": code,
            });
            said("microsoft-365", &[(&record.to_string(), wanted)]);
        }
    }
    for (code, details, wanted) in [
        ("500121", "MFA denied; user declined the authentication", "login failure factor_refused"),
        ("500121", "MFA denied; user did not respond to mobile app notification", "login failure factor_unanswered"),
        ("500121", "MFA denied; user entered an incorrect code", "login failure wrong_factor"),
    ] {
        said("entra-signin", &[(&line(code, details), wanted)]);
    }
    // records of one sign-in share its id: how it was interrupted, and how it ended
    let [asked, ended] = [line("50074", ""), line("0", "")].map(|line| event_of("entra-signin", &line));
    assert_ne!(asked.id, ended.id);
    assert_eq!(ended.id, event_of("entra-signin", &line("0", "")).id);
    assert_eq!(shown(&ended, &[Field::ActorName]), "ana@provider.example", "names of any case are one name");
}

#[test]
fn a_refused_factor_is_told_from_a_wrong_code() {
    let okta = |kind: &str, result: &str, reason: &str, factor: &str| {
        format!(
            r#"{{"uuid":"u","published":"2026-04-01T09:00:00.000Z","eventType":"{kind}","outcome":{{"result":"{result}","reason":"{reason}"}},"actor":{{"id":"a","type":"User","alternateId":"ana"}},"client":{{"ipAddress":"198.51.100.9"}},"debugContext":{{"debugData":{{"factor":"{factor}"}}}}}}"#
        )
    };
    for (kind, result, reason, factor, wanted) in [
        ("user.session.start", "FAILURE", "INVALID_CREDENTIALS", "", "login failure wrong_password"),
        ("user.session.start", "FAILURE", "LOCKED_OUT", "", "login failure locked"),
        (
            "user.authentication.auth_via_mfa",
            "FAILURE",
            "INVALID_CREDENTIALS",
            "OKTA_VERIFY_PUSH",
            "mfa_challenge failure factor_refused",
        ),
        (
            "user.authentication.auth_via_mfa",
            "FAILURE",
            "INVALID_CREDENTIALS",
            "GOOGLE_OTP",
            "mfa_challenge failure wrong_factor",
        ),
        ("user.authentication.auth_via_mfa", "SUCCESS", "", "OKTA_VERIFY_PUSH", "mfa_challenge success -"),
    ] {
        said("okta", &[(&okta(kind, result, reason, factor), wanted)]);
    }
    let duo = |result: &str, reason: &str| {
        format!(
            r#"{{"txid":"t","timestamp":1775034000,"application":{{"name":"vpn"}},"user":{{"name":"ana"}},"factor":"duo_push","result":"{result}","reason":"{reason}","access_device":{{"ip":"198.51.100.9"}}}}"#
        )
    };
    for (result, reason, wanted) in [
        ("success", "user_approved", "mfa_challenge success -"),
        ("denied", "user_mistake", "mfa_challenge failure factor_refused"),
        ("fraud", "user_marked_fraud", "mfa_challenge failure factor_refused"),
        ("denied", "no_response", "mfa_challenge failure factor_unanswered"),
        ("denied", "invalid_passcode", "mfa_challenge failure wrong_factor"),
        ("denied", "denied_by_policy", "mfa_challenge failure forbidden"),
    ] {
        said("duo", &[(&duo(result, reason), wanted)]);
    }
}

#[test]
fn what_a_request_came_to_is_not_how_a_sign_in_ended() {
    let line = |operation: &str, error: &str| {
        format!(
            r#"{{"CreationTime":"2026-04-01T09:00:00","Id":"i","Operation":"{operation}","Workload":"AzureActiveDirectory","RecordType":15,"ResultStatus":"Success","UserType":0,"UserId":"ana@provider.example"{error}}}"#
        )
    };
    said(
        "microsoft-365",
        &[
            (&line("UserLoggedIn", ""), "login success -"),
            (&line("UserLoginFailed", ""), "login failure wrong_password"),
            (&line("UserLoginFailed", r#","LogonError":"InvalidUserNameOrPassword""#), "login failure wrong_password"),
            (&line("UserLoginFailed", r#","LogonError":"SsoArtifactInvalidOrExpired""#), "login failure expired"),
            (
                &line("UserLoginFailed", r#","LogonError":"UserStrongAuthClientAuthNRequiredInterrupt""#),
                "login unknown unfinished",
            ),
            (&line("UserLoginFailed", r#","LogonError":"UserInformationNotProvided""#), "login unknown unfinished"),
            (&line("UserLoginFailed", r#","LogonError":"AuthenticationFailedSasError""#), "login failure wrong_factor"),
            (&line("UserLoginFailed", r#","LogonError":"IdsLocked""#), "login failure locked"),
            // the number goes before the name
            (
                &line("UserLoginFailed", r#","ErrorNumber":"50126","LogonError":"SomethingOfNextYear""#),
                "login failure wrong_password",
            ),
        ],
    );
}

#[test]
fn an_origin_is_read_from_the_right_of_a_list() {
    let origin = |ip: &str| shown(&event_of("tripline-portal", &EXPORT.replace(r#""41.116.78.74""#, ip)), &[Field::Ip]);
    for (written, wanted) in [
        (r#""198.51.100.9, 10.0.0.7""#, "198.51.100.9"),
        // what a client wrote itself stands further left
        (r#""8.8.8.8, 198.51.100.9, 10.0.0.7""#, "198.51.100.9"),
        (r#""unknown, 198.51.100.9:51413""#, "198.51.100.9"),
        (r#"["198.51.100.9","10.0.0.7"]"#, "198.51.100.9"),
        (r#""for=198.51.100.9;proto=https, for=10.0.0.7""#, "198.51.100.9"),
        (r#""[2001:db8::9]:443, 10.0.0.7""#, "2001:db8::9"),
        // a company's own network: the one furthest away
        (r#""10.1.2.3, 10.0.0.7""#, "10.1.2.3"),
        (r#""unknown""#, "-"),
    ] {
        assert_eq!(origin(written), wanted, "{written}");
    }
}

/// The patterns of an activity that begin with `*` would take whatever is called like it at its end: a cloud's `UpdateAssumeRolePolicy`
/// is no login.
#[test]
fn no_profile_takes_a_change_of_credentials_by_the_end_of_its_name() {
    for (profile, text) in builtin::PROFILES {
        let written: toml::Table = toml::from_str(text).unwrap();
        let rules = written.get("activity").and_then(toml::Value::as_array).into_iter().flatten();
        for rule in rules {
            let is = rule["is"].as_str().unwrap();
            if !["credential_reset", "key_created"].contains(&is) {
                continue;
            }
            let when = rule.get("when").and_then(toml::Value::as_table).into_iter().flatten();
            for (name, patterns) in
                when.filter(|(name, _)| name.contains("event") || name.contains("action") || *name == "type")
            {
                let one = std::slice::from_ref(patterns);
                for pattern in patterns.as_array().map_or(one, Vec::as_slice).iter().filter_map(toml::Value::as_str) {
                    assert!(!pattern.starts_with('*'), "{profile}: {is}: {name} {pattern:?}");
                }
            }
        }
    }
}

#[test]
fn a_trail_may_hold_several_sorts_of_records() {
    let sign_in = |user: &str| {
        format!(
            r#"{{"time":"2026-04-01T09:00:00Z","category":"SignInLogs","resultType":"0","properties":{{"id":"{user}","userPrincipalName":"{user}@provider.example","status":{{"errorCode":0}}}}}}"#
        )
    };
    let audit = r#"{"time":"2026-04-01T09:01:00Z","category":"AuditLogs","operationName":"Reset user password","properties":{"result":"success","activityDisplayName":"Reset user password","initiatedBy":{"user":{"userPrincipalName":"ana@provider.example"}}}}"#;
    let other = r#"{"time":"2026-04-01T09:02:00Z","category":"ProvisioningLogs","properties":{}}"#;
    let lines = [sign_in("ana"), audit.to_owned(), sign_in("ben"), other.to_owned()];
    let mut normaliser = Normaliser::new(&[], &[]).unwrap();
    let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();

    let found = normaliser.recognise(&bytes).unwrap();
    let names: Vec<&str> = found.profiles().map(|profile| normaliser.name(profile)).collect();
    assert_eq!(names, ["entra-signin", "entra-audit"]);
    let together = normaliser.together(&found.profiles().collect::<Vec<_>>()).unwrap();
    assert!(normaliser.title(together).contains("audit") && normaliser.title(together).contains("sign-in"));

    let read = |text: &str| {
        let batch = batch(&[text.as_bytes()], FrameFlags::default());
        let mut out = Vec::new();
        normaliser.normalise(together, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
        out
    };
    let said = |events: &[Box<Event>]| {
        let said = |event: &Event| format!("{} {}", event.product, shown(event, &[Act, How, Field::ActorName]));
        events.iter().map(|event| said(event)).collect::<Vec<_>>()
    };
    let first = "entra-signin login success ana@provider.example";
    let second = "entra-audit credential_reset success ana@provider.example";
    assert_eq!(said(&read(&lines[0])), [first]);
    assert_eq!(said(&read(&lines[1])), [second]);
    assert_eq!(read(&lines[3]).len(), 1, "what none of them knows is still there, and counted");
    // in one document, and the same acts as in lines of their own where the product names them
    let mut document = said(&read(&format!(r#"{{"records":[{}]}}"#, lines[..3].join(","))));
    document.sort();
    assert_eq!(document, [second, first, "entra-signin login success ben@provider.example"]);
    assert_eq!(read(&lines[0])[0].id, event_of("entra-signin", &lines[0]).id);

    let profile = |name: &str| normaliser.profile(name).unwrap();
    let (json, plain, split) = (profile("okta"), profile("access"), profile("google-workspace"));
    assert!(normaliser.together(&[json, plain]).unwrap_err().contains("one file"));
    assert!(normaliser.together(&[json, split]).unwrap_err().contains("place"));
}

#[test]
fn lines_of_another_format_keep_no_sort_of_records_from_being_recognised() {
    let sign_in = r#"{"time":"2026-04-01T09:00:00Z","category":"SignInLogs","resultType":"0","properties":{"id":"1","userPrincipalName":"ana@provider.example","status":{"errorCode":0}}}"#;
    let audit = r#"{"time":"2026-04-01T09:01:00Z","category":"AuditLogs","operationName":"Reset user password","properties":{"result":"success","activityDisplayName":"Reset user password"}}"#;
    let plain = r#"2026-04-01 09:00:00,123 INFO  [org.keycloak.events] (executor-thread-1) type="LOGIN", realmId="r", clientId="portal", userId="u1", ipAddress="198.51.100.9""#;
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let lines = [sign_in, sign_in, sign_in, audit, plain, plain].map(str::as_bytes);
    let found = normaliser.recognise(&lines).unwrap();
    let names: Vec<&str> = found.profiles().map(|profile| normaliser.name(profile)).collect();
    assert_eq!(names, ["entra-signin", "entra-audit"]);
}

#[test]
fn what_is_secret_in_one_sort_of_records_is_cut_out_of_all() {
    let profile = |name: &str, more: &str| {
        format!("name = \"{name}\"\ntitle = \"Made\"\nformat = \"json\"\n{more}\n[[recognise]]\n{name} = true\n")
    };
    let (first, second) = (profile("first", ""), profile("second", "[redact]\nkeys = [\"locker\"]"));
    let texts = [("first", first.as_str()), ("second", second.as_str())];
    let mut normaliser = Normaliser::only(texts.into_iter(), &[]).unwrap();
    let (first, second) = (normaliser.profile("first").unwrap(), normaliser.profile("second").unwrap());
    let together = normaliser.together(&[first, second]).unwrap();
    let line = br#"{"second":1,"locker":"left 17"}"#;
    assert!(normaliser.redact(first, line, None).contains("left 17"));
    let kept = normaliser.redact(together, line, None);
    assert!(!kept.contains("left 17") && kept.contains("locker"), "{kept}");
}

#[test]
fn an_auth0_login_that_failed_otherwise_is_a_wrong_password_only_where_its_words_say_so() {
    for (kind, description, wanted) in [
        ("fp", "Wrong email or password.", "login failure wrong_password"),
        ("f", "Wrong email or password.", "login failure wrong_password"),
        ("f", "Invalid credentials", "login failure wrong_password"),
        ("f", "Wrong email or verification code.", "login failure wrong_factor"),
        ("f", "user is blocked", "login failure forbidden"),
        ("f", "Callback URL mismatch. x is not in the list of allowed callback URLs", "login failure other"),
        ("f", "the connection is not enabled", "login failure other"),
        ("f", "", "login failure other"),
    ] {
        let line = serde_json::json!({
            "log_id": "l1", "date": "2026-05-01T10:00:00.000Z", "type": kind, "description": description, "client_id": "c",
            "ip": "198.51.100.9", "user_name": "ana",
        });
        said("auth0", &[(&line.to_string(), wanted)]);
        // whoever logs in through an application has the application's id, and no other
        assert_eq!(shown(&event_of("auth0", &line.to_string()), &[Field::ActorUid]), "-");
    }
}
