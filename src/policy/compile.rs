//! One detection into a policy, and what detections and correlations have in common.
use super::document::Document;
use super::fixture::Fixtures;
use super::item::Scope;
use super::link::{Linker, Side, lookup};
use super::matcher::{Expression, Matcher, detection};
use super::{Body, Policy, digest, ours};
use crate::model::{Digest, Field, HashParts, Millis, Severity};
use crate::syntax::error::{Fault, quoted};
use crate::syntax::field::nearly_known;
use crate::syntax::yaml::Word;

impl Linker<'_> {
    /// Compiles a detection with the filters that are for it.
    pub(super) fn detection(&mut self, document: &Document) -> Result<(Policy, Side), Fault> {
        let mut scope =
            Scope { resolver: &mut self.resolver, taxonomy: document.taxonomy, placeholders: &self.site.placeholders };
        let read = detection(&document.body, "detection", &[], &mut scope)?;
        let unused = read.unused.iter().filter(|w| !w.text.starts_with('_'));
        for word in unused {
            let message = format!("selection {} is used by no condition", quoted(&word.text));
            self.warn(document, word.line, message);
        }
        let (expression, accumulation) = self.filtered(document, read.expression);
        let trails = document.foreign.and_then(|number| self.others[number].trails.clone());
        let matcher = Matcher::new(expression, self.site.products(&document.logsource)).of_trails(trails);
        let side = Side {
            taxonomy: document.taxonomy,
            needs: matcher.needs(),
            has_level: document.level.is_some(),
            generates: false,
            monotone: true,
            episode: Millis::HOUR,
        };
        let policy = self.policy(document, Body::Detection(matcher), accumulation, &side)?;
        Ok((policy, side))
    }

    /// The expression with the filters for this detection on it, and the digest of all that it selects by.
    fn filtered(&self, document: &Document, mut expression: Expression) -> (Expression, Digest) {
        let source = &document.logsource;
        let mut parts = HashParts::new("tripline detection accumulation 1");
        for text in [&source.category, &source.product, &source.service] {
            parts = parts.part(text.as_deref().unwrap_or_default().as_bytes());
        }
        parts = self.selecting(parts, document);
        for filter in &self.filters {
            if filter.covers(document, &self.documents) {
                expression = filter.put_on(expression);
                parts = self.selecting(parts, &self.documents[filter.document]);
            }
        }
        (expression, parts.finish())
    }

    /// Feeds the selections of a document, and the values of the placeholders in them.
    fn selecting(&self, parts: HashParts, document: &Document) -> HashParts {
        let mut parts = digest::tree(parts, &document.body).number(document.taxonomy as i64);
        for (name, values) in &self.site.placeholders {
            if document.body.mentions(name) {
                parts = parts.part(name.as_bytes()).number(values.len() as i64);
                parts = values.iter().fold(parts, |p, v| p.part(v.as_bytes()));
            }
        }
        parts
    }

    /// A raw field whose name is nearly one of ours is more often a slip than a product's own name.
    pub(super) fn warn_of_near_names(&mut self, document: &Document, first_raw: usize) {
        let names = self.resolver.raw_fields[first_raw..].iter();
        let near: Vec<String> = names
            .map(|name| (name, nearly_known(name)))
            // `status` of one product is that product's own, and no slip
            .filter(|(name, near)| !near.is_empty() && Field::from_path(name).is_none())
            .map(|(name, near)| {
                format!("{} is no field of the event and is looked for in the record itself{near}", quoted(name))
            })
            .collect();
        for message in near {
            self.warn(document, document.body.line, message);
        }
    }

    /// What detections and correlations have in common.
    pub(super) fn policy(
        &mut self,
        document: &Document,
        body: Body,
        accumulation: Digest,
        side: &Side,
    ) -> Result<Policy, Fault> {
        if let Some(status @ ("deprecated" | "unsupported")) = document.status.as_deref() {
            self.note(document, format!("the policy says that it is {status}"));
        }
        let product = match &body {
            Body::Detection(matcher) => matcher.products().and_then(|p| p.first()).map_or("test", |p| p).to_owned(),
            Body::Correlation(c) => self.rules[c.rules[0]].product.clone(),
        };
        // only tests need them, and most files have none
        let tested = document.ours.as_ref().is_some_and(|ours| ours.get("tests").is_some());
        let same_file = self.documents.iter().filter(|d| tested && d.file == document.file);
        let fixtures = Fixtures::read(same_file.filter_map(|d| d.ours.as_ref()?.get("fixtures")))?;
        let ours = ours::read(document.ours.as_ref(), &mut self.resolver, side.taxonomy, &product, &fixtures)?;
        let episode = ours.episode.unwrap_or(side.episode);
        let slug = slug(&document.title);
        let identity: &str = document.name.as_deref().or(document.id.as_deref()).unwrap_or(&slug);
        let kind = match &body {
            Body::Correlation(c) => Some(&c.kind),
            Body::Detection(_) => None,
        };
        Ok(Policy {
            decision: digest::decision(identity, accumulation, kind, episode),
            identity: identity.into(),
            accumulation,
            name: document.name.clone().unwrap_or_else(|| slug.as_str().into()),
            id: document.id.clone(),
            title: document.title.as_str().into(),
            description: document.description.clone(),
            severity: document.level.unwrap_or(Severity::Medium),
            tags: document.tags.clone(),
            false_positives: document.false_positives.clone(),
            runbook: ours.runbook,
            file: document.file.clone(),
            line: document.line,
            named: document.name.is_some(),
            foreign: document.foreign,
            logsource: document.logsource.clone(),
            product,
            body,
            alerts: ours.generate, // until it is known what refers to it
            referred: false,
            asks: ours.asks,
            asks_when: ours.asks_when.map(|when| self.placed(&when)).transpose()?,
            episode,
            monotone: side.monotone,
            needs: side.needs.iter().copied().collect(),
            tests: ours.tests,
            scope: super::Scope::default(),
            tuned: Vec::new(),
            off: false,
        })
    }

    /// Where the rule stands that a policy refers to, which is compiled before it.
    fn placed(&self, rule: &Word) -> Result<usize, Fault> {
        let target = lookup(&self.index, &rule.text, rule.line)?;
        self.places[target]
            .ok_or_else(|| Fault::at(rule.line, format!("{} is refused: see what is said of it", quoted(&rule.text))))
    }
}

/// The title as a name: `Many failed logins` is `many_failed_logins`.
fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("_");
    slug.chars().take(100).collect()
}
