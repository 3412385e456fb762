//! The names of everything that a line of an access log says, each thing once: columns, parameters of the query, fields behind.
use super::access_words::{quoted, word};
use crate::model::limits::RECORD_VALUES;

/// The names in `text`. `has_request`: its request has a method and a `target`; `rest`: where the columns end.
pub(super) fn names(text: &str, has_request: bool, target: &str, rest: usize) -> Vec<String> {
    let request: &[&str] = if has_request { &["method", "path", "protocol"] } else { &["request"] };
    let first = ["vhost", "remote_addr", "ident", "remote_user", "time_local"];
    let mut names: Vec<String> = first.iter().chain(request).map(|name| (*name).to_owned()).collect();
    let mut add = |name: String| {
        if !names.contains(&name) && names.len() < RECORD_VALUES {
            names.push(name);
        }
    };
    let parameters = target.split_once('?').map_or("", |(_, parameters)| parameters);
    let keys = parameters.split('&').filter_map(|pair| Some(pair.split_once('=')?.0)).filter(|key| !key.is_empty());
    keys.for_each(|key| add(format!("query.{key}")));
    ["status", "bytes", "referer", "user_agent"].into_iter().for_each(|name| add(name.to_owned()));
    let is_mark = |at: usize| text.as_bytes().get(at) == Some(&b'"');
    let mut at = rest;
    loop {
        // Ends: every turn passes a word or a quoted text, or leaves.
        let (bounds, after) = word(text, at);
        if bounds.0 >= bounds.1 {
            return names;
        }
        let value =
            text[bounds.0..bounds.1].find('=').filter(|_| !is_mark(bounds.0)).map(|equals| bounds.0 + equals + 1);
        if let Some(value) = value.filter(|value| *value > bounds.0 + 1) {
            add(text[bounds.0..value - 1].to_owned());
        }
        let mark = value.unwrap_or(bounds.0);
        at = match is_mark(mark) {
            true => quoted(text, mark).map_or(text.len(), |(_, behind)| behind),
            false => after,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cells, Wish, access};

    #[test]
    fn every_part_of_a_line_has_its_name() {
        let line = r#"192.0.2.1 - ana [10/Oct/2026:13:55:36 +0000] "GET /a?x=1&y=%20z HTTP/1.1" 200 7 "-" "curl/8" rt=0.1 "203.0.113.1=5" n="a b" sid=-"#;
        let plan = (access::FORMAT.plan)(&Wish {
            fields: vec!["target".into(), "n".into(), "cs-user-agent".into()],
            ..Wish::default()
        });
        let plan = plan.unwrap();
        let mut out = Vec::new();
        let read = plan.decode(line, false, &mut Cells::default(), &mut |record| {
            plan.held(record, 0, &mut |held| {
                out.push(format!("{}{}={}", if held.wanted.is_some() { "*" } else { "" }, held.name, held.value))
            });
        });
        let wanted = [
            "remote_addr=192.0.2.1",
            "remote_user=ana",
            "time_local=10/Oct/2026:13:55:36 +0000",
            "method=GET",
            "*path=/a",
            "protocol=HTTP/1.1",
            "*query.x=1",
            "*query.y= z",
            "status=200",
            "bytes=7",
            "*user_agent=curl/8",
            "rt=0.1",
            "*n=a b",
        ];
        assert_eq!((read, out), (Ok(()), wanted.map(str::to_owned).to_vec()));
    }

    proptest::proptest! {
        #[test]
        fn nothing_breaks_it(text in "(é|a=| |\"|=|\\\\|b){0,30}", from in 0_usize..4) {
            let from = text.floor_char_boundary(from);
            super::names(&text, true, "/a?é&=&b=c", from);
        }
    }
}
