//! What is told of an incident afterwards.

/// A day, of days since 1970: `2026-03-01`.
pub fn day(n: i32) -> String {
    let day = jiff::civil::Date::constant(1970, 1, 1).checked_add(jiff::Span::new().days(n));
    day.map_or_else(|_| n.to_string(), |day| day.to_string())
}
