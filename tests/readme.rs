//! What the README says is tried: its configuration, its commands, its policy, its keys, its exit codes.
use crate::support;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn tripline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).output().expect("the program was built for this test")
}

fn said(output: &Output) -> String {
    format!("{}{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The blocks of that language, in their order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(begin) if !inside && begin == language => {
                inside = true;
                found.push(String::new());
            }
            Some(_) => inside = false,
            None if inside => found.last_mut().expect("a block has begun").push_str(&format!("{line}\n")),
            None => {}
        }
    }
    found
}

/// What the configuration names, made in a scratch folder, and the configuration with the paths of those.
fn laid_out(toml: &str, scratch: &Path) -> PathBuf {
    let write = |name: &str, text: &str| {
        let path = scratch.join(name);
        std::fs::write(&path, text).expect("a scratch folder can be written");
        path.display().to_string()
    };
    let hook = support::hook(scratch, "end-session", "exit 0").display().to_string();
    let policies = scratch.join("policies");
    std::fs::create_dir(&policies).expect("a scratch folder can be written");
    let geo = root().join("../shared/world/geo.mmdb");
    let databases = if geo.is_file() { format!("[{:?}]", geo.display().to_string()) } else { "[]".into() };
    let mut put = toml.to_owned();
    for (from, to) in [
        (
            "\"/etc/tripline/networks.csv\"",
            format!("{:?}", write("networks.csv", "network,kind\n198.51.100.0/24,hosting\n")),
        ),
        (
            "\"/etc/tripline/staff.csv\"",
            format!("{:?}", write("staff.csv", "actor,role,hired\nana,support,2024-01-01\n")),
        ),
        (
            "\"/etc/tripline/watch-list.csv\"",
            format!("{:?}", write("watch-list.csv", "customer,kind\nAC000,canary\nAC104,watched\n")),
        ),
        ("\"/etc/tripline/hooks/end-session\"", format!("{hook:?}")),
        ("\"/etc/tripline/policies\"", format!("{:?}", policies.display().to_string())),
        ("[\"/usr/share/GeoIP/GeoLite2-City.mmdb\", \"/usr/share/GeoIP/GeoLite2-ASN.mmdb\"]", databases),
    ] {
        assert!(put.contains(from), "the README's configuration does not name {from} any more: change this test");
        put = put.replace(from, &to);
    }
    write("tripline.toml", &put).into()
}

#[test]
fn the_configuration_can_be_used() {
    let blocks = blocks(&read("README.md"), "toml");
    assert_eq!(blocks.len(), 6, "each configuration in the README is checked here, or below");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = laid_out(&blocks[0], scratch.path());
    let output = tripline(&["check", "-c", path.to_str().expect("scratch paths are UTF-8")]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_received_trail_can_be_used() {
    let trail = blocks(&read("README.md"), "toml").remove(1);
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = scratch.path().join("tripline.toml");
    std::fs::write(&path, trail).expect("the scratch folder can be written");
    let config = tripline::config::Config::read(&path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.written.trail[0].receive.len(), 2);
}

#[test]
fn the_grades_can_be_used() {
    let grades = blocks(&read("README.md"), "toml").remove(2);
    let trail = "[[trail]]\nname = \"portal\"\npaths = [\"/var/log/portal.jsonl\"]\n";
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = scratch.path().join("tripline.toml");
    std::fs::write(&path, format!("{trail}{grades}")).expect("the scratch folder can be written");
    let config = tripline::config::Config::read(&path).unwrap_or_else(|e| panic!("{e}"));
    assert!(config.written.actions["end-session"].then.is_some());
}

#[test]
fn the_actions_can_be_used() {
    let actions = blocks(&read("README.md"), "toml").remove(3);
    let settings: tripline::respond::RunnerSettings = toml::from_str(&actions).unwrap_or_else(|e| panic!("{e}"));
    let kinds: BTreeSet<&str> = settings.actions.values().map(|action| action.kind.name()).collect();
    let others = tripline::respond::ActionKind::NAMES.iter().copied().filter(|kind| *kind != "exec");
    assert_eq!(kinds, others.collect(), "one example of each kind");
    let faults: Vec<_> = settings.actions.iter().filter_map(|(name, action)| Some((name, action.fault()?))).collect();
    assert!(faults.is_empty(), "{faults:?}");
    let recipes: tripline::respond::RunnerSettings =
        toml::from_str(&blocks(&read("README.md"), "toml").remove(4)).unwrap_or_else(|e| panic!("{e}"));
    assert!(recipes.actions.len() > 1 && recipes.actions.values().all(|action| action.fault().is_none()));
}

#[test]
fn the_outlets_can_be_used_and_every_field_is_named() {
    let outlets = blocks(&read("README.md"), "toml").remove(5);
    let trail = "[[trail]]\nname = \"portal\"\npaths = [\"/var/log/portal.jsonl\"]\n";
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = scratch.path().join("tripline.toml");
    std::fs::write(&path, format!("{trail}{outlets}")).expect("the scratch folder can be written");
    let config = tripline::config::Config::read(&path).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.written.outlets().len(), 4);
    let readme = read("README.md");
    let fields = readme.split("A template can name these fields").nth(1).expect("it is there");
    let missing: Vec<_> =
        tripline::respond::outlet::notice::names().filter(|f| !fields.contains(&format!("`{f}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_configuration_with_a_key_that_does_not_exist_is_refused() {
    let toml = blocks(&read("README.md"), "toml").remove(0).replace("[findings]\n", "[findings]\ntold = 1\n");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = laid_out(&toml, scratch.path());
    let output = tripline(&["check", "-c", path.to_str().expect("scratch paths are UTF-8")]);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("told"), "{}", said(&output));
}

/// Every `tripline …` in the text: lines of `sh` blocks, and what stands between single backticks.
fn commands(text: &str) -> BTreeSet<String> {
    let shell = blocks(text, "sh");
    let lines = shell.iter().flat_map(|b| b.lines()).map(|l| l.trim_start_matches("cargo run --release -- "));
    let lines = lines
        .zip(shell.iter().flat_map(|b| b.lines()))
        .map(|(cut, whole)| if cut == whole { cut.to_owned() } else { format!("tripline {cut}") });
    let inline = text.split("```").step_by(2).flat_map(|prose| prose.split('`').skip(1).step_by(2)).map(str::to_owned);
    lines
        .chain(inline)
        .map(|c| c.split(['#', '>']).next().unwrap_or_default().trim().to_owned())
        .filter(|c| c.starts_with("tripline "))
        .collect()
}

/// What is wrong with a command, as far as help tells: a subcommand or an option that does not exist.
fn fault(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let nested = ["findings", "orders", "mute", "ledger"];
    let depth = match words.first() {
        Some(first) if first.starts_with('-') => 0,
        Some(first) if nested.contains(first) => 2,
        _ => 1,
    };
    let mut arguments = words[..depth.min(words.len())].to_vec();
    arguments.push("--help");
    let output = tripline(&arguments);
    if !output.status.success() {
        return Some(said(&output));
    }
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let options: BTreeSet<&str> =
        help.split(|c: char| c.is_whitespace() || c == ',').filter(|w| w.starts_with('-')).collect();
    let unknown = words.iter().find(|w| w.starts_with('-') && !options.contains(*w));
    unknown.map(|w| format!("there is no {w} in\n{help}"))
}

#[test]
fn every_command_exists() {
    let commands = commands(&read("README.md"));
    assert!(commands.len() > 20, "{commands:?}");
    let faults: Vec<String> = commands.iter().filter_map(|c| Some(format!("{c}: {}", fault(c)?))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_that_does_not_exist_is_seen() {
    for wrong in ["tripline forget", "tripline findings drop", "tripline status --verbose"] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    let found = commands(
        "see `tripline status`\n```sh\ncargo run --release -- demo  # in\ntripline hold on\n```\n```json\n`tripline x`\n```\n",
    );
    assert_eq!(found, ["tripline demo", "tripline hold on", "tripline status"].map(String::from).into());
}

/// The fields of the structures in that text which `[…]` tables are read into.
fn keys(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut read_from_toml = false;
    for line in text.lines() {
        match line {
            "#[serde(deny_unknown_fields)]"
            | "#[serde(deny_unknown_fields, default)]"
            | "#[serde(remote = \"Self\")]" => read_from_toml = true,
            "}" => read_from_toml = false,
            _ => {}
        }
        let field = line.strip_prefix("    pub ").and_then(|l| Some(l.split_once(':')?.0.trim_start_matches("r#")));
        found.extend(field.filter(|f| read_from_toml && !f.contains(' ')).map(str::to_owned));
    }
    found
}

/// The files that say what a kind of action is told.
fn kinds() -> Vec<String> {
    let folder = "src/respond/action";
    let files = std::fs::read_dir(root().join(folder)).expect("the sources are there");
    let names = files.map(|file| file.expect("it can be listed").file_name().into_string().expect("names are UTF-8"));
    names.map(|name| format!("{folder}/{name}")).collect()
}

#[test]
fn every_key_is_explained() {
    let keys: BTreeSet<String> = [
        keys(&read("src/config/written.rs")),
        keys(&read("src/config/response.rs")),
        keys(&read("src/config/notices.rs")),
        keys(&read("src/respond/settings.rs")),
        keys(&read("src/respond/outlet/settings.rs")),
        keys(&read("src/respond/outlet/webhook.rs")),
        keys(&read("src/policy/tuning.rs")),
        kinds().iter().flat_map(|file| keys(&read(file))).collect(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(keys.len() > 50 && keys.contains("too_old_seconds") && keys.contains("grace_seconds"), "{keys:?}");
    // tables, which the README names as such
    let tables = [
        "trail",
        "enrich",
        "findings",
        "response",
        "group",
        "approval",
        "quiet_hours",
        "policy",
        "rules",
        "silence",
        "actions",
        "syslog",
        "ocsf",
        "checkpoints",
        "webhook",
        "runner",
        "receiver",
        "retention",
        "notices",
        "contract",
    ];
    let readme = read("README.md");
    let first = |l: &str| l.strip_prefix("| ").and_then(|l| Some(l.split_once(" |")?.0.to_owned()));
    let row =
        |key: &str| readme.lines().filter_map(first).any(|cell| cell.split(", ").any(|c| c == format!("`{key}`")));
    let table = |key: &str| {
        tables.contains(&key)
            && ["]", ".", "]]"].iter().any(|end| {
                ["[", "[response.", "[notices."].iter().any(|begin| readme.contains(&format!("{begin}{key}{end}")))
            })
    };
    let missing: Vec<&String> = keys.iter().filter(|k| !row(k) && !table(k)).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
}

#[test]
fn its_policy_passes_its_own_tests() {
    let policies = blocks(&read("README.md"), "yaml");
    assert_eq!(policies.len(), 2, "each policy in the README is run here");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let folder = scratch.path().join("detections");
    std::fs::create_dir(&folder).expect("a scratch folder can be written");
    std::fs::write(folder.join("own.yml"), &policies[0]).expect("a scratch folder can be written");
    std::fs::write(folder.join("other.yml"), &policies[1]).expect("a scratch folder can be written");
    let run = |dir: &Path| tripline(&["test", dir.to_str().expect("scratch paths are UTF-8")]);
    let output = run(scratch.path());
    assert!(output.status.success(), "{}", said(&output));

    let spoilt = policies[0].replacen("finds: 1", "finds: 2", 1);
    std::fs::write(folder.join("own.yml"), spoilt).expect("a scratch folder can be written");
    let output = run(scratch.path());
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn every_profile_is_named() {
    let readme = read("README.md");
    let names = tripline::normalise::PROFILES.iter().map(|(file, _)| file.trim_end_matches(".toml"));
    let missing: Vec<&str> = names.filter(|n| !readme.contains(&format!("`{n}`"))).collect();
    assert!(missing.is_empty(), "not in the README: {missing:?}");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = String::from_utf8(tripline(&["--help"]).stdout).expect("UTF-8");
    let codes = |(code, meaning): (&str, &str)| Some((code.trim().parse::<u8>().ok()?, meaning.trim().to_owned()));
    let (_, help) = help.split_once("Exit codes:").expect("the help names them");
    let helped: BTreeSet<_> = help.lines().filter_map(|l| codes(l.trim().split_once("  ")?)).collect();
    let readme = read("README.md").replace('`', "");
    let (_, table) = readme.split_once("## Exit codes").expect("the README names them");
    let (table, _) = table.split_once("\n## ").expect("it goes on");
    let written: BTreeSet<_> =
        table.lines().filter_map(|l| codes(l.trim_matches(['|', ' ']).split_once(" | ")?)).collect();
    let plain =
        |set: BTreeSet<(u8, String)>| set.into_iter().map(|(c, m)| (c, m.replace('`', ""))).collect::<BTreeSet<_>>();
    assert!(helped.len() >= 6, "{help}");
    assert_eq!(plain(helped), plain(written));
}
