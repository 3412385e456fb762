//! Names with `*`, as the configuration and the command line write them.
use super::pattern::{Part, Pattern, parse};

/// Text in which `*` stands for any characters and `?` for any one. A backslash takes their meaning from them. Compared as
/// policies compare text: without regard to case, and all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wildcard {
    text: String,
    parts: Vec<Part>,
    pattern: Pattern,
}

impl Wildcard {
    /// As written.
    pub fn new(text: &str) -> Wildcard {
        let parts = parse(text);
        Wildcard { text: text.to_owned(), pattern: Pattern::new(&parts, false), parts }
    }

    /// Whether it describes all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.pattern.matches(text)
    }

    /// Whether it is one name and no more.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Whether it describes everything that has a character at all.
    pub fn is_anything(&self) -> bool {
        let wild = self.parts.iter().all(|part| matches!(part, Part::Many | Part::One));
        let ones = self.parts.iter().filter(|part| **part == Part::One).count();
        wild && ones < 2 && self.parts.contains(&Part::Many)
    }
}

impl std::fmt::Display for Wildcard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_name_counts() {
        let chains = Wildcard::new("chain_*");
        assert!(chains.matches("chain_reset_export") && chains.matches("CHAIN_") && !chains.matches("a chain_"));
        assert!(!Wildcard::new("chain").matches("chain_"));
        assert!(Wildcard::new(r"a\*").matches("a*") && !Wildcard::new(r"a\*").matches("ab"));
    }

    #[test]
    fn what_describes_everything_is_known() {
        assert!(["*", "**", "?*", "*?"].iter().all(|text| Wildcard::new(text).is_anything()));
        assert!(!["a*", "?", "", r"\*", "??*"].iter().any(|text| Wildcard::new(text).is_anything()));
        assert!(Wildcard::new(r"a\*").is_plain() && !Wildcard::new("a*").is_plain());
    }
}
