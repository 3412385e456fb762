//! Every value of one JSON record, beside the tree of wanted names: which of them somebody asks for, and how a profile names the others.
use super::json_keys::{Found, find};
use super::json_path::{Node, ROOT, Tree};
use super::json_text::resolved;
use super::json_walk::DEPTH;
use super::{Held, keycloak};
use crate::framing::json::{Member, blank, next_item, value_end};
use crate::model::limits::RECORD_VALUES;
use std::borrow::Cow;

/// Hands the values of `record`, an object as written, to `each`. Of a list whose elements are records of their own only the element `nth`
/// belongs to this one.
pub(super) fn held(tree: &Tree, record: &str, nth: usize, each: &mut dyn FnMut(Held<'_>)) {
    let mut look = Look { tree, text: record, nth, name: String::new(), room: RECORD_VALUES, each };
    look.value(0, Some(record.len()), &[ROOT], DEPTH);
}

struct Look<'t> {
    tree: &'t Tree,
    text: &'t str,
    nth: usize,
    /// Of the value at hand.
    name: String,
    /// How many more values are handed on.
    room: usize,
    each: &'t mut dyn FnMut(Held<'_>),
}

impl Look<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The value at `at`, for which the nodes stand; one without an end breaks off, and only what is complete in it counts.
    fn value(&mut self, at: usize, end: Option<usize>, nodes: &[usize], depth: usize) {
        match self.byte(at) {
            Some(b'{') if depth > 0 => {
                let nodes = self.as_one_element(at, nodes);
                self.object(at, &nodes, depth);
            }
            Some(b'[') if depth > 0 => self.array(at, end, nodes, depth),
            Some(_) => {
                let Some(written) = end.and_then(|end| self.text.get(at..end)) else { return };
                let nodes = self.as_one_element(at, nodes);
                self.scalar(written, &nodes);
            }
            None => {}
        }
    }

    fn scalar(&mut self, written: &str, nodes: &[usize]) {
        let value = match written.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => resolved(text),
            None => Cow::Borrowed(written),
        };
        if written == "null" || value.is_empty() {
            return;
        }
        let pairs = if nodes.contains(&ROOT) { keycloak::event(&value, (0, value.len())) } else { Vec::new() };
        if pairs.is_empty() {
            let wanted = self.cell(nodes);
            self.give(&value, false, wanted);
        }
        let long = self.name.len();
        for (key, at) in pairs {
            self.push(&value[key.0..key.1]);
            let wanted = self.cell(&self.below(&[ROOT], &value[key.0..key.1]));
            self.give(&value[at.0..at.1], false, wanted);
            self.name.truncate(long);
        }
    }

    fn give(&mut self, value: &str, is_list: bool, wanted: Option<usize>) {
        if self.room > 0 {
            self.room -= 1;
            (self.each)(Held { name: &self.name, value, is_list, wanted });
        }
    }

    fn cell(&self, nodes: &[usize]) -> Option<usize> {
        nodes.iter().find_map(|node| self.tree.nodes[*node].cell)
    }

    /// The nodes under the key `key` of these.
    fn below(&self, nodes: &[usize], key: &str) -> Vec<usize> {
        let of = |node: &usize| match find(&self.tree.nodes[*node].keys, key, self.tree.any_case) {
            Found::Exact(_, node) => Some(node),
            Found::Twin(_) | Found::No => None,
        };
        nodes.iter().filter_map(of).collect()
    }

    /// These nodes, and those of an only element: one value stands where a list is usual.
    fn as_one_element(&self, at: usize, nodes: &[usize]) -> Vec<usize> {
        let mut all = nodes.to_vec();
        nodes.iter().for_each(|node| all.extend(self.elements_of(&self.tree.nodes[*node], 0, at)));
        all
    }

    /// The nodes that stand for the element number `index`, which is at `at`.
    fn elements_of(&self, node: &Node, index: usize, at: usize) -> Vec<usize> {
        let by_index = node.index.iter().filter(|(number, _)| *number as usize == index).map(|(_, node)| *node);
        let case = |lookup: &super::json_path::Lookup| {
            let value = self.text_under(at, &lookup.key)?;
            lookup.cases.iter().find(|(case, _)| **case == *value).map(|(_, node)| *node)
        };
        node.each.into_iter().chain(by_index).chain(node.lookups.iter().filter_map(case)).collect()
    }

    /// The text under `key` of the object at `at`.
    fn text_under(&self, at: usize, key: &str) -> Option<Cow<'_, str>> {
        let bytes = self.text.as_bytes();
        let mut at = (self.byte(at) == Some(b'{')).then(|| blank(bytes, at + 1))?;
        loop {
            // Ends: every turn reads a member, or leaves.
            let member = Member::read(bytes, at).ok()?;
            let end = member.end?;
            let written = self.text.get(member.value..end)?;
            if resolved(member.name) == key {
                return Some(resolved(written.strip_prefix('"')?.strip_suffix('"')?));
            }
            at = next_item(bytes, end)?;
        }
    }

    fn push(&mut self, key: &str) {
        if !self.name.is_empty() {
            self.name.push('.');
        }
        for c in key.chars() {
            if matches!(c, '.' | '[' | '\\') {
                self.name.push('\\');
            }
            self.name.push(c);
        }
    }

    fn object(&mut self, at: usize, nodes: &[usize], depth: usize) {
        let text = self.text;
        let bytes = text.as_bytes();
        let mut at = blank(bytes, at + 1);
        while let Ok(member) = Member::read(bytes, at) {
            // Ends: every turn reads a member, or leaves.
            let key = resolved(member.name);
            let long = self.name.len();
            self.push(&key);
            let below = self.below(nodes, &key);
            self.value(member.value, member.end, &below, depth - 1);
            self.name.truncate(long);
            match member.end.and_then(|end| next_item(bytes, end)) {
                Some(behind) if self.room > 0 => at = behind,
                _ => return,
            }
        }
    }

    fn array(&mut self, at: usize, end: Option<usize>, nodes: &[usize], depth: usize) {
        let bytes = self.text.as_bytes();
        let (mut elements, mut begin) = (Vec::new(), Some(blank(bytes, at + 1)));
        // Ends: every turn passes an element.
        while let Some(at) = begin.filter(|at| !matches!(bytes.get(*at), None | Some(b']'))) {
            let end = value_end(bytes, at);
            elements.push((at, end));
            begin = end.and_then(|end| next_item(bytes, end));
        }
        if elements.is_empty() {
            return;
        }
        let nested = elements.iter().any(|(at, _)| matches!(bytes[*at], b'{' | b'['));
        if !nested {
            let Some(written) = end.and_then(|end| self.text.get(at..end)) else { return };
            let element = |node: &usize| self.elements_of(&self.tree.nodes[*node], 0, elements[0].0);
            let of_elements: Vec<usize> = nodes.iter().flat_map(element).collect();
            // one of its elements is asked for, and no list
            if let Some(cell) = self.cell(&of_elements) {
                return self.give(written, false, Some(cell));
            }
            return self.give(written, true, self.cell(nodes));
        }
        let is_split = nodes.iter().any(|node| self.tree.nodes[*node].split);
        for (index, (at, end)) in elements.into_iter().enumerate() {
            if (is_split && index != self.nth) || self.room == 0 {
                continue;
            }
            let below: Vec<usize> =
                nodes.iter().flat_map(|node| self.elements_of(&self.tree.nodes[*node], index, at)).collect();
            let long = self.name.len();
            let called = self.called(nodes, at);
            self.name.push_str(&called);
            self.value(at, end, &below, depth - 1);
            self.name.truncate(long);
        }
    }

    /// How the element at `at` is told from others: by the key by which the profile looks for some of them.
    fn called(&self, nodes: &[usize], at: usize) -> String {
        let mut lookups = nodes.iter().flat_map(|node| &self.tree.nodes[*node].lookups);
        let by = lookups.find_map(|lookup| Some((&lookup.key, self.text_under(at, &lookup.key)?)));
        by.filter(|(_, value)| !value.contains(']'))
            .map_or_else(|| "[]".to_owned(), |(key, value)| format!("[{key}={value}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Wish;
    use super::*;

    /// The values of `record` as `name=value`, those that are asked for with a mark.
    fn values(wish: Wish, record: &str, nth: usize) -> Vec<String> {
        let mut out = Vec::new();
        held(&Tree::new(&wish).unwrap(), record, nth, &mut |held| {
            let mark = if held.wanted.is_some() { "*" } else { "" };
            let list = if held.is_list { "@" } else { "" };
            out.push(format!("{mark}{list}{}={}", held.name, held.value));
        });
        out
    }

    fn wish(fields: &[&str]) -> Wish {
        Wish { fields: fields.iter().map(|f| (*f).to_owned()).collect(), ..Wish::default() }
    }

    #[test]
    fn what_is_asked_for_is_told_from_what_is_not() {
        let record =
            r#"{"a":{"b":"x","c.d":"é\n"},"n":1.5,"t":true,"none":null,"text":"null","e":"","l":["p","q"],"o":{}}"#;
        assert_eq!(
            values(wish(&["a.b", "n", "a"]), record, 0),
            ["*a.b=x", "a.c\\.d=é\n", "*n=1.5", "t=true", "text=null", "@l=[\"p\",\"q\"]"]
        );
        assert_eq!(values(wish(&[r"a.c\.d", "l", "t"]), record, 0)[1..4], ["*a.c\\.d=é\n", "n=1.5", "*t=true"]);
        assert_eq!(values(wish(&["l"]), record, 0)[5], "*@l=[\"p\",\"q\"]");
        assert_eq!(values(wish(&["l[0]"]), record, 0)[5], "*l=[\"p\",\"q\"]");
    }

    #[test]
    fn elements_are_named_as_a_profile_finds_them() {
        let record = r#"{"t":[{"type":"User","id":"u"},{"type":"App","id":"a"}],"l":[{"x":1},{"x":2}]}"#;
        assert_eq!(
            values(wish(&["t[type=User].id", "l[0].x"]), record, 0),
            [
                "t[type=User].type=User",
                "*t[type=User].id=u",
                "t[type=App].type=App",
                "t[type=App].id=a",
                "*l[].x=1",
                "l[].x=2"
            ]
        );
        assert_eq!(values(wish(&["l[].x"]), record, 0)[4..], ["*l[].x=1", "*l[].x=2"]);
        // an object in place of the list
        assert_eq!(values(wish(&["l[].x"]), r#"{"l":{"x":1,"y":2}}"#, 0), ["*l.x=1", "l.y=2"]);
    }

    #[test]
    fn wrappers_and_lists_of_acts_are_looked_into_as_they_are_read() {
        let inside = Wish { inside: vec!["detail".into(), "message".into()], ..wish(&["a", "detail.b", "type"]) };
        assert_eq!(
            values(inside.clone(), r#"{"detail":{"a":1,"b":2,"c":3}}"#, 0),
            ["*detail.a=1", "*detail.b=2", "detail.c=3"]
        );
        let event = r#"{"message":"type=\"LOGIN\", ip=\"x\""}"#;
        assert_eq!(values(inside, event, 0), ["*message.type=LOGIN", "message.ip=x"]);
        let split = Wish { split: Some("events".into()), ..wish(&["id", "events[].name"]) };
        let record = r#"{"id":7,"events":[{"name":"a"},{"name":"b","p":1}]}"#;
        assert_eq!(values(split.clone(), record, 0), ["*id=7", "*events[].name=a"]);
        assert_eq!(values(split, record, 1), ["*id=7", "*events[].name=b", "events[].p=1"]);
    }

    #[test]
    fn of_a_record_that_breaks_off_what_stands_before_the_cut_is_there() {
        assert_eq!(values(wish(&["a"]), r#"{"a":"x","b":{"c":1,"d":"br"#, 0), ["*a=x", "b.c=1"]);
        let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
        assert_eq!(values(wish(&[]), &deep, 0).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(text in "[\\[{]([\\[{}\\],:1\\\\]|\"a\"|\"b\":){0,40}", nth in 0_usize..3) {
            values(Wish { split: Some("b".into()), ..wish(&["a", "a[0]", "b[a=a].a"]) }, &text, nth);
        }
    }
}
