//! What the profiles of Microsoft 365, Entra and Azure say, in every spelling in which their records are kept.
use super::profiles::said;
use super::*;
use Field::{Activity as Act, Outcome as How};

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
