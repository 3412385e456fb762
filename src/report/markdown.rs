//! A document as Markdown: reads as plain text too.
use super::document::{Block, Document};
use crate::incident::exposure::day;
use crate::respond::escape::markdown as escaped;
use std::fmt::Write;

/// The text. What a trail wrote begins no markup.
pub fn markdown(document: &Document) -> String {
    let mut out = format!("# {}\n\n", escaped(&document.title));
    for sentence in &document.summary {
        let _ = writeln!(out, "{}\n", escaped(sentence));
    }
    for section in &document.sections {
        let _ = writeln!(out, "## {}\n", section.title);
        section.blocks.iter().for_each(|block| self::block(&mut out, block));
    }
    out
}

fn block(out: &mut String, block: &Block) {
    match block {
        Block::Text(text) => {
            let _ = writeln!(out, "{}\n", escaped(text));
        }
        Block::Facts(facts) => {
            facts.iter().for_each(|(name, value)| {
                let _ = writeln!(out, "- **{name}**: {}", escaped(value));
            });
            out.push('\n');
        }
        Block::Table { head, rows } => table(out, head, rows.iter().map(|(_, cells)| cells.as_slice())),
        Block::Days(rows) => {
            let cells: Vec<[String; 3]> = rows
                .iter()
                .filter(|row| row.incident > 0)
                .map(|r| [day(r.day), r.incident.to_string(), r.own.to_string()])
                .collect();
            table(out, &["Day", "In the incident", "In ordinary work"], cells.iter().map(|row| row.as_slice()));
        }
        Block::Bars(bars) => {
            let cells: Vec<[String; 2]> = bars.iter().map(|bar| [bar.name.clone(), bar.words.clone()]).collect();
            table(out, &["Customer", "Records that left"], cells.iter().map(|row| row.as_slice()));
        }
    }
}

/// A table; nothing where there are no rows.
pub(super) fn table<'a>(out: &mut String, head: &[&str], rows: impl Iterator<Item = &'a [String]>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}
