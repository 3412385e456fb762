//! The specification's own files and SigmaHQ's rules, where they are at hand.
use super::*;
use crate::skip::of_others;
use std::path::PathBuf;

/// Every `.yml` file under `folder`, sorted, with its text. Nothing, and a word about it, where the folder is not there.
fn files(folder: &str) -> Option<Vec<(String, String)>> {
    let root = of_others(folder)?;
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(e) if e == "yml" => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    let named = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        (path.display().to_string(), text)
    };
    Some(found.into_iter().map(named).collect())
}

/// SigmaHQ's rules that are refused, each with the reason. There are none.
const EXCEPTIONS: &[(&str, &str)] = &[];

#[test]
fn all_rules_of_sigmahq_load() {
    let Some(files) = files("samples/sigmahq") else {
        return;
    };
    let site = Site::default();
    let mut refused = Vec::new();
    let mut loaded = Vec::new();
    for (name, text) in &files {
        match load(&[(name, text)], &site) {
            Ok(set) => loaded.extend(set.rules),
            Err(errors) => refused.push((name, told(&errors))),
        }
    }
    let expected = |name: &str| EXCEPTIONS.iter().any(|(file, _)| name.ends_with(file));
    let surprises: Vec<_> = refused.iter().filter(|(name, _)| !expected(name)).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert_eq!(refused.len(), EXCEPTIONS.len(), "an exception loads now: take it off the list");
    assert_eq!(loaded.len() + EXCEPTIONS.len(), 446);
    assert!(loaded.iter().all(|r| r.alerts && matches!(r.body, Body::Detection(_))));
}

#[test]
fn all_rules_of_sigmahq_load_together() {
    let Some(files) = files("samples/sigmahq") else {
        return;
    };
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let set = load(&files, &Site::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(set.rules.len(), 446);
    let names: std::collections::BTreeSet<_> = set.rules.iter().map(|r| &r.name).collect();
    assert_eq!(names.len(), 446, "names are one of a kind");
    let decisions: std::collections::BTreeSet<_> = set.rules.iter().map(|r| r.decision).collect();
    assert_eq!(decisions.len(), 446);
}

/// Why some of the rules that SigmaHQ has ever had are set aside: what the specification has dropped, or left to the site.
const DROPPED: &[&str] = &[
    "`timeframe` is Sigma's old form",
    "aggregations behind `|` are Sigma's old form",
    "`action` (Sigma's old rule collections)",
    // the rest of a file that begins with `action: global`
    "the policy has no `title`",
    // `write … to %…%; then …`, a proposal that no version of the specification has had
    "`%` has no meaning in a condition",
    "has no values: write those that it stands for in its place",
];

#[test]
fn all_that_sigmahq_has_loads_as_foreign_rules() {
    let Some(files) = files("samples/sigmahq-all") else {
        return;
    };
    let foreign = Foreign { name: "sigmahq".into(), files, ..Foreign::default() };
    let set = load_beside(&[], &[foreign], &Site::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
    let taken = &set.taken[0];
    let surprises: Vec<&SetAside> =
        taken.set_aside.iter().filter(|reason| !DROPPED.iter().any(|known| reason.first.contains(known))).collect();
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(taken.loaded >= 3_780, "{taken}");
    assert!(set.warnings.is_empty());
}

/// Rules for what the specification's examples refer to.
const STUBS: &str = "
title: a
id: 5638f7c0-ac70-491d-8465-2a65075e0d86
detection: {s: {x: 1}, condition: s}
---
title: b
id: 6f3e2987-db24-4c78-a860-b4f4095a7095
taxonomy: TAXONOMY
logsource: LOGSOURCE
detection: {s: {x: 1}, condition: s}
---
title: c
id: df0841c0-9846-4e9f-ad8a-7df91571771b
taxonomy: TAXONOMY
logsource: LOGSOURCE
detection: {s: {x: 1}, condition: s}
";

#[test]
fn the_files_of_the_specification_load() {
    let Some(files) = files("spec/sigma/tests") else {
        return;
    };
    for (name, text) in &files {
        let ecs = text.contains("taxonomy: ecs");
        let (taxonomy, logsource) = match ecs {
            true => ("ecs", "{category: network, service: dns}"),
            false => ("sigma", "{category: process_creation, product: windows}"),
        };
        let mut stubs = STUBS.replace("TAXONOMY", taxonomy).replace("LOGSOURCE", logsource);
        for rule in ["recon_cmd_a", "recon_cmd_b", "recon_cmd_c", "website_access", "rule_a_id", "process_creation"] {
            stubs.push_str(&format!("---\ntitle: {rule}\nname: {rule}\ndetection: {{s: {{x: 1}}, condition: s}}\n"));
        }
        let set = load(&[(name, text), ("stubs", &stubs)], &Site::default());
        assert!(set.is_ok(), "{name}: {}", told(&set.unwrap_err()));
    }
    assert_eq!(files.len(), 12);
}

/// The documents in the specification's prose that stand in a yaml block and are whole.
#[test]
fn the_chained_example_of_the_specification_loads() {
    let path = of_others("spec/sigma/specification/sigma-correlation-rules-specification.md");
    let Some(text) = path.map(|path| std::fs::read_to_string(path).unwrap()) else { return };
    let blocks = text.split("```yml\n").skip(1).filter_map(|b| b.split("```").next());
    let whole = blocks.filter(|b| b.contains("multiple_failed_login\n")).last().expect("the example");
    let set = set(whole);
    let names: Vec<&str> = set.rules.iter().map(|r| &*r.name).collect();
    assert_eq!(names.len(), 4);
    let chain = set.rules.last().expect("the chain");
    assert!(chain.alerts && set.rules[..3].iter().all(|r| !r.alerts));
}
