//! Records made for a rule: some that it selects, and some that it nearly does.
use super::sigma_patterns::{DASHES, Sign, transformed};
use super::sigma_rules::{TEXTS, TIMES, one_of};
use super::sigma_values::{Json, Yaml};
use crate::support::Dice;

/// A record for a rule of that `detection`.
pub fn record(dice: &mut Dice, detection: &Yaml) -> Json {
    let mut record = Json::Object(vec![("id".to_owned(), Json::Number("1".to_owned()))]);
    let Yaml::Map(entries) = detection else { panic!("a detection is a map") };
    for (name, node) in entries.iter().filter(|(name, _)| name != "condition") {
        let left_out = if name.starts_with("filter") { 3 } else { 1 };
        if dice.below(4) >= left_out {
            meet(dice, node, &mut record);
        }
    }
    record
}

/// Puts into the record what the selection looks for.
fn meet(dice: &mut Dice, node: &Yaml, record: &mut Json) {
    match node {
        Yaml::Map(items) => items.iter().for_each(|(key, values)| meet_item(dice, key, values, record)),
        Yaml::List(list) => {
            let node = &list[dice.below(list.len())];
            meet(dice, node, record);
        }
        keyword => meet_item(dice, "", keyword, record),
    }
}

fn meet_item(dice: &mut Dice, key: &str, values: &Yaml, record: &mut Json) {
    let mut words = key.split('|');
    let name = words.next().expect("a split gives one");
    let modifiers: Vec<&str> = words.collect();
    let has = |modifier: &str| modifiers.contains(&modifier);
    let values = values.each();
    let value = &values[dice.below(values.len())];
    if has("fieldref") {
        let text = Json::Text(one_of(dice, TEXTS).to_owned());
        put(dice, record, &value.text(), text.clone());
        let text = if dice.below(2) == 0 { text } else { mutated(dice, text) };
        put(dice, record, name, text);
        return;
    }
    let mut hit = match has("all") {
        true if has("contains") || name.is_empty() => {
            let texts = values.iter().filter_map(|value| match hit(dice, value, &modifiers) {
                Some(Json::Text(text) | Json::Number(text)) => Some(text),
                _ => None,
            });
            Some(Json::Text(texts.collect::<Vec<_>>().join(" ")))
        }
        true => Some(Json::List(values.iter().filter_map(|value| hit(dice, value, &modifiers)).collect())),
        false => hit(dice, value, &modifiers),
    };
    for _ in 0..[0, 0, 0, 1, 1, 2][dice.below(6)] {
        hit = hit.map(|value| mutated(dice, value));
    }
    let name = if name.is_empty() { ["msg", "a.b", "deep.msg"][dice.below(3)] } else { name };
    if let Some(value) = hit {
        put(dice, record, name, value);
    }
}

/// What the value looks for; nothing where that is a field that is not there.
fn hit(dice: &mut Dice, value: &Yaml, modifiers: &[&str]) -> Option<Json> {
    let has = |modifier: &str| modifiers.contains(&modifier);
    let as_number = |dice: &mut Dice, text: String| match dice.below(3) {
        0 => Json::Text(text),
        _ => Json::Number(text),
    };
    Some(match value {
        Yaml::Bool(wanted) if has("exists") => match wanted {
            true => mutated(dice, Json::Text("alpha".to_owned())),
            false => return None,
        },
        Yaml::Null => match dice.below(2) {
            0 => Json::Null,
            _ => return None,
        },
        value if has("re") => Json::Text(sample(dice, &value.text())),
        value if has("cidr") => Json::Text(address(dice, &value.text())),
        value if ["lt", "lte", "gt", "gte"].iter().any(|by| has(by)) => {
            let n: f64 = value.text().parse().expect("a number");
            let near = n + [-1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1000.0][dice.below(7)];
            as_number(dice, near.to_string())
        }
        _ if ["minute", "hour", "day", "week", "month", "year"].iter().any(|part| has(part)) => {
            Json::Text(one_of(dice, TIMES).to_owned())
        }
        Yaml::Int(n) => as_number(dice, n.to_string()),
        Yaml::Float(n) => as_number(dice, n.to_string()),
        Yaml::Bool(b) => match dice.below(2) {
            0 => Json::Bool(*b),
            _ => Json::Text(b.to_string().to_uppercase()),
        },
        value => {
            let patterns = transformed(&value.text(), modifiers);
            let pattern = &patterns[dice.below(patterns.len())];
            let flips = dice.below(3) == 0;
            let mut text = String::new();
            for sign in pattern {
                match sign {
                    Sign::Char(c) if flips => text.push(flipped(*c)),
                    Sign::Char(c) => text.push(*c),
                    Sign::One => text.push(['x', 'é', '?', '\\'][dice.below(4)]),
                    Sign::Dash => text.push(DASHES[dice.below(DASHES.len())]),
                    Sign::Many => text.push_str(&filling(dice)),
                }
            }
            match text.parse::<i64>() {
                Ok(n) if n.to_string() == text && dice.below(2) == 0 => Json::Number(text),
                _ => Json::Text(text),
            }
        }
    })
}

fn filling(dice: &mut Dice) -> String {
    match dice.below(60) {
        0 => "long ".repeat(1000),
        1..25 => String::new(),
        _ => one_of(dice, &["x", " and ", "\\", "/", "*", "é\n", "\"", "alpha"]).to_owned(),
    }
}

fn flipped(c: char) -> char {
    let mut other = if c.is_uppercase() { c.to_lowercase().collect::<Vec<_>>() } else { c.to_uppercase().collect() };
    if other.len() == 1 { other.remove(0) } else { c }
}

/// Nearly the same.
fn mutated(dice: &mut Dice, value: Json) -> Json {
    let text = match &value {
        Json::Text(text) | Json::Number(text) => text.clone(),
        other => other.written(false),
    };
    let text = |change: &dyn Fn(&str) -> String| Json::Text(change(&text));
    match dice.below(17) {
        0 => text(&|text| text.chars().map(flipped).collect()),
        1 => text(&|text| text.chars().skip(1).collect()),
        2 => text(&|text| text.chars().take(text.chars().count().saturating_sub(1)).collect()),
        3 => text(&|text| format!("{text}x")),
        4 => text(&|text| format!("x{text}")),
        5 => text(&|text| format!(" {text} ")),
        6 => text(&|text| format!("{}{text}", "z".repeat(4090))),
        7 => text(&|text| text.replace('\\', "\\\\")),
        8 => text(&|text| format!("{text}.0")),
        9 => Json::List(vec![value]),
        10 => Json::List(vec![Json::Text("other".to_owned()), value, Json::Null]),
        11 => Json::List(Vec::new()),
        12 => Json::Object(vec![("key".to_owned(), value)]),
        13 => Json::Null,
        14 => Json::Text(String::new()),
        15 => Json::List(vec![Json::Object(vec![("key".to_owned(), value)])]),
        _ => text(&str::to_owned),
    }
}

/// Puts a value where a policy finds it by that name, unless something is there.
fn put(dice: &mut Dice, record: &mut Json, name: &str, value: Json) {
    let Json::Object(entries) = record else { panic!("a record is an object") };
    let whole = |entries: &[(String, Json)]| entries.iter().any(|(key, _)| key == name);
    let Some((first, rest)) = name.split_once('.').filter(|_| dice.below(4) > 0 && !whole(entries)) else {
        if !whole(entries) {
            entries.push((name.to_owned(), value));
        }
        return;
    };
    match entries.iter_mut().find(|(key, _)| key == first).map(|(_, at)| at) {
        Some(object @ Json::Object(_)) => put(dice, object, rest, value),
        Some(Json::List(list)) => {
            let mut object = Json::Object(Vec::new());
            put(dice, &mut object, rest, value);
            list.push(object);
        }
        Some(_) => {}
        None => {
            let mut object = Json::Object(Vec::new());
            put(dice, &mut object, rest, value);
            let nested = match dice.below(4) {
                0 => Json::List(vec![Json::Object(vec![("z".to_owned(), Json::Null)]), object]),
                _ => object,
            };
            entries.push((first.to_owned(), nested));
        }
    }
}

/// An address in the network, or just outside of it.
fn address(dice: &mut Dice, network: &str) -> String {
    let base = network.split('/').next().expect("a split gives one");
    if base.contains(':') {
        return [base, "2001:db8:ffff::1", "2001:db9::1", "::ffff:10.0.0.7"][dice.below(4)].to_owned();
    }
    let mut octets: Vec<u8> = base.split('.').map(|n| n.parse().expect("an octet")).collect();
    match dice.below(4) {
        0 => {}
        1 => octets[3] = octets[3].wrapping_add(1),
        2 => octets[dice.below(4)] ^= 1 << dice.below(8),
        _ => return format!("::ffff:{base}"),
    }
    octets.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

/// Text that the expression likely fits.
fn sample(dice: &mut Dice, expression: &str) -> String {
    let signs: Vec<char> = expression.chars().collect();
    let mut at = 0;
    alternatives(dice, &signs, &mut at)
}

fn alternatives(dice: &mut Dice, signs: &[char], at: &mut usize) -> String {
    let mut ways = vec![String::new()];
    while *at < signs.len() && signs[*at] != ')' {
        if signs[*at] == '|' {
            *at += 1;
            ways.push(String::new());
            continue;
        }
        let from = *at;
        let mut piece = atom(dice, signs, at);
        let times = match signs.get(*at) {
            Some('*') => dice.below(2),
            Some('?') => dice.below(2),
            Some('+') => 1,
            Some('{') => {
                let end = (*at..signs.len()).find(|n| signs[*n] == '}').unwrap_or(signs.len() - 1);
                let least: String = signs[*at + 1..end].iter().take_while(|c| c.is_ascii_digit()).collect();
                *at = end;
                least.parse::<usize>().unwrap_or(1).min(40)
            }
            _ => {
                *at = (*at).max(from + 1) - 1;
                1
            }
        };
        *at += 1;
        if signs.get(*at) == Some(&'?') && signs[*at - 1] != '?' && "*+}".contains(signs[*at - 1]) {
            *at += 1;
        }
        piece = piece.repeat(times);
        ways.last_mut().expect("there is one").push_str(&piece);
    }
    *at += 1;
    ways.swap_remove(dice.below(ways.len()))
}

fn atom(dice: &mut Dice, signs: &[char], at: &mut usize) -> String {
    let c = signs[*at];
    *at += 1;
    match c {
        '^' | '$' => String::new(),
        '.' => "x".to_owned(),
        '(' => {
            if signs.get(*at) == Some(&'?') {
                while *at < signs.len() && !matches!(signs[*at], ':' | ')') {
                    *at += 1;
                }
                *at += usize::from(signs.get(*at) == Some(&':'));
            }
            alternatives(dice, signs, at)
        }
        '[' => {
            let negated = signs.get(*at) == Some(&'^');
            let first = if negated { '~' } else { signs.get(*at).copied().unwrap_or('x') };
            let first = match (first, signs.get(*at + 1)) {
                ('\\', Some(c)) => escaped(*c),
                (c, _) => c.to_string(),
            };
            while *at < signs.len() && signs[*at] != ']' {
                *at += 1 + usize::from(signs[*at] == '\\');
            }
            *at += 1;
            first
        }
        '\\' => {
            *at += 1;
            signs.get(*at - 1).map(|c| escaped(*c)).unwrap_or_default()
        }
        c => c.to_string(),
    }
}

fn escaped(c: char) -> String {
    match c {
        'd' => "5".to_owned(),
        'w' | 'S' | 'D' => "w".to_owned(),
        's' | 'W' => " ".to_owned(),
        'b' | 'B' | 'A' | 'z' => String::new(),
        't' => "\t".to_owned(),
        'n' => "\n".to_owned(),
        c => c.to_string(),
    }
}
