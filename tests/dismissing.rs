//! What a dismissal learns: what its finding showed and nothing else, and nothing while something grave about the same actor may be an attack.
use crate::support::{DOWNLOADS, PORTAL, Site, text};
use std::io::Write;

/// Two kinds of novelty, each told by itself (low) and where somebody exports with it (high).
const POLICIES: &str = "title: Uses\nname: uses\nlogsource: { product: ocsf }\n\
    detection: { sel: { activity_name: [view, export_requested] }, condition: sel }\n---\n\
    title: Exports\nname: exports\nlogsource: { product: ocsf }\ndetection: { sel: { activity_name: export_requested }, condition: sel }\n---\n\
    title: Place\nname: new_place\nlevel: low\ntripline: { episode: 1h, generate: true }\ncorrelation: { type: new_value, rules: [uses], \
    group-by: [actor.user.name], fields: [src_endpoint.ip], timespan: 90d, learning: { days: 1, observations: 1 }, new-for: 1h }\n---\n\
    title: Browser\nname: new_browser\nlevel: low\ntripline: { episode: 1h, generate: true }\ncorrelation: { type: new_value, rules: [uses], \
    group-by: [actor.user.name], fields: [http_request.user_agent], timespan: 90d, learning: { days: 1, observations: 1 }, new-for: 1h }\n---\n\
    title: Elsewhere\nname: from_elsewhere\nlevel: high\n\
    correlation: { type: temporal, rules: [exports, new_place], group-by: [actor.user.name], timespan: 1h }\n---\n\
    title: Other\nname: with_another\nlevel: high\n\
    correlation: { type: temporal, rules: [exports, new_browser], group-by: [actor.user.name], timespan: 1h }\n";

const HOME: (&str, &str) = ("192.0.2.1", "Chrome/120.0");
const THIEF: (&str, &str) = ("203.0.113.7", "Firefox/118.0");

fn act(day: i64, event: &str, (ip, ua): (&str, &str)) -> String {
    let at = jiff::Timestamp::now().as_second() - day * 86_400;
    let ts = jiff::Timestamp::from_second(at).unwrap();
    let day_of = &ts.to_string()[..10];
    format!(
        r#"{{"ts":"{ts}","id":"{event}-{day}-{ip}-{ua}","event":"{event}","outcome":"success","actor":{{"name":"ana","type":"staff"}},"session":"s-{day}-1234","ip":"{ip}","ua":"{ua}","account":"AC1","details":{{"export":"ex-{day}","kind":"sms","from":"{day_of}","to":"{day_of}","rows":10}}}}"#
    ) + "\n"
}

fn write(site: &Site, lines: &str) {
    site.append_to(PORTAL).write_all(lines.as_bytes()).unwrap();
    site.caught_up();
}

/// How many findings of each policy there are.
fn found(site: &Site) -> [usize; 4] {
    let of = |policy: &str| site.json(&["findings", "list", "--policy", policy, "--since", "60d"]).len();
    ["new_place", "new_browser", "from_elsewhere", "with_another"].map(of)
}

/// Says of the first finding of a policy that it was honest.
fn dismiss(site: &Site, policy: &str) {
    let of = site.json(&["findings", "list", "--policy", policy, "--since", "60d"]);
    let first = of.iter().min_by_key(|f| f["finding"]["time"].as_i64()).expect("there is one");
    let id = first["finding"]["id"].as_str().unwrap();
    let said = site.say(&["dismiss", id, "--reason", "noise"]);
    assert!(said.status.success(), "{}", text(&said));
}

#[test]
fn a_dismissal_learns_what_its_finding_showed_and_nothing_while_something_graver_is_open() {
    let site = Site::bare("", "");
    site.policy("both", POLICIES);
    let policies = site.path("policies");
    site.configure(&format!("policies_dir = '{}'\n{}", policies.display(), site.configuration()));
    [PORTAL, DOWNLOADS].into_iter().for_each(|name| std::fs::write(site.path(name), "").unwrap());
    let daemon = site.start(&[]);
    write(&site, &(act(40, "page.view", HOME) + &act(36, "page.view", HOME)));
    write(&site, &act(30, "log.export.requested", THIEF));
    assert_eq!(found(&site), [1, 1, 1, 1]);
    // noise, while the theft is open: nothing is learned
    dismiss(&site, "new_place");
    write(&site, &act(27, "page.view", THIEF));
    assert_eq!(found(&site), [2, 2, 1, 1], "the thief's place and browser are new");
    // one of two grave ones: still nothing
    dismiss(&site, "from_elsewhere");
    write(&site, &act(24, "page.view", THIEF));
    assert_eq!(found(&site), [3, 3, 1, 1]);
    // the last of them: what it showed is learned, and what the others showed is not
    dismiss(&site, "with_another");
    write(&site, &act(21, "page.view", THIEF));
    assert_eq!(found(&site), [4, 3, 1, 1], "the browser is known, and the place is not");
    // and the theft goes on being seen from there
    write(&site, &act(18, "log.export.requested", THIEF));
    assert_eq!(found(&site), [5, 3, 2, 1]);
    let again = site.json(&["findings", "list", "--policy", "from_elsewhere", "--since", "60d"]);
    for row in again.iter().filter(|row| row["verdict"] == "open") {
        let said = site.say(&["dismiss", row["finding"]["id"].as_str().unwrap(), "--reason", "she moved"]);
        assert!(said.status.success(), "{}", text(&said));
    }
    write(&site, &act(15, "page.view", THIEF));
    assert_eq!(found(&site), [5, 3, 2, 1], "now both are hers");
    daemon.stop();
    site.make_again();
}
