//! Cuts a stream into messages: octet counting and newlines for syslog (RFC 6587), newlines for the rest.
use super::share::{Seat, Told};
use crate::model::FrameFlags;
use crate::model::limits::{FRAME_BYTES, UNFINISHED_FOR, UNFINISHED_FREE_BYTES, UNFINISHED_SMALL_FOR};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

/// The most that is kept of a stream: a message, the length before it, and something to see that it goes on.
const MOST_BYTES: usize = FRAME_BYTES + UNFINISHED_FREE_BYTES;
/// Where there is less room than this, more is made before more is read.
const ROOM_BYTES: usize = 4 << 10;
/// A message that is so long takes the memory with it in which it arrived.
const LARGE_BYTES: usize = 64 << 10;
/// See [`UNFINISHED_FOR`] and [`UNFINISHED_SMALL_FOR`].
const PATIENCE: [Duration; 2] = [
    Duration::from_millis(UNFINISHED_FOR.0.unsigned_abs()),
    Duration::from_millis(UNFINISHED_SMALL_FOR.0.unsigned_abs()),
];

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `LENGTH SP MESSAGE`, or a message a line; which of them, each message says by its first byte.
    Syslog,
    /// A message a line.
    Lines,
}

/// The messages of one connection. One that is too long is cut, in bounded memory; so is one whose memory others need, or that takes
/// too long to arrive.
pub struct Messages<R> {
    from: R,
    kind: Kind,
    bytes: Vec<u8>,
    /// Bytes of it that were handed on.
    done: usize,
    ended: bool,
    /// What is still to come of a message that was cut.
    rest: Option<Rest>,
    /// When the message began that is unfinished.
    begun: Option<Instant>,
    /// Its place among the connections; one without it is alone.
    seat: Option<Seat>,
}

/// What is still to come of a message that was cut.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Bytes(u64),
    Line,
}

/// What comes next.
enum Next {
    /// A message of so many bytes, behind so many others, with so many bytes of separator behind it.
    Whole { skip: usize, length: usize, end: usize },
    /// The beginning of a message that is too long, behind so many other bytes; of how many bytes it is, where that is known.
    Long { skip: usize, length: Option<u64> },
    /// More bytes are needed; what is there of it is behind so many others, and its length may be known.
    Unfinished { skip: usize, length: Option<u64> },
}

impl<R: AsyncRead + Unpin> Messages<R> {
    /// Those of `from`.
    pub fn new(from: R, kind: Kind) -> Messages<R> {
        let (bytes, seat) = (Vec::new(), None);
        Messages { from, kind, bytes, done: 0, ended: false, rest: None, begun: None, seat }
    }

    /// Those of `from`, one connection of several.
    pub(super) fn of_one(from: R, kind: Kind, seat: Seat) -> Messages<R> {
        Messages { seat: Some(seat), ..Messages::new(from, kind) }
    }

    /// The next message, never an empty one; none at the end of the stream.
    pub async fn next(&mut self) -> std::io::Result<Option<(Vec<u8>, FrameFlags)>> {
        if let Some(seat) = &self.seat {
            seat.reads_on(charged(&self.bytes));
        }
        let next = self.read().await?;
        if let (Some(seat), Some((message, _))) = (&self.seat, &next) {
            seat.hands_on(charged(&self.bytes) + charged(message));
        }
        Ok(next)
    }

    async fn read(&mut self) -> std::io::Result<Option<(Vec<u8>, FrameFlags)>> {
        let mut flags = FrameFlags::default();
        // ends: each turn takes a message, or reads on to the end of the stream
        loop {
            if let Some(rest) = self.rest.take() {
                self.pass_over(rest).await?;
            }
            let bytes = &self.bytes[self.done..];
            match self.kind.split(bytes) {
                Next::Whole { skip, length, end } => {
                    let message = self.take(skip, length, end);
                    if !message.is_empty() {
                        return Ok(Some((message, flags)));
                    }
                }
                Next::Long { skip, length } => {
                    flags.clipped = true;
                    return Ok(Some((self.cut(skip, FRAME_BYTES, length), flags)));
                }
                Next::Unfinished { .. } if self.ended => {
                    let message = trimmed(bytes);
                    // With the length before it, what is left may be longer than a message: the spool's reader takes a record
                    // beyond that for lines, among which the sender could have written headers of other senders.
                    flags.clipped = message.len() > FRAME_BYTES;
                    flags.unterminated = self.kind == Kind::Syslog;
                    let message = message[..message.len().min(FRAME_BYTES)].to_vec();
                    self.done = self.bytes.len();
                    return Ok((!message.is_empty()).then_some((message, flags)));
                }
                Next::Unfinished { skip, length } => {
                    if self.more().await? {
                        continue;
                    }
                    self.seat.iter().for_each(Seat::was_cut);
                    let message = self.cut(skip, UNFINISHED_FREE_BYTES, length);
                    if !message.is_empty() {
                        flags.clipped = true;
                        return Ok(Some((message, flags)));
                    }
                }
            }
        }
    }

    /// Takes a whole message out.
    fn take(&mut self, skip: usize, length: usize, end: usize) -> Vec<u8> {
        self.begun = None;
        let (from, to) = (self.done + skip, self.done + skip + length);
        self.done = to + end;
        if length < LARGE_BYTES {
            return trimmed(&self.bytes[from..to]).to_vec();
        }
        let behind = self.bytes.split_off(self.done);
        let mut message = std::mem::replace(&mut self.bytes, behind);
        self.done = 0;
        message.truncate(from + trimmed(&message[from..to]).len());
        message.drain(..from);
        message
    }

    /// Takes the beginning of a message out, at most so much of it; the rest is passed over.
    fn cut(&mut self, skip: usize, most: usize, length: Option<u64>) -> Vec<u8> {
        self.begun = None;
        let there = &self.bytes[self.done + skip..];
        let message = there[..there.len().min(most)].to_vec();
        self.done += skip;
        self.rest = Some(length.map_or(Rest::Line, Rest::Bytes));
        if there.len() <= FRAME_BYTES {
            // all of it is of this message, and needs no memory while the rest comes
            self.rest = Some(length.map_or(Rest::Line, |length| Rest::Bytes(length - there.len() as u64)));
            (self.bytes, self.done) = (Vec::new(), 0);
        }
        message
    }

    /// Reads more; `false` where what is unfinished is to be cut instead.
    async fn more(&mut self) -> std::io::Result<bool> {
        self.bytes.drain(..self.done);
        self.done = 0;
        let has_begun = !self.bytes.is_empty();
        if has_begun {
            self.begun.get_or_insert_with(Instant::now);
        }
        if !self.has_room().await {
            return Ok(false);
        }
        let Some(seat) = &self.seat else {
            self.ended = self.from.read_buf(&mut self.bytes).await? == 0;
            return Ok(true);
        };
        let is_small = self.bytes.capacity() <= UNFINISHED_FREE_BYTES;
        let deadline = self.begun.unwrap_or_else(Instant::now) + PATIENCE[usize::from(is_small)];
        tokio::select! {
            biased;
            read = self.from.read_buf(&mut self.bytes) => self.ended = read? == 0,
            told = seat.told() => match told {
                Told::Cut => return Ok(!has_begun),
                Told::Leave => self.ended = true,
            },
            () = tokio::time::sleep_until(deadline), if has_begun => return Ok(false),
        }
        Ok(true)
    }

    /// Makes room for more; `false` where there is none.
    async fn has_room(&mut self) -> bool {
        let (length, room) = (self.bytes.len(), self.bytes.capacity());
        let want = match room - length < ROOM_BYTES {
            true => (4 * room).clamp(UNFINISHED_FREE_BYTES, MOST_BYTES),
            // what a large message needed is given back
            false if room > UNFINISHED_FREE_BYTES && length < ROOM_BYTES => UNFINISHED_FREE_BYTES,
            false => room,
        };
        if want > room
            && want > UNFINISHED_FREE_BYTES
            && let Some(seat) = &self.seat
        {
            let asked = Instant::now();
            let begun = self.begun.unwrap_or(asked);
            if !seat.grow(want, begun).await {
                return false;
            }
            // while all memory waited for the spools the sender could do nothing
            self.begun = Some(begun + asked.elapsed());
        }
        match want.cmp(&room) {
            std::cmp::Ordering::Greater => self.bytes.reserve_exact(want - length),
            std::cmp::Ordering::Less => {
                self.bytes.shrink_to(want);
                self.seat.iter().for_each(|seat| seat.reads_on(charged(&self.bytes)));
            }
            std::cmp::Ordering::Equal => {}
        }
        true
    }

    /// Passes over the rest of a message that was cut, to its end. However long that takes, it needs no memory.
    async fn pass_over(&mut self, mut rest: Rest) -> std::io::Result<()> {
        loop {
            let there = &self.bytes[self.done..];
            let here = match &mut rest {
                Rest::Bytes(left) => {
                    let here = there.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= here as u64;
                    (*left == 0).then_some(here)
                }
                Rest::Line => memchr::memchr(b'\n', there).map(|newline| newline + 1),
            };
            self.done += here.unwrap_or(there.len());
            if here.is_some() || self.ended {
                return Ok(());
            }
            // nothing of it is kept, so that there is nothing to be cut
            self.more().await?;
        }
    }
}

/// What a buffer takes of the memory that all share.
fn charged(bytes: &Vec<u8>) -> usize {
    if bytes.capacity() > UNFINISHED_FREE_BYTES { bytes.capacity() } else { 0 }
}

impl Kind {
    fn split(self, bytes: &[u8]) -> Next {
        if self == Kind::Syslog && bytes.first().is_some_and(u8::is_ascii_digit) {
            // at most ten digits: what is longer is no length, and goes on to the end of its line
            let digits = bytes.iter().take(11).take_while(|b| b.is_ascii_digit()).count();
            let number = std::str::from_utf8(&bytes[..digits]).ok().and_then(|text| text.parse::<u64>().ok());
            match (bytes.get(digits), number) {
                (None, _) if digits <= 10 => return Next::Unfinished { skip: 0, length: None },
                (Some(b' '), Some(length)) if digits <= 10 => return counted(digits + 1, length, bytes.len()),
                _ => {}
            }
        }
        match memchr::memchr(b'\n', &bytes[..bytes.len().min(FRAME_BYTES + 1)]) {
            Some(length) => Next::Whole { skip: 0, length, end: 1 },
            None if bytes.len() > FRAME_BYTES => Next::Long { skip: 0, length: None },
            None => Next::Unfinished { skip: 0, length: None },
        }
    }
}

fn counted(skip: usize, length: u64, there: usize) -> Next {
    match usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES) {
        Some(length) if there >= skip + length => Next::Whole { skip, length, end: 0 },
        None if there >= skip + FRAME_BYTES => Next::Long { skip, length: Some(length) },
        _ => Next::Unfinished { skip, length: Some(length) },
    }
}

/// Without line ends and NULs at its end, which some senders put there.
pub fn trimmed(message: &[u8]) -> &[u8] {
    let end = message.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |last| last + 1);
    &message[..end]
}

#[cfg(test)]
mod tests {
    use super::super::share::{Connections, Socket};
    use super::*;
    use crate::model::limits::UNFINISHED_BYTES;
    use proptest::prelude::*;
    use std::sync::Arc;

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

    /// What each of `streams`, of senders of their own, is read as: each stays open until all have been written.
    async fn read_together(connections: &Arc<Connections>, streams: &[(&str, Vec<u8>)]) -> Vec<Vec<(usize, bool)>> {
        let socket = Socket::new(&"tcp:192.0.2.1:514");
        let (mut open, mut reads) = (Vec::new(), Vec::new());
        for (sender, bytes) in streams {
            let seat = connections.enter(&socket, sender).await.expect("a place");
            let (mut to, from) = tokio::io::duplex(1 << 16);
            reads.push(tokio::spawn(async move {
                let (mut messages, mut all) = (Messages::of_one(from, Kind::Syslog, seat), Vec::new());
                while let Some((message, flags)) = messages.next().await.unwrap() {
                    all.push((message.len(), flags.clipped));
                }
                all
            }));
            tokio::io::AsyncWriteExt::write_all(&mut to, bytes).await.unwrap();
            open.push(to);
        }
        drop(open);
        let mut all = Vec::new();
        for read in reads {
            all.push(read.await.unwrap());
        }
        all
    }

    fn counted(message: &[u8]) -> Vec<u8> {
        [format!("{} ", message.len()).as_bytes(), message].concat()
    }

    /// One byte short of its end, so that it stays unfinished.
    fn short(length: usize) -> Vec<u8> {
        let mut bytes = counted(&vec![b'y'; length]);
        bytes.pop();
        bytes
    }

    #[tokio::test]
    async fn what_all_hold_unfinished_is_bounded_and_an_honest_large_message_gets_through() {
        let connections = Arc::new(Connections::default());
        let few = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
        let mut streams: Vec<_> = (0..60).map(|n| (few[n % 4], short(FRAME_BYTES - 100))).collect();
        // a sender that has begun before them, and goes on when they hold everything
        let honest = counted(&vec![b'z'; FRAME_BYTES]);
        let socket = Socket::new(&"tcp:192.0.2.1:514");
        let seat = connections.enter(&socket, "198.51.100.1").await.unwrap();
        let (mut to, from) = tokio::io::duplex(1 << 16);
        let mut first = Messages::of_one(from, Kind::Syslog, seat);
        let ((), (message, most)) =
            tokio::join!(async { tokio::io::AsyncWriteExt::write_all(&mut to, &honest).await.unwrap() }, async {
                streams.push(("203.0.113.1", honest.clone()));
                let all = read_together(&connections, &streams).await;
                let most = connections.held();
                let cut = all[..60].iter().filter(|read| read[0].1).count();
                assert!((28..60).contains(&cut), "{cut} were cut: 32 of a mebibyte have room");
                assert_eq!(all[60], [(FRAME_BYTES, false)], "who comes last");
                (first.next().await.unwrap().unwrap(), most)
            });
        assert_eq!((message.0.len(), message.1.clipped), (FRAME_BYTES, false), "who came first");
        assert!(most <= UNFINISHED_BYTES, "{most}");
    }

    #[tokio::test]
    async fn the_message_after_one_that_was_cut_is_whole() {
        let connections = Arc::new(Connections::default());
        let socket = Socket::new(&"tcp:192.0.2.1:514");
        let seat = connections.enter(&socket, "192.0.2.1").await.unwrap();
        let (mut to, from) = tokio::io::duplex(1 << 21);
        let mut messages = Messages::of_one(from, Kind::Syslog, seat);
        let write = async |to: &mut tokio::io::DuplexStream, bytes: &[u8]| {
            tokio::io::AsyncWriteExt::write_all(to, bytes).await.unwrap();
        };
        tokio::time::pause();
        write(&mut to, &short(100 << 10)).await;
        let (cut, flags) = messages.next().await.unwrap().unwrap();
        assert_eq!((cut.len(), flags.clipped), (UNFINISHED_FREE_BYTES, true), "after a minute");
        write(&mut to, b"y3 abc<1>half").await;
        assert_eq!(messages.next().await.unwrap().unwrap().0, b"abc");
        let begun = Instant::now();
        let (half, flags) = messages.next().await.unwrap().unwrap();
        assert_eq!((half.as_slice(), flags.clipped), (&b"<1>half"[..], true));
        assert!(begun.elapsed() >= PATIENCE[1], "what fits in has an hour: {:?}", begun.elapsed());
        write(&mut to, b" a line\n<1>next\n").await;
        assert_eq!(messages.next().await.unwrap().unwrap().0, b"<1>next");
        assert_eq!(connections.held(), 0);
        assert!(messages.bytes.capacity() <= UNFINISHED_FREE_BYTES, "{}", messages.bytes.capacity());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_spool_is_never_cut_and_others_wait_with_it() {
        let connections = Arc::new(Connections::default());
        let socket = Socket::new(&"tcp:192.0.2.1:514");
        let message = counted(&vec![b'z'; FRAME_BYTES]);
        let mut waiting = Vec::new();
        // each has a whole message in hand
        for n in 0..31 {
            let seat = connections.enter(&socket, &n.to_string()).await.unwrap();
            let mut messages = Messages::of_one(&message[..], Kind::Syslog, seat);
            assert!(!messages.next().await.unwrap().unwrap().1.clipped);
            waiting.push(messages);
        }
        let seat = connections.enter(&socket, "late").await.unwrap();
        let mut late = Messages::of_one(&message[..], Kind::Syslog, seat);
        let mut late = std::pin::pin!(late.next());
        let hours = tokio::time::timeout(Duration::from_secs(7200), late.as_mut()).await;
        assert!(hours.is_err(), "it waits, and is not cut");
        waiting.truncate(10);
        let (whole, flags) = late.await.unwrap().unwrap();
        assert_eq!((whole.len(), flags.clipped), (FRAME_BYTES, false));
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
