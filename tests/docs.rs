//! What the README and the book say is tried: their configurations, commands, policies, keys, exit codes, links. The references are
//! generated from the code: `BLESS=1 cargo test --test daemon docs` writes them.
mod generated;
mod links;
mod pages;
mod source;

use crate::support;
use pages::{Block, all_of, blocks, pages, prose, read, root};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tripline::config::Config;
use tripline::respond::{ActionKind, HookDocument};

fn tripline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tripline")).args(arguments).output().expect("the program was built for this test")
}

fn said(output: &Output) -> String {
    format!("{}{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
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
    let databases = format!("[{:?}]", support::of_world("geo.mmdb").display().to_string());
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
        put = put.replace(from, &to);
    }
    write("tripline.toml", &put).into()
}

/// What the book holds of one sort of block, each run or read as its sort is.
fn check(block: &Block) -> Result<(), String> {
    let word = |word: &str| block.words.iter().any(|w| w == word);
    match block.language.as_str() {
        "toml" if word("profile") => profile(&block.text),
        "toml" if word("check") => whole_configuration(&block.text),
        "toml" => configuration(&block.text).map(|_| ()),
        "yaml" => policies(&[&block.text]),
        "sh" => shell(&block.text),
        "json" => json(&block.text),
        "python" => fed("python3", &["-c", "import sys; compile(sys.stdin.read(), 'block', 'exec')"], &block.text),
        "nginx" => balanced(&block.text),
        // what a command prints
        "text" => Ok(()),
        other => Err(format!("no test knows what {other:?} is: sh, toml, yaml, json, python, nginx, text")),
    }
}

/// A whole configuration: `tripline check` finds nothing wrong with it.
fn whole_configuration(toml: &str) -> Result<(), String> {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = laid_out(toml, scratch.path());
    let output = tripline(&["check", "-c", path.to_str().expect("scratch paths are UTF-8")]);
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// Tables of a configuration, beside a trail where there is none among them.
fn configuration(toml: &str) -> Result<Config, String> {
    let trail = "[[trail]]\nname = \"portal\"\npaths = [\"/var/log/portal.jsonl\"]\n";
    let trail = if toml.contains("[[trail]]") { "" } else { trail };
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = scratch.path().join("tripline.toml");
    std::fs::write(&path, format!("{toml}\n{trail}")).expect("the scratch folder can be written");
    Config::read(&path).map_err(|e| e.to_string())
}

/// A profile, or tables of one whose beginning is left out.
fn profile(toml: &str) -> Result<(), String> {
    let begin = "name = \"own\"\ntitle = \"An own product\"\nformat = \"json\"\n";
    let begin = if toml.contains("format =") { "" } else { begin };
    let text = format!("{begin}{toml}");
    let read = tripline::normalise::Normaliser::new(&[("block".into(), text)], &[]);
    read.map(|_| ()).map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect())
}

/// Policies of one folder pass their own tests.
fn policies(texts: &[&str]) -> Result<(), String> {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let folder = scratch.path().join("detections");
    std::fs::create_dir(&folder).expect("a scratch folder can be written");
    for (number, text) in texts.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.yml")), text).expect("a scratch folder can be written");
    }
    let output = tripline(&["test", scratch.path().to_str().expect("scratch paths are UTF-8")]);
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// Commands: bash reads them, and each program is one that we know, with files that are there.
fn shell(text: &str) -> Result<(), String> {
    fed("bash", &["-n"], text)?;
    let lines =
        text.lines().map(|line| line.split(" # ").next().unwrap_or_default().split(" #").next().unwrap_or_default());
    for command in
        lines.flat_map(|line| line.split("&&")).map(str::trim).filter(|c| !c.is_empty() && !c.starts_with('#'))
    {
        // `NAME=value` before a command is its environment
        let words: Vec<&str> = command.split_whitespace().skip_while(|word| word.contains('=')).collect();
        let ours = |path: &&&str| path.contains('/') && !path.starts_with(['/', '-']) && !path.starts_with("target/");
        match words[0] {
            // what it is told is looked at for all commands together
            "tripline" | "cargo" | "mdbook" => {}
            "systemctl" | "systemd-sysusers" | "systemd-tmpfiles" | "setfacl" | "usermod" => {}
            "install" | "cp" => {
                if let Some(missing) = words[1..words.len() - 1].iter().filter(ours).find(|path| !is_there(path)) {
                    return Err(format!("{command}: there is no {missing}"));
                }
            }
            path if ours(&&path) && root().join(path).is_file() => {}
            other => return Err(format!("{command}: no test knows {other:?}")),
        }
    }
    Ok(())
}

/// Whether something of the project fits a path, which may have one `*` in its last part.
fn is_there(path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return root().join(path).exists() };
    let Some((begin, end)) = name.split_once('*') else { return root().join(path).exists() };
    let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .any(|n| n.starts_with(begin) && n.ends_with(end))
}

/// A record of a portal, which the shipped profile reads, or a hook document.
fn json(text: &str) -> Result<(), String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if value.get("target").is_some() {
        // ids are written short
        let id = |begin: &str| format!("\"{begin:0<32}\"");
        let whole = text.replace("\"81c0…\"", &id("81c0")).replace("\"3f9a…\"", &id("3f9a"));
        return serde_json::from_str::<HookDocument>(&whole).map(|_| ()).map_err(|e| e.to_string());
    }
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = scratch.path().join("portal.jsonl");
    std::fs::write(&path, text).expect("the scratch folder can be written");
    let output = tripline(&["replay", path.to_str().expect("scratch paths are UTF-8")]);
    match output.status.success() && said(&output).contains("recommended schema") && said(&output).contains(" 1 events")
    {
        true => Ok(()),
        false => Err(said(&output)),
    }
}

/// What a program says of a text on its standard input.
fn fed(program: &str, arguments: &[&str], text: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
    child.stdin.take().expect("it was asked for").write_all(text.as_bytes()).map_err(|e| format!("{program}: {e}"))?;
    let output = child.wait_with_output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

fn balanced(text: &str) -> Result<(), String> {
    let count = |c| text.matches(c).count();
    if count('{') == count('}') && count('\'') % 2 == 0 {
        Ok(())
    } else {
        Err("braces or quotes are not closed".into())
    }
}

#[test]
fn every_block_is_run_or_read() {
    let blocks: Vec<Block> = pages().iter().flat_map(blocks).collect();
    assert!(blocks.len() > 30, "{}", blocks.len());
    let faults: Vec<String> = blocks.iter().filter_map(|b| Some(format!("{}: {}", b.at, check(b).err()?))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_block_that_is_wrong_is_seen() {
    for (info, text) in [
        ("", "what?"),
        ("rust", "fn main() {}"),
        ("toml", "[findings]\ntold = 1"),
        ("toml,check", "[findings]\ntell = \"high\""),
        ("toml,profile", "formats = \"json\""),
        ("yaml", "title: nothing\nname: nothing"),
        ("sh", "install -m 0755 systemd/*.unit /usr/lib"),
        ("sh", "make install"),
        ("sh", "tests/walk"),
        ("sh", "tripline status |"),
        ("json", "{\"target\":{}}"),
        ("json", "{\"at\":1}"),
        ("python", "def f(:"),
        ("nginx", "location / {"),
    ] {
        let page = pages::Page { path: "page".into(), text: format!("```{info}\n{text}\n```\n") };
        let block = blocks(&page).remove(0);
        assert!(check(&block).is_err(), "{info}: {text}");
    }
}

/// The actions and outlets that stand in all configurations of the pages.
fn configured() -> Vec<Config> {
    let toml = all_of("toml").into_iter().filter(|block| !block.words.iter().any(|w| w == "profile"));
    toml.map(|block| configuration(&block.text).unwrap_or_else(|e| panic!("{}: {e}", block.at))).collect()
}

#[test]
fn there_is_an_example_of_every_kind_of_action_and_outlet() {
    let all = configured();
    let actions = all.iter().flat_map(|config| config.written.actions.values());
    let kinds: BTreeSet<&str> = actions.map(|action| action.kind.name()).collect();
    assert_eq!(kinds, ActionKind::NAMES.iter().copied().collect(), "one example of each kind");
    let outlets: Vec<String> = all.iter().flat_map(|config| config.written.outlets().into_keys()).collect();
    let missing = ["syslog.", "ocsf.", "webhook."].iter().find(|kind| !outlets.iter().any(|o| o.starts_with(**kind)));
    assert_eq!(missing, None, "{outlets:?}");
    assert!(all.iter().any(|config| config.written.trail.iter().any(|trail| trail.receive.len() > 1)));
    assert!(all.iter().any(|config| config.written.actions.values().any(|action| action.then.is_some())));
}

#[test]
fn every_field_of_templates_is_named() {
    let page = read("docs/src/reference/outlets.md");
    let fields = page.split("A template can name these fields").nth(1).expect("it is there");
    let missing: Vec<_> =
        tripline::respond::outlet::notice::names().filter(|f| !fields.contains(&format!("`{f}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_configuration_with_a_key_that_does_not_exist_is_refused() {
    let page = pages::Page { path: String::new(), text: read("docs/src/getting-started/configuration.md") };
    let toml = blocks(&page).remove(0).text.replace("[findings]\n", "[findings]\ntold = 1\n");
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let path = laid_out(&toml, scratch.path());
    let output = tripline(&["check", "-c", path.to_str().expect("scratch paths are UTF-8")]);
    assert_eq!(output.status.code(), Some(78), "{}", said(&output));
    assert!(said(&output).contains("told"), "{}", said(&output));
}

/// Every `tripline …` of a page: lines of `sh` blocks, and what stands between single backticks.
fn commands(page: &pages::Page) -> BTreeSet<String> {
    let shell: Vec<Block> = blocks(page).into_iter().filter(|block| block.language == "sh").collect();
    let lines = shell.iter().flat_map(|block| block.text.lines());
    let lines = lines.map(|line| line.replace("cargo run --release -- ", "tripline "));
    let prose = prose(&page.text);
    let inline = prose.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " "));
    lines
        .chain(inline)
        .map(|c| c.split(['#', '>']).next().unwrap_or_default().trim().to_owned())
        .filter(|c| c.starts_with("tripline "))
        .collect()
}

/// What is wrong with a command, as far as help tells: a subcommand or an option that does not exist.
fn fault(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let nested = ["findings", "orders", "incident", "mute", "ledger", "profiles"];
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
    let commands: BTreeSet<String> = pages().iter().flat_map(commands).collect();
    assert!(commands.len() > 60, "{commands:?}");
    let faults: Vec<String> = commands.iter().filter_map(|c| Some(format!("{c}: {}", fault(c)?))).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_that_does_not_exist_is_seen() {
    for wrong in ["tripline forget", "tripline findings drop", "tripline status --verbose"] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    let text = "see `tripline\nstatus`\n```sh\ncargo run --release -- demo  # in\ntripline hold on\n```\n```json\n`tripline x`\n```\n";
    let found = commands(&pages::Page { path: String::new(), text: text.into() });
    assert_eq!(found, ["tripline demo", "tripline hold on", "tripline status"].map(String::from).into());
}

#[test]
fn a_test_of_a_policy_can_fail() {
    let policy = all_of("yaml").remove(0).text;
    assert!(policy.contains("finds: 1"), "{policy}");
    let failed = policies(&[&policy.replacen("finds: 1", "finds: 2", 1)]).unwrap_err();
    assert!(failed.contains("exit status: 1"), "{failed}");
}

#[test]
fn every_profile_is_named() {
    let page = read("docs/src/guide/profiles.md");
    let names = tripline::normalise::PROFILES.iter().map(|(file, _)| file.trim_end_matches(".toml"));
    let missing: Vec<&str> = names.filter(|n| !page.contains(&format!("`{n}`"))).collect();
    assert!(missing.is_empty(), "not in the book: {missing:?}");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let help = String::from_utf8(tripline(&["--help"]).stdout).expect("UTF-8");
    let codes = |(code, meaning): (&str, &str)| Some((code.trim().parse::<u8>().ok()?, meaning.trim().to_owned()));
    let (_, help) = help.split_once("Exit codes:").expect("the help names them");
    let helped: BTreeSet<_> = help.lines().filter_map(|l| codes(l.trim().split_once("  ")?)).collect();
    let table = read("docs/src/reference/exit-codes.md").replace('`', "");
    let written: BTreeSet<_> =
        table.lines().filter_map(|l| codes(l.trim_matches(['|', ' ']).split_once(" | ")?)).collect();
    let plain =
        |set: BTreeSet<(u8, String)>| set.into_iter().map(|(c, m)| (c, m.replace('`', ""))).collect::<BTreeSet<_>>();
    assert!(helped.len() >= 6, "{help}");
    assert_eq!(plain(helped), plain(written));
}
