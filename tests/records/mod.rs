//! Syslog records as RFC 5424 has them, read strictly.

/// A record as RFC 5424, 6 defines it.
#[derive(Debug)]
pub struct Record {
    pub pri: u8,
    pub header: Vec<String>,
    pub params: Vec<(String, String)>,
    pub text: String,
}

impl Record {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Parses one record, strictly: what the RFC only tolerates is an error here.
pub fn parse(bytes: &[u8]) -> Result<Record, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(format!("control character {c:?}"));
    }
    let (pri, rest) = text.strip_prefix('<').and_then(|t| t.split_once(">1 ")).ok_or("PRI or VERSION")?;
    let pri = pri.parse().ok().filter(|pri| *pri <= 191).ok_or("PRIVAL")?;
    let mut rest = rest;
    let mut header = Vec::new();
    for longest in [32, 255, 48, 128, 32] {
        let (field, tail) = rest.split_once(' ').ok_or("header")?;
        let printable = field.bytes().all(|b| (33..=126).contains(&b));
        if field.is_empty() || field.len() > longest || !printable {
            return Err(format!("header field {field:?}"));
        }
        (rest, _) = (tail, header.push(field.to_owned()));
    }
    let mut rest = rest.strip_prefix("[tripline@32473").ok_or("SD-ID")?;
    let mut params = Vec::new();
    loop {
        if let Some(tail) = rest.strip_prefix("] \u{feff}") {
            return Ok(Record { pri, header, params, text: tail.to_owned() });
        }
        let (name, tail) = rest.strip_prefix(' ').and_then(|t| t.split_once("=\"")).ok_or("SD-PARAM")?;
        let plain = |b: u8| b.is_ascii_lowercase() || b == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
            return Err(format!("PARAM-NAME {name:?}"));
        }
        let (value, tail) = value(tail)?;
        params.push((name.to_owned(), value));
        rest = tail;
    }
}

fn value(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            ']' => return Err("a bare ] in a value".into()),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\' | ']'))) => out.push(c),
                other => return Err(format!("a backslash before {other:?}")),
            },
            c => out.push(c),
        }
    }
    Err("a value without an end".into())
}
