//! UTF-16 -> UTF-8, as it is read: spreadsheets and consoles of one vendor write it.
use std::io::Read;

/// Reads what another gives in UTF-16; what is no character becomes U+FFFD.
pub(super) struct Utf16<R> {
    from: R,
    little: bool,
    /// A byte, and a unit, of which the other half is not here yet.
    byte: Option<u8>,
    unit: Option<u16>,
    out: Vec<u8>,
    at: usize,
}

impl<R: Read> Utf16<R> {
    /// Of `from`, whose byte order mark has been read: `little` where it was that of little-endian.
    pub fn new(from: R, little: bool) -> Utf16<R> {
        Utf16 { from, little, byte: None, unit: None, out: Vec::new(), at: 0 }
    }

    /// Takes the next bytes; false at the end.
    fn more(&mut self) -> std::io::Result<bool> {
        let mut bytes = vec![0; 1 << 14];
        let read = self.from.read(&mut bytes)?;
        let all: Vec<u8> = self.byte.take().into_iter().chain(bytes[..read].iter().copied()).collect();
        let (pairs, odd) = all.as_chunks::<2>();
        self.byte = odd.first().copied().filter(|_| read > 0);
        let unit = |pair: &[u8; 2]| if self.little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) };
        let mut units: Vec<u16> = self.unit.take().into_iter().chain(pairs.iter().map(unit)).collect();
        // the second half of a pair may come next
        self.unit = units.pop_if(|last| read > 0 && (0xd800..0xdc00).contains(last));
        let chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        self.out = chars.collect::<String>().into_bytes();
        self.at = 0;
        Ok(read > 0 || !self.out.is_empty())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.out.len() {
            // ends: every turn reads on, or leaves at the end
            if !self.more()? {
                return Ok(0);
            }
        }
        let count = into.len().min(self.out.len() - self.at);
        into[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at a time.
    struct Slowly<'a>(&'a [u8]);

    impl Read for Slowly<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let count = self.0.len().min(into.len()).min(1);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn what_is_read_does_not_depend_on_how_it_arrives() {
        let text = "account,date_sent\nAC1,\u{fc}\u{20ac}\u{1f4de}\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let read = |mut from: Utf16<Slowly<'_>>| {
            let mut out = String::new();
            from.read_to_string(&mut out).map(|_| out).unwrap()
        };
        assert_eq!(read(Utf16::new(Slowly(&little), true)), text);
        assert_eq!(read(Utf16::new(Slowly(&big), false)), text);
        assert_eq!(read(Utf16::new(Slowly(&[0x00, 0xd8, 0x41, 0x00, 0x42]), true)), "\u{fffd}A");
    }
}
