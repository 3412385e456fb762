//! Listed networks: a CSV of `network,kind`, and which of them holds an address.
use crate::model::Text;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A list that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworksError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for NetworksError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for NetworksError {}

/// Reads a CSV whose header names the columns `network` and `kind`; further columns are passed over, as are empty lines and
/// lines that begin with `#`. A single address is a network of one.
///
/// # Errors
/// The first line that is not of that form.
pub fn parse_networks(text: &str) -> Result<Vec<(IpNet, Text)>, NetworksError> {
    let rows = super::table::columns(text, ["network", "kind"], Some(b'#'));
    let rows = rows.map_err(|(line, reason)| NetworksError { line, reason })?;
    let read = |(line, [network, kind]): (usize, [String; 2])| {
        let parsed = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
        let wrong = |reason: String| NetworksError { line, reason };
        let parsed = parsed.map_err(|_| wrong(format!("{network:?} is neither a network nor an address")))?;
        if kind.is_empty() {
            return Err(wrong("the kind is empty".to_owned()));
        }
        Ok((parsed.trunc(), kind.into()))
    };
    rows.into_iter().map(read).collect()
}

/// Networks by length and first address.
#[derive(Default)]
pub(super) struct Networks {
    by_length: BTreeMap<(bool, u8), BTreeMap<IpAddr, Text>>,
}

impl Networks {
    pub fn new(list: Vec<(IpNet, Text)>) -> Networks {
        let mut networks = Networks::default();
        for (net, kind) in list {
            let of_length = networks.by_length.entry((net.addr().is_ipv4(), net.prefix_len())).or_default();
            of_length.entry(net.network()).or_insert(kind);
        }
        networks
    }

    pub fn is_empty(&self) -> bool {
        self.by_length.is_empty()
    }

    /// The kind of the most specific network that holds `ip`.
    pub fn kind(&self, ip: IpAddr) -> Option<Text> {
        let family = ip.is_ipv4();
        self.by_length.range((family, 0)..=(family, 128)).rev().find_map(|((_, length), networks)| {
            let network = IpNet::new(ip, *length).ok()?.trunc().addr();
            networks.get(&network).cloned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_their_line() {
        let line = |text: &str| parse_networks(text).map_err(|e| e.line);
        assert_eq!(line("a,b\n"), Err(1));
        assert_eq!(line("network,kind\n192.0.2.0/24,vpn\nx,vpn\n"), Err(3));
        assert_eq!(line("network,kind\n192.0.2.0/24\n"), Err(2));
        assert_eq!(line("network,kind\n192.0.2.0/24,\n"), Err(2));
        let list = line("# a list\nkind,network\nvpn,192.0.2.7\n\n");
        assert_eq!(list, Ok(vec![("192.0.2.7/32".parse().unwrap(), "vpn".into())]));
    }
}
