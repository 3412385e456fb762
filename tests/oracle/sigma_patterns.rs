//! Text patterns of rules: wildcards, escapes, and what modifiers make of a value.

/// Whether both are one sign, in either case unless `cased`.
fn alike(a: char, b: char, cased: bool) -> bool {
    a == b || (!cased && a.to_lowercase().eq(b.to_lowercase()))
}

pub fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// One sign of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    Char(char),
    One,
    Many,
    /// Any dash.
    Dash,
}

/// A value with its wildcards; `escapes`: a backslash takes away what they mean.
pub fn signs(text: &str, escapes: bool) -> Vec<Sign> {
    let text = chars(text);
    let mut signs = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let next = text.get(at + 1);
        match text[at] {
            '\\' if escapes && next.is_some_and(|c| ['\\', '*', '?'].contains(c)) => {
                signs.push(Sign::Char(text[at + 1]));
                at += 1;
            }
            '*' => signs.push(Sign::Many),
            '?' => signs.push(Sign::One),
            c => signs.push(Sign::Char(c)),
        }
        at += 1;
    }
    signs
}

/// Whether the pattern describes all of the text: `reach` are the places to which the signs so far can lead.
pub fn glob(pattern: &[Sign], text: &[char], cased: bool) -> bool {
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for sign in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            match sign {
                Sign::Many => next[at] = reach[at] || (at > 0 && next[at - 1]),
                Sign::One => next[at] = at > 0 && reach[at - 1],
                Sign::Char(c) => next[at] = at > 0 && reach[at - 1] && alike(text[at - 1], *c, cased),
                Sign::Dash => next[at] = at > 0 && reach[at - 1] && DASHES.contains(&text[at - 1]),
            }
        }
        if !next.contains(&true) {
            return false;
        }
        reach = next;
    }
    reach[text.len()]
}

/// What the transforming modifiers make of a value: patterns of which one must fit.
pub fn transformed(text: &str, modifiers: &[&str]) -> Vec<Vec<Sign>> {
    let mut values = vec![signs(text, true)];
    // once encoded, a value is bytes
    let mut encoded = false;
    for modifier in modifiers {
        let encodes = modifier.starts_with("utf16") || modifier.starts_with("base64") || *modifier == "wide";
        if encodes {
            values = values.into_iter().flat_map(|value| dashes(&value)).collect();
        }
        values = values.into_iter().flat_map(|value| transform(value, modifier, encoded)).collect();
        encoded |= encodes;
    }
    values
}

fn transform(value: Vec<Sign>, modifier: &str, encoded: bool) -> Vec<Vec<Sign>> {
    let bytes = || -> Vec<u8> {
        let literal = value.iter().map(|sign| match sign {
            Sign::Char(c) => *c,
            other => panic!("{other:?} has no bytes"),
        });
        match encoded {
            true => literal.map(|c| c as u32 as u8).collect(),
            false => literal.collect::<String>().into_bytes(),
        }
    };
    let text = |text: &str| text.chars().map(Sign::Char).collect::<Vec<_>>();
    match modifier {
        "contains" => vec![[&[Sign::Many], &value[..], &[Sign::Many]].concat()],
        "startswith" => vec![[&value[..], &[Sign::Many]].concat()],
        "endswith" => vec![[&[Sign::Many], &value[..]].concat()],
        "windash" => vec![windash(&value)],
        "base64" => vec![text(&base64(&bytes()))],
        "base64offset" => (0..3)
            .map(|offset| {
                // those signs whose six bits are all of the value
                let all = base64(&[&vec![0; offset], &bytes()[..]].concat());
                let bits = bytes().len() * 8;
                let whole = |n: &usize| n * 6 >= offset * 8 && (n + 1) * 6 <= offset * 8 + bits;
                let signs = all.chars().enumerate().filter(|(n, _)| whole(n));
                signs.map(|(_, c)| Sign::Char(c)).collect()
            })
            .collect(),
        "utf16" | "utf16le" | "utf16be" | "wide" => {
            let mut out = Vec::new();
            if modifier == "utf16" {
                out.extend(['\u{ff}', '\u{fe}'].map(Sign::Char));
            }
            for sign in &value {
                let Sign::Char(c) = sign else {
                    out.push(*sign);
                    continue;
                };
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let (high, low) = (char::from((*unit >> 8) as u8), char::from(*unit as u8));
                    out.extend(if modifier == "utf16be" { [high, low] } else { [low, high] }.map(Sign::Char));
                }
            }
            vec![out]
        }
        _ => vec![value],
    }
}

pub const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// Dashes with which options begin are any dash.
fn windash(value: &[Sign]) -> Vec<Sign> {
    let word = |sign: Option<&Sign>| matches!(sign, Some(Sign::Char(c)) if c.is_alphanumeric() || *c == '_');
    let one = |(n, sign): (usize, &Sign)| match sign {
        Sign::Char(c) if DASHES.contains(c) && word(value.get(n + 1)) => {
            match word(n.checked_sub(1).and_then(|n| value.get(n))) {
                true => *sign,
                false => Sign::Dash,
            }
        }
        sign => *sign,
    };
    value.iter().enumerate().map(one).collect()
}

/// Every way to write the dashes of a pattern.
fn dashes(value: &[Sign]) -> Vec<Vec<Sign>> {
    let mut all = vec![Vec::new()];
    for sign in value {
        let ways = match sign {
            Sign::Dash => DASHES.map(Sign::Char).to_vec(),
            sign => vec![*sign],
        };
        all = all.iter().flat_map(|a| ways.iter().map(move |way| [&a[..], &[*way]].concat())).collect();
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let sign = |chunk: &[u8]| {
        let six = format!("{:0<6}", String::from_utf8_lossy(chunk));
        let n = u8::from_str_radix(&six, 2).expect("six bits");
        match n {
            0..26 => (b'A' + n) as char,
            26..52 => (b'a' + n - 26) as char,
            52..62 => (b'0' + n - 52) as char,
            62 => '+',
            _ => '/',
        }
    };
    let mut out: String = bits.as_bytes().chunks(6).map(sign).collect();
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}
