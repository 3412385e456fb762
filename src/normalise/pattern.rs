//! Patterns over raw values: exact text, `*` for any text, `{name}` for one path segment that is kept.
//!
//! Linear in the length of the value for the patterns that profiles hold: a literal after `*` is searched once, and a
//! capture never crosses a `/`.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Exact(Box<str>),
    Pieces(Vec<Piece>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Box<str>),
    Any,
    /// One or more characters that are no `/`; the number of the capture.
    Capture(usize),
}

/// What a capture took, as a byte range of the value.
pub(super) type Captured = Vec<Option<(u32, u32)>>;

impl Pattern {
    /// Reads a pattern; the names of its captures are looked up, or added, in `names`.
    pub fn new(text: &str, names: &mut Vec<String>) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let piece = match c {
                '*' => Piece::Any,
                '{' => {
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    if name.is_empty() {
                        return Err(format!("{text:?}: a capture needs a name, as {{account}}"));
                    }
                    Piece::Capture(position(names, name))
                }
                c => {
                    literal.push(c);
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
            }
            pieces.push(piece);
        }
        if pieces.is_empty() {
            return Ok(Pattern::Exact(literal.into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Ok(Pattern::Pieces(pieces))
    }

    /// The same for values in small letters (of ASCII); the names of captures stay.
    pub fn folded(text: &str, names: &mut Vec<String>) -> Result<Pattern, String> {
        let lower = |text: Box<str>| text.to_ascii_lowercase().into_boxed_str();
        Ok(match Pattern::new(text, names)? {
            Pattern::Exact(text) => Pattern::Exact(lower(text)),
            Pattern::Pieces(pieces) => {
                let piece = |piece| match piece {
                    Piece::Literal(text) => Piece::Literal(lower(text)),
                    other => other,
                };
                Pattern::Pieces(pieces.into_iter().map(piece).collect())
            }
        })
    }

    /// Whether the whole of `value` fits; what was captured is in `captured` then.
    pub fn fits(&self, value: &str, captured: &mut Captured) -> bool {
        match self {
            Pattern::Exact(text) => **text == *value,
            Pattern::Pieces(pieces) => fits(pieces, value, 0, captured),
        }
    }

    /// The same for a pattern without captures.
    pub fn fits_only(&self, value: &str) -> bool {
        self.fits(value, &mut Captured::new())
    }

    /// As [`Pattern::fits_only`], letters of ASCII alike in either case.
    pub fn fits_any_case(&self, value: &str) -> bool {
        match self {
            Pattern::Exact(text) => text.eq_ignore_ascii_case(value),
            Pattern::Pieces(_) => self.fits_only(value) || self.fits_only(&value.to_ascii_lowercase()),
        }
    }

    /// How much of a value it states: of patterns that fit one value, the one that states more means it.
    pub fn weight(&self) -> usize {
        match self {
            // all of it
            Pattern::Exact(_) => usize::MAX,
            Pattern::Pieces(pieces) => {
                pieces.iter().map(|piece| if let Piece::Literal(text) = piece { text.len() } else { 0 }).sum()
            }
        }
    }

    /// A text that fits, with `fill` where any text does.
    pub fn sample(&self, fill: &str) -> String {
        match self {
            Pattern::Exact(text) => text.to_string(),
            Pattern::Pieces(pieces) => {
                let piece = |piece: &Piece| match piece {
                    Piece::Literal(text) => text.to_string(),
                    Piece::Any | Piece::Capture(_) => fill.to_owned(),
                };
                pieces.iter().map(piece).collect()
            }
        }
    }

    /// Whether different texts fit.
    pub fn is_open(&self) -> bool {
        matches!(self, Pattern::Pieces(pieces) if pieces.iter().any(|piece| !matches!(piece, Piece::Literal(_))))
    }

    pub fn is_any(&self) -> bool {
        matches!(self, Pattern::Pieces(pieces) if matches!(pieces.as_slice(), [Piece::Any]))
    }
}

fn position(names: &mut Vec<String>, name: String) -> usize {
    names.iter().position(|n| *n == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    })
}

/// Recursion is as deep as the pattern has pieces.
fn fits(pieces: &[Piece], value: &str, at: usize, captured: &mut Captured) -> bool {
    let rest = &value[at..];
    match pieces {
        [] => rest.is_empty(),
        [Piece::Literal(text), more @ ..] => rest.starts_with(&**text) && fits(more, value, at + text.len(), captured),
        [Piece::Any] => true,
        [Piece::Any, Piece::Literal(text)] => rest.ends_with(&**text),
        // With a further `*` behind it, the first place where the literal stands is as good as any.
        [Piece::Any, Piece::Literal(text), more @ ..] if more.first() == Some(&Piece::Any) => {
            rest.find(&**text).is_some_and(|i| fits(more, value, at + i + text.len(), captured))
        }
        [Piece::Any, Piece::Literal(text), more @ ..] => {
            rest.match_indices(&**text).take(TRIES).any(|(i, _)| fits(more, value, at + i + text.len(), captured))
        }
        [Piece::Any, more @ ..] => rest
            .char_indices()
            .map(|(i, _)| i)
            .chain([rest.len()])
            .take(TRIES)
            .any(|i| fits(more, value, at + i, captured)),
        [Piece::Capture(n), more @ ..] => {
            let segment = rest.find('/').unwrap_or(rest.len());
            // The longest first: `{job}.csv` takes all but the last `.csv`.
            for end in rest[..segment].char_indices().map(|(i, c)| i + c.len_utf8()).rev().take(TRIES) {
                if fits(more, value, at + end, captured) {
                    if captured.len() <= *n {
                        captured.resize(*n + 1, None);
                    }
                    captured[*n] = Some((at as u32, (at + end) as u32));
                    return true;
                }
            }
            false
        }
    }
}

/// How many starting points one piece tries before it gives up: only patterns with a capture behind a `*` have so many.
const TRIES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_values() {
        let fits =
            |pattern: &str, value: &str| Pattern::new(pattern, &mut Vec::new()).is_ok_and(|p| p.fits_only(value));
        for (pattern, yes, no) in [
            ("login", "login", "login2"),
            ("user.*", "user.login", "users.login"),
            ("*.csv", "a.csv", "a.csv2"),
            ("*key*", "monkeys", "mouse"),
            ("a*b*c", "a1b2b3c", "a1c"),
            ("*", "", "\u{0}never"),
            ("/x/{a}/y", "/x/1/y", "/x/1/2/y"),
            ("/{a}.csv", "/b.csv.csv", "/.csv"),
        ] {
            assert!(fits(pattern, yes), "{pattern} {yes}");
            assert!(pattern == "*" || !fits(pattern, no), "{pattern} {no}");
        }
    }

    #[test]
    fn a_long_value_hides_nothing() {
        let pattern = Pattern::new("*pass*word*", &mut Vec::new()).unwrap();
        assert!(pattern.fits_only(&format!("{}pass{}word", "x".repeat(1 << 20), "p".repeat(1 << 20))));
        assert!(!pattern.fits_only(&"pass".repeat(1 << 18)));
    }

    #[test]
    fn captures_are_kept() {
        let mut names = Vec::new();
        let pattern = Pattern::new("/api/{account}/{file}.csv", &mut names).unwrap();
        let mut captured = Captured::new();
        assert!(pattern.fits("/api/AC1/é.csv", &mut captured));
        assert_eq!(names, ["account", "file"]);
        assert_eq!(captured, [Some((5, 8)), Some((9, 11))]);
    }
}
