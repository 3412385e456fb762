//! Values of fields as the text that keys, values and measures are made of.
use crate::model::{Event, RawValue, Text, Value};
use crate::syntax::FieldRef;

/// What stands between the values of a tuple.
pub const SEPARATOR: &str = "\u{1f}";

/// A tuple for people: `a + b`
pub fn shown(tuple: &str) -> String {
    tuple.replace(SEPARATOR, " + ")
}

/// The field's value as text that tells values apart; nothing where the event has none.
pub fn read(event: &Event, field: &FieldRef) -> Option<Text> {
    match field {
        FieldRef::Known(field) => match event.get(*field) {
            Value::Absent => None,
            Value::Text(text) => (!text.is_empty()).then(|| text.into()),
            Value::Int(n) => Some(compact_str::format_compact!("{n}")),
            Value::Ip(ip) => Some(compact_str::format_compact!("{ip}")),
            Value::Bool(b) => Some(compact_str::format_compact!("{b}")),
            Value::List(list) => Some(joined(list)),
        },
        FieldRef::Raw(i) => match event.unmapped.get(*i)? {
            RawValue::Null => None,
            RawValue::Text(text) => Some(short(text).into()),
            RawValue::List(list) => Some(joined(list)),
        },
    }
}

/// What of a text tells entities and values apart: state is bounded, however long the values of a line are.
pub fn short(text: &str) -> &str {
    crate::model::cut(text, crate::model::limits::FIELD_BYTES)
}

/// A list is one value: its elements in their order.
fn joined(list: &[Text]) -> Text {
    let mut out = Text::default();
    for (i, element) in list.iter().enumerate() {
        if out.len() > crate::model::limits::FIELD_BYTES {
            break;
        }
        if i > 0 {
            out.push_str(", ");
        }
        out.push_str(short(element));
    }
    short(&out).into()
}

/// Shows `use_text` the field's value as text, where the event has one.
pub fn read_known(event: &Event, field: &FieldRef, use_text: impl FnOnce(&str)) {
    if let FieldRef::Known(field) = field
        && let Value::Text(text) = event.get(*field)
    {
        if !text.is_empty() {
            use_text(text);
        }
        return;
    }
    if let Some(text) = read(event, field) {
        use_text(&text);
    }
}

/// The values of several fields as one text; nothing where the event lacks one of them.
pub fn tuple(event: &Event, fields: &[FieldRef]) -> Option<Text> {
    let mut out = read(event, fields.first()?)?;
    for field in &fields[1..] {
        out.push_str(SEPARATOR);
        out.push_str(&read(event, field)?);
    }
    Some(out)
}
