//! How what came over a socket, a pipe or the journal lies on disk until it is processed: records of a spool file.
//!
//! ```text
//! @ RECEIVED SENDER FLAGS LENGTH[ MARK]\n
//! payload\n
//! ```
//!
//! RECEIVED is in milliseconds since 1970, SENDER says who handed the record over (`udp:192.0.2.1`, `unix:uid=33`,
//! `journal:portal.service`), FLAGS is `-`, or `c` for a clipped record, `u` for one whose sender went away in its middle and `l` for
//! one before which some may be lost, LENGTH is that of the payload in bytes, and MARK is where its sender is to be asked to go on. The
//! payload is what was sent, byte for byte, so that its digest and the id that follows from it are those of the line.
use crate::model::{FrameFlags, WallTime};

/// The longest header, in bytes.
pub const HEADER_BYTES: usize = 1024;

/// What stands before a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// When it was received, or when the journal received it.
    pub received: WallTime,
    /// Who handed it over.
    pub sender: &'a str,
    /// What the receiver saw.
    pub flags: FrameFlags,
    /// Length of the payload in bytes.
    pub length: usize,
    /// Where its sender is to be asked to go on.
    pub mark: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Reads a header, without its newline.
    pub fn read(line: &'a [u8]) -> Option<Header<'a>> {
        let mut words = std::str::from_utf8(line).ok()?.strip_prefix("@ ")?.splitn(5, ' ');
        let received = WallTime(words.next()?.parse().ok()?);
        let sender = words.next()?;
        let flags = words.next()?;
        let flags = FrameFlags {
            clipped: flags.contains('c'),
            unterminated: flags.contains('u'),
            after_loss: flags.contains('l'),
        };
        let length = words.next()?.parse().ok()?;
        Some(Header { received, sender, flags, length, mark: words.next() })
    }

    /// The header of the payload that begins at `data[start]`.
    pub fn before(data: &'a [u8], start: usize) -> Option<Header<'a>> {
        let line = data.get(..start)?.strip_suffix(b"\n")?;
        let begin = memchr::memrchr(b'\n', line).map_or(0, |newline| newline + 1);
        // the framing passes what a power loss left before it
        let nuls = line[begin..].iter().take_while(|b| **b == 0).count();
        Header::read(&line[begin + nuls..])
    }

    /// Appends the record of `payload` to `out`. Where `sender` or `mark` could end the header early, they are cut there.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        let word = |text: &'a str| {
            let end = text.find(|c: char| c.is_whitespace() || c.is_control()).unwrap_or(text.len());
            let end = text.floor_char_boundary(end.min(HEADER_BYTES / 3));
            &text[..end]
        };
        let FrameFlags { clipped, unterminated, after_loss } = self.flags;
        let set = [(clipped, 'c'), (unterminated, 'u'), (after_loss, 'l')].into_iter().filter(|(set, _)| *set);
        let flags = match set.map(|(_, letter)| letter).collect::<String>() {
            none if none.is_empty() => "-".into(),
            some => some,
        };
        let sender = match word(self.sender) {
            "" => "unknown",
            sender => sender,
        };
        let mark = self.mark.map(word).filter(|mark| !mark.is_empty());
        let (space, mark) = mark.map_or(("", ""), |mark| (" ", mark));
        let header = format!("@ {} {sender} {flags} {}{space}{mark}\n", self.received.0, payload.len());
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(payload);
        out.push(b'\n');
    }
}

/// The whole records at the beginning of `bytes`: how many bytes they take, and the last mark among them.
pub fn whole(bytes: &[u8]) -> (usize, Option<&str>) {
    let (mut at, mut mark) = (0, None);
    while let Some(end) = bytes[at..].iter().take(HEADER_BYTES).position(|b| *b == b'\n')
        && let Some(header) = Header::read(&bytes[at..at + end])
        && let Some(next) = header.length.checked_add(at + end + 2)
        && bytes.get(next - 1) == Some(&b'\n')
    {
        mark = header.mark.or(mark);
        at = next;
    }
    (at, mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8),
            sender in ".{0,40}", mark in prop::option::of(".{0,40}"), after_loss: bool, torn in 0..100usize,
        ) {
            let mut spool = Vec::new();
            let flags = FrameFlags { after_loss, ..FrameFlags::default() };
            for payload in &payloads {
                let header = Header { received: WallTime(7), sender: &sender, flags, length: 0, mark: mark.as_deref() };
                header.write(payload, &mut spool);
            }
            let (end, last) = whole(&spool);
            prop_assert_eq!(end, spool.len());
            if let Some(mark) = mark.filter(|m| !m.is_empty() && !m.contains(|c: char| c.is_whitespace() || c.is_control())) {
                prop_assert_eq!(last, Some(mark.as_str()));
            }
            let framed = crate::framing::frames(crate::framing::Framing::Spool, &[], &spool, 0, false);
            let there = payloads.iter().filter(|payload| !payload.is_empty());
            let read: Vec<&[u8]> = framed.frames.iter().map(|f| &spool[f.start as usize..f.end as usize]).collect();
            prop_assert_eq!(read, there.map(Vec::as_slice).collect::<Vec<_>>());
            for frame in &framed.frames {
                let header = Header::before(&spool, frame.start as usize).unwrap();
                prop_assert_eq!(header.length, (frame.end - frame.start) as usize);
                prop_assert_eq!((header.flags, frame.flags), (flags, flags));
            }
            // a record that was torn by a power loss is none
            let torn = &spool[..spool.len() - torn.min(payloads.last().unwrap().len() + 2)];
            prop_assert!(whole(torn).0 <= torn.len());
        }
    }
}
