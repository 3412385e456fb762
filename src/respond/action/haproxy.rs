//! `kind = "haproxy"`: what runs through HAProxy from the order's address is cut, over its runtime socket, and commands keep that
//! address out for a while.
//!
//! The socket answers a command that it carried out with an empty line, and anything else with words: those are the note. Commands that
//! keep the address out go first, so that nothing new begins between the look at what runs and its end.
use super::{Ended, Limits, Means, Ready, Rehearsal};
use crate::model::{Purpose, Shown};
use crate::respond::document::HookDocument;
use crate::respond::escape;
use crate::respond::needs::Needs;
use crate::respond::net::stream::{Place, Stream, unconnected};
use crate::respond::template::Template;
use crate::respond::wire::Ending;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// `show sess` of a busy proxy: some 200 bytes a stream.
const ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// The keys of `kind = "haproxy"`: what runs from the address is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The runtime socket (`stats socket … level admin`), by its absolute path.
    pub socket: PathBuf,
    /// Commands that are sent first, one after another; they may name members, whose values may hold letters, digits and `.:_-@/+=,`
    /// and nothing else. Each must be answered by an empty line. Without it: none.
    #[serde(default)]
    pub commands: Vec<String>,
    /// `true`: the streams whose client is `{target.ip}` are then shut down, one by one. An action that cuts can also `check`: it asks
    /// whether any such stream is left.
    #[serde(default)]
    pub cut: bool,
}

struct Haproxy {
    place: Place,
    commands: Vec<Template>,
    cut: bool,
    deadline: Duration,
}

impl super::Spec for Spec {
    fn compile(&self, limits: Limits) -> Result<Box<dyn Means>, String> {
        let socket = self.socket.display().to_string();
        if !self.socket.is_absolute() {
            return Err(format!("`socket` is {socket}, which is not an absolute path"));
        }
        if self.commands.is_empty() && !self.cut {
            return Err("it needs `commands`, or `cut = true`, or both".into());
        }
        let commands = self.commands.iter().map(|text| match text.chars().any(|c| c == ';' || c.is_control()) {
            true => Err("`commands` holds a `;` or a line break: write one command an entry".into()),
            false => Template::parse(text).map_err(|why| format!("`commands`, {why}")),
        });
        let commands = commands.collect::<Result<_, _>>()?;
        Ok(Box::new(Haproxy { place: Place::parse(&socket)?, commands, cut: self.cut, deadline: limits.deadline }))
    }

    fn needs(&self) -> Needs {
        Needs::default().file(Some(&self.socket))
    }
}

impl Haproxy {
    /// What one command is answered by. Whether it may have been carried out stands in the error.
    fn ask(&self, command: &str, until: Instant) -> Result<String, Ended> {
        let mut stream = Stream::connect(&self.place, until)
            .map_err(|e| Ended::new(unconnected(&e), format!("nothing was asked of HAProxy: {e}")))?;
        let lost = |e| Ended::new(Ending::Unknown, format!("it was asked, and no answer came: {e}"));
        stream.write_all(format!("{command}\n").as_bytes()).and_then(|()| stream.flush()).map_err(lost)?;
        let mut answer = Vec::new();
        Read::take(&mut stream, ANSWER_BYTES).read_to_end(&mut answer).map_err(lost)?;
        Ok(String::from_utf8_lossy(&answer).trim().to_owned())
    }

    fn tell(&self, command: &str, until: Instant) -> Result<(), Ended> {
        match self.ask(command, until)? {
            answer if answer.is_empty() => Ok(()),
            answer => Err(Ended::new(Ending::Failed, format!("HAProxy answered: {}", Shown(first_line(&answer))))),
        }
    }

    /// The streams whose client is at that address.
    fn streams(&self, ip: IpAddr, until: Instant) -> Result<Vec<String>, Ended> {
        let answer = self.ask("show sess", until)?;
        let all: Vec<_> = answer.lines().filter_map(stream_of).collect();
        if all.is_empty() && !answer.is_empty() {
            let why = format!("HAProxy answered `show sess` with {}", Shown(first_line(&answer)));
            return Err(Ended::new(Ending::Failed, why));
        }
        Ok(all.into_iter().filter(|(_, from)| *from == Some(ip)).map(|(id, _)| id.to_owned()).collect())
    }

    fn carry_out(&self, commands: &[String], cut: Option<IpAddr>) -> Result<Ended, Ended> {
        let until = Instant::now() + self.deadline;
        for command in commands {
            self.tell(command, until)?;
        }
        let Some(ip) = cut else {
            return Ok(Ended::new(Ending::Done, format!("{} commands were carried out", commands.len())));
        };
        let streams = self.streams(ip, until)?;
        for id in &streams {
            match self.ask(&format!("shutdown session {id}"), until)? {
                // it has ended by itself since then
                answer if answer.is_empty() || answer.starts_with("No such session") => {}
                answer => {
                    return Err(Ended::new(
                        Ending::Failed,
                        format!("HAProxy answered: {}", Shown(first_line(&answer))),
                    ));
                }
            }
        }
        Ok(Ended::new(Ending::Done, format!("{} streams of {ip} were shut down", streams.len())))
    }

    fn look(&self, ip: IpAddr) -> Result<Ended, Ended> {
        let streams = self.streams(ip, Instant::now() + self.deadline)?;
        Ok(match streams.len() {
            0 => Ended::new(Ending::Done, format!("no stream of {ip} is left")),
            n => Ended::new(Ending::Failed, format!("{n} streams of {ip} go on")),
        })
    }

    /// The commands with their values, and whose streams are cut.
    fn filled(&self, document: &HookDocument) -> Result<(Vec<String>, Option<IpAddr>), String> {
        let commands = self.commands.iter().map(|command| command.render(document, escape::word));
        let ip = document.target.ip.map(|ip| ip.to_canonical());
        let cut = self.cut.then(|| ip.ok_or("no trail stated target.ip, whose streams it cuts")).transpose()?;
        Ok((commands.collect::<Result<_, _>>()?, cut))
    }
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

/// Id and client of a stream: `0x55d0c1a2b3c0: proto=tcpv4 src=192.0.2.7:51234 fe=portal be=app srv=app1 ts=…`.
fn stream_of(line: &str) -> Option<(&str, Option<IpAddr>)> {
    let (id, rest) = line.split_once(": ")?;
    if !id.starts_with("0x") || !id[2..].chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let from = rest.split(' ').find_map(|word| word.strip_prefix("src="));
    let ip = from.and_then(|from| from.rsplit_once(':')?.0.parse::<IpAddr>().ok());
    Some((id, ip.map(|ip| ip.to_canonical())))
}

impl Means for Haproxy {
    fn ready<'a>(&'a self, document: &HookDocument) -> Result<Ready<'a>, String> {
        let (commands, cut) = self.filled(document)?;
        match (document.purpose, cut) {
            (Purpose::Check, None) => Err("it does not cut, and cannot check".into()),
            (Purpose::Check, Some(ip)) => Ok(Box::new(move || self.look(ip).unwrap_or_else(|ended| ended))),
            _ => Ok(Box::new(move || self.carry_out(&commands, cut).unwrap_or_else(|ended| ended))),
        }
    }

    fn rehearse(&self, document: &HookDocument) -> Result<Rehearsal, String> {
        let (commands, cut) = self.filled(document)?;
        let commands = if document.purpose == Purpose::Check { Vec::new() } else { commands };
        let lines = Rehearsal::default().line("socket", format!("{:?}", self.place));
        let lines = commands.iter().fold(lines, |lines, command| lines.line("command", command.as_str()));
        Ok(match (cut, document.purpose) {
            (None, _) => lines,
            (Some(_), Purpose::Check) => lines.line("command", "show sess"),
            (Some(ip), _) => lines.line("command", format!("show sess, then shutdown session of each from {ip}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_apart_by_their_client() {
        let v4 = "0x55d0: proto=tcpv4 src=192.0.2.7:51234 fe=portal be=app srv=app1 ts=00 age=2s";
        let v6 = "0x7f: proto=tcpv6 src=2001:db8::7:443 fe=portal";
        let mapped = "0x8a: proto=tcpv6 src=::ffff:192.0.2.7:443 fe=portal";
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert_eq!(stream_of(v4), Some(("0x55d0", ip("192.0.2.7"))));
        assert_eq!(stream_of(v6), Some(("0x7f", ip("2001:db8::7"))));
        assert_eq!(stream_of(mapped), Some(("0x8a", ip("192.0.2.7"))));
        assert_eq!(stream_of("0x9: proto=unix_stream src=unix:1 fe=GLOBAL"), Some(("0x9", None)));
        assert_eq!(stream_of("Permission denied"), None);
        assert_eq!(stream_of("0x1; shutdown: src=192.0.2.7:1"), None);
    }
}
