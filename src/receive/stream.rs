//! Cuts a stream into messages: octet counting and newlines for syslog (RFC 6587), newlines for the rest.
use crate::model::FrameFlags;
use crate::model::limits::FRAME_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `LENGTH SP MESSAGE`, or a message a line; which of them, each message says by its first byte.
    Syslog,
    /// A message a line.
    Lines,
}

/// The messages of one connection. One that is too long is cut, in bounded memory.
pub struct Messages<R> {
    from: R,
    kind: Kind,
    bytes: Vec<u8>,
    /// Bytes of it that were handed on.
    done: usize,
    ended: bool,
}

/// What comes next.
enum Next {
    /// A message of so many bytes, behind so many others, with so many bytes of separator behind it.
    Whole { skip: usize, length: usize, end: usize },
    /// The beginning of a message that is too long: how many bytes of it are still to come, where that is known.
    Long { skip: usize, left: Option<u64> },
    /// More bytes are needed.
    Unfinished,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// Those of `from`.
    pub fn new(from: R, kind: Kind) -> Messages<R> {
        Messages { from, kind, bytes: Vec::new(), done: 0, ended: false }
    }

    /// The next message, never an empty one; none at the end of the stream.
    pub async fn next(&mut self) -> std::io::Result<Option<(Vec<u8>, FrameFlags)>> {
        let mut flags = FrameFlags::default();
        loop {
            let bytes = &self.bytes[self.done..];
            match self.kind.split(bytes) {
                Next::Whole { skip, length, end } => {
                    let message = trimmed(&bytes[skip..skip + length]).to_vec();
                    self.done += skip + length + end;
                    if !message.is_empty() {
                        return Ok(Some((message, flags)));
                    }
                }
                Next::Long { skip, left } => {
                    let message = bytes[skip..skip + FRAME_BYTES].to_vec();
                    flags.clipped = true;
                    self.pass_over(skip, left).await?;
                    return Ok(Some((message, flags)));
                }
                Next::Unfinished if self.ended => {
                    let message = trimmed(bytes);
                    // With the length before it, what is left may be longer than a message: the spool's reader takes a record
                    // beyond that for lines, among which the sender could have written headers of other senders.
                    flags.clipped = message.len() > FRAME_BYTES;
                    flags.unterminated = self.kind == Kind::Syslog;
                    let message = message[..message.len().min(FRAME_BYTES)].to_vec();
                    self.done = self.bytes.len();
                    return Ok((!message.is_empty()).then_some((message, flags)));
                }
                Next::Unfinished => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> std::io::Result<()> {
        self.bytes.drain(..self.done);
        self.done = 0;
        self.bytes.reserve(16 << 10);
        self.ended = self.from.read_buf(&mut self.bytes).await? == 0;
        Ok(())
    }

    /// Passes over a message that is too long, to its end.
    async fn pass_over(&mut self, skip: usize, left: Option<u64>) -> std::io::Result<()> {
        self.done += skip;
        match left {
            Some(mut left) => {
                while left > 0 && !self.ended {
                    let here = (self.bytes.len() - self.done).min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.done += here;
                    left -= here as u64;
                    if left > 0 {
                        self.more().await?;
                    }
                }
            }
            None => loop {
                match memchr::memchr(b'\n', &self.bytes[self.done..]) {
                    Some(newline) => {
                        self.done += newline + 1;
                        break;
                    }
                    None if self.ended => break,
                    None => {
                        self.done = self.bytes.len();
                        self.more().await?;
                    }
                }
            },
        }
        Ok(())
    }
}

impl Kind {
    fn split(self, bytes: &[u8]) -> Next {
        if self == Kind::Syslog && bytes.first().is_some_and(u8::is_ascii_digit) {
            // at most ten digits: what is longer is no length, and goes on to the end of its line
            let digits = bytes.iter().take(11).take_while(|b| b.is_ascii_digit()).count();
            let number = std::str::from_utf8(&bytes[..digits]).ok().and_then(|text| text.parse::<u64>().ok());
            match (bytes.get(digits), number) {
                (None, _) if digits <= 10 => return Next::Unfinished,
                (Some(b' '), Some(length)) if digits <= 10 => return counted(digits + 1, length, bytes.len()),
                _ => {}
            }
        }
        match memchr::memchr(b'\n', &bytes[..bytes.len().min(FRAME_BYTES + 1)]) {
            Some(length) => Next::Whole { skip: 0, length, end: 1 },
            None if bytes.len() > FRAME_BYTES => Next::Long { skip: 0, left: None },
            None => Next::Unfinished,
        }
    }
}

fn counted(skip: usize, length: u64, there: usize) -> Next {
    match usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES) {
        Some(length) if there >= skip + length => Next::Whole { skip, length, end: 0 },
        None if there >= skip + FRAME_BYTES => Next::Long { skip, left: Some(length) },
        _ => Next::Unfinished,
    }
}

/// Without line ends and NULs at its end, which some senders put there.
pub fn trimmed(message: &[u8]) -> &[u8] {
    let end = message.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |last| last + 1);
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What comes of `bytes` when they arrive in pieces of that size.
    fn read(bytes: &[u8], piece: usize, kind: Kind) -> Vec<(Vec<u8>, FrameFlags)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut to, from) = tokio::io::duplex(piece);
            let send = async {
                tokio::io::AsyncWriteExt::write_all(&mut to, bytes).await.unwrap();
                drop(to);
            };
            let take = async {
                let (mut messages, mut all) = (Messages::new(from, kind), Vec::new());
                while let Some(message) = messages.next().await.unwrap() {
                    all.push(message);
                }
                all
            };
            tokio::join!(send, take).1
        })
    }

    fn texts(read: &[(Vec<u8>, FrameFlags)]) -> Vec<&[u8]> {
        read.iter().map(|(bytes, _)| bytes.as_slice()).collect()
    }

    #[test]
    fn both_framings_on_one_connection() {
        let bytes = b"11 <13>a\nb c d<13>line\n<14>another\r\n\n5 <1>xy";
        let read = read(bytes, 7, Kind::Syslog);
        assert_eq!(texts(&read), [&b"<13>a\nb c d"[..], b"<13>line", b"<14>another", b"<1>xy"]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_its_neighbours_are_whole() {
        let long = vec![b'x'; 3 * FRAME_BYTES];
        let counted = [format!("{} ", long.len()).as_bytes(), &long, b"3 abc"].concat();
        let lines = [&b"<1>a\n"[..], &long, b"\n<2>b\n"].concat();
        for (bytes, others) in [(counted, [&b"abc"[..]].to_vec()), (lines, [&b"<1>a"[..], b"<2>b"].to_vec())] {
            let read = read(&bytes, 1 << 16, Kind::Syslog);
            let (cut, whole): (Vec<_>, Vec<_>) = read.iter().partition(|(_, flags)| flags.clipped);
            assert_eq!((cut.len(), cut[0].0.len()), (1, FRAME_BYTES));
            assert_eq!(whole.iter().map(|(bytes, _)| bytes.as_slice()).collect::<Vec<_>>(), others);
        }
    }

    #[test]
    fn a_sender_that_dies_in_a_message_leaves_it_marked() {
        let read = read(b"<13>a\n20 <13>half", 3, Kind::Syslog);
        assert_eq!(texts(&read), [&b"<13>a"[..], b"20 <13>half"]);
        assert!(read[1].1.unterminated);
    }

    proptest! {
        #[test]
        fn any_pieces_give_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(1u8..=255, 1..50), 1..10), piece in 1..64usize,
        ) {
            let clean: Vec<Vec<u8>> = messages.iter().map(|m| trimmed(m).to_vec()).filter(|m| !m.is_empty()).collect();
            let counted: Vec<u8> = clean.iter().flat_map(|m| [format!("{} ", m.len()).as_bytes(), m].concat()).collect();
            let there = read(&counted, piece, Kind::Syslog);
            prop_assert_eq!(texts(&there), clean.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_end_and_lose_no_line(bytes in prop::collection::vec(any::<u8>(), 0..300), piece in 1..64usize) {
            read(&bytes, piece, Kind::Syslog);
            let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').map(trimmed).filter(|l| !l.is_empty()).collect();
            let there = read(&bytes, piece, Kind::Lines);
            prop_assert_eq!(texts(&there), lines);
        }
    }
}
