//! What the configuration says about responding: modes, gates, limits, and what each action is followed by.
use crate::model::{EventTime, Millis, Mode, Order, TargetKind, Text, WallTime};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What the configuration says about responding.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mode of policies that are not named in `modes`.
    pub mode: Mode,
    /// The mode by policy name.
    pub modes: BTreeMap<String, Mode>,
    /// Modes of groups of actors. Of all that apply to an order, the most careful one holds.
    pub groups: Vec<Group>,
    /// The actions that the runner knows, by name.
    pub actions: BTreeMap<String, Action>,
    /// Actors, by name or id, that nothing is ever done to: break-glass accounts, the hook's own account, monitoring.
    pub protected_actors: BTreeSet<String>,
    /// Networks whose sessions nothing is ever done to.
    pub protected_networks: Vec<IpNet>,
    /// At most so many people are acted on within `limit_window`; orders about others are held.
    pub limit: usize,
    /// At most this share of the people in the directory is acted on within `limit_window`, but always [`LEAST_PEOPLE`].
    pub limit_share: f64,
    /// See `limit`.
    pub limit_window: Millis,
    /// An order that rests on something older than this is refused: the session is over, or this is a backlog.
    pub too_old: Millis,
    /// The same is not done to the same target again within this time.
    pub cool_down: Millis,
    /// Who must agree, where a person must.
    pub approval: Approval,
    /// Hours in which nothing is carried out unasked.
    pub quiet: Option<QuietHours>,
    /// For so long the trail is watched for whether an order held.
    pub watch: Millis,
    /// Who is on the staff, with role; empty where there is no directory.
    pub directory: BTreeMap<Text, Text>,
    /// The roles that administer.
    pub administrators: BTreeSet<String>,
}

/// So many people may always be acted on, however small the staff.
pub const LEAST_PEOPLE: usize = 3;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mode: Mode::Observe,
            modes: BTreeMap::new(),
            groups: Vec::new(),
            actions: BTreeMap::new(),
            protected_actors: BTreeSet::new(),
            protected_networks: Vec::new(),
            limit: 10,
            limit_share: 0.1,
            limit_window: Millis::HOUR,
            too_old: Millis::DAY,
            cool_down: Millis::MINUTE.times(10),
            approval: Approval::default(),
            quiet: None,
            watch: Millis::MINUTE.times(10),
            directory: BTreeMap::new(),
            administrators: BTreeSet::new(),
        }
    }
}

/// What there is to know of an action before it is handed to the runner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// To do it twice under one key does no more than to do it once.
    pub idempotent: bool,
    /// It is never carried out under a less careful mode.
    pub mode: Option<Mode>,
    /// What is done when it did not hold: the next grade.
    pub then: Option<(String, TargetKind)>,
    /// The action that asks whether it held.
    pub check: Option<String>,
    /// The action that takes it back.
    pub undo: Option<String>,
    /// After so long it is taken back by itself.
    pub lasts: Option<Millis>,
}

/// A group of actors with a mode of their own.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Names or ids.
    pub actors: BTreeSet<String>,
    /// Roles.
    pub roles: BTreeSet<String>,
    /// Their mode.
    pub mode: Option<Mode>,
}

/// Who must agree to an order that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approval {
    /// One, or two different people; of two, root is neither: whoever is root can be anybody.
    pub people: usize,
    /// For so long an answer is waited for.
    pub deadline: Millis,
    /// Carry it out when nobody answers, or else cancel it.
    pub otherwise: Otherwise,
}

impl Default for Approval {
    fn default() -> Approval {
        Approval { people: 1, deadline: Millis::HOUR, otherwise: Otherwise::Cancel }
    }
}

/// What becomes of an order that nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is cancelled.
    Cancel,
    /// It is carried out, if the limits let it.
    CarryOut,
}

/// Hours of the day, and days, in which nothing is carried out unasked.
#[derive(Clone, Debug)]
pub struct QuietHours {
    /// When they begin, by the wall clock of `zone`.
    pub from: jiff::civil::Time,
    /// When they end; before `from` where midnight lies between. The same as `from`: the whole day.
    pub to: jiff::civil::Time,
    /// The days on which they begin; empty for all.
    pub days: Vec<jiff::civil::Weekday>,
    /// Where.
    pub zone: jiff::tz::TimeZone,
}

impl QuietHours {
    /// Whether it is quiet at that time.
    pub fn cover(&self, at: WallTime) -> bool {
        let Ok(stamp) = jiff::Timestamp::from_millisecond(at.0) else { return false };
        let there = self.zone.to_datetime(stamp);
        let begins_on = |day: jiff::civil::Weekday| self.days.is_empty() || self.days.contains(&day);
        let (today, now) = (there.weekday(), there.time());
        if self.from < self.to {
            return begins_on(today) && self.from <= now && now < self.to;
        }
        (begins_on(today) && self.from <= now) || (begins_on(today.previous()) && now < self.to)
    }
}

/// Whom and what an order is about, as far as the settings tell people apart.
#[derive(Clone, Copy)]
pub(super) struct Whom<'a> {
    pub actor: Option<&'a str>,
    pub uid: Option<&'a str>,
    /// What the trail calls the actor now, where that is another name: for hooks. No list goes by it, for an intruder could take a name
    /// that is spared.
    pub label: Option<&'a str>,
    pub role: Option<&'a str>,
    /// Only a client says that it was this actor.
    pub is_claimed: bool,
    pub ip: Option<IpAddr>,
    /// The export that it is about.
    pub export: Option<&'a str>,
}

impl<'a> Whom<'a> {
    pub fn of(order: &'a Order) -> Whom<'a> {
        Whom {
            actor: order.actor.as_deref(),
            uid: order.actor_uid.as_deref(),
            label: order.actor_label.as_deref(),
            role: order.role.as_deref(),
            is_claimed: order.is_claimed,
            ip: order.ip,
            export: order.export.as_deref(),
        }
    }

    fn is_among(&self, names: &BTreeSet<String>) -> bool {
        let named = |name: &str| names.contains(name) || names.iter().any(|n| n.to_lowercase() == name.to_lowercase());
        [self.actor, self.uid].into_iter().flatten().any(named)
    }
}

impl Settings {
    /// The mode of an action that a policy asks for against somebody: the most careful of all that apply.
    pub(super) fn mode(&self, policy: &str, action: &str, whom: Whom<'_>) -> Mode {
        let of_policy = self.modes.get(policy).copied().unwrap_or(self.mode);
        of_policy.min(self.ceiling(action, whom))
    }

    /// The least careful mode that the action and the person allow, whatever asks for it.
    pub(super) fn ceiling(&self, action: &str, whom: Whom<'_>) -> Mode {
        let of_action = self.action(action).and_then(|a| a.mode);
        let role = whom.role.or_else(|| self.directory.get(whom.actor?).map(Text::as_str));
        let applies = |g: &&Group| whom.is_among(&g.actors) || role.is_some_and(|r| g.roles.contains(r));
        let of_groups = self.groups.iter().filter(applies).filter_map(|g| g.mode);
        of_groups.chain(of_action).min().unwrap_or(Mode::Enforce)
    }

    pub(super) fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(name)
    }

    pub(super) fn protects(&self, whom: Whom<'_>) -> bool {
        whom.is_among(&self.protected_actors)
            || whom.ip.is_some_and(|ip| self.protected_networks.iter().any(|net| net.contains(&ip)))
    }

    pub(super) fn is_too_old(&self, time: EventTime, now: WallTime) -> bool {
        now.0.saturating_sub(time.0) > self.too_old.0
    }

    /// So many people are acted on within the window, at most: by number, and where there is a directory by their share of it.
    pub fn most_people(&self) -> usize {
        let share = (self.directory.len() as f64 * self.limit_share) as usize;
        if self.directory.is_empty() { self.limit } else { share.max(LEAST_PEOPLE).min(self.limit) }
    }

    /// Whether the action keeps a person out, until somebody takes it back.
    pub(super) fn keeps_out(&self, action: &str, target: TargetKind) -> bool {
        target == TargetKind::Account || self.action(action).is_some_and(|a| a.undo.is_some())
    }

    /// Who administers, by the directory.
    pub(super) fn administrators(&self) -> impl Iterator<Item = &Text> {
        self.directory.iter().filter(|(_, role)| self.administrators.contains(role.as_str())).map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> WallTime {
        WallTime(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    }

    #[test]
    fn quiet_hours_may_span_midnight_and_belong_to_the_day_on_which_they_begin() {
        let quiet = QuietHours {
            from: jiff::civil::time(22, 0, 0, 0),
            to: jiff::civil::time(6, 0, 0, 0),
            days: vec![jiff::civil::Weekday::Friday],
            zone: jiff::tz::TimeZone::UTC,
        };
        for (when, covered) in [
            ("2026-11-27T21:59:59Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T05:59:59Z", true),
            ("2026-11-28T06:00:00Z", false),
            ("2026-11-28T23:00:00Z", false),
            ("2026-11-27T05:00:00Z", false),
        ] {
            assert_eq!(quiet.cover(at(when)), covered, "{when}");
        }
        let always = QuietHours { to: quiet.from, days: vec![], ..quiet };
        assert!(always.cover(at("2026-11-27T21:59:59Z")) && always.cover(at("2026-11-27T22:00:00Z")));
    }

    #[test]
    fn the_most_careful_mode_holds() {
        let mut settings = Settings { mode: Mode::Enforce, ..Settings::default() };
        settings.directory.insert("ana".into(), "noc".into());
        let ana =
            Whom { actor: Some("ana"), uid: None, label: None, role: None, is_claimed: false, ip: None, export: None };
        assert_eq!(settings.mode("p", "a", ana), Mode::Enforce);
        settings.actions.insert("a".into(), Action { mode: Some(Mode::Approve), ..Action::default() });
        assert_eq!(settings.mode("p", "a", ana), Mode::Approve);
        settings.modes.insert("p".into(), Mode::Observe);
        assert_eq!(settings.mode("p", "a", ana), Mode::Observe);
        settings.groups.push(Group { roles: ["noc".to_owned()].into(), mode: Some(Mode::Observe), ..Group::default() });
        assert_eq!(settings.mode("q", "b", ana), Mode::Observe, "by the directory's role");
    }

    #[test]
    fn whoever_takes_a_spared_name_is_not_spared() {
        let settings =
            Settings { protected_actors: ["cto".to_owned(), "u-2".to_owned()].into(), ..Settings::default() };
        let renamed = Whom {
            actor: Some("ana"),
            uid: Some("u-1"),
            label: Some("cto"),
            role: None,
            is_claimed: false,
            ip: None,
            export: None,
        };
        assert!(!settings.protects(renamed));
        // the protected stay so under another name, by the first one and by the id
        assert!(settings.protects(Whom { actor: Some("cto"), label: Some("cto.new"), ..renamed }));
        assert!(settings.protects(Whom { uid: Some("u-2"), ..renamed }));
    }
}
