//! CSV (RFC 4180) with a header, whose names are the raw fields; delimited by `,`, `;`, tab or `|`, as the header is.
//!
//! Names are compared without regard to case and to white space around them. Each record is read under the header that stands before
//! it in its file, so that columns may move where a writer starts anew. A record with fewer fields lacks the last ones; one with more
//! fields than there are names, or with torn quotes, is [`Record::ambiguous`]: somebody's delimiter may have moved its columns.
use super::{Cells, Format, Kind, Plan, Record, Reject, short_enough};
use crate::source::csv::{Columns, Fields, delimiter, plain};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// CSV.
pub const FORMAT: Format = Format {
    name: "csv",
    about: "CSV with a header; a profile may state one with `header`, for files without",
    looks_like: |line| Fields::of(line, delimiter(line)).count() > 1,
    plan: |wish| {
        let header = wish.header.clone();
        let mut cells = BTreeMap::<_, Vec<usize>>::new();
        for (cell, name) in wish.fields.iter().enumerate() {
            cells.entry(plain(name).to_ascii_lowercase()).or_default().push(cell);
        }
        Ok(Box::new(Csv {
            cells,
            fields: wish.fields.len(),
            columns: Columns::new(wish.fields.iter().cloned(), header.clone()),
            header,
        }))
    },
};

struct Csv {
    /// The wanted names, and which cells each has.
    cells: BTreeMap<String, Vec<usize>>,
    fields: usize,
    columns: Columns,
    header: Option<String>,
}

impl Plan for Csv {
    fn decode(
        &self,
        text: &str,
        header: Option<&str>,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        short_enough(text)?;
        let Some(header) = header.or(self.header.as_deref()) else {
            return Err(Reject { reason: "CSV before any header that names what its profile reads", at: 0 });
        };
        if text == header {
            return Ok(());
        }
        if self.columns.is_header(text, Some(header)) {
            return Err(Reject { reason: "a header that is not the one of the profile", at: 0 });
        }
        cells.clear(self.fields);
        let delimiter = delimiter(header);
        let mut names = Fields::of(header, delimiter);
        let mut fields = Fields::of(text, delimiter);
        let (mut ambiguous, mut unnamed) = (false, false);
        for field in fields.by_ref() {
            let Some(name) = names.next() else {
                unnamed = true;
                continue;
            };
            let wanted = self.cells.get(&plain(&name).to_ascii_lowercase());
            // an empty field is none
            for cell in wanted.into_iter().flatten().filter(|_| !field.is_empty()) {
                ambiguous |= cells.is_set(*cell);
                let from = cells.arena.len();
                cells.arena.push_str(&field);
                cells.set(*cell, Kind::Decoded, from, cells.arena.len());
            }
        }
        // a client's text with the delimiter in it, that the writer did not quote
        ambiguous |= unnamed || fields.broken;
        each(&Record { text, arena: &cells.arena, cells: &cells.cells, index: 0, ambiguous, partial: clipped });
        Ok(())
    }

    fn shown(&self, text: &str, header: Option<&str>) -> Option<String> {
        let header = header.or(self.header.as_deref())?;
        let delimiter = delimiter(header);
        let mut names = Fields::of(header, delimiter);
        let object: Vec<String> = Fields::of(text, delimiter)
            .map(|field| {
                let name = names.next().unwrap_or(Cow::Borrowed(""));
                // texts have no case that cannot be written
                let json = |text: &str| serde_json::to_string(text).unwrap_or_default();
                format!("{}:{}", json(plain(&name)), json(&field))
            })
            .collect();
        Some(format!("{{{}}}", object.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Raw, Wish};
    use super::*;

    fn read(header: Option<&str>, text: &str) -> Result<Vec<(Vec<String>, bool)>, &'static str> {
        let fields = ["time", "Actor", "ua"].map(str::to_owned).to_vec();
        let plan = (FORMAT.plan)(&Wish { fields, ..Wish::default() }).unwrap();
        let mut out = Vec::new();
        let result = plan.decode(text, header, false, &mut Cells::default(), &mut |record| {
            let value = |n| match record.get(n) {
                Raw::Text(text) => text.to_owned(),
                _ => "-".to_owned(),
            };
            out.push(((0..3).map(value).collect(), record.ambiguous));
        });
        result.map(|()| out).map_err(|reject| reject.reason)
    }

    fn one(header: &str, text: &str) -> (String, bool) {
        let (cells, ambiguous) = read(Some(header), text).unwrap().remove(0);
        (cells.join("/"), ambiguous)
    }

    #[test]
    fn fields_are_found_by_the_names_of_the_header() {
        for (header, text, is, ambiguous) in [
            ("time,actor,ua", "1,ana,x", "1/ana/x", false),
            ("UA; Time ;other;ACTOR", "x;1;;ana", "1/ana/x", false),
            ("time,actor,ua", "1,ana", "1/ana/-", false),
            ("time,actor,ua", "1,\"ana \"\"b\"\"\",\"x,y\"", "1/ana \"b\"/x,y", false),
            ("time,actor,ua", "1,ana,x,y", "1/ana/x", true),
            ("time,actor,ua", "1,\"ana,x", "1/ana,x/-", true),
            ("time,actor,actor,ua", "1,ana,bob,x", "1/ana/x", true),
            ("time,actor,ua", "1,,", "1/-/-", false),
        ] {
            assert_eq!(one(header, text), (is.to_owned(), ambiguous), "{text}");
        }
    }

    #[test]
    fn without_a_header_nothing_is_guessed_and_a_header_is_no_record() {
        assert!(read(None, "1,ana,x").unwrap_err().contains("before any header"));
        let header = Some("time,actor,ua");
        assert_eq!(read(header, "time,actor,ua"), Ok(Vec::new()));
        assert!(read(header, "ua,time,actor").unwrap_err().contains("a header that is not"));
    }

    #[test]
    fn a_record_is_shown_with_its_names() {
        let plan = (FORMAT.plan)(&Wish::default()).unwrap();
        let shown = plan.shown("1,\"a \"\"b\"\"\",c", Some("time,actor")).unwrap();
        assert_eq!(shown, r#"{"time":"1","actor":"a \"b\"","":"c"}"#);
    }
}
