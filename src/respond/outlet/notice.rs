//! What a webhook is given to choose from: what happened, as fields of text, and as one OCSF object.
//!
//! Some of the fields hold what an intruder chose: his user name, or the address that he came from. No field holds a control
//! character, and [`Notice::escaped`] takes from it what the receiver would read as markup, so that nobody can make our
//! message say something else, call everybody, or show a link.
use super::{Told, syslog};
use crate::incident::clock::Reminder;
use crate::model::{EventTime, Finding, Omitted, Order, Severity, Shown, cut, id::hex};
use crate::respond::escape;
use crate::respond::secret::Secret;
use crate::respond::template::{Fields, Get};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The longest field, in bytes.
const FIELD_BYTES: usize = 1024;

/// What a receiver would read as markup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escape {
    /// `&`, `<` and `>` become entities, and no `@` calls anybody: Slack, and whatever reads HTML.
    #[default]
    Html,
    /// Each character that begins something has a backslash before it, and no `@` calls anybody: Teams, Discord, Mattermost.
    Markdown,
    /// Nothing: the receiver shows text as text.
    None,
}

/// What happened.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Notice {
    /// The fields, without those that are not known.
    fields: Texts,
    /// All of it: a Detection Finding or a Remediation Activity.
    pub ocsf: serde_json::Value,
    /// The outlet's own secret, for templates that name it. Never sent from one process to the other.
    #[serde(skip)]
    secret: Option<Secret>,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        struct Texts {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] $name: Option<String>,)*
        }

        impl Texts {
            fn each(&mut self, change: impl Fn(&str) -> String) {
                $(if let Some(text) = &mut self.$name { *text = change(text); })*
            }
        }

        impl Fields for Notice {
            const CALLED: &'static str = "a notice";
            // A message that says less is better than none.
            const ABSENT: Option<&'static str> = Some("");

            fn fields() -> &'static [(&'static str, Get<Notice>)] {
                &[
                    $((stringify!($name), |n| n.fields.$name.as_deref().map(Cow::Borrowed)),)*
                    ("secret", |n| n.secret.as_ref().map(|secret| Cow::Borrowed(secret.expose()))),
                ]
            }
        }
    };
}

texts! {
    /// `finding`, `order`, `clock` or `omitted`.
    kind,
    /// Of the finding or order, or of a clock's incident, or the number of the last message that was left out: the key by which a
    /// receiver knows it again.
    id,
    /// `informational` to `critical`.
    severity,
    /// `info`, `warning`, `error` or `critical`, as paging services have it.
    level,
    /// What happened, in one sentence.
    text,
    /// The finding's title.
    title,
    /// The policy's name.
    policy,
    /// When it happened, by RFC 3339.
    time,
    /// When it was known, by RFC 3339.
    observed,
    /// Who.
    actor,
    /// What the trail calls him now, where that is another name.
    actor_label,
    /// His id in the product.
    actor_uid,
    /// His role.
    role,
    /// From where.
    ip,
    /// Country and network, for people.
    place,
    /// What stands for the session.
    session,
    /// The customer account.
    customer,
    /// The order's action.
    action,
    /// What it acts on.
    target,
    /// How far it has got.
    state,
    /// Under which mode.
    mode,
    /// Why it was refused or held.
    refusal,
    /// Whether it held.
    verification,
    /// Of an order: the finding that first asked for it.
    finding,
    /// `test` where it is one.
    test,
}

/// The names that a template may use.
pub fn names() -> impl Iterator<Item = &'static str> {
    <Notice as Fields>::names()
}

impl Notice {
    /// Of what is told.
    pub fn of(told: &Told) -> Notice {
        let fields = match told {
            Told::Finding(finding) => of_finding(finding),
            Told::Order(order) => of_order(order),
            Told::Checkpoint(_) => Texts::default(),
            Told::Reminder(_, reminder) => of_reminder(reminder),
            Told::Omitted(_, omitted) => of_omitted(omitted),
        };
        let severity = told.severity();
        let fields = Texts { severity: Some(severity.name().into()), level: Some(level(severity).into()), ..fields };
        let mut notice = Notice { fields, ocsf: told.ocsf(), secret: None };
        notice.fields.each(|text| cut(&Shown(text).to_string(), FIELD_BYTES).to_owned());
        notice
    }

    /// As it goes to the runner.
    pub fn to_json(&self) -> String {
        // texts and JSON values have no case that cannot be written
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The id of the finding or order, with the state of an order: what a second copy of it has as well, and nothing else.
    pub fn key(&self) -> String {
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        match self.fields.state {
            Some(_) => {
                format!("{}-{}-{}", part(&self.fields.id), part(&self.fields.state), part(&self.fields.verification))
            }
            None => part(&self.fields.id),
        }
    }

    /// With the secret that templates call `{secret}`.
    pub fn with_secret(self, secret: Option<Secret>) -> Notice {
        Notice { secret, ..self }
    }

    /// Without what the receiver would read as markup.
    pub fn escaped(mut self, escape: Escape) -> Notice {
        match escape {
            Escape::None => {}
            Escape::Html => self.fields.each(|text| {
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                call_nobody(&text)
            }),
            Escape::Markdown => self.fields.each(|text| call_nobody(&escape::markdown(text))),
        }
        self
    }
}

/// A word joiner, which nobody sees, takes the `@` from the name behind it.
fn call_nobody(text: &str) -> String {
    text.replace('@', "@\u{2060}")
}

/// A severity as paging services have it.
const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "info",
        Severity::Low | Severity::Medium => "warning",
        Severity::High => "error",
        Severity::Critical => "critical",
    }
}

fn some(value: Option<&impl ToString>) -> Option<String> {
    value.map(ToString::to_string)
}

fn of_finding(finding: &Finding) -> Texts {
    let subject = &finding.subject;
    Texts {
        kind: Some("finding".into()),
        id: Some(finding.id.to_string()),
        text: Some(syslog::finding_text(finding)),
        title: Some(finding.title.to_string()),
        policy: Some(finding.policy.to_string()),
        time: Some(finding.time.to_string()),
        observed: Some(EventTime(finding.observed.0).to_string()),
        actor: some(subject.actor.as_ref()),
        actor_label: some(subject.actor_label.as_ref()),
        actor_uid: some(subject.actor_uid.as_ref()),
        role: some(subject.role.as_ref()),
        ip: some(subject.ip.as_ref()),
        place: some(subject.place.as_ref()),
        session: subject.session.map(|s| hex(&s.digest)),
        customer: some(subject.customer.as_ref()),
        test: finding.test.then(|| "test".into()),
        ..Texts::default()
    }
}

fn of_reminder(reminder: &Reminder) -> Texts {
    let clock = &reminder.clock;
    Texts {
        kind: Some("clock".into()),
        id: Some(clock.incident.to_string()),
        text: Some(reminder.text()),
        title: Some(clock.what.to_string()),
        policy: Some(clock.name.to_string()),
        time: some(clock.due.as_ref()),
        state: Some(reminder.standing.name().into()),
        ..Texts::default()
    }
}

fn of_omitted(omitted: &Omitted) -> Texts {
    Texts {
        kind: Some("omitted".into()),
        id: Some(omitted.last.to_string()),
        text: Some(omitted.text()),
        title: Some("messages were left out".into()),
        time: some(omitted.since.as_ref()),
        ..Texts::default()
    }
}

fn of_order(order: &Order) -> Texts {
    Texts {
        kind: Some("order".into()),
        id: Some(order.id.to_string()),
        text: Some(syslog::order_text(order)),
        policy: some(Some(&order.policy).filter(|policy| !policy.is_empty())),
        time: Some(order.time.to_string()),
        observed: Some(EventTime(order.changed.0).to_string()),
        actor: some(order.actor.as_ref()),
        actor_label: some(order.actor_label.as_ref()),
        actor_uid: some(order.actor_uid.as_ref()),
        role: some(order.role.as_ref()),
        ip: some(order.ip.as_ref()),
        session: order.session.map(|s| hex(&s.digest)),
        action: Some(order.action.to_string()),
        target: Some(order.target.name().into()),
        state: Some(order.state.name().into()),
        mode: Some(order.mode.name().into()),
        refusal: order.refusal.map(|r| r.name().into()),
        verification: order.verification.as_ref().map(|v| v.result.name().into()),
        finding: some(order.findings.first()),
        ..Texts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond::template::JsonTemplate;

    fn rendered(escape: Escape, actor: &str) -> String {
        let fields = Texts { actor: Some(actor.into()), ..Texts::default() };
        let notice =
            Notice { fields, ..Notice::default() }.escaped(escape).with_secret(Some(Secret::new("a<b".into())));
        let json = serde_json::json!({"text": "{actor}|{customer}|{secret}"});
        let template = JsonTemplate::<Notice>::parse("json", &json).unwrap();
        template.render(&notice).unwrap()["text"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_a_trail_stated_is_no_markup_and_the_secret_stays_as_it_is() {
        for (escape, actor, shown) in [
            (
                Escape::Html,
                "<!channel> <http://x|y> & @here",
                "&lt;!channel&gt; &lt;http://x|y&gt; &amp; @\u{2060}here||a<b",
            ),
            (Escape::Markdown, "[x](http://y) @all", "\\[x\\](http://y) @\u{2060}all||a<b"),
            (Escape::None, "{secret} <b>", "{secret} <b>||a<b"),
        ] {
            assert_eq!(rendered(escape, actor), shown);
        }
    }

    #[test]
    fn a_template_names_what_there_is() {
        let wrong = JsonTemplate::<Notice>::parse("json", &serde_json::json!({"a": ["{target.session}"]})).unwrap_err();
        assert!(wrong.contains("`json.a[0]`") && wrong.contains("a notice has no"), "{wrong}");
    }
}
