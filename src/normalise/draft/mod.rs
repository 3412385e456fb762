//! [`Drafting`]: a profile drafted from a sample, by the names of keys and the shapes of their values over all of its records.
//!
//! Nothing here knows a product. What is guessed is written down with what it rests on, and what was not found is left as a comment: a draft
//! is for a person to read and change.
mod column;
mod roles;
mod words;
mod write;

use crate::decode::{Cells, FORMATS, Format, Plan, Wish, frame_text, shipped};
use crate::framing::csv::{Fields, HeaderNames, delimiter, unmarked};
use crate::framing::json::{Member, blank};
use crate::model::limits::{SAMPLE_KEYS, SAMPLE_RECORDS};
use column::Column;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A sample, while its records are looked at.
pub struct Drafting {
    format: &'static Format,
    lists: Arc<[String]>,
    header_names: Option<Arc<HeaderNames>>,
    is_document: bool,
    plan: Box<dyn Plan>,
    /// The plan for the header that was met last.
    under: Option<(String, Box<dyn Plan>)>,
    columns: Vec<Column>,
    places: BTreeMap<String, usize>,
    records: usize,
    unread: usize,
}

/// A product's lines are in a format where so many of them can be read in it: one in two.
const ENOUGH: usize = 2;
/// In how many first lines a header of CSV is looked for.
const TITLES: usize = 20;

impl Drafting {
    /// For a sample that begins with these lines.
    ///
    /// # Errors
    /// They are in no format that there is.
    pub fn begin(lines: &[&[u8]]) -> Result<Drafting, String> {
        let mut texts = Vec::new();
        for line in lines.iter().map(|line| frame_text(line)) {
            shipped::unwrap(&line, &mut |shipped| texts.push(shipped.text.trim().to_owned()));
        }
        texts.retain(|text| !text.is_empty());
        let plain = |format: &'static Format| Some((format, (format.plan)(&Wish::default()).ok()?));
        let reads = |plan: &dyn Plan, text: &str, clipped: bool| {
            let mut records = 0;
            let read = plan.decode(text, clipped, &mut Cells::default(), &mut |_| records += 1);
            read.is_ok() && records > 0
        };
        let read = |plan: &dyn Plan| texts.iter().filter(|text| reads(plan, text, false)).count();
        let best = FORMATS.iter().filter_map(plain).map(|(format, plan)| (read(&*plan), format));
        // of equals the first
        let best =
            best.rev().max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0 && count * ENOUGH >= texts.len());
        if let Some((_, format)) = best {
            return Drafting::of(format, lists(texts.first().map_or("", String::as_str)), None, false);
        }
        let document = texts.join("\n");
        let documents = FORMATS.iter().filter_map(plain).find(|(format, plan)| {
            document.starts_with(['{', '[']) && (format.looks_like)(&document) && reads(&**plan, &document, true)
        });
        if let Some((format, _)) = documents {
            return Drafting::of(format, lists(&document), None, true);
        }
        let header = texts.iter().take(TITLES).enumerate().find_map(|(n, text)| {
            let next = texts.get(n + 1).map(String::as_str);
            header(text, next)
        });
        match (header, Format::named("csv")) {
            (Some(names), Some(csv)) => Drafting::of(csv, Vec::new(), Some(names), false),
            _ => {
                let known: Vec<_> =
                    FORMATS.iter().map(|format| format!("{} ({})", format.name, format.about)).collect();
                Err(format!("its lines are in no format that there is: {}", known.join("; ")))
            }
        }
    }

    fn of(
        format: &'static Format,
        lists: Vec<String>,
        header_names: Option<HeaderNames>,
        is_document: bool,
    ) -> Result<Drafting, String> {
        let plan = (format.plan)(&Wish { records: lists.clone(), ..Wish::default() })?;
        Ok(Drafting {
            format,
            lists: lists.into(),
            header_names: header_names.map(Arc::new),
            is_document,
            plan,
            under: None,
            columns: Vec::new(),
            places: BTreeMap::new(),
            records: 0,
            unread: 0,
        })
    }

    /// The name of the format.
    pub fn format(&self) -> &'static str {
        self.format.name
    }

    /// What the lists of records are called in its documents.
    pub fn lists(&self) -> Arc<[String]> {
        self.lists.clone()
    }

    /// By which its headers are known, where the format has any.
    pub fn header_names(&self) -> Option<Arc<HeaderNames>> {
        self.header_names.clone()
    }

    /// Whether a document goes over several lines.
    pub fn is_document(&self) -> bool {
        self.is_document
    }

    /// How many records were looked at, and how many frames could not be read.
    pub fn counts(&self) -> (usize, usize) {
        (self.records, self.unread)
    }

    /// Looks at the records of a frame, behind this header; false where it has seen enough.
    pub fn add(&mut self, frame: &[u8], header: Option<&str>) -> bool {
        if let Some(header) = header
            && self.under.as_ref().is_none_or(|(under, _)| under != header)
        {
            self.under = self.plan.under(header).map(|plan| (header.to_owned(), plan));
        }
        let Drafting { plan, under, columns, places, records, unread, header_names, .. } = self;
        let plan = under.as_ref().map_or(&**plan, |(_, plan)| &**plan);
        let text = frame_text(frame);
        let is_header = |text: &str| header_names.as_ref().is_some_and(|names| names.is_header(unmarked(text), None));
        if text.trim().is_empty() || is_header(&text) {
            return true;
        }
        shipped::unwrap(&text, &mut |shipped| {
            let read = plan.decode(shipped.text, shipped.clipped, &mut Cells::default(), &mut |record| {
                plan.held(record, 0, &mut |held| {
                    let place = match places.get(held.name) {
                        Some(place) => *place,
                        None if columns.len() < SAMPLE_KEYS => {
                            places.insert(held.name.to_owned(), columns.len());
                            columns.push(Column::new(held.name));
                            columns.len() - 1
                        }
                        None => return,
                    };
                    columns[place].add(*records, &held);
                });
                *records += 1;
            });
            *unread += usize::from(read.is_err());
        });
        self.records < SAMPLE_RECORDS
    }

    /// The draft of a profile of that name, as TOML.
    pub fn text(&self, name: &str) -> String {
        let roles = roles::Finder::find(&self.columns, self.records);
        let draft = write::Draft {
            name,
            format: self.format.name,
            lists: &self.lists,
            columns: &self.columns,
            records: self.records,
            roles,
        };
        draft.text()
    }
}

/// The names of a header of CSV, where the line is one and the next has as many fields.
fn header(line: &str, next: Option<&str>) -> Option<HeaderNames> {
    let line = unmarked(line);
    let by = delimiter(line)?;
    let fields: Vec<String> = Fields::of(line, by).map(|field| field.into_owned()).collect();
    let named = fields.iter().filter(|field| !field.trim().is_empty()).count();
    let fits = next.is_none_or(|next| Fields::of(next, by).count() == fields.len());
    let names = HeaderNames::new(fields, None).ok()?;
    (named >= 2 && fits && names.is_header(line, None)).then_some(names)
}

/// The lists of records in a document that holds little else: `{"Records":[{…},{…}]}`.
fn lists(document: &str) -> Vec<String> {
    let bytes = document.as_bytes();
    let mut most: Option<(usize, String)> = None;
    let mut states_time = false;
    let mut at = blank(bytes, 1);
    // Ends: every turn reads a member, or leaves.
    while let Some(member) = document.starts_with('{').then(|| Member::read(bytes, at).ok()).flatten() {
        let end = member.end.unwrap_or(bytes.len());
        let value = document.get(member.value..end).unwrap_or("");
        let is_list = value.strip_prefix('[').is_some_and(|inner| inner.trim_start().starts_with('{'));
        if is_list
            && !member.name.contains(['\\', '.', '['])
            && most.as_ref().is_none_or(|(size, _)| *size < value.len())
        {
            most = Some((value.len(), member.name.to_owned()));
        }
        let mut column = Column::new(member.name);
        let held =
            crate::decode::Held { name: member.name, value: value.trim_matches('"'), is_list: false, wanted: None };
        column.add(0, &held);
        states_time |= column.notation().1 > 0 && !value.starts_with(['{', '[']);
        at = blank(bytes, end);
        if bytes.get(at) != Some(&b',') {
            break;
        }
        at = blank(bytes, at + 1);
    }
    // a record that holds a list states its time beside it
    most.filter(|(size, _)| !states_time && size * 2 > document.len()).map(|(_, name)| name).into_iter().collect()
}

#[cfg(test)]
mod tests;
