//! What was written, what was merged, what is true: the TOML file, the shipped and added policies, and the rules that hold.
//!
//! [`written`] is the file as it stands, with environment variables expanded in its values. [`Config::rules`] merges it with the
//! shipped policies and profiles, reads the databases and lists that it names, and compiles everything into [`Rules`].
//! Nothing is guessed and nothing half-read: the first load that fails in any part fails as a whole and says why.

pub mod address;
mod folders;
pub mod notices;
mod recognise;
mod response;
mod silences;
pub mod written;

use crate::framing::Framing;
use crate::model::silence::Silence;
use crate::model::{EventTime, HashParts, SourceName, Text};
use crate::normalise::Wrapping;
use crate::pipeline::{Rules, Secrets, Silences};
use crate::policy::{Foreign, PolicySet};
use crate::rules::{ConfigError, Tables, Texts, TrailProfile, Zone, compile};
use crate::source::{Start, TrailSpec, Until};
use address::Address;
use jiff::tz::TimeZone;
pub use recognise::recognise;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use written::Written;

/// A configuration, read and found good as far as it can be told without the files that it names.
#[derive(Debug)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub written: Written,
}

/// Values of the environment that are shorter are no secrets, and stand in too many places by chance.
const SECRET_BYTES: usize = 4;

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// It can't be read, others may write it, it is not TOML, has an unknown key or a value that can't be.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = read_text(path)?;
        let meta = std::fs::metadata(path).map_err(|e| ConfigError::one(format!("{}: {e}", path.display())))?;
        if meta.mode() & 0o002 != 0 {
            return Err(ConfigError::one(format!(
                "{}: everybody may write it: chmod o-w it, for who writes it decides what is run",
                path.display()
            )));
        }
        Config::parse(path, &text, |name| std::env::var(name).ok())
    }

    fn parse(path: &Path, text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let values = RefCell::new(BTreeMap::new());
        let text = expand(text, path, |name| {
            let value = variable(name)?;
            values.borrow_mut().insert(value.clone(), name.to_owned());
            Some(value)
        })?;
        // what stands in the environment may be secret, wherever it was written to by mistake
        let masked = |fault: String| {
            let longest = values.borrow().clone().into_iter().rev();
            longest
                .filter(|(value, _)| value.len() >= SECRET_BYTES)
                .fold(fault, |fault, (value, name)| fault.replace(&value, &format!("${{{name}}}")))
        };
        let written: Written =
            toml::from_str(&text).map_err(|e| ConfigError::one(masked(toml_fault(path, &text, &e))))?;
        let config = Config { path: path.to_owned(), written };
        let faults = config.faults().map(|faults| faults.into_iter().map(masked).collect());
        faults.map_or(Ok(config), |faults| Err(ConfigError(faults)))
    }

    fn faults(&self) -> Option<Vec<String>> {
        let at = self.path.display();
        let mut faults = Vec::new();
        let mut names: BTreeSet<&String> = BTreeSet::new();
        if self.written.trail.is_empty() {
            faults.push(format!("{at}: no [[trail]]: name at least one with `name` and `paths`"));
        }
        for trail in &self.written.trail {
            if trail.name.is_empty()
                || trail.name.len() > 64
                || !trail.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            {
                faults.push(format!(
                    "{at}: trail {:?}: a name has letters, digits, `-`, `_` and `.`, at most 64",
                    trail.name
                ));
            }
            if !names.insert(&trail.name) {
                faults.push(format!("{at}: two trails are called {:?}: give each a name of its own", trail.name));
            }
            faults.extend(source_faults(trail).map(|fault| format!("{at}: trail {:?}: {fault}", trail.name)));
        }
        faults.extend(
            self.written.actions.iter().filter_map(|(name, a)| Some(format!("{at}: [actions.{name}]: {}", a.fault()?))),
        );
        faults.extend(
            self.written.outlets().iter().filter_map(|(name, o)| Some(format!("{at}: [{name}]: {}", o.fault()?))),
        );
        faults.extend(self.written.rules.iter().filter_map(|rules| {
            let why = rules.fault(&names)?;
            Some(format!("{at}: [[rules]] path {}: {why}", rules.path.display()))
        }));
        faults.extend(self.written.notices.fault().map(|fault| format!("{at}: [notices]: {fault}")));
        let between = response::settings(&self.written).err().unwrap_or_default();
        faults.extend(between.into_iter().map(|fault| format!("{at}: {fault}")));
        (!faults.is_empty()).then_some(faults)
    }

    /// What the source is told about each trail; `rules` are those that the same file asks for.
    pub fn trails(&self, until: Until, rules: &Rules) -> Vec<TrailSpec> {
        let spec = |t: &written::Trail| {
            let name = SourceName(t.name.as_str().into());
            let profile = rules.trails.get(&name).copied();
            let names = profile.and_then(|profile| rules.normaliser.header_names(profile));
            // what comes wrapped has the header that its profile states, and a record a line
            let names = names.filter(|_| t.wrapping() == Wrapping::default());
            let is_json = profile.is_some_and(|profile| rules.normaliser.format(profile) == "json");
            TrailSpec {
                paths: self.paths(t),
                start: match t.start {
                    // the receiver began at the end of the journal: what it laid there is new, also where no file of it is known
                    _ if !t.receive.is_empty() => Start::Beginning,
                    // files that are final have no end from which on something is new
                    written::Start::End if until == Until::Forever => Start::End,
                    written::Start::Beginning | written::Start::End => Start::Beginning,
                },
                until,
                framing: match t.framing {
                    _ if !t.receive.is_empty() => Framing::Spool,
                    Some(written::Framing::JsonDocuments) => Framing::JsonDocuments,
                    _ if names.is_some() => Framing::CSV,
                    None if is_json && t.wrapping() == Wrapping::default() => Framing::JsonLines,
                    None | Some(written::Framing::Lines) => Framing::Lines,
                },
                lists: profile.map(|profile| rules.normaliser.record_lists(profile)).unwrap_or_default(),
                names,
                name,
            }
        };
        self.written.trail.iter().map(spec).collect()
    }

    fn paths(&self, trail: &written::Trail) -> Vec<String> {
        if trail.receive.is_empty() {
            return trail.paths.clone();
        }
        let spool = spool_dir(&self.written.state_dir, &trail.name);
        vec![format!("{}/*.spool", crate::source::literal(&spool))]
    }

    /// Everything that the file asks for, read and compiled.
    ///
    /// # Errors
    /// A file that it names can't be read or is not what it should be, or a trail's product can't be recognised.
    pub fn rules(&self, secrets: Secrets) -> Result<Rules, ConfigError> {
        let texts = self.texts()?;
        let tables = Tables::read(&self.written.enrich)?;
        let (_, normaliser) = texts.compile().map_err(|e| self.named_in(e))?;
        let mut profiles = Vec::new();
        for trail in &self.written.trail {
            let of_trail = match &trail.profile {
                Some(names) => names.as_slice().to_vec(),
                None => {
                    let found = recognise::of_trail(&normaliser, trail)?;
                    found.profiles().map(|profile| normaliser.name(profile).to_owned()).collect()
                }
            };
            let documents = trail.framing == Some(written::Framing::JsonDocuments);
            let is_csv = |found| normaliser.header_names(found).is_some();
            if documents && of_trail.iter().filter_map(|name| normaliser.profile(name)).any(is_csv) {
                return Err(ConfigError::one(format!(
                    "{}: trail {:?}: `framing` is not for CSV, which is cut into records by itself: leave it out",
                    self.path.display(),
                    trail.name
                )));
            }
            let name = SourceName(trail.name.as_str().into());
            let zone = |name: &String| match TimeZone::get(name) {
                Ok(zone) => Ok(Zone { name: name.clone(), zone }),
                Err(e) => Err(ConfigError::one(format!("trail {}: time_zone: {e}", trail.name))),
            };
            let zone = trail.time_zone.as_ref().map(zone).transpose()?;
            let (wrapping, trust) = (trail.wrapping(), trail.trust());
            profiles.push(TrailProfile { trail: name, profiles: of_trail, zone, wrapping, trust });
        }
        let mut rules = compile(
            &texts,
            tables,
            &profiles,
            response::settings(&self.written).map_err(ConfigError)?,
            self.written.findings.tell,
            secrets,
        )?;
        let silences = self.silences(rules.engine.policies())?;
        rules.digest = HashParts::new("rules and silences")
            .part(&rules.digest.0)
            .part(format!("{silences:?}").as_bytes())
            .finish();
        rules.silences = Silences::new(silences);
        Ok(rules)
    }

    /// The silences that are written.
    fn silences(&self, set: &PolicySet) -> Result<Vec<Silence>, ConfigError> {
        let now = EventTime(jiff::Timestamp::now().as_millisecond());
        silences::read(&self.written.silence, set, now)
            .map_err(|faults| ConfigError(faults.iter().map(|f| format!("{}: {f}", self.path.display())).collect()))
    }

    /// The faults with the file's name where they are of its `[policy.NAME]`, and not of a policy's own file.
    fn named_in(&self, ConfigError(faults): ConfigError) -> ConfigError {
        let named = |fault: String| match fault.starts_with("[policy.") {
            true => format!("{}: {fault}", self.path.display()),
            false => fault,
        };
        ConfigError(faults.into_iter().map(named).collect())
    }

    /// The shipped policies and profiles with those of the operator's directory, and what the file changes of them.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn texts(&self) -> Result<Texts, ConfigError> {
        let mut texts = Texts { tuning: self.written.policy.clone(), ..Texts::shipped() };
        if let Some(dir) = &self.written.policies_dir {
            texts.add(dir)?;
        }
        for written::Rules { path, trails, level } in &self.written.rules {
            let trails = trails.as_ref().map(|names| names.iter().map(|name| Text::new(name)).collect());
            let name = path.display().to_string();
            let folders::Rules { files, unread } = folders::rules(path)?;
            texts.unread.push(folders::Rules::set_aside(unread));
            texts.foreign.push(Foreign { files, name, trails, level: *level });
        }
        Ok(texts)
    }
}

/// What is wrong with where a trail's lines come from.
fn source_faults(trail: &written::Trail) -> impl Iterator<Item = &'static str> {
    let received = !trail.receive.is_empty();
    let filtered = trail.apps.is_some() || trail.hosts.is_some();
    let by_syslog = trail.receive.iter().any(Address::is_syslog);
    let documents = trail.framing == Some(written::Framing::JsonDocuments);
    let faults = [
        (
            !received && trail.paths.is_empty(),
            "it has neither `paths` nor `receive`: name its files, or where it is received",
        ),
        (received && !trail.paths.is_empty(), "`paths` and `receive` are of two trails: give each a table of its own"),
        (
            received && trail.profile.is_none(),
            "`receive` needs `profile`: there is no file to recognise its product by",
        ),
        (
            !received && !trail.senders.is_empty(),
            "`senders` is for what is received: who may write a file its owner and mode say",
        ),
        (
            received && !trail.senders.is_empty() && !trail.receive.iter().any(|way| way.is_settled(&trail.senders)),
            "`senders` names networks for udp and tcp (203.0.113.0/24), and users for unixgram and lines (uid:33)",
        ),
        (filtered && !by_syslog, "`apps` and `hosts` are for what is received by udp, tcp or unixgram"),
        (received && documents, "`framing` is for files: what is received comes a record at a time"),
        (received && trail.envelope.is_some(), "`envelope` is for files: what is received by syslog has one"),
    ];
    faults.into_iter().filter_map(|(wrong, fault)| wrong.then_some(fault))
}

/// Where what was received for a trail waits.
pub fn spool_dir(state_dir: &Path, trail: &str) -> PathBuf {
    state_dir.join("spool").join(trail)
}

impl Texts {
    /// Adds the files of a directory; one with the name of a shipped file takes its place.
    ///
    /// # Errors
    /// The directory or a file in it can't be read.
    pub fn add(&mut self, dir: &Path) -> Result<(), ConfigError> {
        if !dir.is_dir() {
            return Err(ConfigError::one(format!(
                "policies_dir {}: there is no such directory: make it, or leave the key out",
                dir.display()
            )));
        }
        self.beside.extend(folders::beside(dir));
        let mut read = 0;
        for (folder, ending, into) in
            [("detections", "yml", &mut self.detections), ("profiles", "toml", &mut self.profiles)]
        {
            let folder = dir.join(folder);
            let paths = match folders::files(&folder, ending) {
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
                listed => listed.map_err(|why| ConfigError::one(format!("{}: {why}", folder.display())))?,
            };
            read += 1;
            for (name, path) in paths {
                let text = read_text(&path)?;
                into.retain(|(n, _)| *n != name);
                into.push((name, text));
            }
        }
        // one that is empty waits for its first file
        if read == 0 && std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(ConfigError::one(format!(
                "policies_dir {}: it holds neither `detections` (*.yml) nor `profiles` (*.toml): put your files into one of those",
                dir.display()
            )));
        }
        Ok(())
    }
}

impl Tables {
    /// Reads what `[enrich]` names.
    ///
    /// # Errors
    /// A file can't be read or is not what it should be.
    pub fn read(enrich: &written::Enrich) -> Result<Tables, ConfigError> {
        let mut tables = Tables::default();
        for path in &enrich.databases {
            let bytes =
                std::fs::read(path).map_err(|e| ConfigError::one(format!("database {}: {e}", path.display())))?;
            tables.databases.push((path.display().to_string(), bytes));
        }
        for path in &enrich.network_lists {
            let list = crate::enrich::parse_networks(&read_text(path)?);
            tables
                .networks
                .extend(list.map_err(|e| ConfigError::one(format!("network list {}: {e}", path.display())))?);
        }
        if let Some(path) = &enrich.directory {
            tables.directory = columns(&read_text(path)?, "actor", "role")
                .map_err(|e| ConfigError::one(format!("directory {}:{e}", path.display())))?;
        }
        if let Some(path) = &enrich.watch_list {
            tables.watch_list = columns(&read_text(path)?, "customer", "kind")
                .map_err(|e| ConfigError::one(format!("watch list {}:{e}", path.display())))?;
        }
        Ok(tables)
    }
}

/// Largest configuration, policy, list or directory file that is read.
const FILE_BYTES: u64 = 64 << 20;

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let fault = |e: String| ConfigError::one(format!("{}: {e}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| fault(e.to_string()))?.len();
    if size > FILE_BYTES {
        return Err(fault(format!("is {size} bytes long; at most {FILE_BYTES} are read")));
    }
    std::fs::read_to_string(path).map_err(|e| fault(e.to_string()))
}

fn toml_fault(path: &Path, text: &str, e: &toml::de::Error) -> String {
    let line = e.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("{}:{line}: {}", path.display(), e.message().trim_end())
}

/// Expands `${NAME}` in the file's text, comments left alone. `$${` stands for `${` itself.
fn expand(text: &str, path: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    let mut out = String::with_capacity(text.len());
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let mut rest = line;
        while let Some(at) = rest.find("${").filter(|_| !line.trim_start().starts_with('#')) {
            if rest[..at].ends_with('$') {
                out.push_str(&rest[..at]);
                out.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            out.push_str(&rest[..at]);
            let fault = |what: String| ConfigError::one(format!("{}:{}: {what}", path.display(), n + 1));
            let end = rest[at..].find('}').ok_or_else(|| fault("`${` without `}`".into()))? + at;
            let name = &rest[at + 2..end];
            let value = variable(name)
                .ok_or_else(|| fault(format!("the environment has no variable {name}: set it, or write the value")))?;
            if value.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
                return Err(fault(format!("the variable {name} holds a quote, a backslash or a control character")));
            }
            out.push_str(&value);
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
    }
    Ok(out)
}

/// From a CSV file with a header, the column `value` by the column `key`.
fn columns(text: &str, key: &str, value: &str) -> Result<BTreeMap<Text, Text>, String> {
    let rows = crate::enrich::table::columns(text, [key, value], None);
    let rows = rows.map_err(|(line, why)| format!("{line}: {why}"))?;
    Ok(rows.into_iter().map(|(_, [key, value])| (key.into(), value.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_and_a_missing_one_is_named_with_its_line() {
        let set = |name: &str| (name == "WORLD").then(|| "/w".to_owned());
        let path = Path::new("t.toml");
        assert_eq!(
            expand("a = \"${WORLD}/x\" # y\n# ${NOT}\nb = \"$${z}\"", path, set).expect("good"),
            "a = \"/w/x\" # y\n# ${NOT}\nb = \"${z}\""
        );
        let fault = expand("a = 1\nb = \"${GONE}\"", path, set).expect_err("it is not set").to_string();
        assert!(fault.starts_with("t.toml:2: ") && fault.contains("GONE"), "{fault}");
    }

    #[test]
    fn no_value_of_the_environment_stands_in_an_error() {
        let head = "state_dir = '/x'\n[[trail]]\nname = 'a'\npaths = ['b']\n";
        for (wrong, named) in [
            ("start = '${TOKEN}'\n", "${TOKEN}"),
            ("[receiver]\nunit = '${TOKEN}'\n", "${TOKEN}"),
            ("[[trail]]\nname = '${TOKEN} !'\npaths = ['b']\n", "${TOKEN} !"),
            ("[[trail]]\nname = '${LONGER} !'\npaths = ['b']\n", "${LONGER} !"),
        ] {
            let variable =
                |name: &str| Some(if name == "LONGER" { "s3cret-and-long-2" } else { "s3cret-and-long" }.into());
            let fault =
                Config::parse(Path::new("t.toml"), &format!("{head}{wrong}"), variable).expect_err(wrong).to_string();
            assert!(!fault.contains("s3cret") && fault.contains(named), "{wrong}: {fault}");
        }
        // a word as short as a number of a line is no secret, and what is said of the file stays readable
        let text = format!("{head}start = '${{SHORT}}'\n");
        let fault = Config::parse(Path::new("t.toml"), &text, |_| Some("5".into())).expect_err("5 is no start");
        assert!(fault.to_string().starts_with("t.toml:5:"), "{fault}");
    }

    #[test]
    fn a_quote_in_a_variable_cannot_write_configuration() {
        assert!(expand("a = \"${X}\"", Path::new("t"), |_| Some("\"\nmode = \"enforce".into())).is_err());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("t.toml");
        std::fs::write(&path, "state_dir = '/x'\n[[trail]]\nname = 'a'\npaths = ['b']\nprofil = 'c'\n")
            .expect("written");
        let fault = Config::read(&path).expect_err("misspelt").to_string();
        assert!(fault.contains("t.toml:5:") && fault.contains("profil"), "{fault}");
    }

    #[test]
    fn a_product_behind_headers_of_syslog_needs_its_envelope_and_no_profile() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let (path, trail) = (dir.path().join("t.toml"), dir.path().join("a.log"));
        let record = r#"{"ts":"2026-03-01T00:15:30.886Z","id":"e","event":"session.login","outcome":"success","actor":{"id":"u","name":"ana","type":"user"},"ip":"203.0.113.9"}"#;
        std::fs::write(&trail, format!("<134>2026-03-01T00:15:31+01:00 gw1 portal[12]: {record}\n")).expect("written");
        let rules = |more: &str| {
            let text = format!("state_dir = '/x'\n[[trail]]\nname = 'a'\npaths = ['{}']\n{more}", trail.display());
            std::fs::write(&path, text).expect("written");
            Config::read(&path).expect("right").rules(Secrets::new(&[7; 32]))
        };
        let rules_with = rules("envelope = 'syslog'\n").expect("recognised");
        let profile = rules_with.trails[&SourceName("a".into())];
        assert_eq!(rules_with.normaliser.name(profile), "tripline-portal");
        let fault = rules("").err().expect("its lines are no records").to_string();
        assert!(fault.contains("envelope = \"syslog\"") && fault.contains("tripline-portal"), "{fault}");
    }

    #[test]
    fn a_directory_needs_its_columns() {
        assert_eq!(
            columns("actor,role,hired\nana,noc,\n", "actor", "role").expect("good").get("ana").map(|r| r.as_str()),
            Some("noc")
        );
        assert!(columns("name,role\n", "actor", "role").expect_err("no actor").starts_with("1:"));
        assert!(columns("actor,role\nana\n", "actor", "role").expect_err("short").starts_with("2:"));
    }
}
