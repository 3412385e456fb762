//! The references that are made from the code: what stands between `<!-- generated: NAME -->` and `<!-- end -->` of a page.
//!
//! `BLESS=1 cargo test --test daemon docs` writes them. What they say is what the comments in the code say: mend it there. A comment of
//! a key may end with `Without it: …`, which goes into the last column where the code has no value to show.
use super::pages::{BOOK, pages, read, root};
use super::source::{Key, Source, Word};
use std::collections::BTreeMap;

/// A table of a file that people write: its heading, where its struct is, and the pages that explain it.
struct Section {
    title: &'static str,
    file: &'static str,
    name: &'static str,
    see: &'static [(&'static str, &'static str)],
}

const fn section(
    title: &'static str,
    file: &'static str,
    name: &'static str,
    see: &'static [(&'static str, &'static str)],
) -> Section {
    Section { title, file, name, see }
}

const WRITTEN: &str = "src/config/written.rs";
const RESPONSE: &str = "src/config/response.rs";
const NOTICES: &str = "src/config/notices.rs";
const TUNING: &str = "src/policy/tuning.rs";
const ACTIONS: &str = "src/respond/settings.rs";
const TARGETS: &str = "src/respond/outlet/settings.rs";
const WEBHOOK: &str = "src/respond/outlet/webhook.rs";
const PROFILE: &str = "src/normalise/written.rs";
const GETTER: &str = "src/normalise/getter.rs";

const OUTLETS: (&str, &str) = ("Outlets", "outlets.md");
const ORDERS: (&str, &str) = ("Orders", "../guide/responses.md");
const POLICIES: (&str, &str) = ("Policies", "../guide/policies.md");

/// To add one: a line here. A struct of these files that is not here fails a test.
const CONFIGURATION: &[Section] = &[
    section("At the file's head", WRITTEN, "Written", &[]),
    section(
        "`[[trail]]`",
        WRITTEN,
        "Trail",
        &[("Trails", "../guide/trails.md"), ("Receiving", "../guide/receiving.md")],
    ),
    section("`[[rules]]`", WRITTEN, "Rules", &[POLICIES]),
    section("`[enrich]`", WRITTEN, "Enrich", &[]),
    section("`[findings]`", WRITTEN, "Findings", &[]),
    section("`[response]`", RESPONSE, "Response", &[ORDERS]),
    section("`[[response.group]]`", RESPONSE, "GroupTable", &[]),
    section("`[response.approval]`", RESPONSE, "ApprovalTable", &[]),
    section("`[response.quiet_hours]`", RESPONSE, "QuietTable", &[]),
    section("`[policy.NAME]`", TUNING, "Tuning", &[POLICIES]),
    section("`response` in `[policy.NAME]`", TUNING, "Response", &[]),
    section("`[[silence]]`", WRITTEN, "SilenceTable", &[("Silences", "../guide/silences.md")]),
    section("`[actions.NAME]`", ACTIONS, "ActionSpec", &[("Actions", "actions.md"), ("Recipes", "recipes.md"), ORDERS]),
    section("`then` in `[actions.NAME]`", ACTIONS, "NextGrade", &[]),
    section("`kind = \"exec\"`", "src/respond/action/exec.rs", "Spec", &[("Hooks", "hooks.md")]),
    section("`kind = \"http\"`", "src/respond/action/http.rs", "Spec", &[("Actions", "actions.md#http")]),
    section("`kind = \"set\"`", "src/respond/action/set.rs", "Spec", &[("Actions", "actions.md#set")]),
    section(
        "`kind = \"redis\"`",
        "src/respond/action/redis.rs",
        "Spec",
        &[("Actions", "actions.md#redis-and-postgres")],
    ),
    section(
        "`kind = \"postgres\"`",
        "src/respond/action/postgres.rs",
        "Spec",
        &[("Actions", "actions.md#redis-and-postgres")],
    ),
    section("`kind = \"php_session\"`", "src/respond/action/php_session.rs", "Spec", &[]),
    section("`kind = \"haproxy\"`", "src/respond/action/haproxy.rs", "Spec", &[("Actions", "actions.md#haproxy")]),
    section("`auth`", "src/respond/action/auth.rs", "AuthSpec", &[]),
    section("`sign`", "src/respond/action/http.rs", "SignSpec", &[]),
    section("`[syslog.NAME]`", TARGETS, "SyslogTarget", &[OUTLETS]),
    section("`[ocsf.NAME]`", TARGETS, "OcsfTarget", &[OUTLETS]),
    section("`[checkpoints.NAME]`", TARGETS, "CheckpointsTarget", &[("Evidence", "../guide/evidence.md")]),
    section("`[webhook.NAME]`", WEBHOOK, "WebhookTarget", &[OUTLETS]),
    section("`[runner]`", ACTIONS, "RunnerTable", &[]),
    section("`[receiver]`", WRITTEN, "Receiver", &[("Receiving", "../guide/receiving.md")]),
    section("`[retention]`", WRITTEN, "Retention", &[("What is recorded", "../explain/what-is-recorded.md")]),
    section(
        "`[notices]`",
        NOTICES,
        "Notices",
        &[("Clocks", "../guide/incidents.md#clocks"), ("The report", "../guide/reports.md")],
    ),
    section("`[[notices.contract]]`", NOTICES, "Contract", &[]),
];

const PROFILES: &[Section] = &[
    section("At its head", PROFILE, "Profile", &[]),
    section("`[[time]]`", PROFILE, "Time", &[]),
    section("`[outcome]`", PROFILE, "Outcome", &[("Outcomes", "event-fields.md#outcomes")]),
    section("`[cause]`", PROFILE, "Cause", &[("Causes", "event-fields.md#causes")]),
    section("`[[activity]]`", PROFILE, "Rule", &[("Activities", "event-fields.md#activities")]),
    section("`[[adjust]]`", PROFILE, "Adjust", &[]),
    section("`[estimate]`", PROFILE, "Estimate", &[]),
    section("`[redact]`", PROFILE, "Redact", &[]),
];

/// Where words of keys are listed that are in no file of a table.
const WORDS: &[(&str, &str)] = &[
    ("Algorithm", "src/respond/action/jws.rs"),
    ("Escape", "src/respond/outlet/notice.rs"),
    ("Mode", "src/model/order.rs"),
    ("Notation", "src/normalise/stamp.rs"),
    ("Severity", "src/model/finding.rs"),
    ("TargetKind", "src/model/order.rs"),
    ("Vouched", "src/model/event.rs"),
];

/// What a key is for, and what stands for it where it is left out. A table of its own is no key.
fn row(key: &Key, source: &Source) -> Option<String> {
    if key.doc.starts_with("`[") && key.doc.ends_with("]`") {
        return None;
    }
    let (what, without) = key.doc.split_once(" Without it: ").map_or((&*key.doc, None), |(a, b)| (a, Some(b)));
    let elsewhere = WORDS.iter().find(|(name, _)| *name == key.kind).map(|(_, file)| Source::of(file));
    let of = |source: &Source| source.words(&key.kind).or_else(|| source.closed(&key.kind));
    let words = of(source).or_else(|| of(elsewhere.as_ref()?)).map_or(String::new(), |words| listed(&words));
    let first = elsewhere
        .as_ref()
        .and_then(|source| source.first(&key.kind))
        .filter(|_| key.default.as_deref() == Some("none"));
    let without = without.map(|text| text.trim_end_matches('.').to_owned()).or(first).or_else(|| key.default.clone());
    let without = without.unwrap_or_else(|| "required".to_owned());
    Some(cells(&[&format!("`{}`", key.name), &format!("{what}{words}"), &without]))
}

/// The words that a key may have, each with what it means where that says more than a number.
fn listed(words: &[Word]) -> String {
    if words.iter().all(|word| word.doc.is_empty() || word.doc.starts_with("OCSF")) {
        let names: Vec<String> = words.iter().map(|word| format!("`{}`", word.name)).collect();
        return format!(" One of {}.", names.join(", "));
    }
    words.iter().map(|word| format!("<br>`{}`: {}", word.name, word.doc)).collect()
}

fn cells(texts: &[&str]) -> String {
    let plain = |text: &&str| text.replace("\n\n", "<br>").replace('|', "\\|");
    format!("| {} |\n", texts.iter().map(plain).collect::<Vec<_>>().join(" | "))
}

fn tables(sections: &[Section], level: &str) -> String {
    let mut out = String::new();
    for Section { title, file, name, see } in sections {
        let source = Source::of(file);
        let table = source.table(name);
        // `[runner]`: what it is
        let about = table.doc.strip_prefix('`').and_then(|d| d.split_once('`')).map_or(&*table.doc, |(_, rest)| rest);
        out.push_str(&format!("{level} {title}\n\n"));
        let about = about.trim_start_matches([':', '.', ' ']).trim();
        let see: Vec<String> = see.iter().map(|(title, page)| format!("[{title}]({page})")).collect();
        let see = if see.is_empty() { String::new() } else { format!("See {}.", see.join(", ")) };
        let about = about.chars().next().map(|c| c.to_uppercase().chain(about.chars().skip(1)).collect::<String>());
        for paragraph in about.unwrap_or_default().split("\n\n").chain([&*see]).filter(|p| !p.is_empty()) {
            out.push_str(&format!("{paragraph}\n\n"));
        }
        out.push_str("| key | what it is | without it |\n| --- | --- | --- |\n");
        out.extend(table.keys.iter().filter_map(|key| row(key, &source)));
        out.push('\n');
    }
    out
}

/// Words with what they mean.
fn meanings(head: &str, words: Vec<Word>) -> String {
    let rows = words.iter().map(|word| cells(&[&format!("`{}`", word.name), &word.doc]));
    format!("| {head} | what it means |\n| --- | --- |\n{}", rows.collect::<String>())
}

/// The words of a closed list.
fn closed(head: &str, file: &str, name: &str) -> String {
    meanings(head, Source::of(file).closed(name).unwrap_or_else(|| panic!("{file}: no closed!({name})")))
}

/// The table in the comment at a file's head.
fn head_table(file: &str) -> String {
    let head = Source::of(file).head();
    head.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect()
}

/// Everything that is generated, by the name in its mark.
fn parts() -> BTreeMap<&'static str, String> {
    const EVENT: &str = "src/model/event.rs";
    BTreeMap::from([
        ("configuration", tables(CONFIGURATION, "##")),
        ("profile", tables(PROFILES, "##")),
        ("steps", head_table(GETTER)),
        ("raw-json", head_table("src/decode/json_path.rs")),
        ("raw-access", head_table("src/decode/access.rs")),
        ("raw-keycloak", head_table("src/decode/keycloak.rs")),
        ("fields", meanings("field", Source::of("src/model/field.rs").listed("fields"))),
        ("activities", closed("`activity_name`", EVENT, "Activity")),
        ("outcomes", closed("`status`", EVENT, "Outcome")),
        ("causes", closed("`status_cause`", EVENT, "Cause")),
        ("actors", closed("`actor.user.type`", EVENT, "ActorKind")),
        ("modifiers", closed("modifier", "src/policy/modifier.rs", "Modifier")),
        ("correlations", meanings("`type`", Source::of("src/operator/mod.rs").listed("operators"))),
    ])
}

/// The page with what is generated in the place of what stands between the marks.
fn put_in(text: &str, parts: &mut BTreeMap<&'static str, String>) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("<!-- generated: ") {
        let (name, behind) = behind.split_once(" -->").expect("a mark ends");
        let (_, behind) = behind.split_once("<!-- end -->").unwrap_or_else(|| panic!("{name} has no `<!-- end -->`"));
        let part = parts.remove(name).unwrap_or_else(|| panic!("nothing makes {name:?}, or it stands twice"));
        out.push_str(&format!("{before}<!-- generated: {name} -->\n\n{}\n\n<!-- end -->", part.trim()));
        rest = behind;
    }
    out + rest
}

#[test]
fn the_references_are_up_to_date() {
    let mut parts = parts();
    for page in pages().iter().filter(|page| page.path.starts_with(BOOK)) {
        let fresh = put_in(&page.text, &mut parts);
        if fresh != page.text && std::env::var_os("BLESS").is_some() {
            std::fs::write(root().join(&page.path), &fresh).expect("the book can be written");
        } else if let Some((old, new)) = page.text.lines().zip(fresh.lines()).find(|(old, new)| old != new) {
            panic!("{} is old: BLESS=1 cargo test --test daemon docs\nthere: {old}\nnow:   {new}", page.path);
        }
        assert!(fresh == read(&page.path), "{} is old: BLESS=1 cargo test --test daemon docs", page.path);
    }
    assert!(parts.is_empty(), "no page holds {:?}", parts.keys());
}

#[test]
fn every_table_and_key_is_in_the_references() {
    let sections = || CONFIGURATION.iter().chain(PROFILES);
    for section in sections() {
        let source = Source::of(section.file);
        let known = |name: &String| sections().any(|s| s.file == section.file && s.name == name);
        let missing: Vec<String> = source.tables().into_iter().filter(|name| !known(name)).collect();
        assert!(missing.is_empty(), "{}: no section for {missing:?}", section.file);
        for key in source.table(section.name).keys {
            assert!(key.doc.len() > 3, "{}: {} of {} is not explained", section.file, key.name, section.name);
        }
    }
    // a kind of action is a file of its own
    let folder = root().join("src/respond/action");
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let name = entry.expect("it can be listed").file_name().into_string().expect("names are UTF-8");
        let path = format!("src/respond/action/{name}");
        let listed = CONFIGURATION.iter().any(|section| section.file == path);
        assert!(listed || Source::of(&path).tables().is_empty(), "{path}: no section");
    }
}

#[test]
fn every_word_of_a_closed_list_is_explained() {
    for (name, part) in parts() {
        let silent: Vec<&str> = part.lines().filter(|line| line.ends_with("` |  |")).collect();
        assert!(part.lines().count() > 3 && silent.is_empty(), "{name}: {silent:?}");
    }
    let steps = head_table(GETTER);
    let known = Source::of(GETTER).variants("Step");
    let missing: Vec<&String> =
        known.iter().map(|step| &step.name).filter(|step| !steps.contains(&format!("`{step}"))).collect();
    assert!(missing.is_empty(), "{GETTER}: not in the table of its head: {missing:?}");
}

/// The files that read policies, beside those of the operators: each list of texts in them is of keys or words that a policy may have.
const POLICY: [&str; 6] = ["correlation", "document", "expected", "fixture", "ours", "timeline"];

#[test]
fn every_key_of_the_policy_language_is_in_its_reference() {
    let page = read("docs/src/reference/policy-language.md");
    let mut looked = 0;
    let operators = std::fs::read_dir(root().join("src/operator")).expect("the operators are there");
    let operators = operators.map(|entry| format!("src/operator/{}", entry.unwrap().file_name().to_str().unwrap()));
    for file in POLICY.map(|name| format!("src/policy/{name}.rs")).into_iter().chain(operators) {
        let words: Vec<String> = Source::of(&file).lists_of_texts().into_iter().flatten().collect();
        looked += words.len();
        let missing: Vec<&String> = words.iter().filter(|word| !page.contains(&format!("`{word}`"))).collect();
        assert!(missing.is_empty(), "{file}: not in the reference: {missing:?}");
    }
    assert!(looked > 60, "{looked}");
}
