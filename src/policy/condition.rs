//! The language of `condition`: and, or, not, parentheses, `1 of`, `any of`, `all of`, patterns, `them`.
use super::pattern::{Part, Pattern};
use crate::syntax::error::{Fault, did_you_mean, quoted};

/// How deep parentheses and `not` may nest.
const DEPTH: usize = 32;
/// The longest condition, in bytes.
const LENGTH: usize = 16 << 10;

/// A condition over the selections of a detection, which are numbered in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Selection(usize),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

/// Reads a condition over `selections`.
pub(super) fn parse(text: &str, selections: &[&str], line: u32) -> Result<Condition, Fault> {
    if text.len() > LENGTH {
        return Err(Fault::at(line, format!("a condition may have {LENGTH} bytes")));
    }
    let mut parser = Parser { tokens: tokens(text, line)?, at: 0, selections, line };
    let condition = parser.or(0)?;
    match parser.next() {
        None => Ok(condition),
        Some(token) => Err(parser.fault(format!("{} was not expected here in the condition", quoted(&token)))),
    }
}

fn tokens(text: &str, line: u32) -> Result<Vec<String>, Fault> {
    let mut out = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_alphanumeric() || matches!(c, '_' | '-' | '*' | '.') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        match c {
            '(' | ')' => out.push(c.into()),
            '|' => {
                return Err(Fault::at(
                    line,
                    "aggregations behind `|` are Sigma's old form and not supported: \
                     write a correlation (`event_count`, `value_count`, …)",
                ));
            }
            c if c.is_whitespace() => {}
            c => {
                return Err(Fault::at(line, format!("{} has no meaning in a condition", quoted(&c.to_string()))));
            }
        }
    }
    Ok(out)
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    selections: &'a [&'a str],
    line: u32,
}

impl Parser<'_> {
    fn fault(&self, message: String) -> Fault {
        Fault::at(self.line, message)
    }

    fn next(&mut self) -> Option<String> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes the next token where it is this word, in any case.
    fn take(&mut self, word: &str) -> bool {
        let here = self.tokens.get(self.at).is_some_and(|t| t.eq_ignore_ascii_case(word));
        self.at += usize::from(here);
        here
    }

    fn or(&mut self, depth: usize) -> Result<Condition, Fault> {
        let mut parts = vec![self.and(depth)?];
        while self.take("or") {
            parts.push(self.and(depth)?);
        }
        Ok(one_or(parts, Condition::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Condition, Fault> {
        let mut parts = vec![self.not(depth)?];
        while self.take("and") {
            parts.push(self.not(depth)?);
        }
        Ok(one_or(parts, Condition::And))
    }

    fn not(&mut self, depth: usize) -> Result<Condition, Fault> {
        if depth > DEPTH {
            return Err(self.fault(format!("the condition nests deeper than {DEPTH}")));
        }
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take("(") {
            let inner = self.or(depth + 1)?;
            return match self.take(")") {
                true => Ok(inner),
                false => Err(self.fault("a parenthesis of the condition is not closed".into())),
            };
        }
        self.word()
    }

    fn word(&mut self) -> Result<Condition, Fault> {
        let Some(word) = self.next() else {
            return Err(self.fault("the condition ends where a selection was expected".into()));
        };
        if self.take("of") {
            return self.quantified(&word);
        }
        if word == ")" || ["and", "or", "them"].contains(&word.to_ascii_lowercase().as_str()) {
            return Err(self.fault(format!("{} stands where a selection was expected", quoted(&word))));
        }
        match self.selections.iter().position(|s| *s == word) {
            Some(index) => Ok(Condition::Selection(index)),
            None => Err(self.fault(format!(
                "there is no selection {}{}",
                quoted(&word),
                did_you_mean(&word, self.selections.iter().copied())
            ))),
        }
    }

    fn quantified(&mut self, quantity: &str) -> Result<Condition, Fault> {
        let all = match quantity.to_ascii_lowercase().as_str() {
            "1" | "any" => false,
            "all" => true,
            _ => {
                return Err(self.fault(format!(
                    "{} is not supported: Sigma has `1 of`, `any of` and `all of`",
                    quoted(&format!("{quantity} of"))
                )));
            }
        };
        let Some(pattern) = self.next() else {
            return Err(
                self.fault(format!("{} needs a pattern or `them` behind it", quoted(&format!("{quantity} of"))))
            );
        };
        let chosen: Vec<Condition> = match pattern.eq_ignore_ascii_case("them") {
            true => self.choose(|name| !name.starts_with('_')),
            false => {
                let parts = wildcards(&pattern);
                let pattern = Pattern::new(&parts, true);
                self.choose(|name| pattern.matches(name))
            }
        };
        match chosen.is_empty() {
            true => Err(self.fault(format!("no selection is meant by {}", quoted(&pattern)))),
            false if all => Ok(one_or(chosen, Condition::And)),
            false => Ok(one_or(chosen, Condition::Or)),
        }
    }

    fn choose(&self, wanted: impl Fn(&str) -> bool) -> Vec<Condition> {
        let numbered = self.selections.iter().enumerate();
        numbered.filter(|(_, name)| wanted(name)).map(|(i, _)| Condition::Selection(i)).collect()
    }
}

fn wildcards(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for (i, text) in pattern.split('*').enumerate() {
        if i > 0 {
            parts.push(Part::Many);
        }
        super::pattern::push_text(&mut parts, text.to_owned());
    }
    parts
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

impl Condition {
    /// Marks the selections that it uses.
    pub(super) fn mark_used(&self, used: &mut [bool]) {
        match self {
            Condition::Selection(i) => used[*i] = true,
            Condition::Not(inner) => inner.mark_used(used),
            Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|p| p.mark_used(used)),
        }
    }

    /// Whether no `not` stands anywhere in it.
    pub(super) fn positive(&self) -> bool {
        match self {
            Condition::Selection(_) => true,
            Condition::Not(_) => false,
            Condition::And(parts) | Condition::Or(parts) => parts.iter().all(Condition::positive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["sel_a", "sel_b", "filter_1", "filter_2", "_hidden"];

    /// The truth of a condition where only the selections in `true_ones` match.
    fn truth(text: &str, true_ones: &[&str]) -> bool {
        fn eval(c: &Condition, on: &[&str]) -> bool {
            match c {
                Condition::Selection(i) => on.contains(&NAMES[*i]),
                Condition::Not(c) => !eval(c, on),
                Condition::And(p) => p.iter().all(|c| eval(c, on)),
                Condition::Or(p) => p.iter().any(|c| eval(c, on)),
            }
        }
        eval(&parse(text, NAMES, 1).unwrap(), true_ones)
    }

    #[test]
    fn operators_bind_as_specified() {
        for (text, on, wanted) in [
            ("sel_a", &["sel_a"][..], true),
            ("sel_a or sel_b and filter_1", &["sel_a"], true),
            ("(sel_a or sel_b) and filter_1", &["sel_a"], false),
            ("not sel_a and sel_b", &["sel_b"], true),
            ("not (sel_a and sel_b)", &["sel_b"], true),
            ("not not sel_a", &["sel_a"], true),
            ("sel_a AND NOT filter_1", &["sel_a"], true),
            ("1 of sel_*", &["sel_b"], true),
            ("any of sel_*", &["filter_1"], false),
            ("all of sel_*", &["sel_b"], false),
            ("all of sel_*", &["sel_a", "sel_b"], true),
            ("1 of *_1 and not 1 of sel*", &["filter_1"], true),
            ("1 of them", &["_hidden"], false),
            ("1 of _*", &["_hidden"], true),
            ("all of them", &["sel_a", "sel_b", "filter_1", "filter_2"], true),
            ("sel_a and not 1 of filter_*", &["sel_a", "filter_2"], false),
        ] {
            assert_eq!(truth(text, on), wanted, "{text} with {on:?}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for (text, word) in [
            ("sel_c", "did you mean `sel_a`?"),
            ("sel_a and", "ends where"),
            ("(sel_a", "not closed"),
            ("sel_a)", "`)`"),
            ("sel_a sel_b", "`sel_b`"),
            ("2 of sel_*", "`2 of`"),
            ("1 of nothing*", "`nothing*`"),
            ("1 of", "needs a pattern"),
            ("sel_a | count() > 5", "correlation"),
            ("sel_a && sel_b", "`&`"),
            ("and", "expected"),
            ("", "ends where"),
        ] {
            let fault = parse(text, NAMES, 3).unwrap_err();
            assert!(fault.message.contains(word), "{text}: {}", fault.message);
        }
        assert!(parse(&"(".repeat(5000), NAMES, 1).is_err());
        assert!(parse(&"not ".repeat(3000), NAMES, 1).is_err());
    }
}
