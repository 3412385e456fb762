//! The catalogue of faults names tests that exist, and each test that is named after a case is listed at that case.
use super::{Faults, all_rust_files, hold, lines, read, root};
use std::collections::{BTreeMap, BTreeSet};

/// Where the catalogue is: tables of case, what happens, and tests.
const PAGE: &str = "docs/src/explain/faults.md";

/// A case: its section's letter and its number.
type Case = (char, u32);

/// `F17`, or `f17` as tests are named.
fn case(word: &str) -> Option<Case> {
    let mut chars = word.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    let digits = chars.as_str();
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((letter.to_ascii_uppercase(), number))
}

/// The cases that a test is named after: those of F17 and S72 for `f17_s72_a_disk_…`.
fn named_after(test: &str) -> Vec<Case> {
    test.split('_').map_while(case).collect()
}

/// The tests that a column lists: what stands in backticks.
fn listed(column: &str) -> impl Iterator<Item = &str> {
    column.split('`').skip(1).step_by(2)
}

/// Each test of a file, by its name: a function with an attribute that says so, or one that a macro makes tests of and lists.
fn tests(text: &str) -> BTreeSet<String> {
    let all: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = BTreeSet::new();
    for (at, line) in all.iter().enumerate() {
        let Some(rest) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") else { continue };
        let name = rest.split(['(', '<']).next().unwrap_or_default();
        let above = all[..at].iter().rev().take_while(|l| l.starts_with("#[") || l.starts_with("///"));
        let is_test = above.copied().any(|l| l.contains("test]") || l.contains("test("));
        let by_macro = || all.iter().any(|l| l.strip_suffix(',') == Some(name));
        if is_test || by_macro() {
            found.insert(name.to_owned());
        }
    }
    found
}

/// What is wrong with the catalogue, given all tests that there are.
fn wrong(page: &str, tests: &BTreeSet<String>) -> Faults {
    let mut faults = Vec::new();
    let mut cases: BTreeMap<Case, (usize, Vec<&str>)> = BTreeMap::new();
    for (number, line) in (1..).zip(page.lines()) {
        let columns: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [first, what, tests_of] = columns[..] else { continue };
        let Some(case) = case(first) else { continue };
        if what.split_whitespace().count() < 4 {
            faults.push((number, format!("{first} does not say what happens")));
        }
        let named: Vec<&str> = listed(tests_of).collect();
        let reason = tests_of.strip_prefix("none: ").is_some_and(|why| why.split_whitespace().count() >= 3);
        if named.is_empty() && !reason {
            faults.push((number, format!("{first} has no test, and no `none: ` with the reason why")));
        }
        let missing = named.iter().filter(|name| !tests.contains(**name));
        faults.extend(missing.map(|name| (number, format!("{first}: there is no test {name}"))));
        if cases.insert(case, (number, named)).is_some() {
            faults.push((number, format!("{first} stands there twice")));
        }
    }
    for test in tests {
        for (letter, number) in named_after(test) {
            match cases.get(&(letter, number)) {
                None => faults.push((0, format!("{test} is named after {letter}{number}, which is no case"))),
                Some((line, named)) if !named.contains(&&**test) => {
                    faults.push((*line, format!("{letter}{number} does not list {test}")));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

#[test]
fn each_case_names_tests_that_exist_and_each_test_a_case() {
    let tests: BTreeSet<String> = all_rust_files().iter().flat_map(|(_, text)| tests(text)).collect();
    assert!(tests.len() > 500, "{} tests", tests.len());
    let page = read(&root().join(PAGE));
    assert!(page.lines().filter(|l| case(l.split(' ').nth(1).unwrap_or_default()).is_some()).count() > 100, "cases");
    hold([(PAGE.to_owned(), wrong(&page, &tests))]);
}

#[test]
fn a_catalogue_that_is_wrong_is_seen() {
    let tests: BTreeSet<String> = ["f01_s72_a_disk", "f01_a_file", "plain"].map(str::to_owned).into();
    let page = "# Faults\n| case | what happens | tests |\n| --- | --- | --- |\n\
                | F1 | A disk is quite full. | `f01_a_file`, `f01_s72_a_disk` |\n\
                | S72 | The same happens twice. | `f01_s72_a_disk`, `plain`; open: more |\n\
                | Q1 | Nobody knows of it. | none: nothing can be seen |\n";
    assert_eq!(wrong(page, &tests), []);
    let seen = |from: &str, to: &str| lines(&wrong(&page.replace(from, to), &tests));
    assert_eq!(seen("`plain`", "`plane`"), [5], "a test that does not exist");
    assert_eq!(seen("`f01_a_file`, ", ""), [4], "a test that is named after the case and not listed");
    assert_eq!(seen("| S72 |", "| S73 |"), [0], "a test that is named after no case");
    assert_eq!(seen("none: nothing can be seen", "none: so"), [6], "no reason");
    assert_eq!(seen("none: nothing can be seen", ""), [6], "neither test nor reason");
    assert_eq!(seen("| Q1 |", "| F1 |").first(), Some(&6), "twice");
    assert_eq!(seen("Nobody knows of it.", "Nobody."), [6], "nothing is said");
}

#[test]
fn tests_and_the_cases_that_they_are_named_after_are_known() {
    let text = "cases! {\n    f01_by_macro,\n}\nfn f01_by_macro(hints: Hints) {}\n#[test]\n#[ignore = \"no\"]\nfn f02_b() {}\n\
                #[tokio::test(start_paused = true)]\nasync fn f03_c() {}\nfn helper() {}\n";
    assert_eq!(tests(text).into_iter().collect::<Vec<_>>(), ["f01_by_macro", "f02_b", "f03_c"]);
    assert_eq!(named_after("f17_s72_a_disk"), [('F', 17), ('S', 72)]);
    assert_eq!(named_after("x109_ten"), [('X', 109)]);
    assert_eq!(named_after("rfc3339_in_all_its_forms"), []);
    assert_eq!(named_after("sha256"), []);
}
