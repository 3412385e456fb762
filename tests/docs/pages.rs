//! The README, CONTRIBUTING and the pages of the book: their texts, their blocks, their headings and their links.
use std::path::{Path, PathBuf};

/// Where the pages of the book lie.
pub const BOOK: &str = "docs/src";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// One page, by its path in the project.
pub struct Page {
    pub path: String,
    pub text: String,
}

/// What stands between two lines of backticks.
pub struct Block {
    /// The page, and the line of the block's beginning: for messages.
    pub at: String,
    /// The language: the first word behind the backticks.
    pub language: String,
    /// The words behind it: ` ```toml,check `.
    pub words: Vec<String>,
    pub text: String,
}

/// The README, CONTRIBUTING and every page of the book, sorted.
pub fn pages() -> Vec<Page> {
    let mut folders = vec![root().join(BOOK)];
    let mut paths: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the book is there") {
            let path = entry.expect("it can be listed").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "md") => paths.push(path),
                false => {}
            }
        }
    }
    paths.sort();
    let name = |path: &Path| path.strip_prefix(root()).expect("it was found below").to_string_lossy().into_owned();
    paths.iter().map(|path| Page { path: name(path), text: read(&name(path)) }).collect()
}

/// The blocks of a page, in their order.
pub fn blocks(page: &Page) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(page.text.lines()) {
        match line.trim_start().strip_prefix("```") {
            Some(begin) if !inside => {
                inside = true;
                let mut words = begin.split([',', ' ']).map(str::to_owned).filter(|word| !word.is_empty());
                let language = words.next().unwrap_or_default();
                let at = format!("{}:{number}", page.path);
                found.push(Block { at, language, words: words.collect(), text: String::new() });
            }
            Some(_) => inside = false,
            None if inside => found.last_mut().expect("a block has begun").text.push_str(&format!("{line}\n")),
            None => {}
        }
    }
    found
}

/// The blocks of all pages in that language.
pub fn all_of(language: &str) -> Vec<Block> {
    pages().iter().flat_map(blocks).filter(|block| block.language == language).collect()
}

/// The text without its blocks.
pub fn prose(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// The ids of its headings, as mdBook and forges make them: letters and digits in small letters, blanks as hyphens; `-1` behind
/// the second of a name.
pub fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let prose = prose(text);
    for line in prose.lines().filter(|line| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let plain: String = kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect();
        let before =
            found.iter().filter(|id| **id == plain || id.strip_suffix(char::is_numeric) == Some(&format!("{plain}-")));
        let id = match before.count() {
            0 => plain.clone(),
            n => format!("{plain}-{n}"),
        };
        found.push(id);
    }
    found
}

/// Where its links lead, `![…](…)` too.
pub fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    // what stands in single backticks is no link
    let plain: String = prose.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let behind = plain.split("](").skip(1);
    behind.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}
