//! What a person sees: plain words, at most 80 columns, colours only where they are wanted.
use super::attack::{Found, Tally};
use super::people::{Customer, Person};
use crate::cli::show::{paint, shown};
use crate::model::Finding;
use crate::report::grouped;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "32";
const YELLOW: &str = "1;33";

/// The widest line, in columns.
const WIDTH: usize = 79;
/// Of ordinary work a line is shown so often: more would not be read.
const READABLE: Duration = Duration::from_millis(320);

/// The screen.
#[derive(Default)]
pub struct Screen {
    /// Ordinary work is shown.
    pub shift: AtomicBool,
    worked: Mutex<Option<Instant>>,
}

impl Screen {
    /// A line. Somebody who stops reading does not stop the demo.
    pub fn line(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A paragraph, broken into lines that begin with `indent`.
    pub fn text(&self, indent: &str, text: &str) {
        wrapped(indent, text).iter().for_each(|line| self.line(line));
    }

    /// The beginning of a part.
    pub fn part(&self, title: &str) {
        self.line("");
        self.line(&paint(BOLD, title));
    }

    /// Something that happened now.
    pub fn act(&self, what: &str) {
        self.line(&format!("   {}  {what}", clock()));
    }

    /// A member of staff did something.
    pub fn work(&self, person: &Person, what: &str) {
        let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shift.load(Ordering::Acquire) && worked.is_none_or(|at| at.elapsed() >= READABLE) {
            *worked = Some(Instant::now());
            self.line(&paint(DIM, &format!("   {}  {:<6} {what}", clock(), person.name)));
        }
    }

    /// What tripline noticed, and does not act upon.
    pub fn noted(&self, finding: &Finding) {
        self.text("             ", &format!("tripline notes: {}", plain(finding)));
    }

    /// The intruder asked for a customer's records.
    pub fn asked(&self, customer: &Customer) {
        self.line(&format!("{} downloading ...", row(customer)));
    }

    /// They left.
    pub fn left(&self, customer: &Customer, too_late: bool) {
        let why = if too_late { " (was under way)" } else { "" };
        self.line(&format!("{} {}{why}", row(customer), paint(YELLOW, "LEFT")));
    }

    /// They were refused.
    pub fn refused(&self, customer: &Customer) {
        self.line(&format!("{} {}", row(customer), paint(GREEN, "REFUSED, signed out")));
    }

    /// More were refused.
    pub fn more_refused(&self, more: usize) {
        if more > 0 {
            self.line(&format!("   ... and {more} more customers, every one of them {}", paint(GREEN, "REFUSED")));
        }
    }

    /// What tripline found and did.
    pub fn found(&self, found: &Found, after: Duration) {
        let Found { order, finding, signs } = found;
        self.line("");
        self.line(&paint(RED, &format!("   >> tripline: {} FINDING", finding.severity.name().to_uppercase())));
        self.text(&paint(RED, "   >> "), &shown(&finding.title));
        self.line(&format!("{}because:", paint(RED, "   >> ")));
        for sign in signs {
            self.text(&paint(RED, "   >>   "), &format!("- {}", plain(sign)));
        }
        let said = order
            .note
            .as_deref()
            .and_then(|note| note.split_once("it said: "))
            .map(|(_, said)| format!(", {}", shown(said)))
            .unwrap_or_default();
        self.text(
            &paint(RED, "   >> "),
            &format!(
                "It has the session ended. The provider's script (the hook) answers: {}{said}.",
                order.state.name()
            ),
        );
        let after = format!(
            "The session was gone {} milliseconds after the request stood in the log.",
            after.as_millis().max(1)
        );
        self.text(&paint(RED, "   >> "), &after);
        self.line("");
    }

    /// The numbers at the end.
    pub fn sum(&self, tally: &Tally) {
        let share = tally.left.1 as f64 * 100.0 / (tally.asked.1 as f64).max(1.0);
        let row = |what: &str, (customers, records): (usize, u64)| {
            format!("   {what:<10} {customers:>9} {:>10}", grouped(records))
        };
        self.line("              customers    records");
        self.line(&row("asked for", tally.asked));
        self.line(&format!("{}   {share:.1} % of it", paint(YELLOW, &row("left", tally.left))));
        self.line(&paint(GREEN, &row("refused", tally.refused)));
        self.line("");
    }
}

/// The time of day here.
fn clock() -> String {
    jiff::tz::TimeZone::system().to_datetime(jiff::Timestamp::now()).strftime("%H:%M:%S").to_string()
}

fn row(customer: &Customer) -> String {
    format!("   {}  {:<18} {:>7} records ", clock(), customer.name, grouped(customer.month))
}

/// A finding's title, with what was new where it says so.
fn plain(finding: &Finding) -> String {
    let title = shown(&finding.title);
    match finding.measures.iter().find_map(|m| Some((m, m.against.split_once("known: ")?.1))) {
        Some((measure, known)) => {
            format!("{title} ({}; until now {})", on(&measure.value), on(known))
        }
        None => title,
    }
}

/// `Firefox + Linux` as one says it.
fn on(device: &str) -> String {
    shown(device).replace(" + ", " on ")
}

/// Words in lines of at most [`WIDTH`] columns. Colours in the indent take no column.
fn wrapped(indent: &str, text: &str) -> Vec<String> {
    let columns = indent
        .split('\x1b')
        .map(|part| part.split_once('m').map_or(part, |(_, rest)| rest).chars().count())
        .sum::<usize>();
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && columns + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{indent}{line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{indent}{line}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_to_their_width_and_colours_take_none_of_it() {
        let text = "word ".repeat(40);
        assert!(wrapped("   ", text.trim()).iter().all(|line| line.len() <= WIDTH));
        let plain = wrapped("   ", text.trim()).len();
        assert_eq!(wrapped("\x1b[31m   \x1b[0m", text.trim()).len(), plain);
    }
}
