//! CSV (RFC 4180) with a header, whose names are the raw fields; delimited by `,`, `;`, tab or `|`, as the header is.
//!
//! Names are compared without regard to case and to white space around them. Each record is read under the header that stands before
//! it in its file, so that columns may move where a writer starts anew. A record with more or fewer fields than there are names, with
//! torn quotes, or with a line in it that could be a record of its own, is [`Record::ambiguous`]: somebody's delimiter or quote may
//! have moved its columns, or taken in a neighbour. What looks like another header is no record.
use super::{Cells, Format, Kind, Plan, Record, Reject, short_enough};
use crate::model::limits::KEPT_LINE_BYTES;
use crate::source::csv::{Fields, HeaderNames, delimiter, plain, unmarked};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// CSV.
pub const FORMAT: Format = Format {
    name: "csv",
    about: "CSV with a header; a profile may state one with `header`, for files without",
    looks_like: |line| line.contains([',', ';', '\t', '|']),
    open: super::syslog::open,
    plan: |wish| {
        let names = Arc::new(HeaderNames::new(wish.fields.iter().cloned(), wish.header.clone())?);
        let stated = names.stated.as_deref().map(|header| Rows::new(&wish.fields, header, names.clone()));
        Ok(Box::new(Csv { fields: wish.fields.clone(), names, stated }))
    },
};

/// What holds where no header stands before the record.
struct Csv {
    fields: Vec<String>,
    names: Arc<HeaderNames>,
    stated: Option<Rows>,
}

impl Plan for Csv {
    fn decode(
        &self,
        text: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        match &self.stated {
            None => Err(Reject { reason: "CSV before any header that names what its profile reads", at: 0 }),
            Some(rows) => rows.decode(text, clipped, cells, each),
        }
    }

    fn header_names(&self) -> Option<Arc<HeaderNames>> {
        Some(self.names.clone())
    }

    fn under(&self, header: &str) -> Option<Box<dyn Plan>> {
        Some(Box::new(Rows::new(&self.fields, header, self.names.clone())))
    }

    fn shown(&self, text: &str) -> Option<String> {
        self.stated.as_ref()?.shown(text)
    }
}

/// Records under one header.
struct Rows {
    header: String,
    delimiter: u8,
    columns: Vec<Column>,
    fields: usize,
    names: Arc<HeaderNames>,
}

/// A column: what it is called, and the cells that want it.
struct Column {
    name: String,
    cells: Vec<usize>,
}

impl Rows {
    fn new(fields: &[String], header: &str, names: Arc<HeaderNames>) -> Rows {
        let mut wanted = BTreeMap::<_, Vec<usize>>::new();
        for (cell, name) in fields.iter().enumerate() {
            wanted.entry(plain(name)).or_default().push(cell);
        }
        // a header has one; what is none names nothing that is wanted
        let delimiter = delimiter(header).unwrap_or(b',');
        let column = |name: Cow<'_, str>| Column {
            cells: wanted.get(&plain(&name)).cloned().unwrap_or_default(),
            name: name.trim().to_owned(),
        };
        let columns = Fields::of(header, delimiter).map(column).collect();
        Rows { header: header.to_owned(), delimiter, columns, fields: fields.len(), names }
    }

    /// Whether a line within the record has as many fields as a record has.
    fn holds_another(&self, text: &str) -> bool {
        text.contains('\n')
            && text.lines().skip(1).any(|line| Fields::of(line, self.delimiter).count() == self.columns.len())
    }
}

impl Plan for Rows {
    fn decode(
        &self,
        text: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        short_enough(text)?;
        if unmarked(text) == self.header {
            return Ok(());
        }
        if self.names.resembles(unmarked(text)) {
            return Err(Reject { reason: "a header that does not hold here", at: 0 });
        }
        cells.clear(self.fields);
        let mut fields = Fields::of(text, self.delimiter);
        let mut ambiguous = false;
        for column in &self.columns {
            let Some(field) = fields.next() else {
                ambiguous = true;
                break;
            };
            // an empty field is none
            for cell in column.cells.iter().filter(|_| !field.is_empty()) {
                ambiguous |= cells.is_set(*cell);
                let from = cells.arena.len();
                cells.arena.push_str(&field);
                cells.set(*cell, Kind::Decoded, from, cells.arena.len());
            }
        }
        ambiguous |= fields.next().is_some() || fields.broken || self.holds_another(text);
        each(&Record::flat(text, cells, ambiguous, clipped));
        Ok(())
    }

    fn shown(&self, text: &str) -> Option<String> {
        // texts have no case that cannot be written
        let json = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let mut fields = Fields::of(text, self.delimiter);
        // where they don't stand one under each name, nobody knows under which name a secret is
        let whole = fields.by_ref().count() == self.columns.len() && !fields.broken && !self.holds_another(text);
        let mut out = String::new();
        for (column, field) in self.columns.iter().zip(Fields::of(text, self.delimiter)) {
            if out.len() > 2 * KEPT_LINE_BYTES {
                break;
            }
            let value = if whole { field } else { Cow::Borrowed("[cut]") };
            out += if out.is_empty() { "{" } else { "," };
            out += &format!("{}:{}", json(&column.name), json(&value));
        }
        Some(out + "}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Raw, Wish};
    use super::*;

    fn plan(stated: Option<&str>) -> Box<dyn Plan> {
        let fields = ["time", "Actor", "ua"].map(str::to_owned).to_vec();
        (FORMAT.plan)(&Wish { fields, header: stated.map(str::to_owned), ..Wish::default() }).unwrap()
    }

    fn read(plan: &dyn Plan, text: &str) -> Result<Vec<(String, bool)>, &'static str> {
        let mut out = Vec::new();
        let result = plan.decode(text, false, &mut Cells::default(), &mut |record| {
            let value = |n| match record.get(n) {
                Raw::Text(text) => text.to_owned(),
                _ => "-".to_owned(),
            };
            out.push(((0..3).map(value).collect::<Vec<_>>().join("/"), record.ambiguous));
        });
        result.map(|()| out).map_err(|reject| reject.reason)
    }

    #[test]
    fn fields_are_found_by_the_names_of_the_header() {
        for (header, text, is, ambiguous) in [
            ("time,actor,ua", "1,ana,x", "1/ana/x", false),
            ("UA; Time ;other;ACTOR", "x;1;;ana", "1/ana/x", false),
            ("time,actor,ua", "1,ana", "1/ana/-", true),
            ("time,actor,ua", "1,\"ana \"\"b\"\"\",\"x,y\"", "1/ana \"b\"/x,y", false),
            ("time,actor,ua", "1,ana,x,y", "1/ana/x", true),
            ("time,actor,ua", "1,\"ana,x", "1/ana,x/-", true),
            ("time,actor,actor,ua", "1,ana,bob,x", "1/ana/x", true),
            ("time,actor,ua", "1,,", "1/-/-", false),
            ("time,actor,ua", "1,ana,\"x\ny\"", "1/ana/x\ny", false),
            ("time,actor,ua", "1,eve,\"x\n2,ana,y\n3,eve,\"", "1/eve/x\n2,ana,y\n3,eve,", true),
        ] {
            let rows = plan(None).under(header).unwrap();
            assert_eq!(read(&*rows, text), Ok(vec![(is.to_owned(), ambiguous)]), "{text}");
        }
    }

    #[test]
    fn without_a_header_nothing_is_guessed_and_a_header_is_no_record() {
        assert!(read(&*plan(None), "1,ana,x").unwrap_err().contains("before any header"));
        let stated = plan(Some("time;actor;ua"));
        assert_eq!(read(&*stated, "1;ana;x"), Ok(vec![("1/ana/x".to_owned(), false)]));
        for header in ["time;actor;ua", "\u{feff}time;actor;ua"] {
            assert_eq!(read(&*stated, header), Ok(Vec::new()));
        }
        assert!(read(&*stated, "ua,time,actor").unwrap_err().contains("a header that does not hold"));
        let under = stated.under("actor,time,ua").unwrap();
        assert_eq!(read(&*under, "ana,1,x"), Ok(vec![("1/ana/x".to_owned(), false)]));
        let fields = vec!["time".to_owned()];
        assert!((FORMAT.plan)(&Wish { fields, header: Some("a,b".into()), ..Wish::default() }).is_err());
    }

    #[test]
    fn a_record_is_shown_with_its_names_and_without_values_where_they_may_have_moved() {
        let rows = plan(None).under("time,actor,Handle").unwrap();
        for (text, shown) in [
            ("1,\"a \"\"b\"\"\",s", r#"{"time":"1","actor":"a \"b\"","Handle":"s"}"#),
            ("1,Smith, Bob,s", r#"{"time":"[cut]","actor":"[cut]","Handle":"[cut]"}"#),
            ("1,s", r#"{"time":"[cut]","actor":"[cut]"}"#),
            ("1,a,\"s", r#"{"time":"[cut]","actor":"[cut]","Handle":"[cut]"}"#),
        ] {
            assert_eq!(rows.shown(text).unwrap(), shown, "{text}");
        }
        assert!(rows.shown(&"a,".repeat(1 << 20)).unwrap().len() < 4 * KEPT_LINE_BYTES);
    }
}
