//! What a Sigma rule selects, read off the specification (`sigma-rules-specification.md` and the modifiers appendix, 2.1) as slowly and
//! obviously as it goes. Shares no code with the library.
//!
//! Where the specification leaves a thing open, this is what `tripline::policy` documents, and nothing else:
//!
//! | open                                   | chosen                                                                        |
//! | -------------------------------------- | ----------------------------------------------------------------------------- |
//! | a field with a list                    | fits where an element fits; with `all`, one for each value; it is never null   |
//! | a list in a list                       | is its elements                                                               |
//! | an element or value that is an object  | is its JSON text, as written, without blanks                                   |
//! | `a.b`                                  | the key `a.b`, else `b` in the object `a`, in every element of a list on the way |
//! | null                                   | the field is not there, or null, or all of several are                         |
//! | a number in the rule                   | is the number, or the same text (`42`, not `042`); a decimal as any decimal     |
//! | `00000429` without quotes              | is text                                                                       |
//! | `neq`                                  | holds where the field is not there, but with `fieldref` both must be            |
//! | `fieldref`                             | compares texts without regard to case unless `cased`                          |
//! | `re`                                   | is looked for anywhere in the value                                           |
//! | times                                  | are RFC 3339, in UTC or as written without an offset; weeks are of ISO 8601     |
//! | `windash`                              | a dash with a word behind and none before it                                  |
//! | keywords                               | are looked for in the line as written, and in the line with JSON's escapes resolved |
//! | encodings                              | bytes beyond ASCII are the characters U+0080 to U+00FF                         |
use super::sigma_patterns::{Sign, chars, glob, signs, transformed};
use super::sigma_values::{Json, Yaml};
use std::net::IpAddr;

/// A record.
pub struct Record<'r> {
    pub json: &'r Json,
    pub escapes: bool,
}

/// Whether the rule whose `detection` this is selects the record.
pub fn selects(detection: &Yaml, record: &Record<'_>) -> bool {
    let Yaml::Map(entries) = detection else { panic!("a detection is a map") };
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "condition").collect();
    let holds = |name: &str| search(detection.get(name).unwrap_or_else(|| panic!("no selection {name}")), record);
    let conditions = detection.get("condition").expect("a condition").each();
    conditions.iter().any(|condition| Condition::read(&condition.text(), &names).holds(&holds))
}

/// A search identifier: a map, a list of maps, a list of keywords, or one.
fn search(node: &Yaml, record: &Record<'_>) -> bool {
    match node {
        Yaml::Map(items) => items.iter().all(|(key, values)| item(key, values, record)),
        Yaml::List(list) => list.iter().any(|node| search(node, record)),
        keyword => item("", keyword, record),
    }
}

struct Condition<'c> {
    words: Vec<String>,
    at: usize,
    names: &'c [&'c str],
    holds: Option<&'c dyn Fn(&str) -> bool>,
}

impl<'c> Condition<'c> {
    fn read(text: &str, names: &'c [&'c str]) -> Condition<'c> {
        let words = text.replace('(', " ( ").replace(')', " ) ");
        let words = words.split_whitespace().map(str::to_owned).collect();
        Condition { words, at: 0, names, holds: None }
    }

    fn holds(mut self, holds: &'c dyn Fn(&str) -> bool) -> bool {
        self.holds = Some(holds);
        let held = self.or();
        assert_eq!(self.at, self.words.len(), "the condition ends: {:?}", self.words);
        held
    }

    fn word(&self) -> Option<String> {
        self.words.get(self.at).map(|word| word.to_lowercase())
    }

    fn take(&mut self, word: &str) -> bool {
        let is_it = self.word().as_deref() == Some(word);
        self.at += usize::from(is_it);
        is_it
    }

    fn or(&mut self) -> bool {
        let mut held = self.and();
        while self.take("or") {
            held |= self.and();
        }
        held
    }

    fn and(&mut self) -> bool {
        let mut held = self.not();
        while self.take("and") {
            held &= self.not();
        }
        held
    }

    fn not(&mut self) -> bool {
        if self.take("not") {
            return !self.not();
        }
        if self.take("(") {
            let held = self.or();
            assert!(self.take(")"), "a bracket is closed: {:?}", self.words);
            return held;
        }
        let is_of = self.words.get(self.at + 1).is_some_and(|word| word.eq_ignore_ascii_case("of"));
        let holds = self.holds.expect("selections");
        let first = self.words[self.at].clone();
        if !is_of {
            self.at += 1;
            return holds(&first);
        }
        let pattern = self.words[self.at + 2].clone();
        self.at += 3;
        let meant = self.names.iter().filter(|name| match pattern.as_str() {
            "them" => !name.starts_with('_'),
            pattern => glob(&signs(pattern, false), &chars(name), true),
        });
        let mut held = meant.map(|name| holds(name));
        match first.as_str() {
            "all" => held.all(|held| held),
            _ => held.any(|held| held),
        }
    }
}

/// What a field has.
#[derive(Debug)]
enum Found {
    /// It is not there.
    Nothing,
    /// It is there and null.
    Null,
    /// One value.
    One(Scalar),
    /// A list.
    List(Vec<Scalar>),
}

/// One value of a field.
#[derive(Clone, Debug)]
struct Scalar {
    text: String,
    /// It is a number, and no text that looks like one.
    number: bool,
}

impl Found {
    fn scalars(&self) -> &[Scalar] {
        match self {
            Found::Nothing | Found::Null => &[],
            Found::One(one) => std::slice::from_ref(one),
            Found::List(list) => list,
        }
    }
}

/// Looks the field up: the flat name first.
fn field(name: &str, record: &Record<'_>) -> Found {
    let mut places = vec![vec![name]];
    let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
    if name.split('.').all(|part| !part.is_empty()) {
        for nested in 1..=dots.len() {
            let mut place = Vec::new();
            let mut from = 0;
            for dot in &dots[..nested] {
                place.push(&name[from..*dot]);
                from = dot + 1;
            }
            place.push(&name[from..]);
            places.push(place);
        }
    }
    for place in places {
        let mut values = Vec::new();
        gather(record.json, &place, &mut values);
        match values.as_slice() {
            [] => continue,
            values if values.iter().all(|value| **value == Json::Null) => return Found::Null,
            [one] if !matches!(one, Json::List(_)) => return scalar(one, record).map_or(Found::Null, Found::One),
            several => {
                let each = several.iter().flat_map(|value| elements(value));
                return Found::List(each.filter_map(|e| scalar(e, record)).collect());
            }
        }
    }
    Found::Nothing
}

fn gather<'j>(json: &'j Json, place: &[&str], into: &mut Vec<&'j Json>) {
    let Some((key, rest)) = place.split_first() else {
        into.push(json);
        return;
    };
    match json {
        Json::Object(entries) => {
            if let Some((_, value)) = entries.iter().find(|(k, _)| k == key) {
                gather(value, rest, into);
            }
        }
        Json::List(list) => list.iter().filter(|e| matches!(e, Json::Object(_))).for_each(|e| gather(e, place, into)),
        _ => {}
    }
}

/// The elements of a list and of lists in it; anything else by itself.
fn elements(json: &Json) -> Vec<&Json> {
    match json {
        Json::List(list) => list.iter().flat_map(elements).collect(),
        other => vec![other],
    }
}

fn scalar(json: &Json, record: &Record<'_>) -> Option<Scalar> {
    let text = match json {
        Json::Null => return None,
        Json::Text(text) => text.clone(),
        other => other.written(record.escapes),
    };
    Some(Scalar { text, number: matches!(json, Json::Number(_)) })
}

/// One line of a map: `field|modifiers: values`; without a field, keywords.
fn item(key: &str, values: &Yaml, record: &Record<'_>) -> bool {
    let mut words = key.split('|');
    let name = words.next().expect("a split gives one");
    let modifiers: Vec<&str> = words.collect();
    let has = |modifier: &str| modifiers.contains(&modifier);
    let found = match name {
        "" => {
            let texts = [record.json.written(record.escapes), record.json.resolved()];
            Found::List(texts.map(|text| Scalar { text, number: false }).to_vec())
        }
        name => field(name, record),
    };
    let negated = has("neq");
    if negated && has("fieldref") {
        let others = values.each().iter().map(|other| field(&other.text(), record));
        let there = |found: &Found| !matches!(found, Found::Nothing | Found::Null);
        if !there(&found) || !others.into_iter().all(|other| there(&other)) {
            return false;
        }
    }
    let fits = |value: &Yaml| one(value, &modifiers, name.is_empty(), &found, record);
    let held = match has("all") {
        true => values.each().iter().all(fits),
        false => values.each().iter().any(fits),
    };
    held != negated
}

/// Whether one value of a rule fits what the field has.
fn one(value: &Yaml, modifiers: &[&str], keyword: bool, found: &Found, record: &Record<'_>) -> bool {
    let has = |modifier: &str| modifiers.contains(&modifier);
    let any = |fits: &dyn Fn(&Scalar) -> bool| found.scalars().iter().any(fits);
    if has("exists") {
        return (*value == Yaml::Bool(true)) != matches!(found, Found::Nothing);
    }
    if has("re") {
        let regex = regex::RegexBuilder::new(&value.text())
            .case_insensitive(has("i"))
            .multi_line(has("m"))
            .dot_matches_new_line(has("s"))
            .build()
            .expect("an expression");
        return any(&|scalar| regex.is_match(&scalar.text));
    }
    if has("cidr") {
        let text = value.text();
        return any(&|scalar| scalar.text.parse().is_ok_and(|ip| in_network(ip, &text)));
    }
    if let Some(by) = ["lt", "lte", "gt", "gte"].into_iter().find(|by| has(by)) {
        let wanted: f64 = value.text().parse().expect("a number");
        return any(&|scalar| match scalar.text.trim().parse::<f64>() {
            Ok(n) if n.is_finite() => match by {
                "lt" => n < wanted,
                "lte" => n <= wanted,
                "gt" => n > wanted,
                _ => n >= wanted,
            },
            _ => false,
        });
    }
    if has("fieldref") {
        let other = field(&value.text(), record);
        let around = |before: bool, sign: &[Sign], after: bool| {
            let many = |is_there: bool| if is_there { &[Sign::Many][..] } else { &[] };
            [many(before), sign, many(after)].concat()
        };
        return any(&|scalar| {
            other.scalars().iter().any(|other| {
                let text: Vec<Sign> = other.text.chars().map(Sign::Char).collect();
                let pattern = around(has("contains") || has("endswith"), &text, has("contains") || has("startswith"));
                glob(&pattern, &chars(&scalar.text), has("cased"))
            })
        });
    }
    if let Some(part) = ["minute", "hour", "day", "week", "month", "year"].into_iter().find(|part| has(part)) {
        let part = |scalar: &Scalar| part_of(&scalar.text, part);
        let wanted: i64 = value.text().parse().expect("a number");
        return any(&|scalar| part(scalar) == Some(wanted));
    }
    let textual = modifiers.iter().any(|m| !["all", "neq", "cased"].contains(m)) || keyword;
    match value {
        Yaml::Null => matches!(found, Found::Nothing | Found::Null),
        Yaml::Int(n) if !textual => any(&|scalar| match scalar.number || scalar.text.contains('.') {
            true => scalar.text.parse() == Ok(*n as f64),
            false => scalar.text == n.to_string(),
        }),
        Yaml::Float(n) if !textual => any(&|scalar| scalar.text.parse() == Ok(*n)),
        Yaml::Bool(b) if !textual => any(&|scalar| scalar.text.eq_ignore_ascii_case(&b.to_string())),
        value => {
            let mut patterns = transformed(&value.text(), modifiers);
            if keyword {
                patterns = patterns.iter().map(|p| [&[Sign::Many], &p[..], &[Sign::Many]].concat()).collect();
            }
            any(&|scalar| patterns.iter().any(|pattern| glob(pattern, &chars(&scalar.text), has("cased"))))
        }
    }
}

/// A part of a time in UTC, or as written where it names no offset.
fn part_of(text: &str, part: &str) -> Option<i64> {
    let text = text.trim().to_uppercase();
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let mut rest = text.get(19..)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == fraction.len() {
            return None;
        }
    }
    let offset = match rest {
        "" | "Z" => 0,
        offset if offset.len() == 6 => {
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            sign * (offset.get(1..3)?.parse::<i64>().ok()? * 60 + offset.get(4..6)?.parse::<i64>().ok()?)
        }
        _ => return None,
    };
    let is_leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = |year: i64| [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before: i64 = lengths(year)[..(month - 1) as usize].iter().sum();
    let years: i64 = (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum();
    let minutes = (years + before + day - 1) * 1440 + hour * 60 + minute - offset;
    let mut days = minutes.div_euclid(1440);
    match part {
        "minute" => return Some(minutes.rem_euclid(60)),
        "hour" => return Some(minutes.rem_euclid(1440) / 60),
        // ISO 8601: the week of a day is that of its Thursday; 1970 began with one
        "week" => {
            let thursday = days.div_euclid(7) * 7 + if days.rem_euclid(7) >= 4 { 7 } else { 0 };
            days = thursday;
        }
        _ => {}
    }
    let mut year = 1970;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    if part == "week" {
        return Some(days / 7 + 1);
    }
    let mut month = 0;
    while days >= lengths(year)[month] {
        days -= lengths(year)[month];
        month += 1;
    }
    Some(match part {
        "day" => days + 1,
        "month" => month as i64 + 1,
        _ => year,
    })
}

fn in_network(ip: IpAddr, network: &str) -> bool {
    let bits = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().iter().map(|byte| format!("{byte:08b}")).collect::<String>(),
        IpAddr::V6(ip) => ip.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
    };
    let (base, length) = network.split_once('/').map_or((network, None), |(base, n)| (base, Some(n)));
    let base = bits(base.parse().expect("a network"));
    let length = length.map_or(base.len(), |n| n.parse().expect("a length"));
    let ip = bits(ip);
    ip.len() == base.len() && ip[..length] == base[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_hold() {
        let fits = |value: &str, text: &str| glob(&signs(value, true), &chars(text), false);
        assert!(fits("prog?.exe", "progA.exe") && !fits("prog?.exe", "prog.exe"));
        assert!(fits("antivirus_V*.exe", "antivirus_V21.2.1.exe"));
        for (value, text) in
            [(r"\*", "*"), (r"a\b", r"a\b"), (r"a\\b", r"a\b"), (r"\\\*", r"\*"), (r"\\\\", r"\\"), (r"\\\", r"\\")]
        {
            assert!(fits(value, text), "{value} is {text}");
        }
        assert!(fits(r"\\*", r"\anything") && !fits(r"\*", "anything"));
        let of = |modifiers: &[&str], text: &str| -> Vec<String> {
            let plain = |sign: &Sign| match sign {
                Sign::Char(c) => *c,
                _ => '*',
            };
            transformed(text, modifiers).iter().map(|signs| signs.iter().map(plain).collect()).collect()
        };
        assert_eq!(of(&["base64"], "foob"), ["Zm9vYg=="]);
        assert_eq!(of(&["base64offset"], "foobar"), ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]);
        assert_eq!(of(&["utf16"], "c"), ["\u{ff}\u{fe}c\0"]);
        assert_eq!(of(&["windash", "base64"], "-f").len(), 5);
        let time = "2026-01-01T00:30:00+02:00";
        let parts = ["minute", "hour", "day", "week", "month", "year"].map(|part| part_of(time, part).unwrap());
        assert_eq!(parts, [30, 22, 31, 1, 12, 2025]);
    }
}
