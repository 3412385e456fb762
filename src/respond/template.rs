//! Texts that name members of a document: `{target.session}`. Nothing else can be written in braces. An action's texts name
//! members of the hook document, an outlet's those of its own ([`Fields`]).
//!
//! A template is parsed when the configuration is read, so that a name that does not exist is an error then, with the place
//! where it stands. What a trail stated is put in by [`Template::render`] through an escape that belongs to the place (a path,
//! a query, a header, a key), and no value is looked at twice: braces inside of one mean nothing.
use super::document::HookDocument;
use std::borrow::Cow;
use std::marker::PhantomData;

/// How a member is read from a document.
pub type Get<D> = for<'a> fn(&'a D) -> Option<Cow<'a, str>>;

/// A document whose members templates may name.
pub trait Fields: Sized + 'static {
    /// What it is called in errors.
    const CALLED: &'static str;
    /// What stands for a member that the document does not have: nothing where it must have it.
    const ABSENT: Option<&'static str>;

    /// Its members by their paths.
    fn fields() -> &'static [(&'static str, Get<Self>)];

    /// The names that a template may use.
    fn names() -> impl Iterator<Item = &'static str> {
        Self::fields().iter().map(|(name, _)| *name)
    }
}

impl Fields for HookDocument {
    const CALLED: &'static str = "the hook document";
    /// A request with a hole where the session should be ends something else.
    const ABSENT: Option<&'static str> = None;

    /// To add one: a line here, and the member in `document.rs`.
    fn fields() -> &'static [(&'static str, Get<HookDocument>)] {
        &[
            ("target.session", |d| d.target.session.as_deref().map(Cow::Borrowed)),
            ("target.actor", |d| d.target.actor.as_deref().map(Cow::Borrowed)),
            ("target.actor_uid", |d| d.target.actor_uid.as_deref().map(Cow::Borrowed)),
            ("target.ip", |d| d.target.ip.map(|ip| ip.to_string().into())),
            ("target.export", |d| d.target.export.as_deref().map(Cow::Borrowed)),
            ("target.kind", |d| Some(d.target.kind.name().into())),
            ("order", |d| Some(d.order.to_string().into())),
            ("idempotency_key", |d| Some(d.idempotency_key.to_string().into())),
            ("action", |d| Some(Cow::Borrowed(&d.action))),
            ("purpose", |d| Some(d.purpose.name().into())),
            ("attempt", |d| Some(d.attempt.to_string().into())),
            ("finding.id", |d| Some(d.finding.id.to_string().into())),
            ("finding.policy", |d| Some(Cow::Borrowed(&d.finding.policy))),
            ("finding.title", |d| Some(Cow::Borrowed(&d.finding.title))),
            ("finding.severity", |d| Some(d.finding.severity.name().into())),
            ("finding.time", |d| Some(Cow::Borrowed(&d.finding.time))),
        ]
    }
}

/// A member of `D` that a template names.
pub struct Field<D: Fields>(usize, PhantomData<fn(&D)>);

// Derived, these would ask the same of the document.
impl<D: Fields> Clone for Field<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: Fields> Copy for Field<D> {}

impl<D: Fields> std::fmt::Debug for Field<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl<D: Fields> Field<D> {
    fn named(name: &str) -> Option<Field<D>> {
        D::names().position(|known| known == name).map(|n| Field(n, PhantomData))
    }

    fn name(self) -> &'static str {
        D::fields()[self.0].0
    }

    fn value(self, document: &D) -> Option<Cow<'_, str>> {
        (D::fields()[self.0].1)(document)
    }
}

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum Part<D: Fields> {
    /// As the operator wrote it.
    Text(String),
    /// Put in for each document.
    Field(Field<D>),
}

/// A parsed text.
#[derive(Clone, Debug)]
pub struct Template<D: Fields = HookDocument> {
    parts: Vec<Part<D>>,
}

impl<D: Fields> Default for Template<D> {
    fn default() -> Self {
        Template { parts: Vec::new() }
    }
}

impl<D: Fields> Template<D> {
    /// Parses `text`; `{{` and `}}` stand for a brace.
    ///
    /// # Errors
    /// What is wrong, with the character (counted from 1) at which it stands.
    pub fn parse(text: &str) -> Result<Template<D>, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        let at = |rest: &str| text[..text.len() - rest.len()].chars().count() + 1;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push(c);
                rest = after;
            } else if c == '{' {
                let name = rest[1..]
                    .split_once('}')
                    .ok_or_else(|| format!("character {}: `{{` without `}}`; write `{{{{` for a brace", at(rest)))?;
                let field = Field::named(name.0).ok_or_else(|| {
                    let known = D::names().collect::<Vec<_>>().join(" ");
                    format!("character {}: {} has no {:?}; it has: {known}", at(rest), D::CALLED, name.0)
                })?;
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Field(field));
                rest = name.1;
            } else if c == '}' {
                return Err(format!("character {}: `}}` without `{{`; write `}}}}` for a brace", at(rest)));
            } else {
                plain.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { parts })
    }

    /// The pieces, in their order.
    pub fn parts(&self) -> &[Part<D>] {
        &self.parts
    }

    /// Splits before the first piece of text in which `at` finds a place.
    pub fn split(mut self, at: impl Fn(&str) -> Option<usize>) -> (Template<D>, Template<D>) {
        for n in 0..self.parts.len() {
            let Part::Text(text) = &self.parts[n] else { continue };
            if let Some(place) = at(text) {
                let (before, after) = (text[..place].to_owned(), text[place..].to_owned());
                let mut tail = vec![Part::Text(after)];
                tail.extend(self.parts.drain(n..).skip(1));
                self.parts.push(Part::Text(before));
                return (self, Template { parts: tail });
            }
        }
        (self, Template::default())
    }

    /// Whether it names no field.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|p| matches!(p, Part::Text(_)))
    }

    /// Whether it names no field but that one.
    pub fn names_only(&self, name: &str) -> bool {
        self.parts.iter().all(|p| matches!(p, Part::Text(_)) || matches!(p, Part::Field(field) if field.name() == name))
    }

    /// The text for `document`, with each value passed through `escape`, which may refuse it.
    ///
    /// # Errors
    /// The document has no such member, or it cannot stand at this place; in words. The value itself is not in them.
    pub fn render(&self, document: &D, escape: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out += text,
                Part::Field(field) => {
                    let value = field.value(document).filter(|v| !v.is_empty()).or(D::ABSENT.map(Cow::Borrowed));
                    let value = value.ok_or_else(|| format!("no trail stated {}, which it needs", field.name()))?;
                    out += &escape(&value).map_err(|why| format!("{} {why}", field.name()))?;
                }
            }
        }
        Ok(out)
    }

    /// As [`Template::render`], with every value as it is: for places that are escaped as a whole, or need no escape.
    ///
    /// # Errors
    /// The document has no such member.
    pub fn plain(&self, document: &D) -> Result<String, String> {
        self.render(document, |value| Ok(value.to_owned()))
    }
}

/// A JSON value whose texts are templates. Its structure is the operator's: a value from a document stays inside of its text.
#[derive(Clone, Debug)]
pub enum JsonTemplate<D: Fields = HookDocument> {
    /// A text.
    Text(Template<D>),
    /// A list.
    List(Vec<JsonTemplate<D>>),
    /// An object; its names are constant.
    Object(Vec<(String, JsonTemplate<D>)>),
    /// A number, a truth value, or null.
    Constant(serde_json::Value),
}

impl<D: Fields> JsonTemplate<D> {
    /// Parses the texts of `json`, which stands under `key`.
    ///
    /// # Errors
    /// What is wrong, with the path to the text.
    pub fn parse(key: &str, json: &serde_json::Value) -> Result<JsonTemplate<D>, String> {
        use serde_json::Value;
        Ok(match json {
            Value::String(text) => JsonTemplate::Text(Template::parse(text).map_err(|why| format!("`{key}`, {why}"))?),
            Value::Array(list) => {
                let items = list.iter().enumerate().map(|(n, item)| JsonTemplate::parse(&format!("{key}[{n}]"), item));
                JsonTemplate::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let members = object
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), JsonTemplate::parse(&format!("{key}.{name}"), value)?)));
                JsonTemplate::Object(members.collect::<Result<_, String>>()?)
            }
            constant => JsonTemplate::Constant(constant.clone()),
        })
    }

    /// The value for `document`.
    ///
    /// # Errors
    /// The document has no such member.
    pub fn render(&self, document: &D) -> Result<serde_json::Value, String> {
        Ok(match self {
            JsonTemplate::Text(text) => text.plain(document)?.into(),
            JsonTemplate::List(items) => {
                items.iter().map(|item| item.render(document)).collect::<Result<Vec<_>, _>>()?.into()
            }
            JsonTemplate::Object(members) => {
                let rendered = members.iter().map(|(name, value)| Ok((name.clone(), value.render(document)?)));
                serde_json::Value::Object(rendered.collect::<Result<_, String>>()?)
            }
            JsonTemplate::Constant(constant) => constant.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_does_not_exist_is_refused_with_its_place() {
        for (text, said) in [
            ("x{target.sesion}", "character 2: the hook document has no \"target.sesion\""),
            ("äö{", "character 3: `{` without `}`"),
            ("a}", "character 2: `}` without `{`"),
            ("{target.session|upper}", "character 1"),
            ("{{{target.session}", "\0"),
            ("{{}}", "\0"),
        ] {
            match (Template::<HookDocument>::parse(text), said) {
                (Ok(_), "\0") => {}
                (Err(why), said) => assert!(why.starts_with(said), "{text}: {why}"),
                (Ok(_), _) => panic!("{text} was taken"),
            }
        }
    }

    #[test]
    fn a_text_is_split_in_its_own_words_only() {
        let whole = Template::<HookDocument>::parse("https://h:1/a/{target.session}/b?c={order}").unwrap();
        let (before, after) = whole.split(|t| t.find('?'));
        assert!(
            matches!(before.parts(), [Part::Text(a), Part::Field(_), Part::Text(b)] if a == "https://h:1/a/" && b == "/b")
        );
        assert!(matches!(after.parts(), [Part::Text(c), Part::Field(_)] if c == "?c="));
    }
}
