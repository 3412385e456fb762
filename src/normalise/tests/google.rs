//! What the profiles of Google Workspace, GitHub, Keycloak and Twilio say, in every shape in which their records are kept.
use super::*;
use Field::{Activity as Act, Cause as Why, Outcome as How};

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
