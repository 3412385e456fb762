//! A profile as it is used: names resolved to cells, patterns compiled, every mistake found.
use super::ProfileError;
use super::getter::{Conditions, Getter, Names};
use super::pattern::Pattern;
use super::stamp::Notation;
use super::written::{self, OneOrMore};
use crate::decode::{Format, Plan, Wish};
use crate::model::{Activity, Field, Outcome, Vouched};
use crate::source::csv::HeaderNames;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One product's trail.
pub(super) struct Profile {
    pub name: Arc<str>,
    pub title: String,
    pub log_sources: Vec<crate::policy::LogSource>,
    pub format: &'static Format,
    pub plan: Box<dyn Plan>,
    /// By which headers are known, where its format has any.
    pub header_names: Option<Arc<HeaderNames>>,
    pub zone: TimeZone,
    pub id: Vec<Getter>,
    pub vouched: Vouched,
    pub recognise: Vec<Conditions>,
    pub time: Vec<(Vec<Getter>, Notation)>,
    pub fields: Vec<(Field, Vec<Getter>)>,
    pub outcome: Option<Outcomes>,
    pub activity: Vec<Rule>,
    pub adjust: Vec<(Conditions, Setters)>,
    pub estimate: Option<written::Estimate>,
    pub secret_keys: Vec<String>,
    /// The cells of the raw fields that policies want.
    pub wanted: Vec<usize>,
    pub provides: BTreeSet<Field>,
}

pub(super) struct Rule {
    pub when: Conditions,
    pub is: Activity,
    pub set: Setters,
}

pub(super) struct Outcomes {
    pub from: Vec<Getter>,
    pub success: Vec<Pattern>,
    pub failure: Vec<Pattern>,
    pub otherwise: Outcome,
    pub absent: Outcome,
}

pub(super) type Setters = Vec<(Field, Vec<Part>)>;

/// A piece of the text that a rule sets.
pub(super) enum Part {
    Literal(Box<str>),
    Capture(usize),
    Raw(Getter),
}

/// Compiles the profile that `text` writes; `raw_fields` are the raw names that policies want.
pub(super) fn compile(file: &str, text: &str, raw_fields: &[String]) -> Result<Profile, ProfileError> {
    let written: written::Profile = toml::from_str(text).map_err(|e| ProfileError {
        profile: file.to_owned(),
        line: e.span().map_or(1, |span| line_at(text, span.start)),
        message: e.message().to_owned(),
    })?;
    let compiler = Compiler { names: Names::default(), provides: BTreeSet::new() };
    compiler.profile(written, raw_fields).map_err(|(about, message)| ProfileError {
        profile: file.to_owned(),
        line: line_of(text, &about),
        message,
    })
}

fn line_at(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

/// The first line that is no comment and holds `about`.
fn line_of(text: &str, about: &str) -> usize {
    let held = |line: &str| !line.trim_start().starts_with('#') && line.contains(about);
    text.lines().position(held).map_or(1, |n| n + 1)
}

/// What a mistake is about (to find its line), and what it is.
type Mistake = (String, String);

fn about<T>(what: &str, result: Result<T, String>) -> Result<T, Mistake> {
    result.map_err(|message| (what.to_owned(), message))
}

fn format(name: &str) -> Result<&'static Format, Mistake> {
    Format::named(name).ok_or_else(|| {
        let known: Vec<_> = crate::decode::FORMATS.iter().map(|f| f.name).collect();
        let message = format!("no format {name:?}; there are {}", known.join(", "));
        (name.to_owned(), message)
    })
}

/// The keys whose values are cut out of kept lines: a session's id may be a live secret, whatever the product calls it.
fn secret_keys(written: &written::Profile) -> Vec<String> {
    let session = written.fields.get(Field::SessionUid.path()).map_or(&[][..], OneOrMore::as_slice);
    let leaf = |raw: &String| raw.split('|').next().and_then(|r| r.rsplit('.').next()).unwrap_or("").to_owned();
    written
        .redact
        .keys
        .iter()
        .cloned()
        .chain(session.iter().map(leaf))
        .map(|key| super::redact::plain_key(&key))
        .collect()
}

struct Compiler {
    names: Names,
    provides: BTreeSet<Field>,
}

impl Compiler {
    fn profile(mut self, written: written::Profile, raw_fields: &[String]) -> Result<Profile, Mistake> {
        let format = format(&written.format)?;
        if written.split.is_some() && !written.id.as_slice().is_empty() {
            let message = "a profile with `split` has no `id`: the acts of one record would share it";
            return Err(("id".to_owned(), message.to_owned()));
        }
        let zone = about("zone", zone(written.zone.as_deref()))?;
        let id = self.getters(&written.id)?;
        let recognise = written
            .recognise
            .iter()
            .map(|when| about("[[recognise]]", Conditions::new(when, &mut self.names, &mut Vec::new())))
            .collect::<Result<_, _>>()?;
        let time =
            written.time.iter().map(|t| Ok((self.getters(&t.from)?, t.notation))).collect::<Result<_, Mistake>>()?;
        let fields = self.fields(&written.fields)?;
        let outcome = written.outcome.as_ref().map(|o| self.outcome(o)).transpose()?;
        let activity = written.activity.iter().map(|rule| self.rule(rule)).collect::<Result<_, _>>()?;
        let adjust = written.adjust.iter().map(|a| self.conditional(&a.when, &a.set)).collect::<Result<_, _>>()?;
        let secret_keys = secret_keys(&written);
        let wanted = raw_fields.iter().map(|name| self.names.cell(name)).collect();
        let wish = Wish {
            fields: self.names.0,
            records: written.records,
            split: written.split,
            inside: written.inside,
            header: written.header,
        };
        let plan = about(if wish.header.is_some() { "header" } else { "" }, (format.plan)(&wish))?;
        let header_names = plan.header_names();
        if wish.header.is_some() && header_names.is_none() {
            return Err(("header".to_owned(), format!("`header` is for the format csv, not for {}", format.name)));
        }
        Ok(Profile {
            plan,
            name: written.name.into(),
            title: written.title,
            log_sources: written.log_sources,
            format,
            header_names,
            zone,
            id,
            vouched: written.session_vouched_by.unwrap_or(Vouched::Client),
            recognise,
            time,
            fields,
            outcome,
            activity,
            adjust,
            estimate: written.estimate,
            secret_keys,
            wanted,
            provides: self.provides,
        })
    }

    fn getters(&mut self, list: &OneOrMore) -> Result<Vec<Getter>, Mistake> {
        let first = list.as_slice().first().cloned().unwrap_or_default();
        about(&first, Getter::all(list, &mut self.names))
    }

    fn fields(&mut self, written: &BTreeMap<String, OneOrMore>) -> Result<Vec<(Field, Vec<Getter>)>, Mistake> {
        written.iter().map(|(path, list)| Ok((self.field(path)?, self.getters(list)?))).collect()
    }

    /// The field of that path, which a profile may fill.
    fn field(&mut self, path: &str) -> Result<Field, Mistake> {
        let wrong = |why: &str| (path.to_owned(), format!("{path:?} {why}"));
        let field = Field::from_path(path).ok_or_else(|| wrong("is no field of the event"))?;
        if !super::assign::may_fill(field) {
            return Err(wrong("is not for profiles to fill: tripline does"));
        }
        self.provides.insert(field);
        Ok(field)
    }

    fn outcome(&mut self, written: &written::Outcome) -> Result<Outcomes, Mistake> {
        let patterns = |texts: &[String]| {
            texts.iter().map(|t| about(t, Pattern::new(t, &mut Vec::new()))).collect::<Result<Vec<_>, _>>()
        };
        let named = |text: &Option<String>| match text {
            None => Ok(Outcome::Unknown),
            Some(text) => Outcome::from_name(text)
                .ok_or_else(|| (text.clone(), format!("{text:?} is no outcome: success, failure, unknown"))),
        };
        self.provides.insert(Field::Outcome);
        Ok(Outcomes {
            from: self.getters(&written.from)?,
            success: patterns(&written.success)?,
            failure: patterns(&written.failure)?,
            otherwise: named(&written.otherwise)?,
            absent: named(&written.absent)?,
        })
    }

    fn rule(&mut self, written: &written::Rule) -> Result<Rule, Mistake> {
        let is = Activity::from_name(&written.is).ok_or_else(|| {
            let known: Vec<_> = Activity::ALL.iter().map(|a| a.name()).collect();
            (written.is.clone(), format!("{:?} is no activity; there are {}", written.is, known.join(", ")))
        })?;
        let (when, set) = self.conditional(&written.when, &written.set)?;
        Ok(Rule { when, is, set })
    }

    fn conditional(
        &mut self,
        when: &written::When,
        set: &BTreeMap<String, String>,
    ) -> Result<(Conditions, Setters), Mistake> {
        let first = when.keys().next().cloned().unwrap_or_default();
        let mut captures = Vec::new();
        let when = about(&first, Conditions::new(when, &mut self.names, &mut captures))?;
        let set = set
            .iter()
            .map(|(path, text)| Ok((self.field(path)?, about(text, self.parts(text, &captures))?)))
            .collect::<Result<_, Mistake>>()?;
        Ok((when, set))
    }

    /// `{name}` is a capture of the rule where there is one of that name, else a raw field.
    fn parts(&mut self, text: &str, captures: &[String]) -> Result<Vec<Part>, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(|| format!("{text:?}: a {{ without its }}"))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            parts.push(match captures.iter().position(|c| c == name) {
                Some(n) => Part::Capture(n),
                None => Part::Raw(Getter::new(name, &mut self.names)?),
            });
            rest = after;
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Ok(parts)
    }
}

fn zone(text: Option<&str>) -> Result<TimeZone, String> {
    let Some(text) = text.filter(|t| *t != "UTC") else {
        return Ok(TimeZone::UTC);
    };
    let wrong = || format!("zone {text:?} is neither UTC nor an offset as +02:00");
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(wrong()),
    };
    let (h, m) = rest.split_once(':').ok_or_else(wrong)?;
    // of 8 bits, for more are no hours, and could not be reckoned with
    let number = |text: &str| text.parse::<u8>().map(i32::from).map_err(|_| wrong());
    let offset = jiff::tz::Offset::from_seconds(sign * (number(h)? * 3600 + number(m)? * 60)).map_err(|_| wrong())?;
    Ok(TimeZone::fixed(offset))
}
