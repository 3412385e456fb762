//! Who is believed of what a trail says.
use super::assign::Believed;
use super::compiled::Profile;
use crate::decode::address::Proxies;
use crate::model::Vouched;
use ipnet::IpNet;
use std::net::IpAddr;

/// Who is believed of what one trail says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Who is believed to say where requests came from.
    pub proxies: Proxies,
    /// Who vouches for the names of actors, where the trail's operator says so; else its profile does.
    pub actors: Option<Vouched>,
    /// Who may send it, where it is received: of what others send no server vouches for anything.
    pub senders: Option<Senders>,
}

/// Who may send what is received for a trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    /// By sockets.
    pub list: Vec<Sender>,
    /// What is taken from the journal any program may have written.
    pub is_journal_open: bool,
    /// By none of the ways by which it is received it is said who may send: no server vouches for anything that it says.
    pub is_anybodys: bool,
}

/// Somebody who may send.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Sender {
    /// `203.0.113.0/24`, or one address: by `udp:` and `tcp:`.
    Network(IpNet),
    /// `uid:33`: a user of this machine, by `unixgram:` and `lines:`.
    Uid(u32),
}

impl TryFrom<String> for Sender {
    type Error = String;

    fn try_from(text: String) -> Result<Sender, String> {
        if let Some(uid) = text.strip_prefix("uid:") {
            let none = |_| format!("{text:?}: {uid:?} is no number of a user: `id -u NAME` says it");
            return uid.parse().map(Sender::Uid).map_err(none);
        }
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| {
            format!(
                "{text:?} is neither a network (203.0.113.0/24) nor an address, nor a user of this machine (uid:33)"
            )
        })?;
        Ok(Sender::Network(network.trunc()))
    }
}

impl std::fmt::Display for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Sender::Network(network) if network.prefix_len() == network.max_prefix_len() => network.addr().fmt(f),
            Sender::Network(network) => network.fmt(f),
            Sender::Uid(uid) => write!(f, "uid:{uid}"),
        }
    }
}

impl From<Proxies> for Trust {
    fn from(proxies: Proxies) -> Trust {
        Trust { proxies, ..Trust::default() }
    }
}

impl Trust {
    /// Whether anybody can write it, so that no server vouches for anything that it says.
    pub fn is_anybodys(&self) -> bool {
        self.senders.as_ref().is_some_and(|senders| senders.is_anybodys)
    }

    /// What holds for the records of those who may send.
    pub(super) fn of_senders(&self) -> Trust {
        Trust { senders: self.senders.clone().filter(|senders| senders.is_anybodys), ..self.clone() }
    }
}

impl Senders {
    /// Whether one is among them who handed a record over, as the receiver calls him: `udp:192.0.2.1`, `unix:uid=33`,
    /// `journal:portal.service`, `stdin`.
    fn has(&self, sender: &str) -> bool {
        let is = |fits: &dyn Fn(&Sender) -> bool| self.list.iter().any(fits);
        match sender.split_once(':') {
            Some(("udp" | "tcp", ip)) => {
                let ip = ip.parse::<IpAddr>();
                ip.is_ok_and(|ip| is(&|sender| matches!(sender, Sender::Network(network) if network.contains(&ip))))
            }
            Some(("unix", user)) => {
                let uid = user.strip_prefix("uid=").and_then(|uid| uid.parse::<u32>().ok());
                uid.is_some_and(|uid| is(&|sender| *sender == Sender::Uid(uid)))
            }
            Some(("journal", _)) => !self.is_journal_open,
            _ => sender == "stdin",
        }
    }
}

impl Profile {
    /// Who is believed of what `sender` handed over for a trail of this profile.
    pub(super) fn believed<'t>(&self, trust: &'t Trust, sender: Option<&str>) -> Believed<'t> {
        let is_open = trust.senders.as_ref().is_some_and(|senders| !sender.is_some_and(|sender| senders.has(sender)));
        let by = |vouched| if is_open { Vouched::Client } else { vouched };
        Believed {
            session: by(self.session_vouched),
            actor: by(trust.actors.unwrap_or(self.actor_vouched)),
            is_open,
            proxies: &trust.proxies,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn senders(list: &[&str]) -> Vec<Sender> {
        list.iter().map(|text| Sender::try_from((*text).to_owned()).unwrap()).collect()
    }

    #[test]
    fn a_sender_is_a_network_an_address_or_a_user() {
        let shown: Vec<String> =
            senders(&["203.0.113.7/24", "2001:db8::1", "uid:0"]).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["203.0.113.0/24", "2001:db8::1", "uid:0"]);
        for bad in ["uid:www-data", "uid:-1", "uid:", "portal", "203.0.113.0/33", ""] {
            assert!(Sender::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_hands_a_record_over_is_known_by_his_address_or_user() {
        let all = Senders { list: senders(&["203.0.113.0/24", "2001:db8::1", "uid:33"]), ..Senders::default() };
        for (sender, is_one) in [
            ("udp:203.0.113.9", true),
            ("tcp:203.0.113.9", true),
            ("tcp:2001:db8::1", true),
            ("tcp:2001:db8::2", false),
            ("udp:203.0.114.9", false),
            ("unix:uid=33", true),
            ("unix:uid=3", false),
            ("unix:uid=0", false),
            ("unix", false),
            ("unixgram", false),
            ("journal:portal.service", true),
            ("stdin", true),
            ("spool", false),
            ("", false),
        ] {
            assert_eq!(all.has(sender), is_one, "{sender}");
        }
        let nobody = Senders { is_journal_open: true, ..Senders::default() };
        let known = ["udp:203.0.113.9", "unix:uid=33", "journal:portal.service", "stdin"].map(|s| nobody.has(s));
        assert_eq!(known, [false, false, false, true]);
    }
}
