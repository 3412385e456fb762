//! The shape of the book: each page in SUMMARY.md once, each link to something that is there, each anchor to a heading.
use super::pages::{BOOK, Page, anchors, links, pages, prose, read, root};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// A path from the project's root without `.` and `..`; nothing where it leaves the project.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::CurDir => {}
            Component::ParentDir => out.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(out)
}

/// What is wrong with a link of the page at `from`. `headings` are those of each page, by its path.
fn fault(
    from: &str,
    link: &str,
    headings: &BTreeMap<String, Vec<String>>,
    exists: impl Fn(&Path) -> bool,
) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(from).parent().expect("a page has a folder");
    let to = if path.is_empty() { Some(PathBuf::from(from)) } else { plain(&folder.join(path)) };
    let Some(to) = to.filter(|to| exists(to)) else {
        return Some(format!("{from}: {link}: there is no such file"));
    };
    // mdBook copies what lies in its folder, and nothing else
    if from.starts_with(BOOK) && !to.starts_with(BOOK) {
        return Some(format!("{from}: {link}: leaves the book"));
    }
    let known = headings.get(&*to.to_string_lossy());
    let missing = !anchor.is_empty() && !known.is_some_and(|ids| ids.iter().any(|id| id == anchor));
    missing.then(|| {
        format!("{from}: {link}: there is no such heading; there are {}", known.map_or(String::new(), |k| k.join(", ")))
    })
}

fn headings(pages: &[Page]) -> BTreeMap<String, Vec<String>> {
    pages.iter().map(|page| (page.path.clone(), anchors(&page.text))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let headings = headings(&pages);
    let all = pages.iter().flat_map(|page| links(&page.text).into_iter().map(|link| (page.path.clone(), link)));
    let faults: Vec<String> =
        all.filter_map(|(at, link)| fault(&at, &link, &headings, |p| root().join(p).exists())).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_is_in_the_summary_once_and_has_one_title() {
    let listed: Vec<String> =
        links(&read(&format!("{BOOK}/SUMMARY.md"))).iter().map(|link| format!("{BOOK}/{link}")).collect();
    for page in pages().iter().filter(|page| page.path.starts_with(BOOK) && !page.path.ends_with("/SUMMARY.md")) {
        assert_eq!(listed.iter().filter(|path| **path == page.path).count(), 1, "{} in SUMMARY.md", page.path);
        let text = prose(&page.text);
        assert!(text.starts_with("# "), "{} begins with its title", page.path);
        assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), 1, "titles of {}", page.path);
        assert!(text.lines().filter(|line| !line.trim().is_empty()).count() > 2, "{} is empty", page.path);
    }
    let missing: Vec<&String> = listed.iter().filter(|path| !root().join(path).is_file()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_page_of_the_book_is_linked_from_the_readme_or_another_page() {
    let pages = pages();
    let mut linked = Vec::new();
    for page in pages.iter().filter(|page| !page.path.ends_with("/SUMMARY.md")) {
        let folder = Path::new(&page.path).parent().expect("a page has a folder");
        linked.extend(links(&page.text).iter().filter_map(|link| plain(&folder.join(link.split('#').next()?))));
    }
    let alone = |page: &&Page| page.path.starts_with(BOOK) && !linked.contains(&PathBuf::from(&page.path));
    let alone: Vec<&str> = pages.iter().filter(alone).map(|page| page.path.as_str()).collect();
    assert_eq!(alone, [format!("{BOOK}/SUMMARY.md"), format!("{BOOK}/introduction.md")]);
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "README.md has {lines} lines: what it says more belongs into the book");
}

#[test]
fn a_broken_link_is_seen() {
    let page = |path: &str, text: &str| Page { path: path.into(), text: text.into() };
    let pages = [page("docs/src/a/b.md", "# B\n## Two `x = \"y\"`\n## Same\n## Same\n"), page("README.md", "# R\n")];
    let headings = headings(&pages);
    assert_eq!(headings["docs/src/a/b.md"], ["b", "two-x--y", "same", "same-1"]);
    let exists = |path: &Path| headings.contains_key(&*path.to_string_lossy()) || path == Path::new("LICENSE");
    let seen = |from: &str, link: &str| fault(from, link, &headings, exists).is_some();
    for (from, link) in [
        ("docs/src/c.md", "a/c.md"),
        ("docs/src/c.md", "a/b.md#three"),
        ("docs/src/a/b.md", "#three"),
        ("docs/src/a/b.md", "../../../README.md"),
        ("README.md", "../LICENSE"),
        ("README.md", "LICENSE#text"),
    ] {
        assert!(seen(from, link), "{from} {link}");
    }
    for (from, link) in [
        ("docs/src/c.md", "a/b.md#same-1"),
        ("docs/src/a/b.md", "#two-x--y"),
        ("docs/src/a/b.md", "b.md"),
        ("README.md", "docs/src/a/b.md"),
        ("README.md", "LICENSE"),
        ("README.md", "https://example.org/"),
    ] {
        assert!(!seen(from, link), "{from} {link}");
    }
    let text = "[a](b.md) ![c](d.png) `[e](f)`\n```sh\n[g](h)\n```\n[`x`](i.md#j)\n";
    assert_eq!(links(text), ["b.md", "d.png", "i.md#j"]);
}
