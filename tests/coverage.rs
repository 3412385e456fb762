//! What can be found in a trail follows from its profile and the policies, and is said of each pair of them.

use std::collections::BTreeMap;
use tripline::model::{Event, EventTime, Field, Severity, SourceName};
use tripline::normalise::{Normaliser, Senders, Specimen, Trust};
use tripline::pipeline::coverage::Blind;
use tripline::pipeline::{Rules, Secrets};
use tripline::policy::{Body, Policy};
use tripline::rules::{self, Tables, Texts, TrailProfile};

/// A trail of each shipped profile, with every list that there can be.
fn every_trail() -> Rules {
    let normaliser = Normaliser::new(&[], &[]).expect("the shipped profiles compile");
    let names = normaliser.profiles().map(|profile| normaliser.name(profile));
    of_trails(&names.map(|name| TrailProfile::plain(SourceName(name.into()), name)).collect::<Vec<_>>())
}

fn of_trails(trails: &[TrailProfile]) -> Rules {
    let tables = Tables {
        networks: vec![("198.51.100.0/24".parse().expect("a network"), "hosting".into())],
        directory: BTreeMap::from([("ana".into(), "support".into())]),
        watch_list: BTreeMap::from([("AC1".into(), "canary".into())]),
        ..Tables::default()
    };
    let secrets = Secrets::new(&[7; 32]);
    rules::compile(&Texts::shipped(), tables, trails, Default::default(), Severity::Medium, secrets)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// For each detection that feeds a policy: whether its being fed is shown by an event of the trail.
fn feeding<'r>(rules: &'r Rules, policy: &'r Policy, into: &mut Vec<&'r Policy>) {
    match &policy.body {
        Body::Detection(_) => into.push(policy),
        Body::Correlation(c) => {
            c.rules.iter().for_each(|rule| feeding(rules, &rules.engine.policies().rules[*rule], into));
        }
    }
}

/// The events of a specimen with values that detections look for, where it leaves them open: from the lists, of the day, of the amount.
fn filled(specimen: &Specimen) -> Vec<Event> {
    let open = |field| specimen.open.contains(&field);
    let mut all = Vec::new();
    for (kind, role, os, listed, records) in [
        (Some("canary"), Some("support"), "Windows", Some("hosting"), 1_000_000),
        (Some("watched"), None, "Linux", Some("vpn"), 10),
        (None, Some("billing"), "Android", None, 1_000_000),
    ] {
        let mut event = (*specimen.event).clone();
        if open(Field::Ip) {
            let network = |text: &str| Some(text.into());
            (event.origin.prefix, event.origin.as_number) = (network("198.51.100.0/24"), Some(64_500));
            (event.origin.country, event.origin.listed) = (Some("NL".into()), listed.map(Into::into));
        }
        if open(Field::UserAgent) {
            (event.origin.device_os, event.origin.device_family) = (Some(os.into()), Some("Firefox".into()));
            event.origin.device_type = Some("browser".into());
        }
        if open(Field::Customer) {
            event.customer_kind = kind.map(Into::into);
        }
        if let Some(actor) = &mut event.actor
            && (open(Field::ActorRole) || actor.role.is_none())
        {
            actor.role = role.map(Into::into);
        }
        if let Some(export) = &mut event.export {
            if open(Field::ExportRecords) {
                export.records = Some(records);
            }
            if open(Field::ExportFirstDay) && open(Field::ExportLastDay) {
                (export.first_day, export.last_day) = (Some(20_000), Some(20_300));
            }
        }
        event.time = EventTime(20_400 * 86_400_000);
        all.push(event);
    }
    // where a record may not say in which session
    if !specimen.always.contains(&Field::SessionUid) {
        let sessionless = all.iter().map(|event| Event { session: None, ..event.clone() });
        all.extend(sessionless.collect::<Vec<_>>());
    }
    // where a record may not say who acted
    if [Field::ActorName, Field::ActorUid].iter().all(|field| !specimen.always.contains(field)) {
        let nameless =
            all.iter().filter(|event| event.session.is_some()).map(|event| Event { actor: None, ..event.clone() });
        all.extend(nameless.collect::<Vec<_>>());
    }
    // where a record may say neither who acted nor in which session
    if [Field::ActorName, Field::ActorUid, Field::SessionUid].iter().all(|field| !specimen.always.contains(field)) {
        let nobody = Event { actor: None, session: None, ..all[0].clone() };
        all.push(nobody);
    }
    all
}

#[test]
fn each_profile_feeds_each_policy_or_is_said_to_be_blind() {
    let rules = every_trail();
    let set = rules.engine.policies();
    let coverage = rules.coverage();
    let (mut fed, mut wrong) = (0, Vec::new());
    for (trail, blind) in &coverage.trails {
        let specimens = rules.normaliser.specimens(rules.trails[trail]);
        let events: Vec<Event> = specimens.iter().flat_map(filled).collect();
        let is_shown = |detection: &Policy| match &detection.body {
            Body::Detection(matcher) => events.iter().any(|event| matcher.matches(event)),
            Body::Correlation(_) => false,
        };
        for policy in set.rules.iter().filter(|policy| policy.alerts) {
            if let Some(said) = blind.iter().find(|blind| blind.policy == policy.name) {
                assert!(!said.why.is_empty(), "{trail}: {}", policy.name);
                continue;
            }
            fed += 1;
            let mut of = Vec::new();
            feeding(&rules, policy, &mut of);
            if !of.iter().any(|detection| is_shown(detection)) {
                wrong.push(format!("{trail}: {} is promised, and no event feeds it", policy.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{fed} of {} pairs can fire", coverage.trails.len() * coverage.detections);
    // the portal's own trail feeds all but what needs databases of addresses, which this test has none of, and what is about acts of
    // nobody, for it names who acts; the log of downloads does not always
    let portal = &coverage.trails[&SourceName("tripline-portal".into())];
    let of_nobody = |b: &&Blind| b.policy.starts_with("nobody_");
    let lists_apart = portal.iter().filter(|b| !b.why.contains("no database") && !of_nobody(b)).collect::<Vec<_>>();
    assert!(lists_apart.is_empty(), "{lists_apart:?}");
    let downloads = &coverage.trails[&SourceName("download-log".into())];
    // which shows no pages
    assert!(!downloads.iter().any(|b| of_nobody(&b) && &*b.policy != "nobody_records_shown"), "{downloads:?}");
    // and the trail of a second factor sees neither customers nor exports
    let duo = &coverage.trails[&SourceName("duo".into())];
    assert!(
        duo.iter().any(|b| &*b.policy == "bulk_export") && duo.iter().all(|b| &*b.policy != "mfa_fatigue"),
        "{duo:?}"
    );
}

#[test]
fn a_trail_that_anybody_can_write_feeds_nothing_that_asks_for_a_servers_word() {
    let blind = |trust: Trust| -> BTreeMap<String, String> {
        let portal = TrailProfile { trust, ..TrailProfile::plain(SourceName("portal".into()), "tripline-portal") };
        let rules = of_trails(&[portal]);
        let coverage = rules.coverage();
        coverage.blind.iter().map(|blind| (blind.policy.to_string(), blind.why.clone())).collect()
    };
    let senders =
        |is_anybodys| Trust { senders: Some(Senders { is_anybodys, ..Senders::default() }), ..Trust::default() };
    let plain = blind(Trust::default());
    assert_eq!(blind(senders(false)), plain, "of those who may send it is as any other");
    let open = blind(senders(true));
    assert!(!plain.contains_key("audit_trail_silent"), "{plain:?}");
    let why = &open["audit_trail_silent"];
    assert!(why.contains("vouched_by is never \"server\"") && why.contains("`senders`"), "{why}");
    assert!(!open.contains_key("bulk_export"), "what asks for nobody's word works: {open:?}");
}
