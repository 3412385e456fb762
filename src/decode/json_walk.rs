//! One pass over a JSON text beside the tree of wanted names: what is wanted goes into cells, the rest is passed over.
use super::json_keys::{Found, Marked, find};
use super::json_path::{Node, ROOT, Tree};
use super::json_text::{quote_or_escape, unescape};
use super::keycloak;
use super::{Cells, Kind, Reject};

/// How deep the tree of wanted names is followed; only wrappers in wrappers go deeper.
pub(super) const DEPTH: usize = 32;

/// What is wrong with a text that a relay, or a writer that died, has cut.
const CUT: &str = "the JSON ends early";

pub(super) fn is_cut(reject: &Reject) -> bool {
    reject.reason == CUT
}
pub(super) struct Walk<'t> {
    pub(super) tree: &'t Tree,
    pub(super) text: &'t str,
    bytes: &'t [u8],
    pub(super) at: usize,
    pub(super) cells: &'t mut Cells,
    pub(super) ambiguous: bool,
    may_wrap: bool,
    /// The object holds an array of whole records, perhaps an empty one: it is no record itself.
    pub(super) wrapped: bool,
    /// Where the elements of an array of whole records begin.
    pub(super) records: Vec<usize>,
    /// Where the elements of the splitting array begin, and their node.
    pub(super) split: Vec<(usize, usize)>,
    /// In how many arrays we are whose elements have the keys that are asked for: what is found there is one value of several.
    pub(super) within: usize,
}

impl<'t> Walk<'t> {
    pub(super) fn new(tree: &'t Tree, text: &'t str, cells: &'t mut Cells) -> Walk<'t> {
        let bytes = text.as_bytes();
        Walk {
            tree,
            text,
            bytes,
            at: 0,
            cells,
            ambiguous: false,
            may_wrap: true,
            wrapped: false,
            records: Vec::new(),
            split: Vec::new(),
            within: 0,
        }
    }

    pub(super) fn begin(&mut self, fields: usize, may_wrap: bool) {
        self.cells.clear(fields);
        self.ambiguous = false;
        self.may_wrap = may_wrap;
        self.wrapped = false;
        self.split.clear();
        self.within = 0;
    }

    /// Whether anything that somebody wants was found.
    pub(super) fn has_read(&self) -> bool {
        !self.split.is_empty() || self.cells.cells.iter().any(|cell| cell.kind != Kind::Absent)
    }

    pub(super) fn reject(&self, reason: &'static str) -> Reject {
        Reject { reason, at: self.at }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(super) fn value(&mut self, node: usize, depth: usize) -> Result<(), Reject> {
        let tree = self.tree;
        let here = &tree.nodes[node];
        if depth == 0 {
            return self.skip();
        }
        let start = self.at;
        match self.peek() {
            Some(b'[') => self.array(node, depth)?,
            // One element where a list is usual.
            Some(b'{') if here.split => {
                self.split.extend(here.each.map(|each| (each, start)));
                self.skip()?;
            }
            // An object in place of the list, of which its keys are asked for under their own names, too.
            Some(b'{') if here.wants_elements() && !here.keys.is_empty() => {
                self.element(here, 0, depth)?;
                self.at = start;
                self.object(here, depth)?;
            }
            Some(_) if here.wants_elements() => self.element(here, 0, depth)?,
            Some(b'{') => self.object(here, depth)?,
            // what holds the record proper may hold it as text
            Some(b'"') if node == ROOT => return self.pairs_into(),
            Some(b'"') => return self.string_into(here.cell),
            Some(_) => return self.scalar_into(here.cell),
            None => return Err(self.reject(CUT)),
        }
        if let Some(cell) = here.cell {
            self.put(cell, Kind::Nested, start, self.at);
        }
        Ok(())
    }

    fn object(&mut self, here: &'t Node, depth: usize) -> Result<(), Reject> {
        self.at += 1;
        // The wanted keys that were met, and those of which only a twin in other case was.
        let (mut met, mut twins) = (Marked::default(), Marked::default());
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            // Ends: every turn reads a key, or fails.
            let key = self.key()?;
            match find(&here.keys, self.key_text(key), self.tree.any_case) {
                Found::Exact(i, _) if met.has(i) => {
                    self.ambiguous = true;
                    self.skip()?;
                }
                Found::Exact(i, node) => {
                    met.put(i);
                    self.value(node, depth - 1)?;
                }
                Found::Twin(i) => {
                    twins.put(i);
                    self.skip()?;
                }
                Found::No => self.skip()?,
            }
            if self.after_item(b'}')? {
                self.ambiguous |= met.meets(&twins);
                return Ok(());
            }
        }
    }

    /// After a member or an element: true at the closing bracket, false at a comma.
    fn after_item(&mut self, close: u8) -> Result<bool, Reject> {
        self.space();
        let found = self.peek();
        self.at += usize::from(found.is_some());
        match found {
            Some(b',') => {
                self.space();
                Ok(false)
            }
            Some(c) if c == close => Ok(true),
            Some(_) => {
                self.at -= 1;
                Err(self.reject("a comma or a closing bracket is missing"))
            }
            None => Err(self.reject(CUT)),
        }
    }

    fn array(&mut self, node: usize, depth: usize) -> Result<(), Reject> {
        let here = &self.tree.nodes[node];
        if here.records && self.may_wrap {
            self.wrapped = true;
            let (spans, result) = self.elements();
            self.records.extend(spans.into_iter().filter(|at| self.bytes[*at] == b'{'));
            return result;
        }
        if here.split {
            let (spans, result) = self.elements();
            self.split.extend(here.each.iter().flat_map(|each| spans.iter().map(|at| (*each, *at))));
            return result;
        }
        if !here.wants_elements() && !here.through {
            return self.skip();
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        let mut i = 0;
        loop {
            // Ends: every turn reads an element, or fails.
            let through = here.through && depth > 1 && self.peek() == Some(b'{');
            let start = self.at;
            if here.wants_elements() || !through {
                self.element(here, i, depth - 1)?;
            }
            if through {
                self.at = start;
                self.within += 1;
                self.object(here, depth - 1)?;
                self.within -= 1;
            }
            i += 1;
            if self.after_item(b']')? {
                return Ok(());
            }
        }
    }

    /// One element, walked once for everything that wants it.
    fn element(&mut self, here: &'t Node, i: u32, depth: usize) -> Result<(), Reject> {
        let start = self.at;
        let by_index = here.index.iter().filter(|(k, _)| *k == i).map(|(_, node)| *node);
        let mut walked = false;
        for node in here.each.into_iter().chain(by_index) {
            self.at = start;
            self.value(node, depth)?;
            walked = true;
        }
        for lookup in &here.lookups {
            self.at = start;
            if let Some(node) = self.look_up(&lookup.key, &lookup.cases)? {
                self.at = start;
                self.value(node, depth)?;
                walked = true;
            }
        }
        if walked {
            return Ok(());
        }
        self.at = start;
        self.skip()
    }

    /// The case that the element's `key` names. A second such key is no silent choice between two cases: it is said.
    fn look_up(&mut self, wanted: &str, cases: &[(Box<str>, usize)]) -> Result<Option<usize>, Reject> {
        if self.peek() != Some(b'{') {
            return Ok(None);
        }
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            return Ok(None);
        }
        let (mut met, mut found) = (false, None);
        loop {
            // Ends: every turn reads a key, or fails.
            match self.look_at_member(wanted, &mut met, &mut found) {
                Ok(false) => {}
                // Of an element that breaks off what it is called is known: whoever reads it next meets its end.
                Err(reject) if found.is_none() => return Err(reject),
                Ok(true) | Err(_) => break,
            }
        }
        Ok(found.and_then(|name| cases.iter().find(|(case, _)| **case == *self.key_text(name)).map(|(_, node)| *node)))
    }

    /// One member of an element that is looked up: true behind the last one.
    fn look_at_member(&mut self, wanted: &str, met: &mut bool, found: &mut Option<Span>) -> Result<bool, Reject> {
        let key = self.key()?;
        let is_it = self.key_text(key) == wanted;
        self.ambiguous |= is_it && *met;
        *met |= is_it;
        match is_it && found.is_none() && self.peek() == Some(b'"') {
            true => *found = Some(self.string()?),
            false => self.skip()?,
        }
        self.after_item(b'}')
    }

    /// Where the elements of the array begin, as far as it can be read.
    pub(super) fn elements(&mut self) -> (Vec<usize>, Result<(), Reject>) {
        let mut spans = Vec::new();
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return (spans, Ok(()));
        }
        loop {
            // Ends: every turn reads an element, or fails.
            if self.peek().is_some() {
                spans.push(self.at);
            }
            match self.skip().and_then(|()| self.after_item(b']')) {
                Ok(false) => {}
                Ok(true) => return (spans, Ok(())),
                Err(reject) => return (spans, Err(reject)),
            }
        }
    }

    fn key(&mut self) -> Result<Span, Reject> {
        if self.peek() != Some(b'"') {
            return Err(match self.peek() {
                None => self.reject(CUT),
                Some(_) => self.reject("a key is missing"),
            });
        }
        let key = self.string()?;
        self.space();
        match self.peek() {
            Some(b':') => self.at += 1,
            None => return Err(self.reject(CUT)),
            Some(_) => return Err(self.reject("a colon is missing")),
        }
        self.space();
        Ok(key)
    }

    fn put(&mut self, cell: usize, kind: Kind, at: usize, end: usize) {
        match self.within {
            0 => self.cells.set(cell, kind, at, end),
            _ => self.cells.add(cell, kind, at, end),
        }
    }

    fn key_text(&self, key: Span) -> &str {
        let text = if key.decoded { self.cells.arena.as_str() } else { self.text };
        text.get(key.at..key.end).unwrap_or("")
    }

    fn string_into(&mut self, cell: Option<usize>) -> Result<(), Reject> {
        match cell {
            None => self.pass_string().map(|_| ()),
            Some(cell) => {
                let found = self.string()?;
                let kind = if found.decoded { Kind::Decoded } else { Kind::Text };
                self.put(cell, kind, found.at, found.end);
                Ok(())
            }
        }
    }

    /// The pairs of an event logger's message, as keys of the record.
    fn pairs_into(&mut self) -> Result<(), Reject> {
        let found = self.string()?;
        let kind = if found.decoded { Kind::Decoded } else { Kind::Text };
        let text = if found.decoded { &*self.cells.arena } else { self.text };
        let keys = &self.tree.nodes[ROOT].keys;
        let wanted = keycloak::event(text, (found.at, found.end)).into_iter().filter_map(|(key, value)| {
            match find(keys, &text[key.0..key.1], self.tree.any_case) {
                Found::Exact(_, node) => self.tree.nodes[node].cell.map(|cell| (cell, value)),
                _ => None,
            }
        });
        for (cell, (at, end)) in wanted.collect::<Vec<_>>() {
            self.ambiguous |= self.cells.is_set(cell);
            self.put(cell, kind, at, end);
        }
        Ok(())
    }

    /// The string at hand, its escapes resolved into the arena where it has any.
    fn string(&mut self) -> Result<Span, Reject> {
        let at = self.at + 1;
        let escaped = self.pass_string()?;
        let end = self.at - 1;
        if !escaped {
            return Ok(Span { decoded: false, at, end });
        }
        let from = self.cells.arena.len();
        unescape(&self.text[at..end], &mut self.cells.arena);
        Ok(Span { decoded: true, at: from, end: self.cells.arena.len() })
    }

    /// Moves behind the string at hand; whether it holds an escape.
    fn pass_string(&mut self) -> Result<bool, Reject> {
        let (mut at, mut escaped) = (self.at + 1, false);
        loop {
            // Ends: every turn moves `at` on, or leaves.
            at = quote_or_escape(self.bytes, at);
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escaped);
                }
                Some(_) => {
                    escaped = true;
                    at += 2;
                }
                None => {
                    self.at = self.bytes.len();
                    return Err(self.reject(CUT));
                }
            }
        }
    }

    fn scalar_into(&mut self, cell: Option<usize>) -> Result<(), Reject> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E' | b'I' | b'N') = self.peek() {
            self.at += 1;
        }
        if self.at == self.bytes.len() {
            // no document ends with one: of a number that breaks off nobody knows the rest
            return Err(self.reject(CUT));
        }
        let kind = match &self.bytes[start..self.at] {
            b"null" => Kind::Null,
            b"true" => Kind::True,
            b"false" => Kind::False,
            // Python writes these; they are no JSON, and no reason to lose the line.
            b"NaN" | b"Infinity" | b"-Infinity" => Kind::Null,
            [b'-' | b'0'..=b'9', ..] => Kind::Number,
            _ => {
                self.at = start;
                return Err(self.reject("not a JSON value"));
            }
        };
        if let Some(cell) = cell {
            self.put(cell, kind, start, self.at);
        }
        Ok(())
    }

    /// Moves behind the value at hand, however deep it is, without recursion. Brackets are counted, not matched.
    fn skip(&mut self) -> Result<(), Reject> {
        let mut open = 0usize;
        loop {
            // Ends: every turn moves on by at least one byte, or leaves.
            match self.peek() {
                Some(b'"') => {
                    self.pass_string()?;
                }
                Some(b'{' | b'[') => {
                    open += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if open > 0 => {
                    open -= 1;
                    self.at += 1;
                }
                Some(_) if open > 0 => self.at += 1,
                Some(_) => self.scalar_into(None)?,
                None => return Err(self.reject(CUT)),
            }
            if open == 0 {
                return Ok(());
            }
        }
    }
}

/// Where a string lies: in the text, or in the arena.
#[derive(Clone, Copy)]
struct Span {
    decoded: bool,
    at: usize,
    end: usize,
}
