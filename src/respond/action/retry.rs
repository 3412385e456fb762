//! Sends a request until it is answered: which answers and failures are worth another try, how long between, and what the
//! last one means.
//!
//! | what came                     | idempotent                     | not idempotent |
//! | ----------------------------- | ------------------------------ | -------------- |
//! | 2xx, and `done_statuses`      | done                           | done           |
//! | no connection                 | again; else temporary          | again; else temporary |
//! | no trust (TLS)                | permanent                      | permanent      |
//! | 429, 503                      | again; else temporary          | temporary      |
//! | 502, 504                      | again; else unknown            | unknown        |
//! | no answer after it was sent   | again; else unknown            | unknown        |
//! | 409 to a second try           | done: the first one was taken  |                |
//! | 401, where a token is fetched  | once more with a new token; else permanent | the same |
//! | 3xx, other 4xx                | permanent                      | permanent      |
//! | other 5xx                     | failed                         | failed         |
//!
//! "Again" ends where the next pause would end after the deadline. The pauses are fixed, 250 ms and then twice the last one
//! up to 8 s, and at least what `Retry-After` asks for.
use super::{Ended, Limits};
use crate::model::{ShownBytes, cut};
use crate::respond::net::agent::{Answer, Exchange, Request, exchange};
use crate::respond::net::trust::Trust;
use crate::respond::wire::Ending;
use std::time::{Duration, Instant};

/// The pauses between tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));
/// How much of an answer is told, in bytes.
const TOLD_BYTES: usize = 1024;

/// The pause before try `n` + 2.
fn pause(n: u32) -> Duration {
    PAUSES.0.saturating_mul(1 << n.min(16)).min(PAUSES.1)
}

/// Makes the request of one try, or says why there is none. It is given the number of the try, from 1, and the status that
/// the last try was answered with.
pub type Make<'a> = dyn FnMut(u32, Option<u16>) -> Result<Request, Ended> + 'a;

/// What an answer means to who asked; nothing where the table above says it.
pub type Meaning<'a> = dyn Fn(&Answer) -> Option<Ended> + 'a;

/// Sends what `make` makes until the table above says that it has ended, or until `until`. `renewable`: a 401 may mean that
/// a token has run out, and is worth one more try.
pub fn send(
    make: &mut Make,
    meaning: &Meaning,
    (trust, renewable): (&Trust, bool),
    limits: Limits,
    until: Instant,
) -> Ended {
    let (mut tries, mut last) = (0, None);
    loop {
        let request = match make(tries + 1, last) {
            Ok(request) => request,
            // What an earlier try did is not undone by the lack of a second one.
            Err(ended) if tries == 0 => return ended,
            Err(ended) => return Ended::new(ended.ending, format!("{}{}", ended.note, after(tries))),
        };
        let came = exchange(&request, trust, until);
        tries += 1;
        let (again, at_least) = worth_another(&came, limits.idempotent, renewable && tries == 1);
        let pause = pause(tries - 1).max(at_least.unwrap_or_default());
        if !again || Instant::now() + pause >= until {
            return meant(came, meaning, tries, limits);
        }
        last = match came {
            Exchange::Answer(answer) => Some(answer.status),
            _ => None,
        };
        std::thread::sleep(pause);
    }
}

fn worth_another(came: &Exchange, idempotent: bool, renew: bool) -> (bool, Option<Duration>) {
    match came {
        Exchange::NotConnected(_) => (true, None),
        Exchange::NotTrusted(_) => (false, None),
        Exchange::Lost(_) => (idempotent, None),
        // It was not let in, so nothing was done: `make` is told, and gets a new token.
        Exchange::Answer(answer) if answer.status == 401 => (renew, None),
        Exchange::Answer(answer) => (idempotent && matches!(answer.status, 429 | 502 | 503 | 504), answer.retry_after),
    }
}

fn meant(came: Exchange, meaning: &Meaning, tries: u32, limits: Limits) -> Ended {
    let (ending, note) = match came {
        Exchange::NotConnected(why) => (Ending::Temporary, format!("no connection: {why}")),
        Exchange::NotTrusted(why) => (Ending::Permanent, format!("no connection that can be trusted: {why}")),
        Exchange::Lost(why) => (Ending::Unknown, format!("it was sent, and no answer came: {why}")),
        Exchange::Answer(answer) => match meaning(&answer) {
            Some(ended) => (ended.ending, ended.note),
            None => of_status(&answer, tries, limits),
        },
    };
    // A server, and the words of a library about it, may hold anything.
    Ended::new(ending, format!("{}{}", crate::model::Shown(&note), after(tries)))
}

fn of_status(answer: &Answer, tries: u32, limits: Limits) -> (Ending, String) {
    let ending = match answer.status {
        200..=299 => Ending::Done,
        409 if limits.idempotent && tries > 1 => Ending::Done,
        429 | 503 => Ending::Temporary,
        502 | 504 => Ending::Unknown,
        300..=499 => Ending::Permanent,
        _ => Ending::Failed,
    };
    let mut note = format!("HTTP {}", answer.status);
    if let (300..=399, Some(location)) = (answer.status, &answer.location) {
        note += &format!(": a redirect to {} is not followed", cut(location, TOLD_BYTES));
    }
    let body = told(&answer.body);
    if !body.is_empty() && ending != Ending::Done {
        note += &format!("; it said: {body}");
    }
    (ending, note)
}

/// An answer's body for people.
pub fn told(body: &[u8]) -> String {
    let text = ShownBytes(body.trim_ascii()).to_string();
    cut(&text, TOLD_BYTES).to_owned()
}

fn after(tries: u32) -> String {
    match tries {
        1 => String::new(),
        n => format!(" (after {n} tries)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_are_the_same_each_time_and_end() {
        let pauses: Vec<_> = (0..8).map(|n| pause(n).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(pause(u32::MAX), PAUSES.1);
    }
}
