//! MaxMind databases, read from memory: City, ASN, or one that answers both.
use crate::model::Text;
use maxminddb::Reader;
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes that are no database.
#[derive(Debug)]
pub struct DatabaseError {
    /// The name it was given under.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not a readable MaxMind database: {}", self.name, self.reason)
    }
}

impl std::error::Error for DatabaseError {}

pub(super) struct Database(Reader<Vec<u8>>);

/// What is known of one address.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub prefix: Option<Text>,
    pub as_number: Option<u32>,
    pub as_name: Option<Arc<str>>,
    pub country: Option<Text>,
    pub city: Option<Arc<str>>,
    pub at: Option<(f32, f32, u16)>,
    pub listed: Option<Text>,
    /// The network that the database with AS numbers has for it: what is announced.
    announced: Option<Text>,
    /// The network that a database without them has for it, and its length.
    located: Option<(Text, u8)>,
}

/// A record of either kind; what else it holds is passed over.
#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    country: Option<Country<'a>>,
    #[serde(borrow)]
    registered_country: Option<Country<'a>>,
    #[serde(borrow)]
    city: Option<City<'a>>,
    location: Option<Location>,
    autonomous_system_number: Option<Number>,
    #[serde(borrow)]
    autonomous_system_organization: Option<&'a str>,
}

#[derive(Deserialize)]
struct Country<'a> {
    #[serde(borrow)]
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow)]
    en: Option<&'a str>,
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<Number>,
    longitude: Option<Number>,
    accuracy_radius: Option<Number>,
}

/// A number of whichever size the database's writer chose: an AS number below 65,536 may stand as 16 bits.
#[derive(Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct Any;
        impl serde::de::Visitor<'_> for Any {
            type Value = Number;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E>(self, n: u64) -> Result<Number, E> {
                Ok(Number(n as f64))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Number, E> {
                Ok(Number(n as f64))
            }
            fn visit_f64<E>(self, n: f64) -> Result<Number, E> {
                Ok(Number(n))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Where a database gives a place without a radius, in km: MaxMind's documentation calls 1,000 the coarsest.
const RADIUS: u16 = 1000;

impl Database {
    pub fn new(name: String, bytes: Vec<u8>) -> Result<Database, DatabaseError> {
        let reader =
            Reader::from_source(bytes).map_err(|e| DatabaseError { name: name.clone(), reason: e.to_string() })?;
        match reader.lookup(IpAddr::from([192, 0, 2, 1])) {
            Ok(_) => Ok(Database(reader)),
            Err(e) => Err(DatabaseError { name, reason: e.to_string() }),
        }
    }

    /// Adds to `place` what this database knows and no earlier one did. A damaged record is one that says nothing.
    pub fn add(&self, ip: IpAddr, place: &mut Place) {
        let Ok(found) = self.0.lookup(ip) else { return };
        let Ok(Some(row)) = found.decode::<Row<'_>>() else {
            return;
        };
        let network = found.network().ok();
        let announced = row.autonomous_system_number.is_some();
        if let Some(network) = network.filter(|n| n.prefix() > 0) {
            let text = Text::from(network.to_string());
            match announced {
                true => place.announced = place.announced.take().or(Some(text)),
                false => place.located = place.located.take().or(Some((text, network.prefix()))),
            }
        }
        // `as` saturates: a number that is none of an AS becomes the nearest that could be.
        place.as_number = place.as_number.or(row.autonomous_system_number.map(|n| n.0 as u32));
        place.as_name = place.as_name.take().or_else(|| row.autonomous_system_organization.map(Arc::from));
        let country = row.country.and_then(|c| c.iso_code).or(row.registered_country.and_then(|c| c.iso_code));
        place.country = place.country.take().or_else(|| country.map(Text::from));
        let city = row.city.and_then(|c| c.names).and_then(|n| n.en);
        place.city = place.city.take().or_else(|| city.map(Arc::from));
        if let Some(Location { latitude: Some(lat), longitude: Some(long), accuracy_radius }) = row.location {
            place.at = place.at.or(Some((lat.0 as f32, long.0 as f32, accuracy_radius.map_or(RADIUS, |r| r.0 as u16))));
        }
    }
}

impl Place {
    /// The network that stands for the address: the announced one; else the located one, if it is not finer than what anybody
    /// announces; else /24 or /48.
    pub fn network(&self, ip: IpAddr) -> Text {
        let usual = if ip.is_ipv4() { 24 } else { 48 };
        if let Some(announced) = &self.announced {
            return announced.clone();
        }
        match &self.located {
            Some((network, length)) if *length <= usual => network.clone(),
            _ => match ipnet::IpNet::new(ip, usual) {
                Ok(network) => Text::from(network.trunc().to_string()),
                Err(_) => Text::from(ip.to_string()),
            },
        }
    }
}
