//! One line of a selection: a field, its modifiers and its values, made ready to be held against events.
use super::literals::Literals;
use super::modifier::{Chain, Modifier as M, Placeholders, alternatives, split};
use super::pattern::{Part, Pattern, push_text};
use crate::model::limits::FIELD_BYTES;
use crate::model::{Event, Field, Text, Value, cut};
use crate::syntax::error::{Fault, quoted};
use crate::syntax::field::{FieldRef, Resolver, Taxonomy};
use crate::syntax::yaml::{Kind, Node};
use ipnet::IpNet;
use regex::Regex;
use std::cmp::Ordering;
use std::net::IpAddr;

/// What one compiled regular expression may take in memory, in bytes: `\w{1,64}`, of all of Unicode, takes most of it. The
/// crate's own default is two and a half times this.
const REGEX_BYTES: usize = 4 << 20;
/// What it may keep in memory to be fast, in bytes.
const REGEX_CACHE_BYTES: usize = 1 << 20;
/// The longest regular expression, in bytes of text.
const REGEX_TEXT: usize = 8 << 10;
/// The most regular expressions in a policy set: all of SigmaHQ's 4,000 rules have some 600.
const REGEXES: usize = 1000;

/// What reading selections needs beside their text.
pub(super) struct Scope<'a> {
    pub(super) resolver: &'a mut Resolver,
    pub(super) taxonomy: Taxonomy,
    pub(super) placeholders: &'a Placeholders,
}

/// A field held against values.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) target: Target,
    /// The part of a time to take before comparing.
    time: Option<M>,
    /// All values must match, where otherwise one is enough.
    all: bool,
    /// The item holds where its values do not match.
    pub(super) negated: bool,
    /// For each value its alternatives.
    values: Vec<Vec<Test>>,
    /// The same as `values`, where one of many texts is looked for.
    literals: Option<Literals>,
}

/// What the values are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Field(FieldRef),
    /// The line: keywords.
    Line,
}

#[derive(Clone, Debug)]
enum Test {
    Text(Pattern),
    Number(Number),
    Bool(bool),
    Null,
    Exists(bool),
    Regex(Regex),
    Network(IpNet),
    Compare(M, Number),
    Reference(FieldRef, Option<M>, bool),
}

/// A number of a policy, whole where it is written so.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Number {
    Whole(i64),
    Real(f64),
}

impl Number {
    fn order(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
            (a, b) => a.real().partial_cmp(&b.real()),
        }
    }

    fn real(self) -> f64 {
        match self {
            Number::Whole(n) => n as f64,
            Number::Real(n) => n,
        }
    }

    /// The number that text writes, blanks around it left out.
    fn parse(text: &str) -> Option<Number> {
        let text = text.trim();
        let real = || text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Number::Real);
        text.parse().map(Number::Whole).ok().or_else(real)
    }

    fn words(self) -> String {
        match self {
            Number::Whole(n) => n.to_string(),
            Number::Real(n) => n.to_string(),
        }
    }

    fn of(value: Value<'_>) -> Option<Number> {
        match value {
            Value::Int(n) => Some(Number::Whole(n)),
            Value::Text(text) => Number::parse(text),
            Value::Absent | Value::Ip(_) | Value::Bool(_) | Value::List(_) => None,
        }
    }
}

/// Reads `key: values`.
pub(super) fn read(key: &str, key_line: u32, values: &Node, scope: &mut Scope<'_>) -> Result<Item, Fault> {
    let (field, chain) = split(key, key_line)?;
    let target = match field {
        "" => Target::Line,
        name => Target::Field(scope.resolver.resolve(name, scope.taxonomy)),
    };
    build(target, &chain, values, scope)
}

/// Reads keywords: values without a field.
pub(super) fn keywords(values: &Node, scope: &mut Scope<'_>) -> Result<Item, Fault> {
    let (_, chain) = split("", values.line)?;
    build(Target::Line, &chain, values, scope)
}

fn build(target: Target, chain: &Chain, values: &Node, scope: &mut Scope<'_>) -> Result<Item, Fault> {
    let single = std::slice::from_ref(values);
    let nodes = match &values.kind {
        Kind::List(list) if list.is_empty() => {
            return Err(Fault::at(values.line, "an empty list of values matches nothing: give values"));
        }
        Kind::List(list) => list,
        _ => single,
    };
    if chain.has(M::All) && nodes.len() < 2 {
        return Err(Fault::at(
            values.line,
            "`all` needs a list of at least two values (Sigma modifiers appendix): leave it out",
        ));
    }
    let listed = matches!(values.kind, Kind::List(_));
    let tests: Vec<Vec<Test>> = nodes
        .iter()
        .map(|node| match node.kind {
            Kind::Null if listed => Err(Fault::at(
                node.line,
                "null cannot be one of a list of values (Sigma, special field values): make it a selection of its own",
            )),
            _ => value(target, chain, node, scope),
        })
        .collect::<Result<_, _>>()?;
    Ok(Item {
        target,
        time: chain.time(),
        all: chain.has(M::All),
        negated: chain.has(M::Neq),
        literals: if chain.has(M::All) { None } else { literals(&tests) },
        values: tests,
    })
}

/// The tests as one, where they are texts of which one has to be in the field.
fn literals(tests: &[Vec<Test>]) -> Option<Literals> {
    let patterns = tests.iter().flatten();
    let patterns: Option<Vec<&Pattern>> = patterns.map(Test::pattern).collect();
    Literals::of(&patterns?)
}

fn value(target: Target, chain: &Chain, node: &Node, scope: &mut Scope<'_>) -> Result<Vec<Test>, Fault> {
    match chain.kind() {
        Some(M::Exists) => Ok(vec![Test::Exists(node.bool("exists")?)]),
        Some(M::Re) if scope.resolver.expressions == REGEXES => {
            Err(Fault::at(node.line, format!("all policies together may have {REGEXES} regular expressions")))
        }
        Some(M::Re) => {
            scope.resolver.expressions += 1;
            let regex = expression(&node.text("re")?, chain, node.line)?;
            Ok(vec![Test::Regex(regex)])
        }
        Some(M::Cidr) => texts(node, chain, scope, network),
        Some(M::FieldRef) => {
            let name = node.text("fieldref")?;
            let field = scope.resolver.resolve(&name, scope.taxonomy);
            let place = chain.any(&[M::Contains, M::StartsWith, M::EndsWith]);
            Ok(vec![Test::Reference(field, place, chain.has(M::Cased))])
        }
        Some(comparison) => Ok(vec![Test::Compare(comparison, number(node, comparison)?)]),
        None => plain(target, chain, node, scope),
    }
}

fn number(node: &Node, for_what: M) -> Result<Number, Fault> {
    match &node.kind {
        Kind::Int(n) => Ok(Number::Whole(*n)),
        Kind::Float(n) if n.is_finite() => Ok(Number::Real(*n)),
        _ => Err(Fault::at(
            node.line,
            format!("{} compares numbers, and here is {}", quoted(for_what.name()), node.what()),
        )),
    }
}

fn texts(
    node: &Node,
    chain: &Chain,
    scope: &Scope<'_>,
    make: impl Fn(&str, u32) -> Result<Test, Fault>,
) -> Result<Vec<Test>, Fault> {
    let text = node.text("value")?;
    let values = match chain.has(M::Expand) {
        true => alternatives(&text, chain, scope.placeholders, node.line)?,
        false => vec![vec![Part::Text(text)]],
    };
    let whole = |parts: &Vec<Part>| match &parts[..] {
        [Part::Text(text)] => make(text, node.line),
        _ => Err(Fault::at(node.line, "a network has no wildcards")),
    };
    values.iter().map(whole).collect()
}

fn network(text: &str, line: u32) -> Result<Test, Fault> {
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| Test::Network(net.trunc())).map_err(|_| {
        Fault::at(line, format!("{} is no network: write it as 192.0.2.0/24 or 2001:db8::/32", quoted(text)))
    })
}

fn expression(text: &str, chain: &Chain, line: u32) -> Result<Regex, Fault> {
    if text.len() > REGEX_TEXT {
        return Err(Fault::at(line, format!("a regular expression may have {REGEX_TEXT} bytes")));
    }
    regex::RegexBuilder::new(text)
        .case_insensitive(chain.has(M::Insensitive))
        .multi_line(chain.has(M::MultiLine))
        .dot_matches_new_line(chain.has(M::SingleLine))
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_CACHE_BYTES)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let linear = "matching is linear in time: no look-around, no back-references";
            Fault::at(line, format!("regular expression not supported: {why} ({linear})"))
        })
}

/// A value that is compared as it stands.
fn plain(target: Target, chain: &Chain, node: &Node, scope: &Scope<'_>) -> Result<Vec<Test>, Fault> {
    let textual = [M::Contains, M::StartsWith, M::EndsWith, M::Base64, M::Base64Offset, M::Utf16]
        .iter()
        .chain(&[M::Utf16Le, M::Utf16Be, M::Wide, M::WinDash, M::Expand])
        .any(|m| chain.has(*m));
    let as_text = textual || target == Target::Line;
    match &node.kind {
        Kind::Null if as_text || chain.time().is_some() => {
            Err(Fault::at(node.line, "null cannot be changed by modifiers and is no keyword"))
        }
        Kind::Null => Ok(vec![Test::Null]),
        Kind::Int(n) if !as_text => Ok(vec![Test::Number(Number::Whole(*n))]),
        Kind::Float(n) if !as_text => Ok(vec![Test::Number(Number::Real(*n))]),
        _ if chain.time().is_some() => Err(Fault::at(node.line, "a part of a time is a whole number")),
        Kind::Bool(b) if !as_text => Ok(vec![Test::Bool(*b)]),
        Kind::List(_) | Kind::Map(_) => Err(Fault::at(
            node.line,
            format!("a value must be text, a number, true, false or null, and here is {}", node.what()),
        )),
        _ => {
            let text = node.text("value")?;
            let mut values = alternatives(&text, chain, scope.placeholders, node.line)?;
            if target == Target::Line {
                values.iter_mut().for_each(anywhere);
            }
            let cased = chain.has(M::Cased);
            Ok(values.iter().map(|v| Test::Text(Pattern::new(v, cased))).collect())
        }
    }
}

/// A keyword is looked for anywhere in the line.
fn anywhere(parts: &mut Vec<Part>) {
    if parts.first() != Some(&Part::Many) {
        parts.insert(0, Part::Many);
    }
    if parts.last() != Some(&Part::Many) {
        parts.push(Part::Many);
    }
}

impl Item {
    /// Whether the item holds for `event`. A comparison of two fields holds only where both are there, also when negated.
    pub(super) fn matches(&self, event: &Event) -> bool {
        let value = match self.target {
            Target::Line => match &event.line {
                Some(readings) => Value::List(readings),
                None => Value::Text(&event.evidence.redacted),
            },
            Target::Field(field) => field.value(event),
        };
        if self.negated && self.refers() && self.blind(event, value) {
            return false;
        }
        let held = match value {
            Value::List(elements) => self.within_list(elements, event),
            value => {
                let value = self.part_of(value);
                self.among_literals(value).unwrap_or_else(|| self.each(|test| self.holds(test, value, event)))
            }
        };
        held != self.negated
    }

    /// Whether one of the values fits, or all of them where they must.
    fn each(&self, fits: impl Fn(&Test) -> bool) -> bool {
        let one = |alternatives: &Vec<Test>| alternatives.iter().any(&fits);
        match self.all {
            true => self.values.iter().all(one),
            false => self.values.iter().any(one),
        }
    }

    /// A value fits a list where it fits one of the elements. A list is there, also an empty one, and so it is not null.
    fn within_list(&self, elements: &[Text], event: &Event) -> bool {
        let text = |element: &'_ Text| self.among_literals(Value::Text(element));
        if let Some(held) = elements.iter().map(text).collect::<Option<Vec<bool>>>()
            && self.literals.is_some()
        {
            return held.contains(&true);
        }
        self.each(|test| match test {
            Test::Null => false,
            Test::Exists(wanted) => *wanted,
            test => elements.iter().any(|e| test.holds(self.part_of(Value::Text(e)), event)),
        })
    }

    fn holds(&self, test: &Test, value: Value<'_>, event: &Event) -> bool {
        match (test, self.target) {
            (Test::Exists(wanted), Target::Field(field)) => field.is_present(event) == *wanted,
            _ => test.holds(value, event),
        }
    }

    /// The part of a time, where the item asks for one.
    fn part_of<'v>(&self, value: Value<'v>) -> Value<'v> {
        self.time.map_or(value, |part| time_part(self.target, value, part))
    }

    /// Whether one of many texts is in the value; nothing where that has to be asked of the values themselves.
    fn among_literals(&self, value: Value<'_>) -> Option<bool> {
        match (&self.literals, value) {
            (Some(literals), Value::Text(text)) => literals.within(text),
            _ => None,
        }
    }

    /// What is held against the values, for a person.
    pub(super) fn name<'n>(&self, raw_fields: &'n [String]) -> &'n str {
        match self.target {
            Target::Line => "the line",
            Target::Field(field) => field.name(raw_fields),
        }
    }

    /// What the event has there, for a person.
    pub(super) fn shown(&self, event: &Event) -> String {
        let Target::Field(field) = self.target else { return "what it is".to_owned() };
        match field.value(event) {
            Value::Absent => "not there".to_owned(),
            // a session id may be a live secret
            Value::Text(_) if matches!(field, FieldRef::Known(field) if event.is_session_id(field)) => {
                "(the session)".to_owned()
            }
            Value::Text(text) => format!("{:?}", cut(text, FIELD_BYTES)),
            Value::List(list) => {
                let elements: Vec<String> =
                    list.iter().take(WORDS).map(|e| format!("{:?}", cut(e, FIELD_BYTES))).collect();
                let more = if list.len() > WORDS { ", …" } else { "" };
                format!("a list of {}{more}", elements.join(", "))
            }
            value => with_text_of(value),
        }
    }

    /// What it wants to be there, for a person.
    pub(super) fn asks_for(&self, raw_fields: &[String]) -> String {
        let one = |alternatives: &Vec<Test>| {
            alternatives.iter().map(|test| test.words(raw_fields)).collect::<Vec<_>>().join(" or ")
        };
        let mut words: Vec<String> = self.values.iter().take(WORDS).map(one).collect();
        if self.values.len() > WORDS {
            words.push(format!("{} more", self.values.len() - WORDS));
        }
        let not = if self.negated { "anything but " } else { "" };
        let part = self.time.map(|part| format!("its {} ", part.name())).unwrap_or_default();
        format!("{part}{not}{}", words.join(if self.all { " and " } else { " or " }))
    }

    fn refers(&self) -> bool {
        self.values.iter().flatten().any(|t| matches!(t, Test::Reference(..)))
    }

    fn blind(&self, event: &Event, value: Value<'_>) -> bool {
        let absent = |t: &Test| match t {
            Test::Reference(field, ..) => field.value(event) == Value::Absent,
            _ => false,
        };
        value == Value::Absent || self.values.iter().flatten().any(absent)
    }

    /// Whether the item holds where its field is not there.
    pub(super) fn holds_absent(&self) -> bool {
        let holds = |test: &Test| matches!(test, Test::Null | Test::Exists(false));
        !(self.negated && self.refers()) && self.each(holds) != self.negated
    }

    /// Where it asks of its field only whether it is there: which of both it asks for.
    pub(super) fn only_presence(&self) -> Option<bool> {
        let asks_for = |test: &Test| match test {
            Test::Null | Test::Exists(false) => Some(false),
            Test::Exists(true) => Some(true),
            _ => None,
        };
        let mut tests = self.values.iter().flatten().map(asks_for);
        let first = tests.next()??;
        tests.all(|test| test == Some(first)).then_some(first != self.negated)
    }

    /// The other fields that the values name.
    pub(super) fn references(&self) -> impl Iterator<Item = FieldRef> {
        self.values.iter().flatten().filter_map(|t| match t {
            Test::Reference(field, ..) => Some(*field),
            _ => None,
        })
    }

    /// Whether the item holds for an event whose field has the text `text`, where that can be said of the text alone.
    pub(super) fn matches_text(&self, text: &str) -> Option<bool> {
        let decide = |t: &Test| match t {
            Test::Text(pattern) => Some(pattern.matches(text)),
            Test::Regex(regex) => Some(regex.is_match(text)),
            _ => None,
        };
        let mut held = Vec::new();
        for alternatives in &self.values {
            let each: Option<Vec<bool>> = alternatives.iter().map(decide).collect();
            held.push(each?.contains(&true));
        }
        let all = match self.all {
            true => held.iter().all(|h| *h),
            false => held.contains(&true),
        };
        Some(all != self.negated)
    }
}

/// How many values of a list are named.
const WORDS: usize = 8;

impl Test {
    /// For a person.
    fn words(&self, raw_fields: &[String]) -> String {
        match self {
            Test::Text(pattern) => format!("\"{pattern}\""),
            Test::Number(number) => number.words(),
            Test::Bool(wanted) => wanted.to_string(),
            Test::Null => "nothing there".to_owned(),
            Test::Exists(true) => "anything there".to_owned(),
            Test::Exists(false) => "nothing there".to_owned(),
            Test::Regex(regex) => format!("/{}/", regex.as_str()),
            Test::Network(net) => format!("a network of {net}"),
            Test::Compare(by, number) => format!("{} {}", by.name(), number.words()),
            Test::Reference(field, place, _) => {
                let place = place.map(|p| format!("{} ", p.name())).unwrap_or_default();
                format!("{place}what {} is", field.name(raw_fields))
            }
        }
    }

    fn pattern(&self) -> Option<&Pattern> {
        match self {
            Test::Text(pattern) => Some(pattern),
            _ => None,
        }
    }

    fn holds(&self, value: Value<'_>, event: &Event) -> bool {
        match self {
            Test::Null => value == Value::Absent,
            // of a field the item knows more: whether it is there and null
            Test::Exists(wanted) => (value != Value::Absent) == *wanted,
            Test::Text(pattern) => with_text(value, |text| pattern.matches(text)),
            Test::Regex(regex) => with_text(value, |text| regex.is_match(text)),
            Test::Bool(wanted) => match value {
                Value::Bool(b) => b == *wanted,
                Value::Text(text) => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
                _ => false,
            },
            Test::Number(number) => match value {
                // As text: an id `0042` is not the number 42, though `42` written as text is.
                Value::Text(text) => match number {
                    // `60.0` is how many products write the number 60
                    Number::Whole(n) if text.contains('.') => text.parse() == Ok(*n as f64),
                    Number::Whole(n) => *text == *Text::from(n.to_string()),
                    Number::Real(n) => text.parse() == Ok(*n),
                },
                value => Number::of(value).is_some_and(|v| v.order(*number) == Some(Ordering::Equal)),
            },
            Test::Compare(by, number) => {
                let order = Number::of(value).and_then(|v| v.order(*number));
                match by {
                    M::Lt => order == Some(Ordering::Less),
                    M::Lte => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                    M::Gt => order == Some(Ordering::Greater),
                    _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                }
            }
            Test::Network(net) => match value {
                Value::Ip(ip) => net.contains(&ip),
                Value::Text(text) => text.parse::<IpAddr>().is_ok_and(|ip| net.contains(&ip.to_canonical())),
                _ => false,
            },
            Test::Reference(field, place, cased) => {
                with_text(value, |a| with_text(field.value(event), |b| refers(a, b, *place, *cased)))
            }
        }
    }
}

/// Whether `a` is (or contains, begins or ends with) `b`.
fn refers(a: &str, b: &str, place: Option<M>, cased: bool) -> bool {
    let mut parts = Vec::new();
    if matches!(place, Some(M::Contains | M::EndsWith)) {
        parts.push(Part::Many);
    }
    push_text(&mut parts, b.to_owned());
    if matches!(place, Some(M::Contains | M::StartsWith)) {
        parts.push(Part::Many);
    }
    Pattern::new(&parts, cased).matches(a)
}

/// Calls `f` with the value's text, or those of its elements until one fits; an absent value has none and matches nothing.
fn with_text(value: Value<'_>, mut f: impl FnMut(&str) -> bool) -> bool {
    use compact_str::ToCompactString;
    match value {
        Value::Absent => false,
        Value::Text(text) => f(text),
        Value::Int(n) => f(&n.to_compact_string()),
        Value::Ip(ip) => f(&ip.to_compact_string()),
        Value::Bool(b) => f(if b { "true" } else { "false" }),
        Value::List(list) => list.iter().any(|element| f(element)),
    }
}

fn with_text_of(value: Value<'_>) -> String {
    let mut shown = String::new();
    with_text(value, |text| {
        shown.push_str(text);
        true
    });
    shown
}

/// The part of a time that a modifier asks for: in UTC, or as written where a text names no offset. Nothing where it is
/// no time.
fn time_part(target: Target, value: Value<'_>, part: M) -> Value<'static> {
    let civil = match value {
        Value::Int(ms) if target == Target::Field(FieldRef::Known(Field::Time)) => {
            jiff::Timestamp::from_millisecond(ms).ok().map(|t| jiff::tz::TimeZone::UTC.to_datetime(t))
        }
        Value::Text(text) => {
            let text = text.trim();
            let instant = text.parse::<jiff::Timestamp>().map(|t| jiff::tz::TimeZone::UTC.to_datetime(t));
            instant.or_else(|_| text.parse::<jiff::civil::DateTime>()).ok()
        }
        _ => None,
    };
    civil.map_or(Value::Absent, |t| {
        Value::Int(match part {
            M::Minute => t.minute().into(),
            M::Hour => t.hour().into(),
            M::Day => t.day().into(),
            M::Week => t.date().iso_week_date().week().into(),
            M::Month => t.month().into(),
            _ => t.year().into(),
        })
    })
}
