//! What is wrong with a policy file, and where.
use std::fmt;
use std::sync::Arc;

/// Why policies could not be loaded: the file, the line, what is wrong there, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The file, as the caller named it.
    pub file: Arc<str>,
    /// The line in that file, from 1; 0 where the whole file is meant.
    pub line: u32,
    /// What is wrong and what to do, in one sentence or two. Text from the file is escaped in it.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for LoadError {}

/// A fault inside one file: its line and what is wrong. It becomes a [`LoadError`] where the file is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: u32,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn at(line: u32, message: impl Into<String>) -> Fault {
        Fault { line, message: message.into() }
    }

    pub(crate) fn in_file(self, file: &Arc<str>) -> LoadError {
        LoadError { file: file.clone(), line: self.line, message: self.message }
    }
}

/// Text of a policy as an error shows it: in backquotes, control characters escaped, cut at 80 characters.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == 80 {
            out.push('…');
            break;
        }
        match c {
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('`');
    out
}

/// ` (did you mean …?)` where one of `known` is close to `word`, else nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|k| (distance(word, k), k)).filter(|(d, k)| *d <= 1 + k.chars().count() / 5).min();
    match near {
        Some((_, k)) => format!(" (did you mean {}?)", quoted(k)),
        None => String::new(),
    }
}

/// Levenshtein's distance, of words cut at 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_named_and_a_far_one_is_not() {
        let known = ["detection", "description", "level"];
        assert_eq!(did_you_mean("detecton", known), " (did you mean `detection`?)");
        assert_eq!(did_you_mean("colour", known), "");
    }

    #[test]
    fn quoted_text_shows_no_control_characters() {
        assert_eq!(quoted("a\u{1b}[2J\n"), "`a\\u{1b}[2J\\n`");
        assert!(quoted(&"x".repeat(500)).chars().count() < 90);
    }
}
