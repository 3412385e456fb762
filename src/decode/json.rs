//! JSON: one pass over the text, beside the tree of wanted names, without building a document.
//!
//! Not serde_json: a wanted value's type is not known beforehand, and `deserialize_any` gives up the whole line for a lone
//! surrogate or for `1e400`. This reader keeps numbers as written, replaces what is no character by U+FFFD, never recurses
//! into what nobody asked for, and leaves behind what it has read when the text ends early: a relay cuts what is long, and who can make one
//! field long must not become invisible by it. Such a record is partial, and the value in which it breaks off is absent. What serde_json accepts, it reads
//! alike (`tests::reads_what_serde_json_reads`); it accepts more.
use super::json_path::Tree;
use super::json_walk::{DEPTH, Walk, is_cut};
use super::{Beyond, Cells, Format, Held, Plan, Record, Reject, json_held, short_enough};

/// JSON, one document or several in a frame.
pub const FORMAT: Format = Format {
    name: "json",
    about: "JSON objects, one a line, or arrays of them",
    looks_like: |line| line.trim_start().starts_with(['{', '[']),
    open: super::syslog::open_json,
    plan: |wish| Ok(Box::new(Json { tree: Tree::new(wish)?, fields: wish.fields.len() })),
};

struct Json {
    tree: Tree,
    fields: usize,
}

impl Plan for Json {
    fn decode(
        &self,
        text: &str,
        clipped: bool,
        cells: &mut Cells,
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), Reject> {
        short_enough(text)?;
        let mut walk = Walk::new(&self.tree, text, cells);
        let mut run = Run { fields: self.fields, clipped, index: 0, each };
        walk.space();
        loop {
            // Ends: every turn reads a document of at least one byte.
            run.document(&mut walk)?;
            walk.space();
            match walk.peek() {
                Some(b'{') => {}
                None => return Ok(()),
                Some(_) => return Err(walk.reject("something follows the JSON document")),
            }
        }
    }

    fn held(&self, record: &Record<'_>, nth: usize, each: &mut dyn FnMut(Held<'_>)) {
        json_held::held(&self.tree, record.written(), nth, each);
    }
}

/// The records of one frame as they are found.
struct Run<'e> {
    fields: usize,
    clipped: bool,
    index: u32,
    each: &'e mut dyn FnMut(&Record<'_>),
}

impl Run<'_> {
    fn document(&mut self, walk: &mut Walk<'_>) -> Result<(), Reject> {
        match walk.peek() {
            Some(b'{') => self.object(walk, true),
            Some(b'[') => {
                let spans = walk.elements();
                let end = walk.at;
                for at in spans.0 {
                    walk.at = at;
                    match walk.peek() {
                        Some(b'{') => self.object(walk, true)?,
                        _ => return Err(walk.reject("an element of the array is no JSON object")),
                    }
                }
                walk.at = end;
                self.as_far_as_read(spans.1)
            }
            _ => Err(walk.reject("not a JSON object")),
        }
    }

    /// The object at hand: one record, or a wrapper around an array of them.
    fn object(&mut self, walk: &mut Walk<'_>, may_wrap: bool) -> Result<(), Reject> {
        let start = walk.at;
        walk.begin(self.fields, may_wrap);
        let result = walk.value(0, DEPTH);
        let (end, partial) = (walk.at, result.is_err());
        if walk.wrapped {
            let (records, first) = (std::mem::take(&mut walk.records), self.index);
            for at in records {
                walk.at = at;
                match self.object(walk, false) {
                    // of the last one nothing stands before the cut
                    Err(reject) if is_cut(&reject) && self.index > first => {}
                    read => read?,
                }
            }
            walk.at = end;
            return self.as_far_as_read(result);
        }
        if let Err(reject) = &result {
            match (self.clipped, walk.has_read()) {
                (false, read) if !read || !is_cut(reject) => return result,
                (true, false) if self.index > 0 => return Ok(()),
                _ => {}
            }
        }
        match std::mem::take(&mut walk.split) {
            spans if spans.is_empty() => self.emit(walk, (start, end), 0, partial),
            spans => self.split(walk, spans, (start, end), partial),
        }
        walk.at = end;
        Ok(())
    }

    /// The result for records of which the last one broke off: it is said of that one, and not of those before it.
    fn as_far_as_read(&self, result: Result<(), Reject>) -> Result<(), Reject> {
        match result {
            Err(reject) if !(self.clipped || is_cut(&reject) && self.index > 0) => Err(reject),
            _ => Ok(()),
        }
    }

    /// One record for each element, each with the cells of what surrounds the array.
    fn split(&mut self, walk: &mut Walk<'_>, spans: Vec<(usize, usize)>, whole: (usize, usize), partial: bool) {
        walk.cells.common.clone_from(&walk.cells.cells);
        let (ambiguous, more) = (walk.ambiguous, walk.cells.more.len());
        for ((node, at), part) in spans.into_iter().zip(0..) {
            walk.cells.cells.clone_from(&walk.cells.common);
            walk.cells.more.truncate(more);
            (walk.at, walk.ambiguous, walk.within) = (at, ambiguous, 0);
            let broken = walk.value(node, DEPTH).is_err();
            self.emit(walk, whole, part, partial || broken);
        }
    }

    /// `whole`: where the record lies, with all that it shares with others, of which it is number `part`.
    fn emit(&mut self, walk: &mut Walk<'_>, whole: (usize, usize), part: u32, partial: bool) {
        for (first, second) in &walk.tree.same {
            walk.cells.cells[*second] = walk.cells.cells[*first];
            walk.cells.copy_more(*first, *second);
        }
        // of each field in the order in which they were found
        walk.cells.more.sort_by_key(|(field, _)| *field);
        (self.each)(&Record {
            text: walk.text,
            arena: &walk.cells.arena,
            cells: &walk.cells.cells,
            index: self.index,
            part,
            ambiguous: walk.ambiguous,
            partial: partial || walk.cells.is_full(),
            beyond: Beyond { more: &walk.cells.more, span: Some(whole) },
        });
        self.index += 1;
    }
}
