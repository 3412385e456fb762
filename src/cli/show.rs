//! Tables and colours for people. Everything that somebody else wrote is escaped.
use super::Failure;
use crate::model::{FindingRow, FindingVerdict, Marks, Order, Severity, Shown, json_shown};
use comfy_table::{ContentArrangement, Table, presets};
use std::io::{ErrorKind, IsTerminal};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line to standard output. Returns from the function around it, with the [`Failure`], where that can't be written.
macro_rules! say {
    () => { $crate::cli::show::line(format_args!(""))? };
    ($($words:tt)*) => { $crate::cli::show::line(format_args!($($words)*))? };
}
pub(super) use say;

/// Set by a command that ends with a verdict.
static ENDS_WITH_A_VERDICT: AtomicBool = AtomicBool::new(false);

/// The exit code of this command says whether what it looked at is well: it goes on to its end though nobody reads it any more.
pub fn ends_with_a_verdict() {
    ENDS_WITH_A_VERDICT.store(true, Ordering::Relaxed);
}

/// See [`say`].
///
/// # Errors
/// Standard output can't be written: a reader that has gone away (`| head`) ends the program quietly, all else is said.
pub fn line(words: std::fmt::Arguments<'_>) -> Result<(), Failure> {
    use std::io::Write;
    // what is for people is escaped where it is made, by `shown`; what is left is JSON
    match writeln!(std::io::stdout(), "{}", json_shown(&words.to_string())) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe && ENDS_WITH_A_VERDICT.load(Ordering::Relaxed) => Ok(()),
        written => written.map_err(Failure::of_output),
    }
}

/// Colours only on a terminal, and not where `NO_COLOR` is set.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// `text` in a colour by severity.
pub fn by_severity(severity: Severity, text: &str) -> String {
    let code = match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low | Severity::Informational => "2",
    };
    paint(code, text)
}

/// `text` in an SGR code, where colours are wanted.
pub fn paint(code: &str, text: &str) -> String {
    if colour() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// An empty table with that header.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        // nothing is wrapped for a pipe
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table.set_header(header.to_vec());
    table
}

/// Prints a table without the blanks at the ends of its lines.
///
/// # Errors
/// Standard output can't be written.
pub fn print(table: &Table) -> Result<(), Failure> {
    for line in table.lines() {
        say!("{}", line.trim_end());
    }
    Ok(())
}

/// The findings as a table, the first one first.
pub fn findings<'a>(rows: impl IntoIterator<Item = &'a FindingRow>) -> Table {
    let mut table = table(&["TIME", "SEVERITY", "POLICY", "WHO", "FROM", "ID"]);
    for row in rows {
        let f = &row.finding;
        let who = f.subject.who().unwrap_or_else(|| f.entity.to_string());
        let from = [f.subject.ip.map(|ip| ip.to_string()), f.subject.place.as_ref().map(ToString::to_string)];
        let from: Vec<String> = from.into_iter().flatten().collect();
        let mut mark = match (row.verdict, &row.acknowledged) {
            (FindingVerdict::Open, None) => String::new(),
            (FindingVerdict::Open, Some(_)) => " (ack)".to_owned(),
            (judged, _) => format!(" ({})", judged.name()),
        };
        if let Some(silenced) = &f.silenced {
            mark += &format!(" (silenced by {})", shown(&silenced.author));
        }
        table.add_row([
            f.time.to_string(),
            f.severity.name().to_owned() + &mark,
            shown(&f.policy),
            shown(&who),
            shown(&from.join(" ")),
            f.id.to_string()[..12].to_owned(),
        ]);
    }
    table
}

/// The orders as a table.
pub fn orders<'a>(rows: impl IntoIterator<Item = &'a Order>) -> Table {
    let mut table = table(&["TIME", "STATE", "ACTION", "TARGET", "WHO", "FINDINGS", "ID"]);
    for o in rows {
        let why = o.refusal.map(|r| format!(" ({})", r.name())).unwrap_or_default();
        table.add_row([
            o.time.to_string(),
            o.state.name().to_owned() + &why,
            shown(&o.action),
            o.target.name().to_owned(),
            shown(o.actor.as_deref().unwrap_or("-")),
            o.findings.len().to_string(),
            o.id.to_string()[..12].to_owned(),
        ]);
    }
    table
}

/// What to know about an event before trusting it; nothing where there is nothing.
pub fn marks(marks: &Marks) -> Option<String> {
    let told: Vec<&str> = marks.told().collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Escaped.
pub fn shown(text: &str) -> String {
    Shown(text).to_string()
}
