//! CSV (RFC 4180) with a header, whose names are the raw fields; delimited by `,`, `;`, tab or `|`, as the header is.
//!
//! Names are compared without regard to case and to white space around them. Each record is read under the header that stands before
//! it in its file, so that columns may move where a writer starts anew. A record with more or fewer fields than there are names, with
//! torn quotes, or with a line in it that could be a record of its own, is [`Record::ambiguous`]: somebody's delimiter or quote may
//! have moved its columns, or taken in a neighbour. What looks like another header is no record.
//!
//! A column may hold the record proper as the text of a JSON object (`inside`): the fields are then those of the object, and what it lacks,
//! or has lost to a cut, is what the other columns say.
use super::{Cell, Cells, Format, Held, Kind, Plan, Record, Reject, Wish, json, short_enough};
use crate::framing::csv::{Fields, HeaderNames, delimiter, plain, unmarked};
use crate::model::limits::KEPT_LINE_BYTES;
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
        let wanted = Arc::new(Wanted::of(wish)?);
        let names = wanted.columns.iter().flatten().chain(&wanted.inside).cloned();
        let names = Arc::new(HeaderNames::new(names, wish.header.clone())?);
        let stated = names.stated.as_deref().map(|header| Rows::new(&wanted, header, names.clone()));
        Ok(Box::new(Csv { wanted, names, stated }))
    },
};

/// What is wanted of records, whatever their header.
struct Wanted {
    /// By the number of its cell, the names of a field's columns.
    columns: Vec<Vec<String>>,
    /// The columns of which one holds the record proper.
    inside: Vec<String>,
    /// Reads what they hold.
    object: Option<Box<dyn Plan>>,
}

impl Wanted {
    fn of(wish: &Wish) -> Result<Wanted, String> {
        let of_field = |field: &String| {
            let own = std::iter::once(field);
            own.chain(wish.columns.get(field).into_iter().flatten()).map(|name| plain(name)).collect()
        };
        let object = match wish.inside.is_empty() {
            true => None,
            false => Some((json::FORMAT.plan)(&Wish { inside: Vec::new(), ..wish.clone() })?),
        };
        let inside = wish.inside.iter().map(|name| plain(name)).collect();
        Ok(Wanted { columns: wish.fields.iter().map(of_field).collect(), inside, object })
    }
}

/// What holds where no header stands before the record.
struct Csv {
    wanted: Arc<Wanted>,
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

    fn held(&self, record: &Record<'_>, nth: usize, each: &mut dyn FnMut(Held<'_>)) {
        if let Some(rows) = &self.stated {
            rows.held(record, nth, each);
        }
    }

    fn header_names(&self) -> Option<Arc<HeaderNames>> {
        Some(self.names.clone())
    }

    fn under(&self, header: &str) -> Option<Box<dyn Plan>> {
        Some(Box::new(Rows::new(&self.wanted, header, self.names.clone())))
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
    wanted: Arc<Wanted>,
    names: Arc<HeaderNames>,
}

/// A column: what it is called, and the cells that want it.
struct Column {
    name: String,
    cells: Vec<usize>,
    /// It holds the record proper.
    inside: bool,
}

impl Rows {
    fn new(wanted: &Arc<Wanted>, header: &str, names: Arc<HeaderNames>) -> Rows {
        // a header has one; what is none names nothing that is wanted
        let delimiter = delimiter(header).unwrap_or(b',');
        let has: Vec<Cow<'_, str>> = Fields::of(header, delimiter).collect();
        let plains: Vec<String> = has.iter().map(|name| plain(name)).collect();
        let mut cells = BTreeMap::<&str, Vec<usize>>::new();
        for (cell, of_field) in wanted.columns.iter().enumerate() {
            if let Some(name) = of_field.iter().find(|name| plains.contains(name)) {
                cells.entry(name).or_default().push(cell);
            }
        }
        let column = |(name, plain): (&Cow<'_, str>, &String)| Column {
            cells: cells.get(plain.as_str()).cloned().unwrap_or_default(),
            name: name.trim().to_owned(),
            inside: wanted.inside.contains(plain),
        };
        let columns = has.iter().zip(&plains).map(column).collect();
        Rows { header: header.to_owned(), delimiter, columns, wanted: wanted.clone(), names }
    }

    /// Hands on the object that stands in one of the columns, with what the others say of what it lacks. False where none does.
    fn object(&self, text: &str, row: Record<'_>, cells: &mut Cells, each: &mut dyn FnMut(&Record<'_>)) -> bool {
        let Some(plan) = &self.wanted.object else { return false };
        let columns = self.columns.iter().zip(Fields::of(text, self.delimiter));
        let mut held = columns.filter(|(column, field)| column.inside && field.trim_start().starts_with('{'));
        let Some((_, object)) = held.next() else { return false };
        let (mut read, mut all, mut arena) = (false, Vec::new(), String::new());
        let cut = plan.decode(&object, true, cells, &mut |record| {
            if std::mem::replace(&mut read, true) {
                return;
            }
            all = record.cells.to_vec();
            arena.push_str(record.arena);
            for (cell, other) in all.iter_mut().zip(row.cells) {
                if matches!(cell.kind, Kind::Absent | Kind::Null) && other.kind != Kind::Absent {
                    let at = arena.len();
                    arena.push_str(row.read(other).text().unwrap_or_default());
                    *cell = Cell { kind: Kind::Decoded, at: at as u32, end: arena.len() as u32 };
                }
            }
            let (ambiguous, partial) = (record.ambiguous || row.ambiguous, record.partial || row.partial);
            each(&Record { cells: &all, arena: &arena, ambiguous, partial, ..*record });
        });
        // what follows the object is of nobody
        let _ = cut;
        read
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
        cells.clear(self.wanted.columns.len());
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
        let row = std::mem::take(cells);
        let record = Record::flat(text, &row, ambiguous, clipped);
        if !self.object(text, record, cells, each) {
            each(&record);
        }
        if self.wanted.object.is_none() {
            *cells = row;
        }
        Ok(())
    }

    fn held(&self, record: &Record<'_>, nth: usize, each: &mut dyn FnMut(Held<'_>)) {
        // the record proper stood in a column
        if let Some(object) = self.wanted.object.as_ref().filter(|_| record.written().starts_with('{')) {
            return object.held(record, nth, each);
        }
        let fields = Fields::of(record.written(), self.delimiter);
        for (column, value) in self.columns.iter().zip(fields).filter(|(_, value)| !value.is_empty()) {
            each(Held { name: &column.name, value: &value, is_list: false, wanted: column.cells.first().copied() });
        }
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
            // so that the secrets in it are found by their names
            let is_object = column.inside && serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok();
            out += if out.is_empty() { "{" } else { "," };
            out += &format!("{}:{}", json(&column.name), if is_object { value.into_owned() } else { json(&value) });
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
    fn what_nobody_asks_for_is_there_too() {
        let rows = plan(None).under("time;Note;actor").unwrap();
        let mut out = Vec::new();
        let decoded = rows.decode("1;\"a;b\";", false, &mut Cells::default(), &mut |record| {
            rows.held(record, 0, &mut |held| out.push(format!("{}={} {:?}", held.name, held.value, held.wanted)));
        });
        assert_eq!((decoded, out), (Ok(()), vec!["time=1 Some(0)".to_owned(), "Note=a;b None".to_owned()]));
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
