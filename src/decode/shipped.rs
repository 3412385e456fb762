//! What shippers put around a record: Docker, Kubernetes, Filebeat, Fluent Bit, CloudWatch Logs, Splunk, Elasticsearch, Azure Event Hubs.
//!
//! A wrapping is known by its shape alone: every key of it is one that its shipper writes, and one of those that only it writes is there.
//! Some put beside a record what they have found in it: two keys that only they write, and the text of the record, tell those.
//! A product's own record that holds a text of JSON under `message` is none: what a client may have written there stays a text.
use super::json_text::unescape;
use super::syslog;
use crate::framing::Part;
use crate::framing::json::{DocumentScan, Member, NoMember, blank, members, next_item};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A record without what was around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped<'a> {
    /// The record.
    pub text: &'a str,
    /// When its shipper read it, as written: where the record states no time.
    pub stamp: Option<&'a str>,
    /// The wrapping breaks off, and so does the record.
    pub clipped: bool,
}

/// One shipper's wrapping.
struct Shape {
    /// The key of the record: an object, a text, or a list of further wrappings.
    holds: &'static str,
    /// The keys of when it was read.
    stamps: &'static [&'static str],
    /// Keys of which so many are there as `least` says.
    needs: &'static [&'static str],
    /// Keys that may be there.
    has: &'static [&'static str],
    /// How many of `needs` are there at least.
    least: u8,
    /// Any other key may be there as well.
    is_open: bool,
    /// What it holds is JSON: its keys alone say too little.
    is_json: bool,
    /// The record is the text under this key of what it holds.
    within: Option<&'static str>,
}

/// A wrapping that has no keys of others.
const CLOSED: Shape =
    Shape { holds: "", stamps: &[], needs: &[], has: &[], least: 1, is_open: false, is_json: false, within: None };

impl Shape {
    /// Which of the values of what was met under its key is the record.
    fn held(&self, text: &str, held: (usize, Option<usize>)) -> Option<(usize, Option<usize>)> {
        let record = match self.within {
            None => held,
            Some(_) if text.as_bytes().get(held.0) != Some(&b'{') => return None,
            Some(key) => member(text, held.0, key)?,
        };
        let begins = |text: &str| text.trim_start().starts_with(['{', '[']);
        let written = text.get(record.0..)?;
        let is_json = match (written.as_bytes().first()?, written.get(1..)) {
            (b'{', _) => self.within.is_none(),
            (b'"', Some(inner)) => begins(inner),
            (b'[', Some(inner)) => self.within.is_none() && inner.trim_start().starts_with(['{', ']']),
            _ => false,
        };
        (is_json || !self.is_json).then_some(record)
    }
}

/// Where the value of that member of the object at `at` lies.
fn member(text: &str, at: usize, name: &str) -> Option<(usize, Option<usize>)> {
    members(text.as_bytes(), at).find(|member| member.name == name).map(|member| (member.value, member.end))
}

/// What Filebeat and Logstash write beside a record: keys of which one is there, and those that may be.
const FILEBEAT: (&[&str], &[&str]) = (
    &["agent", "beat", "@metadata", "prospector", "@version"],
    &[
        "ecs",
        "host",
        "input",
        "log",
        "fields",
        "tags",
        "event",
        "container",
        "kubernetes",
        "stream",
        "docker",
        "cloud",
        "offset",
        "source",
        "type",
        "path",
        "orchestrator",
        "service",
        "syslog",
        "process",
    ],
);

/// The wrappings. To add one: an entry here.
const SHAPES: &[Shape] = &[
    // Docker's json-file, and Fluent Bit that tails it or Kubernetes
    Shape {
        holds: "log",
        stamps: &["time", "date", "@timestamp"],
        needs: &["stream", "time", "date", "kubernetes", "container_id", "container_name"],
        has: &["attrs", "_p", "logtag", "tag", "source", "partial_message", "k8s", "host", "cluster"],
        ..CLOSED
    },
    // Filebeat and Logstash
    Shape { holds: "message", stamps: &["@timestamp"], needs: FILEBEAT.0, has: FILEBEAT.1, ..CLOSED },
    // with the record as an object, and processed into the common schema, where the record is kept as a text
    Shape { holds: "json", stamps: &["@timestamp"], needs: FILEBEAT.0, has: FILEBEAT.1, is_json: true, ..CLOSED },
    Shape {
        holds: "event",
        within: Some("original"),
        stamps: &["@timestamp"],
        needs: &["@timestamp"],
        has: FILEBEAT.1,
        is_json: true,
        ..CLOSED
    },
    Shape {
        holds: "event",
        within: Some("original"),
        stamps: &["@timestamp"],
        needs: &["@timestamp", "ecs", "agent", "beat", "@metadata", "@version", "data_stream"],
        least: 2,
        is_open: true,
        is_json: true,
        ..CLOSED
    },
    // CloudWatch Logs: a subscription's document, and one event of it
    Shape {
        holds: "logEvents",
        stamps: &[],
        needs: &["messageType", "logGroup"],
        has: &["owner", "logStream", "subscriptionFilters", "policyLevel"],
        ..CLOSED
    },
    Shape {
        holds: "message",
        stamps: &["timestamp"],
        needs: &["ingestionTime", "logStreamName", "eventId", "id", "extractedFields"],
        has: &[],
        ..CLOSED
    },
    // what is answered to those who ask for its events
    Shape {
        holds: "events",
        stamps: &[],
        needs: &["events"],
        has: &["nextForwardToken", "nextBackwardToken", "searchedLogStreams", "nextToken"],
        is_json: true,
        ..CLOSED
    },
    // Splunk: to its collector, and from its search
    Shape {
        holds: "event",
        stamps: &["time"],
        needs: &["sourcetype", "index", "source"],
        has: &["host", "fields"],
        ..CLOSED
    },
    // a sender may say only where it is: then it is known by what it holds
    Shape { holds: "event", stamps: &["time"], needs: &["host"], has: &["fields"], is_json: true, ..CLOSED },
    Shape {
        holds: "results",
        stamps: &[],
        needs: &["preview", "init_offset", "highlighted"],
        has: &["messages", "fields", "offset", "lastrow", "post_process_count", "sid"],
        is_json: true,
        ..CLOSED
    },
    // in its verbose mode every field that it has found in the record stands beside that
    Shape {
        holds: "_raw",
        stamps: &["_time"],
        needs: &["_cd", "_bkt", "_indextime", "_serial", "_si", "_sourcetype", "splunk_server"],
        least: 2,
        is_open: true,
        ..CLOSED
    },
    Shape { holds: "result", stamps: &[], needs: &["preview"], has: &["offset", "lastrow"], ..CLOSED },
    Shape {
        holds: "_raw",
        stamps: &["_time"],
        needs: &["sourcetype", "_sourcetype", "splunk_server", "_indextime", "_cd"],
        has: &[
            "_bkt",
            "_si",
            "_serial",
            "_subsecond",
            "host",
            "index",
            "linecount",
            "source",
            "punct",
            "timestamp",
            "_kv",
        ],
        ..CLOSED
    },
    // Elasticsearch and OpenSearch
    Shape {
        holds: "_source",
        stamps: &[],
        needs: &["_index", "_id"],
        has: &[
            "_type",
            "_score",
            "_version",
            "_seq_no",
            "_primary_term",
            "sort",
            "fields",
            "_routing",
            "highlight",
            "_ignored",
            "@timestamp",
        ],
        ..CLOSED
    },
    // and what they answer to a search
    Shape {
        holds: "hits",
        stamps: &[],
        needs: &["took", "timed_out", "_shards"],
        has: &["_scroll_id", "pit_id", "aggregations", "status", "terminated_early", "num_reduce_phases", "_clusters"],
        ..CLOSED
    },
    Shape { holds: "hits", stamps: &[], needs: &["total", "max_score"], has: &[], ..CLOSED },
    // Azure: what diagnostic settings send, and an event of a hub around it
    Shape { holds: "records", stamps: &[], needs: &["records"], has: &[], ..CLOSED },
    Shape {
        holds: "Body",
        stamps: &["EnqueuedTimeUtc"],
        needs: &["SequenceNumber", "Offset", "EnqueuedTimeUtc", "SystemProperties"],
        has: &["Properties", "PartitionKey", "PartitionId", "ContentType", "CorrelationId", "MessageId"],
        ..CLOSED
    },
    Shape {
        holds: "body",
        stamps: &["enqueuedTimeUtc", "enqueued_time"],
        needs: &["sequenceNumber", "sequence_number", "enqueuedTimeUtc", "enqueued_time", "systemProperties"],
        has: &["offset", "properties", "partitionKey", "partition_key", "partitionId", "system_properties"],
        ..CLOSED
    },
];

/// What the lists are called in wrappings that hold many records, a dot between the names of objects in objects.
pub const LISTS: &[&str] = &["hits.hits", "records", "logEvents", "results"];

/// How many wrappings may lie in one another.
const LAYERS: usize = 4;

/// Hands the records of `text` to `each`, in order: itself where nothing is around it.
pub fn unwrap(text: &str, each: &mut dyn FnMut(Shipped<'_>)) {
    inner(Shipped { text, stamp: None, clipped: false }, LAYERS, each);
}

fn inner(shipped: Shipped<'_>, layers: usize, each: &mut dyn FnMut(Shipped<'_>)) {
    let text = shipped.text.trim_start();
    if let Some(records) = (layers > 0).then(|| joined(text)).flatten() {
        for Joined { text, stamp, is_cut } in &records {
            let text = text.trim_end_matches(['\n', '\r']);
            inner(Shipped { text, stamp: *stamp, clipped: shipped.clipped || *is_cut }, layers - 1, each);
        }
        return;
    }
    if layers > 0 && text.starts_with('{') {
        if let Some(opened) = Opened::of(text) {
            return opened.records(&shipped, layers, each);
        }
    } else if layers > 0 && text.starts_with('[') {
        let first = text.get(blank(text.as_bytes(), 1)..).filter(|first| first.starts_with('{')).unwrap_or_default();
        let length = if first.is_empty() { None } else { DocumentScan::default().feed(first.as_bytes()) };
        let first = first.get(..length.unwrap_or(first.len())).unwrap_or_default();
        // a list of records themselves is for their format to read
        if Opened::of(first).is_some() {
            return elements(Shipped { text, ..shipped }, layers, each);
        }
    } else if layers > 0
        && let Some((stamp, text)) = prefixed(text)
    {
        return inner(Shipped { text, stamp: Some(stamp), ..shipped }, layers - 1, each);
    }
    each(shipped);
}

/// `TIME stdout F RECORD`, as Kubernetes' container runtimes write it, or `TIME {…`, as CloudWatch exports it.
fn prefixed(text: &str) -> Option<(&str, &str)> {
    let (stamp, rest) = text.split_at_checked(syslog::iso(text)?)?;
    let rest = rest.strip_prefix(' ')?;
    if rest.starts_with('{') && stamp.as_bytes().get(10) == Some(&b'T') {
        return Some((stamp, rest));
    }
    let rest = rest.strip_prefix("stdout ").or_else(|| rest.strip_prefix("stderr "))?;
    let (tags, record) = rest.split_once(' ')?;
    (tags.starts_with(['F', 'P']) && tags.len() <= 32).then_some((stamp, record))
}

/// A record whose parts a container runtime has written as lines of their own.
struct Joined<'a> {
    text: String,
    /// When its first part was read.
    stamp: Option<&'a str>,
    /// Its end is missing.
    is_cut: bool,
}

/// The records of such lines, of both streams, in the order in which they begin.
fn joined(text: &str) -> Option<Vec<Joined<'_>>> {
    Part::first(text.lines().next()?.as_bytes())?;
    let mut records: Vec<Joined<'_>> = Vec::new();
    // of each stream the record that goes on
    let mut open = [None; 2];
    for line in text.lines() {
        let Some(part) = Part::of(line.as_bytes()) else {
            // the end of one that was cut
            if let Some(last) = records.last_mut() {
                last.text.push_str(line);
            }
            continue;
        };
        let stream = usize::from(part.errors);
        let n = open[stream].take().unwrap_or_else(|| {
            let stamp = match part.escaped {
                true => Opened::of(line).and_then(|opened| opened.stamp),
                false => prefixed(line).map(|(stamp, _)| stamp),
            };
            records.push(Joined { text: String::new(), stamp, is_cut: false });
            records.len() - 1
        });
        let written = line.get(part.text).unwrap_or_default();
        match part.escaped {
            true => unescape(written, &mut records[n].text),
            false => records[n].text.push_str(written),
        }
        records[n].is_cut = part.goes_on;
        open[stream] = part.goes_on.then_some(n);
    }
    Some(records)
}

/// The text that Base64 stands for, where that is JSON: a hub's event holds bytes.
fn decoded(text: &str) -> Option<String> {
    let begins = text.starts_with("ey") || text.starts_with('W');
    let bytes = begins.then(|| STANDARD.decode(text).ok()).flatten()?;
    String::from_utf8(bytes).ok().filter(|text| text.starts_with(['{', '[']))
}

/// A wrapping whose shape was found.
struct Opened<'a> {
    text: &'a str,
    /// Where what it holds begins, and where that ends where it does.
    holds: (usize, Option<usize>),
    stamp: Option<&'a str>,
}

impl<'a> Opened<'a> {
    fn of(text: &'a str) -> Option<Opened<'a>> {
        let bytes = text.as_bytes();
        // bits of the shapes that are still possible, and how many needed keys of each were met
        let (mut possible, mut needed) = (0u32, [0u8; SHAPES.len()]);
        for (n, shape) in SHAPES.iter().enumerate() {
            // what may hold any key is looked for in no record that does not name its own
            let named = |key: &str| memchr::memmem::find(bytes, key.as_bytes()).is_some();
            possible |= u32::from(!shape.is_open || named(shape.within.unwrap_or(shape.holds))) << n;
        }
        let mut held = [None; SHAPES.len()];
        let mut stamps = [None; SHAPES.len()];
        let mut at = blank(bytes, 1);
        let cut = loop {
            // Ends: every turn reads a member, or leaves.
            let member = match Member::read(bytes, at) {
                Ok(member) => member,
                Err(NoMember::Unfinished) => break true,
                Err(NoMember::Other) => return None,
            };
            let is = |keys: &[&str]| keys.contains(&member.name);
            let before = possible;
            for (n, shape) in SHAPES.iter().enumerate().filter(|(n, _)| before >> n & 1 == 1) {
                let is_its = shape.holds == member.name || is(shape.stamps) || is(shape.needs) || is(shape.has);
                let known = shape.is_open || is_its;
                // a key that comes again is no shipper's
                if !known || (shape.holds == member.name && held[n].is_some()) {
                    possible &= !(1 << n);
                } else if shape.holds == member.name {
                    held[n] = Some((member.value, member.end));
                }
                needed[n] = needed[n].saturating_add(u8::from(is(shape.needs)));
                if is(shape.stamps) && stamps[n].is_none() {
                    stamps[n] =
                        member.end.and_then(|end| text.get(member.value..end)).map(|stamp| stamp.trim_matches('"'));
                }
            }
            if possible == 0 {
                return None;
            }
            let Some(end) = member.end else { break true };
            at = blank(bytes, end);
            match bytes.get(at) {
                Some(b',') => at = blank(bytes, at + 1),
                Some(b'}') if blank(bytes, at + 1) == bytes.len() => break false,
                None => break true,
                Some(_) => return None,
            }
        };
        let fitting = |n: usize| {
            let alone = cut && SHAPES[n].holds == "log";
            let fits = possible >> n & 1 == 1 && (needed[n] >= SHAPES[n].least || alone);
            held[n].filter(|_| fits).and_then(|held| Some((SHAPES[n].held(text, held)?, stamps[n])))
        };
        let (holds, stamp) = (0..SHAPES.len()).find_map(fitting)?;
        Some(Opened { text, holds, stamp })
    }

    fn records(&self, outer: &Shipped<'_>, layers: usize, each: &mut dyn FnMut(Shipped<'_>)) {
        let (at, end) = self.holds;
        let clipped = outer.clipped || end.is_none();
        let (held, stamp) = (&self.text[at..end.unwrap_or(self.text.len())], self.stamp.or(outer.stamp));
        match held.as_bytes().first() {
            Some(b'"') => {
                let written = held.strip_prefix('"').unwrap_or(held);
                let written = if end.is_some() { written.strip_suffix('"').unwrap_or(written) } else { uncut(written) };
                let mut record = String::with_capacity(written.len());
                unescape(written, &mut record);
                record = decoded(&record).unwrap_or(record);
                inner(Shipped { text: record.trim_end_matches(['\n', '\r']), stamp, clipped }, layers - 1, each);
            }
            Some(b'[') => elements(Shipped { text: held, stamp, clipped }, layers, each),
            _ => inner(Shipped { text: held, stamp, clipped }, layers - 1, each),
        }
    }
}

/// Hands the records of each object in a list to `each`.
fn elements(list: Shipped<'_>, layers: usize, each: &mut dyn FnMut(Shipped<'_>)) {
    let Shipped { text: held, stamp, clipped } = list;
    let mut at = blank(held.as_bytes(), 1);
    // Ends: every turn passes an element.
    while held.as_bytes().get(at) == Some(&b'{') {
        let length = DocumentScan::default().feed(&held.as_bytes()[at..]);
        let text = &held[at..length.map_or(held.len(), |length| at + length)];
        inner(Shipped { text, stamp, clipped: clipped && length.is_none() }, layers - 1, each);
        at = next_item(held.as_bytes(), at + text.len()).unwrap_or(held.len());
    }
}

/// A text without the escape in which it breaks off.
fn uncut(written: &str) -> &str {
    let near = written.len().saturating_sub(6);
    let tail = &written.as_bytes()[near..];
    let Some(last) = tail.iter().rposition(|b| *b == b'\\').map(|n| near + n) else { return written };
    let backslashes = written.as_bytes()[..=last].iter().rev().take_while(|b| **b == b'\\').count();
    let rest = &written.as_bytes()[last + 1..];
    let whole = match rest.first() {
        Some(b'u') => rest.len() >= 5,
        Some(_) => true,
        None => false,
    };
    if backslashes % 2 == 0 || whole { written } else { &written[..last] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hubs_and_searches_put_around_records_is_taken_off() {
        let (a, b) = (r#"{"n":1}"#, r#"{"n":2}"#);
        let records = format!(r#"{{"records": [{a},{b}]}}"#);
        let text = serde_json::to_string(&records).unwrap();
        let event = |body: &str| {
            format!(
                r#"{{"SequenceNumber":7,"Offset":"64","EnqueuedTimeUtc":"3/30/2026 2:03:22 PM","SystemProperties":{{}},"Properties":{{}},"Body":{body}}}"#
            )
        };
        let hit = |source: &str| format!(r#"{{"_index":"x","_id":"1","_score":1.0,"_source":{source}}}"#);
        for wrapped in [
            records.clone(),
            event(&text),
            event(&records),
            event(&format!("\"{}\"", STANDARD.encode(&records))),
            format!(
                r#"{{"took":3,"timed_out":false,"_shards":{{"total":1}},"hits":{{"total":{{"value":2}},"max_score":1.0,"hits":[{},{}]}}}}"#,
                hit(a),
                hit(b)
            ),
        ] {
            let found: Vec<String> = unwrapped(&wrapped).into_iter().map(|(text, ..)| text).collect();
            assert_eq!(found, [a, b], "{wrapped}");
        }
        let own = [
            r#"{"records":[1]}"#,
            r#"{"records":[{"n":1}],"actor":"eve"}"#,
            r#"{"hits":[{"n":1}],"took":"x","actor":1}"#,
        ];
        for record in &own[1..] {
            assert_eq!(unwrapped(record), [((*record).to_owned(), None, false)]);
        }
    }

    #[test]
    fn a_list_of_wrapped_records_is_taken_apart() {
        let (a, b) = (r#"{"n":1,"l":[{"x":"]"}]}"#, r#"{"n":2}"#);
        let text = |record: &str| serde_json::to_string(record).unwrap();
        let wrappings: [&dyn Fn(&str) -> String; 6] = [
            &|record| format!(r#"{{"_index":"x","_id":"1","_source":{record}}}"#),
            &|record| format!(r#"{{"time":1,"sourcetype":"x","event":{record}}}"#),
            &|record| format!(r#"{{"@timestamp":"x","agent":{{}},"message":{}}}"#, text(record)),
            &|record| format!(r#"{{"Body":{},"SequenceNumber":1,"Offset":"1"}}"#, text(record)),
            &|record| format!(r#"{{"timestamp":1,"message":{},"ingestionTime":2}}"#, text(record)),
            &|record| format!(r#"{{"log":{},"stream":"stdout"}}"#, text(&format!("{record}\n"))),
        ];
        for wrapping in wrappings {
            let list = format!("[ {} ,\n {}]", wrapping(a), wrapping(b));
            let found: Vec<String> = unwrapped(&list).into_iter().map(|(text, ..)| text).collect();
            assert_eq!(found, [a, b], "{list}");
            // of a record that the list breaks off in, what stands before that is there
            let cut = unwrapped(&list[..list.len() - 3]);
            assert_eq!(cut[0].0, a, "{list}");
        }
        for own in [format!("[{a},{b}]"), "[]".to_owned(), "[1]".to_owned(), "[{".to_owned(), "[[{}]]".to_owned()] {
            assert_eq!(unwrapped(&own), [(own.clone(), None, false)]);
        }
    }

    #[test]
    fn parts_of_a_record_are_one_again_and_one_without_its_end_is_cut() {
        let record = r#"{"event":"session.login","actor":{"name":"ana"}}"#;
        let (first, rest) = record.split_at(20);
        let (second, third) = rest.split_at(9);
        let line = |tag: &str, text: &str| format!("2026-04-01T09:12:44.031Z stdout {tag} {text}");
        let whole = [line("P", first), line("P", second), line("F", third)].join("\n");
        let stamp = Some("2026-04-01T09:12:44.031Z".to_owned());
        assert_eq!(unwrapped(&whole), [(record.to_owned(), stamp.clone(), false)]);
        let cut = [line("P", first), line("P", second)].join("\n");
        assert_eq!(unwrapped(&cut), [(format!("{first}{second}"), stamp.clone(), true)]);
        assert_eq!(unwrapped(&line("P", first)), [(first.to_owned(), stamp.clone(), true)]);
        // the other stream between them has records of its own
        let between = line("F", "oops").replace("stdout", "stderr");
        let mixed = [line("P", first), between, line("F", rest)].join("\n");
        assert_eq!(unwrapped(&mixed), [(record.to_owned(), stamp.clone(), false), ("oops".to_owned(), stamp, false)]);
    }

    #[test]
    fn what_docker_has_split_is_one_record() {
        let record = format!(r#"{{"event":"session.login","agent":"é\"{}"}}"#, "m".repeat(17_000));
        let (first, second) = record.split_at(16_384);
        let line = |text: &str, stamp: &str| {
            let text = serde_json::to_string(text).unwrap();
            format!(r#"{{"log":{text},"stream":"stdout","time":"{stamp}"}}"#)
        };
        let whole = [line(first, "a"), line(&format!("{second}\n"), "b")].join("\n");
        assert_eq!(unwrapped(&whole), [(record.clone(), Some("a".to_owned()), false)]);
        assert_eq!(unwrapped(&line(first, "a")), [(first.to_owned(), Some("a".to_owned()), true)]);
    }

    fn unwrapped(text: &str) -> Vec<(String, Option<String>, bool)> {
        let mut out = Vec::new();
        unwrap(text, &mut |s| out.push((s.text.to_owned(), s.stamp.map(str::to_owned), s.clipped)));
        out
    }

    #[test]
    fn a_record_is_found_in_every_shippers_wrapping() {
        let record = r#"{"event":"session.login","actor":{"name":"a\"b"}}"#;
        let text = serde_json::to_string(record).unwrap();
        let line = serde_json::to_string(&format!("{record}\n")).unwrap();
        let at = "2026-04-01T09:12:44.031Z";
        let some = Some(at);
        let docker = format!(r#"{{"log":{line},"stream":"stdout","time":"{at}"}}"#);
        for (wrapped, stamp) in [
            (docker.clone(), some),
            (
                format!(
                    r#"{{"date":1775034764.5,"stream":"stdout","time":"{at}","_p":"F","log":{text},"kubernetes":{{"pod":1}}}}"#
                ),
                Some("1775034764.5"),
            ),
            (format!("{at} stdout F {record}"), some),
            (format!("{at} {record}"), some),
            (
                format!(
                    r#"{{"@timestamp":"{at}","@metadata":{{"beat":"filebeat"}},"message":{text},"agent":{{"type":"filebeat"}},"log":{{"offset":0}}}}"#
                ),
                some,
            ),
            (
                format!(
                    r#"{{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{{"id":"1","timestamp":1775034764031,"message":{text}}}]}}"#
                ),
                Some("1775034764031"),
            ),
            (
                format!(r#"{{"time":1775034764.031,"host":"gw","sourcetype":"portal","event":{record}}}"#),
                Some("1775034764.031"),
            ),
            (format!(r#"{{"time":"1775034764.031","source":"x","event":{text}}}"#), Some("1775034764.031")),
            (format!(r#"{{"preview":false,"result":{{"_raw":{text},"_time":"{at}","sourcetype":"x"}}}}"#), some),
            (format!(r#"{{"_index":"x","_id":"1","_score":1.0,"_source":{record}}}"#), None),
            (
                format!(r#"{{"@timestamp":"x","message":{},"agent":{{}}}}"#, serde_json::to_string(&docker).unwrap()),
                some,
            ),
            (format!(r#"{{"time":"1775034764.031","host":"gw","event":{text}}}"#), Some("1775034764.031")),
            (format!(r#"{{"host":"gw","event":{record},"fields":{{"a":"b"}}}}"#), None),
            (
                format!(
                    r#"{{"preview":false,"init_offset":0,"messages":[],"fields":[{{"name":"_raw"}}],"results":[{{"_raw":{text},"_time":"{at}","_cd":"1"}}],"highlighted":{{}}}}"#
                ),
                some,
            ),
            (
                format!(
                    r#"{{"preview":false,"result":{{"event":"session.login","actor":"x","date_hour":"9","_bkt":"x","_cd":"1:2","_raw":{text},"_time":"{at}"}}}}"#
                ),
                some,
            ),
            (
                format!(
                    r#"{{"events":[{{"timestamp":1775034764031,"message":{text},"ingestionTime":1}}],"nextForwardToken":"f/1","nextBackwardToken":"b/1"}}"#
                ),
                Some("1775034764031"),
            ),
            (
                format!(
                    r#"{{"events":[{{"logStreamName":"s","timestamp":1775034764031,"message":{text},"eventId":"3"}}],"searchedLogStreams":[]}}"#
                ),
                Some("1775034764031"),
            ),
            (
                format!(
                    r#"{{"_index":"x","_source":{{"@timestamp":"{at}","json":{record},"agent":{{"type":"filebeat"}},"ecs":{{}}}}}}"#
                ),
                some,
            ),
            (format!(r#"{{"_id":"1","_source":{{"@timestamp":"{at}","event":{{"original":{text}}}}}}}"#), some),
            (
                format!(
                    r#"{{"@timestamp":"{at}","source":{{"ip":"192.0.2.1"}},"ecs":{{"version":"8"}},"event":{{"kind":"event","original":{text},"action":"x"}},"portal":{{"a":1}}}}"#
                ),
                some,
            ),
            (record.to_owned(), None),
        ] {
            let is = vec![(record.to_owned(), stamp.map(str::to_owned), false)];
            assert_eq!(unwrapped(&wrapped), is, "{wrapped}");
        }
        let two = format!(
            r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{text}}},{{"id":"2","message":"x"}}]}}"#
        );
        assert_eq!(unwrapped(&two).iter().map(|u| u.0.as_str()).collect::<Vec<_>>(), [record, "x"]);
    }

    #[test]
    fn a_record_of_a_product_is_not_opened() {
        for record in [
            r#"{"ts":"2026","event":"page.view","message":"{\"event\":\"session.login\"}"}"#,
            r#"{"event":{"a":1},"time":1}"#,
            r#"{"message":"{\"event\":\"session.login\"}","timestamp":1}"#,
            r#"{"message":"{}","agent":{},"actor":"eve"}"#,
            r#"{"log":"x"}"#,
            r#"{"time":"2026","host":"gw","event":"session.login"}"#,
            r#"{"@timestamp":"2026","ecs":{},"event":{"original":"signed in"},"user":{"name":"eve"}}"#,
            r#"{"@timestamp":"2026","event":{"original":"{\"event\":\"session.login\"}"},"user":{"name":"eve"}}"#,
            r#"{"@timestamp":"2026","ecs":{},"event":"original","user":{"name":"eve"}}"#,
            r#"{"_raw":"{\"event\":\"session.login\"}","_cd":"1","user":"eve"}"#,
            r#"{"events":["session.login"]}"#,
            r#"{"events":[{"a":1}],"actor":"eve"}"#,
            r#"{"log":"x","stream":"stdout"} {"a":1}"#,
            r#"{"log":"x","log":"y","stream":"stdout"}"#,
            "2026-04-01T09:12:44Z says {}",
            "",
        ] {
            assert_eq!(unwrapped(record), [(record.to_owned(), None, false)]);
        }
    }

    #[test]
    fn a_wrapping_that_breaks_off_holds_a_record_that_does() {
        for cut in [
            r#"{"log":"{\"a\":\"x\",\"b\":\"long"#,
            r#"{"log":"{\"a\":\"x\",\"b\":\"long\u00"#,
            r#"{"log":"{\"a\":\"x\",\"b\":\"long\"#,
        ] {
            assert_eq!(unwrapped(cut), [(r#"{"a":"x","b":"long"#.to_owned(), None, true)], "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_unwrapped(text in "\\PC{0,60}", parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "\"log\":", "\"message\":", "\"stream\":", "\"agent\":1", "\"logEvents\":[", "\"x\"", ",", "\\", "\"", "é", "2026-04-01T09:12:44Z stdout F ",
        ]), 0..20)) {
            for text in [&text, &parts.concat()] {
                let mut records = 0;
                unwrap(text, &mut |shipped| {
                    records += 1;
                    assert!(shipped.text.len() <= text.len());
                });
                prop_assert!(records <= text.len().max(1));
            }
        }
    }
}
