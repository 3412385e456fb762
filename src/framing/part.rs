//! Lines in which a container runtime has split one record: Kubernetes' CRI by its tags, Docker's json-file at 16 KiB. Pure.
use super::json::Member;
use super::json::blank;
use crate::model::limits::{FRAME_BYTES, LINES_BETWEEN_PARTS};
use std::ops::Range;

/// A line of a container runtime.
#[derive(Clone, Debug)]
pub struct Part {
    /// The record goes on in the next line of its stream.
    pub goes_on: bool,
    /// It is of the stream of errors, not of the other one.
    pub errors: bool,
    /// Where its text lies in the line.
    pub text: Range<usize>,
    /// The text is written as JSON writes it.
    pub escaped: bool,
}

/// How long the parts are in which Docker writes what is longer, in bytes.
const DOCKER_PART: usize = 16 << 10;

impl Part {
    /// Reads such a line.
    pub fn of(line: &[u8]) -> Option<Part> {
        if line.first() == Some(&b'{') { docker(line) } else { cri(line) }
    }

    /// Reads the first line of a record that goes on.
    pub fn first(line: &[u8]) -> Option<Part> {
        let may_go_on = line.first() != Some(&b'{') || line.len() > DOCKER_PART;
        may_go_on.then(|| Part::of(line)).flatten().filter(|part| part.goes_on)
    }
}

/// `2026-04-01T09:12:44.031Z stdout P TEXT`.
fn cri(line: &[u8]) -> Option<Part> {
    let near = &line[..line.len().min(80)];
    let dated = near.first()?.is_ascii_digit() && near.get(10) == Some(&b'T');
    let stamp = dated.then(|| memchr::memchr(b' ', near)).flatten()?;
    let (errors, tags) = match near.get(stamp + 1..)? {
        [b's', b't', b'd', b'o', b'u', b't', b' ', tags @ ..] => (false, tags),
        [b's', b't', b'd', b'e', b'r', b'r', b' ', tags @ ..] => (true, tags),
        _ => return None,
    };
    let end = memchr::memchr(b' ', tags)?;
    let goes_on = match tags.first()? {
        b'P' => true,
        b'F' => false,
        _ => return None,
    };
    Some(Part { goes_on, errors, text: stamp + 8 + end + 1..line.len(), escaped: false })
}

/// `{"log":"TEXT","stream":"stdout",…`: a text of the whole length that no newline ends goes on.
fn docker(line: &[u8]) -> Option<Part> {
    let log = Member::read(line, blank(line, 1)).ok().filter(|member| member.name == "log")?;
    let text = log.value + 1..log.end?.checked_sub(1)?;
    let comma = blank(line, log.end?);
    let stream = Member::read(line, blank(line, comma + 1)).ok().filter(|member| member.name == "stream")?;
    let errors = match line.get(stream.value..stream.end?)? {
        b"\"stdout\"" => false,
        b"\"stderr\"" => true,
        _ => return None,
    };
    let written = line.get(text.clone()).filter(|_| line[log.value] == b'"' && line[comma] == b',')?;
    let newline = written.strip_suffix(b"n").is_some_and(|before| {
        // a backslash that is itself escaped escapes nothing
        before.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
    });
    Some(Part { goes_on: !newline && written.len() >= DOCKER_PART, errors, text, escaped: true })
}

/// How long the first line of `rest` is, with those behind it in which its record goes on, and with those of the other stream between
/// them; `length` without. None where that is not here yet. `last`: nothing follows these bytes.
///
/// Where the end is not found within its bounds, only what follows line by line belongs to the record.
pub fn together(rest: &[u8], length: usize, last: bool) -> Option<usize> {
    let Some(first) = Part::first(&rest[..length]) else { return Some(length) };
    let mut open = [!first.errors, first.errors];
    let (mut end, mut alone, mut between) = (length, None, 0);
    while open != [false; 2] && end <= FRAME_BYTES {
        // ends: every turn passes a line
        let behind = &rest[(end + 1).min(rest.len())..];
        let next = match memchr::memchr(b'\n', behind) {
            Some(length) => end + 1 + length,
            None if last && !behind.is_empty() => rest.len(),
            None if last => break,
            None => return None,
        };
        let Some(part) = Part::of(&rest[end + 1..next]) else { break };
        if part.errors != first.errors {
            alone.get_or_insert(end);
            between += 1;
            if between > LINES_BETWEEN_PARTS {
                break;
            }
        }
        open[usize::from(part.errors)] = part.goes_on;
        end = next;
    }
    Some(if open == [false; 2] { end } else { alone.unwrap_or(end) })
}

#[cfg(test)]
mod tests {
    use super::super::{Framing, frames};
    use super::*;

    /// The lines of each frame, and what they are when the bytes come in such steps.
    fn framed(framing: Framing, bytes: &[u8], step: usize) -> (Vec<usize>, usize) {
        let (mut from, mut seen, mut found) = (0, 0, Vec::new());
        while seen < bytes.len() {
            seen = (seen + step).min(bytes.len());
            // each call could as well be one after a restart: it knows nothing but where the cursor stands
            let framed = frames(framing, &[], &bytes[from..seen], from as u64, false);
            found.extend(framed.frames.iter().map(|f| (f.from as usize, f.to as usize)));
            from += framed.covered;
        }
        let lines = |(from, to): &(usize, usize)| bytes[*from..*to].iter().filter(|b| **b == b'\n').count();
        (found.iter().map(lines).collect(), from)
    }

    fn line(stream: &str, tag: &str, text: &str) -> String {
        format!("2026-04-01T09:12:44.031Z {stream} {tag} {text}\n")
    }

    #[test]
    fn parts_of_a_record_are_one_frame_however_they_arrive() {
        let lines = [
            line("stdout", "P", "{\"a\":"),
            line("stdout", "P", "1"),
            line("stdout", "F", "}"),
            line("stderr", "F", "x"),
            line("stdout", "P", "{\"b\":"),
            line("stderr", "F", "y"),
            line("stderr", "P", "z"),
            line("stdout", "F", "2}"),
            line("stderr", "F", "z"),
            line("stdout", "F", "{}"),
        ];
        let bytes = lines.concat().into_bytes();
        for framing in [Framing::Lines, Framing::JsonLines] {
            for step in [1, 7, 50, bytes.len()] {
                assert_eq!(framed(framing, &bytes, step), (vec![3, 1, 5, 1], bytes.len()), "{framing:?} {step}");
            }
        }
        // without its end, or its last newline, at the end of a file
        for length in [lines[0].len(), lines[..3].concat().len() - 1] {
            let framed = frames(Framing::Lines, &[], &bytes[..length], 0, true);
            assert_eq!((framed.frames.len(), framed.covered), (1, length));
        }
    }

    #[test]
    fn a_record_that_never_ends_holds_nothing_up() {
        let others = line("stderr", "F", "y").repeat(LINES_BETWEEN_PARTS + 1);
        let bytes = [line("stdout", "P", "{"), line("stdout", "P", "{"), others].concat().into_bytes();
        let mut wanted = vec![1; LINES_BETWEEN_PARTS + 2];
        wanted[0] = 2;
        for step in [1, 50, bytes.len()] {
            let (lines, covered) = framed(Framing::Lines, &bytes, step);
            assert_eq!((lines, covered), (wanted.clone(), bytes.len()), "{step}");
        }
    }

    #[test]
    fn docker_goes_on_where_a_text_of_16_kib_has_no_newline() {
        let docker = |stream: &str, text: &str| format!(r#"{{"log":"{text}","stream":"{stream}","time":"x"}}"#) + "\n";
        let long = "m".repeat(DOCKER_PART);
        let whole = format!("{}\\n", &long[1..]);
        let escaped = format!("{}\\\\n", &long[3..]);
        let lines = [
            docker("stdout", "short"),
            docker("stdout", &whole),
            docker("stdout", &escaped),
            docker("stderr", "x\\n"),
            docker("stdout", &long),
            docker("stdout", "}\\n"),
            docker("stdout", "{}\\n"),
        ];
        let bytes = lines.concat().into_bytes();
        for framing in [Framing::Lines, Framing::JsonLines] {
            for step in [997, bytes.len()] {
                assert_eq!(framed(framing, &bytes, step), (vec![1, 1, 4, 1], bytes.len()), "{framing:?} {step}");
            }
        }
        for other in [
            r#"{"log":1,"stream":"stdout"}"#,
            r#"{"log":"x","stream":7}"#,
            r#"{"log":"x""#,
            r#"{"log":"x";"stream":"stdout"}"#,
        ] {
            assert!(Part::of(other.as_bytes()).is_none(), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn frames_are_the_same_however_the_bytes_arrive(kinds in proptest::collection::vec((0_usize..5, 0_usize..20), 0..40), step in 1_usize..300) {
            let of = |(kind, length): &(usize, usize)| match kind {
                0 => line("stdout", "P", &"a".repeat(*length)),
                1 => line("stdout", "F", &"b".repeat(*length)),
                2 => line("stderr", "P", &"c".repeat(*length)),
                3 => line("stderr", "F", &"d".repeat(*length)),
                _ => "{}\n".to_owned(),
            };
            let bytes = kinds.iter().map(of).collect::<String>().into_bytes();
            let whole = framed(Framing::Lines, &bytes, bytes.len().max(1));
            proptest::prop_assert_eq!(framed(Framing::Lines, &bytes, step), whole);
        }
    }
}
