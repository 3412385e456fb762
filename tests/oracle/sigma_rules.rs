//! Detections by chance, in values that nearly fit each other, and YAML of them.
use super::sigma_values::Yaml;
use crate::support::Dice;

pub const FIELDS: &[&str] = &["f", "Name", "a.b", "a.b.c", "x-y", "deep.list.key", "n"];

/// What stands in rules, and nearly so in records.
pub const TEXTS: &[&str] = &[
    "alpha",
    "ALPHA",
    "alph",
    "al*a",
    "a?pha",
    "al\\*a",
    "al\\?",
    "al\\\\*",
    "C:\\Temp\\x.exe",
    "\\\\srv\\share",
    "é",
    "ÄÖ",
    "ß",
    "İ",
    "",
    " alpha",
    "60",
    "060",
    "60.0",
    "-1",
    "1e3",
    "true",
    "False",
    "null",
    "a b",
    "\"quoted\"",
    "/slash/",
    "-f",
    "cmd -f /x",
    "a-b",
    "x\ty",
    "b*a",
    "*",
    "?",
    "**",
    "ab?",
    "{}",
    "[]",
    "10.0.0.7",
    "a,b",
    "%x%",
    "😀",
    "ſ",
    "K",
];

/// Times of records.
pub const TIMES: &[&str] = &[
    "2026-01-01T00:30:00+02:00",
    "2026-12-31T08:12:01Z",
    "2026-01-08T12:00:00",
    "2021-01-03T23:30:00-01:30",
    "2026-08-30T08:01:00Z",
    "2026-01-01T08:00:00Z",
];

const EXPRESSIONS: &[&str] = &[
    "^al.+a$",
    r"\d{2,3}",
    "[a-c]+x|end",
    "é",
    "(?:ab)?c",
    "^b$",
    "a.b",
    r"C:\\Temp",
    "[^a]lpha",
    "60(\\.0)?",
    "^$",
    ".*",
];
const NETWORKS: &[&str] =
    &["10.0.0.0/8", "10.1.2.3", "192.0.2.128/25", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "10.0.0.7/24"];

pub fn one_of<'t, T: ?Sized>(dice: &mut Dice, list: &[&'t T]) -> &'t T {
    list[dice.below(list.len())]
}

/// `detection` of a rule.
pub fn detection(dice: &mut Dice) -> Yaml {
    let all = ["selection", "selection_b", "filter", "filter_main", "_own", "other"];
    let names: Vec<&str> = all.into_iter().filter(|name| *name == "selection" || dice.below(3) == 0).collect();
    let mut entries: Vec<(String, Yaml)> = names.iter().map(|name| ((*name).to_owned(), selection(dice))).collect();
    let mut condition = || Yaml::Text(condition(dice, &names, 2));
    let condition = match names.len() {
        4 => Yaml::List(vec![condition(), condition()]),
        _ => condition(),
    };
    entries.push(("condition".to_owned(), condition));
    Yaml::Map(entries)
}

fn condition(dice: &mut Dice, names: &[&str], depth: usize) -> String {
    let more = if depth > 0 { 9 } else { 5 };
    let inner = |dice: &mut Dice| condition(dice, names, depth.saturating_sub(1));
    match dice.below(more) {
        0..3 => one_of(dice, names).to_owned(),
        3 => format!("{} of {}", one_of(dice, &["1", "all", "any"]), "them"),
        4 => format!("{} of {}", one_of(dice, &["1", "all"]), one_of(dice, &["sel*", "*", "*ion", "s*"])),
        5 => format!("not {}", inner(dice)),
        6 => format!("({})", inner(dice)),
        7 => format!("{} and {}", inner(dice), inner(dice)),
        _ => format!("{} or {}", inner(dice), inner(dice)),
    }
}

fn selection(dice: &mut Dice) -> Yaml {
    let several =
        |dice: &mut Dice, one: fn(&mut Dice) -> Yaml| Yaml::List((0..1 + dice.below(3)).map(|_| one(dice)).collect());
    match dice.below(12) {
        0..8 => map(dice),
        8 | 9 => several(dice, map),
        10 => several(dice, keyword),
        _ => {
            let values = match one_of(dice, &["|all", "|re", "|cased", "|base64offset"]) {
                "|re" => ("|re", expression(dice)),
                "|base64offset" => ("|base64offset", Yaml::Text(one_of(dice, &["alpha", "a b"]).to_owned())),
                key => (key, Yaml::List(vec![keyword(dice), keyword(dice)])),
            };
            Yaml::Map(vec![(values.0.to_owned(), values.1)])
        }
    }
}

fn keyword(dice: &mut Dice) -> Yaml {
    match dice.below(8) {
        0 => Yaml::Int(60),
        _ => Yaml::Text(one_of(dice, &TEXTS[..13]).to_owned()),
    }
}

fn expression(dice: &mut Dice) -> Yaml {
    Yaml::Text(one_of(dice, EXPRESSIONS).to_owned())
}

fn map(dice: &mut Dice) -> Yaml {
    let mut items: Vec<(String, Yaml)> = Vec::new();
    for _ in 0..1 + dice.below(3) {
        let (modifiers, values) = values(dice);
        let key = format!("{}{modifiers}", one_of(dice, FIELDS));
        if items.iter().all(|(other, _)| *other != key) {
            items.push((key, values));
        }
    }
    Yaml::Map(items)
}

/// Modifiers, and values to which they may be applied.
fn values(dice: &mut Dice) -> (String, Yaml) {
    let place = |dice: &mut Dice| one_of(dice, &["", "|contains", "|startswith", "|endswith"]).to_owned();
    let negated = if dice.below(10) == 0 { "|neq" } else { "" };
    match dice.below(21) {
        6 => {
            let part = one_of(dice, &["minute", "hour", "day", "week", "month", "year"]);
            let number = |dice: &mut Dice| Yaml::Int([0, 1, 8, 12, 30, 52, 53, 2026][dice.below(8)]);
            return (format!("|{part}{negated}"), listed(dice, number));
        }
        0 => return ("|exists".to_owned(), Yaml::Bool(dice.below(2) == 0)),
        1 => return (negated.to_owned(), Yaml::Null),
        2 => {
            let flags = one_of(dice, &["", "|i", "|m", "|s", "|i|s"]);
            return (format!("|re{flags}{negated}"), listed(dice, expression));
        }
        3 => return (format!("|cidr{negated}"), listed(dice, |dice| Yaml::Text(one_of(dice, NETWORKS).to_owned()))),
        4 => return (format!("|{}", one_of(dice, &["lt", "lte", "gt", "gte"])), number(dice)),
        5 => {
            let cased = one_of(dice, &["", "|cased"]);
            return (format!("|fieldref{}{cased}{negated}", place(dice)), Yaml::Text(one_of(dice, FIELDS).to_owned()));
        }
        _ => {}
    }
    let mut modifiers = place(dice);
    if dice.below(6) == 0 {
        let encoding = one_of(
            dice,
            &[
                "|base64",
                "|base64offset",
                "|wide|base64offset",
                "|utf16le|base64",
                "|utf16be",
                "|utf16|base64",
                "|wide",
            ],
        );
        let dash = one_of(dice, &["", "", "|windash"]);
        let at_end = if modifiers.is_empty() { "" } else { "|contains" };
        let literal =
            |dice: &mut Dice| Yaml::Text(one_of(dice, &["alpha", "cmd -f /x", "é", "60", "a b", "-f"]).to_owned());
        return (format!("{dash}{encoding}{at_end}"), listed(dice, literal));
    }
    if dice.below(5) == 0 {
        modifiers += "|windash";
    }
    if dice.below(5) == 0 {
        modifiers += "|cased";
    }
    modifiers += negated;
    if dice.below(6) == 0 {
        return (modifiers + "|all", Yaml::List(vec![value(dice), value(dice)]));
    }
    (modifiers, listed(dice, value))
}

fn listed(dice: &mut Dice, one: impl Fn(&mut Dice) -> Yaml) -> Yaml {
    match dice.below(3) {
        0 => Yaml::List((0..1 + dice.below(3)).map(|_| one(dice)).collect()),
        // many: looked for otherwise than one by one
        1 if dice.below(4) == 0 => Yaml::List((0..12).map(|_| one(dice)).collect()),
        _ => one(dice),
    }
}

fn number(dice: &mut Dice) -> Yaml {
    match dice.below(3) {
        0 => Yaml::Float([0.5, 60.0, -1.5, 1000.25][dice.below(4)]),
        _ => Yaml::Int([0, 60, -1, 1000, 4624][dice.below(5)]),
    }
}

fn value(dice: &mut Dice) -> Yaml {
    match dice.below(10) {
        0 | 1 => number(dice),
        2 => Yaml::Bool(dice.below(2) == 0),
        _ => Yaml::Text(one_of(dice, TEXTS).to_owned()),
    }
}

/// A rule's file.
pub fn file(title: &str, detection: &Yaml) -> String {
    format!("title: {title}\nlevel: low\nlogsource: {{ product: bare }}\ndetection: {}\n", flow(detection))
}

/// YAML in one line.
fn flow(yaml: &Yaml) -> String {
    match yaml {
        Yaml::Null => "null".to_owned(),
        Yaml::Bool(b) => b.to_string(),
        Yaml::Int(n) => n.to_string(),
        Yaml::Float(n) => format!("{n:?}"),
        Yaml::Text(text) => quoted(text),
        Yaml::List(list) => format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Yaml::Map(entries) => {
            let entry = |(key, value): &(String, Yaml)| format!("{}: {}", quoted(key), flow(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\t', "\\t").replace('\n', "\\n");
    format!("\"{text}\"")
}
