//! A document as one page: no network, no script; light and dark, phone and paper.
use super::chart;
use super::document::{Block, Document};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");

/// The page. Every value is escaped by the template.
pub fn html(document: &Document) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // nothing of what a trail wrote can load or run anything
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (document.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (document.title) }
                    @for sentence in &document.summary { p.summary { (sentence) } }
                    @for section in &document.sections {
                        section {
                            h2 { (section.title) }
                            @for block in &section.blocks { (self::block(block)) }
                        }
                    }
                }
            }
        }
    };
    page.into_string()
}

fn block(block: &Block) -> Markup {
    match block {
        Block::Text(text) => html! { p { (text) } },
        Block::Facts(facts) => html! {
            dl { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } }
        },
        Block::Table { head, rows } => html! {
            div.scroll tabindex="0" role="region" aria-label=(head.join(", ")) {
                table {
                    thead { tr { @for name in head { th scope="col" { (name) } } } }
                    tbody {
                        @for (marked, cells) in rows {
                            tr.marked[*marked] { @for cell in cells { td { (cell) } } }
                        }
                    }
                }
            }
        },
        Block::Days(rows) => chart::days(rows),
        Block::Bars(bars) => chart::bars(bars),
    }
}
