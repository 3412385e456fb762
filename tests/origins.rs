//! Origins behind proxies, from the configuration to what people are told.
use crate::support::{ANY_EXPORT, Site, text, until};
use std::io::Write;

/// A site with one trail of the portal, in whose table `more` stands.
fn site(more: &str) -> Site {
    let site = Site::bare("", "");
    site.policy("any-export", ANY_EXPORT);
    let text = format!(
        "state_dir = 'DIR/state'\ncontrol_socket = 'DIR/control.sock'\npolicies_dir = 'DIR/policies'\n\
         [[trail]]\nname = 'portal'\npaths = ['DIR/portal.log']\nprofile = 'tripline-portal'\n{more}\n"
    );
    site.configure(&text.replace("DIR", site.dir.path().to_str().unwrap()));
    site
}

fn export(n: usize, who: &str, ip: &str) -> String {
    let at = jiff::Timestamp::from_second(1_790_000_000 + n as i64).unwrap();
    format!(
        r#"{{"ts":"{at}","id":"ev-{n}","event":"log.export.requested","outcome":"success","actor":{{"name":"{who}","type":"staff"}},"session":"s-{who}-1234","ip":{ip},"account":"AC1","details":{{"export":"ex-{n}","kind":"sms","rows":10}}}}"#
    ) + "\n"
}

#[test]
fn what_a_client_may_have_stated_is_told_wherever_the_event_is() {
    for (more, stated) in [("", true), ("trusted_proxies = ['private']", false)] {
        let site = site(more);
        let lines = [
            export(1, "ana", "\"192.0.2.1, 198.51.100.4, 10.0.0.1\""),
            export(2, "ben", "\"198.51.100.5\""),
            export(3, "cho", "\"a gateway\""),
        ];
        site.append_to("portal.log").write_all(lines.concat().as_bytes()).unwrap();

        let said = site.say(&["check"]);
        assert!(said.status.success(), "{}", text(&said));
        let written = "trusted_proxies = [\"private\"]";
        assert_eq!(text(&said).contains("1 of its first 3 events"), stated, "{}", text(&said));
        assert_eq!(text(&said).contains(written), stated, "{}", text(&said));

        let daemon = site.start(&[]);
        let trail = until("the events", || {
            let trail = site.status()["trails"]["portal"].clone();
            (trail["events"].as_u64()? == 3).then_some(trail)
        });
        assert_eq!((&trail["origin_stated"], &trail["origin_unread"]), (&u64::from(stated).into(), &1.into()));
        let marked = |who: &str| {
            let found = site.json(&["findings", "list", "--actor", who]);
            let id = found[0]["finding"]["id"].as_str().unwrap().to_owned();
            let shown = site.json(&["findings", "show", &id]);
            let told = [text(&site.say(&["explain", &id])), text(&site.say(&["findings", "show", &id]))];
            (shown[0]["events"][0].clone(), told)
        };
        let (event, told) = marked("ana");
        assert_eq!(event["origin"]["ip"], "198.51.100.4");
        assert_eq!(event["marks"]["origin_stated"].as_bool().unwrap_or(false), stated, "{event}");
        for told in told.iter() {
            assert_eq!(told.contains("its origin is what a client may have stated"), stated, "{told}");
        }
        let (event, told) = marked("cho");
        assert_eq!((&event["origin"]["ip"], &event["marks"]["origin_unread"]), (&().into(), &true.into()), "{event}");
        assert!(told.iter().all(|told| told.contains("the origin that it states can't be read")), "{told:?}");
        let (event, _) = marked("ben");
        assert_eq!(event["marks"], serde_json::json!({}));
        daemon.stop();

        // and from what is recorded and the file, the same is made again
        site.make_again();
    }
}

#[test]
fn a_trail_whose_lists_end_with_one_public_address_is_told_what_to_write() {
    let site = site("");
    let lines: Vec<String> = (0..5).map(|n| export(n, "ana", &format!("\"192.0.2.{n}, 203.0.113.7\""))).collect();
    site.append_to("portal.log").write_all(lines.concat().as_bytes()).unwrap();
    let said = text(&site.say(&["check"]));
    assert!(said.contains("5 of its first 5 events"), "{said}");
    assert!(said.contains("trusted_proxies = [\"private\", \"203.0.113.7\"]"), "{said}");
}

#[test]
fn a_proxy_that_is_no_network_is_refused_with_its_line() {
    let site = site("trusted_proxies = ['private', '203.0.113.0/240']");
    let said = site.say(&["check"]);
    assert!(!said.status.success());
    assert!(text(&said).contains("\"203.0.113.0/240\" is neither a network"), "{}", text(&said));
}
