//! Forty-one of SigmaHQ's rules, of all kinds, each with an event that it selects and one that it does not.
use super::*;

/// The rule's file under `rules`, then fields and line of an event that matches, then of one that does not.
type Case = (&'static str, [&'static str; 2], [&'static str; 2]);

const CASES: &[Case] = &[
    (
        "application/bitbucket/audit/bitbucket_audit_full_data_export_triggered.yml",
        ["{auditType.category: Data pipeline, auditType.action: full data export triggered}", ""],
        ["{auditType.category: Data pipeline, auditType.action: Full data export cancelled}", ""],
    ),
    (
        "application/bitbucket/audit/bitbucket_audit_global_permissions_change_detected.yml",
        ["{auditType.category: Permissions, auditType.action: Global permission granted}", ""],
        ["{auditType.category: Projects, auditType.action: Global permission granted}", ""],
    ),
    (
        "application/django/appframework_django_exceptions.yml",
        ["{}", "ERROR django.security.DisallowedHost: Invalid HTTP_HOST header"],
        ["{}", "INFO django.request: Not Found"],
    ),
    (
        "application/github/audit/github_delete_action_invoked.yml",
        ["{action: repo.destroy}", ""],
        ["{action: repo.create}", ""],
    ),
    (
        "application/jvm/java_local_file_read.yml",
        ["{}", "java.io.FileNotFoundException: /../../../etc/passwd"],
        ["{}", "java.io.FileNotFoundException: /srv/file"],
    ),
    (
        "application/kubernetes/audit/kubernetes_audit_deployment_deleted.yml",
        ["{verb: delete, objectRef.resource: deployments}", ""],
        ["{verb: delete, objectRef.resource: pods}", ""],
    ),
    (
        "application/kubernetes/audit/kubernetes_audit_change_admission_controller.yml",
        [
            "{objectRef.apiGroup: admissionregistration.k8s.io, objectRef.resource: mutatingwebhookconfigurations, verb: patch}",
            "",
        ],
        [
            "{objectRef.apiGroup: admissionregistration.k8s.io, objectRef.resource: mutatingwebhookconfigurations, verb: get}",
            "",
        ],
    ),
    (
        "application/nodejs/nodejs_rce_exploitation_attempt.yml",
        ["{}", "at node:child_process:511"],
        ["{}", "at node:fs:1"],
    ),
    ("application/opencanary/opencanary_ftp_login_attempt.yml", ["{logtype: 2000}", ""], ["{logtype: 20001}", ""]),
    (
        "application/rpc_firewall/rpc_firewall_atsvc_lateral_movement.yml",
        ["{EventLog: RPCFW, EventID: 3, InterfaceUuid: 1ff70682-0a51-30e8-076d-740be8cee98b, OpNum: 1}", ""],
        ["{EventLog: RPCFW, EventID: 3, InterfaceUuid: 1ff70682-0a51-30e8-076d-740be8cee98b, OpNum: 2}", ""],
    ),
    (
        "application/rpc_firewall/rpc_firewall_atsvc_recon.yml",
        ["{EventLog: RPCFW, EventID: 3, InterfaceUuid: 1ff70682-0a51-30e8-076d-740be8cee98b, OpNum: 2}", ""],
        ["{EventLog: RPCFW, EventID: 3, InterfaceUuid: 1ff70682-0a51-30e8-076d-740be8cee98b, OpNum: 1}", ""],
    ),
    (
        "application/sql/app_sqlinjection_errors.yml",
        ["{}", "near \"x' or\": syntax error"],
        ["{}", "syntax error near the end"],
    ),
    (
        "cloud/aws/cloudtrail/aws_cloudtrail_bucket_deleted.yml",
        ["{eventName: DeleteBucket}", ""],
        ["{eventName: DeleteBucket, errorCode: AccessDenied}", ""],
    ),
    (
        "cloud/aws/cloudtrail/aws_cloudtrail_bedrock_guardrail_deleted.yml",
        ["{eventName: DeleteGuardrail, eventSource: bedrock.amazonaws.com}", ""],
        ["{eventName: GetGuardrail, eventSource: bedrock.amazonaws.com}", ""],
    ),
    (
        "cloud/azure/activity_logs/azure_aadhybridhealth_adfs_service_delete.yml",
        [
            "{CategoryValue: Administrative, ResourceProviderValue: Microsoft.ADHybridHealthService, ResourceId: /x/AdFederationService-y, OperationNameValue: Microsoft.ADHybridHealthService/services/delete}",
            "",
        ],
        [
            "{CategoryValue: Administrative, ResourceProviderValue: Microsoft.ADHybridHealthService, ResourceId: /x/y, OperationNameValue: Microsoft.ADHybridHealthService/services/delete}",
            "",
        ],
    ),
    (
        "cloud/azure/activity_logs/azure_application_gateway_modified_or_deleted.yml",
        ["{operationName: Microsoft.Network/applicationGateways/write}", ""],
        ["{operationName: Microsoft.Network/applicationGateways/read}", ""],
    ),
    (
        "cloud/azure/audit_logs/azure_aad_secops_ca_policy_removedby_bad_actor.yml",
        ["{properties.message: Delete conditional access policy}", ""],
        ["{properties.message: Add conditional access policy}", ""],
    ),
    (
        "cloud/azure/identity_protection/azure_identity_protection_anomalous_token.yml",
        ["{riskEventType: anomalousToken}", ""],
        ["{riskEventType: leakedCredentials}", ""],
    ),
    (
        "cloud/azure/privileged_identity_management/azure_pim_account_stale.yml",
        ["{riskEventType: staleSignInAlertIncident}", ""],
        ["{riskEventType: invalidLicenseAlertIncident}", ""],
    ),
    ("cloud/azure/signin_logs/azure_account_lockout.yml", ["{ResultType: '50053'}", ""], ["{ResultType: 50126}", ""]),
    (
        "cloud/azure/signin_logs/azure_ad_azurehound_discovery.yml",
        ["{userAgent: AzureHound/v2.0, ResultType: 0}", ""],
        ["{userAgent: AzureHound/v2.0, ResultType: 50053}", ""],
    ),
    (
        "cloud/azure/signin_logs/azure_ad_device_registration_or_join_without_mfa.yml",
        [
            "{ResourceDisplayName: Device Registration Service, conditionalAccessStatus: success, AuthenticationRequirement: singleFactorAuthentication}",
            "",
        ],
        [
            "{ResourceDisplayName: Device Registration Service, conditionalAccessStatus: success, AuthenticationRequirement: multiFactorAuthentication}",
            "",
        ],
    ),
    (
        "cloud/gcp/audit/gcp_breakglass_container_workload_deployed.yml",
        [
            "{data.protoPayload.resource.type: k8s_cluster, data.protoPayload.logName: cloudaudit.googleapis.com/activity, data.protoPayload.methodName: io.k8s.core.v1.pods.create}",
            "x image-policy.k8s.io/break-glass y",
        ],
        [
            "{data.protoPayload.resource.type: k8s_cluster, data.protoPayload.logName: cloudaudit.googleapis.com/activity, data.protoPayload.methodName: io.k8s.core.v1.pods.create}",
            "x",
        ],
    ),
    (
        "cloud/gcp/audit/gcp_bucket_enumeration.yml",
        ["{gcp.audit.method_name: storage.buckets.list}", ""],
        ["{gcp.audit.method_name: storage.objects.list}", ""],
    ),
    (
        "cloud/gcp/gworkspace/admin/gcp_gworkspace_application_access_levels_modified.yml",
        [
            "{eventService: admin.googleapis.com, eventName: CHANGE_APPLICATION_SETTING, setting_name: ContextAwareAccess assignments}",
            "",
        ],
        ["{eventService: admin.googleapis.com, eventName: CHANGE_APPLICATION_SETTING, setting_name: Colour}", ""],
    ),
    (
        "cloud/gcp/gworkspace/login/gcp_gworkspace_suspicious_login.yml",
        [
            "{protoPayload.Servicename: login.googleapis.com, protoPayload.metadata.event.eventName: suspicious_login}",
            "",
        ],
        ["{protoPayload.Servicename: login.googleapis.com, protoPayload.metadata.event.eventName: login_success}", ""],
    ),
    (
        "cloud/m365/audit/microsoft365_bypass_conditional_access.yml",
        [
            "{Operation: UserLoggedIn, ApplicationId: 9ba1a5c7-f17a-4de9-a1f1-6178c8d51223, ResultStatus: Success, RequestType: 'Cmsi:Cmsi', ObjectId: x}",
            "",
        ],
        [
            "{Operation: UserLoggedIn, ApplicationId: 9ba1a5c7-f17a-4de9-a1f1-6178c8d51223, ResultStatus: Success, RequestType: 'Cmsi:Cmsi', ObjectId: 0000000a-0000-0000-c000-000000000000}",
            "",
        ],
    ),
    (
        "cloud/m365/audit/microsoft365_new_federated_domain_added_audit.yml",
        ["{Operation: Add unverified domain.}", ""],
        ["{Operation: Remove domain.}", ""],
    ),
    (
        "cloud/m365/threat_management/microsoft365_activity_by_terminated_user.yml",
        [
            "{eventSource: SecurityComplianceCenter, eventName: Activity performed by terminated user, status: success}",
            "",
        ],
        [
            "{eventSource: SecurityComplianceCenter, eventName: Activity performed by terminated user, status: failed}",
            "",
        ],
    ),
    (
        "identity/cisco_duo/cisco_duo_mfa_bypass_via_bypass_code.yml",
        ["{event_type: authentication, reason: bypass_user}", ""],
        ["{event_type: authentication, reason: user_approved}", ""],
    ),
    (
        "identity/okta/okta_admin_activity_from_proxy_query.yml",
        ["{debugContext.debugData.requestUri: /api/v1/admin/x, securityContext.isProxy: true}", ""],
        ["{debugContext.debugData.requestUri: /api/v1/admin/x, securityContext.isProxy: false}", ""],
    ),
    (
        "identity/okta/okta_admin_role_assigned_to_user_or_group.yml",
        ["{eventType: user.account.privilege.grant}", ""],
        ["{eventType: user.session.start}", ""],
    ),
    ("identity/onelogin/onelogin_user_account_locked.yml", ["{event_type_id: 553}", ""], ["{event_type_id: 5}", ""]),
    ("network/cisco/aaa/cisco_cli_clear_logs.yml", ["{}", "cmd=clear logging"], ["{}", "cmd=show logging"]),
    (
        "network/cisco/ldp/cisco_ldp_md5_auth_failed.yml",
        ["{}", "%LDP-4: TCPMD5AuthenFail"],
        ["{}", "%BGP-4: TCPMD5AuthenFail"],
    ),
    (
        "network/dns/net_dns_mal_cobaltstrike.yml",
        ["{query: x.stage.123456.example.com}", ""],
        ["{query: stage.123456.example.com}", ""],
    ),
    (
        "network/firewall/net_firewall_cleartext_protocols.yml",
        ["{dst_port: 23, blocked: 'False'}", ""],
        ["{dst_port: 22, blocked: 'false'}", ""],
    ),
    (
        "network/zeek/zeek_dce_rpc_smb_spoolss_named_pipe.yml",
        [r"{path: '\\srv\IPC$', name: spoolss}", ""],
        [r"{path: '\\srv\C$', name: spoolss}", ""],
    ),
    (
        "web/product/nginx/web_nginx_core_dump.yml",
        ["{}", "worker process 7 exited on signal 6 (core dumped)"],
        ["{}", "worker process 7 exited on signal 9"],
    ),
    (
        "web/proxy_generic/proxy_downloadcradle_webdav.yml",
        ["{http_request.user_agent: Microsoft-WebDAV-MiniRedir/10.0, http_request.http_method: GET}", ""],
        ["{http_request.user_agent: curl/8, http_request.http_method: GET}", ""],
    ),
    (
        "web/webserver_generic/web_iis_tilt_shortname_scan.yml",
        ["{cs-uri-query: '/x~1/a.aspx', http_request.http_method: OPTIONS, http_response.code: 200}", ""],
        ["{cs-uri-query: '/x~1/a.aspx', http_request.http_method: OPTIONS, http_response.code: 404}", ""],
    ),
];

/// Whether the rule selects an event of its own product with these fields and this line.
fn selects(rule: &str, [fields, line]: [&str; 2]) -> bool {
    let alone = load(&[("rule", rule)], &Site::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
    let product = alone.rules[0].logsource.product.as_deref().unwrap_or("test").to_owned();
    // The probe is for the same product, so that it means by its names what the rule means.
    let line = format!("'{}'", line.replace('\'', "''"));
    let probe = format!(
        "title: probe\nname: probe\nlogsource: {{product: {product}}}\ndetection: {{s: {{x: 1}}, condition: s}}\ntripline:\n  tests:\n  - name: n\n    finds: 0\n    events:\n    - at: 0m\n      fields: {fields}\n      line: {line}\n"
    );
    let set = load(&[("probe", &probe), ("rule", rule)], &Site::default())
        .unwrap_or_else(|e| panic!("{}\n{probe}", told(&e)));
    let events = set.get("probe").expect("the probe").tests[0].events();
    let rule = set.rules.iter().find(|r| &*r.name != "probe").expect("the rule");
    match &rule.body {
        Body::Detection(matcher) => matcher.matches(&events[0].1),
        Body::Correlation(_) => panic!("not a detection"),
    }
}

#[test]
fn rules_of_all_kinds_select_what_they_are_for_and_nothing_else() {
    let Some(root) = crate::skip::of_others("samples/sigmahq/rules") else { return };
    assert!(CASES.len() >= 40);
    for (file, yes, no) in CASES {
        let rule = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(selects(&rule, *yes), "{file} should match {yes:?}");
        assert!(!selects(&rule, *no), "{file} should not match {no:?}");
    }
}
