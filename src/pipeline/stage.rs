//! Loading before applying, as types: what an input may change is supplied before it can be applied.
//!
//! [`Outcome::stage`] says what of the stored state an input may change and is not at hand. [`Missing::supply`] takes that in, in two
//! rounds at most: first what actors' ids were called and which sessions a server has named, for only that says what the events touch,
//! and then the rest. [`Supplied`] alone can be applied, and nothing else makes one. [`Outcome::fold`] goes that way with a [`Store`]; everybody who folds does.
use super::{Outcome, Prepared};
use crate::detect::{CellRow, EntityKey, Unreadable};
use crate::model::Input;

/// The record of one entity as it is stored: its cells, none where nothing is stored.
pub type Stored = Vec<CellRow>;

/// Where state is kept that is not at hand.
pub trait Store {
    /// Why it can't be read.
    type Error;

    /// What is stored of each of the entities, in their order.
    ///
    /// # Errors
    /// It can't be read.
    fn stored(&self, entities: &[EntityKey]) -> Result<Vec<Stored>, Self::Error>;

    /// What it gave is nothing that this version reads, or is not there for every entity.
    fn unreadable(&self) -> Self::Error;
}

/// Where nothing is stored.
pub struct Empty;

impl Store for Empty {
    type Error = Unreadable;

    fn stored(&self, entities: &[EntityKey]) -> Result<Vec<Stored>, Unreadable> {
        Ok(entities.iter().map(|_| Stored::new()).collect())
    }

    fn unreadable(&self) -> Unreadable {
        Unreadable
    }
}

/// An input before it is applied.
pub enum Staged {
    /// It may change state that is not at hand.
    Missing(Missing),
    /// All that it may change is at hand.
    Supplied(Supplied),
}

/// An input some of whose state is not at hand.
pub struct Missing {
    outcome: Outcome,
    input: Input<Prepared>,
    entities: Vec<EntityKey>,
    round: Round,
}

/// What is supplied.
enum Round {
    /// What the actors' ids were called, and which sessions a server has named.
    Names,
    /// What the events touch under these names.
    Touched,
}

/// An input all of whose state is at hand.
pub struct Supplied {
    outcome: Outcome,
    input: Input<Prepared>,
}

impl Missing {
    /// Whose records are missing.
    pub fn entities(&self) -> &[EntityKey] {
        &self.entities
    }

    /// Takes in what is stored of each of [`Missing::entities`], in their order.
    ///
    /// # Errors
    /// It is not there for every entity, or nothing that this version reads.
    pub fn supply(mut self, stored: Vec<Stored>) -> Result<Staged, Unreadable> {
        if stored.len() != self.entities.len() {
            return Err(Unreadable);
        }
        for (entity, cells) in self.entities.into_iter().zip(stored) {
            let cells = cells.iter().map(|row| (row.key.prefix, row.residency, &row.cell[..]));
            self.outcome.core.state.load(entity, cells)?;
        }
        Ok(match self.round {
            Round::Names => self.outcome.stage_named(self.input),
            Round::Touched => Staged::Supplied(Supplied { outcome: self.outcome, input: self.input }),
        })
    }
}

impl Supplied {
    /// Folds the input in.
    #[must_use]
    pub fn apply(self) -> Outcome {
        self.outcome.advance(self.input)
    }
}

impl Outcome {
    /// Folds one input in, with what `store` has of the state that it may change.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn fold<S: Store>(self, input: Input<Prepared>, store: &S) -> Result<Outcome, S::Error> {
        let mut staged = self.stage(input);
        loop {
            let missing = match staged {
                Staged::Supplied(supplied) => return Ok(supplied.apply()),
                Staged::Missing(missing) => missing,
            };
            let stored = store.stored(missing.entities())?;
            staged = missing.supply(stored).map_err(|Unreadable| store.unreadable())?;
        }
    }

    /// Looks at what of the stored state an input may change.
    #[must_use]
    pub fn stage(self, input: Input<Prepared>) -> Staged {
        if let Input::Lines(batches) | Input::Learn(batches) = &input {
            let ready = batches.iter().flat_map(|batch| batch.ready());
            let entities =
                self.core.state.missing_names(ready.flat_map(|ready| [ready.names, ready.session]).flatten());
            if !entities.is_empty() {
                return Staged::Missing(Missing { outcome: self, input, entities, round: Round::Names });
            }
        }
        self.stage_named(input)
    }

    /// The same, once it is known what the actors' ids were called.
    fn stage_named(mut self, mut input: Input<Prepared>) -> Staged {
        if let Input::Lines(batches) | Input::Learn(batches) = &mut input {
            self.confirm(batches);
            self.name(batches);
        }
        let entities = self.needs(&input);
        match entities.is_empty() {
            true => Staged::Supplied(Supplied { outcome: self, input }),
            false => Staged::Missing(Missing { outcome: self, input, entities, round: Round::Touched }),
        }
    }
}
