//! What consoles download as CSV: recognised by its columns, and read with what the profile of the same records knows.
use super::*;
use crate::framing::csv;
use Field::{Activity as Act, ActorName, ActorType, Cause as Why, Ip, Outcome as How, UserAgent};

/// The rows of a file, each as `time activity outcome cause actor kind origin agent`, and whose they are by their columns alone.
fn read(file: &str) -> (String, Vec<Event>) {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let lines: Vec<&[u8]> = file.as_bytes().split(|b| *b == b'\n').collect();
    let found = normaliser.recognise(&lines).unwrap_or_else(|| panic!("not recognised: {file}"));
    assert!(found.beside.is_empty() && found.share > 0.9, "{file}");
    let (header, mut rest) = file.split_once('\n').unwrap();
    let header = csv::unmarked(header.trim_end_matches('\r'));
    let delimiter = csv::delimiter(header).unwrap();
    let mut rows = Vec::new();
    while let csv::End::At(end) = csv::end(rest.as_bytes(), delimiter, true) {
        rows.push(&rest.as_bytes()[..end]);
        rest = &rest[end + 1..];
    }
    rows.extend((!rest.is_empty()).then_some(rest.as_bytes()));
    let mut batch = batch(&rows, FrameFlags::default());
    batch.header = Some(header.into());
    let mut out = Vec::new();
    for frame in &batch.frames {
        normaliser.normalise(found.profile, &batch, frame, &mut Scratch::default(), &mut out).unwrap();
    }
    (normaliser.name(found.profile).to_owned(), out.into_iter().map(|event| *event).collect())
}

fn said(event: &Event) -> String {
    format!("{} {}", event.time, shown(event, &[Act, How, Why, ActorName, ActorType, Ip, UserAgent]))
}

/// Holds that `file` is recognised as `name`, and its rows say `wanted`.
fn hold(file: &str, name: &str, wanted: &[&str]) -> Vec<Event> {
    let (is, events) = read(file);
    assert_eq!(is, name, "{file}");
    assert_eq!(events.iter().map(said).collect::<Vec<_>>(), wanted, "{file}");
    assert!(events.iter().all(|event| !event.marks.ambiguous && !event.marks.time_missing), "{file}");
    events
}

/// A cell of CSV.
fn cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[test]
fn purview_holds_the_record_as_json_in_a_column() {
    let failed = r#"{"CreationTime":"2026-03-30T14:03:22","Id":"r-2","Operation":"UserLoginFailed","OrganizationId":"o","RecordType":15,"ResultStatus":"Success","UserKey":"k-1","UserType":0,"Version":1,"Workload":"AzureActiveDirectory","ClientIP":"203.0.113.7","UserId":"Ana@provider.example","ExtendedProperties":[{"Name":"UserAgent","Value":"Mozilla/5.0 (X11; \"x\")"}],"LogonError":"InvalidUserNameOrPassword"}"#;
    let program = r#"{"CreationTime":"2026-03-30T14:00:00","Id":"r-1","Operation":"Add service principal credentials.","RecordType":8,"ResultStatus":"Success","UserKey":"Not Available","UserType":4,"Workload":"AzureActiveDirectory","UserId":"ServicePrincipal_1"}"#;
    let wanted = [
        "2026-03-30T14:03:22.000Z login failure wrong_password ana@provider.example user 203.0.113.7 Mozilla/5.0 (X11; \"x\")",
        "2026-03-30T14:00:00.000Z key_created success - serviceprincipal_1 key - -",
    ];
    // the latest first, as the portal has them
    let today = format!(
        "\u{feff}RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits,AssociatedAdminUnitsNames\r\n\
         r-2,\"2026-03-30T14:03:22.0000000Z \",15,UserLoginFailed,Ana@provider.example,{},,\r\n\
         r-1,\"2026-03-30T14:00:00.0000000Z \",8,Add service principal credentials.,ServicePrincipal_1,{},,\r\n",
        cell(failed),
        cell(program)
    );
    let events = hold(&today, "microsoft-365-csv", &wanted);
    // as the management API gives the same acts
    assert_eq!(events[0].id, event_of("microsoft-365", failed).id);
    let before = format!(
        "CreationDate;UserIds;Operations;AuditData\n3/30/2026 2:03:22 PM;Ana@provider.example;UserLoginFailed;{}\n\
         3/30/2026 2:00:00 PM;ServicePrincipal_1;Add service principal credentials.;{}\n",
        cell(failed),
        cell(&program.replace(",\"UserType\"", ",\n \"UserType\""))
    );
    hold(&before, "microsoft-365-csv", &wanted);
}

#[test]
fn what_a_spreadsheet_cut_out_of_the_record_is_read_from_the_other_columns() {
    let cut = r#"{"CreationTime":"2026-03-30T14:03:22","Id":"r-2","RecordType":15,"ClientIP":"203.0.113.7","ExtendedProperties":[{"Name":"User"#;
    let whole = r#"{"CreationTime":"2026-03-30T14:00:00","Id":"r-1","Operation":"UserLoggedIn","RecordType":15,"Workload":"AzureActiveDirectory","UserId":"ben@provider.example"}"#;
    let file = format!(
        "RecordId,CreationDate,RecordType,Operation,UserId,AuditData\nr-2,3/30/2026 2:03:22 PM,15,UserLoggedIn,Ana@provider.example,{}\n\
         r-1,3/30/2026 2:00:00 PM,15,UserLoggedIn,ben@provider.example,{}\nr-3,3/30/2026 2:04:00 PM,15,UserLoggedOff,cho@provider.example,\n",
        cell(cut),
        cell(whole)
    );
    let (name, events) = read(&file);
    assert_eq!(name, "microsoft-365-csv");
    let marks: Vec<bool> = events.iter().map(|event| event.marks.clipped).collect();
    assert_eq!(marks, [true, false, false]);
    let said: Vec<String> = events.iter().map(said).collect();
    // whether it failed may have stood behind the cut
    assert_eq!(said[0], "2026-03-30T14:03:22.000Z login unknown - ana@provider.example user 203.0.113.7 -");
    assert_eq!(said[2], "2026-03-30T14:04:00.000Z logout success - cho@provider.example user - -");
}

#[test]
fn a_secret_in_a_column_of_json_is_not_kept() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let profile = normaliser.profile("microsoft-365-csv").unwrap();
    let row = format!("r,x,y,{}", cell(r#"{"Id":"r","SessionId":"s-ana-1234","password":"hunter2hunter2"}"#));
    let kept = normaliser.redact(profile, row.as_bytes(), Some("RecordId,CreationDate,Operation,AuditData"));
    assert!(kept.contains("[cut]") && !kept.contains("s-ana") && !kept.contains("hunter2"), "{kept}");
}

const SIGN_INS: &str = "Date (UTC),Request ID,User agent,Correlation ID,User ID,User,Username,User type,Incoming token type,Application,Application ID ,Resource,IP address,Location,Status,Sign-in error code,Failure reason,Client app,Device ID,Browser,Operating System,Incoming token type,Multifactor authentication result,Multifactor authentication auth method,Session ID,Conditional Access";

/// A row of that header.
fn sign_in(status: &str, code: &str, factor: &str) -> String {
    format!(
        "2026-03-30T14:03:22Z,r-1,\"Mozilla/5.0 (X11, like Gecko)\",c-1,u-1,\"Ana, Staff\",Ana@provider.example,Member,none,Azure Portal,a-1,Graph,203.0.113.7,\"Berlin, Berlin, DE\",{status},{code},\"Other, or none.\",Browser,,Firefox,Linux,none,\"{factor}\",,s-1,Not Applied"
    )
}

#[test]
fn entra_sign_ins_have_the_codes_of_their_json() {
    for (status, code, factor, wanted) in [
        ("Success", "", "", "login success -"),
        ("Success", "None", "None", "login success -"),
        ("Failure", "None", "", "login failure other"),
        ("Success", "0", "MFA requirement satisfied by claim in the token", "login success -"),
        ("Failure", "50126", "", "login failure wrong_password"),
        ("Failure", "50053", "", "login failure locked"),
        ("Failure", "53003", "", "login failure forbidden"),
        ("Failure", "70043", "", "login failure expired"),
        ("Failure", "", "", "login failure other"),
        ("Interrupted", "50074", "", "login unknown unfinished"),
        ("Interrupted", "65999", "", "login unknown unfinished"),
        ("Failure", "500121", "MFA denied; user declined the authentication", "login failure factor_refused"),
        (
            "Failure",
            "500121",
            "MFA denied; user did not respond to mobile app notification",
            "login failure factor_unanswered",
        ),
    ] {
        let (mut header, mut row) = (SIGN_INS.to_owned(), sign_in(status, code, factor));
        let wanted = format!(
            "2026-03-30T14:03:22.000Z {wanted} ana@provider.example user 203.0.113.7 Mozilla/5.0 (X11, like Gecko)"
        );
        // and as a spreadsheet of another locale writes it again
        for _ in 0..2 {
            let events = hold(&format!("{header}\n{row}\n"), "entra-signin-csv", &[&wanted]);
            assert_eq!(shown(&events[0], &[Field::ActorUid, Field::SessionUid]), "u-1 s-1");
            header = header.replace(',', ";");
            row = csv::Fields::of(&row, b',').map(|field| cell(&field)).collect::<Vec<_>>().join(";");
        }
    }
    let program = "Date (UTC),Request ID,Correlation ID,Service principal ID,Service principal name,Credential key ID,Application,IP address,Location,Status,Sign-in error code,Failure reason,Conditional Access\n\
        2026-03-30T14:03:22Z,r-1,c-1,sp-1,Backup,k-1,Backup,203.0.113.7,,Success,,Other.,Not Applied\n";
    hold(program, "entra-signin-csv", &["2026-03-30T14:03:22.000Z login success - backup key 203.0.113.7 -"]);
    let french = "Date (UTC),ID de requête,Agent utilisateur,ID de corrélation,Identifiant utilisateur,Utilisateur,Nom d’utilisateur,Adresse IP,Emplacement,Statut,Code d’erreur de connexion,Raison de l’échec\n\
        2026-03-30T14:03:22Z,r-1,curl/8,c-1,u-1,Ana,ana@provider.example,203.0.113.7,FR,Échec,50126,x\n2026-03-30T14:02:22Z,r-2,curl/8,c-2,u-1,Ana,ana@provider.example,203.0.113.7,FR,Opération réussie,,\n";
    hold(
        french,
        "entra-signin-csv",
        &[
            "2026-03-30T14:03:22.000Z login failure wrong_password ana@provider.example user 203.0.113.7 curl/8",
            "2026-03-30T14:02:22.000Z login success - ana@provider.example user 203.0.113.7 curl/8",
        ],
    );
}

#[test]
fn entra_audits_name_who_did_what_to_whom() {
    let file = "\"Date (UTC)\",\"CorrelationId\",\"Service\",\"Category\",\"Activity\",\"Result\",\"ResultReason\",\"User Agent\",\"ActorType\",\"ActorDisplayName\",\"ActorObjectId\",\"ActorUserPrincipalName\",\"IPAddress\",\"ActorHomeTenantId\",\"ActorServicePrincipalId\",\"ActorServicePrincipalName\",\"Target1Type\",\"Target1DisplayName\",\"Target1ObjectId\",\"Target1UserPrincipalName\",\"Target1ModifiedProperty1NewValue\"\n\
        \"2026-03-30T14:03:22Z\",\"c\",\"Core Directory\",\"UserManagement\",\"Reset user password\",\"success\",,\"curl/8\",\"User\",\"Ana\",\"u-1\",\"Ana@provider.example\",\"203.0.113.7\",\"t\",,,\"User\",\"Ben\",\"u-2\",\"ben@provider.example\",\"[\"\"a\"\",\n\"\"b\"\"]\"\n\
        \"2026-03-30T14:02:00Z\",\"c\",\"Core Directory\",\"ApplicationManagement\",\"Add service principal credentials\",\"failure\",\"no\",,\"Application\",,,,,\"t\",\"sp-1\",\"Backup\",\"ServicePrincipal\",\"Backup\",\"sp-1\",,\n";
    let events = hold(
        file,
        "entra-audit-csv",
        &[
            "2026-03-30T14:03:22.000Z credential_reset success - ana@provider.example user 203.0.113.7 curl/8",
            "2026-03-30T14:02:00.000Z key_created failure - backup key - -",
        ],
    );
    assert_eq!(shown(&events[0], &[Field::Target, Field::ActorUid]), "ben@provider.example u-1");
    assert_eq!(shown(&events[1], &[Field::ActorUid]), "sp-1");
}

#[test]
fn okta_has_its_objects_flattened() {
    let header = "timestamp,uuid,event_type,display_message,severity,actor.id,actor.type,actor.alternate_id,actor.display_name,client.ip_address,client.user_agent.raw_user_agent,outcome.result,outcome.reason,debug_context.debug_data.factor,target0.id,target0.type,target0.alternate_id,target1.type,target1.alternate_id";
    let row = |kind: &str, who: &str, sort: &str, result: &str, reason: &str, factor: &str| {
        format!(
            "2026-03-30T14:03:22.123Z,{kind}-1,{kind},m,INFO,u-1,{sort},{who},Ana,203.0.113.7,\"Mozilla/5.0 (X11, x)\",{result},{reason},{factor},a-1,AppInstance,Portal,User,ben@provider.example"
        )
    };
    let rows = [
        row("user.session.start", "Ana@provider.example", "User", "FAILURE", "INVALID_CREDENTIALS", ""),
        row(
            "user.authentication.auth_via_mfa",
            "ana@provider.example",
            "User",
            "FAILURE",
            "INVALID_CREDENTIALS",
            "OKTA_VERIFY_PUSH",
        ),
        row("user.account.reset_password", "system@okta.com", "SystemPrincipal", "SUCCESS", "", ""),
    ];
    let at = "2026-03-30T14:03:22.123Z";
    let wanted = [
        format!("{at} login failure wrong_password ana@provider.example user 203.0.113.7 Mozilla/5.0 (X11, x)"),
        format!("{at} mfa_challenge failure factor_refused ana@provider.example user 203.0.113.7 Mozilla/5.0 (X11, x)"),
        format!("{at} credential_reset success - system@okta.com system 203.0.113.7 Mozilla/5.0 (X11, x)"),
    ];
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let events = hold(&format!("{header}\n{}\n", rows.join("\n")), "okta-csv", &wanted);
    assert_eq!(shown(&events[2], &[Field::Target]), "ben@provider.example", "the first target that is a person");
    let as_the_api = header
        .replace("timestamp", "published")
        .replace("event_type", "eventType")
        .replace("alternate_id", "alternateId")
        .replace("ip_address", "ipAddress")
        .replace("user_agent.raw_user_agent", "userAgent.rawUserAgent")
        .replace("debug_context.debug_data", "debugContext.debugData");
    let again = hold(&format!("{as_the_api}\n{}\n", rows.join("\n")), "okta-csv", &wanted);
    assert_eq!(again[0].id, events[0].id);
}

#[test]
fn google_has_the_names_that_its_console_shows() {
    let login = "\u{feff}Date,Event,Description,Actor,IP address,Challenge type,Login type\n\
        2026-03-30T14:05:00+02:00,Successful login,Ana logged in,Ana@provider.example,203.0.113.7,,Google Password\n\
        2026-03-30T14:04:00+02:00,Failed login,Ana failed to login,ana@provider.example,203.0.113.7,,Google Password\n\
        2026-03-30T14:03:30+02:00,Login challenge,\"Ana was\nchallenged\",ana@provider.example,203.0.113.7,Password,\n\
        2026-03-30T14:03:00+02:00,2-step verification disable,x,ana@provider.example,203.0.113.7,,\n";
    let wanted = [
        "2026-03-30T12:05:00.000Z login success - ana@provider.example user 203.0.113.7 -",
        "2026-03-30T12:04:00.000Z login failure wrong_password ana@provider.example user 203.0.113.7 -",
        "2026-03-30T12:03:30.000Z mfa_challenge unknown - ana@provider.example user 203.0.113.7 -",
        "2026-03-30T12:03:00.000Z credential_reset success - ana@provider.example user 203.0.113.7 -",
    ];
    hold(login, "google-workspace-csv", &wanted);
    let before = "Event Name,Event Description,User,IP Address,Date\n\
        Failed Login,ana failed,ana@provider.example,203.0.113.7,\"Mar 30, 2026, 2:04:00 PM GMT+2\"\n";
    hold(before, "google-workspace-csv", &wanted[1..2]);
    let admin = "Event;Description;Actor;IP address;Date\n\
        Assign Role;Role x assigned to ben;ana@provider.example;2001:db8::7;2026-03-30T12:00:00Z\n\
        Data Export Initiated;x;ana@provider.example;2001:db8::7;2026-03-30T12:00:01Z\n\
        Password change;x;job@project.iam.gserviceaccount.com;2001:db8::7;2026-03-30T12:00:02Z\n";
    hold(
        admin,
        "google-workspace-csv",
        &[
            "2026-03-30T12:00:00.000Z user_changed success - ana@provider.example user 2001:db8::7 -",
            "2026-03-30T12:00:01.000Z export_requested success - ana@provider.example user 2001:db8::7 -",
            "2026-03-30T12:00:02.000Z credential_reset success - job@project.iam.gserviceaccount.com key 2001:db8::7 -",
        ],
    );
}

#[test]
fn duo_has_the_words_of_its_panel_or_of_its_api() {
    let header = "Timestamp (UTC),User,Integration,Factor,Result,Reason,Enrollment,2FA Device Name,2FA Device Key,2FA Device IP,2FA Device Country,Access Device IP,Access Device Country,Alias,Email,Access Device OS,Access Device Browser";
    let row = |factor: &str, result: &str, reason: &str, enrolled: &str| {
        format!(
            "2026-03-30T14:03:22.000000+00:00,Ana,VPN,{factor},{result},{reason},{enrolled},phone,k,198.51.100.4,US,203.0.113.7,DE,,ana@provider.example,Linux,Firefox"
        )
    };
    let file = [
        header.to_owned(),
        row("Duo Push", "SUCCESS", "User approved", "False"),
        row("duo_push", "denied", "user_mistake", ""),
        row("Duo Push", "DENIED", "No response", "False"),
        row("Passcode", "DENIED", "Invalid passcode", "False"),
        row("Remembered Device", "SUCCESS", "Remembered device", "False"),
        row("Duo Push", "SUCCESS", "User approved", "True"),
    ];
    let wanted = [
        "mfa_challenge success -",
        "mfa_challenge failure factor_refused",
        "mfa_challenge failure factor_unanswered",
        "mfa_challenge failure wrong_factor",
        "login success -",
        "credential_reset success -",
    ];
    let wanted = wanted.map(|how| format!("2026-03-30T14:03:22.000Z {how} ana user 203.0.113.7 Firefox"));
    hold(&file.join("\r\n"), "duo-csv", &wanted.each_ref().map(String::as_str));
    let admin = "Timestamp (UTC),Administrator,Action,Object,Description\n\
        2026-03-30 14:03:22,Ana Staff,admin_login,,\"{\"\"ip_address\"\": \"\"203.0.113.7\"\", \"\"email\"\": \"\"ana@provider.example\"\"}\"\n\
        2026-03-30 14:04:22,API,Deleted phone,phone 1,{}\n2026-03-30 14:05:22,System,Deleted user,ben,{}\n";
    hold(
        admin,
        "duo-admin-csv",
        &[
            "2026-03-30T14:03:22.000Z login success - ana staff user 203.0.113.7 -",
            "2026-03-30T14:04:22.000Z credential_reset success - api key - -",
            "2026-03-30T14:05:22.000Z user_changed success - system system - -",
        ],
    );
}

#[test]
fn github_has_the_keys_of_its_json_as_columns() {
    let file = "action,actor,user,actor_location.country_code,org,repo,created_at,data.email,data.events,actor_ip,user_agent\n\
        personal_access_token.create,Octocat,,US,octo-org,,1774879402123,,\"[\"\"issues\"\", \"\"push\"\"]\",203.0.113.7,git/2\n\
        org.add_member,octocat,codertocat,US,octo-org,,2026-03-30T14:03:22Z,,,,\nrepo.create,dependabot,,,octo-org,octo-org/x,1774879402123,,,,\n";
    let events = hold(
        file,
        "github-csv",
        &[
            "2026-03-30T14:03:22.123Z key_created success - octocat user 203.0.113.7 git/2",
            "2026-03-30T14:03:22.000Z user_changed success - octocat user - -",
            "2026-03-30T14:03:22.123Z settings_changed success - dependabot key - -",
        ],
    );
    assert_eq!(shown(&events[1], &[Field::Target]), "codertocat");
    // the JSON of the same export, one array
    let json = br#"[{"action":"org.add_member","actor":"octocat","user":"codertocat","org":"octo-org","created_at":1774879402123}]"#;
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    let found = normaliser.recognise(&[json]).unwrap();
    assert_eq!(normaliser.name(found.profile), "github");
}

#[test]
fn twilio_names_its_columns_in_words_or_as_its_api() {
    let words = "Event Date;Event Type;Description;Actor;Actor Type;Account SID;Source;Source IP Address;Resource SID\n\
        2026-03-30T14:03:22Z;api-key.created;x;USaaa;user;ACbbb;web;203.0.113.7;SKccc\n";
    let api = "sid,event_date,event_type,description,actor_sid,actor_type,account_sid,source,source_ip_address,resource_sid\n\
        AEaaa,\"Mon, 30 Mar 2026 14:03:22 +0000\",api-key.created,x,USaaa,user,ACbbb,api,203.0.113.7,SKccc\n";
    hold(words, "twilio-csv", &["2026-03-30T14:03:22.000Z key_created success - USaaa user 203.0.113.7 -"]);
    hold(api, "twilio-csv", &["2026-03-30T14:03:22.000Z key_created success - USaaa key 203.0.113.7 -"]);
}

#[test]
fn other_tables_are_not_taken_for_an_export() {
    let normaliser = Normaliser::new(&[], &[]).unwrap();
    for file in [
        "Timestamp (UTC),User,Role,Action,Entity,Detail\n2026-03-30T14:03:22Z,ana,admin,Update,Setting,x\n",
        "When,Who,What,Address,Handle,Browser\n2026-03-30T14:03:22Z,ana,export,192.0.2.1,s,x\n",
        "date,event,description\n2026-03-30,STOP,Temperature limit exceeded\n",
        "to,from,body,status,date_sent,account_sid\n+49,+49,hi,delivered,2026-03-30T14:03:22Z,AC1\n",
        "id,date,user,status\n1,2026-03-30,ana,Success\n",
    ] {
        let lines: Vec<&[u8]> = file.as_bytes().split(|b| *b == b'\n').collect();
        let found = normaliser.recognise(&lines).map(|found| normaliser.name(found.profile).to_owned());
        assert_eq!(found, None, "{file}");
    }
}

#[test]
fn a_profile_that_is_like_another_says_only_what_differs() {
    let own = |like: &str, more: &str| {
        let text = format!("name = \"mine\"\ntitle = \"Mine\"\nlike = \"{like}\"\nformat = \"csv\"\n{more}");
        Normaliser::new(&[("mine.toml".to_owned(), text)], &[])
    };
    assert!(own("okta", "").is_ok());
    for (like, more, why) in [
        ("okta-csv", "", "says all by itself"),
        ("nobody", "", "says all by itself"),
        ("okta", "colums = 1", "unknown field"),
    ] {
        let errors = own(like, more).err().unwrap();
        assert!(errors[0].message.contains(why), "{errors:?}");
    }
    let json = "name = \"mine\"\ntitle = \"Mine\"\nformat = \"json\"\n[columns]\na = \"b\"\n";
    let errors = Normaliser::new(&[("mine.toml".to_owned(), json.to_owned())], &[]).err().unwrap();
    assert!(errors[0].message.contains("for the format csv"), "{errors:?}");
    // what the operator has written in place of a shipped profile holds for what is like it
    let okta = PROFILES.iter().find(|(file, _)| *file == "okta.toml").unwrap().1;
    let text = okta.replace("\"user.session.start\", ", "");
    let changed = Normaliser::new(&[("okta.toml".to_owned(), text)], &[]).unwrap();
    let header = "timestamp,uuid,event_type,actor.id,outcome.result";
    let row = b"2026-03-30T14:03:22Z,u,user.session.start,a,SUCCESS";
    let mut batch = batch(&[row], FrameFlags::default());
    batch.header = Some(header.into());
    let mut out = Vec::new();
    let profile = changed.profile("okta-csv").unwrap();
    changed.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out).unwrap();
    assert_eq!(out[0].activity, crate::model::Activity::Other);
}
