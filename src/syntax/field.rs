//! Which field of an event a policy's field name means.
use super::error::did_you_mean;
use crate::model::{Event, Field, RawValue, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A field that a policy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldRef {
    /// One that the event knows.
    Known(Field),
    /// A raw one: the index into `raw_fields` of the policy set, and so into [`Event::unmapped`].
    Raw(usize),
}

impl FieldRef {
    /// Its value in `event`, however long.
    pub fn value(self, event: &Event) -> Value<'_> {
        match self {
            FieldRef::Known(field) => event.as_written(field),
            FieldRef::Raw(index) => match event.unmapped.get(index) {
                Some(RawValue::Text(text)) => Value::Text(text),
                Some(RawValue::List(elements)) => Value::List(elements),
                Some(RawValue::Null) | None => Value::Absent,
            },
        }
    }

    /// Whether `event` has the field at all, be it null.
    pub fn is_present(self, event: &Event) -> bool {
        match self {
            FieldRef::Known(field) => event.get(field) != Value::Absent,
            FieldRef::Raw(index) => event.unmapped.get(index).is_some(),
        }
    }

    /// Its name, given the raw fields of its policy set.
    pub fn name(self, raw_fields: &[String]) -> &str {
        match self {
            FieldRef::Known(field) => field.path(),
            FieldRef::Raw(index) => raw_fields.get(index).map_or("", String::as_str),
        }
    }
}

/// How a policy's field names are to be read. Sigma: `taxonomy`, and the taxonomy appendix for `sigma`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taxonomy {
    /// OCSF paths, and beside them the product's own names: Sigma's default for what its appendix does not list.
    Sigma,
    /// The same in a rule for one product: there [`EVERYDAY`] words are the product's own fields.
    SigmaProduct,
    /// Sigma's names for web servers and proxies (W3C extended log format).
    SigmaWeb,
    /// Elastic Common Schema.
    Ecs,
}

/// Paths of ours that are everyday words: a rule for one product means that product's field by them, whose values are its
/// own. `taxonomy: ocsf` makes them ours again.
const EVERYDAY: &[&str] = &["status", "time", "duration"];

/// Sigma's names in the categories `webserver` and `proxy`. A query string is no part of the normalised path, so
/// `cs-uri-query` and `c-uri` stay raw.
const WEB: &[(&str, Field)] = &[
    ("c-ip", Field::Ip),
    ("cs-method", Field::Method),
    ("cs-uri-stem", Field::Path),
    ("cs-user-agent", Field::UserAgent),
    ("c-useragent", Field::UserAgent),
    ("cs-username", Field::ActorName),
    ("sc-status", Field::Status),
    ("time-taken", Field::Duration),
];

/// Names of the Elastic Common Schema 8 that mean the same as a field of ours.
const ECS: &[(&str, Field)] = &[
    ("event.action", Field::Code),
    ("event.outcome", Field::Outcome),
    ("event.reason", Field::Reason),
    ("user.name", Field::ActorName),
    ("user.id", Field::ActorUid),
    ("user.target.name", Field::Target),
    ("source.ip", Field::Ip),
    ("client.ip", Field::Ip),
    ("source.as.number", Field::AsNumber),
    ("source.as.organization.name", Field::AsName),
    ("source.geo.country_iso_code", Field::Country),
    ("source.geo.city_name", Field::City),
    ("user_agent.original", Field::UserAgent),
    ("user_agent.name", Field::DeviceFamily),
    ("user_agent.os.name", Field::DeviceOs),
    ("http.request.method", Field::Method),
    ("url.path", Field::Path),
    ("http.response.status_code", Field::Status),
];

/// Resolves names, and counts what is bounded over a whole policy set.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    pub(crate) raw_fields: Vec<String>,
    /// Their places by name.
    raw_places: BTreeMap<String, usize>,
    /// Those of them that a policy looks at; others are only given in tests.
    pub(crate) looked_at: BTreeSet<usize>,
    /// How many regular expressions were compiled.
    pub(crate) expressions: usize,
}

impl Resolver {
    /// What `name` means in a policy, which looks at it. What is no field of the event is a raw field; `unmapped.` says so
    /// expressly.
    pub(crate) fn resolve(&mut self, name: &str, taxonomy: Taxonomy) -> FieldRef {
        let field = self.resolve_in_test(name, taxonomy);
        if let FieldRef::Raw(index) = field {
            self.looked_at.insert(index);
        }
        field
    }

    /// What `name` means in the event of a test: that it is given there lets no policy look at it.
    pub(crate) fn resolve_in_test(&mut self, name: &str, taxonomy: Taxonomy) -> FieldRef {
        let table = match taxonomy {
            Taxonomy::Sigma | Taxonomy::SigmaProduct => &[][..],
            Taxonomy::SigmaWeb => WEB,
            Taxonomy::Ecs => ECS,
        };
        if let Some((_, field)) = table.iter().find(|(n, _)| *n == name) {
            return FieldRef::Known(*field);
        }
        let ours = match taxonomy {
            Taxonomy::Sigma | Taxonomy::SigmaWeb => true,
            Taxonomy::SigmaProduct => !EVERYDAY.contains(&name),
            // In ECS `user.name` and the like do not mean what OCSF means by them: only its own table counts.
            Taxonomy::Ecs => false,
        };
        match ours.then(|| Field::from_path(name)).flatten() {
            Some(field) => FieldRef::Known(field),
            None => FieldRef::Raw(self.raw(name.strip_prefix("unmapped.").unwrap_or(name))),
        }
    }

    fn raw(&mut self, name: &str) -> usize {
        if let Some(known) = self.raw_places.get(name) {
            return *known;
        }
        self.raw_fields.push(name.to_owned());
        self.raw_places.insert(name.to_owned(), self.raw_fields.len() - 1);
        self.raw_fields.len() - 1
    }
}

/// A hint where a raw field's name is nearly that of a field of the event.
pub(crate) fn nearly_known(name: &str) -> String {
    did_you_mean(name, Field::ALL.iter().map(|f| f.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ours_or_raw() {
        let mut resolver = Resolver::default();
        let mut of = |name, taxonomy| resolver.resolve(name, taxonomy);
        assert_eq!(of("src_endpoint.ip", Taxonomy::Sigma), FieldRef::Known(Field::Ip));
        assert_eq!(of("eventType", Taxonomy::Sigma), FieldRef::Raw(0));
        assert_eq!(of("unmapped.eventType", Taxonomy::Sigma), FieldRef::Raw(0));
        assert_eq!(of("unmapped.status", Taxonomy::Sigma), FieldRef::Raw(1));
        assert_eq!(of("c-ip", Taxonomy::SigmaWeb), FieldRef::Known(Field::Ip));
        assert_eq!(of("c-ip", Taxonomy::Sigma), FieldRef::Raw(2));
        assert_eq!(of("user.name", Taxonomy::Ecs), FieldRef::Known(Field::ActorName));
        assert_eq!(of("user.name", Taxonomy::Sigma), FieldRef::Known(Field::Target));
        assert_eq!(of("status", Taxonomy::SigmaProduct), FieldRef::Raw(1));
        assert_eq!(of("src_endpoint.ip", Taxonomy::SigmaProduct), FieldRef::Known(Field::Ip));
        assert_eq!(resolver.raw_fields, ["eventType", "status", "c-ip"]);
    }
}
