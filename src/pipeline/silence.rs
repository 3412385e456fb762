//! Whether a finding is under a silence, by its event time: the same live and in a replay.
//!
//! Silences come from the configuration and from nowhere else. A line of a trail can at most be about somebody whom one
//! names, and what only a client sent is not believed for that.
use crate::model::silence::{Silence, Silenced};
use crate::model::{Finding, id::hex};
use crate::policy::Wildcard;

/// The silences of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Silences(Vec<Compiled>);

#[derive(Clone, Debug)]
struct Compiled {
    silence: Silence,
    policies: Vec<Wildcard>,
    actors: Vec<Wildcard>,
    customers: Vec<Wildcard>,
}

impl Silences {
    /// Makes them ready to be asked.
    pub fn new(silences: Vec<Silence>) -> Silences {
        let names = |list: &[String]| list.iter().map(|name| Wildcard::new(name)).collect();
        let compile = |silence: Silence| Compiled {
            policies: names(&silence.policies),
            actors: names(&silence.actors),
            customers: names(&silence.customers),
            silence,
        };
        Silences(silences.into_iter().map(compile).collect())
    }

    /// As the configuration states them.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.0.iter().map(|compiled| &compiled.silence)
    }

    /// The first silence that the finding is under. A test finding is under none: it is there to arrive.
    pub fn over(&self, finding: &Finding) -> Option<Silenced> {
        let compiled = self.0.iter().find(|s| !finding.test && s.covers(finding))?;
        let Silence { id, author, reason, .. } = &compiled.silence;
        Some(Silenced { silence: id.clone(), author: author.clone(), reason: reason.clone() })
    }
}

impl Compiled {
    fn covers(&self, finding: &Finding) -> bool {
        let (silence, subject) = (&self.silence, &finding.subject);
        let one = |names: &[Wildcard], texts: [Option<&str>; 2]| {
            names.is_empty() || texts.into_iter().flatten().any(|text| names.iter().any(|name| name.matches(text)))
        };
        // whoever sends a name or a cookie chooses whose it is
        let believed = |text| if subject.is_claimed { None } else { text };
        let session = subject.session.filter(|session| session.by_server).map(|session| hex(&session.digest));
        (silence.from..silence.until).contains(&finding.time)
            && one(&self.policies, [Some(&*finding.policy), None])
            && one(&self.actors, [believed(subject.actor.as_deref()), believed(subject.actor_uid.as_deref())])
            && one(&self.customers, [subject.customer.as_deref(), None])
            && (silence.networks.is_empty()
                || subject.ip.is_some_and(|ip| silence.networks.iter().any(|network| network.contains(&ip))))
            && (silence.sessions.is_empty() || session.is_some_and(|s| silence.sessions.contains(&s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::SessionRef;
    use crate::model::{EventTime, FindingId, Severity, Subject, WallTime};

    fn finding() -> Finding {
        Finding {
            id: FindingId([1; 16]),
            policy: "stolen_session_export".into(),
            decision: None,
            title: "t".into(),
            severity: Severity::High,
            time: EventTime(1_000),
            observed: WallTime(9_000),
            first: EventTime(0),
            entity: "e".into(),
            subject: Subject {
                actor: Some("ana".into()),
                actor_uid: Some("u-1".into()),
                session: Some(SessionRef { digest: [7; 16], by_server: true }),
                ip: "192.0.2.1".parse().ok(),
                customer: Some("AC1".into()),
                ..Subject::default()
            },
            measures: vec![],
            witnesses: vec![],
            tags: vec![],
            asks: vec![],
            test: false,
            silenced: None,
        }
    }

    fn silence(change: impl Fn(&mut Silence)) -> Silence {
        let mut silence = Silence {
            id: "5".into(),
            author: "bo".into(),
            reason: "a drill".into(),
            from: EventTime(500),
            until: EventTime(1_500),
            policies: vec![],
            actors: vec![],
            networks: vec![],
            customers: vec![],
            sessions: vec![],
        };
        change(&mut silence);
        silence
    }

    fn over(silence: Silence, finding: &Finding) -> bool {
        Silences::new(vec![silence]).over(finding).is_some()
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_list_that_is_given_must_match() {
        let f = finding();
        assert!(over(silence(|s| s.policies = list(&["other", "stolen_*"])), &f));
        assert!(over(silence(|s| s.actors = list(&["ANA"])), &f) && over(silence(|s| s.actors = list(&["u-1"])), &f));
        assert!(over(silence(|s| s.networks = vec!["192.0.2.0/24".parse().unwrap()]), &f));
        assert!(over(silence(|s| s.customers = list(&["AC*"])), &f));
        assert!(over(silence(|s| s.sessions = list(&[&"07".repeat(16)])), &f));
        assert!(!over(silence(|s| s.policies = list(&["chain"])), &f), "all of the name counts");
        let both = |who: &str| {
            let who = list(&[who]);
            silence(move |s| (s.policies, s.actors) = (list(&["stolen_*"]), who.clone()))
        };
        assert!(over(both("ana"), &f) && !over(both("bo"), &f));
    }

    #[test]
    fn the_time_of_the_event_counts_and_not_when_it_was_read() {
        let all = |time| over(silence(|s| s.actors = list(&["ana"])), &Finding { time: EventTime(time), ..finding() });
        assert_eq!([499, 500, 1_499, 1_500].map(all), [false, true, true, false]);
    }

    #[test]
    fn what_only_a_client_sent_is_not_believed() {
        let mut sent = finding();
        sent.subject.session = Some(SessionRef { digest: [7; 16], by_server: false });
        assert!(
            over(silence(|s| s.actors = list(&["ana"])), &sent),
            "her name was checked, whatever cookie came with it"
        );
        assert!(!over(silence(|s| s.sessions = list(&[&"07".repeat(16)])), &sent));
        assert!(over(silence(|s| s.networks = vec!["192.0.2.1/32".parse().unwrap()]), &sent));
        let claimed = Finding { subject: Subject { is_claimed: true, ..finding().subject }, ..finding() };
        assert!(!over(silence(|s| s.actors = list(&["ana"])), &claimed));
        assert!(over(silence(|s| s.sessions = list(&[&"07".repeat(16)])), &claimed));
        let mut renamed = finding();
        renamed.subject.actor_label = Some("bo".into());
        assert!(!over(silence(|s| s.actors = list(&["bo"])), &renamed), "whoever takes a name is not whose it was");
        let nobody = Finding { subject: Subject::default(), ..finding() };
        assert!(!over(silence(|s| s.actors = list(&["*"])), &nobody), "who is not named is nobody's");
    }

    #[test]
    fn names_of_a_trail_are_no_patterns() {
        let mut odd = finding();
        odd.subject.actor = Some("*".into());
        assert!(!over(
            silence(|s| s.actors = list(&["ana"])),
            &Finding { subject: Subject { actor_uid: None, ..odd.subject.clone() }, ..odd }
        ));
    }

    #[test]
    fn a_test_finding_always_arrives() {
        assert!(!over(silence(|s| s.policies = list(&["*"])), &Finding { test: true, ..finding() }));
    }
}
