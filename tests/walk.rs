//! No act that takes records reaches no policy: every activity that can carry some, by every kind of actor, without each field in turn.
//!
//! Somebody has worked for three weeks, and takes a month of forty customers within an hour, from where and with what they always work:
//! only the amount is wrong. Or somebody else does so, whom nobody knows. Which of the shipped policies tells of it, at medium or above,
//! stands in the book.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tripline::detect::{Acting, Classifier, Engine, MemoCursor, State};
use tripline::model::{
    Activity, Actor, ActorKind, Event, EventId, EventTime, Evidence, Export, FileId, Millis, Outcome, Session,
    Severity, SourceName, Vouched, WallTime,
};
use tripline::policy::PolicySet;
use tripline::rules::Texts;

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Named(ActorKind),
    /// A person, as a cookie or a header of the client says.
    Claimed,
    Nobody,
}

const WHO: [Who; 6] = [
    Who::Named(ActorKind::User),
    Who::Named(ActorKind::Key),
    Who::Named(ActorKind::System),
    Who::Named(ActorKind::Customer),
    Who::Claimed,
    Who::Nobody,
];

/// What can carry records of customers to whoever acts.
const TAKES: [Activity; 6] = [
    Activity::View,
    Activity::Query,
    Activity::ExportRequested,
    Activity::Download,
    Activity::Impersonation,
    Activity::ApiCall,
];

/// What a record may not say.
const LACKS: [&str; 9] = ["nothing", "role", "session", "address", "device", "customer", "range", "records", "job"];

const HOME: &str = "192.0.2.1";

fn event(n: u64, at: EventTime, activity: Activity, (who, name): (Who, &str), lacks: &str) -> Event {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let evidence = Evidence {
        source: SourceName("portal".into()),
        file: FileId::default(),
        from: 0,
        to: 1,
        index: 0,
        sender: None,
        own_id: true,
        digest: id,
        redacted: "".into(),
    };
    let mut event = Event::blank(EventId(id), WallTime(at.0), Arc::from("ours"), evidence);
    (event.time, event.activity, event.outcome) = (at, activity, Outcome::Success);
    let (kind, vouched) = match who {
        Who::Named(kind) => (Some(kind), Vouched::Server),
        Who::Claimed => (Some(ActorKind::User), Vouched::Client),
        Who::Nobody => (None, Vouched::Client),
    };
    event.actor = kind.map(|kind| Actor { kind, vouched, ..Actor::named(name) });
    if let (Some(actor), true) = (&mut event.actor, kind == Some(ActorKind::User) && lacks != "role") {
        actor.role = Some("support".into());
    }
    if matches!(who, Who::Named(ActorKind::User | ActorKind::Customer)) && lacks != "session" {
        event.session =
            Some(Session { id: format!("session-{}", at.0 / Millis::DAY.0).into(), vouched: Vouched::Server });
    }
    if lacks != "address" {
        event.origin.ip = HOME.parse().ok();
        (event.origin.prefix, event.origin.country) = (Some("192.0.2.0/24".into()), Some("US".into()));
        event.origin.as_number = Some(64500);
    }
    if lacks != "device" {
        event.origin.user_agent = Some("Mozilla/5.0".into());
        (event.origin.device_family, event.origin.device_os) = (Some("Chrome".into()), Some("Windows".into()));
        (event.origin.device_version, event.origin.device_type) = (Some(120), Some("browser".into()));
    }
    event
}

/// What one act takes: of which customer, how many days up to today, how many records.
fn takes(event: &mut Event, customer: usize, days: i32, records: u64, lacks: &str) {
    event.customer = (lacks != "customer").then(|| format!("AC{customer}").into());
    if matches!(event.activity, Activity::Impersonation) {
        return;
    }
    let mut export = Export { kind: Some("sms".into()), ..Export::default() };
    if matches!(event.activity, Activity::ExportRequested | Activity::Download) {
        let today = (event.time.0 / Millis::DAY.0) as i32;
        if lacks == "range" {
            export.everything = false;
        } else {
            (export.first_day, export.last_day) = (Some(today - days), Some(today - 1));
        }
        export.job = (lacks != "job").then(|| format!("job-{}", event.time.0).into());
    }
    if lacks != "records" {
        export.records = Some(records);
    }
    event.export = Some(export);
}

/// Three weeks of work, and the hour of the take by whoever is called `taker`: when that begins.
fn life(activity: Activity, who: Who, taker: &str, lacks: &str) -> (Vec<Event>, EventTime) {
    let start = EventTime(1_711_929_600_000).plus(Millis::HOUR.times(8));
    let mut events = Vec::new();
    for day in 0..21 {
        for act in 0..10 {
            let at = start.plus(Millis::DAY.times(day)).plus(Millis::MINUTE.times(40 * act));
            let mut one =
                event(events.len() as u64, at, if act < 9 { Activity::View } else { activity }, (who, "ana"), lacks);
            takes(&mut one, (act % 4) as usize, 1, 50, lacks);
            events.push(one);
        }
    }
    let begins = start.plus(Millis::DAY.times(22)).plus(Millis::HOUR.times(2));
    let pages = if matches!(activity, Activity::ExportRequested | Activity::Download) { 1 } else { 10 };
    for n in 0..40 * pages {
        let at = begins.plus(Millis(n * Millis::HOUR.0 / (40 * pages)));
        let mut one = event(events.len() as u64, at, activity, (who, taker), lacks);
        takes(&mut one, 100 + (n / pages) as usize, 30, 6000 / pages as u64, lacks);
        events.push(one);
    }
    (events, begins)
}

/// The policies that tell of the take at medium or above, and those that told of the work before it.
fn told(engine: &Engine, events: &[Event], begins: EventTime) -> [BTreeSet<String>; 2] {
    let (mut state, mut classifier) = (State::new(1), Classifier::new(1));
    state.nothing_is_stored();
    let [mut of_take, mut before] = [BTreeSet::new(), BTreeSet::new()];
    for event in events {
        let activation = engine.classify(event, &mut classifier);
        let batch = classifier.take_batch();
        let mut memos = MemoCursor::new(&batch);
        let vouched = event.session.is_some();
        state.acts(Acting { at: event.time, staff: false, vouched });
        let found = engine.advance(&mut state, event, event.time, &activation, &mut memos);
        for firing in found.firings {
            let policy = &engine.policies().rules[usize::from(firing.policy)];
            if policy.severity >= Severity::Medium {
                let told = if event.time >= begins { &mut of_take } else { &mut before };
                told.insert(policy.name.to_string());
            }
        }
    }
    [of_take, before]
}

/// Whether a record says nothing of anybody's records: a customer's own user acts, and nothing tells that it is not on their own account;
/// or nobody acts as a customer, and no customer is named.
fn says_nothing(activity: Activity, who: Who, taker: &str, lacks: &str) -> bool {
    lacks == "customer"
        && (who == Who::Named(ActorKind::Customer) && taker == "eve"
            || who == Who::Nobody && activity == Activity::Impersonation)
}

fn shipped() -> Arc<PolicySet> {
    Arc::new(Texts::shipped().compile().unwrap().0)
}

/// In words, as the book has it.
fn named(who: Who) -> &'static str {
    match who {
        Who::Named(ActorKind::User) => "staff",
        Who::Named(ActorKind::Key) => "a key, service account or app",
        Who::Named(ActorKind::System) => "the product itself",
        Who::Named(ActorKind::Customer) => "a customer's own user",
        Who::Claimed => "staff, as only the client says",
        Who::Nobody => "nobody",
    }
}

/// What tells of it, by what a record lacks: what always does, and what does where something is lacking and other policies remain.
fn row(by_lack: &[(&str, BTreeSet<String>)]) -> String {
    let list = |of: &BTreeSet<String>| match of.is_empty() {
        true => "nothing".to_owned(),
        false => of.iter().map(|policy| format!("`{policy}`")).collect::<Vec<_>>().join(", "),
    };
    let whole = &by_lack[0].1;
    let mut others: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (lack, of) in by_lack.iter().filter(|(_, of)| of != whole) {
        others.entry(list(of)).or_default().push(lack);
    }
    let others = others.iter().map(|(of, lacks)| format!("; without {}: {of}", lacks.join(" or ")));
    list(whole) + &others.collect::<String>()
}

const PAGE: &str = "docs/src/reference/bounds.md";
const HEAD: &str = "\
# What tells of a take

<!-- written by BLESS=1 cargo test --test core walk:: -->

Somebody who has worked for three weeks takes a month of forty customers within an hour, 240,000 records in all, from where and with what
they always work; or somebody does so whom nobody knew. Which shipped policies tell of it at `medium` or above, by what is done and by
whom, when the record says everything, and where it says otherwise when it lacks the role, the session, the address, the device, the
customer, the range of days, the number of records or the job. Strange origins have further policies.
";

#[test]
fn whoever_takes_a_month_of_forty_customers_is_told_of_whatever_a_record_lacks() {
    let engine = Engine::new(shipped());
    let mut holes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut page = HEAD.to_owned();
    for activity in TAKES {
        page += &format!("\n## `{}`\n\n| by | what tells of it |\n| --- | --- |\n", activity.name());
        for (who, taker) in WHO.into_iter().flat_map(|who| [(who, "ana"), (who, "eve")]) {
            let act = format!("{} by {who:?} called {taker}", activity.name());
            let mut by_lack = Vec::new();
            for lacks in LACKS {
                let (events, begins) = life(activity, who, taker, lacks);
                let [of_take, before] = told(&engine, &events, begins);
                assert!(before.is_empty(), "{act} without {lacks}: work leads to {before:?}");
                if of_take.is_empty() && !says_nothing(activity, who, taker, lacks) {
                    holes.entry(act.clone()).or_default().push(lacks);
                }
                by_lack.push((lacks, of_take));
            }
            if who != Who::Nobody || taker == "ana" {
                let unknown = if taker == "eve" { ", unknown until then" } else { "" };
                page += &format!("| {}{unknown} | {} |\n", named(who), row(&by_lack));
            }
        }
    }
    assert!(holes.is_empty(), "nothing tells of: {holes:#?}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(PAGE).is_ok_and(|on_disk| on_disk == page),
        "BLESS=1 cargo test --test core walk:: writes {PAGE}"
    );
}

/// The same person's name, with another machine in another network: little is taken, and no amount is out of the ordinary.
fn stolen(activity: Activity, who: Who, lacks: &str) -> (Vec<Event>, EventTime) {
    let (mut events, begins) = life(activity, who, "ana", lacks);
    events.retain(|event| event.time < begins);
    let strange = |mut event: Event| {
        if event.origin.ip.is_some() {
            event.origin.ip = "198.51.100.9".parse().ok();
            (event.origin.prefix, event.origin.country) = (Some("198.51.100.0/24".into()), Some("NL".into()));
            event.origin.as_number = Some(64666);
        }
        if event.origin.user_agent.is_some() {
            event.origin.user_agent = Some("Mozilla/5.0 (X11)".into());
            (event.origin.device_family, event.origin.device_os) = (Some("Firefox".into()), Some("Linux".into()));
            event.origin.device_version = Some(99);
        }
        if let Some(session) = &mut event.session {
            session.id = "stolen".into();
        }
        event
    };
    let mut login = event(9_000, begins, Activity::Login, (who, "ana"), lacks);
    login.customer = None;
    events.push(strange(login));
    let many = if matches!(activity, Activity::ExportRequested | Activity::Download) { 3 } else { 6 };
    for n in 0..many {
        let at = begins.plus(Millis::MINUTE.times(8 * (n + 1)));
        let mut one = event(9_001 + n as u64, at, activity, (who, "ana"), lacks);
        takes(&mut one, 100 + n as usize, 10, 1500, lacks);
        events.push(strange(one));
    }
    (events, begins)
}

#[test]
fn whoever_takes_little_under_a_stolen_name_is_told_of_whatever_a_record_lacks() {
    let engine = Engine::new(shipped());
    // a record that names no customer says of three files or six pages nothing that is out of the ordinary
    for (activity, lacks) in
        TAKES.into_iter().flat_map(|act| LACKS.map(|lacks| (act, lacks))).filter(|(_, l)| *l != "customer")
    {
        let (events, begins) = stolen(activity, Who::Named(ActorKind::User), lacks);
        let [of_take, before] = told(&engine, &events, begins);
        assert!(
            before.is_empty() && !of_take.is_empty(),
            "{} without {lacks}: {before:?}, {of_take:?}",
            activity.name()
        );
    }
}
