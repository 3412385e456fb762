//! What people who were not there are told: clocks, notices, the report, and the folder that somebody without tripline can read.
use crate::support::{self, DOWNLOADS, PORTAL, Site, text, until};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const NOTICES: &str = r#"
[notices]
provider = "Example Telephony Ltd"
contact = "security@telephony.example"
clocks = ["gdpr-controller", "fcc-cpni"]
fields = { mfa = "phone number, carrier, state, date and time" }

[[notices.contract]]
name = "at-once"
hours = 0
what = "call the customer"
"#;

/// What the intruder calls himself: all that a page, a text or a spreadsheet could stumble over.
const HOSTILE: &str = "ana<script>alert(1)</script>|[x](http://evil.example)`=cmd`";

/// A week of ana's honest work, and then a stranger in her name who takes customer after customer.
fn attack(who: &str) -> String {
    let who = serde_json::to_string(who).unwrap();
    let mut lines = String::new();
    let mut line = |day: u32, time: &str, event: &str, session: &str, ip: &str, more: &str| {
        lines.push_str(&format!(
            "{{\"ts\":\"2026-03-{day:02}T{time}.000Z\",\"id\":\"{day}-{time}-{event}-{session}\",\"event\":\"{event}\",\"outcome\":\"success\",\
             \"actor\":{{\"id\":\"u-1\",\"name\":{who},\"type\":\"user\",\"role\":\"support\"}},\"session\":\"{session}\",\"ip\":\"{ip}\",\
             \"ua\":\"Mozilla/5.0 (Windows NT 10.0) Chrome/120.0.0.0\"{more}}}\n"
        ));
    };
    for day in 1..=20 {
        let session = format!("s-{day}");
        line(day, "09:00:00", "session.login", &session, "192.0.2.7", "");
        for hour in 10..17 {
            line(day, &format!("{hour}:00:00"), "page.view", &session, "192.0.2.7", ",\"account\":\"AC001\"");
        }
        let export = format!(
            ",\"account\":\"AC001\",\"details\":{{\"export\":\"own-{day}\",\"kind\":\"sms\",\"from\":\"2026-03-01\",\"to\":\"2026-03-01\",\"rows\":40}}"
        );
        line(day, "15:30:00", "log.export.requested", &session, "192.0.2.7", &export);
    }
    line(21, "03:00:00", "session.login", "s-thief", "203.0.113.66", "");
    for n in 0..12 {
        let export = format!(
            ",\"account\":\"AC1{n:02}\",\"details\":{{\"export\":\"ex-{n}\",\"kind\":\"mfa\",\"from\":\"2026-02-21\",\"to\":\"2026-03-20\",\"rows\":{}}}",
            4000 + n
        );
        line(21, &format!("03:{:02}:00", n + 2), "log.export.requested", "s-thief", "203.0.113.66", &export);
        line(21, &format!("03:{:02}:30", n + 2), "log.export.downloaded", "s-thief", "203.0.113.66", &export);
    }
    lines
}

/// A site whose portal wrote all that of somebody of that name.
pub fn attacked(who: &str) -> Site {
    let site = Site::bare("", NOTICES);
    let kept = site.path("kept.txt");
    site.configure(&(site.configuration() + &format!("\n[checkpoints.elsewhere]\npath = {kept:?}\n")));
    std::fs::write(site.path(PORTAL), attack(who)).unwrap();
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    site
}

fn after_the_attack(who: &str) -> (Site, support::Daemon) {
    let site = attacked(who);
    let daemon = site.start(&[]);
    site.caught_up();
    (site, daemon)
}

pub fn incident(site: &Site) -> Value {
    until("an incident", || site.json(&["incident", "list"]).into_iter().next())
}

#[test]
fn clocks_run_from_the_alarm_the_determination_and_each_other_and_end_when_people_say_so() {
    let (site, daemon) = after_the_attack("ana");
    let case = incident(&site);
    let id = case["id"].as_str().unwrap().to_owned();
    let known = case["known"].as_i64().unwrap();
    let clocks = || -> Vec<Value> { site.json(&["status"])[0]["clocks"].as_array().unwrap().clone() };
    let due = |name: &str| clocks().iter().find(|c| c["name"] == name).map(|c| c["due"].as_i64().unwrap());
    let hour = 3_600_000;
    assert_eq!(due("gdpr-controller/authority"), Some(known + 72 * hour));
    // nobody has said that it is a breach
    assert_eq!(due("fcc-cpni/customers"), None);
    let say = |words: &[&str]| {
        let out = site.say(&[&["incident"], words].concat());
        assert!(out.status.success(), "{}", text(&out));
    };
    say(&["determine", &id, "the desk called ana: it was not her"]);
    assert!(due("fcc-cpni/customers").unwrap() > known + 30 * 24 * hour);
    say(&["told", &id, "gdpr-controller/authority", "by its web form, reference 4711"]);
    assert_eq!(due("gdpr-controller/authority"), None);
    say(&["waive", &id, "fcc-cpni/agencies", "not a carrier under 47 CFR"]);
    let refused = site.say(&["incident", "told", &id, "gdpr/authority", "x"]);
    assert!(text(&refused).contains("gdpr-controller/authority"), "{}", text(&refused));
    let shown = text(&site.say(&["incident", "show", &id]));
    assert!(shown.contains("reference 4711") && shown.contains("met") && shown.contains("waived"), "{shown}");
    // what is closed runs no more
    say(&["close", &id, "all told"]);
    assert_eq!(clocks(), Vec::<Value>::new());
    daemon.stop();
}

#[test]
fn a_clock_that_is_over_is_told_once_however_often_the_daemon_starts() {
    let (site, daemon) = after_the_attack("ana");
    let id = incident(&site)["id"].as_str().unwrap().to_owned();
    daemon.stop();
    let reminders = || {
        let ledger = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
        let mut rows = ledger.prepare("SELECT body FROM outbox WHERE kind = 'reminder'").unwrap();
        let bodies: Vec<String> = rows.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
        bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect::<Vec<Value>>()
    };
    for _ in 0..2 {
        let daemon = site.start(&[]);
        until("a reminder", || (!reminders().is_empty()).then_some(()));
        daemon.stop();
    }
    let told = reminders();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(
        (told[0]["clock"]["name"].as_str(), told[0]["standing"].as_str()),
        (Some("contract/at-once"), Some("overdue"))
    );
    assert_eq!(told[0]["clock"]["incident"], id);
}

/// The folder of the attack in that name; the incident with it.
fn folder(site: &Site) -> std::path::PathBuf {
    let id = incident(site)["id"].as_str().unwrap().to_owned();
    let out = site.path("report");
    let said = site.say(&["report", &id, "--out", out.to_str().unwrap()]);
    assert!(said.status.success(), "{}", text(&said));
    out
}

#[test]
fn the_folder_can_be_read_and_checked_without_tripline() {
    let (site, daemon) = after_the_attack("ana");
    incident(&site);
    // a head is signed once a minute, and at the end; the next start tells it
    daemon.stop();
    let daemon = site.start(&[]);
    let out = folder(&site);
    // the head is in the file that is taken elsewhere, and the ledger holds against that
    until("the file of heads", || {
        std::fs::read_to_string(site.path("kept.txt")).ok().filter(|text| text.ends_with('\n'))
    });
    daemon.stop();
    let held = site.say(&["verify", "--against", site.path("kept.txt").to_str().unwrap()]);
    assert!(held.status.success() && text(&held).contains("intact"), "{}", text(&held));
    let sums = Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&out).output().unwrap();
    assert!(sums.status.success(), "{}", text(&sums));
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let key = read("key.txt");
    for proof in std::fs::read_dir(out.join("proofs")).unwrap() {
        let proof = proof.unwrap().path();
        let checked =
            support::tripline(&["verify", "--proof", proof.to_str().unwrap(), "--key", key.trim()]).output().unwrap();
        assert!(checked.status.success(), "{}", text(&checked));
    }
    // the numbers are those of the trail, in every form
    let records: u64 = (0..12).map(|n| 4000 + n).sum();
    let words = format!("{},{:03} records", records / 1000, records % 1000);
    for name in ["report.html", "report.md", "notices/authority.md"] {
        assert!(read(name).contains(&words), "{name} lacks {words}");
    }
    let theirs = read("notices/customer-AC103.md");
    assert!(theirs.contains("4,003 records") && theirs.contains("phone number, carrier, state"), "{theirs}");
    assert!(!theirs.contains("AC104"), "another customer's: {theirs}");
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_path(out.join("exports.csv")).unwrap().records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().filter(|row| row[8] == *"whole").count(), 12, "{rows:#?}");
    let objects: Vec<Value> = read("ocsf.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[0]["class_uid"], 2005);
    assert!(objects[1..].iter().any(|o| o["class_uid"] == 2004));
    // nothing is written over
    let id = incident_id(&objects[0]);
    let again = site.say(&["report", &id, "--out", out.to_str().unwrap()]);
    assert!(text(&again).contains("not empty"), "{}", text(&again));
}

fn incident_id(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[test]
fn what_an_intruder_chose_is_text_everywhere() {
    let (site, daemon) = after_the_attack(HOSTILE);
    let out = folder(&site);
    daemon.stop();
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    let page = read("report.html");
    assert!(page.contains("ana&lt;script&gt;alert(1)") && !page.contains("<script"), "{page}");
    let md = read("report.md");
    assert!(md.contains("ana\\<script\\>") && !md.contains("[x](") && !md.replace("\\<", "").contains('<'), "{md}");
    for row in csv::Reader::from_path(out.join("exports.csv")).unwrap().records() {
        assert!(row.unwrap().iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])));
    }
}

#[test]
fn an_operators_own_draft_is_used_and_a_wrong_name_in_it_is_shown_with_its_line() {
    let site = Site::bare("", "");
    let dir = site.path("drafts");
    std::fs::create_dir(&dir).unwrap();
    site.configure(&(site.configuration() + &format!("\n[notices]\ntemplates = {dir:?}\n")));
    std::fs::write(site.path(PORTAL), attack("ana")).unwrap();
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    std::fs::write(dir.join("person.md"), "Dear reader,\n\nit was {incident}.\n").unwrap();
    let daemon = site.start(&[]);
    site.caught_up();
    let out = folder(&site);
    let own = std::fs::read_to_string(out.join("notices/person.md")).unwrap();
    assert!(own.starts_with("Dear reader,\n\nit was ") && !own.contains('{'), "{own}");
    std::fs::write(dir.join("person.md"), "Dear reader,\n\nit was {incidnet}.\n").unwrap();
    let id = incident(&site)["id"].as_str().unwrap().to_owned();
    let wrong = site.say(&["report", &id, "--out", site.path("other").to_str().unwrap()]);
    assert!(text(&wrong).contains("person.md: line 3") && text(&wrong).contains("incidnet"), "{}", text(&wrong));
    daemon.stop();
}

/// Measures a page from within, and writes what it finds into the title, where `--dump-dom` shows it.
const MEASURE: &str = r#"<script>
const lum = c => { const v = c.match(/\d+/g).slice(0, 3).map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
  return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
const paper = getComputedStyle(document.body).backgroundColor;
let least = 99;
for (const e of document.querySelectorAll("h1, p, dt, dd, th, td, figcaption")) {
  const [a, b] = [lum(getComputedStyle(e).color), lum(paper)].sort((x, y) => y - x);
  least = Math.min(least, (a + .05) / (b + .05));
}
document.title = JSON.stringify({ wide: document.documentElement.scrollWidth - innerWidth, least, dark: lum(paper) < .2,
  charts: document.querySelectorAll("svg rect").length });
</script>"#;

fn measured(page: &Path, width: u32, dark: bool) -> Option<Value> {
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let profile = tempfile::tempdir().unwrap();
    let out = Command::new("chromium-headless-shell")
        .args(["--no-sandbox", "--disable-gpu", "--timeout=20000", "--dump-dom", &scheme])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .ok()?;
    let dom = String::from_utf8_lossy(&out.stdout).into_owned();
    let title =
        dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title.to_owned());
    Some(serde_json::from_str(&title.unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {}{dom}", text(&out))))
}

#[test]
fn a_browser_shows_it_on_a_desk_and_a_phone_in_light_and_dark_and_on_paper() {
    if Command::new("chromium-headless-shell").arg("--version").output().is_err() {
        return support::skip("there is no chromium-headless-shell");
    }
    let (site, daemon) = after_the_attack(HOSTILE);
    let out = folder(&site);
    daemon.stop();
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    // the page itself forbids scripts: the one that measures is let in by taking that out
    let (head, rest) = page.split_once("<meta http-equiv").unwrap();
    let rest = rest.split_once('>').unwrap().1.replace("</body>", &format!("{MEASURE}</body>"));
    let copy = site.path("measured.html");
    std::fs::write(&copy, format!("{head}{rest}")).unwrap();
    for (width, dark) in [(1200, false), (1200, true), (390, false), (390, true)] {
        let seen = measured(&copy, width, dark).unwrap();
        assert!(seen["wide"].as_i64().unwrap() <= 0, "{width}: the page is wider than the screen: {seen}");
        assert!(seen["least"].as_f64().unwrap() >= 4.5, "{width}: too little contrast (WCAG 2.2, 1.4.3): {seen}");
        assert_eq!(seen["dark"], dark, "{width}: {seen}");
        assert!(seen["charts"].as_u64().unwrap() >= 12, "{width}: {seen}");
    }
    let pdf = site.path("report.pdf");
    let profile = tempfile::tempdir().unwrap();
    let printed = Command::new("chromium-headless-shell")
        .args(["--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", out.join("report.html").display()))
        .output()
        .unwrap();
    assert!(std::fs::read(&pdf).is_ok_and(|pdf| pdf.starts_with(b"%PDF")), "{}", text(&printed));
}

#[test]
fn a_session_id_is_opened_for_a_reason_that_is_recorded() {
    let (site, daemon) = after_the_attack("ana");
    incident(&site);
    let findings = site.json(&["findings", "list"]);
    let digest =
        findings.iter().find_map(|row| row["finding"]["subject"]["session"]["digest"].as_array().cloned()).unwrap();
    let session: String = digest.iter().map(|byte| format!("{:02x}", byte.as_u64().unwrap())).collect();
    let blank = site.say(&["reveal", &session, "  "]);
    assert_eq!(blank.status.code(), Some(2), "{}", text(&blank));
    let opened = site.say(&["reveal", &session, "asked for by the court, 12 O 34/26"]);
    assert_eq!(String::from_utf8_lossy(&opened.stdout).trim(), "s-thief", "{}", text(&opened));
    daemon.stop();
    let ledger = rusqlite::Connection::open(site.path("state/ledger.sqlite")).unwrap();
    let body: String = ledger.query_row("SELECT body FROM inputs WHERE kind = 'reveal'", [], |r| r.get(0)).unwrap();
    assert!(
        body.contains(&session) && body.contains("12 O 34/26") && body.contains("uid ") && !body.contains("s-thief"),
        "{body}"
    );
    // and it needs the daemon: without one nothing records it
    assert!(!site.say(&["reveal", &session, "again"]).status.success());
}
