//! Text patterns of Sigma: wildcards `*` and `?`, their escapes, and matching without regard to case.
use std::borrow::Cow;

/// A piece of a pattern as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// This text.
    Text(String),
    /// `?`: any one character.
    One,
    /// `*`: any characters, also none.
    Many,
    /// What the modifier `windash` makes of a dash: any of [`DASHES`].
    Dash,
}

/// The characters that Windows takes for the beginning of an option.
pub(super) const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];

/// Reads a value as Sigma writes it. A backslash escapes `*`, `?` and itself, and stands for itself before anything else.
pub(super) fn parse(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let wildcard = match c {
            '\\' => {
                literal.push(chars.next_if(|n| matches!(n, '\\' | '*' | '?')).unwrap_or('\\'));
                continue;
            }
            '*' => Part::Many,
            '?' => Part::One,
            c => {
                literal.push(c);
                continue;
            }
        };
        push_text(&mut parts, std::mem::take(&mut literal));
        parts.push(wildcard);
    }
    push_text(&mut parts, literal);
    parts
}

/// Appends text, joined to text before it.
pub(super) fn push_text(parts: &mut Vec<Part>, text: String) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(before)) => before.push_str(&text),
        _ => parts.push(Part::Text(text)),
    }
}

/// A pattern made ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    shape: Shape,
    cased: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Any,
    Is(String),
    Starts(String),
    Ends(String),
    Contains(String),
    Glob(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
    Dash,
}

/// Lower case, character by character, so that where a word ends makes no difference. What would become several characters stays: a
/// `?` is one of the text's own.
fn lower(text: &str) -> String {
    let lower = |c: char| {
        let mut lower = c.to_lowercase();
        match (lower.next(), lower.next()) {
            (Some(one), None) => one,
            _ => c,
        }
    };
    text.chars().map(lower).collect()
}

impl std::fmt::Display for Pattern {
    /// As Sigma writes it, in small letters where case makes no difference.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.shape {
            Shape::Any => f.write_str("*"),
            Shape::Is(text) => f.write_str(text),
            Shape::Starts(text) => write!(f, "{text}*"),
            Shape::Ends(text) => write!(f, "*{text}"),
            Shape::Contains(text) => write!(f, "*{text}*"),
            Shape::Glob(tokens) => tokens.iter().try_for_each(|token| match token {
                Token::Char(c) => write!(f, "{c}"),
                Token::One => f.write_str("?"),
                Token::Many => f.write_str("*"),
                Token::Dash => f.write_str("-"),
            }),
        }
    }
}

impl Pattern {
    /// `cased`: upper and lower case differ.
    pub(super) fn new(parts: &[Part], cased: bool) -> Pattern {
        let fold = |text: &String| if cased { text.clone() } else { lower(text) };
        let shape = match parts {
            [] => Shape::Is(String::new()),
            [Part::Many] => Shape::Any,
            [Part::Text(t)] => Shape::Is(fold(t)),
            [Part::Text(t), Part::Many] => Shape::Starts(fold(t)),
            [Part::Many, Part::Text(t)] => Shape::Ends(fold(t)),
            [Part::Many, Part::Text(t), Part::Many] => Shape::Contains(fold(t)),
            parts => Shape::Glob(tokens(parts, fold)),
        };
        Pattern { shape, cased }
    }

    /// The text that it looks for anywhere in a field, without regard to case, where it is that and in ASCII.
    pub(super) fn contained(&self) -> Option<&str> {
        match &self.shape {
            Shape::Contains(text) if !self.cased && text.is_ascii() => Some(text),
            _ => None,
        }
    }

    /// Whether all of `text` is what the pattern describes.
    pub(super) fn matches(&self, text: &str) -> bool {
        if !self.cased && text.is_ascii() {
            return self.matches_ascii(text);
        }
        let text: Cow<'_, str> = match self.cased {
            true => Cow::Borrowed(text),
            false => Cow::Owned(lower(text)),
        };
        match &self.shape {
            Shape::Any => true,
            Shape::Is(t) => *text == *t,
            Shape::Starts(t) => text.starts_with(t.as_str()),
            Shape::Ends(t) => text.ends_with(t.as_str()),
            Shape::Contains(t) => text.contains(t.as_str()),
            Shape::Glob(tokens) => glob(tokens, &text, |c| c),
        }
    }

    /// The same for ASCII text without regard to case, without copying it.
    fn matches_ascii(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match &self.shape {
            Shape::Any => true,
            Shape::Is(t) => bytes.eq_ignore_ascii_case(t.as_bytes()),
            Shape::Starts(t) => bytes.get(..t.len()).is_some_and(|head| head.eq_ignore_ascii_case(t.as_bytes())),
            Shape::Ends(t) => {
                bytes.len().checked_sub(t.len()).is_some_and(|at| bytes[at..].eq_ignore_ascii_case(t.as_bytes()))
            }
            Shape::Contains(t) => contains_ascii(bytes, t.as_bytes()),
            Shape::Glob(tokens) => glob(tokens, text, |c| c.to_ascii_lowercase()),
        }
    }
}

fn contains_ascii(text: &[u8], lowered: &[u8]) -> bool {
    let Some(first) = lowered.first() else {
        return true;
    };
    text.windows(lowered.len()).any(|w| w[0].to_ascii_lowercase() == *first && w.eq_ignore_ascii_case(lowered))
}

fn tokens(parts: &[Part], fold: impl Fn(&String) -> String) -> Vec<Token> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Part::Text(t) => out.extend(fold(t).chars().map(Token::Char)),
            Part::One => out.push(Token::One),
            Part::Many if out.last() == Some(&Token::Many) => {}
            Part::Many => out.push(Token::Many),
            Part::Dash => out.push(Token::Dash),
        }
    }
    out
}

/// Matches with one step back to the last `*`: at most (length of the text) × (length of the pattern) steps, for each
/// round either consumes a character or moves the start of the last `*` forward.
fn glob(tokens: &[Token], text: &str, fold: impl Fn(char) -> char) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let c = text[at..].chars().next();
        let fits = match (tokens.get(token), c) {
            (Some(Token::Many), _) => {
                star = Some((token, at));
                token += 1;
                continue;
            }
            (None, None) => return true,
            (Some(Token::Char(wanted)), Some(c)) => *wanted == fold(c),
            (Some(Token::One), Some(_)) => true,
            (Some(Token::Dash), Some(c)) => DASHES.contains(&c),
            (None, Some(_)) => false,
            (Some(_), None) => return false,
        };
        match (fits, c, star) {
            (true, Some(c), _) => {
                token += 1;
                at += c.len_utf8();
            }
            (_, _, Some((many, from))) => {
                let next = from + text[from..].chars().next().map_or(1, char::len_utf8);
                star = Some((many, next));
                token = many + 1;
                at = next;
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hit(pattern: &str, text: &str) -> bool {
        Pattern::new(&parse(pattern), false).matches(text)
    }

    #[test]
    fn wildcards_and_case() {
        for (pattern, text, wanted) in [
            ("prog?.exe", "progA.exe", true),
            ("prog?.exe", "prog.exe", false),
            ("prog?.exe", "progAB.exe", false),
            ("antivirus_V*.exe", "ANTIVIRUS_v21.2.1.EXE", true),
            ("antivirus_V*.exe", "antivirus.exe", false),
            ("abc*", "ABCdef", true),
            ("abc*", "xabc", false),
            ("*abc", "xABC", true),
            ("*abc", "abcx", false),
            ("*abc*", "xxAbCxx", true),
            ("*abc*", "xxabxcx", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXcXb", false),
            ("*?", "", false),
            ("*?", "é", true),
            ("straße", "STRAßE", true),
            ("ÉCOLE*", "école 1", true),
            ("?cole", "École", true),
            ("é", "e", false),
            ("?stanbul", "İstanbul", true),
            ("İ", "İ", true),
        ] {
            assert_eq!(hit(pattern, text), wanted, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn escapes_are_those_of_the_specification() {
        for (pattern, text, wanted) in [
            (r"C:\Windows", r"c:\windows", true),
            (r"C:\\Windows", r"c:\windows", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            (r"a\?", "a?", true),
            (r"a\?", "ab", false),
            (r"a\\*", r"a\anything", true),
            (r"a\\*", "a*", false),
            (r"a\\\*", r"a\*", true),
            (r"a\\\*", r"a\b", false),
            (r"\\\\srv", r"\\srv", true),
            (r"\\\srv", r"\\srv", true),
            (r"\\srv", r"\srv", true),
            (r"end\", r"end\", true),
        ] {
            assert_eq!(hit(pattern, text), wanted, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn cased_patterns_tell_cases_apart() {
        let cased = |p: &str, t: &str| Pattern::new(&parse(p), true).matches(t);
        assert!(cased("Ab*", "Abc") && !cased("Ab*", "abc"));
        assert!(cased("É?x", "Éax") && !cased("É?x", "éax"));
    }

    proptest! {
        /// The fast shapes and the glob are one language: a regular expression made from the pattern agrees.
        #[test]
        fn agrees_with_a_regular_expression(pattern in "[ab*?É]{0,8}", text in "[abAÉé]{0,10}") {
            let expression: String = parse(&pattern).iter().map(|part| match part {
                Part::Text(t) => regex::escape(t),
                Part::One | Part::Dash => "(?s:.)".into(),
                Part::Many => "(?s:.*)".into(),
            }).collect();
            let oracle = regex::Regex::new(&format!("^(?i:{expression})$")).unwrap();
            prop_assert_eq!(hit(&pattern, &text), oracle.is_match(&text));
        }
    }
}
