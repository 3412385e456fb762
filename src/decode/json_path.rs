//! The names of wanted JSON fields, compiled into a tree that is walked beside the text.
//!
//! | name               | what it finds                                                            |
//! | ------------------ | ------------------------------------------------------------------------ |
//! | `a.b`              | key `b` of the object under key `a`; a dot inside a key is written `\.`    |
//! | `a[0].b`           | the first element of an array (an object in place of the array counts as it) |
//! | `a[].b`            | the first element that has it and where it is not null                    |
//! | `a[name=x].value`  | the element whose `name` is `x`                                           |
use super::Wish;

/// One place in the tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// In the order of their lengths.
    pub keys: Vec<(Box<str>, usize)>,
    pub index: Vec<(u32, usize)>,
    pub each: Option<usize>,
    pub lookups: Vec<Lookup>,
    /// The cell that takes the value found here.
    pub cell: Option<usize>,
    /// Policies ask for its keys: where an array is found here, each element that is an object is looked into.
    pub through: bool,
    /// Every element of the array found here is a record.
    pub records: bool,
    /// Every element of the array found here is a record that shares its surroundings.
    pub split: bool,
}

impl Node {
    pub fn wants_elements(&self) -> bool {
        self.each.is_some() || !self.index.is_empty() || !self.lookups.is_empty()
    }
}

/// Elements found by the value of one of their keys.
#[derive(Debug)]
pub(super) struct Lookup {
    pub key: Box<str>,
    pub cases: Vec<(Box<str>, usize)>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(u32),
    Each,
    Lookup(String, String),
}

/// The number of a tree's root.
pub(super) const ROOT: usize = 0;

/// A tree of wanted names.
#[derive(Debug)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    /// Cells that are asked for under two names: the second one is a copy of the first.
    pub same: Vec<(usize, usize)>,
    /// Whether keys compare in any case.
    pub any_case: bool,
}

impl Tree {
    pub fn new(wish: &Wish) -> Result<Tree, String> {
        let mut tree = Tree { nodes: vec![Node::default()], same: Vec::new(), any_case: wish.any_case };
        for (cell, name) in wish.fields.iter().enumerate() {
            let path = steps(name)?;
            // Below a wrapper lies the record itself: its name in front of a field says nothing more.
            let wrapped = |step: &Step| matches!(step, Step::Key(key) if wish.inside.contains(key));
            let Some(own) = path.iter().position(|step| !wrapped(step)) else {
                continue;
            };
            let at = tree.reach(&path[own..]);
            if wish.through.contains(&cell) {
                tree.look_through(&path[own..]);
            }
            match tree.nodes[at].cell {
                None => tree.nodes[at].cell = Some(cell),
                Some(first) => tree.same.push((first, cell)),
            }
        }
        for name in &wish.records {
            let at = tree.reach(&steps(name)?);
            tree.nodes[at].records = true;
        }
        if let Some(name) = &wish.split {
            let mut path = steps(name)?;
            let at = tree.reach(&path);
            tree.nodes[at].split = true;
            path.push(Step::Each);
            tree.reach(&path);
        }
        for name in &wish.inside {
            match steps(name)?.as_slice() {
                [Step::Key(key)] if !tree.nodes[ROOT].keys.iter().any(|(k, _)| **k == **key) => {
                    tree.nodes[ROOT].keys.push((key.as_str().into(), ROOT));
                }
                _ => {
                    return Err(format!("`inside`: {name} must be one key that no field begins with"));
                }
            }
        }
        // so that among many only those of a length are compared
        tree.nodes.iter_mut().for_each(|node| node.keys.sort_by_key(|(key, _)| key.len()));
        Ok(tree)
    }

    /// Marks the nodes on the way: arrays on it are looked through.
    fn look_through(&mut self, path: &[Step]) {
        for end in 1..path.len() {
            if matches!(path[end], Step::Key(_)) {
                let at = self.reach(&path[..end]);
                self.nodes[at].through = true;
            }
        }
    }

    fn reach(&mut self, path: &[Step]) -> usize {
        let mut at = 0;
        for step in path {
            let known = match step {
                Step::Key(key) => self.nodes[at].keys.iter().find(|(k, _)| **k == **key).map(|(_, n)| *n),
                Step::Index(i) => self.nodes[at].index.iter().find(|(k, _)| k == i).map(|(_, n)| *n),
                Step::Each => self.nodes[at].each,
                Step::Lookup(key, value) => self.nodes[at]
                    .lookups
                    .iter()
                    .filter(|l| *l.key == **key)
                    .find_map(|l| l.cases.iter().find(|(v, _)| **v == **value).map(|(_, n)| *n)),
            };
            at = known.unwrap_or_else(|| self.grow(at, step));
        }
        at
    }

    fn grow(&mut self, at: usize, step: &Step) -> usize {
        let new = self.nodes.len();
        self.nodes.push(Node::default());
        let node = &mut self.nodes[at];
        match step {
            Step::Key(key) => node.keys.push((key.as_str().into(), new)),
            Step::Index(i) => node.index.push((*i, new)),
            Step::Each => node.each = Some(new),
            Step::Lookup(key, value) => {
                let case = (value.as_str().into(), new);
                match node.lookups.iter_mut().find(|l| *l.key == **key) {
                    Some(lookup) => lookup.cases.push(case),
                    None => node.lookups.push(Lookup { key: key.as_str().into(), cases: vec![case] }),
                }
            }
        }
        new
    }
}

/// Whether `name` can be read as in the table above.
pub fn is_path(name: &str) -> bool {
    steps(name).is_ok()
}

fn steps(name: &str) -> Result<Vec<Step>, String> {
    let bad = || format!("{name:?} is no field name: see the table of names (a.b, a[0].b, a[].b, a[name=x].value)");
    let (mut out, mut key, mut rest) = (Vec::new(), String::new(), name);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let next = rest.chars().next().ok_or_else(bad)?;
                key.push(next);
                rest = &rest[next.len_utf8()..];
            }
            '.' => {
                if key.is_empty() && !matches!(out.last(), Some(Step::Each | Step::Index(_) | Step::Lookup(..))) {
                    return Err(bad());
                }
                take(&mut out, &mut key);
            }
            '[' => {
                take(&mut out, &mut key);
                let (inner, after) = rest.split_once(']').ok_or_else(bad)?;
                out.push(match inner.split_once('=') {
                    Some((key, value)) => Step::Lookup(key.into(), value.into()),
                    None if inner.is_empty() => Step::Each,
                    None => Step::Index(inner.parse().map_err(|_| bad())?),
                });
                rest = after;
            }
            c => key.push(c),
        }
    }
    take(&mut out, &mut key);
    if out.is_empty() { Err(bad()) } else { Ok(out) }
}

fn take(out: &mut Vec<Step>, key: &mut String) {
    if !key.is_empty() {
        out.push(Step::Key(std::mem::take(key)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let key = |k: &str| Step::Key(k.into());
        assert_eq!(steps("a.b"), Ok(vec![key("a"), key("b")]));
        assert_eq!(steps(r"a\.b"), Ok(vec![key("a.b")]));
        assert_eq!(steps("a[0].b"), Ok(vec![key("a"), Step::Index(0), key("b")]));
        assert_eq!(steps("a[].b"), Ok(vec![key("a"), Step::Each, key("b")]));
        let lookup = Step::Lookup("name".into(), "x y".into());
        assert_eq!(steps("a[name=x y].v"), Ok(vec![key("a"), lookup, key("v")]));
        for bad in ["", "a..b", "a[x]", "a[0", ".a", "a\\"] {
            assert!(steps(bad).is_err(), "{bad}");
        }
    }
}
