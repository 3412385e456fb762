//! MaxMind-format databases, read from memory: City, Country, ASN, ISP, and the flat ones of IPinfo and ip-location-db.
use super::schema::{Given, Known, Row};
use crate::model::Text;
use maxminddb::Reader;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes that are no database, or one of which nothing is read.
#[derive(Debug)]
pub struct DatabaseError {
    /// The name it was given under.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

impl std::error::Error for DatabaseError {}

pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    given: Given,
}

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

/// Where a database gives a place without a radius, in km: MaxMind's documentation calls 1,000 the coarsest.
const RADIUS: u16 = 1000;

/// How many of its first networks a database is judged by, and how many addresses of all over IPv4 beside them.
const SAMPLE: usize = 4096;

impl Database {
    /// Opens a database and finds out what it gives.
    pub fn new(name: String, bytes: Vec<u8>) -> Result<Database, DatabaseError> {
        let damaged = |e: &dyn std::fmt::Display| format!("is not a readable MaxMind database: {e}");
        let reader = match Reader::from_source(bytes) {
            Ok(reader) => reader,
            Err(e) => return Err(DatabaseError { name, reason: damaged(&e) }),
        };
        if let Err(e) = reader.lookup(IpAddr::from([192, 0, 2, 1])) {
            return Err(DatabaseError { name, reason: damaged(&e) });
        }
        let given = given(&reader);
        if given.is_nothing() {
            let kind = &reader.metadata().database_type;
            let reason = format!(
                "nothing is read of it (its type is {kind:?}): take one with countries, places or AS numbers (City, Country, ASN, ISP; those of \
                 IPinfo or ip-location-db)"
            );
            return Err(DatabaseError { name, reason });
        }
        Ok(Database { reader, given })
    }

    /// Whether its records give this.
    pub fn gives(&self, known: Known) -> bool {
        self.given.has(known)
    }

    /// Adds to `place` what this database knows and no earlier one did. A damaged record is one that says nothing.
    pub fn add(&self, ip: IpAddr, place: &mut Place) {
        let Ok(found) = self.reader.lookup(ip) else { return };
        let Ok(Some(row)) = found.decode::<Row<'_>>() else {
            return;
        };
        let network = found.network().ok();
        let as_number = row.as_number();
        if let Some(network) = network.filter(|n| n.prefix() > 0) {
            let text = Text::from(network.to_string());
            match as_number.is_some() {
                true => place.announced = place.announced.take().or(Some(text)),
                false => place.located = place.located.take().or(Some((text, network.prefix()))),
            }
        }
        place.as_number = place.as_number.or(as_number);
        place.as_name = place.as_name.take().or_else(|| row.as_owner().map(Arc::from));
        place.country = place.country.take().or_else(|| row.country());
        place.city = place.city.take().or_else(|| row.city().map(Arc::from));
        if let Some((lat, long, radius)) = row.place() {
            // `as` saturates: a radius that is none becomes the nearest that could be
            place.at = place.at.or(Some((lat as f32, long as f32, radius.map_or(RADIUS, |r| r as u16))));
        }
    }
}

/// What the records of a database give, as far as a sample tells. One that can't be read gives nothing.
fn given(reader: &Reader<Vec<u8>>) -> Given {
    let mut given = Given::default();
    let networks = reader.networks(Default::default()).into_iter().flatten().take(SAMPLE);
    for found in networks.flatten() {
        if let Ok(Some(row)) = found.decode::<Row<'_>>() {
            given.add(&row);
        }
    }
    let spread = (0..SAMPLE).map(|n| IpAddr::from([(n >> 4) as u8, (n << 4) as u8, 0, 1]));
    for ip in spread {
        if given.is_all() {
            break;
        }
        if let Ok(found) = reader.lookup(ip)
            && let Ok(Some(row)) = found.decode::<Row<'_>>()
        {
            given.add(&row);
        }
    }
    given
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
