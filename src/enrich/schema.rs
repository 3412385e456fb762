//! Schemas of MaxMind-format databases: under which keys their records have a country, a place, or an AS.
use crate::model::Text;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt::{Formatter, Result as FmtResult};

/// What a database may give of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The country.
    Country,
    /// Where it is: coordinates.
    Place,
    /// The number of the autonomous system that announces it.
    AsNumber,
    /// Who owns that.
    AsOwner,
}

impl Known {
    /// All of them.
    pub const ALL: [Known; 4] = [Known::Country, Known::Place, Known::AsNumber, Known::AsOwner];

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Known::Country => "country",
            Known::Place => "place",
            Known::AsNumber => "AS number",
            Known::AsOwner => "network owner",
        }
    }
}

/// What the records of a database give.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given([bool; 4]);

impl Given {
    pub fn add(&mut self, row: &Row<'_>) {
        let has = [row.country().is_some(), row.place().is_some(), row.as_number().is_some(), row.as_owner().is_some()];
        self.0.iter_mut().zip(has).for_each(|(given, has)| *given |= has);
    }

    pub fn has(self, known: Known) -> bool {
        self.0[known as usize]
    }

    pub fn is_all(self) -> bool {
        self.0.iter().all(|given| *given)
    }

    pub fn is_nothing(self) -> bool {
        !self.0.iter().any(|given| *given)
    }
}

/// The keys that are read, a dot between those of maps in maps: MaxMind's and DB-IP's, then the flat ones of IPinfo and ip-location-db.
const KEYS: &[&str] = &[
    "country.iso_code",
    "country_code",
    "country",
    "registered_country.iso_code",
    "city.names.en",
    "city",
    "location.latitude",
    "latitude",
    "lat",
    "location.longitude",
    "longitude",
    "lng",
    "location.accuracy_radius",
    "radius",
    "autonomous_system_number",
    "traits.autonomous_system_number",
    "asn",
    "as_number",
    "autonomous_system_organization",
    "traits.autonomous_system_organization",
    "as_name",
    "as_organization",
    "isp",
    "name",
];

/// What a record has under the keys that are read; what else it holds, or holds in another shape, is passed over.
#[derive(Debug, Default)]
pub(super) struct Row<'a>([Option<Value<'a>>; KEYS.len()]);

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Text(&'a str),
    Number(f64),
}

impl<'a> Row<'a> {
    fn values(&self, keys: &'static [&'static str]) -> impl Iterator<Item = Value<'a>> {
        keys.iter().filter_map(|key| KEYS.iter().position(|known| known == key).and_then(|n| self.0[n]))
    }

    fn text(&self, keys: &'static [&'static str]) -> Option<&'a str> {
        self.values(keys).find_map(|value| match value {
            Value::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Number(_) => None,
        })
    }

    fn number(&self, keys: &'static [&'static str]) -> Option<f64> {
        let of = |value| match value {
            Value::Number(n) => Some(n),
            Value::Text(text) => text.parse().ok(),
        };
        self.values(keys).filter_map(of).find(|n: &f64| n.is_finite())
    }

    /// The country's code: a name is none.
    pub fn country(&self) -> Option<Text> {
        let keys = &["country.iso_code", "country_code", "country", "registered_country.iso_code"];
        let is_code = |code: &&str| code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic());
        let text = |value| match value {
            Value::Text(text) => Some(text),
            Value::Number(_) => None,
        };
        self.values(keys).filter_map(text).find(is_code).map(|code| code.to_ascii_uppercase().into())
    }

    /// The city's English name.
    pub fn city(&self) -> Option<&'a str> {
        self.text(&["city.names.en", "city"])
    }

    /// Latitude, longitude, and the radius in km where one is stated.
    pub fn place(&self) -> Option<(f64, f64, Option<f64>)> {
        let latitude = self.number(&["location.latitude", "latitude", "lat"]).filter(|n| n.abs() <= 90.0)?;
        let longitude = self.number(&["location.longitude", "longitude", "lng"]).filter(|n| n.abs() <= 180.0)?;
        Some((latitude, longitude, self.number(&["location.accuracy_radius", "radius"])))
    }

    /// The AS number, as a number or as `AS64500`.
    pub fn as_number(&self) -> Option<u32> {
        let keys = &["autonomous_system_number", "traits.autonomous_system_number", "asn", "as_number"];
        self.values(keys).find_map(|value| match value {
            // `as` saturates: a number that is none of an AS becomes the nearest that could be
            Value::Number(n) => Some(n as u32).filter(|n| *n > 0),
            Value::Text(text) => {
                let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
                digits.parse().ok().filter(|n| *n > 0)
            }
        })
    }

    /// Who owns the AS.
    pub fn as_owner(&self) -> Option<&'a str> {
        let keys = &[
            "autonomous_system_organization",
            "traits.autonomous_system_organization",
            "as_name",
            "as_organization",
            "isp",
        ];
        // IPinfo's database of AS calls it by no other name
        self.text(keys).or_else(|| self.text(&["asn"]).and_then(|_| self.text(&["name"])))
    }
}

impl<'de> serde::Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row<'de>, D::Error> {
        let mut row = Row::default();
        Part { path: String::new(), row: &mut row }.deserialize(deserializer)?;
        Ok(row)
    }
}

/// A part of a record, and the key that leads to it.
struct Part<'r, 'a> {
    path: String,
    row: &'r mut Row<'a>,
}

impl<'a> Part<'_, 'a> {
    fn keep(self, value: Value<'a>) {
        if let Some(n) = KEYS.iter().position(|key| *key == self.path) {
            self.row.0[n] = Some(value);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Part<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str("a record")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.keep(Value::Text(text));
        Ok(())
    }

    fn visit_u64<E>(self, n: u64) -> Result<(), E> {
        self.keep(Value::Number(n as f64));
        Ok(())
    }

    fn visit_i64<E>(self, n: i64) -> Result<(), E> {
        self.keep(Value::Number(n as f64));
        Ok(())
    }

    fn visit_f64<E>(self, n: f64) -> Result<(), E> {
        self.keep(Value::Number(n));
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<&'de str>()? {
            let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
            let leads =
                |known: &&str| known.strip_prefix(&*path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            match KEYS.iter().any(leads) {
                true => map.next_value_seed(Part { path, row: &mut *self.row })?,
                false => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    fn row(text: &str) -> (Option<String>, Option<u32>, Option<String>, Option<String>, bool) {
        let row = Row::deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (
            row.country().map(|c| c.to_string()),
            row.as_number(),
            owned(row.as_owner()),
            owned(row.city()),
            row.place().is_some_and(|(lat, long, _)| (lat, long) == (54.3, 10.1)),
        )
    }

    #[test]
    fn records_of_every_schema_are_read() {
        let some = |text: &str| Some(text.to_owned());
        for (text, is) in [
            (
                r#"{"country":{"iso_code":"DE","names":{"en":"Germany"}},"city":{"names":{"en":"Kiel"}},"location":{"latitude":54.3,"longitude":10.1,"accuracy_radius":20},"subdivisions":[{"iso_code":"SH"}]}"#,
                (some("DE"), None, None, some("Kiel"), true),
            ),
            (r#"{"registered_country":{"iso_code":"US"}}"#, (some("US"), None, None, None, false)),
            (
                r#"{"autonomous_system_number":64500,"autonomous_system_organization":"Home","isp":"Other"}"#,
                (None, Some(64500), some("Home"), None, false),
            ),
            (
                r#"{"traits":{"autonomous_system_number":64500,"autonomous_system_organization":"Home","is_anycast":true}}"#,
                (None, Some(64500), some("Home"), None, false),
            ),
            (
                r#"{"asn":"AS64500","as_name":"Home","as_domain":"h.example","country":"Germany","country_code":"DE"}"#,
                (some("DE"), Some(64500), some("Home"), None, false),
            ),
            (r#"{"asn":"AS64500","name":"Home","domain":"h.example"}"#, (None, Some(64500), some("Home"), None, false)),
            (
                r#"{"city":"Kiel","country":"de","lat":"54.3","lng":"10.1","postal":"24103"}"#,
                (some("DE"), None, None, some("Kiel"), true),
            ),
            (
                r#"{"country_code":"DE","city":"Kiel","latitude":54.3,"longitude":10.1,"state1":"x"}"#,
                (some("DE"), None, None, some("Kiel"), true),
            ),
            (
                r#"{"name":"nothing of an AS","country":"Germany","city":{"geoname_id":1},"lat":"x"}"#,
                (None, None, None, None, false),
            ),
            (r#"{"country":[1,{"x":2}],"location":"x","asn":true,"isp":7}"#, (None, None, None, None, false)),
        ] {
            assert_eq!(row(text), is, "{text}");
        }
    }
}
