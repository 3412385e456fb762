//! How records are stored: cells one after another, each with where it resides; and records one after another, each with its key.
use super::quota::Residency;
use super::{EntityKey, Unreadable};
use serde::{Deserialize, Serialize, Serializer};

/// A cell within a stored record.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredCell<'b> {
    /// Of which policy: see [`super::CellKey`].
    pub prefix: [u8; 8],
    /// Where it resides among those of its policy.
    pub residency: Residency,
    /// The cell, encoded.
    #[serde(serialize_with = "bytes")]
    pub cell: &'b [u8],
}

/// A stored record: its cells, one after another, as [`cells`] reads them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredRecord<'b> {
    /// Of whom.
    pub entity: [u8; 16],
    /// Its cells.
    #[serde(serialize_with = "bytes")]
    pub cells: &'b [u8],
}

fn bytes<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytes)
}

/// Appends a cell to those of its record.
pub fn put_cell(cell: &StoredCell<'_>, into: &mut Vec<u8>) {
    put(cell, into);
}

/// Appends a record to others.
pub fn put_record(entity: &EntityKey, cells: &[u8], into: &mut Vec<u8>) {
    put(&StoredRecord { entity: entity.0, cells }, into);
}

fn put(what: &impl Serialize, into: &mut Vec<u8>) {
    // a growing vector takes whatever it is given
    if let Ok(longer) = postcard::to_extend(what, std::mem::take(into)) {
        *into = longer;
    }
}

/// The cells of a record, in the order in which they stand; an error, and nothing more, where bytes are not a cell.
pub fn cells(bytes: &[u8]) -> impl Iterator<Item = Result<StoredCell<'_>, Unreadable>> {
    each(bytes)
}

/// The records that stand one after another; an error, and nothing more, where bytes are not a record.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<StoredRecord<'_>, Unreadable>> {
    each(bytes)
}

fn each<'b, T: Deserialize<'b>>(mut rest: &'b [u8]) -> impl Iterator<Item = Result<T, Unreadable>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match postcard::take_from_bytes(rest) {
            Ok((one, behind)) => {
                rest = behind;
                Some(Ok(one))
            }
            Err(_) => {
                rest = &[];
                Some(Err(Unreadable))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::quota::TrustTier;
    use super::*;
    use crate::model::EventTime;

    #[test]
    fn records_and_their_cells_are_read_back_and_a_torn_one_is_an_error() {
        let residency = |n: i64| Residency {
            tier: TrustTier::ALL[n as usize % 3],
            segment: n as u32 * 1000,
            born: EventTime(n),
            expires: EventTime(i64::MAX - n),
        };
        let long = vec![7; 300];
        let written: Vec<StoredCell<'_>> = (0..4)
            .map(|n| StoredCell { prefix: [n; 8], residency: residency(n.into()), cell: &long[..usize::from(n) * 100] })
            .collect();
        let (mut record, mut body) = (Vec::new(), Vec::new());
        written.iter().for_each(|cell| put_cell(cell, &mut record));
        put_record(&EntityKey([1; 16]), &record, &mut body);
        put_record(&EntityKey([2; 16]), &[], &mut body);
        let read: Vec<StoredRecord<'_>> = records(&body).map(|record| record.expect("it was just written")).collect();
        assert_eq!(read.iter().map(|record| record.entity[0]).collect::<Vec<_>>(), [1, 2]);
        assert!(cells(read[0].cells).map(|cell| cell.expect("it was just written")).eq(written));
        assert_eq!(cells(read[1].cells).count(), 0);
        let torn: Vec<_> = records(&body[..body.len() - 1]).collect();
        assert_eq!(torn.len(), 2);
        assert_eq!(torn[1], Err(Unreadable));
    }
}
