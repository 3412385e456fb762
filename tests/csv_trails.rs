//! Trails in CSV: a profile of the operator's own, and files whose columns move.
use crate::support::{ANY_EXPORT, Site, text, until};
use std::io::Write;

const PROFILE: &str = r#"
name = "crm"
title = "A portal that exports its audit table"
format = "csv"
session_vouched_by = "server"

[[recognise]]
"When" = true
"Who" = true

[[time]]
from = "When"
notation = "rfc3339"

[fields]
"actor.user.name" = "Who"
"src_endpoint.ip" = "Address"
"actor.session.uid" = "Handle"
"http_request.user_agent" = "Browser"

[[activity]]
is = "export_requested"
when = { "What" = "export*" }
"#;

/// Some weeks ago.
fn at(n: usize) -> String {
    jiff::Timestamp::from_second(1_790_000_000 + n as i64).unwrap().to_string()
}

/// A site with that profile and one trail, in whose table `DIR` is the site's folder.
fn site(profile: &str, trail: &str) -> Site {
    let site = Site::bare("", "");
    site.policy("any-export", ANY_EXPORT);
    std::fs::create_dir_all(site.path("policies/profiles")).unwrap();
    std::fs::write(site.path("policies/profiles/crm.toml"), profile).unwrap();
    let text = format!(
        "state_dir = 'DIR/state'\ncontrol_socket = 'DIR/control.sock'\npolicies_dir = 'DIR/policies'\n\
         [[trail]]\nname = 'crm'\n{trail}\n"
    );
    site.configure(&text.replace("DIR", site.dir.path().to_str().unwrap()));
    site
}

const FILES: &str = "paths = ['DIR/crm.csv']\nprofile = 'crm'";

fn crm(site: &Site) -> serde_json::Value {
    site.status()["trails"]["crm"].clone()
}

fn found(site: &Site) -> Vec<String> {
    let found = site.json(&["findings", "list", "--policy", "any_export"]);
    let mut actors: Vec<_> =
        found.iter().map(|f| f["finding"]["subject"]["actor"].as_str().unwrap().to_owned()).collect();
    actors.sort();
    actors
}

fn e50(args: &[&str]) {
    let site = site(PROFILE, FILES);
    let write = |text: String| site.append_to("crm.csv").write_all(text.as_bytes()).unwrap();
    write(format!(
        "When,Who,What,Address,Handle,Browser\n{},ana,export,192.0.2.1,s-ana-1234,\"a \"\"b\"\"\nc, d\"\n",
        at(1)
    ));
    let daemon = site.start(args);
    let events = |count: u64| {
        until("the events", || (crm(&site)["events"].as_u64()? == count).then_some(()));
    };
    events(1);
    // the writer starts anew
    write(format!("When,Who,What,Address,Handle,Browser\n{},ben,export,192.0.2.1,s-ben-1234,x\n", at(2)));
    events(2);
    // and, as another version, with other columns and another delimiter
    write(format!("Handle;What;Address;Who;Tenant;When\ns-cho-1234;export;192.0.2.1;cho;t1;{}\n", at(3)));
    events(3);
    daemon.stop();
    write(format!("s-dan-1234;export;192.0.2.1;dan;\"t;\n1\";{}\n", at(4)));
    let daemon = site.start(args);
    events(4);
    // a delimiter that its writer has not quoted
    write(format!("s-eve-1234;export;192.0.2.1;eve;t;1;{}\n", at(5)));
    events(5);
    let state = crm(&site);
    assert_eq!(state["ambiguous"].as_u64(), Some(1), "{state}");
    assert_eq!(state["rejects"].as_object().map_or(0, |r| r.len()), 0, "{state}");
    daemon.stop();
    assert_eq!(found(&site), ["ana", "ben", "cho", "dan", "eve"]);
    let kept = site.dump("state").join("\n");
    let line = kept.lines().find(|line| line.contains(r#"\"Who\":\"ana\""#)).unwrap_or_else(|| panic!("{kept}"));
    assert!(
        line.contains(r#"\"Handle\":\"[cut]\""#) && !kept.contains("s-ana"),
        "a session's id is never kept: {line}"
    );
    // and from what is recorded and the file, the same is made again
    site.make_again();
}

#[test]
fn e50_columns_that_move_and_quotes_over_lines() {
    e50(&[]);
}

#[test]
fn e50_columns_that_move_and_quotes_over_lines_without_hints() {
    e50(&["--no-watch"]);
}

#[test]
fn csv_without_headers_is_read_by_the_one_of_its_profile_and_else_said_to_be_unreadable() {
    let stated = PROFILE.replace("format = \"csv\"", "format = \"csv\"\nheader = \"When;Who;What;Address\"");
    for (profile, events) in [(stated.as_str(), 1), (PROFILE, 0)] {
        let site = site(profile, FILES);
        std::fs::write(site.path("crm.csv"), format!("{};ana;export;192.0.2.1\n", at(1))).unwrap();
        let daemon = site.start(&[]);
        until("the line", || (crm(&site)["lines"].as_u64()? == 1).then_some(()));
        assert_eq!(crm(&site)["events"], events);
        daemon.stop();
    }
}

#[test]
fn received_csv_is_read_by_the_header_that_its_profile_states_and_must() {
    let received = "receive = ['lines:DIR/in.sock']\nprofile = 'crm'";
    let said = site(PROFILE, received).say(&["check"]);
    let said = (said.status.success(), text(&said));
    assert!(!said.0 && said.1.contains("let the profile crm state it (`header`)"), "{said:?}");
    let header = "When,Who,What,Address";
    let stated = PROFILE.replace("format = \"csv\"", &format!("format = \"csv\"\nheader = \"{header}\""));
    let site = site(&stated, received);
    let daemon = site.start(&[]);
    let mut sender = until("the socket", || std::os::unix::net::UnixStream::connect(site.path("in.sock")).ok());
    // a shipper sends what it finds in a file: its header is no record
    let rows = format!("{header}\n{},ana,export,192.0.2.1\n{},ben,export,192.0.2.1\n", at(1), at(2));
    sender.write_all(rows.as_bytes()).unwrap();
    until("both", || (crm(&site)["events"].as_u64()? == 2).then_some(()));
    daemon.stop();
    assert_eq!(found(&site), ["ana", "ben"]);
}

#[test]
fn an_open_quote_takes_in_no_line_that_syslog_wrote() {
    let stated = PROFILE.replace("format = \"csv\"", "format = \"csv\"\nheader = \"When;Who;What;Address;Browser\"");
    let site = site(&stated, &format!("{FILES}\nenvelope = 'syslog'"));
    let line =
        |n, who: &str, browser: &str| format!("Sep 21 15:33:20 host crm: {};{who};export;192.0.2.1;{browser}\n", at(n));
    let lines = line(1, "eve", "\"AAAA") + &line(2, "ben", "\"x");
    std::fs::write(site.path("crm.csv"), lines).unwrap();
    let daemon = site.start(&[]);
    until("both", || (crm(&site)["events"].as_u64()? == 2).then_some(()));
    daemon.stop();
    assert_eq!(found(&site), ["ben", "eve"]);
}

#[test]
fn what_cannot_be_read_as_csv_is_refused_with_what_to_do() {
    for (profile, trail, says) in [
        (
            PROFILE.replace("format = \"csv\"", "format = \"csv\"\nheader = \"Wen,Ho\""),
            FILES.to_owned(),
            "is no header of this profile",
        ),
        (
            PROFILE.replace("format = \"csv\"", "format = \"json\"\nheader = \"When,Who\""),
            FILES.to_owned(),
            "is for the format csv",
        ),
        (PROFILE.to_owned(), format!("{FILES}\nframing = 'json-documents'"), "`framing` is not for CSV"),
    ] {
        let said = site(&profile, &trail).say(&["check"]);
        let said = (said.status.success(), text(&said));
        assert!(!said.0 && said.1.contains(says), "{said:?}");
    }
}

#[test]
fn csv_is_recognised_by_its_header_and_replayed() {
    let site = site(PROFILE, "paths = ['DIR/crm.csv']");
    let rows: String = (0..5).map(|n| format!("{},p{n},export,192.0.2.1\n", at(n))).collect();
    std::fs::write(site.path("crm.csv"), format!("When,Who,What,Address\n{rows}")).unwrap();
    let said = site.say(&["replay", "--format", "ocsf"]);
    assert!(text(&said).matches("any_export").count() >= 5, "{}", text(&said));
}

#[test]
fn what_a_console_downloads_is_replayed_without_a_configuration() {
    let site = Site::bare("", "");
    let record = |n: usize| {
        let cell = format!(
            r#"{{"CreationTime":"2026-03-30T14:{n:02}:22","Id":"r-{n}","Operation":"UserLoggedIn","RecordType":15,"Workload":"AzureActiveDirectory","UserId":"ana@provider.example"}}"#
        );
        format!(
            "r-{n},x,15,UserLoggedIn,ana@provider.example,\"{}\",,\r\n",
            cell.replace('"', "\"\"").replace(",", ",\n")
        )
    };
    let rows: String = (0..30).rev().map(record).collect();
    let header = "\u{feff}RecordId,CreationDate,RecordType,Operation,UserId,AuditData,AssociatedAdminUnits,AssociatedAdminUnitsNames\r\n";
    let path = site.path("AuditLog.csv");
    std::fs::write(&path, format!("{header}{rows}")).unwrap();
    let out = crate::support::tripline(&["replay", path.to_str().unwrap()]).output().unwrap();
    let said = text(&out);
    assert!(out.status.success() && said.contains("Microsoft Purview"), "{said}");
    assert!(said.contains("30 events, 0 rejected"), "{said}");
}
