//! The writers of a world's trails, each at its own pace.
use super::{Dice, Site, World};
use std::io::Write;

/// Appends the world's lines to the site's trails, each at its own pace, in pieces that end anywhere, even inside a line.
pub struct Writer {
    dice: Dice,
    trails: Vec<Pieces>,
    most: usize,
}

/// One trail that is being written.
struct Pieces {
    name: &'static str,
    file: std::fs::File,
    lines: std::vec::IntoIter<Vec<u8>>,
    /// What a piece left out of its last line.
    rest: Vec<u8>,
}

impl Writer {
    /// Writes the trails of these names, in pieces of at most `most` lines.
    pub fn new(world: &World, site: &Site, names: &[&'static str], seed: u64, most: usize) -> Writer {
        let lines = |name| {
            world.read(name).split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter()
        };
        let trail =
            |name: &&'static str| Pieces { name, file: site.append_to(name), lines: lines(name), rest: Vec::new() };
        Writer { dice: Dice::new(seed), trails: names.iter().map(trail).collect(), most }
    }

    /// Writes the next piece, and says of which trail it was; nothing when all is written.
    pub fn piece(&mut self) -> Option<&'static str> {
        self.trails.retain(|t| t.lines.len() > 0 || !t.rest.is_empty());
        if self.trails.is_empty() {
            return None;
        }
        let i = self.dice.below(self.trails.len());
        let trail = &mut self.trails[i];
        let mut piece = std::mem::take(&mut trail.rest);
        let count = 1 + self.dice.below(self.most);
        piece.extend(trail.lines.by_ref().take(count).flatten());
        if trail.lines.len() > 0 {
            // now and then whole lines, most often not
            let cut = piece.len() - self.dice.below(piece.len().min(300));
            trail.rest = piece.split_off(cut);
        }
        trail.file.write_all(&piece).unwrap();
        Some(trail.name)
    }
}
