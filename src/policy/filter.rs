//! Sigma filters: one exception for several rules.
//!
//! The specification says that a filter suppresses matches, and its example writes `condition: selection` for what is to
//! be suppressed; pySigma joins the condition to the rule by `and`, so that its users write `condition: not selection`
//! for the same. Both forms are taken for what their authors mean: what the selections describe is suppressed. A
//! condition that mixes them could mean either, and is refused.
use super::condition::Condition;
use super::document::{Document, Sort};
use super::item::Scope;
use super::matcher::{Expression, detection};
use crate::syntax::error::{Fault, quoted};
use crate::syntax::yaml::Word;

/// A filter.
pub(super) struct Filter {
    /// Its document's number.
    pub(super) document: usize,
    /// The rules it is for, by name or id; empty: all that its logsource covers (`rules: any` or `all`).
    pub(super) rules: Vec<Word>,
    /// What passes.
    passes: Expression,
}

/// Reads a filter's document, the `number`th.
pub(super) fn read(number: usize, document: &Document, scope: &mut Scope<'_>) -> Result<Filter, Fault> {
    let body = &document.body;
    let rules = body.get("rules").ok_or_else(|| Fault::at(body.line, "the filter has no `rules`"))?;
    let rules = match rules.text("rules") {
        Ok(word) if word == "any" || word == "all" => Vec::new(),
        _ => match rules.texts("rules")? {
            none if none.is_empty() => {
                let message = "`rules` is empty: name rules, or write `any` for all that the `logsource` covers";
                return Err(Fault::at(rules.line, message));
            }
            rules => rules,
        },
    };
    let read = detection(body, "filter", &["rules"], scope)?;
    let (condition, expression) = (read.condition, read.expression);
    let passes = match (condition.positive(), only_refusals(&condition)) {
        (true, _) => Expression::Not(Box::new(expression)),
        (false, true) => expression,
        (false, false) => {
            return Err(Fault::at(
                body.line,
                "the condition of this filter could mean what is suppressed or what passes: \
                 write what is suppressed, without `not`",
            ));
        }
    };
    Ok(Filter { document: number, rules, passes })
}

/// `not a`, or several of them joined by `and`.
fn only_refusals(condition: &Condition) -> bool {
    match condition {
        Condition::Not(inner) => inner.positive(),
        Condition::And(parts) => parts.iter().all(only_refusals),
        Condition::Selection(_) | Condition::Or(_) => false,
    }
}

/// Refuses a filter on something that it cannot be on.
pub(super) fn fits(filter: &Document, target: &Document, line: u32) -> Result<(), Fault> {
    if target.sort != Sort::Detection {
        return Err(Fault::at(line, format!("{} is no detection: filters are for detections", quoted(&target.title))));
    }
    match covers(filter, target) {
        true => Ok(()),
        false => {
            Err(Fault::at(line, format!("the filter's `logsource` does not cover that of {}", quoted(&target.title))))
        }
    }
}

/// Whether every key that the filter's logsource gives has the same value in the rule's.
fn covers(filter: &Document, rule: &Document) -> bool {
    let (a, b) = (&filter.logsource, &rule.logsource);
    [(&a.category, &b.category), (&a.product, &b.product), (&a.service, &b.service)]
        .iter()
        .all(|(filter, rule)| filter.is_none() || filter == rule)
}

impl Filter {
    /// Whether it is to be put on the detection `rule`.
    pub(super) fn covers(&self, rule: &Document, documents: &[Document]) -> bool {
        // what others suppress they suppress in their own rules
        let foreign = documents[self.document].foreign;
        if foreign.is_some() && foreign != rule.foreign {
            return false;
        }
        match self.rules.is_empty() {
            true => covers(&documents[self.document], rule),
            false => self
                .rules
                .iter()
                .any(|Word { text: name, .. }| rule.name.as_deref() == Some(name) || rule.id.as_deref() == Some(name)),
        }
    }

    /// The rule's expression with this filter on it.
    pub(super) fn put_on(&self, rule: Expression) -> Expression {
        Expression::All(vec![rule, self.passes.clone()])
    }
}
