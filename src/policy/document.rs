//! One YAML document into its parts: which keys there are, and what stands in those that all kinds of policy share.
use crate::model::Severity;
use crate::syntax::error::{Fault, did_you_mean, quoted};
use crate::syntax::field::Taxonomy;
use crate::syntax::yaml::{Node, Word, only};
use std::sync::Arc;

/// What kind of document, with its own part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Detection,
    Correlation,
    Filter,
}

/// A document whose common keys are read.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) file: Arc<str>,
    pub(super) line: u32,
    /// Of which folder of foreign rules it is, where it is of one.
    pub(super) foreign: Option<usize>,
    /// What is allowed in it and yet hardly meant, by lines.
    pub(super) warnings: Vec<Fault>,
    pub(super) sort: Sort,
    /// The value of `detection`, `correlation` or `filter`.
    pub(super) body: Node,
    pub(super) title: String,
    pub(super) id: Option<Arc<str>>,
    pub(super) name: Option<Arc<str>>,
    pub(super) description: String,
    /// Sigma's word for how far it may be trusted.
    pub(super) status: Option<String>,
    pub(super) level: Option<Severity>,
    pub(super) tags: Vec<Arc<str>>,
    pub(super) false_positives: Vec<String>,
    pub(super) logsource: LogSource,
    pub(super) taxonomy: Taxonomy,
    pub(super) generate: bool,
    /// The value of `tripline`.
    pub(super) ours: Option<Node>,
}

/// Sigma's `logsource`: which events a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSource {
    /// A kind of product: `webserver`.
    pub category: Option<String>,
    /// A product: `okta`.
    pub product: Option<String>,
    /// A part of what a product writes: `signinlogs`.
    pub service: Option<String>,
}

/// Keys that every kind may have and that only people read.
const FOR_PEOPLE: &[&str] =
    &["status", "author", "references", "date", "modified", "license", "related", "fields", "scope"];
const COMMON: &[&str] = &["title", "id", "name", "description", "taxonomy"];
const STATUSES: &[&str] = &["stable", "test", "experimental", "deprecated", "unsupported"];

const SORTS: [Sort; 3] = [Sort::Detection, Sort::Correlation, Sort::Filter];

fn allowed(sort: Sort) -> Vec<&'static str> {
    let own: &[&str] = match sort {
        Sort::Detection => &["logsource", "detection", "level", "tags", "falsepositives", "tripline"],
        Sort::Correlation => &["correlation", "level", "tags", "falsepositives", "generate", "tripline"],
        Sort::Filter => &["logsource", "filter"],
    };
    [FOR_PEOPLE, COMMON, own].concat()
}

/// Attributes of a policy that are nearly one that means something, or are one of another kind of policy. Any other is for other
/// tools, and left alone (Sigma rules specification: "arbitrary custom fields").
fn slips(map: &[(Word, Node)], known: &[&str]) -> Vec<Fault> {
    let unknown = map.iter().filter(|(key, _)| !known.contains(&key.text.as_str()));
    let slip = |(key, _): &(Word, Node)| {
        let near = did_you_mean(&key.text, known.iter().copied());
        let elsewhere = SORTS.iter().any(|sort| allowed(*sort).contains(&key.text.as_str()));
        let message = format!("the attribute {} means nothing here{near}", quoted(&key.text));
        (elsewhere || !near.is_empty()).then(|| Fault::at(key.line, message))
    };
    unknown.filter_map(slip).collect()
}

/// Reads the keys that all kinds share.
pub(super) fn read(node: &Node, file: &Arc<str>) -> Result<Document, Fault> {
    let map = node.map("a policy")?;
    if node.get("action").is_some() {
        return Err(Fault::at(
            node.line,
            "`action` (Sigma's old rule collections) is not supported: write documents apart with `---`",
        ));
    }
    let (sort, body) = body(node)?;
    let text = |key: &str| node.get(key).map(|n| n.text(key)).transpose();
    let name = text("name")?;
    let title = match (text("title")?, &name) {
        (Some(title), _) => title,
        (None, Some(name)) => name.clone(),
        (None, None) => return Err(Fault::at(node.line, "the policy has no `title`")),
    };
    longest(node, "title", &title, 256)?;
    let description = text("description")?.unwrap_or_default();
    longest(node, "description", &description, 65_535)?;
    if sort == Sort::Filter && node.get("logsource").is_none() {
        return Err(Fault::at(node.line, "the filter has no `logsource`, which says how far it reaches"));
    }
    let logsource = logsource(node.get("logsource"))?;
    known_word(node, "status", STATUSES)?;
    Ok(Document {
        file: file.clone(),
        line: node.line,
        foreign: None,
        warnings: slips(map, &allowed(sort)),
        sort,
        body: body.clone(),
        title,
        id: identity(node, "id")?,
        name: identity(node, "name")?,
        description,
        status: text("status")?,
        level: level(node)?,
        tags: listed(node, "tags")?.into_iter().map(Arc::from).collect(),
        false_positives: listed(node, "falsepositives")?,
        taxonomy: taxonomy(node, &logsource)?,
        logsource,
        generate: node.get("generate").map_or(Ok(false), |n| n.bool("generate"))?,
        ours: node.get("tripline").cloned(),
    })
}

fn body(node: &Node) -> Result<(Sort, &Node), Fault> {
    let kinds = [(Sort::Detection, "detection"), (Sort::Correlation, "correlation"), (Sort::Filter, "filter")];
    let mut found = kinds.iter().filter_map(|(sort, key)| Some((*sort, node.get(key)?)));
    match (found.next(), found.next()) {
        (Some(body), None) => Ok(body),
        (Some(_), Some((_, second))) => Err(Fault::at(
            second.line,
            "a policy has one of `detection`, `correlation` and `filter`: write two documents apart with `---`",
        )),
        (None, _) => {
            let keys = node.map("a policy")?.iter();
            let mut near = keys.map(|(k, _)| did_you_mean(&k.text, kinds.map(|(_, k)| k)));
            let near = near.find(|n| !n.is_empty()).unwrap_or_default();
            Err(Fault::at(node.line, format!("the policy has no `detection`, `correlation` or `filter`{near}")))
        }
    }
}

fn longest(node: &Node, key: &str, text: &str, most: usize) -> Result<(), Fault> {
    match text.chars().count() > most {
        true => Err(Fault::at(
            node.get(key).map_or(node.line, |n| n.line),
            format!("{} may have {most} characters", quoted(key)),
        )),
        false => Ok(()),
    }
}

/// A name or id: what files, databases and terminals can hold without surprise.
fn identity(node: &Node, key: &str) -> Result<Option<Arc<str>>, Fault> {
    let Some(node) = node.get(key) else {
        return Ok(None);
    };
    let text = node.text(key)?;
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    match plain && !text.is_empty() && text.len() <= 256 {
        true => Ok(Some(text.into())),
        false => {
            Err(Fault::at(node.line, format!("{} must be letters, digits, `_`, `-`, `.` and blanks", quoted(key))))
        }
    }
}

fn known_word(node: &Node, key: &str, known: &[&str]) -> Result<(), Fault> {
    let Some(value) = node.get(key) else {
        return Ok(());
    };
    let word = value.text(key)?;
    match known.contains(&word.as_str()) {
        true => Ok(()),
        false => Err(Fault::at(
            value.line,
            format!("{} cannot be {}: it is one of {}", quoted(key), quoted(&word), known.join(", ")),
        )),
    }
}

fn level(node: &Node) -> Result<Option<Severity>, Fault> {
    let names: Vec<&str> = Severity::ALL.iter().map(|s| s.name()).collect();
    known_word(node, "level", &names)?;
    let level = node.get("level").map(|n| n.text("level")).transpose()?;
    Ok(level.and_then(|l| Severity::from_name(&l)))
}

fn listed(node: &Node, key: &str) -> Result<Vec<String>, Fault> {
    let texts = node.get(key).map_or(Ok(Vec::new()), |n| n.texts(key))?;
    Ok(texts.into_iter().map(|word| word.text).collect())
}

fn logsource(node: Option<&Node>) -> Result<LogSource, Fault> {
    let Some(node) = node else {
        return Ok(LogSource::default());
    };
    only(node.map("logsource")?, &["category", "product", "service", "definition"], "`logsource`")?;
    let text = |key: &str| node.get(key).map(|n| n.text(key)).transpose();
    Ok(LogSource { category: text("category")?, product: text("product")?, service: text("service")? })
}

fn taxonomy(node: &Node, logsource: &LogSource) -> Result<Taxonomy, Fault> {
    known_word(node, "taxonomy", &["sigma", "ecs", "ocsf"])?;
    let named = node.get("taxonomy").map(|n| n.text("taxonomy")).transpose()?;
    let web = logsource.category.as_deref().is_some_and(|c| matches!(c, "webserver" | "proxy"));
    let product = logsource.product.as_deref().is_some_and(|p| p != "ocsf");
    Ok(match named.as_deref() {
        Some("ecs") => Taxonomy::Ecs,
        Some("ocsf") => Taxonomy::Sigma,
        _ if web => Taxonomy::SigmaWeb,
        _ if product => Taxonomy::SigmaProduct,
        _ => Taxonomy::Sigma,
    })
}
