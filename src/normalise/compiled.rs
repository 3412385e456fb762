//! A profile as it is used: names resolved to cells, patterns compiled, every mistake found.
use super::ProfileError;
use super::getter::{ALONE, Conditions, Getter, Names, Paths};
use super::pattern::Pattern;
use super::raw::{self, Meaning, Wanted};
use super::stamp::Notation;
use super::written::{self, OneOrMore};
use crate::decode::{Format, Plan, Record, Wish};
use crate::framing::csv::HeaderNames;
use crate::model::{Activity, Cause, Field, Outcome, Vouched};
use crate::policy::Asked;
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
    /// How many raw fields it reads, those that policies want not counted.
    pub cells: usize,
    /// How many of them mean something: the others are only recognised by.
    pub meant: usize,
    /// By which headers are known, where its format has any.
    pub header_names: Option<Arc<HeaderNames>>,
    /// One record may hold several acts.
    pub split: bool,
    /// What the lists of records are called in its documents.
    pub lists: Arc<[String]>,
    pub zone: TimeZone,
    pub id: Vec<Getter>,
    pub id_with: Vec<Getter>,
    /// What a record without an id holds is its id.
    pub content_id: bool,
    /// Names of people are taken in small letters.
    pub lower_names: bool,
    pub session_vouched: Vouched,
    pub actor_vouched: Vouched,
    pub recognise: Vec<Conditions>,
    pub time: Vec<(Vec<Getter>, Notation)>,
    pub fields: Vec<(Field, Vec<Getter>)>,
    /// These say of which days the data of an export is.
    pub states_range: bool,
    pub outcome: Option<Words<Outcome>>,
    pub cause: Option<Words<Cause>>,
    pub activity: Vec<Rule>,
    pub adjust: Vec<(Conditions, Setters)>,
    pub estimate: Option<written::Estimate>,
    pub secret_keys: Vec<String>,
    /// The raw fields that policies want, by their indices.
    pub wanted: Vec<Wanted>,
    /// A policy looks for keywords in the line.
    pub line: bool,
    pub provides: BTreeSet<Field>,
}

pub(super) struct Rule {
    pub when: Conditions,
    pub is: Activity,
    /// Only where the answer carried something.
    pub sent: bool,
    pub set: Setters,
}

impl Rule {
    /// Whether it says of which days the data is.
    pub fn states_range(&self) -> bool {
        self.set.iter().any(|(field, _)| states_range(*field))
    }

    /// Whether it is for all that no other rule has told by its path.
    fn is_for_the_rest(&self) -> bool {
        use Activity::{ApiCall, Other, Query, View};
        matches!(self.is, View | Query | ApiCall | Other) && !self.when.name_a_path()
    }
}

fn states_range(field: Field) -> bool {
    matches!(field, Field::ExportFirstDay | Field::ExportLastDay)
}

/// What the product's words for something mean.
pub(super) struct Words<T> {
    pub from: Vec<Getter>,
    /// The weightiest first, so that the first that fits is meant.
    patterns: Vec<(Pattern, T)>,
    otherwise: T,
    absent: Option<T>,
}

impl<T: Copy> Words<T> {
    fn new(from: Vec<Getter>, mut patterns: Vec<(Pattern, T)>, otherwise: T, absent: Option<T>) -> Words<T> {
        patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.weight()));
        Words { from, patterns, otherwise, absent }
    }

    /// What a record says; nothing where it says nothing.
    pub fn of(&self, record: &Record<'_>) -> Option<T> {
        let Some(value) = super::getter::first(&self.from, record) else {
            // what a cut record lacks may have stood behind the cut
            return self.absent.filter(|_| !record.partial);
        };
        Some(self.meaning(&value))
    }

    /// The words that it knows.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter().map(|(pattern, _)| pattern)
    }

    /// What a word means.
    pub fn meaning(&self, word: &str) -> T {
        let meant = self.patterns.iter().find(|(pattern, _)| pattern.fits_any_case(word));
        meant.map_or(self.otherwise, |(_, meaning)| *meaning)
    }

    /// All that it can say.
    #[cfg(test)]
    pub fn all(&self) -> impl Iterator<Item = T> {
        self.patterns.iter().map(|(_, meaning)| *meaning).chain([self.otherwise]).chain(self.absent)
    }
}

pub(super) type Setters = Vec<(Field, Vec<Part>)>;

/// A piece of the text that a rule sets.
pub(super) enum Part {
    Literal(Box<str>),
    Capture(usize),
    Raw(Getter),
}

/// A profile as `text` writes it, which is called `file`.
pub(super) struct Source<'t> {
    pub file: &'t str,
    pub text: &'t str,
    pub written: written::Profile,
}

impl<'t> Source<'t> {
    /// Reads `text`.
    pub fn read(file: &'t str, text: &'t str) -> Result<Source<'t>, ProfileError> {
        let written = toml::from_str(text).map_err(|e| ProfileError {
            profile: file.to_owned(),
            line: e.span().map_or(1, |span| line_at(text, span.start)),
            message: e.message().to_owned(),
        })?;
        Ok(Source { file, text, written })
    }

    /// Compiles the profile, one of `all`; `ask` says what policies want of the profile of a name.
    pub fn compile(&self, all: &[Source<'_>], ask: &dyn Fn(&str) -> Asked) -> Result<Profile, ProfileError> {
        let compile = |written: written::Profile| {
            let paths = Paths::of(&written.format, &written.fields);
            Compiler { names: Names::default(), provides: BTreeSet::new(), paths }.profile(written, ask)
        };
        self.filled(all).and_then(compile).map_err(|(about, message)| ProfileError {
            profile: self.file.to_owned(),
            line: line_of(self.text, &about),
            message,
        })
    }

    fn filled(&self, all: &[Source<'_>]) -> Result<written::Profile, Mistake> {
        let own = self.written.clone();
        let Some(like) = own.like.clone() else { return Ok(own) };
        let base = all.iter().map(|source| &source.written).find(|base| base.name == like && base.like.is_none());
        match base {
            Some(base) => Ok(own.filled(base)),
            None => Err((like.clone(), format!("`like`: no profile {like:?} that says all by itself"))),
        }
    }
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
    paths: Paths,
}

impl Compiler {
    fn profile(mut self, written: written::Profile, ask: &dyn Fn(&str) -> Asked) -> Result<Profile, Mistake> {
        let format = format(&written.format)?;
        let zone = about("zone", zone(written.zone.as_deref()))?;
        let id = self.getters(&written.id)?;
        let id_with = self.getters(&written.id_with)?;
        let time =
            written.time.iter().map(|t| Ok((self.getters(&t.from)?, t.notation))).collect::<Result<_, Mistake>>()?;
        let fields = self.fields(&written.fields)?;
        let outcome = written.outcome.as_ref().map(|o| self.outcome(o)).transpose()?;
        let cause = written.cause.as_ref().map(|c| self.cause(c)).transpose()?;
        let activity = written.activity.iter().map(|rule| self.rule(rule, &written.fields));
        let mut activity = activity.collect::<Result<Vec<_>, _>>()?;
        self.fetches(&written, &mut activity)?;
        let adjust = written.adjust.iter().map(|a| self.conditional(&a.when, &a.set, &written.fields));
        let adjust = adjust.collect::<Result<_, _>>()?;
        let secret_keys = secret_keys(&written);
        let meant = self.names.0.len();
        let recognise = self.recognise(&written.recognise)?;
        let cells = self.names.0.len();
        let asked = ask(&written.name);
        let mut through = BTreeSet::new();
        let wanted = self.wanted(&written.sigma, &asked.fields, &mut through)?;
        let lists = written.records.clone().into();
        let split = written.split.is_some();
        let wish = Wish {
            fields: self.names.0,
            through,
            records: written.records,
            split: written.split,
            inside: written.inside,
            any_case: written.keys == Some(written::Letters::AnyCase),
            columns: written.columns.iter().map(|(raw, names)| (raw.clone(), names.as_slice().to_vec())).collect(),
            header: written.header,
        };
        let plan = about(if wish.header.is_some() { "header" } else { "" }, (format.plan)(&wish))?;
        let header_names = plan.header_names();
        if !wish.columns.is_empty() && header_names.is_none() {
            return Err(("columns".to_owned(), format!("`columns` are for the format csv, not for {}", format.name)));
        }
        if wish.header.is_some() && header_names.is_none() {
            return Err(("header".to_owned(), format!("`header` is for the format csv, not for {}", format.name)));
        }
        Ok(Profile {
            plan,
            cells,
            meant,
            name: written.name.into(),
            title: written.title,
            log_sources: written.log_sources,
            format,
            header_names,
            split,
            lists,
            zone,
            id,
            id_with,
            content_id: written.content_id == Some(true),
            lower_names: written.names == Some(written::Spelling::AnyCase),
            session_vouched: written.session_vouched_by.unwrap_or(Vouched::Client),
            actor_vouched: written.actor_vouched_by.unwrap_or(Vouched::Server),
            recognise,
            time,
            states_range: fields.iter().any(|(field, _)| states_range(*field)),
            fields,
            outcome,
            cause,
            activity,
            adjust,
            estimate: written.estimate,
            secret_keys,
            wanted,
            line: asked.line,
            provides: self.provides,
        })
    }

    fn recognise(&mut self, written: &[written::When]) -> Result<Vec<Conditions>, Mistake> {
        let compile = |when| {
            about("[[recognise]]", Conditions::new(when, &BTreeMap::new(), &self.paths, &mut self.names, &mut vec![]))
        };
        written.iter().map(compile).collect()
    }

    /// The raw fields that policies want, under all that `[sigma]` says of them. All of that is read, so that a mistake in it is
    /// told whether a policy wants it or not.
    fn wanted(
        &mut self,
        sigma: &BTreeMap<String, OneOrMore>,
        asked: &[(usize, String)],
        through: &mut BTreeSet<usize>,
    ) -> Result<Vec<Wanted>, Mistake> {
        let (names, mut others) = (std::mem::take(&mut self.names), BTreeSet::new());
        for list in sigma.values() {
            self.meanings(list, &mut others)?;
        }
        self.names = names;
        let want = |(index, name): &(usize, String)| {
            let cells = raw::cells(name, &mut self.names, through);
            let means = sigma.get(name).map_or_else(|| Ok(Vec::new()), |list| self.meanings(list, through))?;
            Ok(Wanted::new(*index, cells, means))
        };
        asked.iter().map(want).collect()
    }

    fn meanings(&mut self, list: &OneOrMore, through: &mut BTreeSet<usize>) -> Result<Vec<Meaning>, Mistake> {
        let meaning = |text: &String| {
            let name = text.strip_prefix(ALONE).unwrap_or(text);
            Ok(match Field::from_path(text) {
                Some(field) if super::assign::may_fill(field) || field == Field::Activity => Meaning::Event(field),
                Some(_) => return Err((text.clone(), format!("{text:?} is not filled by profiles"))),
                None if text.contains('{') => Meaning::Text(about(text, self.parts(text, &[]))?),
                None if text.contains('|') => Meaning::Steps(about(text, Getter::new(name, &mut self.names))?),
                None => Meaning::Raw(raw::cells(name, &mut self.names, through)),
            })
        };
        list.as_slice().iter().map(meaning).collect()
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

    fn outcome(&mut self, written: &written::Outcome) -> Result<Words<Outcome>, Mistake> {
        let lists = [
            (Outcome::Failure, &written.failure),
            (Outcome::Unknown, &written.unknown),
            (Outcome::Success, &written.success),
        ];
        let named = |text: &Option<String>| match text {
            None => Ok(Outcome::Unknown),
            Some(text) => Outcome::from_name(text)
                .ok_or_else(|| (text.clone(), format!("{text:?} is no outcome: success, failure, unknown"))),
        };
        self.provides.insert(Field::Outcome);
        let (otherwise, absent) = (named(&written.otherwise)?, named(&written.absent)?);
        Ok(Words::new(self.getters(&written.from)?, patterns(lists.into_iter())?, otherwise, Some(absent)))
    }

    fn cause(&mut self, written: &written::Cause) -> Result<Words<Cause>, Mistake> {
        let named = |text: &String| {
            Cause::from_name(text).ok_or_else(|| {
                let known: Vec<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
                (text.clone(), format!("{text:?} is no cause; there are {}", known.join(", ")))
            })
        };
        let lists = written.patterns.iter().map(|(name, list)| Ok((named(name)?, list)));
        let lists = lists.collect::<Result<Vec<_>, Mistake>>()?;
        let otherwise = written.otherwise.as_ref().map(named).transpose()?.unwrap_or(Cause::Other);
        let absent = written.absent.as_ref().map(named).transpose()?;
        self.provides.insert(Field::Cause);
        Ok(Words::new(self.getters(&written.from)?, patterns(lists.into_iter())?, otherwise, absent))
    }

    fn rule(&mut self, written: &written::Rule, fields: &BTreeMap<String, OneOrMore>) -> Result<Rule, Mistake> {
        let is = Activity::from_name(&written.is).ok_or_else(|| {
            let known: Vec<_> = Activity::ALL.iter().map(|a| a.name()).collect();
            (written.is.clone(), format!("{:?} is no activity; there are {}", written.is, known.join(", ")))
        })?;
        let (when, set) = self.conditional(&written.when, &written.set, fields)?;
        Ok(Rule { when, is, sent: written.sent, set })
    }

    /// Adds the rule of what is fetched under a path that no rule knows, where downloads say how much they send.
    fn fetches(&mut self, written: &written::Profile, rules: &mut Vec<Rule>) -> Result<(), Mistake> {
        let amounts = [Field::ExportRecords, Field::ExportBytes].map(Field::path);
        let of_downloads = |path: &str| {
            let downloads = written.activity.iter().filter(|rule| rule.is == Activity::Download.name());
            downloads.filter_map(|rule| rule.set.get(path)).find(|text| !text.is_empty()).cloned()
        };
        let set: BTreeMap<String, String> =
            amounts.iter().filter_map(|path| Some(((*path).to_owned(), of_downloads(path)?))).collect();
        let has_own = written.activity.iter().any(|rule| rule.sent && rule.when.is_empty());
        if set.is_empty() || has_own || !written.fields.contains_key(Field::Path.path()) {
            return Ok(());
        }
        let rest =
            written::Rule { when: written::When::new(), is: Activity::Download.name().to_owned(), sent: true, set };
        let rule = self.rule(&rest, &written.fields)?;
        let at = rules.iter().position(Rule::is_for_the_rest).unwrap_or(rules.len());
        rules.insert(at, rule);
        Ok(())
    }

    fn conditional(
        &mut self,
        when: &written::When,
        set: &BTreeMap<String, String>,
        fields: &BTreeMap<String, OneOrMore>,
    ) -> Result<(Conditions, Setters), Mistake> {
        let first = when.keys().next().cloned().unwrap_or_default();
        let mut captures = Vec::new();
        one_spelling(when, fields)?;
        let when = about(&first, Conditions::new(when, fields, &self.paths, &mut self.names, &mut captures))?;
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

/// Refuses a condition on one spelling of a field that has more: where the product writes another one, it would be blind.
fn one_spelling(when: &written::When, fields: &BTreeMap<String, OneOrMore>) -> Result<(), Mistake> {
    // whether one is there tells forms of records apart
    for raw in when.iter().filter(|(_, test)| !matches!(test, written::Match::Present(_))).map(|(raw, _)| raw) {
        let of = fields.iter().find(|(_, list)| list.as_slice().len() > 1 && list.as_slice().contains(raw));
        if let Some((path, list)) = of {
            let others = list.as_slice().iter().filter(|other| *other != raw).cloned().collect::<Vec<_>>().join(", ");
            let message = format!(
                "{raw:?} is also written {others}: name the field, {path:?}, which is read under all of them, or write \"raw:{raw}\" if it alone is meant"
            );
            return Err((raw.clone(), message));
        }
    }
    Ok(())
}

/// Compiled patterns with what each means.
fn patterns<'t, T: Copy>(lists: impl Iterator<Item = (T, &'t Vec<String>)>) -> Result<Vec<(Pattern, T)>, Mistake> {
    let one = |(meaning, text): (T, &String)| Ok((about(text, Pattern::new(text, &mut Vec::new()))?, meaning));
    lists.flat_map(|(meaning, list)| list.iter().map(move |text| (meaning, text))).map(one).collect()
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
