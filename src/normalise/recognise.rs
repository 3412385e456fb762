//! Which product wrote these lines: the profile whose conditions most of them meet, the more specific one where it is a draw.
use super::compiled::Profile;
use super::{Normaliser, ProfileRef};
use crate::decode::{Cells, FORMATS, Format, frame_text, shipped};
use crate::framing::csv;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What was recognised.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognised {
    /// The profile.
    pub profile: ProfileRef,
    /// Those of other sorts of records between the profile's own.
    pub beside: Vec<ProfileRef>,
    /// The name of its format.
    pub format: &'static str,
    /// A document goes over several lines: the frames must be whole documents, not lines.
    pub documents: bool,
    /// The records stand behind headers as syslog writes them.
    pub syslog: bool,
    /// Which share of the sample's lines (or of the document's records) met the profile's conditions.
    pub share: f64,
}

impl Recognised {
    /// The profiles of all sorts of records that were met.
    pub fn profiles(&self) -> impl Iterator<Item = ProfileRef> {
        std::iter::once(self.profile).chain(self.beside.iter().copied())
    }
}

/// Below this share of lines a product is not recognised: a trail may be mixed, but not mostly something else.
const ENOUGH: f64 = 0.5;

impl Normaliser {
    /// The product that wrote `frames`, which are the first lines of a trail.
    pub fn recognise(&self, frames: &[&[u8]]) -> Option<Recognised> {
        let mut lines = Vec::new();
        for text in frames.iter().map(|frame| frame_text(frame)) {
            records(&text, &mut lines);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        if let Some(found) = self.best(&|_| lines.clone(), false) {
            return Some(found);
        }
        let starts_a_document = lines.first().is_some_and(|l| l.starts_with(['{', '[']));
        if !starts_a_document {
            return None;
        }
        let document = lines.join("\n");
        let mut records = Vec::new();
        shipped::unwrap(&document, &mut |shipped| records.push(shipped.text.to_owned()));
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        match records[..] {
            [only] if only == document.trim_start() => self.best(&|_| vec![only], true),
            _ => self.best(&|_| records.clone(), false).map(|found| Recognised { documents: true, ..found }),
        }
    }

    /// The same behind headers as syslog writes them, which each format takes off in its own way.
    pub fn recognise_behind_syslog(&self, frames: &[&[u8]]) -> Option<Recognised> {
        let texts: Vec<_> = frames.iter().map(|frame| frame_text(frame)).collect();
        let lines_of = |format: &Format| {
            let mut lines = Vec::new();
            texts.iter().for_each(|text| records((format.open)(text).1, &mut lines));
            lines
        };
        let lines: BTreeMap<_, _> = FORMATS.iter().map(|format| (format.name, lines_of(format))).collect();
        let of = &|format: &Format| -> Vec<&str> {
            lines.get(format.name).into_iter().flatten().map(String::as_str).collect()
        };
        self.best(of, false).map(|found| Recognised { syslog: true, ..found })
    }

    /// A product's own profile before one that any product's lines meet; then the larger share; then the more conditions. Where no
    /// profile has enough, those of products that have enough together.
    fn best<'t>(&self, texts: &dyn Fn(&Format) -> Vec<&'t str>, documents: bool) -> Option<Recognised> {
        let named = &self.profiles[..self.named];
        let of = |profile: &Profile| profile.met(&texts(profile.format), documents);
        let met: Vec<Met> = named.iter().map(|profile| of(&profile.written)).collect();
        let order = |met: &Met| (met.rank > 0, met.share, met.rank);
        let mut best: Option<usize> = None;
        for (i, this) in met.iter().enumerate() {
            if this.share >= ENOUGH && best.is_none_or(|most| order(this) > order(&met[most])) {
                best = Some(i);
            }
        }
        let shares = |i: usize| met[i].rank > 0 && named[i].written.may_share();
        // of those that `fit`, the one that knows most of what is not known yet; the earlier one where it is a draw
        let most = |known: &BTreeSet<usize>, fits: &dyn Fn(usize) -> bool| {
            let sorts = (0..met.len()).filter(|i| shares(*i) && fits(*i));
            let more = sorts.map(|i| (met[i].texts.difference(known).count(), Reverse(i))).max();
            more.filter(|(count, _)| *count > 0).map(|(_, Reverse(i))| i)
        };
        let first = best.or_else(|| most(&BTreeSet::new(), &|_| true))?;
        let is_alike = |i: usize| named[i].written.format.name == named[first].written.format.name;
        let mut known = met[first].texts.clone();
        let mut beside = Vec::new();
        // Ends: every turn knows more texts, or leaves.
        while shares(first)
            && let Some(next) = most(&known, &is_alike)
        {
            known.extend(&met[next].texts);
            beside.push(ProfileRef(next));
        }
        let together = known.len() as f64 / texts(named[first].written.format).len().max(1) as f64;
        (best.is_some() || together >= ENOUGH).then(|| Recognised {
            profile: ProfileRef(first),
            format: named[first].written.format.name,
            documents,
            syslog: false,
            share: met[first].share.max(together),
            beside,
        })
    }
}

/// Adds the records of a line to `lines`, without what shippers put around them.
fn records(line: &str, lines: &mut Vec<String>) {
    shipped::unwrap(line, &mut |shipped| {
        let text = shipped.text.trim_start();
        lines.extend((!text.is_empty()).then(|| text.to_owned()));
    });
}

/// How much of a sample a profile knows.
struct Met {
    /// The share of texts with a record that meets the conditions; of records in a document.
    share: f64,
    /// The number of conditions met at once at most.
    rank: usize,
    /// Which texts; none of a document.
    texts: BTreeSet<usize>,
}

impl Profile {
    /// What of these texts, or of the records of one document, meets the conditions.
    fn met(&self, texts: &[&str], documents: bool) -> Met {
        let (mut records, mut met, mut rank) = (0u32, 0u32, 0);
        let mut known = BTreeSet::new();
        let mut cells = Cells::default();
        let is_header = |text: &&str| self.header_names.as_ref().is_some_and(|names| names.is_header(text, None));
        // what stands before it is a title, or says how to read what follows
        let before = texts.iter().take(20).position(is_header).unwrap_or(0);
        let header = texts.get(before).copied().filter(|text| is_header(text));
        let under = header.and_then(|header| self.plan.under(header));
        let plan = under.as_ref().unwrap_or(&self.plan);
        let rows = header.map(|header| rows(header, &texts[before + 1..]));
        let texts = rows.as_ref().map_or_else(|| texts.to_vec(), |rows| rows.iter().map(String::as_str).collect());
        for (n, text) in texts.iter().enumerate() {
            let mut found = false;
            // A text that can't be read, or only in part, counts as one that does not fit.
            let readable = (self.format.looks_like)(text)
                && plan
                    .decode(text, documents, &mut cells, &mut |record| {
                        if let Some(most) = self.knows(record) {
                            found = true;
                            rank = rank.max(most);
                            met += u32::from(documents);
                        }
                        records += u32::from(documents);
                    })
                    .is_ok();
            if !documents {
                records += 1;
                met += u32::from(found && readable);
                known.extend((found && readable).then_some(n));
            }
        }
        let share = if records == 0 { 0.0 } else { f64::from(met) / f64::from(records) };
        Met { share, rank, texts: known }
    }

    /// Whether its records may lie in a trail among others: not those that are known by their place.
    pub(super) fn may_share(&self) -> bool {
        !self.split && self.header_names.is_none()
    }
}

/// The records of CSV in the lines behind their header: one may go over several.
fn rows(header: &str, lines: &[&str]) -> Vec<String> {
    let delimiter = csv::delimiter(header).unwrap_or(b',');
    let text = lines.join("\n");
    let (mut rows, mut rest) = (Vec::new(), text.as_str());
    while let csv::End::At(end) = csv::end(rest.as_bytes(), delimiter, true) {
        // ends: every turn passes a newline
        rows.push(rest[..end].to_owned());
        rest = &rest[end + 1..];
    }
    rows.push(rest.to_owned());
    rows.retain(|row| row != header);
    rows
}
