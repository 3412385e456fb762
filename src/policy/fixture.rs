//! What the tests of a file share: named parts of events, and the fields that all events of one test have.
//!
//! `tripline: fixtures:` of any document names them for all documents of its file. An event of a test, or another fixture,
//! takes one over with `like: NAME` (or a list of names, of which the later ones go before the earlier). What the event says
//! itself goes before its fixtures, and these before `given`, the fields of the whole test. `fields` are put together one by
//! one; a field that is `null` is taken away again. Every other key is taken over whole.
use super::Warning;
use super::document::Document;
use crate::syntax::error::{Fault, LoadError, did_you_mean, quoted};
use crate::syntax::yaml::{Kind, Node, Word, only};
use std::collections::{BTreeMap, BTreeSet};

/// What an event of a test, and so a fixture, may say.
pub(super) const EVENT: &[&str] = &["at", "arrives", "repeat", "every", "trail", "like", "fields", "line"];
/// How deep fixtures may be like other fixtures.
const CHAINED: usize = 8;

/// How many fixtures one event may take over in all, those that its fixtures are like among them.
const TAKEN_OVER: usize = 256;

/// The fixtures that no test takes over: nothing would tell that something in them is misspelt.
pub(super) fn idle(documents: &[Document]) -> Vec<Warning> {
    let mut used: BTreeSet<(&str, String)> = BTreeSet::new();
    for document in documents {
        let Some(ours) = &document.ours else { continue };
        let tests = ours.get("tests").and_then(|n| n.list("tests").ok()).into_iter().flatten();
        let events = tests.filter_map(|t| t.get("events")?.list("events").ok()).flatten();
        let fixtures = ours.get("fixtures").and_then(|n| n.map("fixtures").ok()).into_iter().flatten().map(|(_, f)| f);
        for like in events.chain(fixtures).filter_map(|node| node.get("like")) {
            let names = like.texts("like").unwrap_or_default();
            used.extend(names.into_iter().map(|name| (&*document.file, name.text)));
        }
    }
    let mut out = Vec::new();
    for document in documents {
        let fixtures = document.ours.as_ref().and_then(|ours| ours.get("fixtures")?.map("fixtures").ok());
        for (name, _) in fixtures.into_iter().flatten() {
            if !used.contains(&(&*document.file, name.text.clone())) {
                let message = format!("no test takes over the fixture {}", quoted(&name.text));
                out.push(Warning::mistake(LoadError { file: document.file.clone(), line: name.line, message }));
            }
        }
    }
    out
}

/// The fixtures of one file.
#[derive(Debug, Default)]
pub(super) struct Fixtures<'a>(BTreeMap<&'a str, &'a Node>);

impl<'a> Fixtures<'a> {
    /// Reads the values of `fixtures` that stand in one file.
    pub(super) fn read(nodes: impl Iterator<Item = &'a Node>) -> Result<Fixtures<'a>, Fault> {
        let mut fixtures = BTreeMap::new();
        for node in nodes {
            for (name, fixture) in node.map("fixtures")? {
                only(fixture.map("a fixture")?, EVENT, "a fixture")?;
                if fixtures.insert(name.text.as_str(), fixture).is_some() {
                    return Err(Fault::at(
                        name.line,
                        format!("two fixtures of this file are called {}", quoted(&name.text)),
                    ));
                }
            }
        }
        Ok(Fixtures(fixtures))
    }

    /// The event as it is with all that it takes over. `given` are the fields of the whole test.
    pub(super) fn event(&self, written: &Node, given: Option<&Node>) -> Result<Node, Fault> {
        only(written.map("an event")?, EVENT, "an event of a test")?;
        let mut event = Merged { line: written.line, ..Merged::default() };
        if let Some(given) = given {
            event.fields(given)?;
        }
        self.add(&mut event, written, 0)?;
        Ok(event.into_node())
    }

    /// Adds what `written` is like, and then what it says itself. Ends soon, for fixtures are chained so deep at most, and
    /// one event takes over so many.
    fn add(&self, event: &mut Merged, written: &Node, depth: usize) -> Result<(), Fault> {
        for Word { line, text } in written.get("like").map_or(Ok(Vec::new()), |n| n.texts("like"))? {
            let Some(fixture) = self.0.get(text.as_str()) else {
                let near = did_you_mean(&text, self.0.keys().copied());
                let message = format!("this file has no fixture {}{near}", quoted(&text));
                return Err(Fault::at(line, message));
            };
            if depth == CHAINED {
                return Err(Fault::at(
                    line,
                    format!("fixtures are like one another more than {CHAINED} deep, or in a circle"),
                ));
            }
            event.taken_over += 1;
            if event.taken_over > TAKEN_OVER {
                let message = format!("an event takes over more than {TAKEN_OVER} fixtures");
                return Err(Fault::at(line, message));
            }
            self.add(event, fixture, depth + 1)?;
        }
        for (key, value) in written.map("an event")? {
            match key.text.as_str() {
                "like" => {}
                "fields" => event.fields(value)?,
                _ => put(&mut event.keys, key, value),
            }
        }
        Ok(())
    }
}

/// An event that is being put together.
#[derive(Default)]
struct Merged {
    line: u32,
    keys: Vec<(Word, Node)>,
    fields: Vec<(Word, Node)>,
    taken_over: usize,
}

impl Merged {
    fn fields(&mut self, node: &Node) -> Result<(), Fault> {
        for (key, value) in node.map("fields")? {
            match value.kind {
                Kind::Null => self.fields.retain(|(k, _)| k.text != key.text),
                _ => put(&mut self.fields, key, value),
            }
        }
        Ok(())
    }

    fn into_node(mut self) -> Node {
        let fields = Node { line: self.line, kind: Kind::Map(self.fields) };
        self.keys.push((Word { line: self.line, text: "fields".into() }, fields));
        Node { line: self.line, kind: Kind::Map(self.keys) }
    }
}

/// The later one goes before the earlier.
fn put(map: &mut Vec<(Word, Node)>, key: &Word, value: &Node) {
    map.retain(|(k, _)| k.text != key.text);
    map.push((key.clone(), value.clone()));
}
