//! What a test of a policy expects: findings, when and of whom, and the orders that they lead to.
use super::ours::asks;
use super::timeline::{EVENTS, PolicyTest, offset};
use super::wildcard::Wildcard;
use crate::model::Millis;
use crate::model::finding::Ask;
use crate::syntax::error::Fault;
use crate::syntax::range::length_text;
use crate::syntax::yaml::{Kind, Node, only};

/// One finding that there must be.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its time, from the beginning of the timeline.
    pub at: Option<Millis>,
    /// Its entity.
    pub entity: Option<Entity>,
}

/// An entity as a test writes it: `actor.user.name=ana`, with `*`. A finding hides the id of a session: the test may
/// write it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    written: String,
    label: Wildcard,
    /// The id of the session that it names.
    pub session: Option<String>,
}

/// What stands before the id of a session in an entity, and what a finding shows in its place.
const SESSION: (&str, &str) = ("actor.session.uid=", "(the session)");

impl Entity {
    fn new(written: &str) -> Entity {
        let named = written.split(' ').find_map(|part| part.strip_prefix(SESSION.0));
        let session = named.filter(|id| !id.starts_with('(') && !id.contains('*')).map(str::to_owned);
        let label = match &session {
            Some(id) => written.replace(&format!("{}{id}", SESSION.0), &format!("{}{}", SESSION.0, SESSION.1)),
            None => written.to_owned(),
        };
        Entity { written: written.to_owned(), label: Wildcard::new(&label), session }
    }

    /// Whether a finding's entity reads so, sessions left out: those are told apart by what stands for them.
    pub fn matches(&self, label: &str) -> bool {
        self.label.matches(label)
    }
}

impl std::fmt::Display for Expected {
    /// For a person: `at 14d5m of actor.user.name=ana`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at.map(|at| format!("at {}", length_text(at)));
        let of = self.entity.as_ref().map(|entity| format!("of {}", entity.written));
        let said: Vec<String> = [at, of].into_iter().flatten().collect();
        f.write_str(if said.is_empty() { "at any time".to_owned() } else { said.join(" ") }.as_str())
    }
}

/// Reads `finds`: a number, one finding, or a list of findings.
pub(super) fn finds(node: &Node, test: &mut PolicyTest) -> Result<(), Fault> {
    let list = match &node.kind {
        Kind::List(list) => &list[..],
        Kind::Map(_) => std::slice::from_ref(node),
        _ => {
            test.finds = node.whole("finds", 0, EVENTS as i64)? as u32;
            return Ok(());
        }
    };
    test.finds = list.len() as u32;
    test.expected = list.iter().map(expected).collect::<Result<_, _>>()?;
    Ok(())
}

fn expected(node: &Node) -> Result<Expected, Fault> {
    only(node.map("a finding")?, &["at", "entity"], "a finding that is expected")?;
    let entity = node.get("entity").map(|n| n.text("entity")).transpose()?;
    Ok(Expected {
        at: node.get("at").map(|n| offset(n, "at")).transpose()?,
        entity: entity.as_deref().map(Entity::new),
    })
}

/// Reads `orders`: actions with their targets, each once.
pub(super) fn orders(node: &Node, finds: u32) -> Result<Vec<Ask>, Fault> {
    let orders = asks(node)?;
    match finds == 0 && !orders.is_empty() {
        true => Err(Fault::at(node.line, "a test without findings can have no `orders`")),
        false => Ok(orders),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_they_are_written() {
        for text in ["0m", "5m", "14d5m", "1d2h3m4s", "90d"] {
            let node = Node { line: 1, kind: Kind::Text(text.into()) };
            assert_eq!(length_text(offset(&node, "at").unwrap()), text);
        }
        assert_eq!((length_text(Millis(61_001)), length_text(Millis(-60_000))), ("1m1s1ms".into(), "-1m".into()));
    }

    #[test]
    fn a_session_may_be_named_by_its_id() {
        let entity = Entity::new("actor.session.uid=s2 src_endpoint.ip=192.0.2.1");
        assert_eq!(entity.session.as_deref(), Some("s2"));
        assert!(entity.matches("actor.session.uid=(the session) src_endpoint.ip=192.0.2.1"));
        assert!(Entity::new("actor.user.name=*").matches("actor.user.name=ana"));
        assert!(!Entity::new("actor.user.name=an").matches("actor.user.name=ana"));
    }
}
