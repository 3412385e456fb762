//! Reads lists that an operator keeps as CSV (RFC 4180) with a header: networks, staff, watched customers.

/// Why a list can't be read: the line, from 1, and what is wrong with it.
pub type Fault = (usize, String);

/// Reads the columns of these names; others are passed over, as are empty lines and those that begin with `comment`. White space
/// around a value does not count. Each row comes with its line.
///
/// # Errors
/// The header lacks a column, a row lacks one that is asked for, or a quote is never closed.
pub fn columns<const N: usize>(
    text: &str,
    names: [&str; N],
    comment: Option<u8>,
) -> Result<Vec<(usize, [String; N])>, Fault> {
    // blanks and indented comments are no rows; the lines stay where they are
    let is_none = |line: &str| comment.is_some_and(|mark| line.trim_start().as_bytes().first() == Some(&mark));
    let plain = |line| if is_none(line) || line.trim().is_empty() { "\n" } else { line };
    let text: String = text.trim_start_matches('\u{feff}').split_inclusive('\n').map(plain).collect();
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| (1, e.to_string()))?;
    let lacks = |name: &str| (1, format!("the header lacks the column `{name}`: write `{}`", names.join(",")));
    let mut places = [0; N];
    for (place, name) in places.iter_mut().zip(names) {
        *place = header.iter().position(|c| c == name).ok_or_else(|| lacks(name))?;
    }
    let mut rows = Vec::new();
    // the reader's own count of lines does not know `\r\n`
    let (mut counted, mut line) = (0, 1);
    for row in reader.records() {
        let row = row.map_err(|e| (line, e.to_string()))?;
        let begins = row.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or(counted);
        let begins = text.len() - text[begins..].trim_start_matches(['\r', '\n']).len();
        line += text[counted..begins].matches('\n').count();
        counted = begins;
        if row.len() == 1 && row[0].is_empty() {
            continue;
        }
        if row.iter().any(|cell| cell.contains('\n')) {
            return Err((line, "a quote that is opened on this line is not closed on it".into()));
        }
        if places.iter().any(|place| *place >= row.len()) {
            return Err((line, "the line has fewer columns than the header".into()));
        }
        // a blank before a quote makes the quotes part of the value
        let bare =
            |cell: &str| cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell).to_owned();
        rows.push((line, places.map(|place| bare(&row[place]))));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_spreadsheet_writes_them() {
        let text =
            "\u{feff}\"actor\", role ,hired\r\n\"Doe, Jane\",noc,2024\r\n  \n  bo ,\"a \"\"b\"\"\"\r\n#x,none\r\n";
        let rows = columns(text, ["actor", "role"], None).unwrap();
        let rows: Vec<_> = rows.iter().map(|(line, [actor, role])| (*line, actor.as_str(), role.as_str())).collect();
        assert_eq!(rows, [(2, "Doe, Jane", "noc"), (4, "bo", "a \"b\""), (5, "#x", "none")]);
        assert_eq!(columns(text, ["role"], Some(b'#')).unwrap().len(), 2);
    }

    #[test]
    fn what_would_lose_a_row_is_refused_with_its_line() {
        for (text, line, said) in [
            ("name,role\n", 1, "the header lacks the column `actor`"),
            ("", 1, "the header lacks"),
            ("actor,role\nana,noc\nbo\n", 3, "fewer columns"),
            ("actor,role\nana,noc\n\"bo,noc\ncy,noc\n", 3, "not closed"),
        ] {
            let (at, why) = columns(text, ["actor", "role"], None).unwrap_err();
            assert!(at == line && why.contains(said), "{text:?}: {at}: {why}");
        }
    }
}
