//! The rules that this code keeps, each as a function on text, and each shown to be able to fail.
mod faults;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file has one subject: more lines than this, without its tests, are two.
const FILE_LINES: usize = 600;
/// A function fits a large screen.
const FUNCTION_LINES: usize = 90;
/// The programs that tests are linked into, by what they need: of the library its pure modules, all of it, or a machine besides.
const PROGRAMS: [&str; 3] = ["core", "daemon", "host"];
/// What tells a reason from a word.
const REASON_WORDS: usize = 3;

/// What breaks a rule: line (0 for the file as a whole) and what is wrong.
type Faults = Vec<(usize, String)>;

// ---- the rules ----

/// A file's first line says what its one job is.
fn no_first_line(text: &str) -> Faults {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") && first.len() > 12 {
        return Vec::new();
    }
    vec![(1, "does not begin with `//!` and its one job".into())]
}

/// A module imports only what lib.rs declares above it; itself it may name. `path` is relative to src.
fn upward_imports(path: &str, text: &str, layers: &[String]) -> Faults {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').filter(|p| *p != "mod").collect();
    let Some(own) = layers.iter().position(|l| l == parts[0]) else {
        return Vec::new(); // lib.rs and main.rs are no module's
    };
    let code = code(text);
    let to_the_crate = "super::".repeat(parts.len());
    let mut faults = Vec::new();
    for root in ["crate::", to_the_crate.as_str()] {
        for at in words(&code, root) {
            for name in imported(&code[at + root.len()..]) {
                if layers.iter().position(|l| *l == name).is_some_and(|i| i > own) {
                    let said = format!("`{}` imports `{name}`, which lib.rs declares below it", parts[0]);
                    faults.push((line(text, at), said));
                }
            }
        }
    }
    faults
}

/// What lib.rs declares and does not mark as an edge, or marks and does not let name what edges may: line and what is wrong. Pure modules
/// stand first. A crate that only edges use is there with `host` alone, so that what stands without it can name none: the compiler holds that.
fn mixed(lib: &str) -> Faults {
    let (mut faults, mut edges) = (Vec::new(), false);
    for (number, name, before) in declared(lib) {
        let (host, exempt) =
            (before.contains("#[cfg(feature = \"host\")]"), before.contains("#[allow(clippy::disallowed_"));
        let exempt = exempt || before.contains("#[allow(\n    clippy::disallowed_");
        match (host, exempt) {
            (false, false) if edges => faults.push((number, format!("`{name}` is pure, and stands below an edge"))),
            (false, true) => faults.push((number, format!("`{name}` is an edge, and is there without `host`"))),
            (true, false) => {
                faults.push((number, format!("`{name}` needs `host`, and does not say what makes it an edge")))
            }
            _ => {}
        }
        edges |= host;
    }
    faults
}

/// The modules that lib.rs declares: where, what they are called, and the attributes above.
fn declared(lib: &str) -> Vec<(usize, String, String)> {
    let (mut found, mut attributes) = (Vec::new(), String::new());
    for (number, line) in (1..).zip(lib.lines()) {
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|l| l.strip_suffix(';')) {
            found.push((number, name.to_owned(), std::mem::take(&mut attributes)));
        } else if line.is_empty() || line.starts_with("//") {
            attributes.clear();
        } else {
            attributes.push_str(line);
            attributes.push('\n');
        }
    }
    found
}

/// What a pure module names of the outside, tests left out. clippy.toml bans the functions, this the folders; of crates it has none.
fn impure(text: &str) -> Faults {
    let code = code(text);
    let tests = tests(&code);
    let mut faults = Vec::new();
    for what in ["async fn", "async move", "std::fs", "std::env", "std::thread", "std::process", "std::os"] {
        let outside = words(&code, what).filter(|at| !tests.iter().any(|(from, to)| (*from..*to).contains(at)));
        let whole =
            outside.filter(|at| !code[at + what.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        faults.extend(whole.map(|at| (line(text, at), format!("a pure module names `{what}`"))));
    }
    faults
}

/// Files over [`FILE_LINES`] and functions over [`FUNCTION_LINES`], tests left out.
fn too_long(text: &str) -> Faults {
    let code = code(text);
    let tests = tests(&code);
    let in_tests = |at: usize| tests.iter().any(|(from, to)| (*from..*to).contains(&at));
    let test_lines: usize = tests.iter().map(|(from, to)| code[*from..*to].lines().count()).sum();
    let lines = code.lines().count() - test_lines;
    let mut faults = Vec::new();
    if lines > FILE_LINES {
        faults.push((0, format!("{lines} lines without tests, more than {FILE_LINES}")));
    }
    for at in words(&code, "fn ").filter(|at| !in_tests(*at)) {
        let Some((_, end)) = block(&code, at) else {
            continue;
        };
        let lines = code[at..end].lines().count();
        if lines > FUNCTION_LINES {
            faults.push((line(text, at), format!("a function of {lines} lines, more than {FUNCTION_LINES}")));
        }
    }
    faults
}

/// `unwrap()`, and `expect` without a reason, outside tests.
fn unproven(text: &str) -> Faults {
    let code = code(text);
    let tests = tests(&code);
    let mut faults = Vec::new();
    for (what, reasoned) in [(".unwrap()", false), (".expect(", true), (".expect_err(", true)] {
        for (at, _) in code.match_indices(what) {
            if tests.iter().any(|(from, to)| (*from..*to).contains(&at)) {
                continue;
            }
            let reason = text[at + what.len()..].trim_start().strip_prefix('"').and_then(|r| r.split('"').next());
            if !reasoned || reason.is_none_or(|r| r.split_whitespace().count() < REASON_WORDS) {
                faults.push((line(text, at), format!("`{what}` without the reason why it cannot fail")));
            }
        }
    }
    faults
}

/// What was meant to go away before anybody reads it.
fn leftovers(text: &str) -> Faults {
    let code = code(text);
    let found = ["todo!", "unimplemented!", "dbg!"];
    found
        .iter()
        .flat_map(|what| words(&code, what).map(|at| (line(text, at), format!("`{what}`"))).collect::<Vec<_>>())
        .collect()
}

/// Paths of the machine that somebody worked on, and hosts of package registries.
fn places(text: &str) -> Faults {
    // in two parts each, for this file is read too
    let machines = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let registries = [
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("python", "hosted.org"),
        concat!("npmjs", ".org"),
        concat!("deb.", "debian.org"),
        concat!("proxy.", "golang.org"),
    ];
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // `network/` is not a folder at the root: what stands before must not belong to the path
        let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}*".contains(c));
        let machine = machines.iter().filter(|m| line.match_indices(**m).any(|(at, _)| begins(at)));
        let registry = registries.iter().filter(|r| line.contains(**r));
        faults.extend(
            machine
                .chain(registry)
                .map(|what| (number, format!("names {what}, a place of somebody's machine or network"))),
        );
    }
    faults
}

/// Dependencies of Cargo.toml without a comment above that says what for.
fn unexplained(manifest: &str) -> Faults {
    let mut faults = Vec::new();
    let (mut inside, mut before) = (false, "");
    for (number, line) in (1..).zip(manifest.lines()) {
        if line.starts_with('[') {
            inside = line.trim_matches(['[', ']']).ends_with("dependencies");
        } else if inside && line.contains('=') && !line.starts_with('#') && !before.starts_with("# ") {
            faults.push((
                number,
                format!("{}: no comment above it says what for", line.split(' ').next().unwrap_or(line)),
            ));
        }
        before = line;
    }
    faults
}

/// The version of Cargo.toml has no heading in CHANGELOG.md.
fn unannounced(changelog: &str, version: &str) -> Faults {
    let heading = |l: &str| l.strip_prefix("## ").is_some_and(|h| h.split([' ', '-']).next() == Some(version));
    if changelog.lines().any(heading) {
        return Vec::new();
    }
    vec![(0, format!("no heading `## {version}`"))]
}

/// Files of tests that are in none of the programs, or in two; and files of what they share that are in none.
fn not_once(names: &[&str], programs: &[String], files: &BTreeSet<String>, shared: &BTreeSet<String>) -> Faults {
    let count = |line: &str| programs.iter().map(|text| text.lines().filter(|l| *l == line).count()).sum::<usize>();
    let files =
        files.iter().filter(|file| !names.contains(&file.as_str())).map(|file| (file, count(&format!("mod {file};"))));
    let files =
        files.filter(|(_, times)| *times != 1).map(|(file, times)| (0, format!("{file}.rs is in {times} programs")));
    let shared = shared.iter().filter(|file| count(&format!("    mod {file};")) == 0);
    files.chain(shared.map(|file| (0, format!("support/{file}.rs is in no program")))).collect()
}

/// Files of a folder that are not compiled in. What is compiled in and not there does not compile.
fn left_out(folder: &BTreeSet<String>, compiled: &BTreeSet<String>) -> Faults {
    folder.difference(compiled).map(|name| (0, format!("{name} is not compiled in"))).collect()
}

// ---- reading Rust, as far as the rules need ----

/// The text with comments and the insides of literals blanked: every byte and every line stays in its place.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    // ends: every turn goes on by at least one byte
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let end = match rest {
            [b'/', b'/', ..] => at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', ..] => at + comment(rest),
            [b'"', ..] => at + string(rest),
            [b'r', b'"' | b'#', ..] if !at.checked_sub(1).is_some_and(|b| in_word(bytes[b]) && bytes[b] != b'b') => {
                at + raw_string(rest)
            }
            [b'\'', b'\\', _, ..] => at + 3 + rest[3..].iter().position(|b| *b == b'\'').map_or(0, |n| n + 1),
            [b'\'', ..] => at + character(&text[at..]),
            _ => {
                at += 1;
                continue;
            }
        };
        out[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("whole characters were blanked")
}

/// The length of a block comment, with those inside it.
fn comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < rest.len() && depth > 0 {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    at
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of `r"…"`, `r#"…"#` and so on; 1 where it is a name such as `r#type`.
fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 1;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = &rest[2 + hashes..];
    2 + hashes + body.windows(end.len()).position(|w| w == end).map_or(body.len(), |n| n + end.len())
}

/// The length of `'c'`; 1 where the quote begins a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(2);
    match chars.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}

fn in_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Where `what` stands and does not go on a word.
fn words<'a>(code: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    let free = |at: &usize| *at == 0 || !in_word(code.as_bytes()[at - 1]) && !code[..*at].ends_with("::");
    code.match_indices(what).map(|(at, _)| at).filter(free)
}

fn line(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The next `{ … }` from `at` on that no `;` comes before: where it begins and ends.
fn block(code: &str, at: usize) -> Option<(usize, usize)> {
    let mut depth = 0;
    let mut begin = None;
    for (i, b) in code.bytes().enumerate().skip(at) {
        match b {
            b'{' => {
                begin = begin.or(Some(i));
                depth += 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some((begin?, i + 1));
                }
            }
            // `[u8; 4]` in a signature is no end
            b';' if depth == 0 && code[at..i].matches('[').count() == code[at..i].matches(']').count() => {
                return None;
            }
            _ => {}
        }
    }
    None
}

/// What is compiled for tests only: from `#[cfg(test)]` to the end of the item's block.
fn tests(code: &str) -> Vec<(usize, usize)> {
    code.match_indices("#[cfg(test)]").filter_map(|(at, _)| Some((at, block(code, at)?.1))).collect()
}

/// The first names of what follows `crate::`: `a`, or each of `{a, b::c, d::{e, f}}`.
fn imported(rest: &str) -> Vec<String> {
    let name = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else {
        return vec![name(rest)];
    };
    let (mut names, mut depth, mut from) = (Vec::new(), 0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(group[from..i].trim_start()));
                from = i + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

// ---- the rules, held against the project ----

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The Rust files below a folder of the project, with their paths in that folder, sorted.
fn rust_files(folder: &str) -> Vec<(String, String)> {
    let top = root().join(folder);
    let mut folders: Vec<PathBuf> = vec![top.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.map(|e| e.expect("a readable folder").path()) {
            if path.is_dir() {
                // what cargo-fuzz builds, unless it is told where, is nobody's writing
                folders.extend((!path.ends_with("fuzz/target")).then_some(path));
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&top).expect("it was found below").to_string_lossy().into_owned();
                files.push((name, read(&path)));
            }
        }
    }
    files.sort();
    files
}

/// Everywhere that we write Rust.
fn all_rust_files() -> Vec<(String, String)> {
    let all = ["src", "tests", "benches"].into_iter();
    all.flat_map(|folder| rust_files(folder).into_iter().map(move |(name, text)| (format!("{folder}/{name}"), text)))
        .collect()
}

/// Files that are tests as a whole.
fn is_test(path: &str) -> bool {
    path.split('/').any(|p| p == "tests" || p == "tests.rs")
}

fn file_names(folder: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    entries.map(|e| e.expect("a readable folder").file_name().to_string_lossy().into_owned()).collect()
}

fn layers() -> Vec<String> {
    declared(&read(&root().join("src/lib.rs"))).into_iter().map(|(_, name, _)| name).collect()
}

fn hold(faults: impl IntoIterator<Item = (String, Faults)>) {
    let said: Vec<String> = faults
        .into_iter()
        .flat_map(|(path, faults)| faults.into_iter().map(move |(line, what)| format!("{path}:{line}: {what}")))
        .collect();
    assert!(said.is_empty(), "\n{}\n", said.join("\n"));
}

#[test]
fn a_module_imports_only_what_is_declared_above_it() {
    let layers = layers();
    assert!(layers.len() > 15 && layers[0] == "model", "{layers:?}");
    hold(
        rust_files("src")
            .into_iter()
            .map(|(path, text)| (format!("src/{path}"), upward_imports(&path, &text, &layers))),
    );
}

#[test]
fn pure_modules_stand_before_the_edges_which_only_a_host_has() {
    let lib = read(&root().join("src/lib.rs"));
    assert!(declared(&lib).iter().filter(|(_, _, before)| before.is_empty()).count() > 10, "{:?}", declared(&lib));
    hold([("src/lib.rs".into(), mixed(&lib))]);
}

#[test]
fn the_pure_modules_name_nothing_of_the_outside() {
    let mut pure = declared(&read(&root().join("src/lib.rs")));
    pure.retain(|(_, _, before)| before.is_empty());
    let is_pure = |path: &str| {
        let module = path.trim_end_matches(".rs").split('/').next().unwrap_or_default();
        pure.iter().any(|(_, name, _)| name == module)
    };
    let files: Vec<_> = rust_files("src").into_iter().filter(|(path, _)| is_pure(path) && !is_test(path)).collect();
    assert!(files.len() > 30, "{} files of pure modules", files.len());
    hold(files.into_iter().map(|(path, text)| (format!("src/{path}"), impure(&text))));
}

#[test]
fn every_file_says_its_one_job() {
    hold(all_rust_files().into_iter().map(|(path, text)| (path, no_first_line(&text))));
}

#[test]
fn every_file_of_tests_is_run() {
    let programs = PROGRAMS.map(|name| read(&root().join(format!("tests/{name}.rs"))));
    hold([("tests".into(), not_once(&PROGRAMS, &programs, &stems("tests"), &stems("tests/support")))]);
}

/// The Rust files right in a folder, without their ending.
fn stems(folder: &str) -> BTreeSet<String> {
    file_names(folder).iter().filter_map(|name| Some(name.strip_suffix(".rs")?.to_owned())).collect()
}

#[test]
fn files_have_one_subject_and_functions_fit_a_screen() {
    let files = rust_files("src").into_iter().filter(|(path, _)| !is_test(path));
    hold(files.map(|(path, text)| (format!("src/{path}"), too_long(&text))));
}

#[test]
fn nothing_is_unwrapped_without_a_proof() {
    let files = rust_files("src").into_iter().filter(|(path, _)| !is_test(path));
    hold(files.map(|(path, text)| (format!("src/{path}"), unproven(&text))));
}

#[test]
fn nothing_is_left_over() {
    hold(all_rust_files().into_iter().map(|(path, text)| (path, leftovers(&text))));
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(git) = git.ok().filter(|o| o.status.success()) else {
        return crate::support::skip("this is no git work tree");
    };
    let names = String::from_utf8(git.stdout).expect("names of files are UTF-8 here");
    let names = names.split('\0').filter(|n| !n.is_empty() && !n.ends_with("Cargo.lock"));
    // what is no text has no places
    let texts = names.filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?)));
    hold(texts.map(|(name, text)| (name, places(&text))));
}

#[test]
fn every_dependency_says_what_for() {
    hold([("Cargo.toml".into(), unexplained(&read(&root().join("Cargo.toml"))))]);
}

#[test]
fn the_version_is_announced() {
    hold([("CHANGELOG.md".into(), unannounced(&read(&root().join("CHANGELOG.md")), env!("CARGO_PKG_VERSION")))]);
}

#[test]
fn every_policy_and_profile_is_compiled_in() {
    let detections = tripline::rules::DETECTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let profiles = tripline::normalise::PROFILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    hold([
        ("policies/detections".into(), left_out(&file_names("policies/detections"), &detections)),
        ("policies/profiles".into(), left_out(&file_names("policies/profiles"), &profiles)),
    ]);
}

// ---- that each rule can fail ----

fn lines(faults: &Faults) -> Vec<usize> {
    faults.iter().map(|(line, _)| *line).collect()
}

#[test]
fn the_first_line_can_be_missed() {
    assert_eq!(lines(&no_first_line("use std::fs;\n")), [1]);
    assert_eq!(lines(&no_first_line("//!\n//! late")), [1]);
    assert!(no_first_line("//! Reads a trail.\n").is_empty());
}

#[test]
fn an_upward_import_is_seen() {
    let layers: Vec<String> = ["model", "detect", "ledger", "cli"].map(String::from).into();
    let seen = |path: &str, text: &str| lines(&upward_imports(path, text, &layers));
    assert_eq!(seen("detect/mod.rs", "use crate::model::Event;\nuse crate::ledger::Row;\n"), [2]);
    assert_eq!(seen("detect.rs", "fn f() {\n  let x = crate::cli::f();\n}"), [2]);
    assert_eq!(seen("detect/a.rs", "use crate::{model::{Event, Finding}, ledger::Row};"), [1]);
    assert_eq!(seen("detect/mod.rs", "use super::ledger::Row;"), [1]);
    assert_eq!(seen("detect/a.rs", "use super::super::ledger::Row;"), [1]);
    assert!(seen("detect/a.rs", "use super::ledger::Row;").is_empty(), "that is detect::ledger");
    assert!(seen("detect/a.rs", "//! [`crate::ledger`]\n/* crate::cli */ const S: &str = \"crate::cli\";").is_empty());
    assert!(seen("detect/a.rs", "use crate::detect::a; use other_crate::cli;").is_empty());
    assert!(seen("cli/mod.rs", "use crate::{model, detect, ledger};").is_empty());
    assert!(seen("main.rs", "use crate::cli;").is_empty());
}

#[test]
fn a_pure_module_among_edges_is_seen() {
    let (host, allow) =
        ("#[cfg(feature = \"host\")]\n", "#[allow(clippy::disallowed_methods, reason = \"an edge\")]\n");
    let edge = |name: &str| format!("{host}{allow}pub mod {name};\n");
    assert!(mixed(&format!("pub mod a;\npub mod b;\n\n// edges\n{}{}", edge("c"), edge("d"))).is_empty());
    assert_eq!(lines(&mixed(&format!("{}pub mod a;\n", edge("c")))), [4], "a pure one below an edge");
    assert_eq!(lines(&mixed(&format!("pub mod a;\n{allow}pub mod b;\n"))), [3], "an edge without `host`");
    assert_eq!(lines(&mixed(&format!("{host}pub mod b;\n"))), [2], "with `host`, and bound as a pure one is");
}

#[test]
fn the_outside_is_seen() {
    assert_eq!(lines(&impure("use std::sync::Arc;\nuse std::fs;\nasync fn f() {}")), [3, 2]);
    assert!(impure("//! Not std::fs.\nfn notify_all() {}\n#[cfg(test)]\nmod tests { use std::fs; }").is_empty());
}

#[test]
fn a_long_file_or_function_is_seen() {
    let line = "const A: u8 = 1;\n";
    assert_eq!(lines(&too_long(&line.repeat(FILE_LINES + 1))), [0]);
    assert!(too_long(&line.repeat(FILE_LINES)).is_empty());
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", line.repeat(FILE_LINES));
    assert!(too_long(&format!("{line}{tests}")).is_empty());
    let function = |lines: usize| format!("\nfn f(a: [u8; 2]) {{\n{}}}\n", "    a();\n".repeat(lines - 2));
    assert_eq!(lines(&too_long(&function(FUNCTION_LINES + 1))), [2]);
    assert!(too_long(&function(FUNCTION_LINES)).is_empty());
}

#[test]
fn an_unwrap_is_seen() {
    assert_eq!(lines(&unproven("fn f() {\n    a().unwrap();\n}")), [2]);
    assert_eq!(lines(&unproven("a().expect(\"oops\");")), [1]);
    assert_eq!(lines(&unproven("a().expect(&format!(\"what went wrong here\"));")), [1]);
    assert!(unproven("a().expect(\"a digest has 32 bytes\"); // .unwrap()").is_empty());
    assert!(unproven("#[cfg(test)]\nmod tests {\n fn f() { let c = '{'; a().unwrap(); }\n}").is_empty());
    assert_eq!(lines(&unproven("#[cfg(test)]\nmod tests {\n}\nfn f() { a().unwrap() }")), [4]);
}

#[test]
fn leftovers_are_seen() {
    let text = concat!("fn f() {\n    to", "do!();\n    db", "g!(1);\n}");
    assert_eq!(lines(&leftovers(text)), [2, 3]);
    assert!(leftovers("// todo! is not allowed\nlet a = \"dbg!\";").is_empty());
}

#[test]
fn places_are_seen() {
    assert_eq!(lines(&places(concat!("a\ncd /ro", "ot/x"))), [2]);
    assert_eq!(lines(&places(concat!("see https://crates", ".io/x"))), [1]);
    assert!(places("network/ and ${HOME}/x and src/home/page").is_empty());
}

#[test]
fn an_unexplained_dependency_is_seen() {
    let toml = "[package]\nname = \"x\"\n[dependencies]\n# Sockets.\ntokio = \"1\"\nserde = \"1\"\n[dev-dependencies]\nproptest = \"1\"\n";
    assert_eq!(lines(&unexplained(toml)), [6, 8]);
}

#[test]
fn an_unannounced_version_is_seen() {
    assert!(!unannounced("## 0.1.0 - 2026-01-01\n", "0.1.1").is_empty());
    assert!(unannounced("# Changes\n\n## 0.1.0 - 2026-01-01\n", "0.1.0").is_empty());
}

#[test]
fn a_file_of_tests_that_is_not_run_once_is_seen() {
    let programs = ["mod a;\nmod support {\n    mod s;\n}\n".to_owned(), "mod b;\n".to_owned()];
    let faults = |files: &[&str], shared: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        not_once(&["one", "two"], &programs, &set(files), &set(shared)).len()
    };
    assert_eq!(faults(&["a", "b", "one", "two"], &["s"]), 0);
    assert_eq!(faults(&["a", "c"], &["s", "t"]), 2);
    let twice = ["mod a;\n".to_owned(), "mod a;\n".to_owned()];
    assert_eq!(not_once(&[], &twice, &["a".to_owned()].into(), &BTreeSet::new()).len(), 1);
}

#[test]
fn what_is_left_out_is_seen() {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    assert_eq!(left_out(&set(&["a.yml", "b.yml"]), &set(&["a.yml"])).len(), 1);
}

#[test]
fn literals_and_comments_are_blanked_and_nothing_moves() {
    for (text, blanked) in [
        ("a(\"x\\\"{\") // {", "a(......)....."),
        ("r#\"{\"# + 1", ".......+.1"),
        ("'{' 'a 'b' '\\''", ".....a........."),
        ("/* /* { */ { */ b", "................b"),
        ("let r#type = \"é\";", "let..#type.=.....;"),
        ("br\"{\" var\"{\"", "b.....var..."),
    ] {
        let code = code(text);
        assert_eq!(code.len(), text.len(), "{text}");
        assert_eq!(code.replace([' ', '\''], "."), blanked, "{text}");
    }
}
