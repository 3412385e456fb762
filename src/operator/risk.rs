//! `risk`: several weak signs, weighed into one.
use super::hindsight::Hindsight;
use super::terms::{digest_range, need};
use super::window::Window;
use super::windowed::{Windowed, evaluate, shares};
use super::{Bounds, Evaluation, Naming, Needs, Resolve, Terms, Words};
use crate::model::{EventTime, HashParts, Measure, Millis};
use crate::syntax::Range;
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::range::range;
use crate::syntax::yaml::{Node, Word};

/// Signs weighed into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// For each rule what it weighs.
    pub weights: Vec<f64>,
    /// For each rule which signs are related to it: of those the heaviest counts whole, the next a quarter, the one after a
    /// sixteenth, and so on, so that however many say the same, they weigh no more than a third above the heaviest.
    pub groups: Vec<u16>,
    /// How heavy all must be together.
    pub range: Range,
}

impl Risk {
    pub(super) const KEYS: &[&str] = &["weights", "related", "condition"];

    pub(super) fn read(_: &str, node: &Node, rules: &[Word]) -> Result<Risk, Fault> {
        let place = |word: &Word| {
            rules.iter().position(|r| r.text == word.text).ok_or_else(|| {
                let near = did_you_mean(&word.text, rules.iter().map(|r| r.text.as_str()));
                Fault::at(word.line, format!("{} is not among `rules`{near}", quoted(&word.text)))
            })
        };
        let written = need(node, "weights")?;
        let mut weights = vec![f64::NAN; rules.len()];
        for (rule, weight) in written.map("weights")? {
            let heavy = weight.number(&rule.text)?;
            if !(0.0..=1000.0).contains(&heavy) {
                return Err(Fault::at(weight.line, "a weight must lie between 0 and 1000"));
            }
            weights[place(rule)?] = heavy;
        }
        if let Some(missing) = weights.iter().position(|w| w.is_nan()) {
            return Err(Fault::at(written.line, format!("{} has no weight", quoted(&rules[missing].text))));
        }
        let mut groups: Vec<u16> = (0..rules.len() as u16).collect();
        for (n, related) in node.get("related").map_or(Ok(&[][..]), |n| n.list("related"))?.iter().enumerate() {
            for word in related.texts("related")? {
                let rule = place(&word)?;
                if groups[rule] != rule as u16 {
                    return Err(Fault::at(word.line, format!("{} is in two groups of `related`", quoted(&word.text))));
                }
                groups[rule] = (rules.len() + n) as u16;
            }
        }
        Ok(Risk { weights, groups, range: range(need(node, "condition")?, &[])? })
    }

    pub(super) fn resolve(&self, _: Resolve<'_>) -> Result<Risk, Fault> {
        Ok(self.clone())
    }

    /// What the rules that `is_there` weigh together, and each of them.
    pub fn weigh(&self, is_there: impl Fn(usize) -> bool) -> (f64, Vec<(usize, f64)>) {
        let mut present: Vec<usize> = (0..self.weights.len()).filter(|rule| is_there(*rule)).collect();
        present.sort_by(|a, b| self.weights[*b].total_cmp(&self.weights[*a]).then(a.cmp(b)));
        let mut met: Vec<u16> = Vec::new();
        let mut parts = Vec::new();
        for rule in present {
            let group = self.groups[rule];
            // related signs say much the same: a new network is in a new country as a rule
            let before = met.iter().filter(|g| **g == group).count() as i32;
            met.push(group);
            parts.push((rule, self.weights[rule] * 0.25f64.powi(before)));
        }
        (parts.iter().map(|(_, weight)| weight).sum(), parts)
    }

    fn weight_at(&self, window: &Window, at: EventTime, span: Millis) -> (f64, Vec<(usize, f64)>) {
        self.weigh(|rule| window.has(rule as u16, at, span))
    }
}

impl Terms for Risk {
    fn range(&mut self) -> Option<&mut Range> {
        Some(&mut self.range)
    }

    fn bounds(&self, _: usize) -> Option<Bounds<'_>> {
        let (range, most) = (&self.range, self.weigh(|_| true).0);
        Some(Bounds { range, what: "weight of all signs together", least: 0.0, most, whole: false })
    }

    fn needs(&self) -> Needs {
        // the signs make up for one another
        Needs::None
    }

    fn can_hold(&self, fed: &[bool]) -> bool {
        self.range.can_hold(0.0, self.weigh(|rule| fed[rule]).0, false)
    }

    fn is_monotone(&self) -> bool {
        self.range.only_from_below()
    }

    fn accumulation(&self, parts: HashParts, _: Naming<'_>) -> HashParts {
        parts.part(b"risk")
    }

    fn decision(&self, parts: HashParts) -> HashParts {
        let weighed = |parts: HashParts, (w, g): (&f64, &u16)| parts.part(&w.to_le_bytes()).number((*g).into());
        digest_range(self.weights.iter().zip(&self.groups).fold(parts, weighed), &self.range)
    }

    fn says(&self, words: &Words<'_>) -> String {
        let one = |(rule, weight): (&&str, &f64)| format!("{rule} ({weight})");
        let signs: Vec<String> = words.rules.iter().zip(&self.weights).map(one).collect();
        let (by, within) = (words.by(), words.within());
        format!("signs that weigh {} together{by} {within}: {}", self.range, signs.join(", "))
    }

    fn unless(&self, words: &Words<'_>) -> Vec<String> {
        vec![format!("signs that weigh {} together{} {}", self.range.otherwise(), words.by(), words.within())]
    }
}

impl Hindsight for Risk {}

impl Windowed for Risk {
    const MERGES: bool = true;

    fn holds(&self, window: &Window, at: EventTime, span: Millis, _: u16) -> bool {
        self.range.holds(self.weight_at(window, at, span).0)
    }

    fn holds_from_below(&self) -> bool {
        self.range.only_from_below()
    }

    fn measures(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Vec<Measure> {
        let (sum, parts) = self.weight_at(window, at, words.span);
        let measure = |what: String, value: f64, against: String| Measure {
            what: what.into(),
            value: format!("{value}").into(),
            against: against.into(),
        };
        let all = measure(format!("weight of all signs in {}", words.span()), sum, self.range.to_string());
        let each = parts
            .into_iter()
            .map(|(rule, weight)| measure(words.rule(rule).to_owned(), weight, format!("of {}", self.weights[rule])));
        std::iter::once(all).chain(each).collect()
    }

    fn evaluation(&self, window: &Window, at: EventTime, words: &Words<'_>) -> Evaluation {
        let weight = self.weight_at(window, at, words.span).0;
        let mut evaluation = evaluate(format!("weight of all signs in {}", words.span()), weight, &self.range);
        evaluation.measured.extend(shares(window, at, words, "at least 1"));
        evaluation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Comparison;

    #[test]
    fn of_related_signs_the_heaviest_counts_whole() {
        let range = Range { bounds: vec![(Comparison::Gte, 1.0)] };
        let risk = Risk { weights: vec![4.0, 8.0, 3.0], groups: vec![7, 7, 2], range };
        assert_eq!(risk.weigh(|_| true).0, 8.0 + 1.0 + 3.0);
        assert_eq!(risk.weigh(|rule| rule != 1), (7.0, vec![(0, 4.0), (2, 3.0)]));
        let alike = Risk { groups: vec![7, 7, 7], ..risk.clone() };
        assert_eq!(alike.weigh(|_| true).0, 8.0 + 1.0 + 3.0 / 16.0);
        assert_eq!(risk.weigh(|_| false), (0.0, vec![]));
    }
}
