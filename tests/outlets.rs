//! What happened reaches whoever is told: real syslog receivers over each transport, restarted, stalled and killed while the
//! daemon sends; a file of OCSF objects; webhooks that are signed, refuse, and ask to be left alone.
use crate::records;
use crate::servers::receivers::{Product, Receiver};
use crate::servers::{self, Asked, Web};
use crate::support::{ANY_EXPORT, DOWNLOADS, Daemon, PORTAL, Site, until};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

/// Every export is a finding; all of them ask for an order, so that none is held back by the limit of messages an hour.
/// A site that only observes, with these outlets.
fn site(outlets: &str) -> Site {
    let site = Site::bare("", "");
    let dir = site.dir.path().to_str().unwrap().to_owned();
    std::fs::create_dir_all(site.path("policies/detections")).unwrap();
    std::fs::write(site.path("policies/detections/any-export.yml"), ANY_EXPORT).unwrap();
    site.configure(&format!("policies_dir = '{dir}/policies'\n{}{outlets}", site.configuration()));
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    site
}

/// Who exports; what a trail stated of him is long, and full of what means something in syslog.
fn who(n: usize) -> String {
    format!("person{n}] \"<{}>\\ {}", n % 192, "é".repeat(n % 40))
}

/// Appends exports of persons of these numbers: a finding each.
fn export(site: &Site, numbers: std::ops::Range<usize>) {
    let ts = jiff::Timestamp::now();
    let day = &ts.to_string()[..10];
    let line = |n: usize| {
        let event = serde_json::json!({
            "ts": format!("{ts:.3}"), "id": format!("ev-{n}"), "event": "log.export.requested", "outcome": "success",
            "actor": {"id": format!("u-{n}"), "name": who(n), "type": "staff", "role": "admin"}, "session": format!("s-{n}"),
            "ip": "192.0.2.7", "ua": "Mozilla/5.0", "account": "AC1", "details": {"export": format!("ex-{n}"), "kind": "sms", "from": day, "to": day, "rows": 5},
        });
        format!("{event}\n")
    };
    site.append_to(PORTAL).write_all(numbers.map(line).collect::<String>().as_bytes()).unwrap();
}

fn told_all(site: &Site) {
    site.caught_up();
    until("the outbox to be empty", || {
        let status = site.status();
        let outlets = status["outlets"].as_array().unwrap();
        outlets.iter().all(|o| o["waiting"] == 0).then_some(())
    });
}

/// The ids of all findings that the policy made and of the orders that they asked for, and whom they are about.
fn found(site: &Site) -> BTreeMap<String, String> {
    let findings = site.json(&["findings", "list", "--policy", "any_export", "--limit", "100000"]);
    let orders = site.json(&["orders", "list", "--limit", "100000"]);
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let findings = findings.iter().map(|row| (word(&row["finding"]["id"]), word(&row["finding"]["subject"]["actor"])));
    findings.chain(orders.iter().map(|order| (word(&order["id"]), word(&order["actor"])))).collect()
}

/// All of it came that way, and every line is one record: as its sender wrote it, and as the receiver read it.
fn all_came(receiver: &Receiver, way: &str, found: &BTreeMap<String, String>) {
    let mut seen = BTreeSet::new();
    let records = until_came(receiver, way, found);
    for (data, raw) in &records {
        if way == "local" {
            assert_eq!(data, "tripline", "the receiver took that for the program of {raw:?}");
        }
        // what stands before the version belongs to the receiver
        let raw = match way {
            "local" => format!("- - tripline 1 {}", raw.trim_start().replacen("\"] ", "\"] \u{feff}", 1)),
            _ => raw.split_once("1 ").map_or(raw.as_str(), |(_, rest)| rest).to_owned(),
        };
        let record = records::parse(format!("<0>1 {raw}").as_bytes()).unwrap_or_else(|e| panic!("{way}: {e}: {raw:?}"));
        let id = record.get("id").unwrap();
        assert!(way == "local" || data.contains(id), "{way}: the receiver read {data:?} out of {raw:?}");
        if let Some(actor) = found.get(id) {
            assert_eq!(record.get("actor"), Some(actor.as_str()), "{way}");
            seen.insert(id.to_owned());
        }
    }
    let missing: Vec<_> = found.iter().filter(|(id, _)| !seen.contains(*id)).collect();
    assert!(missing.is_empty(), "{way}: {} of {} are missing: {missing:?}", missing.len(), found.len());
    println!("{way}: {} findings and orders, {} records", found.len(), records.len());
}

/// The records, once all findings are among them: what was sent may still be on its way into the file.
fn until_came(receiver: &Receiver, way: &str, found: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let records = receiver.records(way);
        let text: String = records.iter().map(|(_, raw)| raw.as_str()).collect();
        if found.keys().all(|id| text.contains(id.as_str())) || std::time::Instant::now() > end {
            return records;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Restarted in between, and stalled for a while: the ways that cannot tell what was read lose nothing to that either.
fn restarted_and_stalled(product: Product, ways: &[&str]) {
    let mut receiver = Receiver::start(product);
    let site = site(&ways.iter().map(|way| receiver.table(way)).collect::<String>());
    let daemon = site.start(&[]);
    export(&site, 0..40);
    told_all(&site);
    receiver.stop();
    export(&site, 40..80);
    site.caught_up();
    receiver.again();
    told_all(&site);
    receiver.stall();
    export(&site, 80..110);
    site.caught_up();
    std::thread::sleep(Duration::from_secs(2));
    receiver.go_on();
    told_all(&site);
    let found = found(&site);
    assert_eq!(found.len(), 220, "a finding and an order for each export");
    ways.iter().for_each(|way| all_came(&receiver, way, &found));
    daemon.stop();
}

/// Killed with a backlog unread in its buffers.
fn killed_while_stalled(product: Product, ways: &[&str]) {
    let mut receiver = Receiver::start(product);
    let site = site(&ways.iter().map(|way| receiver.table(way)).collect::<String>());
    let daemon = site.start(&[]);
    export(&site, 0..20);
    told_all(&site);
    receiver.stall();
    export(&site, 20..120);
    site.caught_up();
    // long enough for what nobody reads to count as sent
    std::thread::sleep(Duration::from_secs(4));
    receiver.kill();
    receiver.again();
    export(&site, 120..140);
    told_all(&site);
    let found = found(&site);
    assert_eq!(found.len(), 280);
    ways.iter().for_each(|way| all_came(&receiver, way, &found));
    daemon.stop();
}

#[test]
fn rsyslog_restarted_and_stalled_gets_every_finding_over_each_transport() {
    restarted_and_stalled(Product::Rsyslog, &servers::receivers::WAYS);
}

#[test]
fn syslog_ng_restarted_and_stalled_gets_every_finding_over_each_transport() {
    restarted_and_stalled(Product::SyslogNg, &servers::receivers::WAYS);
}

#[test]
fn rsyslog_killed_with_a_backlog_unread_gets_it_again() {
    killed_while_stalled(Product::Rsyslog, &["tcp", "tls"]);
}

#[test]
fn syslog_ng_killed_with_a_backlog_unread_gets_it_again() {
    killed_while_stalled(Product::SyslogNg, &["tcp", "tls"]);
}

#[test]
fn a_receiver_that_is_not_who_it_should_be_gets_nothing() {
    let receiver = Receiver::start(Product::Rsyslog);
    let other = receiver.table("tls").replace("server_name = 'localhost'", "server_name = 'siem.example.org'");
    let site = site(&other);
    let daemon = site.start(&[]);
    export(&site, 0..3);
    site.caught_up();
    until("the refusal to be said", || {
        let status = site.status();
        status["outlets"][0]["error"].as_str().is_some_and(|e| e.contains("certificate")).then_some(())
    });
    assert!(site.status()["outlets"][0]["waiting"].as_u64().unwrap() >= 3);
    assert!(receiver.records("tls").is_empty());
    daemon.stop();
}

fn objects(site: &Site, name: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(site.path(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn a_file_gets_one_ocsf_object_a_line_through_kills_and_rotations() {
    let site = site("");
    let path = site.path("ocsf.jsonl").display().to_string();
    site.configure(&format!("{}[ocsf.file]\npath = '{path}'\n", site.configuration()));
    let mut daemon = site.start(&[]);
    for round in 0..4 {
        export(&site, round * 20..(round + 1) * 20);
        if round == 1 {
            std::thread::sleep(Duration::from_millis(30));
            daemon.kill();
            // as a crash of the machine leaves it
            site.append_to("ocsf.jsonl").write_all(b"{\"class_uid\":2004,\"fin").unwrap();
            daemon = site.start(&[]);
        }
        if round == 2 {
            told_all(&site);
            std::fs::rename(site.path("ocsf.jsonl"), site.path("ocsf.jsonl.1")).unwrap();
        }
    }
    told_all(&site);
    let all = [objects(&site, "ocsf.jsonl.1"), objects(&site, "ocsf.jsonl")].concat();
    let uids: BTreeSet<_> = all.iter().filter_map(|o| o["finding_info"]["uid"].as_str().map(str::to_owned)).collect();
    let found = found(&site);
    let orders =
        all.iter().filter(|o| o["class_uid"] == 7001).filter_map(|o| o["command_uid"].as_str().map(str::to_owned));
    let uids: BTreeSet<_> = uids.into_iter().chain(orders).collect();
    assert_eq!(found.len(), 160);
    assert!(found.keys().all(|id| uids.contains(id)));
    daemon.stop();
}

/// Answers as a receiver of Standard Webhooks would that knows `key`, by the signature's own words.
fn signed(asked: &Asked, folder: &std::path::Path, key: &str) -> bool {
    let content = format!("{}.{}.{}", asked.header("webhook-id"), asked.header("webhook-timestamp"), asked.body);
    let file = folder.join(format!("content-{}", asked.header("webhook-id")));
    std::fs::write(&file, content).unwrap();
    let hex: String = key.bytes().map(|b| format!("{b:02x}")).collect();
    let out = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"])
        .arg(&file)
        .output()
        .unwrap();
    let mut base64 = Command::new("base64")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    base64.stdin.take().unwrap().write_all(&out.stdout).unwrap();
    let said = base64.wait_with_output().unwrap();
    asked.header("webhook-signature") == format!("v1,{}", String::from_utf8_lossy(&said.stdout).trim())
}

/// A secret that only its owner can read.
fn secret(site: &Site, name: &str, text: &str) -> String {
    let path = site.path(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    path.display().to_string()
}

/// The ids in the order in which they were asked for.
fn keys(web: &Web) -> Vec<String> {
    web.asked().iter().map(|asked| asked.header("webhook-id").to_owned()).collect()
}

#[test]
fn a_webhook_is_signed_says_what_the_template_says_and_nothing_that_calls_or_links() {
    let web = Web::start(vec![servers::status(204)]);
    let site = site("");
    // whsec_ and base64 of this
    let key = "0123456789abcdef0123456789abcdef";
    let sign = secret(&site, "sign", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n");
    let token = secret(&site, "token", "T000/B000/s3cret-and-long\n");
    let at = web.at;
    site.configure(&format!(
        "{}[webhook.chat]\nurl = 'http://{at}/services/{{secret}}?x=1'\nsecret_file = '{token}'\nheaders = {{ Authorization = 'Key {{secret}}' }}\n\
         sign = {{ secret_file = '{sign}' }}\njson = {{ text = '{{severity}}: {{text}}', key = '{{secret}}', list = ['{{actor}}', '{{customer}}'], n = 3 }}\n",
        site.configuration()
    ));
    let daemon = site.start(&[]);
    export(&site, 3..4);
    told_all(&site);
    let asked = web.asked();
    // the order that is only observed is below what a webhook is told
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].line, "POST /services/T000/B000/s3cret-and-long?x=1 HTTP/1.1");
    assert_eq!(asked[0].header("authorization"), "Key T000/B000/s3cret-and-long");
    assert!(found(&site).contains_key(asked[0].header("webhook-id")));
    assert!(signed(&asked[0], site.dir.path(), key), "{:?}", asked[0]);
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with("high: Any export: person3] \"&lt;3&gt;\\ ééé from 192.0.2.7"), "{text}");
    assert_eq!((body["n"].as_u64(), body["list"][1].as_str()), (Some(3), Some("AC1")));
    daemon.stop();
    let log = std::fs::read_to_string(site.path("daemon.log")).unwrap();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_webhook_that_fails_gets_the_same_again_in_order_and_one_that_refuses_is_passed_over() {
    let web = Web::serve(|n, _| match n {
        0 => servers::answer(503, "retry-after: 1\r\n", "busy"),
        1 => servers::CUT.to_owned(),
        3 => servers::answer(422, "", "no such field"),
        _ => servers::status(200),
    });
    let site = site(&format!("[webhook.pager]\nurl = 'http://{}/'\n", web.at));
    let daemon = site.start(&[]);
    export(&site, 0..4);
    told_all(&site);
    let keys = keys(&web);
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert!(keys[0] == keys[1] && keys[1] == keys[2], "the first one until it is taken: {keys:?}");
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), 4);
    let body: serde_json::Value = serde_json::from_str(&web.asked()[0].body).unwrap();
    assert_eq!(body["class_uid"], 2004, "without a template: the OCSF object");
    let log = daemon.log();
    assert!(log.contains("422") && log.contains("no such field"), "{log}");
    daemon.stop();
}

/// A daemon whose webhook hangs still gives orders at once.
#[test]
fn what_hangs_holds_up_nothing_else() {
    let web = Web::start(vec![servers::HANG.to_owned()]);
    let site = site(&format!("[webhook.pager]\nurl = 'http://{}/'\n", web.at));
    let ocsf = site.path("ocsf.jsonl").display().to_string();
    site.configure(&format!("{}[ocsf.file]\npath = '{ocsf}'\n", site.configuration()));
    let daemon: Daemon = site.start(&[]);
    export(&site, 0..50);
    site.caught_up();
    until("the file to have everything while the webhook hangs", || {
        let status = site.status();
        let outlets = status["outlets"].as_array().unwrap();
        let waiting = |name: &str| outlets.iter().find(|o| o["name"] == name).unwrap()["waiting"].as_u64().unwrap();
        (waiting("ocsf.file") == 0 && waiting("webhook.pager") > 0).then_some(())
    });
    daemon.stop();
}
