//! The modifiers of Sigma's appendix: reading `field|mod|mod`, what may stand beside what, and what they make of a value.
use super::pattern::{DASHES, Part, parse, push_text};
use crate::model::event::closed;
use crate::syntax::error::{Fault, did_you_mean, quoted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

closed!(
    /// A modifier, by its name in Sigma.
    Modifier {
        /// Anywhere in the field.
        Contains = "contains",
        /// At the field's beginning.
        StartsWith = "startswith",
        /// At the field's end.
        EndsWith = "endswith",
        /// All values, where otherwise one is enough.
        All = "all",
        /// Upper and lower case differ.
        Cased = "cased",
        /// A regular expression.
        Re = "re",
        /// Regular expression without regard to case.
        Insensitive = "i",
        /// Regular expression whose `^` and `$` are those of lines.
        MultiLine = "m",
        /// Regular expression whose `.` is also a line's end.
        SingleLine = "s",
        /// A network.
        Cidr = "cidr",
        /// Whether the field is there.
        Exists = "exists",
        /// Less than.
        Lt = "lt",
        /// At most.
        Lte = "lte",
        /// More than.
        Gt = "gt",
        /// At least.
        Gte = "gte",
        /// Not so.
        Neq = "neq",
        /// The value is the name of another field.
        FieldRef = "fieldref",
        /// The value's Base64.
        Base64 = "base64",
        /// The value's Base64 at any of the three offsets.
        Base64Offset = "base64offset",
        /// UTF-16 little-endian behind a byte order mark.
        Utf16 = "utf16",
        /// UTF-16 little-endian.
        Utf16Le = "utf16le",
        /// UTF-16 big-endian.
        Utf16Be = "utf16be",
        /// The same as `utf16le`.
        Wide = "wide",
        /// Any kind of dash.
        WinDash = "windash",
        /// Placeholders between percent signs.
        Expand = "expand",
        /// The minute of a time, 0 to 59.
        Minute = "minute",
        /// The hour of a time, 0 to 23.
        Hour = "hour",
        /// The day of the month, 1 to 31.
        Day = "day",
        /// The week of the year as ISO 8601 counts, 1 to 53.
        Week = "week",
        /// The month, 1 to 12.
        Month = "month",
        /// The year.
        Year = "year",
    }
);

use Modifier as M;

/// A key of a selection taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) modifiers: Vec<Modifier>,
    line: u32,
}

/// Splits `field|mod|mod`; the field is empty where the values are keywords.
pub(super) fn split(key: &str, line: u32) -> Result<(&str, Chain), Fault> {
    let mut words = key.split('|');
    let field = words.next().unwrap_or_default();
    let mut modifiers = Vec::new();
    for word in words {
        let modifier = Modifier::from_name(word).ok_or_else(|| {
            let near = did_you_mean(word, Modifier::ALL.iter().map(|m| m.name()));
            Fault::at(line, format!("there is no modifier {}{near}", quoted(word)))
        })?;
        if modifiers.contains(&modifier) {
            return Err(Fault::at(line, format!("modifier {} stands twice", quoted(word))));
        }
        modifiers.push(modifier);
    }
    let chain = Chain { modifiers, line };
    chain.check(field)?;
    Ok((field, chain))
}

/// What decides how a value is compared; at most one of them may stand in a chain.
const KINDS: &[Modifier] = &[M::Re, M::Cidr, M::Exists, M::Lt, M::Lte, M::Gt, M::Gte, M::FieldRef];
const PLACES: &[Modifier] = &[M::Contains, M::StartsWith, M::EndsWith];
const ENCODINGS: &[Modifier] = &[M::Base64, M::Base64Offset, M::Utf16, M::Utf16Le, M::Utf16Be, M::Wide];
const FLAGS: &[Modifier] = &[M::Insensitive, M::MultiLine, M::SingleLine];
const TIMES: &[Modifier] = &[M::Minute, M::Hour, M::Day, M::Week, M::Month, M::Year];

impl Chain {
    pub(super) fn has(&self, modifier: Modifier) -> bool {
        self.modifiers.contains(&modifier)
    }

    pub(super) fn any(&self, among: &[Modifier]) -> Option<Modifier> {
        self.modifiers.iter().copied().find(|m| among.contains(m))
    }

    /// What decides how a value is compared, where it is not as a text pattern.
    pub(super) fn kind(&self) -> Option<Modifier> {
        self.any(KINDS)
    }

    /// The part of a time that is compared.
    pub(super) fn time(&self) -> Option<Modifier> {
        self.any(TIMES)
    }

    fn clash(&self, a: Modifier, b: Modifier) -> Fault {
        Fault::at(self.line, format!("modifiers {} and {} cannot stand together", quoted(a.name()), quoted(b.name())))
    }

    fn alone(&self, group: &[Modifier]) -> Result<(), Fault> {
        let mut of_group = self.modifiers.iter().filter(|m| group.contains(m));
        match (of_group.next(), of_group.next()) {
            (Some(a), Some(b)) => Err(self.clash(*a, *b)),
            _ => Ok(()),
        }
    }

    fn apart(&self, a: &[Modifier], b: &[Modifier]) -> Result<(), Fault> {
        match (self.any(a), self.any(b)) {
            (Some(a), Some(b)) => Err(self.clash(a, b)),
            _ => Ok(()),
        }
    }

    /// Refuses chains that the specification gives no meaning.
    fn check(&self, field: &str) -> Result<(), Fault> {
        self.alone(KINDS)?;
        self.alone(PLACES)?;
        self.alone(TIMES)?;
        let patternless = [M::Re, M::Cidr, M::Exists, M::Lt, M::Lte, M::Gt, M::Gte];
        self.apart(PLACES, &patternless)?;
        self.apart(ENCODINGS, KINDS)?;
        self.apart(&[M::WinDash], KINDS)?;
        self.apart(&[M::Cased], &patternless)?;
        self.apart(&[M::Expand], &[M::Re, M::Exists, M::FieldRef])?;
        self.apart(TIMES, PLACES)?;
        self.apart(TIMES, ENCODINGS)?;
        self.apart(TIMES, &[M::Re, M::Cidr, M::Exists, M::FieldRef, M::Cased, M::WinDash])?;
        self.apart(&[M::All], &[M::Exists, M::Lt, M::Lte, M::Gt, M::Gte])?;
        if let (Some(flag), false) = (self.any(FLAGS), self.has(M::Re)) {
            return Err(Fault::at(
                self.line,
                format!("modifier {} is a flag of `re` and needs it before", quoted(flag.name())),
            ));
        }
        let fieldless = [&patternless[1..], TIMES, &[M::FieldRef, M::Neq]].concat();
        match self.any(&fieldless) {
            Some(m) if field.is_empty() => {
                Err(Fault::at(self.line, format!("modifier {} needs a field before it", quoted(m.name()))))
            }
            _ => self.check_order(),
        }
    }

    /// Encodings make bytes: what works on characters must stand before them.
    fn check_order(&self) -> Result<(), Fault> {
        let position = |m| self.modifiers.iter().position(|x| *x == m);
        let first_encoding = self.modifiers.iter().position(|m| ENCODINGS.contains(m));
        for early in [M::WinDash, M::Expand] {
            if let (Some(at), Some(encoding)) = (position(early), first_encoding)
                && at > encoding
            {
                return Err(Fault::at(
                    self.line,
                    format!("modifier {} must stand before encodings", quoted(early.name())),
                ));
            }
        }
        Ok(())
    }
}

/// Names that a site gives values to, for `expand`: `%Administrators%`.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// The most alternatives that one value may become by `expand`, `windash` before an encoding, and `base64offset`.
const ALTERNATIVES: usize = 10_000;

/// What the chain makes of one text value: patterns of which one must match.
pub(super) fn alternatives(
    text: &str,
    chain: &Chain,
    placeholders: &Placeholders,
    line: u32,
) -> Result<Vec<Vec<Part>>, Fault> {
    let mut values = match chain.has(M::Expand) {
        true => expand(text, placeholders, line)?,
        false => vec![parse(text)],
    };
    for modifier in &chain.modifiers {
        values = match modifier {
            M::WinDash => values.iter().map(|v| windash(v)).collect(),
            M::Contains => each(values, |v| [&[Part::Many], &v[..], &[Part::Many]].concat()),
            M::StartsWith => each(values, |v| [&v[..], &[Part::Many]].concat()),
            M::EndsWith => each(values, |v| [&[Part::Many], &v[..]].concat()),
            m if ENCODINGS.contains(m) => encoded(values, *m, line)?,
            _ => values,
        };
        if values.len() > ALTERNATIVES {
            return Err(Fault::at(
                line,
                format!("this value stands for more than {ALTERNATIVES} alternatives: write fewer"),
            ));
        }
    }
    Ok(values.into_iter().map(shown).collect())
}

fn each(values: Vec<Vec<Part>>, change: impl Fn(Vec<Part>) -> Vec<Part>) -> Vec<Vec<Part>> {
    values.into_iter().map(change).collect()
}

/// In a draft, encoded bytes are characters U+0000 to U+00FF behind this mark, until [`shown`] takes it off.
const BYTES: char = '\u{10FFFF}';

fn shown(parts: Vec<Part>) -> Vec<Part> {
    let strip = |part| match part {
        Part::Text(t) => Part::Text(t.replace(BYTES, "")),
        part => part,
    };
    parts.into_iter().map(strip).collect()
}

/// Each dash that begins an option (a word follows, none precedes) becomes any dash.
fn windash(parts: &[Part]) -> Vec<Part> {
    let word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let mut out = Vec::new();
    for part in parts {
        let Part::Text(text) = part else {
            out.push(part.clone());
            continue;
        };
        let chars: Vec<char> = text.chars().collect();
        for (i, c) in chars.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|i| chars.get(i));
            match DASHES.contains(c) && word(chars.get(i + 1)) && !word(before) {
                true => out.push(Part::Dash),
                false => push_text(&mut out, c.to_string()),
            }
        }
    }
    out
}

fn encoded(values: Vec<Vec<Part>>, by: Modifier, line: u32) -> Result<Vec<Vec<Part>>, Fault> {
    let mut out = Vec::new();
    for value in values {
        for value in without_dashes(value) {
            match by {
                M::Base64 => out.push(vec![Part::Text(base64(&plain_bytes(&value, by, line)?))]),
                M::Base64Offset => out.extend(base64_offsets(&plain_bytes(&value, by, line)?)),
                _ => out.push(utf16(&value, by)),
            }
            if out.len() > ALTERNATIVES {
                return Ok(out);
            }
        }
    }
    Ok(out)
}

/// Every way to write the dashes out, for an encoder must know them. At most [`ALTERNATIVES`] and a few.
fn without_dashes(value: Vec<Part>) -> Vec<Vec<Part>> {
    let mut done: Vec<Vec<Part>> = vec![Vec::new()];
    for part in value {
        let options: Vec<Part> = match part {
            Part::Dash => DASHES.iter().map(|d| Part::Text(d.to_string())).collect(),
            part => vec![part],
        };
        let mut next = Vec::new();
        for (before, option) in done.iter().flat_map(|b| options.iter().map(move |o| (b, o))) {
            let mut longer = before.clone();
            match option {
                Part::Text(t) => push_text(&mut longer, t.clone()),
                other => longer.push(other.clone()),
            }
            next.push(longer);
            if next.len() > ALTERNATIVES {
                break;
            }
        }
        done = next;
    }
    done
}

/// The bytes of text, or the bytes that an encoding before made of it.
fn bytes_of(text: &str) -> Vec<u8> {
    match text.strip_prefix(BYTES) {
        Some(encoded) => encoded.chars().map(|c| c as u32 as u8).collect(),
        None => text.as_bytes().to_vec(),
    }
}

fn plain_bytes(value: &[Part], by: Modifier, line: u32) -> Result<Vec<u8>, Fault> {
    match value {
        [] => Err(Fault::at(line, format!("an empty value has no {}", quoted(by.name())))),
        [Part::Text(text)] => Ok(bytes_of(text)),
        _ => Err(Fault::at(
            line,
            format!(
                "a value with wildcards has no {}: put {} before `contains`, and escape `*` and `?`",
                quoted(by.name()),
                quoted(by.name())
            ),
        )),
    }
}

fn utf16(value: &[Part], by: Modifier) -> Vec<Part> {
    let mut first = by == M::Utf16;
    let mut convert = |text: &String| {
        let mut out = String::from(BYTES);
        if std::mem::take(&mut first) {
            out.push_str("\u{ff}\u{fe}");
        }
        for unit in text.encode_utf16() {
            let pair = match by {
                M::Utf16Be => unit.to_be_bytes(),
                _ => unit.to_le_bytes(),
            };
            out.extend(pair.map(char::from));
        }
        Part::Text(out)
    };
    value
        .iter()
        .map(|part| match part {
            Part::Text(text) => convert(text),
            part => part.clone(),
        })
        .collect()
}

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let sextet = (group >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= chunk.len() { ALPHABET[sextet].into() } else { '=' });
        }
    }
    out
}

/// What is the same in the Base64 of any text that holds `bytes`, at each of the three offsets.
fn base64_offsets(bytes: &[u8]) -> Vec<Vec<Part>> {
    const START: [usize; 3] = [0, 2, 3];
    const END: [usize; 3] = [0, 3, 2];
    (0..3)
        .map(|offset| {
            let text = base64(&[&vec![b' '; offset], bytes].concat());
            let end = text.len() - END[(bytes.len() + offset) % 3];
            vec![Part::Text(text.get(START[offset]..end).unwrap_or_default().to_owned())]
        })
        .collect()
}

/// Replaces `%name%` by each of the site's values for it. `\%` is a percent sign.
fn expand(text: &str, known: &Placeholders, line: u32) -> Result<Vec<Vec<Part>>, Fault> {
    let mut drafts = vec![String::new()];
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let options = if let Some(after) = rest.strip_prefix("\\%") {
            rest = after;
            vec!["%".to_owned()]
        } else if let Some((name, after)) = placeholder(rest) {
            rest = after;
            known.get(name).filter(|v| !v.is_empty()).cloned().ok_or_else(|| {
                Fault::at(
                    line,
                    format!(
                        "placeholder {} has no values: write those that it stands for in its place{}",
                        quoted(name),
                        did_you_mean(name, known.keys().map(String::as_str))
                    ),
                )
            })?
        } else {
            rest = &rest[c.len_utf8()..];
            vec![c.to_string()]
        };
        if drafts.len() * options.len() > ALTERNATIVES {
            return Err(Fault::at(line, "the placeholders of this value stand for too many values"));
        }
        drafts = drafts.iter().flat_map(|d| options.iter().map(move |o| format!("{d}{o}"))).collect();
    }
    Ok(drafts.iter().map(|d| parse(d)).collect())
}

fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('%')?.split_once('%')?;
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!name.is_empty() && name.chars().all(word)).then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
    }

    #[test]
    fn offsets_are_those_of_pysigma() {
        let texts: Vec<String> = base64_offsets(b"foobar")
            .into_iter()
            .map(|v| match &v[..] {
                [Part::Text(t)] => t.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts, ["Zm9vYmFy", "Zvb2Jhc", "mb29iYX"]);
    }

    #[test]
    fn chains_without_a_meaning_are_refused_by_name() {
        for (key, word) in [
            ("a|contain", "did you mean `contains`?"),
            ("a|re|cidr", "`re` and `cidr`"),
            ("a|contains|startswith", "`contains` and `startswith`"),
            ("a|i", "flag of `re`"),
            ("|cidr", "needs a field"),
            ("a|base64|windash", "before encodings"),
            ("a|re|re", "twice"),
            ("a|hour|re", "cannot stand together"),
            ("a|gt|all", "cannot stand together"),
        ] {
            let fault = split(key, 7).unwrap_err();
            assert!(fault.message.contains(word), "{key}: {}", fault.message);
            assert_eq!(fault.line, 7);
        }
    }
}
