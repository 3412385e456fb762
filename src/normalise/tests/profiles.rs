//! What the profiles of products say of a refusal: whether anybody tried a password, and who refused what.
use super::*;
use Field::{Activity as Act, Cause as Why, Outcome as How};

/// Each line read with the profile, as `activity outcome cause`.
fn said(profile: &str, lines: &[(&str, &str)]) {
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

/// A record of CloudTrail of one's own making: an event of a service (`sts`), whose identity and whatever else is given.
fn trail(event: &str, service: &str, identity: serde_json::Value, more: serde_json::Value) -> String {
    let mut record = serde_json::json!({
        "eventVersion": "1.08", "eventID": "e-1", "eventTime": "2026-05-01T10:00:00Z", "eventName": event,
        "eventSource": format!("{service}.amazonaws.com"), "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.9",
        "userAgent": "aws-cli/2.15.0", "eventType": "AwsApiCall", "userIdentity": identity,
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record.to_string()
}

/// The session of a role, and what else is told of it.
fn role(name: &str, session: &str, more: serde_json::Value) -> serde_json::Value {
    let mut identity = serde_json::json!({
        "type": "AssumedRole", "principalId": format!("AROA1:{session}"),
        "arn": format!("arn:aws:sts::111122223333:assumed-role/{name}/{session}"),
        "sessionContext": {"attributes": {"mfaAuthenticated": "false"}, "sessionIssuer": {
            "type": "Role", "arn": format!("arn:aws:iam::111122223333:role/{name}"), "userName": name}},
    });
    identity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    identity
}

#[test]
fn a_sign_in_to_aws_ends_as_the_service_that_was_asked_says() {
    use serde_json::json;
    let ana = || json!({"type": "IAMUser", "principalId": "AIDA1", "userName": "ana"});
    let console = |result: &str, factor: &str, why: serde_json::Value| json!({"responseElements": {"ConsoleLogin": result}, "additionalEventData": {"MFAUsed": factor}, "errorMessage": why});
    let centre = |name: &str, result: &str, credential: &str| {
        json!({"eventType": "AwsServiceEvent", "responseElements": null, "additionalEventData": {"CredentialType": credential},
            "serviceEventDetails": {name: result}})
    };
    let refused = |code: &str, message: &str| json!({"errorCode": code, "errorMessage": message});
    let failed = "Failed authentication";
    for (event, service, identity, more, wanted) in [
        ("ConsoleLogin", "signin", ana(), console("Success", "Yes", json!(null)), "login success -"),
        ("ConsoleLogin", "signin", ana(), console("Failure", "No", json!(failed)), "login failure wrong_password"),
        ("ConsoleLogin", "signin", ana(), console("Failure", "No", json!(null)), "login failure wrong_password"),
        ("ConsoleLogin", "signin", ana(), console("Failure", "Yes", json!(failed)), "login failure wrong_factor"),
        (
            "ConsoleLogin",
            "signin",
            json!({"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
            console("Failure", "No", json!("No username found in supplied account")),
            "login failure unknown_user",
        ),
        (
            "ExternalIdPDirectoryLogin",
            "signin",
            json!({"type": "Root"}),
            json!({"errorMessage": "Not a valid response", "responseElements": {"ExternalIdPDirectoryLogin": "Failure"}}),
            "login failure other",
        ),
        ("CheckMfa", "signin", ana(), json!({"responseElements": {"CheckMfa": "Success"}}), "mfa_challenge success -"),
        (
            "SwitchRole",
            "signin",
            ana(),
            json!({"responseElements": {"SwitchRole": "Failure"}}),
            "impersonation failure -",
        ),
        (
            "CredentialChallenge",
            "signin",
            ana(),
            centre("CredentialChallenge", "Success", "PASSWORD"),
            "mfa_challenge success -",
        ),
        (
            "CredentialVerification",
            "signin",
            ana(),
            centre("CredentialVerification", "Success", "PASSWORD"),
            "mfa_challenge success -",
        ),
        (
            "CredentialVerification",
            "signin",
            ana(),
            centre("CredentialVerification", "Failure", "PASSWORD"),
            "login failure wrong_password",
        ),
        (
            "CredentialChallenge",
            "signin",
            ana(),
            centre("CredentialChallenge", "Success", "TOTP"),
            "mfa_challenge success -",
        ),
        (
            "CredentialVerification",
            "signin",
            ana(),
            centre("CredentialVerification", "Failure", "TOTP"),
            "login failure wrong_factor",
        ),
        ("UserAuthentication", "signin", ana(), centre("UserAuthentication", "Success", "PASSWORD"), "login success -"),
        (
            "GetSigninToken",
            "signin",
            ana(),
            json!({"responseElements": {"GetSigninToken": "Success"}}),
            "login success -",
        ),
        ("GetRoleCredentials", "sso", ana(), json!({"readOnly": true}), "login success -"),
        (
            "CreateToken",
            "sso-oidc",
            ana(),
            refused("AuthorizationPendingException", "authorization is pending"),
            "login failure other",
        ),
        (
            "AssumeRole",
            "sts",
            ana(),
            refused("AccessDenied", "User: ana is not authorized to perform: sts:AssumeRole"),
            "login failure forbidden",
        ),
        (
            "AssumeRole",
            "sts",
            ana(),
            refused("NoSuchEntity", "The role with name desk cannot be found: it does not exist."),
            "login failure other",
        ),
        (
            "GetSessionToken",
            "sts",
            ana(),
            refused("ExpiredTokenException", "The security token included in the request is expired"),
            "login failure expired",
        ),
        (
            "GetSessionToken",
            "sts",
            ana(),
            refused("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."),
            "login failure wrong_factor",
        ),
        (
            "InitiateAuth",
            "cognito-idp",
            json!({"type": "Unknown", "principalId": "Anonymous"}),
            refused("NotAuthorizedException", "Incorrect username or password."),
            "login failure wrong_password",
        ),
    ] {
        said("aws-cloudtrail", &[(&trail(event, service, identity, more), wanted)]);
    }
}

#[test]
fn who_acted_in_aws_and_whether_it_was_a_person_follows_from_the_identity() {
    use serde_json::json;
    let user = |kind: &str, name: &str| json!({"type": kind, "principalId": format!("P:{name}"), "userName": name});
    let web = |name: &str, provider: &str| json!({"type": "WebIdentityUser", "principalId": format!("{provider}:{name}"), "userName": name, "identityProvider": provider});
    let of = |arn: &str, name: &str| json!({"sessionContext": {"attributes": {"mfaAuthenticated": "false"}, "sessionIssuer": {"type": "Role", "arn": arn, "userName": name}}});
    let person =
        json!({"sessionContext": {"attributes": {"mfaAuthenticated": "true"}, "sessionIssuer": {"userName": "desk"}}});
    let centre = |more: serde_json::Value| {
        let mut identity = json!({"type": "IdentityCenterUser", "arn": "", "accountId": "111122223333", "accessKeyId": "",
            "onBehalfOf": {"userId": "u-7"}, "credentialId": "c-1"});
        identity.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        identity
    };
    let sso = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/desk";
    let oidc = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/1";
    let workload = format!("key system:serviceaccount:kube:scaler {oidc}:system:serviceaccount:kube:scaler");
    let none = json!({});
    for (identity, more, wanted) in [
        (user("IAMUser", "ana"), none.clone(), "user ana P:ana"),
        (user("SAMLUser", "ana"), none.clone(), "user ana P:ana"),
        (
            json!({"type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root", "accessKeyId": ""}),
            none.clone(),
            "user arn:aws:iam::111122223333:root 111122223333",
        ),
        (centre(json!({})), none.clone(), "user u-7 u-7"),
        (centre(json!({})), json!({"additionalEventData": {"UserName": "ana"}}), "user ana u-7"),
        // roles of people, and of what runs without any
        (role("AWSReservedSSO_Desk_1", "ana", none.clone()), none.clone(), "user ana AROA1:ana"),
        (role("desk", "ana.b", of(sso, "desk")), json!({"userAgent": "Boto3/1.34"}), "user ana.b AROA1:ana.b"),
        (
            role("desk", "ana@provider.example", none.clone()),
            none.clone(),
            "user ana@provider.example AROA1:ana@provider.example",
        ),
        (
            role("desk", "ana", person.clone()),
            json!({"userAgent": "cloudformation.amazonaws.com"}),
            "user desk AROA1:ana",
        ),
        (role("desk", "ana", none.clone()), json!({"sessionCredentialFromConsole": "true"}), "user desk AROA1:ana"),
        (role("desk", "ana", none.clone()), none.clone(), "user desk AROA1:ana"),
        (role("web", "i-0abc", none.clone()), none.clone(), "key web AROA1:i-0abc"),
        (
            json!({"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/web/i-0abc", "invokedBy": "eks.amazonaws.com"}),
            none.clone(),
            "key web arn:aws:sts::111122223333:assumed-role/web/i-0abc",
        ),
        (
            role("job", "1", none.clone()),
            json!({"userAgent": "Boto3/1 exec-env/AWS_Lambda_python3.12"}),
            "key job AROA1:1",
        ),
        (
            role("job", "botocore-session-1", none.clone()),
            json!({"userAgent": "Boto3/1.34"}),
            "key job AROA1:botocore-session-1",
        ),
        (role("job", "botocore-session-1", none.clone()), none.clone(), "user job AROA1:botocore-session-1"),
        (role("job", "x", json!({"invokedBy": "cloudformation.amazonaws.com"})), none.clone(), "key job AROA1:x"),
        (
            role("AWSServiceRoleForConfig", "AWSConfig", none.clone()),
            json!({"sourceIPAddress": "config.amazonaws.com"}),
            "key AWSServiceRoleForConfig AROA1:AWSConfig",
        ),
        (web("system:serviceaccount:kube:scaler", oidc), none.clone(), workload.as_str()),
        (web("ana", "graph.facebook.com"), none.clone(), "key ana graph.facebook.com:ana"),
        (json!({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}), none.clone(), "system ec2.amazonaws.com -"),
        (json!({"accountId": "111122223333", "invokedBy": "AWS Internal"}), none.clone(), "system AWS Internal -"),
        (
            json!({"type": "AWSAccount", "principalId": "AROA2:x", "accountId": "444455556666"}),
            none.clone(),
            "key AROA2:x AROA2:x",
        ),
        (json!({"type": "Unknown", "accountId": "111122223333"}), none.clone(), "- - -"),
    ] {
        let line = trail("GetObject", "s3", identity, more);
        let got = shown(&event_of("aws-cloudtrail", &line), &[Field::ActorType, Field::ActorName, Field::ActorUid]);
        assert_eq!(got, wanted, "{line}");
    }
    // the account is nobody's id: all that sign in to its IAM Identity Center share it
    let unknown =
        json!({"type": "Unknown", "principalId": "111122223333", "accountId": "111122223333", "userName": "ana"});
    let line = trail("UserAuthentication", "signin", unknown, json!({}));
    assert_eq!(shown(&event_of("aws-cloudtrail", &line), &[Field::ActorUid]), "111122223333:ana");
}

#[test]
fn a_service_of_aws_is_no_origin_that_cannot_be_read() {
    for (origin, wanted) in [
        ("203.0.113.5", ("203.0.113.5", false)),
        ("2001:db8::5", ("2001:db8::5", false)),
        ("AWS Internal", ("-", false)),
        ("ec2.amazonaws.com", ("-", false)),
        ("300.0.113.5", ("-", true)),
    ] {
        let more = serde_json::json!({ "sourceIPAddress": origin });
        let event = event_of("aws-cloudtrail", &trail("ListBuckets", "s3", serde_json::json!({}), more));
        assert_eq!((shown(&event, &[Field::Ip]).as_str(), event.marks.origin_unread), wanted);
    }
}

#[test]
fn what_a_call_of_aws_did_follows_from_its_name_and_from_whether_it_only_reads() {
    for (event, service, more, wanted) in [
        ("GetSecretValue", "secretsmanager", r#"{"readOnly":true}"#, "view"),
        ("NewClientConnection", "elasticfilesystem", r#"{"readOnly":true}"#, "view"),
        ("GetLoginProfile", "iam", "{}", "view"),
        ("CreateLoginProfile", "iam", "{}", "credential_reset"),
        ("CompleteWebAuthnDeviceRegistration", "sso-directory", "{}", "credential_reset"),
        ("UpdateAccountPasswordPolicy", "iam", "{}", "settings_changed"),
        ("CreateAccessKey", "iam", "{}", "key_created"),
        ("UpdateAccessKey", "iam", r#"{"requestParameters":{"status":"Inactive"}}"#, "key_deleted"),
        ("UpdateAccessKey", "iam", r#"{"requestParameters":{"status":"Active"}}"#, "settings_changed"),
        ("AddMemberToGroup", "sso-directory", "{}", "user_changed"),
        ("TagRole", "iam", "{}", "user_changed"),
        ("DeleteResolverQueryLogConfig", "route53resolver", "{}", "logging_changed"),
        ("AddPermission20150331v2", "lambda", "{}", "settings_changed"),
        ("ScheduleKeyDeletion", "kms", "{}", "settings_changed"),
        ("CreateControlChannel", "ssmmessages", "{}", "api_call"),
        ("PutImage", "ecr", "{}", "api_call"),
        ("RunInstances", "ec2", r#"{"readOnly":false}"#, "api_call"),
        ("GetObject", "s3", r#"{"readOnly":true}"#, "download"),
    ] {
        let line = trail(event, service, serde_json::json!({}), serde_json::from_str(more).unwrap());
        assert_eq!(shown(&event_of("aws-cloudtrail", &line), &[Act]), wanted, "{line}");
    }
}

#[test]
fn cloudtrail_is_known_by_what_is_left_of_a_record() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    for line in [
        r#"{"eventName":"CreateToken","eventSource":"sso.amazonaws.com","userIdentity":{"type":"Unknown","userName":"ana"}}"#,
        r#"{"eventName":"ConsoleLogin","userIdentity":{"type":"IAMUser","userName":"ana"}}"#,
        r#"{"eventName":"DeleteBucket","eventType":"AwsApiCall","userIdentity":{}}"#,
        r#"{"eventType":"logout","p_log_type":"AWS.CloudTrail"}"#,
        r#"{"integration":"aws","aws":{"source":"cloudtrail","eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"}}"#,
        r#"{"data":{"aws":{"eventName":"StopLogging","eventSource":"cloudtrail.amazonaws.com"}}}"#,
    ] {
        let found = normaliser.recognise(&[line.as_bytes()]).map(|found| normaliser.name(found.profile));
        assert_eq!(found, Some("aws-cloudtrail"), "{line}");
    }
    assert!(normaliser.recognise(&[br#"{"num_logs":5,"p_log_type":"AWS.CloudTrail"}"#.as_slice()]).is_none());
    let event = event_of(
        "aws-cloudtrail",
        r#"{"eventName":"ConsoleLogin","p_event_time":"2026-05-01 10:00:00.000000000","eventSource":"signin.amazonaws.com"}"#,
    );
    assert_eq!(event.time.to_string(), "2026-05-01T10:00:00.000Z");
}

/// When, what, how it ended and why, who, of what kind, from where and with what.
const WHOLE: [Field; 7] = [Act, How, Why, Field::ActorName, Field::ActorType, Field::Ip, Field::UserAgent];

/// Each record is recognised by itself, and read as `time activity outcome cause actor kind address agent`; without a time as `-`.
fn wholly(profile: &str, record: &serde_json::Value, wanted: &str) {
    let line = record.to_string();
    let found = Normaliser::new(&[], &[]).unwrap();
    let name = found.recognise(&[line.as_bytes()]).map(|known| found.name(known.profile).to_owned());
    assert_eq!(name.as_deref(), Some(profile), "{line}");
    let event = event_of(profile, &line);
    let time = if event.marks.time_missing { "-".to_owned() } else { event.time.to_string() };
    assert_eq!(format!("{time} {}", shown(&event, &WHOLE)), wanted, "{line}");
}

#[test]
fn a_google_activity_says_the_same_in_every_shape_it_is_kept_in() {
    for (application, kind, name, parameter, wanted) in [
        ("login", "login", "login_success", ("is_suspicious", "x"), "login success -"),
        ("login", "login", "login_failure", ("login_type", "x"), "login failure wrong_password"),
        ("login", "login", "login_failure", ("login_failure_type", "login_failure_unknown"), "login failure other"),
        (
            "login",
            "login",
            "login_failure",
            ("login_failure_type", "login_failure_account_disabled"),
            "login failure forbidden",
        ),
        ("login", "login", "logout", ("login_type", "x"), "logout success -"),
        ("login", "login", "login_verification", ("login_type", "x"), "mfa_challenge unknown -"),
        (
            "login",
            "login",
            "login_challenge",
            ("login_challenge_status", "Challenge Passed."),
            "mfa_challenge success -",
        ),
        (
            "login",
            "login",
            "login_challenge",
            ("login_challenge_status", "incorrect_answer_entered"),
            "mfa_challenge failure wrong_factor",
        ),
        ("login", "login", "risky_sensitive_action_allowed", ("x", "x"), "mfa_challenge success -"),
        ("login", "login", "risky_sensitive_action_blocked", ("x", "x"), "mfa_challenge failure forbidden"),
        ("login", "account_warning", "account_disabled_generic", ("x", "x"), "user_changed success -"),
        (
            "login",
            "account_warning",
            "user_signed_out_due_to_suspicious_session_cookie",
            ("x", "x"),
            "session_revoked success -",
        ),
        ("login", "attack_warning", "gov_attack_warning", ("x", "x"), "other success -"),
        (
            "login",
            "email_forwarding_change",
            "email_forwarding_out_of_domain",
            ("x", "x"),
            "settings_changed success -",
        ),
        ("login", "2sv_change", "2sv_disable", ("x", "x"), "credential_reset success -"),
        ("admin", "USER_SETTINGS", "CHANGE_PASSWORD", ("USER_EMAIL", "ben"), "credential_reset success -"),
        ("admin", "USER_SETTINGS", "REMOVE_RECOVERY_PHONE", ("USER_EMAIL", "ben"), "credential_reset success -"),
        ("admin", "USER_SETTINGS", "VIEW_TEMP_PASSWORD", ("USER_EMAIL", "ben"), "view success -"),
        ("admin", "USER_SETTINGS", "SUSPEND_USER", ("USER_EMAIL", "ben"), "user_changed success -"),
        ("admin", "USER_SETTINGS", "REQUEST_MAILBOX_DUMP", ("USER_EMAIL", "ben"), "export_requested success -"),
        ("admin", "DELEGATED_ADMIN_SETTINGS", "ASSIGN_ROLE", ("USER_EMAIL", "ben"), "user_changed success -"),
        ("admin", "DOMAIN_SETTINGS", "CHANGE_PASSWORD_MIN_LENGTH", ("x", "x"), "settings_changed success -"),
        ("admin", "DOMAIN_SETTINGS", "ADD_TRUSTED_DOMAINS", ("x", "x"), "settings_changed success -"),
        ("admin", "DOMAIN_SETTINGS", "AUTHORIZE_API_CLIENT_ACCESS", ("x", "x"), "key_created success -"),
        (
            "admin",
            "SECURITY_SETTINGS",
            "CHANGE_TWO_STEP_VERIFICATION_FREQUENCY",
            ("x", "x"),
            "settings_changed success -",
        ),
        ("admin", "SECURITY_SETTINGS", "ENFORCE_STRONG_AUTHENTICATION", ("x", "x"), "settings_changed success -"),
        ("admin", "ALERT_CENTER", "ALERT_CENTER_LIST_RELATED_ALERTS", ("x", "x"), "view success -"),
        ("admin", "EMAIL_SETTINGS", "EMAIL_LOG_SEARCH", ("x", "x"), "query success -"),
        ("admin", "CUSTOMER_TAKEOUT", "CUSTOMER_TAKEOUT_DOWNLOADED", ("x", "x"), "download success -"),
    ] {
        let wanted = format!("2026-04-01T09:00:00.250Z {wanted} ana@provider.example user 198.51.100.9 Firefox");
        let listed = serde_json::json!([
            { "name": parameter.0, "value": parameter.1 }, { "name": "user_agent", "value": "Firefox" },
        ]);
        let beside = |time: &str| {
            serde_json::json!({
                "id": { "applicationName": application, "time": time }, "ipAddress": "198.51.100.9",
                "actor": { "email": "Ana@provider.example", "callerType": "USER" },
            })
        };
        let with = |time: &str, more: serde_json::Value| {
            let mut record = beside(time);
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            record
        };
        let event = serde_json::json!({ "type": kind, "name": name, "parameters": listed });
        let shapes = [
            with("2026-04-01T09:00:00.250Z", serde_json::json!({ "events": [event] })),
            with("2026-04-01T09:00:00.250Z", serde_json::json!({ "events": event })),
            // beside the id, as data lakes keep it
            with(
                "2026-04-01 09:00:00.250000000",
                serde_json::json!({
                    "type": kind, "name": name, "parameters": { parameter.0: parameter.1, "user_agent": "Firefox" },
                }),
            ),
            // what Cloud Logging is given
            serde_json::json!({
                "timestamp": "2026-04-01T09:00:00.250Z",
                "protoPayload": {
                    "serviceName": format!("{application}.googleapis.com"),
                    "authenticationInfo": { "principalEmail": "ana@provider.example" },
                    "requestMetadata": { "callerIp": "198.51.100.9" },
                    "metadata": {
                        "@type": "type.googleapis.com/ccc_hosted_reporting.ActivityProto",
                        "event": [{ "eventName": name, "eventType": kind, "parameter": listed }],
                    },
                },
            }),
        ];
        for shape in &shapes {
            wholly("google-workspace", shape, &wanted);
        }
    }
}

#[test]
fn who_acts_in_google_and_in_what_application_says_what_an_event_is() {
    let person = serde_json::json!({ "email": "ana@provider.example", "callerType": "USER" });
    let device = serde_json::json!({ "profileId": "17", "callerType": "USER" });
    for (application, kind, name, parameter, actor, wanted) in [
        ("saml", "login", "login_success", ("x", "x"), &person, "login success - ana@provider.example user"),
        (
            "saml",
            "login",
            "login_failure",
            ("failure_type", "failure_app_not_enabled_for_user"),
            &person,
            "login failure forbidden ana@provider.example user",
        ),
        (
            "saml",
            "login",
            "login_failure",
            ("failure_type", "failure_no_passive"),
            &person,
            "login unknown unfinished ana@provider.example user",
        ),
        (
            "chrome",
            "CHROME_OS_LOGIN_LOGOUT_TYPE",
            "CHROME_OS_LOGIN_FAILURE_EVENT",
            ("LOGIN_FAILURE_REASON", "AUTHENTICATION_ERROR"),
            &device,
            "login failure wrong_password 17 user",
        ),
        (
            "chrome",
            "CHROME_OS_LOGIN_LOGOUT_TYPE",
            "CHROME_OS_LOGIN_EVENT",
            ("DEVICE_USER", "ben@provider.example"),
            &device,
            "login success - ben@provider.example user",
        ),
        ("chrome", "x", "CHROME_OS_LOGIN_EVENT", ("DEVICE_USER", "-"), &device, "login success - 17 user"),
        (
            "context_aware_access",
            "x",
            "ACCESS_DENY_EVENT",
            ("x", "x"),
            &person,
            "other failure - ana@provider.example user",
        ),
        (
            "context_aware_access",
            "x",
            "MONITOR_MODE_ACCESS_DENY_EVENT",
            ("x", "x"),
            &person,
            "other success - ana@provider.example user",
        ),
        ("chat", "user_action", "message_posted", ("x", "x"), &person, "other success - ana@provider.example user"),
        ("vault", "user_action", "view_investigation", ("x", "x"), &person, "view success - ana@provider.example user"),
        ("vault", "user_action", "search", ("x", "x"), &person, "query success - ana@provider.example user"),
        (
            "calendar",
            "calendar_change",
            "change_calendar_acls",
            ("x", "x"),
            &person,
            "settings_changed success - ana@provider.example user",
        ),
        ("calendar", "event_change", "change_event", ("x", "x"), &person, "other success - ana@provider.example user"),
        (
            "groups",
            "moderator_action",
            "add_user",
            ("x", "x"),
            &person,
            "user_changed success - ana@provider.example user",
        ),
        (
            "groups",
            "moderator_action",
            "change_info_setting",
            ("x", "x"),
            &person,
            "settings_changed success - ana@provider.example user",
        ),
        (
            "admin",
            "USER_SETTINGS",
            "CREATE_USER",
            ("x", "x"),
            &serde_json::json!({ "callerType": "KEY", "key": "SYSTEM" }),
            "user_changed success - system system",
        ),
        (
            "admin",
            "USER_SETTINGS",
            "CREATE_USER",
            ("x", "x"),
            &serde_json::json!({ "email": "sync@project.iam.gserviceaccount.com", "profileId": "18" }),
            "user_changed success - sync@project.iam.gserviceaccount.com key",
        ),
        (
            "access_transparency",
            "GSUITE_RESOURCE",
            "ACCESS",
            ("x", "x"),
            &person,
            "view success - ana@provider.example system",
        ),
    ] {
        let record = serde_json::json!({
            "id": { "applicationName": application, "time": "2026-04-01T09:00:00Z" }, "actor": actor,
            "events": [{ "type": kind, "name": name, "parameters": [
                { "name": parameter.0, "value": parameter.1 }, { "name": "ip_address", "value": "2001:db8::9" },
            ] }],
        });
        wholly("google-workspace", &record, &format!("2026-04-01T09:00:00.000Z {wanted} 2001:db8::9 -"));
    }
}

#[test]
fn a_github_action_is_what_its_documentation_says_of_it() {
    for (action, more, wanted) in [
        ("user.failed_login", "{}", "login failure wrong_password ana user"),
        ("user.new_device_used", "{}", "login success - ana user"),
        ("org.recovery_code_used", "{}", "login success - ana user"),
        ("org.recovery_code_failed", "{}", "login failure wrong_factor ana user"),
        ("user.two_factor_requested", "{}", "mfa_challenge unknown - ana user"),
        ("user.two_factor_challenge_failure", "{}", "mfa_challenge failure wrong_factor ana user"),
        ("user.two_factor_recover", "{}", "mfa_challenge success - ana user"),
        ("user.device_verification_failure", "{}", "mfa_challenge failure wrong_factor ana user"),
        ("two_factor_authentication.sign_in_fallback_sms", "{}", "mfa_challenge unknown - ana user"),
        ("two_factor_authentication.disabled", "{}", "credential_reset success - ana user"),
        ("two_factor_account_recovery.complete", "{}", "credential_reset success - ana user"),
        ("trusted_device.register", "{}", "credential_reset success - ana user"),
        ("user.two_factor_recovery_codes_viewed", "{}", "view success - ana user"),
        ("org.recovery_codes_downloaded", "{}", "view success - ana user"),
        ("org.recovery_codes_generated", "{}", "credential_reset success - ana user"),
        ("gpg_key.create", "{}", "key_created success - ana user"),
        ("oauth_access.regenerate", "{}", "key_created success - ana user"),
        ("integration.revoke_all_tokens", "{}", "key_deleted success - ana user"),
        ("personal_access_token.request_denied", "{}", "settings_changed success - ana user"),
        ("org.oauth_app_access_denied", "{}", "settings_changed success - ana user"),
        ("org.update_member", "{}", "user_changed success - ana user"),
        ("org.update_member_repository_invitation_permission", "{}", "settings_changed success - ana user"),
        ("user.create", "{}", "user_changed success - ana user"),
        ("secret_scanning.disable", "{}", "settings_changed success - ana user"),
        ("protected_branch.rejected_ref_update", "{}", "other failure - ana user"),
        ("secret_scanning_alert.create", r#"{"actor":"github"}"#, "other success - github system"),
        ("workflows.completed_workflow_run", r#"{"conclusion":"success"}"#, "other success - ana user"),
        ("workflows.completed_workflow_run", r#"{"conclusion":"failure"}"#, "other failure - ana user"),
        ("workflows.completed_workflow_run", r#"{"conclusion":"cancelled"}"#, "other unknown - ana user"),
        ("api.request", r#"{"request_method":"GET","status_code":200}"#, "view success - ana user"),
        ("api.request", r#"{"request_method":"DELETE","status_code":403}"#, "api_call failure - ana user"),
        ("git.push", r#"{"programmatic_access_type":"GitHub App server-to-server token"}"#, "other success - ana key"),
        ("git.push", r#"{"programmatic_access_type":"GitHub App user-to-server token"}"#, "other success - ana user"),
        ("git.push", r#"{"actor_is_bot":true}"#, "other success - ana key"),
    ] {
        let mut record = serde_json::json!({
            "action": action, "actor": "Ana", "org": "octo", "@timestamp": 1775034000123_i64, "actor_ip": "198.51.100.9",
            "user_agent": "git/2",
        });
        let more: serde_json::Value = serde_json::from_str(more).unwrap();
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wholly("github", &record, &format!("2026-04-01T09:00:00.123Z {wanted} 198.51.100.9 git/2"));
    }
    // as data lakes write the time of the act, beside that of what it was done to
    let kept = serde_json::json!({
        "action": "repository_vulnerability_alert.dismiss", "actor": "ana", "at_sign_timestamp": "2026-04-01 09:00:00.000000000",
        "created_at": "2026-03-01 09:00:00.000000000", "repo": "octo/x",
    });
    wholly("github", &kept, "2026-04-01T09:00:00.000Z other success - ana user - -");
    let timeless = serde_json::json!({ "action": "business.add_admin", "actor": "ana", "user": "ben" });
    wholly("github", &timeless, "- user_changed success - ana user - -");
}

#[test]
fn a_keycloak_event_is_of_its_type_in_every_form() {
    for (kind, more, wanted) in [
        ("LOGIN_ERROR", ("error", "rejected_by_user"), "login failure other u1 user"),
        ("CLIENT_LOGIN", ("username", "service-account-sync"), "login success - service-account-sync key"),
        ("REFRESH_TOKEN", ("username", "service-account-sync"), "api_call success - service-account-sync key"),
        ("PUSHED_AUTHORIZATION_REQUEST_ERROR", ("error", "invalid_request"), "api_call failure - u1 user"),
        ("IDENTITY_PROVIDER_LINK_ACCOUNT", ("x", "x"), "user_changed success - u1 user"),
        ("REGISTER", ("x", "x"), "user_changed success - u1 user"),
        ("REGISTER_NODE", ("x", "x"), "other success - u1 user"),
        ("UPDATE_EMAIL", ("x", "x"), "user_changed success - u1 user"),
        ("UPDATE_TOTP", ("x", "x"), "credential_reset success - u1 user"),
        ("CLIENT_DELETE", ("x", "x"), "settings_changed success - u1 user"),
        ("INVALID_SIGNATURE_ERROR", ("error", "invalid_signature"), "other failure - u1 user"),
    ] {
        let wanted = format!("2026-04-01T07:00:00.123Z {wanted} 198.51.100.9 -");
        let message = format!(
            "type=\"{kind}\", realmId=\"r\", clientId=\"portal\", userId=\"u1\", ipAddress=\"198.51.100.9\", {}=\"{}\"",
            more.0, more.1
        );
        let logged = serde_json::json!({
            "@timestamp": "2026-04-01T07:00:00.123456789Z", "log.logger": "org.keycloak.events", "message": message,
        });
        wholly("keycloak-events", &logged, &wanted);
        let mut stored = serde_json::json!({
            "time": 1775026800123_i64, "type": kind, "realmId": "r", "userId": "u1", "ipAddress": "198.51.100.9",
        });
        stored[more.0] = more.1.into();
        wholly("keycloak-events", &stored, &wanted);
        // WildFly's console writes the time of day alone
        let line = format!("09:00:00,123 WARN  [org.keycloak.events] (default task-1) {message}");
        let event = event_of("keycloak", &line);
        assert!(event.marks.time_missing);
        assert_eq!(format!("2026-04-01T07:00:00.123Z {}", shown(&event, &WHOLE)), wanted);
        let found = Normaliser::new(&[], &[]).unwrap();
        assert_eq!(found.recognise(&[line.as_bytes()]).map(|known| known.profile), found.profile("keycloak"));
    }
    let logged = serde_json::json!({
        "@timestamp": "2026-04-01T07:00:00Z", "log.logger": "org.jgroups.JChannel", "message": "server listening on *:57800",
    });
    wholly("keycloak-events", &logged, "2026-04-01T07:00:00.000Z other unknown - - - - -");
    let acted = serde_json::json!({
        "time": 1775026800123_i64, "realmId": "r", "operationType": "ACTION", "resourceType": "USER",
        "resourcePath": "users/u2/impersonation", "authDetails": { "userId": "u1", "ipAddress": "198.51.100.9" },
    });
    wholly("keycloak-events", &acted, "2026-04-01T07:00:00.123Z impersonation success - u1 user 198.51.100.9 -");
}

#[test]
fn twilio_says_who_acts_by_the_source_and_the_sort_of_actor() {
    for (source, actor, kind, wanted) in [
        ("web", Some("USa"), Some("user"), "USa user 198.51.100.9 -"),
        ("api", Some("ACb"), Some("account"), "ACb key 198.51.100.9 -"),
        ("web", Some("USc"), Some("twilio-admin"), "USc system 198.51.100.9 -"),
        ("twilio", Some("ACb"), Some("account"), "ACb system 198.51.100.9 -"),
        ("twilio", None, None, "- - 198.51.100.9 -"),
    ] {
        let record = serde_json::json!({
            "sid": "AE1", "account_sid": "ACb", "event_type": "api-key.created", "event_date": "2026-04-01T09:00:00Z",
            "actor_sid": actor, "actor_type": kind, "source": source, "source_ip_address": "198.51.100.9",
        });
        wholly("twilio", &record, &format!("2026-04-01T09:00:00.000Z key_created success - {wanted}"));
    }
}

/// What is read of the only event of `line`, whose product is recognised: `profile activity outcome actor kind origin`.
fn read_alone(line: &str) -> String {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let found = normaliser.recognise(&[line.as_bytes()]).unwrap_or_else(|| panic!("not recognised: {line}"));
    let name = normaliser.name(found.profile);
    let event = event_of(name, line);
    assert!(!event.marks.time_missing, "{line}");
    format!("{name} {}", shown(&event, &[Act, How, Field::ActorName, Field::ActorType, Field::Ip]))
}

#[test]
fn microsoft_365_says_what_was_done_and_whether_by_a_person() {
    let record = |operation: &str, kind: i64, user: &str, user_type: i64| {
        serde_json::json!({
            "CreationTime": "2026-04-01T09:00:00", "Id": "i", "Operation": operation, "OrganizationId": "o", "RecordType": kind,
            "UserKey": "k", "UserType": user_type, "Workload": "Exchange", "UserId": user, "ClientIP": "198.51.100.9:26061",
        })
    };
    for (operation, kind, user, user_type, wanted) in [
        ("Set-Mailbox", 1, "Ana@provider.example", 2, "settings_changed success ana@provider.example user"),
        ("New-InboxRule", 1, "ana", 0, "settings_changed success ana user"),
        ("UpdateInboxRules", 2, "ana", 0, "settings_changed success ana user"),
        ("Get-Mailbox", 1, "ana", 2, "view success ana user"),
        // an item of a mailbox is no setting
        ("Update", 2, "ana", 0, "api_call success ana user"),
        ("MailItemsAccessed", 50, "ana", 5, "view success ana key"),
        ("ViewReport", 20, "ana", 0, "view success ana user"),
        ("SensitivityLabeledFileOpened", 84, "ana", 10, "view success ana user"),
        ("FileDownloaded", 6, "urn:spo:guest#ben@partner.example", 0, "download success ben@partner.example user"),
        ("AddedToSecureLink", 14, "ana", 0, "settings_changed success ana user"),
        ("GroupCreation", 22, "ana", 0, "user_changed success ana user"),
        ("Update PasswordProfile.", 8, "ServicePrincipal_7", 4, "credential_reset success serviceprincipal_7 key"),
        ("Add app role assignment to service principal.", 8, "ana", 0, "key_created success ana user"),
        ("Add app role assignment grant to user.", 8, "ana", 0, "user_changed success ana user"),
        ("TeamsSessionStarted", 25, "ana", 0, "login success ana user"),
        ("PasswordLogonInitialAuthUsingPassword", 9, "ana", 0, "login success ana user"),
        // Microsoft's own services, and what they find
        (
            "Set-Mailbox",
            1,
            "Microsoft.Exchange.ServiceHost",
            3,
            "settings_changed success microsoft.exchange.servicehost system",
        ),
        ("AlertTriggered", 40, "SecurityComplianceAlerts", 4, "other success securitycompliancealerts system"),
        ("DlpRuleMatch", 13, "DlpAgent", 4, "other success dlpagent system"),
        ("MCAS_ALERT_CABINET_EVENT_MATCH_AUDIT", 98, "ana", 0, "other success ana user"),
        ("SomethingApplied", 400, "policy", 7, "api_call success policy system"),
        ("SomethingApplied", 400, "policy", 8, "api_call success policy system"),
        ("SomethingApplied", 400, "cho@partner.example", 9, "api_call success cho@partner.example user"),
    ] {
        let record = record(operation, kind, user, user_type);
        let wanted = format!("microsoft-365 {wanted} 198.51.100.9");
        assert_eq!(read_alone(&record.to_string()), wanted);
        // as collectors write it: in small letters, and in a wrapper of their own
        let small = record.as_object().unwrap().iter().map(|(key, value)| (key.to_lowercase(), value.clone()));
        assert_eq!(read_alone(&serde_json::Value::Object(small.collect()).to_string()), wanted);
        assert_eq!(
            read_alone(&serde_json::json!({"integration": "office365", "office365": record}).to_string()),
            wanted
        );
    }
    // the key of a service is no person's id, whoever it speaks of
    let event = event_of("microsoft-365", &record("TIUrlClickData", 41, "ana", 4).to_string());
    assert_eq!(shown(&event, &[Field::ActorUid]), "ana");
    // a second factor is changed by an update of the user
    for (property, wanted) in [("StrongAuthenticationMethod", "credential_reset"), ("Department", "user_changed")] {
        let mut record = record("Update user.", 8, "ana", 0);
        record["ModifiedProperties"] = serde_json::json!([{"Name": property, "NewValue": "[]", "OldValue": "[1]"}]);
        assert_eq!(shown(&event_of("microsoft-365", &record.to_string()), &[Act]), wanted, "{property}");
    }
    // a record may name no workload
    let mut record = record("UserLoggedIn", 15, "ana", 0);
    record.as_object_mut().unwrap().remove("Workload");
    record["ResultStatus"] = "Successful".into();
    assert_eq!(read_alone(&record.to_string()), "microsoft-365 login success ana user 198.51.100.9");
}

#[test]
fn a_cmdlet_that_only_reads_changes_and_exports_nothing() {
    for name in
        ["Search-UnifiedAuditLog", "Get-AdminAuditLogConfig", "Get-ComplianceSearchExportStatus", "Test-AuditLog"]
    {
        let record = serde_json::json!({"CreationTime": "2026-04-01T09:00:00", "Id": "i1", "Operation": name, "RecordType": 1,
            "UserType": 2, "UserId": "ana@provider.example", "Workload": "Exchange", "ResultStatus": "True"});
        said("microsoft-365", &[(&record.to_string(), "view success -")]);
    }
}

#[test]
fn what_graph_calls_a_sign_in_of_a_program_is_one() {
    for (sort, wanted) in [("servicePrincipal", "key"), ("managedIdentity", "key"), ("interactiveUser", "user")] {
        let record = serde_json::json!({"createdDateTime": "2026-04-01T09:00:00Z", "id": "i1", "userPrincipalName": "",
            "servicePrincipalName": "backup", "servicePrincipalId": "s1", "ipAddress": "192.0.2.9", "status": {"errorCode": 0},
            "signInEventTypes": [sort]});
        assert_eq!(
            shown(&event_of("entra-signin", &record.to_string()), &[Field::ActorName, Field::ActorType]),
            format!("backup {wanted}")
        );
    }
}

#[test]
fn entra_records_are_known_in_every_spelling() {
    let ana = r#""user":{"userPrincipalName":"Ana@provider.example","id":"u1","ipAddress":"203.0.113.7"}"#;
    let audit = |operation: &str, by: &str, more: &str| {
        format!(
            r#"{{"time":"2026-04-01T09:00:00Z","category":"AuditLogs","operationName":"{operation}","callerIpAddress":"<null>","properties":{{"result":"success","activityDateTime":"2026-04-01T09:00:00Z","activityDisplayName":"{operation}","initiatedBy":{{{by}}}{more}}}}}"#
        )
    };
    let by_ana = "success ana@provider.example user 203.0.113.7";
    for (operation, activity) in [
        ("Recover device local administrator password", "view"),
        ("Read BitLocker key", "view"),
        ("Update StsRefreshTokenValidFrom Timestamp", "session_revoked"),
        ("User has elevated their access to User Access Administrator for their Azure Resources", "user_changed"),
        ("Add member to role in PIM completed (permanent)", "user_changed"),
        ("Add service principal", "settings_changed"),
        ("Add service principal credentials", "key_created"),
        ("User registered security info", "credential_reset"),
        ("Update user", "user_changed"),
    ] {
        let line = audit(operation, ana, "");
        assert_eq!(read_alone(&line), format!("entra-audit {activity} {by_ana}"));
        // with the category of the act, and in small letters
        let of_the_act = line.replace("\"AuditLogs\"", "\"ApplicationManagement\"");
        assert_eq!(read_alone(&of_the_act), format!("entra-audit {activity} {by_ana}"));
        let small = line.replace("operationName", "operationname").replace("callerIpAddress", "calleripaddress");
        assert_eq!(read_alone(&small), format!("entra-audit {activity} {by_ana}"));
    }
    let changed =
        r#","targetResources":[{"modifiedProperties":[{"displayName":"StrongAuthenticationMethod","newValue":"[]"}]}]"#;
    assert_eq!(read_alone(&audit("Update user", ana, changed)), format!("entra-audit credential_reset {by_ana}"));
    // where it came from may stand among the details; nobody began what the directory does by itself
    let nowhere = ana.replace("203.0.113.7", "<null>");
    let details = r#","additionalDetails":[{"key":"ipaddr","value":"203.0.113.7"}]"#;
    assert_eq!(read_alone(&audit("Add group", &nowhere, details)), format!("entra-audit user_changed {by_ana}"));
    assert_eq!(
        read_alone(
            &audit("Add policy", "", "").replace(r#""properties""#, r#""identity":"Provisioning","properties""#)
        ),
        "entra-audit settings_changed success provisioning system -"
    );
    let failed = audit("Add group", ana, "").replace(r#""result":"success""#, r#""result":"failed""#);
    assert_eq!(read_alone(&failed), "entra-audit user_changed failure ana@provider.example user 203.0.113.7");

    for (line, wanted) in [
        // AD FS writes another time; some collectors a word for the code; Log Analytics its own names
        (
            r#"{"time":"4/1/2026 9:00:07 AM","category":"ADFSSignInLogs","resultType":"0","properties":{"createdDateTime":"2026-04-01T09:00:00Z","userPrincipalName":"ana","servicePrincipalId":"","ipAddress":"203.0.113.7","status":{"errorCode":0}}}"#,
            "entra-signin login success ana user 203.0.113.7",
        ),
        (
            r#"{"time":"2026-04-01 09:00:00.123","category":"SignInLogs","resultType":"Success","properties":{"userPrincipalName":"ana","ipAddress":"203.0.113.7"}}"#,
            "entra-signin login success ana user 203.0.113.7",
        ),
        (
            r#"{"TimeGenerated":"2026-04-01T09:00:00Z","CreatedDateTime":"2026-04-01T09:00:00Z","Category":"SignInLogs","ResultType":"50126","UserPrincipalName":"ana","AppId":"a","IPAddress":"203.0.113.7"}"#,
            "entra-signin login failure ana user 203.0.113.7",
        ),
        (
            r#"{"time":"2026-04-01 09:00:00.123","category":"ServicePrincipalSignInLogs","resulttype":7000215,"calleripaddress":"203.0.113.7","properties":{"servicePrincipalName":"backup","servicePrincipalId":"1-2","status":{"errorCode":7000215}}}"#,
            "entra-signin login failure backup key 203.0.113.7",
        ),
        (
            r#"{"time":"4/1/2026 9:00:00 AM","category":"UserRiskEvents","properties":{"riskEventType":"unfamiliarFeatures","userPrincipalName":"ana","ipAddress":"203.0.113.7"}}"#,
            "entra-risk other unknown ana user 203.0.113.7",
        ),
        (
            r#"{"time":"2026-04-01T09:00:00Z","category":"ServicePrincipalRiskEvents","properties":{"riskEventType":"leakedCredentials","servicePrincipalDisplayName":"backup","servicePrincipalId":"1-2"}}"#,
            "entra-risk other unknown backup key -",
        ),
    ] {
        assert_eq!(read_alone(line), wanted);
    }
    let agent = r#"{"time":"4/1/2026 9:00:00 AM","category":"UserRiskEvents","properties":{"riskEventType":"x","userPrincipalName":"ana","additionalInfo":"[{\"Key\":\"userAgent\",\"Value\":\"curl/8\"}]"}}"#;
    assert_eq!(shown(&event_of("entra-risk", agent), &[Field::UserAgent]), "curl/8");
}

#[test]
fn the_azure_activity_log_is_read_as_each_of_its_ways_out_writes_it() {
    let upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";
    let event_hub = |operation: &str, category: &str, result: &str, claims: serde_json::Value| {
        serde_json::json!({
            "time": "2026-04-01T09:00:00Z", "resourceId": "/SUBSCRIPTIONS/1", "operationName": operation, "category": category,
            "resultType": result, "callerIpAddress": "203.0.113.7", "identity": {"claims": claims},
        })
    };
    let portal = |operation: &str, category: &str, status: &str, caller: &str| {
        serde_json::json!({
            "eventTimestamp": "2026-04-01T09:00:00Z", "resourceId": "/subscriptions/1", "caller": caller, "claims": {"ipaddr": "203.0.113.7"},
            "operationName": {"value": operation, "localizedValue": "x"}, "category": {"value": category}, "status": {"value": status},
        })
    };
    let ana = serde_json::json!({upn: "ana", "name": "Ana", "appid": "a", "idtyp": "user"});
    let program = serde_json::json!({"appid": "1-2-3-4-5"});
    for (record, wanted) in [
        (
            event_hub("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", "Administrative", "Start", ana.clone()),
            "settings_changed unknown ana user",
        ),
        (
            event_hub("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", "Administrative", "Failure", ana.clone()),
            "settings_changed failure ana user",
        ),
        (
            event_hub("MICROSOFT.STORAGE/ACCOUNTS/LISTKEYS/ACTION", "Action", "Success", program),
            "view success 1-2-3-4-5 key",
        ),
        (
            event_hub("Microsoft.Storage/accounts/regenerateKey/action", "Action", "Success", ana.clone()),
            "key_created success ana user",
        ),
        (
            event_hub("MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", "Administrative", "Success", ana.clone()),
            "user_changed success ana user",
        ),
        (
            event_hub("MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/READ", "Administrative", "Success", ana.clone()),
            "view success ana user",
        ),
        (
            event_hub("MICROSOFT.AUTHORIZATION/POLICIES/AUDIT/ACTION", "Policy", "Success", ana),
            "other success ana user",
        ),
        (
            portal("Microsoft.Network/networkSecurityGroups/write", "Administrative", "Succeeded", "ana"),
            "settings_changed success ana user",
        ),
        (
            portal("Microsoft.Network/networkSecurityGroups/write", "Administrative", "Succeeded", "1-2-3-4-5"),
            "settings_changed success 1-2-3-4-5 key",
        ),
        (
            portal(
                "Microsoft.Insights/AlertRules/Resolved/Action",
                "Alert",
                "Resolved",
                "Microsoft.Insights/alertRules",
            ),
            "other unknown microsoft.insights/alertrules system",
        ),
    ] {
        assert_eq!(read_alone(&record.to_string()), format!("azure-activity {wanted} 203.0.113.7"));
    }
    let table = r#"{"TimeGenerated":"2026-04-01T09:00:00Z","OperationNameValue":"MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/DELETE","CategoryValue":"Administrative","ActivityStatusValue":"Success","Caller":"ana@provider.example","CallerIpAddress":"203.0.113.7"}"#;
    assert_eq!(read_alone(table), "azure-activity user_changed success ana@provider.example user 203.0.113.7");
}
