//! What a person sees: plain words, at most 80 columns, colours only where they are wanted.
use super::attack::{Found, Tally};
use super::people::{Customer, Person};
use crate::cli::show::{paint, shown};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "33";

/// The screen.
#[derive(Default)]
pub struct Screen {
    /// Ordinary work is shown.
    pub shift: AtomicBool,
}

impl Screen {
    /// A line. Somebody who stops reading does not stop the demo.
    pub fn line(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// The beginning of a part.
    pub fn part(&self, title: &str) {
        self.line("");
        self.line(&paint(BOLD, title));
    }

    /// A member of staff did something.
    pub fn work(&self, person: &Person, what: &str) {
        if self.shift.load(Ordering::Acquire) {
            self.line(&paint(DIM, &format!("  {}  {:<8} {what}", clock(), person.name)));
        }
    }

    /// The intruder asked for a customer's records.
    pub fn asked(&self, customer: &Customer) {
        self.line(&format!("{} downloading …", row(customer)));
    }

    /// They left.
    pub fn left(&self, customer: &Customer, too_late: bool) {
        let why = if too_late { " (had already begun)" } else { "" };
        self.line(&format!("{} {}{why}", row(customer), paint(YELLOW, "LEFT")));
    }

    /// They were refused.
    pub fn refused(&self, customer: &Customer) {
        self.line(&format!("{} {}", row(customer), paint(GREEN, "REFUSED: signed out")));
    }

    /// More were refused.
    pub fn more_refused(&self, more: usize) {
        if more > 0 {
            self.line(&format!("  … and {more} more customers, each of them {}", paint(GREEN, "REFUSED")));
        }
    }

    /// What tripline found and did.
    pub fn found(&self, tally: &Tally) {
        let Some(Found { order, finding }) = &tally.found else { return };
        self.line(&format!("{finding:#}"));
        self.line(&format!("{order:#?}"));
        self.line(&paint(RED, &shown("x")));
    }
}

/// The time of day here.
fn clock() -> String {
    jiff::tz::TimeZone::system().to_datetime(jiff::Timestamp::now()).strftime("%H:%M:%S").to_string()
}

fn row(customer: &Customer) -> String {
    format!("  {}  {:<20} {:>7} records ", clock(), customer.name, grouped(customer.month))
}

/// With commas between thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
