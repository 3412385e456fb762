//! Amounts in fixed point: what sums, averages and percentiles reckon with.
//!
//! Whole millionths, so that a sum is the same in whatever order its parts arrive, which that of floating numbers is not.
use super::read::read;
use crate::model::{Event, Value};
use crate::syntax::FieldRef;

/// Parts of one.
const PARTS: i128 = 1_000_000;

/// The amount that an event has in the field, in millionths; nothing where that is no number.
pub(super) fn amount(event: &Event, field: &FieldRef) -> Option<i128> {
    match field {
        FieldRef::Known(known) => match event.get(*known) {
            Value::Int(n) => Some(i128::from(n) * PARTS),
            Value::Text(text) => parse(text),
            _ => None,
        },
        FieldRef::Raw(_) => parse(&read(event, field)?),
    }
}

/// The amount as a whole number, for what counts in whole ones.
pub(super) fn whole(event: &Event, field: &FieldRef) -> Option<i64> {
    let amount = amount(event, field)?;
    let rounded = (amount.abs() + PARTS / 2) / PARTS * amount.signum();
    Some(saturated(rounded))
}

/// A sum of whole ones.
pub(super) fn saturated(sum: i128) -> i64 {
    sum.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// The number that the amount is: exact for whole ones up to 2^53.
pub(super) fn number(amount: i128) -> f64 {
    (amount / PARTS) as f64 + (amount % PARTS) as f64 / PARTS as f64
}

/// For a person: as many decimals as there are, six at most.
pub(super) fn shown(number: f64) -> String {
    let rounded = (number * PARTS as f64).round() / PARTS as f64;
    if rounded.is_finite() { rounded.to_string() } else { number.to_string() }
}

fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(n) = text.parse::<i64>() {
        return Some(i128::from(n) * PARTS);
    }
    let n = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
    let most = i64::MAX as f64;
    Some((n.clamp(-most, most) * PARTS as f64).round() as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_negative_numbers_and_exponents_are_amounts_and_words_are_none() {
        for (text, wanted) in [
            ("150.5", Some(150.5)),
            ("60.0", Some(60.0)),
            (" -7 ", Some(-7.0)),
            ("1e3", Some(1000.0)),
            ("0.000001", Some(0.000_001)),
        ] {
            assert_eq!(parse(text).map(number), wanted, "{text}");
        }
        for text in ["", "ten", "NaN", "inf", "1,5"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("1e300").map(number), Some(i64::MAX as f64), "bounded");
    }

    #[test]
    fn a_sum_of_decimals_is_exact_and_shown_with_the_decimals_that_it_has() {
        let sum: i128 = (0..10).filter_map(|_| parse("0.1")).sum();
        assert_eq!(number(sum), 1.0);
        assert_eq!(["150.5", "3", "-0.25"].map(|text| shown(parse(text).map_or(0.0, number))), ["150.5", "3", "-0.25"]);
    }
}
