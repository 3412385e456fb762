//! Charts as SVG inside the page. What is the incident's is filled and what is ordinary hollow, so that it can be read without colour.
use super::document::Bar;
use super::grouped;
use crate::incident::days::DayRow;
use crate::incident::exposure::day;
use maud::{Markup, html};

/// The chart's width and height, in units of its own.
const SIZE: (f64, f64) = (720.0, 200.0);
/// Room for the labels below and at the left.
const ROOM: (f64, f64) = (64.0, 24.0);

/// Records by day.
pub fn days(rows: &[DayRow]) -> Markup {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return html! { p { "Nothing is recorded of other days." } };
    };
    let most = rows.iter().map(|row| row.own.max(row.incident)).max().unwrap_or(0).max(1);
    let span = f64::from((last.day - first.day).max(0) + 1);
    let (width, height) = (SIZE.0 - ROOM.0, SIZE.1 - ROOM.1 - 8.0);
    let slot = width / span;
    let bar = (slot * 0.4).clamp(0.5, 24.0);
    // a bar that is there is seen
    let tall = |n: u64| if n == 0 { 0.0 } else { (height * n as f64 / most as f64).max(2.0) };
    let x = |day: i32| ROOM.0 + f64::from(day - first.day) * slot + slot / 2.0;
    let rect = |x: f64, n: u64, class: &'static str, title: String| {
        let tall = tall(n);
        html! {
            @if n > 0 {
                rect class=(class) x=(round(x)) y=(round(8.0 + height - tall)) width=(round(bar)) height=(round(tall)) { title { (title) } }
            }
        }
    };
    html! {
        figure {
            div.scroll tabindex="0" role="region" aria-label="Records by day" {
                svg.days viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) role="img" aria-label="Records of message logs that left, by day" {
                    line.axis x1=(ROOM.0) y1=(8.0 + height) x2=(SIZE.0) y2=(8.0 + height) {}
                    text x=(ROOM.0 - 6.0) y="16" text-anchor="end" { (grouped(most)) }
                    text x=(ROOM.0 - 6.0) y=(8.0 + height) text-anchor="end" { "0" }
                    text x=(ROOM.0) y=(SIZE.1 - 4.0) { (day(first.day)) }
                    text x=(SIZE.0) y=(SIZE.1 - 4.0) text-anchor="end" { (day(last.day)) }
                    @for row in rows {
                        (rect(x(row.day) - bar, row.own, "own", format!("{}: {} in ordinary work", day(row.day), grouped(row.own))))
                        (rect(x(row.day), row.incident, "incident", format!("{}: {} in the incident", day(row.day), grouped(row.incident))))
                    }
                }
            }
            figcaption { span.key.own {} " ordinary work  " span.key.incident {} " the incident" }
        }
    }
}

/// What left of what was asked for, by name.
pub fn bars(bars: &[Bar]) -> Markup {
    let most = bars.iter().map(|bar| bar.asked).max().unwrap_or(0).max(1);
    let share = |n: u64| round(100.0 * n as f64 / most as f64);
    html! {
        figure {
            table.bars {
                @for bar in bars {
                    tr {
                        th scope="row" { (bar.name) }
                        td {
                            svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                                rect.own x="0" y="0.5" width=(share(bar.asked)) height="7" {}
                                rect.incident x="0" y="0.5" width=(share(bar.left)) height="7" {}
                            }
                            span { (bar.words) }
                        }
                    }
                }
            }
            figcaption { span.key.incident {} " records that left  " span.key.own {} " asked for" }
        }
    }
}

fn round(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}
