//! What is told of an incident afterwards, to people who were not there: one document of sections, as HTML and as Markdown; drafts of
//! notices; and the folder that holds all of it with the evidence.
//!
//! | file         | what it does                                                        |
//! | ------------ | ------------------------------------------------------------------- |
//! | [`document`] | says what happened, in sections of texts, tables and charts         |
//! | [`timeline`] | puts acts, findings, orders and people's words into their order     |
//! | [`html`]     | a document as one page that needs no network and no script          |
//! | [`markdown`] | the same as text                                                    |
//! | [`notice`]   | drafts for the customer, the authority and the people affected      |
//! | [`bundle`]   | writes the folder, with a manifest of digests                       |
pub mod bundle;
mod chart;
pub mod document;
pub mod html;
pub mod markdown;
pub mod notice;
pub mod timeline;

use crate::control::incidents::Case;
use crate::incident::clock::Clock;
use crate::incident::exposure::Total;
use crate::ledger::verify::Proof;
use crate::model::{Text, WallTime};
use std::collections::BTreeMap;

/// All that a report is made of.
pub struct Report {
    /// The incident.
    pub case: Case,
    /// Who is to be told, by when.
    pub clocks: Vec<Clock>,
    /// When the report was made.
    pub made: WallTime,
    /// Whose report it is, and who knows more.
    pub letterhead: Letterhead,
    /// What shows that the findings were recorded.
    pub evidence: Evidence,
}

/// Whose report it is, as the configuration has it.
#[derive(Clone, Debug, Default)]
pub struct Letterhead {
    /// Name and address.
    pub provider: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// What a record of each kind of log holds: phone number, carrier, state, date and time, …
    pub fields: BTreeMap<String, String>,
}

/// What shows that the findings were recorded; empty where the installation's key can't be read.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The public key.
    pub key: Option<String>,
    /// The newest signed head of the tree. C2SP tlog-checkpoint.
    pub checkpoint: Option<String>,
    /// Of each finding that the head covers.
    pub proofs: Vec<Proof>,
}

/// Sums over what left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Exports of which something was fetched.
    pub exports: u64,
    /// Exports that were asked for and not fetched.
    pub not_fetched: u64,
    /// Records that left, as far as they are known.
    pub records: u64,
    /// Records that were asked for, as far as the trails say.
    pub asked: u64,
    /// Some of the records were reckoned from bytes.
    pub estimated: bool,
    /// Exports of which nobody knows how many records left.
    pub unknown: u64,
    /// Customers whose records left.
    pub customers: u64,
    /// Pages of logs that were read on the screen.
    pub reads: u64,
    /// Customers whose logs were read on the screen, and of whom nothing was exported.
    pub only_read: u64,
    /// First and last day of the data that left.
    pub days: Option<(i32, i32)>,
    /// Of some of it no range that can be read was stated.
    pub everything: bool,
}

impl Sums {
    /// Over these customers.
    pub fn of<'a>(totals: impl IntoIterator<Item = (&'a Text, &'a Total)>) -> Sums {
        let mut sums = Sums::default();
        for (_, total) in totals {
            sums.exports += total.exports;
            sums.not_fetched += total.not_fetched;
            sums.records = sums.records.saturating_add(total.records);
            sums.estimated |= total.estimated;
            sums.everything |= total.everything;
            sums.unknown += total.unknown;
            sums.customers += u64::from(total.exports > 0);
            sums.reads += total.reads;
            sums.only_read += u64::from(total.exports == 0 && total.reads > 0);
            sums.days = match (sums.days, total.days) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (one, other) => one.or(other),
            };
        }
        sums
    }

    /// Records that left, as they may be said: `about 12,000 records and 2 exports of unknown size`.
    pub fn in_words(&self) -> String {
        let about = if self.estimated { "about " } else { "" };
        let unknown = match self.unknown {
            0 => String::new(),
            n => format!(" and {} of unknown size", counted(n, "export")),
        };
        format!("{about}{}{unknown}", counted(self.records, "record"))
    }
}

impl Report {
    /// Over all customers.
    pub fn sums(&self) -> Sums {
        Sums { asked: self.case.exposure.records().0, ..Sums::of(&self.case.totals) }
    }
}

/// `1 record`, `12,000 records`.
pub(crate) fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `12,000`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(n), text);
        }
    }
}
