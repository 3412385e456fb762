//! Keycloak's server log: `date time LEVEL [logger] (thread) message`, and the event logger's `key=value, …` in the message.
//!
//! | name                                            | what it is                                           |
//! | ----------------------------------------------- | ---------------------------------------------------- |
//! | `time` `level` `logger` `thread` `message`      | the columns                                          |
//! | anything else                                   | the pair of that name, where the logger is one of events; `null` is absent |
//!
//! The date may be missing, as on WildFly's console: such a line states no time that can be read.
//!
//! A line that begins with a space goes on with the message before it (a stack trace): it is no record of its own.
use super::{Cells, Format, Held, Kind, Plan, Record, Reject, short_enough};

/// Keycloak's server log.
pub const FORMAT: Format = Format {
    name: "keycloak",
    about: "Keycloak's server log, with the key=value pairs of its event logger",
    looks_like: |line| columns(line).is_some(),
    open: super::syslog::open,
    plan: |wish| Ok(Box::new(Keycloak { wanted: wish.fields.iter().map(|f| f.as_str().into()).collect() })),
};

struct Keycloak {
    wanted: Vec<Box<str>>,
}

/// Byte ranges of time, level, logger, thread, message.
type Columns = [(usize, usize); 5];

/// How the event logger's messages begin (`org.keycloak.events`, or what an operator called it).
const EVENTS: [&str; 2] = ["type=", "operationType="];

impl Plan for Keycloak {
    fn decode(
        &self,
        text: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        short_enough(text)?;
        if text.starts_with([' ', '\t']) {
            return Ok(());
        }
        let Some(columns) = columns(text) else {
            return Err(Reject { reason: "not a time, level, [logger] and (thread)", at: 0 });
        };
        cells.clear(self.wanted.len());
        let pairs = pairs_of(text, &columns);
        let mut ambiguous = false;
        for (cell, name) in self.wanted.iter().enumerate() {
            let column = COLUMNS.iter().position(|c| *c == &**name);
            let mut found = pairs.iter().filter(|(key, _)| text[key.0..key.1] == **name).map(|(_, value)| *value);
            let value = column.map(|n| columns[n]).or_else(|| found.next());
            ambiguous |= column.is_none() && found.next().is_some();
            if let Some((at, end)) = value
                && !matches!(&text[at..end], "" | "null")
            {
                cells.set(cell, Kind::Text, at, end);
            }
        }
        each(&Record::flat(text, cells, ambiguous, clipped));
        Ok(())
    }

    fn held(&self, record: &Record<'_>, _nth: usize, each: &mut dyn FnMut(Held<'_>)) {
        let text = record.written();
        let Some(columns) = columns(text) else { return };
        let pairs = pairs_of(text, &columns);
        // the message of an event is its pairs
        let of_line = COLUMNS.iter().zip(columns).take(if pairs.is_empty() { 5 } else { 4 });
        let of_event = pairs.iter().map(|(key, value)| (&text[key.0..key.1], *value));
        for (name, (at, end)) in of_line.map(|(name, bounds)| (*name, bounds)).chain(of_event) {
            let wanted = self.wanted.iter().position(|wanted| **wanted == *name);
            each(Held { name, value: &text[at..end], is_list: false, wanted });
        }
    }
}

const COLUMNS: [&str; 5] = ["time", "level", "logger", "thread", "message"];

/// The pairs of the line's message, where its logger is one of events.
fn pairs_of(text: &str, columns: &Columns) -> Vec<Pair> {
    let (logger, message) = (columns[2], columns[4]);
    let is_event = text[logger.0..logger.1].ends_with(".events");
    if is_event { event(text, message) } else { Vec::new() }
}

fn columns(text: &str) -> Option<Columns> {
    let bytes = text.as_bytes();
    let fraction = seconds_end(bytes)? + 1;
    let time_end = fraction + bytes[fraction..].iter().take_while(|b| b.is_ascii_digit()).count();
    let level_at = time_end + bytes[time_end..].iter().take_while(|b| **b == b' ').count();
    let open = level_at + text.get(level_at..)?.find(" [")? + 1;
    let close = open + text.get(open..)?.find(']')?;
    let level_end = text[level_at..open].trim_end().len() + level_at;
    let thread = close + text.get(close..)?.find('(')? + 1;
    // A thread's name may hold parentheses of its own; the message does not begin before ") ".
    let thread_end = thread + text.get(thread..)?.find(") ")?;
    let columns =
        [(0, time_end), (level_at, level_end), (open + 1, close), (thread, thread_end), (thread_end + 2, text.len())];
    let level = &text[level_at..level_end];
    (!level.is_empty() && level.bytes().all(|b| b.is_ascii_uppercase())).then_some(columns)
}

/// Where the seconds of a line's stamp end: of a date and a time of day, or of the latter alone.
fn seconds_end(bytes: &[u8]) -> Option<usize> {
    let has = |marks: &[(usize, u8)]| marks.iter().all(|(at, mark)| bytes.get(*at) == Some(mark));
    if has(&[(4, b'-'), (7, b'-'), (13, b':'), (19, b',')]) {
        return Some(19);
    }
    let is_time = bytes.first().is_some_and(u8::is_ascii_digit) && has(&[(2, b':'), (5, b':'), (8, b',')]);
    is_time.then_some(8)
}

type Pair = ((usize, usize), (usize, usize));

/// The pairs with a value of a message, where it is of an event.
pub(super) fn event(text: &str, (start, end): (usize, usize)) -> Vec<Pair> {
    let message = &text[start..end];
    if !EVENTS.iter().any(|begins| message.starts_with(begins)) {
        return Vec::new();
    }
    let mut pairs = pairs(text, (start, end));
    pairs.retain(|(_, value)| !matches!(&text[value.0..value.1], "" | "null"));
    pairs
}

/// `key=value, key="value"`: a value ends where the next key begins, for values may hold commas; a quoted one at its mark.
fn pairs(text: &str, (start, end): (usize, usize)) -> Vec<Pair> {
    let mut list = Vec::new();
    let mut at = start;
    while at < end && list.len() < MOST {
        // Ends: every turn moves behind a key's `=`, or leaves.
        let Some(equals) = text[at..end].find('=').map(|n| at + n) else {
            break;
        };
        let key = (at, equals);
        let value = equals + 1;
        let next = |from: usize| {
            let mut from = from;
            while let Some(comma) = text[from..end].find(", ").map(|n| from + n) {
                // Ends: every turn moves behind a comma, or leaves.
                let rest = &text[comma + 2..end];
                let name = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                if name > 0 && rest.as_bytes().get(name) == Some(&b'=') {
                    return (comma, comma + 2);
                }
                from = comma + 2;
            }
            (end, end)
        };
        if text[value..end].starts_with('"')
            && let Some(close) = text[value + 1..end].find('"').map(|n| value + 1 + n)
        {
            list.push((key, (value + 1, close)));
            at = next(close).1;
        } else {
            let (value_end, after) = next(value);
            list.push((key, (value, value_end)));
            at = after;
        }
    }
    list
}

/// The most pairs of one line: events have some twenty.
const MOST: usize = 128;
