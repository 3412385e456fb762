//! What a JSON record holds, as one digest: whichever order its keys stand in, and however its text is escaped and spaced.
use super::json_text::resolved;
use crate::framing::json::{Member, blank, members, next_item, value_end};
use crate::model::{Digest, HashParts};
use std::borrow::Cow;

/// How deep objects are looked into: what lies deeper is taken as written.
const DEPTH: usize = 16;

/// The digest of `record`, a whole object as written.
pub(super) fn digest(record: &str) -> Digest {
    value(HashParts::new("content"), record, DEPTH).finish()
}

/// `written`: one value, without what stands around it.
fn value(parts: HashParts, written: &str, depth: usize) -> HashParts {
    match written.as_bytes().first() {
        Some(b'{') if depth > 0 => {
            let mut members = named(written);
            // two of one name stay in their order
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            let parts = parts.part(b"{").number(members.len() as i64);
            members.into_iter().fold(parts, |parts, (key, held)| value(parts.part(key.as_bytes()), held, depth - 1))
        }
        Some(b'[') if depth > 0 => {
            let elements = elements(written);
            let parts = parts.part(b"[").number(elements.len() as i64);
            elements.into_iter().fold(parts, |parts, held| value(parts, held, depth - 1))
        }
        Some(b'"') => {
            let text = written.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(written);
            parts.part(b"\"").part(resolved(text).as_bytes())
        }
        _ => parts.part(b"=").part(number(written.trim_end()).as_bytes()),
    }
}

/// A whole number in one way, however it is written: `5`, `5.0`, `5e0`.
fn number(written: &str) -> Cow<'_, str> {
    let is_other = written.len() <= 32 && written.contains(['.', 'e', 'E']);
    let whole = |n: &f64| n.fract() == 0.0 && n.abs() < 9e15;
    match is_other.then(|| written.parse::<f64>().ok()).flatten().filter(whole) {
        Some(n) => Cow::Owned(format!("{n:.0}")),
        None => Cow::Borrowed(written),
    }
}

fn named(object: &str) -> Vec<(Cow<'_, str>, &str)> {
    let held = |member: &Member<'_>| object.get(member.value..member.end.unwrap_or(object.len())).unwrap_or("");
    members(object.as_bytes(), 0).map(|member| (resolved(member.name), held(&member))).collect()
}

fn elements(array: &str) -> Vec<&str> {
    let bytes = array.as_bytes();
    let (mut found, mut begin) = (Vec::new(), Some(blank(bytes, 1)));
    // Ends: every turn passes an element.
    while let Some(at) = begin.filter(|at| !matches!(bytes.get(*at), None | Some(b']'))) {
        let end = value_end(bytes, at);
        found.push(array.get(at..end.unwrap_or(bytes.len())).unwrap_or(""));
        begin = end.and_then(|end| next_item(bytes, end));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn neither_order_of_keys_nor_spacing_nor_escapes_change_what_a_record_holds() {
        let one = digest(r#"{"a":1,"b":{"c":"é","d":[1,{"e":null,"f":"x"}]}}"#);
        for same in [
            r#"{"b":{"d":[1,{"f":"x","e":null}],"c":"é"},"a":1}"#,
            "{ \"a\" : 1 , \"b\" : { \"c\" : \"\\u00e9\" , \"d\" : [ 1 , {\"e\":null ,\"f\":\"\\u0078\"} ] } }",
            "{\"\\u0061\":1\n,\"b\":{\"c\":\"é\",\"d\":[1\n,{\"e\":null\t,\"f\":\"x\"}\n]}}",
        ] {
            assert_eq!(digest(same), one, "{same}");
        }
        assert_eq!(digest(r#"{"t":1796029200.0,"u":1.7960292e9}"#), digest(r#"{"t":1796029200,"u":1796029200}"#));
        assert_ne!(digest(r#"{"t":1796029200.5}"#), digest(r#"{"t":1796029200}"#));
        for other in [
            r#"{"a":2,"b":{"c":"é","d":[1,{"e":null,"f":"x"}]}}"#,
            r#"{"a":"1","b":{"c":"é","d":[1,{"e":null,"f":"x"}]}}"#,
            r#"{"a":1,"b":{"c":"é","d":[{"e":null,"f":"x"},1]}}"#,
            r#"{"a":1,"b":{"c":"é","d":[1,{"e":null}],"f":"x"}}"#,
            r#"{"a":1,"b":{"c":"é","d":[1,{"e":null,"f":"x"}]},"g":0}"#,
            r#"{"b":1,"a":{"c":"é","d":[1,{"e":null,"f":"x"}]}}"#,
        ] {
            assert_ne!(digest(other), one, "{other}");
        }
        assert_ne!(digest(r#"{"a":1,"a":2}"#), digest(r#"{"a":2,"a":1}"#));
        assert_ne!(digest(r#"{"a":[[],1]}"#), digest(r#"{"a":[[1]]}"#));
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(text in "[\\[{]([\\[{}\\],:1\\\\]|\"a\"|\"b\":){0,40}") {
            digest(&text);
        }
    }
}
