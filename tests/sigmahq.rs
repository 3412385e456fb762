//! Rules in SigmaHQ's words against records as the products write them: each is selected by what it is for, and by nothing else.
use crate::oracle::selecting::{Live, selects};
use crate::support::of_others;
use std::path::Path;
use tripline::policy::{Body, FieldRef};

/// A rule's detection, a record that it selects, and one that it does not.
type Case<'c> = (&'c str, &'c str, &'c str);

fn hold(logsource: &str, profile: &str, cases: &[Case<'_>]) {
    for (detection, yes, no) in cases {
        assert!(selects(logsource, detection, profile, yes), "{detection} should select {yes}");
        assert!(!selects(logsource, detection, profile, no), "{detection} should not select {no}");
    }
}

/// The same record with something in it replaced.
fn but(record: &str, this: &str, that: &str) -> String {
    assert!(record.contains(this), "{this} in {record}");
    record.replace(this, that)
}

const ACTIVITY: &str = r#"{"time":"2026-04-01T09:00:00Z","resourceId":"/SUBSCRIPTIONS/1/PROVIDERS/MICROSOFT.ADHYBRIDHEALTHSERVICE/services/AdFederationService_adfs","operationName":"Microsoft.ADHybridHealthService/services/servicemembers/action","category":"Administrative","resultType":"Success","callerIpAddress":"198.51.100.7","identity":{"claims":{"name":"ana"}},"properties":{}}"#;
const RISK: &str = r#"{"time":"8/22/2026 6:07:16 PM","category":"UserRiskEvents","operationName":"User Risk Detection","properties":{"id":"r","riskEventType":"passwordSpray","riskState":"atRisk","detectedDateTime":"2026-08-22T18:05:06.133Z","userPrincipalName":"ana@provider.example"}}"#;
const GRAPH_RISK: &str = r#"{"id":"r","riskEventType":"passwordSpray","riskState":"atRisk","detectedDateTime":"2026-08-22T18:05:06.133Z","userPrincipalName":"ana@provider.example"}"#;
const ALERT: &str = r##"{"@odata.type":"#microsoft.graph.noMfaOnRoleActivationAlertIncident","id":"a","roleDisplayName":"Global Administrator","assigneeUserPrincipalName":"ana@provider.example"}"##;
const OKTA: &str = r#"{"eventType":"policy.evaluate_sign_on","published":"2026-04-01T09:00:00Z","uuid":"u","displayMessage":"Evaluation of sign-on policy","legacyEventType":"core.user_auth.login_failed","actor":{"id":"1","type":"User","alternateId":"ana@provider.example"},"outcome":{"result":"FAILURE","reason":"FastPass declined phishing attempt"},"securityContext":{"isProxy":true},"debugContext":{"debugData":{"requestUri":"/reports/password-health/x","behaviors":"{New Device=POSITIVE}"}},"target":[{"type":"AppInstance","displayName":"Okta Admin Console"},{"type":"AppUser","displayName":"ana"}]}"#;
/// The same sort of record as data lakes keep it, with top keys in small letters.
const OKTA_SMALL: &str = r#"{"eventtype":"policy.evaluate_sign_on","published":"2026-04-01T09:00:00Z","uuid":"u","displaymessage":"Evaluation of sign-on policy","legacyeventtype":"core.user_auth.login_failed","actor":{"id":"1","type":"User","alternateId":"ana@provider.example"},"outcome":{"result":"FAILURE"},"securitycontext":{"isProxy":true},"debugcontext":{"debugData":{"requestUri":"/reports/x","url":"/reports/x?"}}}"#;
const GITHUB: &str = r#"{"@timestamp":1775034000000,"_document_id":"d","action":"secret_scanning.disable","actor":"ana","org":"provider","repo":"provider/x","actor_ip":"198.51.100.7","transport_protocol_name":"ssh"}"#;
const AWS: &str = r#"{"eventVersion":"1.08","eventTime":"2026-04-01T09:00:00Z","eventID":"e","eventSource":"iam.amazonaws.com","eventName":"ConsoleLogin","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::1:user/ana","sessionContext":{"sessionIssuer":{"type":"Role"}}},"requestParameters":{"attribute":"userData","containerDefinitions":[{"command":["sh","-c","curl $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]}]},"responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"No"}}"#;
const M365_RULE: &str = r#"{"CreationTime":"2026-04-01T09:00:00","Id":"i","RecordType":1,"UserId":"ana@provider.example","UserType":0,"Workload":"Exchange","Operation":"New-InboxRule","ResultStatus":"True","Parameters":[{"Name":"ForwardTo","Value":"x@evil.example"},{"Name":"DeleteMessage","Value":"True"}]}"#;
const M365_LOGIN: &str = r#"{"CreationTime":"2026-04-01T09:00:00","Id":"i","RecordType":15,"UserId":"ana@provider.example","UserType":0,"Workload":"AzureActiveDirectory","Operation":"UserLoggedIn","ResultStatus":"Success","ApplicationId":"9ba1a5c7","ObjectId":"o","ExtendedProperties":[{"Name":"RequestType","Value":"Cmsi:Cmsi"}]}"#;
const WORKSPACE: &str = r#"{"kind":"admin#reports#activity","id":{"time":"2026-04-01T09:00:00Z","applicationName":"admin"},"actor":{"email":"ana@provider.example","profileId":"1"},"ipAddress":"198.51.100.7","events":[{"type":"OTHER","name":"first"},{"type":"APPLICATION_SETTINGS","name":"CHANGE_APPLICATION_SETTING","parameters":[{"name":"SETTING_NAME","value":"ContextAwareAccess ENFORCED"},{"name":"NEW_VALUE","value":"false"}]}]}"#;
const WEB: &str = r#"198.51.100.7 - ana [01/Apr/2026:09:00:00 +0000] "GET /cgi-bin/%2e%2e/x.php?cmd=whoami HTTP/1.1" 200 512 "http://evil.example/?a=${jndi:ldap" "Mozilla/5.0 sqlmap/1.7""#;
const PROXY: &str = r#"10.0.0.9 - ana [01/Apr/2026:09:00:00 +0000] "GET http://api.evil.example:8080/a/b.exe?x=1 HTTP/1.1" 200 512 "-" "Wget/1.21" TCP_MISS:HIER_DIRECT"#;
const TUNNEL: &str = r#"10.0.0.9 - ana [01/Apr/2026:09:00:00 +0000] "CONNECT api.evil.example:443 HTTP/1.1" 200 512 "-" "curl/8" TCP_TUNNEL:HIER_DIRECT"#;

/// A sign-in as Azure diagnostic settings write it.
const SIGN_IN: &str = r#"{"time":"2026-04-01T09:00:00Z","resourceId":"/tenants/t/providers/Microsoft.aadiam","operationName":"Sign-in activity","category":"SignInLogs","resultType":"50126","resultDescription":"Error validating credentials due to invalid username or password.","callerIpAddress":"198.51.100.7","location":"DE","properties":{"id":"s1","userPrincipalName":"ana@provider.example","appId":"1950a258","networkLocationDetails":[],"clientAppUsed":"IMAP4","authenticationRequirement":"singleFactorAuthentication","conditionalAccessStatus":"success","resourceDisplayName":"Device Registration Service","riskState":"atRisk","homeTenantId":"t","resourceTenantId":"u","userAgent":"axios/1.7.9","status":{"errorCode":50126,"failureReason":"Error validating credentials due to invalid username or password.","additionalDetails":"MFA denied; user declined the authentication"},"deviceDetail":{"deviceId":"","isCompliant":false,"trustType":""},"location":{"city":"Berlin","countryOrRegion":"DE"}}}"#;

/// The same as Microsoft Graph gives it.
const GRAPH_SIGN_IN: &str = r#"{"id":"s1","createdDateTime":"2026-04-01T09:00:00Z","userPrincipalName":"ana@provider.example","appId":"1950a258","ipAddress":"198.51.100.7","networkLocationDetails":[],"clientAppUsed":"IMAP4","userAgent":"axios/1.7.9","authenticationRequirement":"singleFactorAuthentication","conditionalAccessStatus":"success","resourceDisplayName":"Device Registration Service","riskState":"atRisk","homeTenantId":"t","resourceTenantId":"u","status":{"errorCode":50126,"failureReason":"Error validating credentials due to invalid username or password.","additionalDetails":"MFA denied; user declined the authentication"},"deviceDetail":{"deviceId":"","isCompliant":false,"trustType":""},"location":{"city":"Berlin","countryOrRegion":"DE"}}"#;

#[test]
fn rules_for_sign_ins_to_entra_are_alive() {
    for record in [SIGN_IN, GRAPH_SIGN_IN] {
        let other = |this, that| but(record, this, that);
        let ok = other("50126", "0");
        hold(
            "{ product: azure, service: signinlogs }",
            "entra-signin",
            &[
                ("{ s: { ResultType: 50126 }, condition: s }", record, &ok),
                ("{ s: { resultType: 0 }, condition: s }", &ok, record),
                (
                    "{ s: { ResultType: '50126', ResultDescription|contains: invalid username }, condition: s }",
                    record,
                    &other("invalid username", "expired"),
                ),
                (
                    "{ s: { Status: Success, AuthenticationRequirement: singleFactorAuthentication }, condition: s }",
                    &ok,
                    record,
                ),
                ("{ s: { Status: Failure }, condition: s }", record, &ok),
                ("{ s: { Status|contains: MFA Denied }, condition: s }", record, &other("MFA denied", "MFA completed")),
                ("{ s: { userAgent|contains: axios }, condition: s }", record, &other("axios", "Mozilla")),
                ("{ s: { ClientApp|contains: [IMAP, POP] }, condition: s }", record, &other("IMAP4", "Browser")),
                (
                    "{ s: { ResourceDisplayName: Device Registration Service, conditionalAccessStatus: success }, m: { AuthenticationRequirement: multiFactorAuthentication }, condition: s and not m }",
                    record,
                    &other("singleFactor", "multiFactor"),
                ),
                (
                    "{ s: { RiskState: atRisk, DeviceDetail.trusttype: '' }, condition: s }",
                    record,
                    &other(r#""trustType":"""#, r#""trustType":"AzureAd""#),
                ),
                ("{ s: { DeviceDetail.isCompliant: 'false' }, condition: s }", record, &other("false", "true")),
                (
                    "{ s: { DeviceDetail.deviceId: '' }, condition: s }",
                    record,
                    &other(r#""deviceId":"""#, r#""deviceId":"d""#),
                ),
                (
                    "{ s: { homeTenantId: t }, f: { resourceTenantId: t }, condition: s and not f }",
                    record,
                    &other(r#""resourceTenantId":"u""#, r#""resourceTenantId":"t""#),
                ),
                (
                    "{ s: { location: DE, callerIpAddress: 198.51.100.7 }, condition: s }",
                    record,
                    &other("198.51.100.7", "198.51.100.8"),
                ),
                (
                    "{ s: { properties.appId: 1950a258, Username: ana@provider.example }, condition: s }",
                    record,
                    &other("1950a258", "other"),
                ),
                (
                    "{ s: { properties.message|contains: invalid username }, condition: s }",
                    record,
                    &other("invalid username", "expired"),
                ),
            ],
        );
    }
}

/// A change of the directory as Azure diagnostic settings write it.
const AUDIT: &str = r#"{"time":"2026-04-01T09:01:00Z","category":"AuditLogs","operationName":"Add member to role","properties":{"id":"a1","category":"RoleManagement","loggedByService":"Core Directory","result":"success","resultReason":"none","activityDisplayName":"Add member to role","activityDateTime":"2026-04-01T09:01:00Z","initiatedBy":{"user":{"userPrincipalName":"ana@provider.example"}},"targetResources":[{"type":"Service Principal","displayName":"sync","modifiedProperties":[{"displayName":"Role.DisplayName","newValue":"\"Global Administrator\""},{"displayName":"Role.TemplateId","newValue":"\"62e90394-69f5-4237-9190-012177145e10\""},{"displayName":"ConsentContext.IsAdminConsent","newValue":"\"False\""}]}],"additionalDetails":[{"key":"AdditionalInfo","value":"Successfully recovered local credential by device id"}]}}"#;

/// The same as Microsoft Graph gives it.
const GRAPH_AUDIT: &str = r#"{"id":"a1","category":"RoleManagement","loggedByService":"Core Directory","result":"success","resultReason":"none","activityDisplayName":"Add member to role","activityDateTime":"2026-04-01T09:01:00Z","initiatedBy":{"user":{"userPrincipalName":"ana@provider.example"}},"targetResources":[{"type":"Service Principal","displayName":"sync","modifiedProperties":[{"displayName":"Role.DisplayName","newValue":"\"Global Administrator\""},{"displayName":"Role.TemplateId","newValue":"\"62e90394-69f5-4237-9190-012177145e10\""},{"displayName":"ConsentContext.IsAdminConsent","newValue":"\"False\""}]}],"additionalDetails":[{"key":"AdditionalInfo","value":"Successfully recovered local credential by device id"}]}"#;

#[test]
fn rules_for_changes_of_the_directory_are_alive() {
    for record in [AUDIT, GRAPH_AUDIT] {
        let other = |this, that| but(record, this, that);
        let else_done = other("Add member to role", "Add group");
        hold(
            "{ product: azure, service: auditlogs }",
            "entra-audit",
            &[
                (
                    "{ s: { properties.message: [Add member to role, Add eligible member to role] }, condition: s }",
                    record,
                    &else_done,
                ),
                (
                    "{ s: { operationName: Add member to role, properties.targetResources|contains: Administrator }, condition: s }",
                    record,
                    &other("Administrator", "Reader"),
                ),
                (
                    "{ s: { Category: RoleManagement, OperationName|contains|all: [Add, member to role], TargetResources|contains: 62e90394-69f5-4237-9190-012177145e10 }, condition: s }",
                    record,
                    &other("62e90394", "7698a772"),
                ),
                (
                    "{ s: { category: RoleManagement }, condition: s }",
                    record,
                    &other("RoleManagement", "UserManagement"),
                ),
                (
                    "{ s: { targetResources.type: Service Principal }, condition: s }",
                    record,
                    &other("Service Principal", "User"),
                ),
                (
                    "{ s: { LoggedByService: Core Directory, Status: Success }, condition: s }",
                    record,
                    &other(r#""result":"success""#, r#""result":"failure""#),
                ),
                (
                    "{ s: { properties.result: success, ActivityDisplayName: Add member to role }, condition: s }",
                    record,
                    &else_done,
                ),
                (
                    "{ s: { TargetResources.ModifiedProperties.DisplayName: Role.TemplateId, TargetResources.ModifiedProperties.NewValue|contains: '62e90394' }, condition: s }",
                    record,
                    &other("62e90394", "7698a772"),
                ),
                (
                    "{ s: { TargetResources.modifiedProperties.newValue|contains: Global }, condition: s }",
                    record,
                    &other("Global", "User"),
                ),
                (
                    "{ s: { TargetResources.modifiedProperties|contains: TemplateId }, condition: s }",
                    record,
                    &other("TemplateId", "Id"),
                ),
                ("{ s: { ConsentContext.IsAdminConsent: 'false' }, condition: s }", record, &other("False", "True")),
                ("{ s: { Initiatedby: ana@provider.example }, condition: s }", record, &other("ana@", "ben@")),
                ("{ s: { properties.initiatedBy|contains: ana@ }, condition: s }", record, &other("ana@", "ben@")),
                (
                    "{ s: { Target: sync, ActivityType|contains: member }, condition: s }",
                    record,
                    &other("sync", "other"),
                ),
                (
                    "{ s: { additionalDetails.additionalInfo|contains: Successfully recovered }, condition: s }",
                    record,
                    &other("Successfully", "Never"),
                ),
                (
                    "{ s: { failure_status_reason: userConsentBlocked }, condition: s }",
                    &other(r#""resultReason":"none""#, r#""resultReason":"userConsentBlocked""#),
                    record,
                ),
            ],
        );
    }
}

#[test]
fn rules_for_microsoft_365_are_alive() {
    let base =
        r#"{"CreationTime":"2026-04-01T09:00:00","Id":"i","RecordType":1,"UserId":"ana@provider.example","UserType":0"#;
    let (rule, login) = (M365_RULE, M365_LOGIN);
    let alert = format!(
        r#"{base},"Workload":"SecurityComplianceCenter","Operation":"AlertEntityGenerated","ResultStatus":"Succeeded","Name":"Impossible travel activity","Data":"{{\"f3u\":\"ana\"}}"}}"#
    );
    let search = format!(
        r#"{base},"Workload":"SecurityComplianceCenter","Operation":"New-ComplianceSearchAction","Parameters":"-SearchName \"s\" -Export -Format \"pst\""}}"#
    );
    let domain = format!(r#"{base},"Workload":"Exchange","Operation":"Add-FederatedDomain","ResultStatus":"True"}}"#);
    hold(
        "{ product: m365, service: audit }",
        "microsoft-365",
        &[
            (
                "{ s: { Operation: [New-InboxRule, Set-InboxRule], Parameters|contains: [DeleteMessage, MarkAsRead] }, condition: s }",
                rule,
                &but(rule, "DeleteMessage", "Enabled"),
            ),
            (
                "{ s: { Operation: UserLoggedIn, ApplicationId: 9ba1a5c7, RequestType: 'Cmsi:Cmsi' }, f: { ObjectId: p }, condition: s and not f }",
                login,
                &but(login, r#":"o""#, r#":"p""#),
            ),
            ("{ s: { RequestType: 'Cmsi:Cmsi' }, condition: s }", login, &but(login, "Cmsi:Cmsi", "OAuth2:Token")),
            (
                "{ d: { Operation|contains: domain }, o: { Operation|contains: [add, new] }, condition: all of them }",
                &domain,
                &but(&domain, "Add-", "Get-"),
            ),
        ],
    );
    hold(
        "{ product: m365, service: threat_management }",
        "microsoft-365",
        &[
            (
                "{ s: { eventSource: SecurityComplianceCenter, eventName: Impossible travel activity, status: success }, condition: s }",
                &alert,
                &but(&alert, "Impossible", "Possible"),
            ),
            (
                "{ s: { eventSource: SecurityComplianceCenter, 'Payload|contains|all': [New-ComplianceSearchAction, Export, pst] }, condition: s }",
                &search,
                &but(&search, "pst", "csv"),
            ),
        ],
    );
    for (service, source) in [("exchange", &domain), ("threat_detection", &domain)] {
        hold(
            &format!("{{ product: m365, service: {service} }}"),
            "microsoft-365",
            &[(
                "{ s: { eventSource: Exchange, eventName: Add-FederatedDomain, status: success }, condition: s }",
                source,
                &but(source, "True", "False"),
            )],
        );
    }
}

#[test]
fn rules_for_google_workspace_are_alive() {
    let activity = |application: &str, event: &str| {
        format!(
            r#"{{"kind":"admin#reports#activity","id":{{"time":"2026-04-01T09:00:00Z","applicationName":"{application}"}},"actor":{{"email":"ana@provider.example","profileId":"1"}},"ipAddress":"198.51.100.7","events":[{{"type":"OTHER","name":"first"}},{event}]}}"#
        )
    };
    let setting = WORKSPACE;
    let role = activity("admin", r#"{"type":"DELEGATED_ADMIN_SETTINGS","name":"DELETE_ROLE","parameters":[]}"#);
    let login = activity("login", r#"{"type":"attack_warning","name":"gov_attack_warning"}"#);
    hold(
        "{ product: gcp, service: google_workspace.admin }",
        "google-workspace",
        &[
            (
                "{ s: { eventService: admin.googleapis.com, eventName: [DELETE_ROLE, RENAME_ROLE] }, condition: s }",
                &role,
                &but(&role, r#""admin""#, r#""drive""#),
            ),
            ("{ s: { eventName: DELETE_ROLE }, condition: s }", &role, &but(&role, "DELETE_ROLE", "CREATE_ROLE")),
            (
                "{ s: { eventName: CHANGE_APPLICATION_SETTING, setting_name|startswith: ContextAwareAccess }, condition: s }",
                setting,
                &but(setting, "ContextAware", "Context"),
            ),
            ("{ s: { new_value: 'false' }, condition: s }", setting, &but(setting, "false", "true")),
        ],
    );
    hold(
        "{ product: gcp, service: google_workspace.login }",
        "google-workspace",
        &[
            (
                "{ s: { protoPayload.serviceName: login.googleapis.com, protoPayload.metadata.event.eventName: gov_attack_warning }, condition: s }",
                &login,
                &but(&login, "gov_attack_warning", "login_success"),
            ),
            ("{ s: { protoPayload.Servicename: login.googleapis.com }, condition: s }", &login, &role),
        ],
    );
}

#[test]
fn rules_for_changes_in_azure_and_for_risks_are_alive() {
    let write = but(
        ACTIVITY,
        "Microsoft.ADHybridHealthService/services/servicemembers/action",
        "MICROSOFT.NETWORK/FIREWALLPOLICIES/WRITE",
    );
    let delete = but(&write, "WRITE", "DELETE");
    hold(
        "{ product: azure, service: activitylogs }",
        "azure-activity",
        &[
            (
                "{ s: { operationName: [MICROSOFT.NETWORK/FIREWALLPOLICIES/WRITE, MICROSOFT.NETWORK/FIREWALLPOLICIES/JOIN/ACTION] }, condition: s }",
                &write,
                &delete,
            ),
            (
                "{ s: { operationName|startswith: Microsoft.Network/, operationName|endswith: /delete }, condition: s }",
                &delete,
                &write,
            ),
            (
                "{ s: { CategoryValue: Administrative, ResourceProviderValue: Microsoft.ADHybridHealthService, ResourceId|contains: AdFederationService, OperationNameValue: Microsoft.ADHybridHealthService/services/servicemembers/action }, condition: s }",
                ACTIVITY,
                &write,
            ),
            ("{ s: { properties.message: MICROSOFT.NETWORK/FIREWALLPOLICIES/WRITE }, condition: s }", &write, ACTIVITY),
            ("{ k: [Microsoft.Network/FirewallPolicies/write], condition: k }", &write, ACTIVITY),
        ],
    );
    for record in [RISK, GRAPH_RISK] {
        let of = |kind: &str| but(record, "passwordSpray", kind);
        for kind in ["anonymizedIPAddress", "leakedCredentials", "unlikelyTravel", "passwordSpray"] {
            let detection = format!("{{ s: {{ riskEventType: {kind} }}, condition: s }}");
            hold(
                "{ product: azure, service: riskdetection }",
                "entra-risk",
                &[(&detection, &of(kind), &of("newCountry"))],
            );
        }
    }
    hold(
        "{ product: azure, service: pim }",
        "entra-risk",
        &[(
            "{ s: { riskEventType: noMfaOnRoleActivationAlertIncident }, condition: s }",
            ALERT,
            &but(ALERT, "noMfa", "stale"),
        )],
    );
}

#[test]
fn rules_for_okta_github_and_aws_are_alive() {
    hold(
        "{ product: okta, service: okta }",
        "okta",
        &[
            (
                "{ s: { eventType: [policy.evaluate_sign_on, policy.rule.update], target.displayName: Okta Admin Console }, condition: s }",
                OKTA,
                &but(OKTA, "Admin Console", "Dashboard"),
            ),
            (
                "{ s: [ { debugContext.debugData.behaviors|contains: POSITIVE }, { debugContext.debugData.logOnlySecurityData|contains: POSITIVE } ], condition: s }",
                OKTA,
                &but(OKTA, "POSITIVE", "NEGATIVE"),
            ),
            (
                "{ s: { debugContext.debugData.requestUri|contains: /reports/password-health/, securityContext.isProxy: 'true' }, condition: s }",
                OKTA,
                &but(OKTA, "true", "false"),
            ),
            (
                "{ s: { outcome.reason: FastPass declined phishing attempt, outcome.result: FAILURE }, condition: s }",
                OKTA,
                &but(OKTA, "FAILURE", "SUCCESS"),
            ),
            (
                "{ s: { legacyEventType: core.user_auth.login_failed }, f: { actor.alternateId|re: '(^0oa.*|[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,10})' }, condition: s and not f }",
                &but(OKTA, "ana@provider.example", "P4ssw0rd!"),
                OKTA,
            ),
            (
                "{ s: { displayMessage: Evaluation of sign-on policy }, condition: s }",
                OKTA,
                &but(OKTA, "Evaluation", "Change"),
            ),
        ],
    );
    hold(
        "{ product: github, service: audit }",
        "github",
        &[
            (
                "{ s: { action: [secret_scanning.disable, secret_scanning_new_repos.disable] }, condition: s }",
                GITHUB,
                &but(GITHUB, ".disable", ".enable"),
            ),
            ("{ s: { action|startswith: secret_scanning }, condition: s }", GITHUB, &but(GITHUB, "secret_", "code_")),
            (
                "{ s: { action|contains: [disable, delete] }, f: { actor: bot }, condition: s and not f }",
                GITHUB,
                &but(GITHUB, r#""ana""#, r#""bot""#),
            ),
            (
                "{ s: { repo: provider/x, org: provider }, condition: s }",
                GITHUB,
                &but(GITHUB, "provider/x", "provider/y"),
            ),
            ("{ s: { transport_protocol_name: ssh }, condition: s }", GITHUB, &but(GITHUB, "ssh", "http")),
        ],
    );
    hold(
        "{ product: aws, service: cloudtrail }",
        "aws-cloudtrail",
        &[
            (
                "{ s: { eventSource: iam.amazonaws.com, eventName: ConsoleLogin, responseElements.ConsoleLogin: Success }, condition: s }",
                AWS,
                &but(AWS, "Success", "Failure"),
            ),
            (
                "{ s: { additionalEventData.MFAUsed: 'No', userIdentity.type: IAMUser }, condition: s }",
                AWS,
                &but(AWS, r#""No""#, r#""Yes""#),
            ),
            (
                "{ s: { requestParameters.containerDefinitions.command|contains: $AWS_CONTAINER_CREDENTIALS }, condition: s }",
                AWS,
                &but(AWS, "$AWS_", "$X_"),
            ),
            (
                "{ s: { responseElements|contains: Success, userIdentity.arn|contains: user/ }, condition: s }",
                AWS,
                &but(AWS, "user/", "role/"),
            ),
            (
                "{ s: { userIdentity.sessionContext.sessionIssuer.type: Role, requestParameters.attribute: userData }, condition: s }",
                AWS,
                &but(AWS, "userData", "x"),
            ),
            (
                "{ s: { src_ip: 198.51.100.7, userAgent|contains: aws-cli }, condition: s }",
                AWS,
                &but(AWS, "198.51.100.7", "198.51.100.8"),
            ),
            ("{ s: { eventName: ConsoleLogin, status: success }, condition: s }", AWS, &but(AWS, "Success", "Failure")),
        ],
    );
}

#[test]
fn rules_for_web_servers_and_proxies_are_alive() {
    let line = WEB;
    hold(
        "{ category: webserver }",
        "access",
        &[
            (
                "{ s: { cs-uri-query|contains: cmd=whoami, sc-status: 200 }, condition: s }",
                line,
                &but(line, "whoami", "x"),
            ),
            ("{ s: { cs-uri-query|contains: '/cgi-bin/%2e%2e/' }, condition: s }", line, &but(line, "%2e%2e", "a")),
            ("{ s: { cs-method: GET, cs-uri-stem|endswith: .php }, condition: s }", line, &but(line, "GET", "POST")),
            ("{ s: { cs-user-agent|contains: [sqlmap, nikto] }, condition: s }", line, &but(line, "sqlmap", "Firefox")),
            ("{ s: { cs-referer|contains: '${jndi:' }, condition: s }", line, &but(line, "jndi", "x")),
            ("{ s: { sc-status: 200, cs-username: ana }, condition: s }", line, &but(line, " 200 ", " 404 ")),
            ("{ k: [whoami, 'cat /etc/passwd'], condition: k }", line, &but(line, "whoami", "x")),
        ],
    );
    let line = PROXY;
    let tunnel = TUNNEL;
    hold(
        "{ category: proxy }",
        "proxy",
        &[
            (
                "{ s: { c-uri|contains: evil.example, c-uri-extension: [exe, dll] }, condition: s }",
                line,
                &but(line, "b.exe", "b.txt"),
            ),
            (
                "{ s: { cs-host|endswith: .evil.example }, condition: s }",
                line,
                &but(line, "evil.example", "good.example"),
            ),
            ("{ s: { cs-host: api.evil.example, cs-method: CONNECT }, condition: s }", tunnel, line),
            (
                "{ s: { c-useragent|startswith: Wget/, sc-status: 200 }, condition: s }",
                line,
                &but(line, "Wget", "Mozilla"),
            ),
            (
                "{ s: { cs-uri|contains: '/a/b', c-uri-query|contains: x=1 }, condition: s }",
                line,
                &but(line, "x=1", "x=2"),
            ),
            ("{ s: { r-dns: api.evil.example }, condition: s }", tunnel, &but(tunnel, "evil", "good")),
        ],
    );
}

/// Records as the products write them, by profile.
const RECORDS: &[(&str, &[&str])] = &[
    ("entra-signin", &[SIGN_IN, GRAPH_SIGN_IN]),
    ("entra-audit", &[AUDIT, GRAPH_AUDIT]),
    ("entra-risk", &[RISK, GRAPH_RISK, ALERT]),
    ("azure-activity", &[ACTIVITY]),
    ("microsoft-365", &[M365_RULE, M365_LOGIN]),
    ("google-workspace", &[WORKSPACE]),
    ("okta", &[OKTA, OKTA_SMALL]),
    ("github", &[GITHUB]),
    ("aws-cloudtrail", &[AWS]),
    ("access", &[WEB]),
    ("proxy", &[PROXY, TUNNEL]),
];

/// A record of each product is enough to see all that `[sigma]` maps: nothing there is misspelt.
#[test]
fn every_name_that_a_profile_maps_is_read() {
    for (file, text) in tripline::normalise::PROFILES {
        let profile: toml::Table = toml::from_str(text).expect("it is TOML");
        let Some(names) = profile.get("sigma").and_then(toml::Value::as_table) else { continue };
        let file = file.trim_end_matches(".toml");
        let (_, records) =
            RECORDS.iter().find(|(name, _)| *name == file).unwrap_or_else(|| panic!("{file}: no record"));
        let rule = |name: &String| {
            let detection = format!("{{ s: {{ 'unmapped.{name}|exists': true }}, condition: s }}");
            (format!("{name}.yml"), format!("title: {name}\nlevel: low\ndetection: {detection}\n"))
        };
        let live = Live::new(&names.keys().map(rule).collect::<Vec<_>>());
        assert_eq!(live.set.rules.len(), names.len(), "{file}: {:?}", live.set.taken);
        let events: Vec<_> = records.iter().flat_map(|record| live.events(file, record)).collect();
        for (n, rule) in live.set.rules.iter().enumerate() {
            assert!(live.selects(n, &events), "{file}: {} is read from none of its records", rule.title);
        }
    }
}

/// How many of SigmaHQ's rules for these products look at nothing but what records have, with `[sigma]` and without it. For people:
/// `cargo test --no-default-features --test core how_many_of_sigmahqs -- --ignored --nocapture`.
#[test]
#[ignore = "prints a table"]
fn how_many_of_sigmahqs_rules_are_alive() {
    let Some(folder) = of_others("samples/sigmahq-all") else { return };
    let mut given = Vec::new();
    files(&folder, &mut given);
    let without = |text: &str| text.split("\n[sigma]\n").next().expect("a split gives one").to_owned();
    let cut: Vec<(String, String)> =
        tripline::normalise::PROFILES.iter().map(|(file, text)| ((*file).to_owned(), without(text))).collect();
    let (after, before) = (Live::new(&given), Live::with(&given, &cut));
    println!("{:<18} {:>6} {:>7} {:>6}", "profile", "rules", "before", "after");
    for (profile, records) in RECORDS {
        let mut records: Vec<String> = records.iter().map(|record| (*record).to_owned()).collect();
        records.extend(samples(profile));
        let of = |live: &Live| {
            let events: Vec<_> = records.iter().flat_map(|record| live.try_events(profile, record)).collect();
            let mut count = (0, 0, Vec::new());
            for rule in &live.set.rules {
                let Body::Detection(matcher) = &rule.body else { continue };
                if !matcher.products().is_some_and(|products| products.iter().any(|name| **name == **profile)) {
                    continue;
                }
                let there = |field: &FieldRef| events.iter().any(|event| field.is_present(event));
                let alive = match rule.needs.is_empty() {
                    true => matcher.needs_line() || matcher.fields().iter().any(there),
                    false => rule.needs.iter().all(there),
                };
                count.0 += 1;
                count.1 += usize::from(alive);
                let missing = rule.needs.iter().filter(|field| !there(field));
                let missing: Vec<&str> = missing.map(|field| field.name(&live.set.raw_fields)).collect();
                if !alive {
                    count.2.push(format!("{}: {}", rule.name, missing.join(", ")));
                }
            }
            count
        };
        let (was, is) = (of(&before), of(&after));
        println!("{profile:<18} {:>6} {:>7} {:>6}", is.0, was.1, is.1);
        is.2.iter().for_each(|dead| println!("    {dead}"));
    }
}

fn files(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, into),
            path if path.extension().is_some_and(|ext| ext == "yml") => {
                into.push((path.display().to_string(), std::fs::read_to_string(&path).expect("text")));
            }
            _ => {}
        }
    }
}

/// Records of the product among the samples of others, where they are.
fn samples(profile: &str) -> Vec<String> {
    let folder = match profile {
        "entra-signin" => "azure/signinlogs",
        "entra-audit" => "azure/auditlogs",
        "azure-activity" => "azure/activitylogs",
        "microsoft-365" => "o365/audit",
        "google-workspace" => "google_workspace",
        "okta" => "okta",
        "github" => "github",
        "aws-cloudtrail" => "aws/cloudtrail",
        _ => return Vec::new(),
    };
    let Some(folder) = of_others(&format!("samples/elastic-integrations/{folder}")) else { return Vec::new() };
    let mut lines = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.extension().is_some_and(|ext| ext == "log") => {
                    lines.extend(std::fs::read_to_string(&path).expect("text").lines().map(str::to_owned));
                }
                // a document whose events have the record as its text
                path if path.to_string_lossy().ends_with("-events.json") => {
                    let text = std::fs::read_to_string(&path).expect("text");
                    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                    let events = document["events"].as_array().into_iter().flatten();
                    lines.extend(events.filter_map(|event| event["message"].as_str().map(str::to_owned)));
                }
                _ => {}
            }
        }
    }
    lines
}
