//! What the profile of AWS CloudTrail says: how sign-ins end, who acts, what calls do.
use super::profiles::said;
use super::*;
use Field::Activity as Act;

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
