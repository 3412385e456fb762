//! Who can write to each trail, and so forge what it says.
use crate::cli::Failure;
use crate::cli::show::{say, shown};
use crate::config::address::Address;
use crate::config::written::Trail;
use crate::normalise::Sender;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Says it of one trail; `names_are_checked` of an access log whose profile vouches for them.
pub(super) fn say(trail: &Trail, names_are_checked: bool) -> Result<(), Failure> {
    if names_are_checked && trail.actor_vouched_by.is_none() {
        say!(
            "  its names are taken for those that were authenticated, and orders follow from them: where the server copies what was sent"
        );
        say!("  (`$remote_user` beside a token), write into its [[trail]]: actor_vouched_by = \"client\"");
    }
    let (settled, open): (Vec<&Address>, Vec<&Address>) =
        trail.receive.iter().partition(|way| way.is_settled(&trail.senders));
    if !settled.is_empty() {
        say!("  can be forged by: {}", sent_by(&settled, &trail.senders));
    }
    if !open.is_empty() {
        say!("  is not believed: what comes from {}", reached_by(&open));
        say!("  for no server vouches for it, and no order follows from it; `senders` in its table says who may send");
    }
    if trail.receive.is_empty() {
        let owners = owners(trail);
        if !owners.is_empty() {
            say!("  can be forged by: {}", shown(&owners.join("; ")));
        }
    }
    Ok(())
}

/// Those by whose ways it is open.
fn reached_by(ways: &[&Address]) -> String {
    let who = ways.iter().map(|way| match way {
        Address::Journal(of) => format!("any program that writes {of} to the journal"),
        way => format!("whoever reaches {way}"),
    });
    shown(&who.collect::<Vec<_>>().join("; ")).to_string()
}

/// Those who may send.
fn sent_by(ways: &[&Address], senders: &[Sender]) -> String {
    let mut who: Vec<String> = Vec::new();
    for way in ways {
        let of_way = |sender: &&Sender| match way {
            Address::Udp(_) | Address::Tcp(_) => matches!(sender, Sender::Network(_)),
            _ => matches!(sender, Sender::Uid(_)),
        };
        let senders = senders.iter().filter(of_way).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        who.push(match way {
            Address::Udp(at) if at.ip().is_loopback() => format!("any program of this machine, by {way}"),
            Address::Udp(_) => format!("whoever can send datagrams in the name of {senders}, by {way}"),
            Address::Journal(of) => format!("what journald knows as {of}"),
            Address::Stdin => "whoever starts `tripline receive --stdin`".to_owned(),
            way => format!("{senders}, by {way}"),
        });
    }
    shown(&who.join("; ")).to_string()
}

/// Those who may write its files, as far as they can be seen.
fn owners(trail: &Trail) -> Vec<String> {
    let mut who: Vec<String> = Vec::new();
    for path in crate::source::files(&trail.paths) {
        let Ok(file) = std::fs::metadata(&path) else { continue };
        let mut of = vec![format!("uid {}", file.uid())];
        if file.mode() & 0o020 != 0 {
            of.push(format!("the group {}", file.gid()));
        }
        if file.mode() & 0o002 != 0 || path.parent().is_some_and(is_for_all) {
            of.push("every user of this machine".to_owned());
        }
        let of = of.join(", ");
        if !who.contains(&of) {
            who.push(of);
        }
    }
    who
}

/// Whether everybody may put a file in the place of another.
fn is_for_all(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o1002 == 0o002)
}
