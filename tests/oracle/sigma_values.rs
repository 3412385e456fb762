//! What rules and records are made of: YAML and JSON as they are written.
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// YAML as a rule has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Yaml, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Yaml;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("YAML")
            }
            fn visit_unit<E>(self) -> Result<Yaml, E> {
                Ok(Yaml::Null)
            }
            fn visit_none<E>(self) -> Result<Yaml, E> {
                Ok(Yaml::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Yaml, D::Error> {
                Yaml::deserialize(d)
            }
            fn visit_bool<E>(self, b: bool) -> Result<Yaml, E> {
                Ok(Yaml::Bool(b))
            }
            fn visit_i64<E>(self, n: i64) -> Result<Yaml, E> {
                Ok(Yaml::Int(n))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Yaml, E> {
                n.try_into().map(Yaml::Int).map_err(E::custom)
            }
            fn visit_f64<E>(self, n: f64) -> Result<Yaml, E> {
                Ok(Yaml::Float(n))
            }
            fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
                Ok(Yaml::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Yaml, A::Error> {
                let mut list = Vec::new();
                while let Some(next) = seq.next_element()? {
                    list.push(next);
                }
                Ok(Yaml::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Yaml::Map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Yaml {
    pub fn get(&self, key: &str) -> Option<&Yaml> {
        match self {
            Yaml::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// One or several, as a list.
    pub fn each(&self) -> &[Yaml] {
        match self {
            Yaml::List(list) => list,
            one => std::slice::from_ref(one),
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> String {
        match self {
            Yaml::Text(text) => text.clone(),
            Yaml::Int(n) => n.to_string(),
            Yaml::Float(n) => n.to_string(),
            Yaml::Bool(b) => b.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }
}

/// JSON as a record has it: numbers as they are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// As a product writes it. `escapes`: what is not ASCII, and slashes, are escaped.
    pub fn written(&self, escapes: bool) -> String {
        let all = |parts: Vec<String>| parts.join(",");
        match self {
            Json::Null => "null".to_owned(),
            Json::Bool(b) => b.to_string(),
            Json::Number(n) => n.clone(),
            Json::Text(text) => string(text, escapes),
            Json::List(list) => format!("[{}]", all(list.iter().map(|e| e.written(escapes)).collect())),
            Json::Object(entries) => {
                let entry =
                    |(key, value): &(String, Json)| format!("{}:{}", string(key, escapes), value.written(escapes));
                format!("{{{}}}", all(entries.iter().map(entry).collect()))
            }
        }
    }

    /// The written form with the escapes in strings resolved, which is no JSON any more.
    pub fn resolved(&self) -> String {
        let all = |parts: Vec<String>| parts.join(",");
        match self {
            Json::Text(text) => format!("\"{text}\""),
            Json::List(list) => format!("[{}]", all(list.iter().map(Json::resolved).collect())),
            Json::Object(entries) => {
                let entry = |(key, value): &(String, Json)| format!("\"{key}\":{}", value.resolved());
                format!("{{{}}}", all(entries.iter().map(entry).collect()))
            }
            plain => plain.written(false),
        }
    }
}

fn string(text: &str, escapes: bool) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '/' if escapes => out.push_str("\\/"),
            c if c < ' ' || (escapes && !c.is_ascii()) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
