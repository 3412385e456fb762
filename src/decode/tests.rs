//! Lines in, fields out; the fast reader against serde_json; no bytes that make a decoder panic.
use super::*;
use proptest::prelude::*;

fn wish(fields: &[&str]) -> Wish {
    Wish { fields: fields.iter().map(|f| (*f).to_owned()).collect(), ..Wish::default() }
}

/// What each record of `line` has for `fields`, as `kind:value`; the marks behind.
fn read(format: &Format, wish: &Wish, line: &[u8], clipped: bool) -> (Vec<String>, Result<(), Reject>) {
    let plan = (format.plan)(wish).unwrap();
    let text = frame_text(line);
    let mut out = Vec::new();
    let result = plan.decode(&text, clipped, &mut Cells::default(), &mut |record| {
        let values: Vec<_> = (0..wish.fields.len())
            .map(|n| match record.get(n) {
                Raw::Absent => "-".to_owned(),
                Raw::Null => "null".to_owned(),
                Raw::Bool(b) => b.to_string(),
                Raw::Number(n) => format!("#{n}"),
                Raw::Text(t) => t.to_owned(),
                Raw::Nested(t) => format!("<{t}>"),
            })
            .collect();
        let marks = [(record.ambiguous, " ambiguous"), (record.partial, " partial")];
        let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        out.push(values.join(" ") + &marks);
    });
    (out, result)
}

fn json(fields: &[&str], line: &str) -> Vec<String> {
    let (out, result) = read(&json::FORMAT, &wish(fields), line.as_bytes(), false);
    assert_eq!(result, Ok(()), "{line}");
    out
}

#[test]
fn names_find_their_values() {
    let line = r#"{"a":{"b":"x","n":[{"name":"p","value":1},{"value":"two","name":"q"}]},"l":[1,2],"t":true,"z":null,"e":"a\n\u00e9\ud83d\ude00"}"#;
    let one = |field: &str| json(&[field], line).remove(0);
    assert_eq!(one("a.b"), "x");
    assert_eq!(one("a.n[name=q].value"), "two");
    assert_eq!(one("a.n[name=p].value"), "#1");
    assert_eq!(one("a.n[0].name"), "p");
    assert_eq!(one("a.n[].value"), "#1");
    assert_eq!(one("l[1]"), "#2");
    assert_eq!(one("l"), "<[1,2]>");
    assert_eq!(one("a.b[0]"), "x", "one where a list is usual");
    assert_eq!(one("t"), "true");
    assert_eq!(one("z"), "null");
    assert_eq!(one("e"), "a\né😀");
    assert_eq!(one("a.c"), "-");
}

#[test]
fn arrays_of_records_wrappers_and_split_arrays() {
    assert_eq!(json(&["a"], r#"[{"a":1},{"a":2}]"#), ["#1", "#2"]);
    assert_eq!(json(&["a"], r#"{"a":1} {"a":2}"#), ["#1", "#2"], "E47: two on a line");
    let records = Wish { records: vec!["Records".into()], ..wish(&["a"]) };
    assert_eq!(read(&json::FORMAT, &records, br#"{"Records":[{"a":1},{"a":2}]}"#, false).0, ["#1", "#2"]);
    assert_eq!(read(&json::FORMAT, &records, br#"{"a":3}"#, false).0, ["#3"]);
    let split = Wish { split: Some("ev".into()), ..wish(&["who", "ev[].n"]) };
    assert_eq!(read(&json::FORMAT, &split, br#"{"ev":[{"n":1},{"n":2}],"who":"x"}"#, false).0, ["x #1", "x #2"]);
    assert_eq!(read(&json::FORMAT, &split, br#"{"ev":{"n":1},"who":"x"}"#, false).0, ["x #1"]);
    assert_eq!(read(&json::FORMAT, &split, br#"{"who":"x"}"#, false).0, ["x -"]);
    let inside = Wish { inside: vec!["data".into()], ..wish(&["a", "b"]) };
    assert_eq!(read(&json::FORMAT, &inside, br#"{"b":1,"data":{"a":2}}"#, false).0, ["#2 #1"]);
}

#[test]
fn e44_nothing_in_a_value_loses_the_line() {
    let deep = "[".repeat(50_000) + &"]".repeat(50_000);
    for value in [r#""\ud800""#, r#""\u00""#, "1e400", &deep, r#""\u0000""#, "-0.0", "NaN", r#""\q""#] {
        for line in [format!(r#"{{"a":"x","ua":{value},"b":2}}"#), format!(r#"{{"a":"x","u":{value},"b":2}}"#)] {
            assert_eq!(json(&["a", "b"], &line), ["x #2"]);
            assert_eq!(json(&["a", "u", "b"], &line).len(), 1);
        }
    }
    let (out, result) = read(&json::FORMAT, &wish(&["a", "b"]), b"\xef\xbb\xbf\0\0{\"a\":\"\xff\",\"b\":2}\0\r", false);
    assert_eq!((out, result), (vec!["\u{fffd} #2".to_owned()], Ok(())));
}

#[test]
fn e45_twice_the_same_wanted_key_is_ambiguous_and_the_first_counts() {
    assert_eq!(json(&["a"], r#"{"a":1,"a":2}"#), ["#1 ambiguous"]);
    assert_eq!(json(&["a"], r#"{"a":1,"\u0061":2}"#), ["#1 ambiguous"]);
    assert_eq!(json(&["a.b"], r#"{"a":{"b":1},"a":{"b":2}}"#), ["#1 ambiguous"]);
    assert_eq!(json(&["a"], r#"{"A":2,"a":1}"#), ["#1 ambiguous"]);
    assert_eq!(json(&["a"], r#"{"A":2}"#), ["-"]);
    assert_eq!(json(&["a"], r#"{"a":1,"b":2,"b":3}"#), ["#1"]);
}

#[test]
fn keys_compare_in_any_case_where_a_profile_says_so() {
    let read_any = |fields: &[&str], text: &str| {
        let any = Wish { any_case: true, inside: vec!["Data".into()], ..wish(fields) };
        read(&json::FORMAT, &any, text.as_bytes(), false).0
    };
    assert_eq!(read_any(&["Op", "userId.b"], r#"{"op":1,"USERID":{"B":2}}"#), ["#1 #2"]);
    assert_eq!(read_any(&["a"], r#"{"data":{"A":1}}"#), ["#1"]);
    // of two the first counts, and it is said
    assert_eq!(read_any(&["a"], r#"{"A":2,"a":1}"#), ["#2 ambiguous"]);
    // both are wanted: each has its own
    assert_eq!(read_any(&["a", "A"], r#"{"A":2,"a":1}"#), ["#1 #2"]);
    assert_eq!(read_any(&["a", "A"], r#"{"a":1}"#), ["#1 -"]);
}

#[test]
fn any_number_of_keys_is_found_and_the_duplicates_among_them_too() {
    let names: Vec<String> = (0..700).map(|n| format!("key{n}")).collect();
    let fields: Vec<&str> = names.iter().map(String::as_str).collect();
    let all: Vec<String> = names.iter().map(|name| format!("\"{name}\":\"{name}\"")).collect();
    assert_eq!(json(&fields, &format!("{{{}}}", all.join(","))), [names.join(" ")]);
    for (line, ambiguous) in [
        (r#"{"key650":1,"key651":2}"#, false),
        (r#"{"key650":1,"key650":2}"#, true),
        (r#"{"key650":1,"KEY650":2}"#, true),
        (r#"{"key1":1,"key1":2}"#, true),
    ] {
        assert_eq!(json(&fields, line)[0].ends_with(" ambiguous"), ambiguous, "{line}");
    }
}

#[test]
fn e38_e48_what_stands_before_an_early_end_is_read() {
    let fields = wish(&["a", "b.c", "b.d"]);
    let line = br#"{"a":"x","b":{"c":1,"d":"cut off he"#;
    for clipped in [false, true] {
        assert_eq!(read(&json::FORMAT, &fields, line, clipped), (vec!["x #1 - partial".to_owned()], Ok(())));
    }
    for line in [
        r#"{"a":"x","b":{"c":12"#,
        r#"{"a":"x","b":{"c":tru"#,
        r#"{"a":"x","b":{"c"#,
        r#"{"a":"x","b":{"c":"12\"#,
        r#"{"a":"x",""#,
    ] {
        let (out, result) = read(&json::FORMAT, &fields, line.as_bytes(), false);
        assert_eq!((out, result), (vec!["x - - partial".to_owned()], Ok(())), "a cut value is none: {line}");
    }
    for nothing in [r#"{"#, r#"{"a"#, r#"{"a":1"#, r#"{"z":"long, "#, "[", r#"[{"a":"#] {
        let (out, result) = read(&json::FORMAT, &fields, nothing.as_bytes(), false);
        assert_eq!((out.len(), result.map_err(|r| r.reason)), (0, Err("the JSON ends early")), "{nothing}");
    }
    let records = Wish { records: vec!["Records".into()], ..wish(&["a", "b"]) };
    for (line, are) in [
        (r#"{"Records":[{"a":1},{"a":2,"b":"#, &["#1 -", "#2 - partial"][..]),
        (r#"{"Records":[{"a":1},{"#, &["#1 -"]),
        (r#"[{"a":1},{"a":2,"b":"x"#, &["#1 -", "#2 - partial"]),
    ] {
        let (out, result) = read(&json::FORMAT, &records, line.as_bytes(), false);
        assert_eq!((out, result), (are.iter().map(|s| (*s).to_owned()).collect(), Ok(())), "{line}");
    }
}

#[test]
fn what_is_no_json_is_rejected() {
    for bad in ["{\"a\":1}garbage", "{\"a\" 1}", "{a:1}", "{\"a\":1,,}", "\"text\"", "12", "{\"a\":tru}", "[1]"] {
        let (out, result) = read(&json::FORMAT, &wish(&["a"]), bad.as_bytes(), false);
        assert!(result.is_err(), "{bad} {out:?}");
    }
}

const COMBINED: &str = r#"192.0.2.1 - key-1 [01/Mar/2026:00:00:20 +0000] "GET /api//v1/%41C1/messages.csv?from=2026-02-28&type=sms&type=x HTTP/1.1" 200 8804 "-" "Go-http-client/1.1 \"x\"" rt=0.020 sid=- rows="8 8""#;

#[test]
fn access_lines_are_read() {
    let read = |fields: &[&str], line: &str| read(&access::FORMAT, &wish(fields), line.as_bytes(), false).0;
    assert_eq!(
        read(&["remote_addr", "remote_user", "time_local", "method", "path", "status", "bytes"], COMBINED),
        ["192.0.2.1 key-1 01/Mar/2026:00:00:20 +0000 GET /api/v1/AC1/messages.csv 200 8804"]
    );
    assert_eq!(
        read(&["query.from", "rt", "sid", "rows", "referer", "protocol"], COMBINED),
        ["2026-02-28 0.020 - 8 8 - HTTP/1.1"]
    );
    assert_eq!(read(&["user_agent"], COMBINED), ["Go-http-client/1.1 \"x\""]);
    let asked = |query: &str| {
        let line = COMBINED.replace("from=2026-02-28&type=sms&type=x", query);
        read(&["query.from"], &line).remove(0)
    };
    for (query, is) in [
        ("from=2026-02-28&FROM=2026-01-01", "2026-02-28,2026-01-01 ambiguous"),
        ("%66rom=2026-02-28&from=2026-01-01", "2026-02-28,2026-01-01 ambiguous"),
        ("from=2026-02-28&from[]=2026-01-01", "2026-02-28,2026-01-01 ambiguous"),
        ("from=2026-02-28&from=", "2026-02-28, ambiguous"),
        ("%66rom=2026-02%2D28", "2026-02-28"),
        ("From=2026-02-28", "-"),
        ("from[0]=2026-02-28", "-"),
        ("from", "-"),
        ("fromx=1&from=2&xfrom=3", "2"),
    ] {
        assert_eq!(asked(query), is, "{query}");
    }
    assert_eq!(read(&["query.type"], COMBINED), ["sms,x ambiguous"]);
    let vhost = r#"www.example:443 2001:db8::1 - A B [01/Mar/2026:00:00:20 +0000] "\x16\x03" 400 -"#;
    assert_eq!(
        read(&["vhost", "remote_addr", "remote_user", "method", "bytes", "user_agent"], vhost),
        ["www.example:443 2001:db8::1 A B - - -"]
    );
    let forged = r#"192.0.2.1 - - [01/Mar/2026:00:00:20 +0000] "GET / HTTP/1.1" 200 5 "-" "x sid=evil" "198.51.100.1 rows=9" sid=s-1"#;
    assert_eq!(read(&["sid", "rows"], forged), ["s-1 -"], "what a client writes into a header is no field");
    for bad in [
        "",
        "hello",
        "{}",
        "a b c [01/Mar/2026:00:00:20 +0000]",
        "192.0.2.1 [01/Mar/2026:00:00:20 +0000] \"GET /\" 200 1",
    ] {
        assert!(super::tests::read(&access::FORMAT, &wish(&["path"]), bad.as_bytes(), false).1.is_err(), "{bad}");
    }
}

#[test]
fn access_lines_of_other_servers_and_settings() {
    let fields = ["vhost", "remote_addr", "remote_user", "path", "status", "bytes"];
    for (names, is) in [
        ("192.0.2.1 - A B", "- 192.0.2.1 A B"),
        ("192.0.2.1 -", "- 192.0.2.1 -"),
        ("www.example 192.0.2.1 - a", "www.example 192.0.2.1 a"),
        ("10.0.0.2, 10.0.0.1, 192.0.2.1 - -", "- 10.0.0.2, 10.0.0.1, 192.0.2.1 -"),
        ("\"10.0.0.2, 192.0.2.1\" 10.2.1.185 - -", "- 10.0.0.2, 192.0.2.1, 10.2.1.185 -"),
        ("www.example:80 \"10.0.0.2, 192.0.2.1\" 10.2.1.185 - -", "www.example:80 10.0.0.2, 192.0.2.1, 10.2.1.185 -"),
        ("198.51.100.4 10.0.0.1 - ana", "- 198.51.100.4, 10.0.0.1 ana"),
        ("198.51.100.4, 10.0.0.7 10.0.0.1 - ana", "- 198.51.100.4, 10.0.0.7, 10.0.0.1 ana"),
        ("- 198.51.100.4 - ana", "- 198.51.100.4 ana"),
        ("10.0.0.1 (198.51.100.4) - -", "- 198.51.100.4, 10.0.0.1 -"),
        ("10.0.0.1 (198.51.100.4, 10.0.0.7) - ana", "- 198.51.100.4, 10.0.0.7, 10.0.0.1 ana"),
        ("198.51.100.4 (-) - ana", "- 198.51.100.4 ana"),
        ("198.51.100.4 www.example - ana", "www.example 198.51.100.4 ana"),
        ("198.51.100.4 - - -", "- 198.51.100.4 -"),
        ("127.0.1.1:80 198.51.100.4 - ana", "127.0.1.1:80 198.51.100.4 ana"),
        ("2001:db8::5 [fd00::1]:4711 - ana", "- 2001:db8::5, [fd00::1]:4711 ana"),
        ("www.example client.example - ana", "www.example client.example ana"),
        ("198.51.100.4 - ana [x] b", "- 198.51.100.4 ana [x] b"),
        ("198.51.100.4 - 6.6.6.6 - x", "- 198.51.100.4 6.6.6.6 - x"),
        ("Mar  1 00:00:20 host nginx: 192.0.2.1 - a", "Mar 192.0.2.1 a"),
        ("unix: - -", "- unix: -"),
        ("192.0.2.1 ident user", "- 192.0.2.1 user"),
    ] {
        let line = format!("{names} [01/Mar/2026:00:00:20 +0000] \"GET http://h/a?b HTTP/1.1\" 200 5");
        assert_eq!(
            read(&access::FORMAT, &wish(&fields), line.as_bytes(), false).0,
            [format!("{is} /a 200 5")],
            "{names}"
        );
    }
    for (time, is) in [
        ("[2026-03-01T00:00:20+00:00]", "2026-03-01T00:00:20+00:00"),
        ("[01/Mar/2026:00:00:20.123 +0000]", "01/Mar/2026:00:00:20.123 +0000"),
        ("[01/Mar/2026 00:00:20]", "01/Mar/2026 00:00:20"),
        ("[1/Mar/2026:00:00:20 +0000]", "1/Mar/2026:00:00:20 +0000"),
        ("[Sun Mar 01 00:00:20 2026]", "Sun Mar 01 00:00:20 2026"),
        ("[1772323220.123]", "1772323220.123"),
        ("[1772323220123]", "1772323220123"),
        ("2026-03-01T00:00:20Z", "2026-03-01T00:00:20Z"),
        ("01/Mar/2026:00:00:20 +0000", "01/Mar/2026:00:00:20 +0000"),
    ] {
        let fields = wish(&["time_local", "remote_addr", "remote_user", "status"]);
        for line in [
            format!("192.0.2.1 - a b {time} \"GET / HTTP/1.1\" 200 5 \"-\" \"x\""),
            format!("{time} 192.0.2.1 - a b \"GET / HTTP/1.1\" 200 5 \"-\" \"x\""),
        ] {
            let (out, result) = read(&access::FORMAT, &fields, line.as_bytes(), false);
            assert_eq!((out, result), (vec![format!("{is} 192.0.2.1 a b 200")], Ok(())), "{line}");
        }
    }
    let tls = "[10/Aug/2018:09:45:56 +0200] 192.0.2.1 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 \"GET /a HTTP/1.1\" 1375";
    assert_eq!(read(&access::FORMAT, &wish(&fields), tls.as_bytes(), false).0, ["- 192.0.2.1 - /a - 1375"]);
    let other = "[10/Aug/2018:09:45:56 +0200] www.example 192.0.2.1 0.002 \"GET /a HTTP/1.1\" 401 77 935 - x";
    assert!(
        read(&access::FORMAT, &wish(&fields), other.as_bytes(), false).1.is_err(),
        "what is not known is not guessed"
    );
}

#[test]
fn access_lines_with_quoted_names_or_with_the_time_first_lose_nothing() {
    let fields = wish(&["remote_addr", "remote_user", "status", "bytes", "user_agent"]);
    let read = |line: &str| read(&access::FORMAT, &fields, line.as_bytes(), false);
    let time = "[30/Nov/2026:09:00:28 +0000]";
    let rest = r#""GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0""#;
    for (user, name) in [
        ("ana", "ana"),
        ("\"ana\"", "ana"),
        ("\"ana b\"", "ana b"),
        ("\"GET / HTTP/1.1\"", "GET / HTTP/1.1"),
        ("\"\"", "-"),
        ("\"-\"", "-"),
        ("-", "-"),
        ("ana b", "ana b"),
        ("ana\"", "ana\""),
    ] {
        let wanted = format!("203.0.113.9 {name} 200 12 curl/8.5.0");
        for line in [format!("203.0.113.9 - {user} {time} {rest}"), format!("{time} 203.0.113.9 - {user} {rest}")] {
            let (out, result) = read(&line);
            assert_eq!((out, result), (vec![wanted.clone()], Ok(())), "{line}");
        }
    }
    // and Apache's log of TLS requests, of one without TLS too
    for (tls, size) in [("TLSv1.3 TLS_AES_256_GCM_SHA384", "12"), ("- -", "12"), ("- -", "-")] {
        let line = format!("{time} 203.0.113.9 {tls} \"GET /a HTTP/1.1\" {size}");
        assert_eq!(read(&line).0, [format!("203.0.113.9 - - {size} -")], "{line}");
    }
}

/// A client chooses the name that it sends with its password: the server escapes its quotation marks and copies the rest.
#[test]
fn no_name_shifts_a_column_of_an_access_line() {
    let fields = wish(&["remote_addr", "time_local", "path", "status", "remote_user"]);
    for name in [
        "eve [01/Jan/2020:00:00:00 +0000]",
        "eve [01/Jan/2020:00:00:00 +0000] \\\"GET /x HTTP/1.1\\\" 200 5",
        "eve [01/Jan/2020:00:00:00 +0000] \\x22GET /x HTTP/1.1\\x22 200 5",
        "2020-01-01T00:00:00Z eve",
        "eve ] [ (192.0.2.9) - -",
    ] {
        let line = format!("198.51.100.4 - {name} [01/Mar/2026:00:00:20 +0000] \"GET /a HTTP/1.1\" 401 5");
        let (out, result) = read(&access::FORMAT, &fields, line.as_bytes(), false);
        assert_eq!(result, Ok(()), "{line}");
        let is = "198.51.100.4 01/Mar/2026:00:00:20 +0000 /a 401 ";
        assert!(out.len() == 1 && out[0].starts_with(is), "{line}: {out:?}");
    }
}

#[test]
fn an_address_list_behind_the_columns_stands_before_the_peers_own() {
    for (peer, list, is) in [
        ("10.0.0.1", "198.51.100.4", "198.51.100.4, 10.0.0.1"),
        ("203.0.113.7", "198.51.100.4", "198.51.100.4, 203.0.113.7"),
        ("10.0.0.1", "x sid=1", "10.0.0.1"),
        ("10.0.0.1", "-", "10.0.0.1"),
    ] {
        let line =
            format!("{peer} - - [01/Mar/2026:00:00:20 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"x\" \"{list}\" sid=s");
        assert_eq!(
            read(&access::FORMAT, &wish(&["remote_addr", "sid"]), line.as_bytes(), false).0,
            [format!("{is} s")]
        );
    }
}

/// A mebibyte of what is dear to look at is read as fast as any other: were it read anew from each of its pieces, this would take hours.
#[test]
fn no_line_takes_longer_than_its_length() {
    let fields = wish(&["remote_addr", "path", "a", "a.b"]);
    for piece in [
        " \"A ",
        " [01/Mar/2026:00:00:20 +0000]",
        "[01/Mar/2026:00:00:20 +0000] \"",
        "1.2.3.4, ",
        "(",
        "a:",
        "{\"log\":\"",
        "{\"log\":[{",
        "\\",
        "{",
        "{\"logEvents\":[{\"id\":1},",
        "[x y=\"",
        "<1>1 - - - - - [a b=\"",
    ] {
        for head in [
            "",
            "{\"log\":",
            "{\"messageType\":1,\"logEvents\":[",
            "192.0.2.1 - - [01/Mar/2026:00:00:20 +0000] \"GET / HTTP/1.1\" 200 5 ",
        ] {
            let line = head.to_owned() + &piece.repeat((1 << 18) / piece.len());
            let _ = (syslog::open(&line), syslog::open_json(&line));
            shipped::unwrap(&line, &mut |_| ());
            for format in FORMATS {
                let _ = read(format, &fields, line.as_bytes(), false);
            }
        }
    }
}

#[test]
fn keycloak_lines_are_read() {
    let fields = wish(&["time", "logger", "type", "userId", "username", "redirect_uri", "error"]);
    let read = |line: &str| read(&keycloak::FORMAT, &fields, line.as_bytes(), false);
    let head = "2021-10-22 21:01:45,403 WARN  [org.keycloak.events] (default task-1) ";
    let line = format!("{head}type=LOGIN_ERROR, userId=null, error=bad, redirect_uri=http://x/?a=1, b, username=a b");
    assert_eq!(read(&line).0, ["2021-10-22 21:01:45,403 org.keycloak.events LOGIN_ERROR - a b http://x/?a=1, b bad"]);
    let quoted = format!("{head}type=\"LOGIN\", userId=\"u\", username=\"x, error=forged\"");
    assert_eq!(read(&quoted).0, ["2021-10-22 21:01:45,403 org.keycloak.events LOGIN u x, error=forged - -"]);
    let twice = format!("{head}type=LOGIN, userId=u, username=x, userId=admin");
    assert_eq!(read(&twice).0, ["2021-10-22 21:01:45,403 org.keycloak.events LOGIN u x - - ambiguous"]);
    assert_eq!(read("2021-10-22 21:01:45,403 INFO  [org.jboss] (main) type=LOGIN, userId=u").0.len(), 1);
    assert_eq!(
        read("    at org.apache.http.Foo(Foo.java:1)"),
        (Vec::new(), Ok(())),
        "a stack trace goes on with its message"
    );
    assert!(read("hello").1.is_err());
}

/// Any JSON document whose root is an object.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        // Eighths, for serde_json without `float_roundtrip` does not read back every number that it writes.
        any::<i32>().prop_map(|n| serde_json::json!(f64::from(n) / 8.0)),
        any::<String>().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[abc]|\\PC{1,4}", inner, 0..4)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[abc]|\\PC{1,4}", value, 0..5)
        .prop_map(|m| serde_json::Value::Object(m.into_iter().collect()))
}

/// What serde_json finds under `a`, `a.b` and `a[0]`-like names, written as `read` writes it.
fn by_value(root: &serde_json::Value, path: &[&str]) -> String {
    let mut at = root;
    for step in path {
        let next = match step.parse::<usize>() {
            Ok(0) if !at.is_array() => Some(at),
            Ok(n) => at.get(n),
            Err(_) => at.get(step),
        };
        match next {
            Some(next) => at = next,
            None => return "-".to_owned(),
        }
    }
    match at {
        serde_json::Value::Null => "null".to_owned(),
        serde_json::Value::Bool(b) => b.to_string(),
        serde_json::Value::Number(n) => format!("#{n}"),
        serde_json::Value::String(t) => t.clone(),
        nested => format!("<{nested}>"),
    }
}

proptest! {
    #[test]
    fn reads_what_serde_json_reads(document in document(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_string_pretty(&document).unwrap() } else { document.to_string() };
        let plan = (json::FORMAT.plan)(&wish(&["a", "b", "a.b", "a.b.c", "c[1]", "c[1].a"])).unwrap();
        let paths: &[&[&str]] = &[&["a"], &["b"], &["a", "b"], &["a", "b", "c"], &["c", "1"], &["c", "1", "a"]];
        let mut seen = 0;
        let result = plan.decode(&text, false, &mut Cells::default(), &mut |record| {
            seen += 1;
            for (n, path) in paths.iter().enumerate() {
                let ours = match record.get(n) {
                    Raw::Absent => "-".to_owned(),
                    Raw::Null => "null".to_owned(),
                    Raw::Bool(b) => b.to_string(),
                    Raw::Number(n) => format!("#{n}"),
                    Raw::Text(t) => t.to_owned(),
                    Raw::Nested(t) => format!("<{}>", serde_json::from_str::<serde_json::Value>(t).unwrap()),
                };
                assert_eq!(ours, by_value(&document, path), "{path:?} of {text}");
            }
        });
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(seen, 1);
    }

    /// Wherever a relay cuts: each value is the one of the whole record, or absent.
    #[test]
    fn a_cut_record_says_nothing_that_the_whole_does_not(document in document(), cut in any::<prop::sample::Index>()) {
        let text = document.to_string();
        let at = text.floor_char_boundary(cut.index(text.len()));
        let fields = wish(&["a", "b", "a.b", "a.b.c", "c[1]", "c[1].a"]);
        let values = |text: &str, of_cut: bool| {
            let plan = (json::FORMAT.plan)(&fields).unwrap();
            let mut out = Vec::new();
            let result = plan.decode(text, false, &mut Cells::default(), &mut |record| {
                assert_eq!(record.partial, of_cut);
                out.extend((0..fields.fields.len()).map(|n| format!("{:?}", record.get(n))));
            });
            (out, result.is_ok())
        };
        let (whole, _) = values(&text, false);
        let (part, readable) = values(&text[..at], true);
        prop_assert_eq!(readable, !part.is_empty());
        for (part, whole) in part.iter().zip(&whole) {
            prop_assert!(part == whole || part == "Absent", "{} of {}", part, text);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), clipped in any::<bool>()) {
        for format in FORMATS {
            let all = Wish { records: vec!["r".into()], split: Some("s".into()), inside: vec!["i".into()], ..wish(&["a", "a.b[0]", "c[name=x].v", "path", "query.q", "k"]) };
            let _ = read(format, &all, &bytes, clipped);
        }
    }

    #[test]
    fn no_change_of_a_line_makes_a_decoder_panic(cut in 0usize..300, put in "[\"\\\\{}\\[\\]:, =%é]{0,4}", clipped in any::<bool>()) {
        for (format, line) in [(&access::FORMAT, COMBINED), (&json::FORMAT, r#"{"r":[{"a":{"b":[{"x":"é\u00e9"}]}}],"s":[{"c":[{"name":"x","v":1}]}],"i":{"a":"k"}}"#)] {
            let at = (0..=cut.min(line.len())).rev().find(|n| line.is_char_boundary(*n)).unwrap();
            let changed = format!("{}{put}{}", &line[..at], &line[at..]);
            for text in [&changed, &changed[..at + put.len()]] {
                let all = Wish { records: vec!["r".into()], split: Some("s".into()), inside: vec!["i".into()], ..wish(&["a", "a.b[0]", "c[name=x].v", "s[].c", "path", "query.type", "rt"]) };
                let _ = read(format, &all, text.as_bytes(), clipped);
            }
        }
    }
}
