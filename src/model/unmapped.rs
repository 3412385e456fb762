//! [`Unmapped`]: the values of the raw fields that policies name, as their record has them.
use super::Text;

/// The value of a raw field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawValue {
    /// The field is there, and null.
    Null,
    /// Text, a number or a truth value as written, or the JSON text of an object.
    Text(Text),
    /// The elements of a list; those that are objects as their JSON text.
    List(Box<[Text]>),
}

impl From<&str> for RawValue {
    fn from(text: &str) -> RawValue {
        RawValue::Text(text.into())
    }
}

/// Values by the index of their field in [`crate::policy::PolicySet::raw_fields`]. Sparse: of thousands of fields that the
/// policies of a site name, a record has a handful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmapped(Vec<(u32, RawValue)>);

impl Unmapped {
    /// The value of the field of that index; nothing where the record has no such field.
    pub fn get(&self, index: usize) -> Option<&RawValue> {
        let at = self.0.binary_search_by_key(&index, |(i, _)| *i as usize).ok()?;
        Some(&self.0[at].1)
    }

    /// Sets the value of the field of that index. Cheap where indices come in ascending order.
    pub fn set(&mut self, index: usize, value: RawValue) {
        match self.0.binary_search_by_key(&index, |(i, _)| *i as usize) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (index as u32, value)),
        }
    }

    /// All values, each with the index of its field, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &RawValue)> {
        self.0.iter().map(|(index, value)| (*index as usize, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_index_in_whatever_order_they_were_set() {
        let mut values = Unmapped::default();
        for (index, text) in [(900, "c"), (3, "a"), (40, "b"), (3, "d")] {
            values.set(index, text.into());
        }
        assert_eq!(values.get(3), Some(&"d".into()));
        assert_eq!((values.get(0), values.get(41)), (None, None));
        assert_eq!(values.iter().map(|(index, _)| index).collect::<Vec<_>>(), [3, 40, 900]);
    }
}
