//! Many texts looked for at once: what makes a list of a hundred keywords as cheap as one.
use super::pattern::Pattern;
use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// From how many texts on it pays: fewer are looked for one by one.
const PAYS: usize = 8;

/// Texts of which one has to be somewhere in a field, without regard to case.
#[derive(Clone, Debug)]
pub(super) struct Literals(AhoCorasick);

impl Literals {
    /// Nothing where the patterns are few, or anything but ASCII text anywhere in a field.
    pub(super) fn of(patterns: &[&Pattern]) -> Option<Literals> {
        let texts: Option<Vec<&str>> = patterns.iter().map(|p| p.contained()).collect();
        let texts = texts.filter(|t| t.len() >= PAYS)?;
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            // The automaton that is small for its speed: its memory is bounded by the texts' length.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(texts)
            .ok()
            .map(Literals)
    }

    /// Whether one of them is in `text`; nothing where that has to be asked of the patterns themselves, for `text` has
    /// characters whose other case is found out by Unicode's rules only.
    pub(super) fn within(&self, text: &str) -> Option<bool> {
        text.is_ascii().then(|| self.0.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::{Part, parse};
    use super::*;
    use proptest::prelude::*;

    fn contains(text: &str) -> Pattern {
        let middle = parse(text);
        Pattern::new(&[&[Part::Many], &middle[..], &[Part::Many]].concat(), false)
    }

    #[test]
    fn what_it_cannot_say_is_left_to_the_patterns() {
        let many: Vec<Pattern> = (0..8).map(|n| contains(&format!("k{n}"))).collect();
        let many: Vec<&Pattern> = many.iter().collect();
        let literals = Literals::of(&many).expect("eight texts");
        assert_eq!(literals.within("xK7"), Some(true));
        assert_eq!(literals.within("xK8"), Some(false));
        assert_eq!(literals.within("x\u{212a}7"), None, "the Kelvin sign is a k");
        assert!(Literals::of(&many[..7]).is_none());
        let wild = contains("a*b");
        assert!(Literals::of(&[&many[..], &[&wild]].concat()).is_none());
    }

    proptest! {
        #[test]
        fn agrees_with_the_patterns(
            texts in proptest::collection::vec("[a-cA-C.]{1,3}", 8..12),
            field in "[a-cA-C.]{0,8}",
        ) {
            let patterns: Vec<Pattern> = texts.iter().map(|t| contains(t)).collect();
            let literals = Literals::of(&patterns.iter().collect::<Vec<_>>()).expect("texts");
            let one_by_one = patterns.iter().any(|p| p.matches(&field));
            prop_assert_eq!(literals.within(&field), Some(one_by_one));
        }
    }
}
