//! [`Cell`]: what is kept of one entity for one correlation; this is also the row that is stored.
use super::absence::Silence;
use super::baseline::{Past, Sketch};
use super::crowd::Users;
use super::new_value::Values;
use super::travel::Places;
use super::window::{Fired, Window};
use crate::model::{EventTime, Text};
use serde::{Deserialize, Serialize};

/// What is kept of one entity for one correlation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cell {
    /// Contributions in event time.
    Window(Window),
    /// Known values.
    Values(Values),
    /// Who uses a value.
    Users(Users),
    /// Places and ways.
    Places(Places),
    /// Amounts of a window, and of past days.
    Past(Past),
    /// Peers' amounts.
    Sketch(Sketch),
    /// When the expected came last.
    Silence(Silence),
    /// Names of an id.
    Names(Names),
    /// A session that a server named.
    Named(Named),
}

/// The names of one id of one trail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The first that it acted under.
    pub first: Text,
    /// The last.
    pub last: Text,
}

/// A session that a server named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// When it did so first.
    pub since: EventTime,
}

/// What a cell can be.
pub trait CellKind: Default {
    /// What is kept, where the cell is of this kind.
    fn of(cell: &mut Cell) -> Option<&mut Self>;

    /// A cell of it.
    fn into_cell(self) -> Cell;

    /// It alone, where the cell is of this kind.
    fn out_of(cell: Cell) -> Option<Self>;
}

macro_rules! kinds {
    ($($kind:ident),*) => { $(
        impl CellKind for $kind {
            fn of(cell: &mut Cell) -> Option<&mut $kind> {
                match cell {
                    Cell::$kind(kept) => Some(kept),
                    _ => None,
                }
            }
            fn into_cell(self) -> Cell {
                Cell::$kind(self)
            }
            fn out_of(cell: Cell) -> Option<$kind> {
                match cell {
                    Cell::$kind(kept) => Some(kept),
                    _ => None,
                }
            }
        }
    )* };
}
kinds!(Window, Values, Users, Places, Past, Sketch, Silence, Names, Named);

/// What is kept there, made anew where there is nothing of its kind.
pub fn get<T: CellKind>(cell: &mut Option<Cell>) -> &mut T {
    if cell.as_mut().and_then(T::of).is_none() {
        *cell = Some(T::default().into_cell());
    }
    cell.as_mut().and_then(T::of).unwrap_or_else(|| unreachable!("it was just put there"))
}

impl Cell {
    /// In which episodes which policies have fired; nothing of what no policy fires on.
    pub(crate) fn fired(&mut self) -> Option<&mut Fired> {
        match self {
            Cell::Window(kept) => Some(kept.fired_mut()),
            Cell::Values(kept) => Some(kept.fired_mut()),
            Cell::Users(kept) => Some(kept.fired_mut()),
            Cell::Places(kept) => Some(kept.fired_mut()),
            Cell::Past(kept) => Some(kept.fired_mut()),
            Cell::Silence(kept) => Some(kept.fired_mut()),
            Cell::Sketch(_) | Cell::Names(_) | Cell::Named(_) => None,
        }
    }

    /// What a finding of that time showed of whom it is about was honest: it is learned, and nothing else. Says whether that changes
    /// anything.
    pub(crate) fn release(&mut self, shown: EventTime) -> bool {
        match self {
            Cell::Values(values) => values.release(shown),
            Cell::Past(past) => past.release(shown),
            Cell::Places(places) => places.release(shown),
            Cell::Window(_) | Cell::Users(_) | Cell::Sketch(_) | Cell::Silence(_) | Cell::Names(_) | Cell::Named(_) => {
                false
            }
        }
    }
}
