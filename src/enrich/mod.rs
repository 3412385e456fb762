//! Origin: prefix, AS, country, listed networks, device. Immutable reference tables in, the same answer for the same address and user agent.

mod agent;
mod database;
mod networks;
mod schema;
pub mod table;

pub use agent::{Device, device};
pub use database::DatabaseError;
pub use networks::{NetworksError, parse_networks};
pub use schema::Known;

use crate::model::{Origin, Text};
use database::{Database, Place};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::IpNet;
use networks::Networks;
use std::net::IpAddr;

/// Reference tables. Immutable: threads share it, each with a [`Cache`] of its own.
#[derive(Default)]
pub struct Enricher {
    databases: Vec<Database>,
    networks: Networks,
}

/// What a thread has looked up lately. Answers do not depend on it.
pub struct Cache {
    places: HashMap<IpAddr, Place, FixedState>,
    devices: HashMap<Text, Device, FixedState>,
}

/// How many addresses a cache holds: some 200 bytes each.
const ADDRESSES: usize = 1 << 16;
/// How many user agents a cache holds.
const AGENTS: usize = 1 << 12;

impl Cache {
    /// An empty cache. The keys are chosen by attackers: `seed` must not be known to them.
    pub fn new(seed: u64) -> Cache {
        let hasher = FixedState::with_seed(seed);
        Cache { places: HashMap::with_hasher(hasher.clone()), devices: HashMap::with_hasher(hasher) }
    }
}

impl Enricher {
    /// Takes the contents of MaxMind-format databases (name for messages, bytes): City, Country, ASN, ISP, those of IPinfo and
    /// ip-location-db; where two answer alike, the first one counts. `networks` are listed networks with their kind, of which the most specific one counts.
    ///
    /// # Errors
    /// Where one of the databases is none, or nothing is read of it.
    pub fn new(databases: Vec<(String, Vec<u8>)>, networks: Vec<(IpNet, Text)>) -> Result<Enricher, DatabaseError> {
        let databases =
            databases.into_iter().map(|(name, bytes)| Database::new(name, bytes)).collect::<Result<_, _>>()?;
        Ok(Enricher { databases, networks: Networks::new(networks) })
    }

    /// What none of the databases gives: a detection that needs it is blind.
    pub fn lacks(&self) -> Vec<Known> {
        Known::ALL.into_iter().filter(|known| !self.gives(*known)).collect()
    }

    /// Whether a database gives it.
    pub fn gives(&self, known: Known) -> bool {
        self.databases.iter().any(|database| database.gives(known))
    }

    /// Whether there is a list of networks that says what kind they are.
    pub fn lists_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Fills in what is known of the address and of the user agent.
    pub fn enrich(&self, origin: &mut Origin, cache: &mut Cache) {
        if let Some(ip) = origin.ip {
            if cache.places.len() >= ADDRESSES {
                cache.places.clear();
            }
            let place = cache.places.entry(ip).or_insert_with(|| self.place(ip));
            origin.prefix.clone_from(&place.prefix);
            origin.as_number = place.as_number;
            origin.as_name.clone_from(&place.as_name);
            origin.country.clone_from(&place.country);
            origin.city.clone_from(&place.city);
            origin.place = place.at;
            origin.listed.clone_from(&place.listed);
        }
        if let Some(agent) = &origin.user_agent {
            if cache.devices.len() >= AGENTS {
                cache.devices.clear();
            }
            let found = match cache.devices.get(agent) {
                Some(found) => found,
                None => cache.devices.entry(agent.clone()).or_insert_with(|| device(agent)),
            };
            origin.device_family.clone_from(&found.family);
            origin.device_os.clone_from(&found.os);
            origin.device_version = found.version;
            origin.device_type = Some(Text::const_new(found.kind));
        }
    }

    fn place(&self, ip: IpAddr) -> Place {
        let mut place = Place::default();
        for database in &self.databases {
            database.add(ip, &mut place);
        }
        place.prefix = Some(place.network(ip));
        place.listed = self.networks.kind(ip);
        place
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "reads databases beside the project, where they are")]
mod tests {
    use super::*;

    #[test]
    fn an_origin_without_tables_has_a_prefix_and_a_device() {
        let (enricher, mut cache) = (Enricher::default(), Cache::new(1));
        let mut of = |ip: &str| {
            let mut origin = Origin { ip: ip.parse().ok(), user_agent: Some("curl/8.5.0".into()), ..Origin::default() };
            enricher.enrich(&mut origin, &mut cache);
            (origin.prefix.unwrap(), origin.device_family.unwrap(), origin.device_type.unwrap())
        };
        assert_eq!(of("192.0.2.77"), ("192.0.2.0/24".into(), "curl".into(), "tool".into()));
        assert_eq!(of("2001:db8:1:2::3").0, "2001:db8:1::/48");
    }

    #[test]
    fn the_most_specific_listed_network_counts() {
        let list =
            parse_networks("network,kind\n192.0.2.0/24,hosting\n192.0.2.64/26,office\n2001:db8::/32,vpn\n").unwrap();
        let (enricher, mut cache) = (Enricher::new(Vec::new(), list).unwrap(), Cache::new(1));
        let mut of = |ip: &str| {
            let mut origin = Origin { ip: ip.parse().ok(), ..Origin::default() };
            enricher.enrich(&mut origin, &mut cache);
            origin.listed
        };
        assert_eq!(of("192.0.2.1").as_deref(), Some("hosting"));
        assert_eq!(of("192.0.2.65").as_deref(), Some("office"));
        assert_eq!(of("2001:db8::5").as_deref(), Some("vpn"));
        assert_eq!(of("198.51.100.1"), None);
    }

    #[test]
    fn the_world_is_answered_from_one_database() {
        let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world/geo.mmdb")).unwrap();
        let (enricher, mut cache) = (Enricher::new(vec![("geo".into(), bytes)], Vec::new()).unwrap(), Cache::new(1));
        let mut origin = Origin { ip: "41.116.77.229".parse().ok(), ..Origin::default() };
        enricher.enrich(&mut origin, &mut cache);
        assert!(
            origin.as_number.is_some() && origin.as_name.is_some() && origin.city.is_some() && origin.place.is_some(),
            "{origin:?}"
        );
        assert!(origin.prefix.is_some_and(|p| p.starts_with("41.")));
        assert_eq!(origin.country.map(|c| c.len()), Some(2));
    }

    #[test]
    fn what_each_database_gives_is_known_when_it_is_opened() {
        let Some(folder) = crate::skip::of_others("samples/maxmind-db/test-data") else { return };
        let open = |names: &[&str]| {
            let read = |name: &&str| ((*name).to_owned(), std::fs::read(folder.join(name)).unwrap());
            Enricher::new(names.iter().map(read).collect(), Vec::new())
        };
        let (country, city, asn) = ("GeoIP2-Country-Test.mmdb", "GeoIP2-City-Test.mmdb", "GeoLite2-ASN-Test.mmdb");
        use Known::{AsNumber, AsOwner, Country, Place};
        for (names, lacks) in [
            (&[][..], &[Country, Place, AsNumber, AsOwner][..]),
            (&[country], &[Place, AsNumber, AsOwner]),
            (&[city], &[AsNumber, AsOwner]),
            (&[asn], &[Country, Place]),
            (&[city, asn], &[]),
            (&["GeoIP2-ISP-Test.mmdb"], &[Country, Place]),
        ] {
            assert_eq!(open(names).map_err(|e| e.to_string()).unwrap().lacks(), lacks, "{names:?}");
        }
        let refused = open(&["GeoIP2-Connection-Type-Test.mmdb"]).err().map(|e| e.to_string()).unwrap();
        assert!(
            refused.contains("GeoIP2-Connection-Type-Test.mmdb") && refused.contains("nothing is read"),
            "{refused}"
        );
    }

    #[test]
    fn damaged_databases_are_refused_or_say_nothing() {
        let Some(folder) = crate::skip::of_others("samples/maxmind-db") else { return };
        let mut folders = vec![folder];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "mmdb") {
                    seen += 1;
                    let Ok(enricher) = Enricher::new(vec![("x".into(), std::fs::read(&path).unwrap())], Vec::new())
                    else {
                        continue;
                    };
                    for ip in ["81.2.69.142", "1.128.0.1", "2001:218::1", "::1.1.1.1", "255.255.255.255"] {
                        let mut origin = Origin { ip: ip.parse().ok(), ..Origin::default() };
                        enricher.enrich(&mut origin, &mut Cache::new(1));
                        assert!(origin.prefix.is_some());
                    }
                }
            }
        }
        assert!(seen > 10, "{seen}");
    }
}
