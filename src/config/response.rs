//! `[response]`: modes, gates and limits, and what they come to together with `[actions]`.
use super::written::Written;
use crate::model::{Millis, Mode};
use crate::orders::{Action, Approval, Group, Otherwise, QuietHours, Settings};
use crate::respond::ActionSpec;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// `[response]`: what becomes of what findings ask for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Response {
    /// What is done with an order, unless `modes`, a group or the action says something more careful.
    pub mode: Mode,
    /// The mode by policy name: `{ stolen_session_export = "enforce" }`. Without it: `mode`.
    pub modes: BTreeMap<String, Mode>,
    /// `[[response.group]]`
    pub group: Vec<GroupTable>,
    /// Names or ids of people and keys to whom nothing is ever done: the break-glass account, the hook's own, monitoring.
    pub protected_actors: Vec<String>,
    /// Networks from which no session is ever ended.
    pub protected_networks: Vec<ipnet::IpNet>,
    /// At most so many people and keys are acted on in the window; orders about others are held for a person. Several orders about one
    /// count once.
    pub limit: usize,
    /// With a staff directory: at most this share of the people in it is acted on in the window, but always three.
    pub limit_share: f64,
    /// The length of that window, in seconds.
    pub limit_window_seconds: u32,
    /// An order that rests on something older, in seconds, is refused, so that a backlog ends nobody's session. Set it to the longest
    /// that a session of yours lives.
    pub too_old_seconds: u32,
    /// The same action is not carried out on the same target again within so many seconds.
    pub cool_down_seconds: u32,
    /// For so many seconds after an order the trail is watched for whether it held.
    pub watch_seconds: u32,
    /// The directory's roles that administer: the last person who has one of them is never locked out.
    pub administrator_roles: Vec<String>,
    /// `[response.approval]`
    pub approval: ApprovalTable,
    /// `[response.quiet_hours]`
    pub quiet_hours: Option<QuietTable>,
}

impl Default for Response {
    fn default() -> Self {
        Response {
            mode: Mode::Observe,
            modes: BTreeMap::new(),
            group: Vec::new(),
            protected_actors: Vec::new(),
            protected_networks: Vec::new(),
            // a handful of people can be locked out by mistake before a person looks, not a shift
            limit: 5,
            limit_share: 0.1,
            limit_window_seconds: 3_600,
            too_old_seconds: 86_400,
            cool_down_seconds: 600,
            watch_seconds: 600,
            administrator_roles: ["admin", "administrator", "superuser"].map(str::to_owned).into(),
            approval: ApprovalTable::default(),
            quiet_hours: None,
        }
    }
}

/// `[[response.group]]`: people with a mode of their own: whoever is named by either key is in it. Of all modes that apply, the most
/// careful one holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupTable {
    /// Names or ids. Without it: nobody by name.
    #[serde(default)]
    pub actors: Vec<String>,
    /// Roles, as a trail or the directory gives them. Without it: nobody by role.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Their mode.
    pub mode: Mode,
}

/// `[response.approval]`: who must agree where a person must.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApprovalTable {
    /// How many different people must agree: 1 or 2. Of two, root is neither: whoever is root can be anybody.
    pub people: usize,
    /// For so many seconds an answer is waited for.
    pub deadline_seconds: u32,
    /// What becomes of an order when nobody answers.
    pub otherwise: OtherwiseWord,
}

impl Default for ApprovalTable {
    fn default() -> Self {
        ApprovalTable { people: 1, deadline_seconds: 3_600, otherwise: OtherwiseWord::Cancel }
    }
}

/// What becomes of an order that nobody answered.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherwiseWord {
    /// It is cancelled.
    Cancel,
    /// It is carried out, if the limits let it.
    CarryOut,
}

/// `[response.quiet_hours]`: hours in which an order waits for approval instead of being carried out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietTable {
    /// When they begin, as `22:00`.
    pub from: String,
    /// When they end, as `06:00`; the same as `from` for the whole day.
    pub to: String,
    /// The days on which they begin: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Without it: all days.
    #[serde(default)]
    pub days: Vec<String>,
    /// An IANA name, such as `Europe/Vienna`. Without it: UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
}

impl QuietTable {
    fn read(&self) -> Result<QuietHours, String> {
        let time = |key: &str, text: &str| {
            jiff::civil::Time::strptime("%H:%M", text).map_err(|_| format!("`{key}` is {text:?}; write it as 22:00"))
        };
        let zone = match &self.time_zone {
            None => jiff::tz::TimeZone::UTC,
            Some(name) => jiff::tz::TimeZone::get(name).map_err(|e| format!("time_zone: {e}"))?,
        };
        let days = self.days.iter().map(|day| weekday(day)).collect::<Result<_, _>>()?;
        Ok(QuietHours { from: time("from", &self.from)?, to: time("to", &self.to)?, days, zone })
    }
}

fn weekday(text: &str) -> Result<jiff::civil::Weekday, String> {
    use jiff::civil::Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let days = [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday];
    let named = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].into_iter().zip(days).find(|(name, _)| *name == text);
    named.map(|(_, day)| day).ok_or_else(|| format!("there is no day {text:?}: mon, tue, wed, thu, fri, sat, sun"))
}

const fn seconds(n: u32) -> Millis {
    Millis::SECOND.times(n as i64)
}

/// The gates, modes and limits that the file asks for; the directory is put in where it is read.
///
/// # Errors
/// What is wrong with them, each with the table that it is in.
pub fn settings(written: &Written) -> Result<Settings, Vec<String>> {
    let r = &written.response;
    let mut faults = faults(r);
    faults.extend(faults_between(&written.actions));
    let quiet = r.quiet_hours.as_ref().map(QuietTable::read).transpose();
    let quiet = quiet.unwrap_or_else(|e| {
        faults.push(format!("[response.quiet_hours]: {e}"));
        None
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let otherwise = match r.approval.otherwise {
        OtherwiseWord::Cancel => Otherwise::Cancel,
        OtherwiseWord::CarryOut => Otherwise::CarryOut,
    };
    let deadline = seconds(r.approval.deadline_seconds);
    Ok(Settings {
        mode: r.mode,
        modes: r.modes.clone(),
        groups: r.group.iter().map(group).collect(),
        actions: written.actions.iter().map(|(name, spec)| (name.clone(), action(spec))).collect(),
        protected_actors: r.protected_actors.iter().cloned().collect(),
        protected_networks: r.protected_networks.clone(),
        limit: r.limit,
        limit_share: r.limit_share,
        limit_window: seconds(r.limit_window_seconds),
        too_old: seconds(r.too_old_seconds),
        cool_down: seconds(r.cool_down_seconds),
        approval: Approval { people: r.approval.people, deadline, otherwise },
        quiet,
        watch: seconds(r.watch_seconds),
        directory: BTreeMap::new(),
        administrators: r.administrator_roles.iter().cloned().collect(),
    })
}

fn group(table: &GroupTable) -> Group {
    Group {
        actors: table.actors.iter().cloned().collect(),
        roles: table.roles.iter().cloned().collect(),
        mode: Some(table.mode),
    }
}

fn action(spec: &ActionSpec) -> Action {
    Action {
        idempotent: spec.idempotent,
        mode: spec.mode,
        then: spec.then.as_ref().map(|next| (next.action.clone(), next.target)),
        check: spec.check.clone(),
        undo: spec.undo.clone(),
        lasts: spec.lasts_seconds.map(seconds),
    }
}

fn faults(r: &Response) -> Vec<String> {
    let mut faults = Vec::new();
    if !(r.limit_share > 0.0 && r.limit_share <= 1.0) {
        faults.push("[response]: `limit_share` is a share of the staff: more than 0, at most 1".to_owned());
    }
    if !(1..=2).contains(&r.approval.people) {
        faults.push("[response.approval]: `people` is 1 or 2".to_owned());
    }
    if r.approval.deadline_seconds == 0 {
        faults.push("[response.approval]: `deadline_seconds` is 0: nobody answers at once".to_owned());
    }
    if r.group.iter().any(|g| g.actors.is_empty() && g.roles.is_empty()) {
        faults.push("[[response.group]]: names neither `actors` nor `roles`; for everybody there is `mode`".to_owned());
    }
    faults
}

/// What is wrong with what actions say of each other.
fn faults_between(actions: &BTreeMap<String, ActionSpec>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, spec) in actions {
        let next = spec.then.as_ref().map(|next| &next.action);
        for (key, other) in [("then", next), ("check", spec.check.as_ref()), ("undo", spec.undo.as_ref())] {
            if let Some(other) = other.filter(|other| !actions.contains_key(*other)) {
                faults.push(format!("[actions.{name}]: `{key}` names {other:?}, and there is no [actions.{other}]"));
            }
        }
        if spec.lasts_seconds.is_some() && spec.undo.is_none() {
            faults.push(format!("[actions.{name}]: `lasts_seconds` without `undo`: nothing would take it back"));
        }
        let mut seen = BTreeSet::from([name]);
        let mut at = spec;
        while let Some(next) = at.then.as_ref().and_then(|next| actions.get_key_value(&next.action)) {
            if !seen.insert(next.0) {
                faults.push(format!(
                    "[actions.{name}]: `then` comes back to {}: a grade is followed by a stronger one",
                    next.0
                ));
                break;
            }
            at = next.1;
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(toml: &str) -> Result<Settings, Vec<String>> {
        let trail = "[[trail]]\nname = 'portal'\npaths = ['/var/log/portal.jsonl']\n";
        settings(&toml::from_str(&format!("{toml}\n{trail}")).expect("a configuration"))
    }

    #[test]
    fn what_is_written_becomes_what_holds() {
        let settings = settings_of(
            "[response]\nmode = 'enforce'\nadministrator_roles = ['root']\n\
             [[response.group]]\nroles = ['noc']\nmode = 'approve'\n\
             [response.approval]\npeople = 2\ndeadline_seconds = 60\notherwise = 'carry_out'\n\
             [response.quiet_hours]\nfrom = '22:00'\nto = '06:00'\ndays = ['fri']\ntime_zone = 'Europe/Berlin'\n\
             [actions.lock]\ncommand = ['/bin/lock']\nundo = 'unlock'\nlasts_seconds = 3600\nmode = 'approve'\n\
             [actions.unlock]\ncommand = ['/bin/unlock']\n\
             [actions.end]\ncommand = ['/bin/end']\nthen = { action = 'lock', target = 'account' }\ncheck = 'unlock'",
        )
        .expect("nothing is wrong with it");
        assert_eq!(settings.approval.otherwise, Otherwise::CarryOut);
        assert_eq!(settings.actions["lock"].lasts, Some(Millis::HOUR));
        assert_eq!(settings.actions["end"].then, Some(("lock".to_owned(), crate::model::TargetKind::Account)));
        assert!(settings.quiet.is_some_and(|q| q.days.len() == 1));
    }

    #[test]
    fn what_cannot_hold_is_refused_by_table() {
        for (toml, said) in [
            ("[response]\nlimit_share = 0.0", "limit_share"),
            ("[response.approval]\npeople = 3", "1 or 2"),
            ("[[response.group]]\nmode = 'observe'", "neither"),
            ("[response.quiet_hours]\nfrom = '25:00'\nto = '06:00'", "22:00"),
            ("[response.quiet_hours]\nfrom = '22:00'\nto = '06:00'\ndays = ['Friday']", "mon, tue"),
            ("[actions.a]\ncommand = ['/a']\nundo = 'b'", "[actions.b]"),
            ("[actions.a]\ncommand = ['/a']\nlasts_seconds = 5", "without `undo`"),
            ("[actions.a]\ncommand = ['/a']\nthen = { action = 'a', target = 'user' }", "comes back"),
        ] {
            let faults = settings_of(toml).expect_err(toml);
            assert!(faults.len() == 1 && faults[0].contains(said), "{toml}: {faults:?}");
        }
    }
}
