//! The key `tripline` of a policy: episode, response, runbook, tests and what they share.
use super::fixture::Fixtures;
use super::timeline::{self, PolicyTest};
use crate::model::finding::Ask;
use crate::model::{Millis, TargetKind, limits};
use crate::syntax::error::{Fault, quoted};
use crate::syntax::field::{Resolver, Taxonomy};
use crate::syntax::range::length;
use crate::syntax::yaml::{Node, Word, only};

/// What stands under `tripline`.
#[derive(Debug, Default)]
pub(super) struct Ours {
    pub(super) episode: Option<Millis>,
    pub(super) runbook: Option<String>,
    /// It makes findings of its own although a correlation refers to it. Sigma's `generate` says so of all that one refers to.
    pub(super) generate: bool,
    pub(super) asks: Vec<Ask>,
    /// The rule that must hold too at an event for which it asks.
    pub(super) asks_when: Option<Word>,
    pub(super) tests: Vec<PolicyTest>,
}

/// Reads the value of `tripline`. `product` is the profile that the tests' events are of, unless they say otherwise.
pub(super) fn read(
    node: Option<&Node>,
    resolver: &mut Resolver,
    taxonomy: Taxonomy,
    product: &str,
    fixtures: &Fixtures<'_>,
) -> Result<Ours, Fault> {
    let Some(node) = node else {
        return Ok(Ours::default());
    };
    let keys = ["episode", "fixtures", "generate", "response", "response-when", "runbook", "tests"];
    only(node.map("tripline")?, &keys, "`tripline`")?;
    let tests = node.get("tests").map(|n| timeline::read(n, resolver, taxonomy, product, fixtures));
    Ok(Ours {
        episode: node.get("episode").map(episode).transpose()?,
        runbook: node.get("runbook").map(|n| n.text("runbook")).transpose()?,
        generate: node.get("generate").map_or(Ok(false), |n| n.bool("generate"))?,
        asks: node.get("response").map_or(Ok(Vec::new()), asks)?,
        asks_when: asks_when(Some(node))?,
        tests: tests.unwrap_or(Ok(Vec::new()))?,
    })
}

/// Reads which rule must hold too at an event for which the policy asks for something.
pub(super) fn asks_when(ours: Option<&Node>) -> Result<Option<Word>, Fault> {
    let Some(node) = ours.and_then(|node| node.get("response-when")) else { return Ok(None) };
    match ours.and_then(|node| node.get("response")) {
        Some(_) => Ok(Some(Word { line: node.line, text: node.text("response-when")? })),
        None => Err(Fault::at(node.line, "`response-when` says when the `response` is asked for, and there is none")),
    }
}

/// What is wrong with an episode.
pub(super) const TOO_SHORT: &str =
    "`episode` must be half an hour at least: a policy fires once in each, and those of two days are remembered";

fn episode(node: &Node) -> Result<Millis, Fault> {
    let episode = length(node, "episode")?;
    match episode >= limits::SHORTEST_EPISODE {
        true => Ok(episode),
        false => Err(Fault::at(node.line, TOO_SHORT)),
    }
}

/// Reads a list of actions with their targets.
pub(super) fn asks(node: &Node) -> Result<Vec<Ask>, Fault> {
    let mut asks = Vec::new();
    for entry in node.list("response")? {
        only(entry.map("a response")?, &["action", "target"], "a response")?;
        let need = |key: &str| match entry.get(key) {
            Some(node) => Ok((node.line, node.text(key)?)),
            None => Err(Fault::at(entry.line, format!("the response has no {}", quoted(key)))),
        };
        let (_, action) = need("action")?;
        let (line, target) = need("target")?;
        let target = TargetKind::from_name(&target).ok_or_else(|| {
            let known: Vec<&str> = TargetKind::ALL.iter().map(|t| t.name()).collect();
            Fault::at(line, format!("`target` cannot be {}: it is one of {}", quoted(&target), known.join(", ")))
        })?;
        let ask = Ask { action: action.into(), target };
        match asks.contains(&ask) {
            true => return Err(Fault::at(entry.line, "the same response stands twice")),
            false => asks.push(ask),
        }
    }
    Ok(asks)
}
