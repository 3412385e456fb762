//! Which product wrote these lines: the profile whose conditions most of them meet, the more specific one where it is a draw.
use super::compiled::Profile;
use super::getter::Taken;
use super::{Normaliser, ProfileRef};
use crate::decode::{Cells, frame_text, shipped};

/// What was recognised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recognised {
    /// The profile.
    pub profile: ProfileRef,
    /// The name of its format.
    pub format: &'static str,
    /// A document goes over several lines: the frames must be whole documents, not lines.
    pub documents: bool,
    /// Which share of the sample's lines (or of the document's records) met the profile's conditions.
    pub share: f64,
}

/// Below this share of lines a product is not recognised: a trail may be mixed, but not mostly something else.
const ENOUGH: f64 = 0.5;

impl Normaliser {
    /// The product that wrote `frames`, which are the first lines of a trail.
    pub fn recognise(&self, frames: &[&[u8]]) -> Option<Recognised> {
        let mut lines = Vec::new();
        for text in frames.iter().map(|frame| frame_text(frame)) {
            shipped::unwrap(&text, &mut |shipped| lines.push(shipped.text.trim_start().to_owned()));
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        if let Some(found) = self.best(&lines, false) {
            return Some(found);
        }
        let starts_a_document = lines.first().is_some_and(|l| l.starts_with(['{', '[']));
        let document = lines.join("\n");
        starts_a_document.then(|| self.best(&[&document], true))?
    }

    /// A product's own profile before one that any product's lines meet; then the larger share; then the more conditions.
    fn best(&self, texts: &[&str], documents: bool) -> Option<Recognised> {
        let mut best: Option<((bool, f64, usize), usize)> = None;
        for (i, profile) in self.profiles[..self.named].iter().enumerate() {
            let (share, rank) = profile.written.share(texts, documents);
            let order = (rank > 0, share, rank);
            if share >= ENOUGH && best.is_none_or(|(most, _)| order > most) {
                best = Some((order, i));
            }
        }
        best.map(|((_, share, _), i)| Recognised {
            profile: ProfileRef(i),
            format: self.profiles[i].written.format.name,
            documents,
            share,
        })
    }
}

impl Profile {
    /// The share of texts with a record that meets the conditions, and the number of conditions met at once at most.
    fn share(&self, texts: &[&str], documents: bool) -> (f64, usize) {
        let (mut records, mut met, mut rank) = (0u32, 0u32, 0);
        let mut cells = Cells::default();
        let is_header = |text: &&str| self.header_names.as_ref().is_some_and(|names| names.is_header(text, None));
        // what stands before it is a title, or says how to read what follows
        let before = texts.iter().take(20).position(is_header).unwrap_or(0);
        let texts = &texts[before..];
        let header = texts.first().copied().filter(|text| is_header(text));
        let under = header.and_then(|header| self.plan.under(header));
        let plan = under.as_ref().unwrap_or(&self.plan);
        for text in texts.iter().filter(|text| Some(**text) != header) {
            let mut found = false;
            // A text that can't be read, or only in part, counts as one that does not fit.
            let readable = (self.format.looks_like)(text)
                && plan
                    .decode(text, documents, &mut cells, &mut |record| {
                        let held = self.recognise.iter().filter(|c| c.hold(record, &mut Taken::default()));
                        if let Some(most) = held.map(|c| c.len()).max() {
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
            }
        }
        (if records == 0 { 0.0 } else { f64::from(met) / f64::from(records) }, rank)
    }
}
