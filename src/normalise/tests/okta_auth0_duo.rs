//! What the records of Okta, Auth0 and Duo say: what was done, by whom, how it ended; in the shapes in which others keep them, too.
use super::*;
use Field::{Activity as Act, ActorName as Who, ActorType as Kind, Cause as Why, Outcome as How, UserAgent as Agent};
use serde_json::json;

/// The one record is of that profile, without configuration, and its event shows the fields.
fn hold(profile: &str, record: &serde_json::Value, fields: &[Field], wanted: &str) {
    let line = record.to_string();
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let found = normaliser.recognise(&[line.as_bytes()]).map(|found| normaliser.name(found.profile).to_owned());
    assert_eq!(found.as_deref(), Some(profile), "{line}");
    assert_eq!(shown(&event_of(profile, &line), fields), wanted, "{line}");
}

/// An Okta record as its API gives it.
fn okta(kind: &str, result: &str) -> serde_json::Value {
    json!({
        "uuid": "u1", "published": "2026-04-01T09:00:00.000Z", "eventType": kind, "displayMessage": "said",
        "actor": {"id": "00u1", "type": "User", "alternateId": "ana@provider.example"},
        "client": {"ipAddress": "198.51.100.9", "userAgent": {"rawUserAgent": "curl/8"}}, "outcome": {"result": result},
        "debugContext": {"debugData": {"requestUri": "/x"}}, "authenticationContext": {"externalSessionId": "s1"},
    })
}

/// The same with the top keys in small letters.
fn small(record: &serde_json::Value) -> serde_json::Value {
    let top = record.as_object().unwrap();
    top.iter().map(|(key, value)| (key.to_lowercase(), value.clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn an_okta_event_is_what_its_type_says_in_either_spelling_of_its_keys() {
    for (kind, result, wanted) in [
        ("user.session.start", "SUCCESS", "login success -"),
        ("policy.evaluate_sign_on", "CHALLENGE", "login unknown -"),
        ("app.generic.unauth_app_access_attempt", "FAILURE", "login failure forbidden"),
        ("application.policy.sign_on.deny_access", "FAILURE", "login failure forbidden"),
        ("system.iwa_agentless.user.not_found", "FAILURE", "login failure other"),
        ("user.authentication.auth_via_IDP", "SUCCESS", "login success -"),
        ("system.ldapi.bind", "SUCCESS", "login success -"),
        ("system.ldapi.unbind", "SUCCESS", "logout success -"),
        ("user.mfa.factor.suspend", "SUCCESS", "credential_reset success -"),
        ("system.agent.ldap.reset_user_password", "SUCCESS", "credential_reset success -"),
        ("user.account.unlock_by_admin", "SUCCESS", "user_changed success -"),
        ("user.account.update_primary_email", "SUCCESS", "user_changed success -"),
        ("system.import.user.create", "SUCCESS", "user_changed success -"),
        ("system.import.start", "SUCCESS", "other success -"),
        ("app.oauth2.token.grant.access_token", "SUCCESS", "api_call success -"),
        ("app.oauth2.as.token.grant.refresh_token", "FAILURE", "api_call failure -"),
        ("app.oauth2.authorize.code", "SUCCESS", "api_call success -"),
        ("app.oauth2.as.token.detect_reuse", "FAILURE", "api_call failure -"),
        ("app.oauth2.token.revoke", "SUCCESS", "session_revoked success -"),
        ("app.oauth2.admin.consent.grant", "SUCCESS", "key_created success -"),
        ("app.oauth2.as.consent.revoke.user", "SUCCESS", "key_deleted success -"),
        ("app.oauth2.signon", "SUCCESS", "login success -"),
        ("application.user_membership.show_password", "SUCCESS", "view success -"),
        ("support.org.view", "SUCCESS", "view success -"),
        ("analytics.reports.export.download", "SUCCESS", "download success -"),
        ("system.email.password_reset.sent_message", "SUCCESS", "other success -"),
        ("system.email.send_factor_verify_message", "SUCCESS", "mfa_challenge success -"),
        ("system.sms.send_password_reset_message", "SUCCESS", "other success -"),
        ("system.org.rate_limit.warning", "SUCCESS", "other success -"),
        ("system.operation.rate_limit.violation", "DENY", "other failure -"),
        ("security.threat.detected", "ALLOW", "other success -"),
        ("security.threat.configuration.update", "SUCCESS", "settings_changed success -"),
        ("user.account.report_suspicious_activity_by_enduser", "SUCCESS", "other success -"),
        ("event_hook.delivery", "FAILURE", "other failure -"),
        ("event_hook.deleted", "SUCCESS", "logging_changed success -"),
        ("oauth2.scope.created", "SUCCESS", "settings_changed success -"),
        ("system.idp.lifecycle.create", "SUCCESS", "settings_changed success -"),
    ] {
        let record = okta(kind, result);
        let wanted = format!("{wanted} ana@provider.example user 198.51.100.9 curl/8 server");
        for record in [&record, &small(&record)] {
            hold("okta", record, &[Act, How, Why, Who, Kind, Field::Ip, Agent, Field::SessionVouched], &wanted);
        }
    }
}

#[test]
fn an_okta_record_is_known_without_what_others_drop_of_it() {
    for dropped in [
        &["uuid"][..],
        &["published", "uuid"],
        &["uuid", "outcome"],
        &["published", "actor"],
        &["uuid", "published", "actor", "client", "displayMessage"],
    ] {
        let mut record = okta("user.session.start", "SUCCESS");
        for key in dropped {
            record.as_object_mut().unwrap().remove(*key);
        }
        let how = if dropped.contains(&"outcome") { "unknown" } else { "success" };
        hold("okta", &record, &[Act, How], &format!("login {how}"));
    }
    let mut record = okta("user.session.start", "SUCCESS");
    let top = record.as_object_mut().unwrap();
    top.remove("published");
    top.insert("p_event_time".to_owned(), json!("2026-04-01 09:00:00.250000000"));
    assert_eq!(event_of("okta", &record.to_string()).time.to_string(), "2026-04-01T09:00:00.250Z");
}

#[test]
fn what_identity_engine_writes_of_a_password_is_a_login_and_no_second_factor() {
    for (factor, reason, wanted) in [
        ("PASSWORD_AS_FACTOR", "INVALID_CREDENTIALS", "login failure wrong_password"),
        ("OKTA_VERIFY_PUSH", "INVALID_CREDENTIALS", "mfa_challenge failure factor_refused"),
        ("GOOGLE_OTP", "INVALID_CREDENTIALS", "mfa_challenge failure wrong_factor"),
        ("SIGNED_NONCE", "FastPass declined phishing attempt", "mfa_challenge failure forbidden"),
        ("SMS_FACTOR", "Request blocked by network zone", "mfa_challenge failure forbidden"),
    ] {
        let mut record = okta("user.authentication.auth_via_mfa", "FAILURE");
        record["outcome"]["reason"] = json!(reason);
        record["debugContext"]["debugData"]["factor"] = json!(factor);
        for record in [&record, &small(&record)] {
            hold("okta", record, &[Act, How, Why], wanted);
        }
    }
    let mut nobody = okta("user.session.start", "FAILURE");
    nobody["outcome"]["reason"] = json!("VERIFICATION_ERROR");
    hold("okta", &nobody, &[Act, How, Why], "login failure wrong_password");
    nobody["actor"]["id"] = json!("unknown");
    hold("okta", &nobody, &[Act, How, Why], "login failure unknown_user");
    let mut locked = okta("user.account.lock", "FAILURE");
    locked["outcome"]["reason"] = json!("LOCKED_OUT");
    hold("okta", &locked, &[Act, How, Why], "login failure locked");
}

#[test]
fn what_acts_in_okta_is_told_by_its_type() {
    for (kind, name, wanted) in [
        ("User", "ana@provider.example", "user"),
        ("User", "system@okta.com", "system"),
        ("SystemPrincipal", "system@okta.com", "system"),
        ("PublicClientApp", "portal", "key"),
        ("PublicClientAppEntity", "portal", "key"),
        ("PrivateClientAppEntity", "portal", "key"),
        ("ServiceApp", "portal", "key"),
    ] {
        let mut record = okta("user.mfa.factor.deactivate", "SUCCESS");
        record["actor"] = json!({"id": "a1", "type": kind, "alternateId": name});
        hold("okta", &record, &[Act, Who, Kind], &format!("credential_reset {name} {wanted}"));
    }
}

/// An Auth0 record.
fn auth0(kind: &str, description: &str) -> serde_json::Value {
    json!({
        "log_id": "l1", "date": "2026-05-01T10:00:00.000Z", "type": kind, "description": description, "client_id": "c1",
        "client_name": "Portal", "ip": "198.51.100.9", "user_agent": "curl/8", "user_id": "auth0|1", "user_name": "ana",
    })
}

#[test]
fn an_auth0_code_says_what_was_done_and_how_it_ended() {
    for (kind, description, wanted) in [
        ("s", "", "login success -"),
        ("fu", "", "login failure unknown_user"),
        ("fcoa", "Wrong email or password.", "login failure wrong_password"),
        ("fcoa", "Unknown or invalid login ticket", "login failure other"),
        ("fepft", "Wrong email or password.", "login failure wrong_password"),
        ("fepft", "Multifactor authentication required", "login unknown unfinished"),
        ("fepotpft", "", "login failure wrong_factor"),
        ("sens", "", "login success -"),
        ("fens", "", "login failure other"),
        ("pwd_leak", "", "login failure wrong_password"),
        ("limit_wc", "", "login failure locked"),
        ("limit_sul", "", "login failure forbidden"),
        ("fco", "", "login failure forbidden"),
        // a code was sent, a factor is asked for, a warning: nobody is in yet, nobody was refused
        ("cls", "", "login unknown unfinished"),
        ("cs", "", "login unknown unfinished"),
        ("w", "", "login unknown -"),
        ("mfar", "", "mfa_challenge unknown unfinished"),
        ("gd_auth_rejected", "", "mfa_challenge failure factor_refused"),
        ("gd_webauthn_challenge_failed", "", "mfa_challenge failure wrong_factor"),
        ("feotpft", "", "mfa_challenge failure wrong_factor"),
        ("feoobft", "", "mfa_challenge failure other"),
        ("seotpft", "", "mfa_challenge success -"),
        ("fertft", "", "api_call failure -"),
        ("fd", "", "api_call failure -"),
        ("api_limit", "", "other failure -"),
        ("limit_ui", "", "other failure -"),
        ("depnote", "", "other unknown -"),
        ("actions_execution_failed", "", "other failure -"),
        ("sce", "", "user_changed success -"),
        ("svr", "", "user_changed success -"),
        ("scp", "", "credential_reset success -"),
        ("oidc_backchannel_logout_succeeded", "", "logout success -"),
        ("oidc_backchannel_logout_failed", "", "logout failure -"),
    ] {
        hold("auth0", &auth0(kind, description), &[Act, How, Why, Who, Kind], &format!("{wanted} ana user"));
    }
    let mut bare = auth0("s", "");
    bare.as_object_mut().unwrap().remove("log_id");
    hold("auth0", &json!({"data": bare}), &[Act, How, Who, Field::Ip, Agent], "login success ana 198.51.100.9 curl/8");
}

#[test]
fn the_call_says_what_auth0s_management_api_was_used_for() {
    for (kind, method, path, wanted) in [
        ("mgmt_api_read", "get", "/api/v2/clients/c2", "view success"),
        ("sapi", "get", "/api/v2/users", "view success"),
        ("sapi", "post", "/api/v2/users", "user_changed success"),
        ("sapi", "post", "/api/v2/roles/r1/users", "user_changed success"),
        ("sapi", "post", "/api/v2/tenants/invitations", "user_changed success"),
        ("sapi", "delete", "/api/v2/users/auth0%7C2/multifactor/duo", "credential_reset success"),
        ("sapi", "post", "/api/v2/tickets/password-change", "credential_reset success"),
        ("sapi", "post", "/api/v2/clients", "key_created success"),
        ("sapi", "post", "/api/v2/clients/c2/rotate-secret", "key_created success"),
        ("sapi", "patch", "/api/v2/clients/c2", "settings_changed success"),
        ("sapi", "delete", "/api/v2/client-grants/g1", "key_deleted success"),
        ("sapi", "delete", "/api/v2/users/auth0%7C2/sessions", "session_revoked success"),
        ("sapi", "patch", "/api/v2/log-streams/lst_1", "logging_changed success"),
        ("sapi", "post", "/api/v2/jobs/users-exports", "export_requested success"),
        ("fapi", "post", "/api/v2/connections", "settings_changed failure"),
        ("sapi", "put", "/api/v2/guardian/policies", "settings_changed success"),
    ] {
        let mut record = auth0(kind, "");
        record["details"] =
            json!({"request": {"method": method, "path": path, "channel": "https://manage.auth0.com/"}});
        hold("auth0", &record, &[Act, How, Kind], &format!("{wanted} user"));
    }
    let mut password = auth0("sapi", "Update a User");
    password["details"] =
        json!({"request": {"method": "patch", "path": "/api/v2/users/auth0%7C2", "body": {"password": "*****"}}});
    hold("auth0", &password, &[Act], "credential_reset");
    let mut own = auth0("seccft", "");
    own["user_id"] = json!("");
    own["user_name"] = json!("");
    hold("auth0", &own, &[Act, Who, Kind], "api_call portal key");
    own["client_name"] = json!("");
    hold("auth0", &own, &[Act, Field::ActorUid, Kind], "api_call c1 key");
    let mut program = auth0("sapi", "");
    program["user_id"] = json!("c1@clients");
    program["user_name"] = json!("");
    hold("auth0", &program, &[Act, Who, Kind], "settings_changed c1@clients key");
}

#[test]
fn a_duo_refusal_by_a_policy_is_no_wrong_code_and_a_record_without_its_ids_is_known() {
    for (factor, result, reason, wanted) in [
        ("duo_push", "success", "user_approved", "mfa_challenge success -"),
        ("duo_push", "fraud", "user_marked_fraud", "mfa_challenge failure factor_refused"),
        ("verified_duo_push", "denied", "verification_code_incorrect", "mfa_challenge failure wrong_factor"),
        ("sms_passcode", "denied", "factor_restricted", "mfa_challenge failure forbidden"),
        ("duo_push", "denied", "invalid_device", "mfa_challenge failure forbidden"),
        ("duo_push", "denied", "could_not_determine_if_endpoint_was_trusted", "mfa_challenge failure forbidden"),
        ("not_available", "denied", "deny_unenrolled_user", "login failure forbidden"),
        ("not_available", "denied", "no_referring_hostname_provided", "login failure forbidden"),
        ("not_available", "denied", "locked_out", "login failure locked"),
        ("not_available", "success", "bypass_user", "login success -"),
    ] {
        let record = json!({
            "access_device": {"ip": "198.51.100.9", "os": "Linux"}, "application": {}, "event_type": "authentication", "factor": factor,
            "reason": reason, "result": result, "user": {"name": "ana"},
        });
        hold("duo", &record, &[Act, How, Why, Who, Field::Ip], &format!("{wanted} ana 198.51.100.9"));
    }
    let first = json!({
        "timestamp": 1775034000, "factor": "Duo Push", "ip": "198.51.100.9", "username": "ana", "integration": "vpn",
        "result": "FAILURE", "reason": "No response",
    });
    hold("duo", &first, &[Act, How, Why, Who, Field::Ip], "mfa_challenge failure factor_unanswered ana 198.51.100.9");
}

#[test]
fn duos_administrators_their_programs_and_duo_itself_are_told_apart() {
    for (action, user, description, wanted) in [
        ("admin_lockout", "Ana Staff", "", "login failure locked ana staff user -"),
        ("bypass_view", "Ana Staff", "", "view success - ana staff user -"),
        ("integration_skey_view", "Ana Staff", "", "view success - ana staff user -"),
        ("integration_create", "Ana Staff", "", "key_created success - ana staff user -"),
        ("update_admin_factor_restrictions", "Ana Staff", "", "settings_changed success - ana staff user -"),
        ("user_adminapi_lockout", "API", "", "user_changed success - api key -"),
        ("user_delete", "System", "", "user_changed success - system system -"),
        ("user_update", "AD Sync: provider.example", "", "user_changed success - ad sync: provider.example system -"),
        ("o2fa_user_provisioned", "ana", r#"{"user_agent":"Agent/4"}"#, "credential_reset success - ana user Agent/4"),
    ] {
        let record = json!({
            "action": action, "username": user, "description": description, "timestamp": "2026-04-01 09:00:00",
            "isotimestamp": "2026-04-01 09:00:00",
        });
        hold("duo-admin", &record, &[Act, How, Why, Who, Kind, Agent], wanted);
        assert_eq!(event_of("duo-admin", &record.to_string()).time.to_string(), "2026-04-01T09:00:00.000Z");
    }
    for (action, kind, result, wanted) in [
        ("webauthncredential_create", "user", "FAILURE", "credential_reset failure user"),
        ("password_change", "user", "SUCCESS", "credential_reset success user"),
        ("login_attempt", "user", "FAILURE", "login failure user"),
        ("mfa_challenge", "user", "SUCCESS", "mfa_challenge success user"),
        ("user_create", "admin_api", "SUCCESS", "user_changed success key"),
    ] {
        let record = json!({
            "activity_id": "a1", "ts": "2026-04-01T09:00:00+00:00", "action": {"name": action}, "actor": {"name": "ana", "key": "k", "type": kind},
            "outcome": {"result": result}, "access_device": {"ip": {"address": "198.51.100.9"}}, "target": {"details": r#"{"user_agent":"Agent/4"}"#},
        });
        hold("duo-admin", &record, &[Act, How, Kind, Agent, Field::Ip], &format!("{wanted} Agent/4 198.51.100.9"));
    }
}
