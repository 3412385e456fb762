//! `tripline status --sizes`: how large detection state is.
use super::ask::{ask, print_json, read};
use super::show::{print, say, shown, table};
use super::{AskArgs, Exit, Failure};
use crate::control::wire::Request;
use crate::ledger::sizes::StateSize;

/// Asks, and shows a row for each policy.
pub fn run(asking: &AskArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(asking, &Request::Sizes)?;
    if asking.json {
        return print_json(&rows);
    }
    let sizes: Vec<StateSize> = read(rows)?;
    if sizes.is_empty() {
        say!("no policy keeps anything yet");
        return Ok(Exit::Done);
    }
    print(&rows_of(&sizes))?;
    let sum = |of: fn(&StateSize) -> u64| sizes.iter().map(of).sum::<u64>();
    say!(
        "\n{} cells, {} bytes; let go: {} of strangers, {} of others",
        sum(|s| s.entities),
        sum(|s| s.bytes),
        sum(|s| s.strangers_let_go),
        sum(|s| s.known_let_go)
    );
    if sizes.iter().any(|size| !size.complete) {
        say!("there was no time to count all: what stands with a + is more");
    }
    Ok(Exit::Done)
}

fn rows_of(sizes: &[StateSize]) -> comfy_table::Table {
    let mut rows =
        table(&["POLICIES", "ENTITIES", "BYTES", "MEAN", "LARGEST", "STAFF", "FAMILIAR", "STRANGERS", "LET GO"]);
    for size in sizes {
        let more = if size.complete { "" } else { "+" };
        let numbers = [size.bytes, size.mean_bytes, size.largest_bytes, size.staff, size.familiar, size.strangers];
        let mut row = vec![shown(&size.policies), format!("{}{more}", size.entities)];
        row.extend(numbers.map(|n| n.to_string()));
        row.push((size.strangers_let_go + size.known_let_go).to_string());
        rows.add_row(row);
    }
    rows
}
