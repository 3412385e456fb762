//! YAML text into a tree that knows its lines. The only file that names the YAML crate.
use super::error::{Fault, did_you_mean, quoted};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::AliasLimits;
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Spanned};
use std::fmt;

/// The largest policy file that is read, in bytes. The largest of SigmaHQ's rules has 60 KB.
pub const FILE_BYTES: usize = 1 << 20;
/// The most nodes (scalars, lists, maps) in one file.
const NODES: usize = 100_000;
/// How deep lists and maps may nest. Sigma needs five levels.
const DEPTH: usize = 24;

/// One value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Its line in the file, from 1.
    pub(crate) line: u32,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a node is. Quoted scalars are always text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Word, Node)>),
}

/// A key of a map, or a text of a list, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) line: u32,
    pub(crate) text: String,
}

/// The documents of a file, empty ones left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, Fault> {
    if text.len() > FILE_BYTES {
        return Err(Fault::at(
            0,
            format!("the file has {} bytes; a policy file may have {FILE_BYTES}: split it", text.len()),
        ));
    }
    serde_saphyr::from_multiple_with_options(text, options()).map_err(|error| {
        let line = error.location().map(|at| line_number(at.line())).or_else(|| stated_line(&error));
        // of a document that is a single word the crate knows no place
        Fault::at(line.unwrap_or(1), format!("not readable as YAML: {}", one_line(&error)))
    })
}

fn options() -> serde_saphyr::Options {
    let mut limits = AliasLimits::default();
    limits.max_total_replayed_events = NODES;
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: NODES, max_depth: DEPTH },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        alias_limits: limits,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

/// What stands before the line of an error, in the crate's words and in ours.
const AT_LINE: &str = " at line ";

/// The line in the message itself: of an error of ours the crate knows no place.
fn stated_line(error: &serde_saphyr::Error) -> Option<u32> {
    error.without_snippet().to_string().rsplit_once(AT_LINE)?.1.parse().ok()
}

fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    // The place stands before the message already, and the crate's options are nothing to an operator.
    let line = line.split(AT_LINE).next().unwrap_or_default();
    let line = line.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    line.chars().take(300).filter(|c| !c.is_control()).collect()
}

fn line_number(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Node { line: line_number(spanned.referenced.line()), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(wide(i64::try_from(value), value))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Kind, E> {
        Ok(wide(i64::try_from(value), value))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Kind, E> {
        Ok(wide(i64::try_from(value), value))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        // The parser makes a float of a whole number beyond 64 bits: an id would change its digits.
        match value.is_finite() && value.abs() < 9e15 {
            true => Ok(Kind::Float(value)),
            false => Err(E::custom("a number beyond 64 bits: put it in quotes")),
        }
    }
    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Kind::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = access.next_key::<Node>()? {
            let text = key.scalar_text().ok_or_else(|| {
                let what = "the key of a map must be a word, not a list or a map";
                de::Error::custom(format!("{what}{AT_LINE}{}", key.line))
            })?;
            map.push((Word { line: key.line, text }, access.next_value()?));
        }
        Ok(Kind::Map(map))
    }
}

/// A whole number beyond 64 bits is an identifier, not an amount: it is compared as text.
fn wide<N: fmt::Display, X>(narrow: Result<i64, X>, number: N) -> Kind {
    narrow.map_or_else(|_| Kind::Text(number.to_string()), Kind::Int)
}

impl Node {
    /// What it is, for an error message.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    fn wrong(&self, key: &str, wanted: &str) -> Fault {
        Fault::at(self.line, format!("{} must be {wanted}, and here is {}", quoted(key), self.what()))
    }

    /// Any scalar as the text that it stands for.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Int(n) => Some(n.to_string()),
            Kind::Float(n) => Some(n.to_string()),
            Kind::Bool(b) => Some(b.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Text (or a number, where a title is `2024`); `key` is what the error names.
    pub(crate) fn text(&self, key: &str) -> Result<String, Fault> {
        self.scalar_text().ok_or_else(|| self.wrong(key, "text"))
    }

    pub(crate) fn bool(&self, key: &str) -> Result<bool, Fault> {
        match self.kind {
            Kind::Bool(b) => Ok(b),
            _ => Err(self.wrong(key, "true or false")),
        }
    }

    /// A whole number in `least..=most`.
    pub(crate) fn whole(&self, key: &str, least: i64, most: i64) -> Result<i64, Fault> {
        match self.kind {
            Kind::Int(n) if (least..=most).contains(&n) => Ok(n),
            Kind::Int(n) => {
                Err(Fault::at(self.line, format!("{} must lie between {least} and {most}, and is {n}", quoted(key))))
            }
            _ => Err(self.wrong(key, "a whole number")),
        }
    }

    /// A finite number.
    pub(crate) fn number(&self, key: &str) -> Result<f64, Fault> {
        match self.kind {
            Kind::Int(n) => Ok(n as f64),
            Kind::Float(n) if n.is_finite() => Ok(n),
            _ => Err(self.wrong(key, "a number")),
        }
    }

    pub(crate) fn list(&self, key: &str) -> Result<&[Node], Fault> {
        match &self.kind {
            Kind::List(list) => Ok(list),
            _ => Err(self.wrong(key, "a list")),
        }
    }

    /// A list of texts, or one text alone.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<Word>, Fault> {
        let word = |node: &Node| Ok(Word { line: node.line, text: node.text(key)? });
        match &self.kind {
            Kind::List(list) => list.iter().map(word).collect(),
            _ => Ok(vec![word(self)?]),
        }
    }

    pub(crate) fn map(&self, key: &str) -> Result<&[(Word, Node)], Fault> {
        match &self.kind {
            Kind::Map(map) => Ok(map),
            _ => Err(self.wrong(key, "a map")),
        }
    }

    /// Whether `%name%` stands in any text of the tree.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Text(text) => text.contains(&format!("%{name}%")),
            Kind::List(list) => list.iter().any(|n| n.mentions(name)),
            Kind::Map(map) => map.iter().any(|(_, n)| n.mentions(name)),
            Kind::Null | Kind::Bool(_) | Kind::Int(_) | Kind::Float(_) => false,
        }
    }

    /// The value of `key`, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(map) => map.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }
}

/// Refuses the keys of `map` that are not among `known`.
pub(crate) fn only(map: &[(Word, Node)], known: &[&str], place: &str) -> Result<(), Fault> {
    match map.iter().find(|(k, _)| !known.contains(&k.text.as_str())) {
        None => Ok(()),
        Some((key, _)) => Err(Fault::at(
            key.line,
            format!("unknown key {} in {place}{}", quoted(&key.text), did_you_mean(&key.text, known.iter().copied())),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Node {
        documents(text).unwrap().remove(0)
    }

    #[test]
    fn every_node_knows_its_line() {
        let tree = one("title: a\nlist:\n  - x\n  - k: 1\n    m: 'two'\n");
        let Kind::Map(map) = &tree.kind else { panic!() };
        assert_eq!(map[1].0.line, 2);
        let list = tree.get("list").unwrap().list("list").unwrap();
        assert_eq!(list[0].line, 3);
        assert_eq!(list[1].get("m").unwrap().line, 5);
        let Kind::Map(inner) = &list[1].kind else { panic!() };
        assert_eq!(inner[1].0.line, 5);
    }

    #[test]
    fn plain_scalars_have_types_and_quoted_ones_are_text() {
        let tree = one("[1, '1', 1.5, true, yes, 0123, 1_000, null, ~, '']");
        let kinds: Vec<Kind> = tree.list("l").unwrap().iter().map(|n| n.kind.clone()).collect();
        let text = |t: &str| Kind::Text(t.into());
        assert_eq!(
            kinds,
            [
                Kind::Int(1),
                text("1"),
                Kind::Float(1.5),
                Kind::Bool(true),
                text("yes"),
                text("0123"),
                text("1_000"),
                Kind::Null,
                Kind::Null,
                text(""),
            ]
        );
    }

    #[test]
    fn documents_are_told_apart_and_empty_ones_left_out() {
        let trees = documents("a: 1\n---\n---\nb: 2\n").unwrap();
        assert_eq!(trees.len(), 2);
        assert_eq!(trees[1].get("b").unwrap().line, 4);
    }

    #[test]
    fn faults_have_lines() {
        for (text, line) in [
            ("a: 1\na: 2\n", 2),
            ("a: [1, 2\nb: 3\n", 2),
            ("a: 1\n\tb: 2\n", 2),
            ("a: 1\nb: 99999999999999999999\n", 2),
            ("a: 1\nb:\n  [x, y]: 3\n", 3),
            ("a: 1\n?\n  b: 1\n: 2\n", 3),
            ("99999999999999999999", 1),
        ] {
            let fault = documents(text).unwrap_err();
            assert!(fault.line > 0 && fault.line.abs_diff(line) <= 1, "{text:?}: {fault:?}");
            assert!(!fault.message.contains('\n'));
        }
    }

    #[test]
    fn bombs_and_depth_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for n in 1..12 {
            let before = format!("*a{},", n - 1).repeat(10);
            bomb.push_str(&format!("a{n}: &a{n} [{before}]\n"));
        }
        assert!(documents(&bomb).is_err());
        assert!(documents(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err());
        assert!(documents(&format!("a: {}", "x".repeat(FILE_BYTES))).is_err());
    }
}
