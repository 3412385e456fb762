//! What texts and tables come to: policies, profiles, lists and databases, compiled into the rules that hold. Pure.
//!
//! The edge that reads them ([`config`](crate::config)) hands them in; what has no edge, as a test of a policy, hands in what it likes.
use crate::detect::Engine;
use crate::enrich::Enricher;
use crate::model::{Digest, HashParts, Severity, SourceName, Text};
use crate::normalise::{Normaliser, Trust, Wrapping};
use crate::orders::Settings;
use crate::pipeline::{Rules, Secrets, Silences};
use crate::policy::{Asked, Foreign, PolicySet, Profile, SetAside, Site, Taken, Tuning};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a configuration can't be used: each fault with file, line where there is one, and what to do.
#[derive(Debug)]
pub struct ConfigError(pub Vec<String>);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// Of one fault.
    pub fn one(text: String) -> ConfigError {
        ConfigError(vec![text])
    }
}

/// The policies that are compiled in: an open list, one line each.
pub const DETECTIONS: &[(&str, &str)] = &[
    ("audit-trail.yml", include_str!("../policies/detections/audit-trail.yml")),
    ("bulk-export.yml", include_str!("../policies/detections/bulk-export.yml")),
    ("chain.yml", include_str!("../policies/detections/chain.yml")),
    ("factor-reset.yml", include_str!("../policies/detections/factor-reset.yml")),
    ("looking-up.yml", include_str!("../policies/detections/looking-up.yml")),
    ("made-credentials.yml", include_str!("../policies/detections/made-credentials.yml")),
    ("mfa-fatigue.yml", include_str!("../policies/detections/mfa-fatigue.yml")),
    ("no-identity.yml", include_str!("../policies/detections/no-identity.yml")),
    ("new-origin.yml", include_str!("../policies/detections/new-origin.yml")),
    ("other-principals.yml", include_str!("../policies/detections/other-principals.yml")),
    ("password-attack.yml", include_str!("../policies/detections/password-attack.yml")),
    ("reading.yml", include_str!("../policies/detections/reading.yml")),
    ("service-key.yml", include_str!("../policies/detections/service-key.yml")),
    ("session-signs.yml", include_str!("../policies/detections/session-signs.yml")),
    ("slow-theft.yml", include_str!("../policies/detections/slow-theft.yml")),
    ("usual-amounts.yml", include_str!("../policies/detections/usual-amounts.yml")),
    ("watch-list.yml", include_str!("../policies/detections/watch-list.yml")),
];

/// Policies and profiles, as text, and what is to be otherwise.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// (file name, text) of the policies.
    pub detections: Vec<(String, String)>,
    /// Rules of others.
    pub foreign: Vec<Foreign>,
    /// For which reasons files of each of those can't be read.
    pub unread: Vec<Vec<SetAside>>,
    /// Files beside those folders, which look as if they were meant to be read and are not.
    pub beside: Vec<PathBuf>,
    /// (file name, text) of profiles that are added or override.
    pub profiles: Vec<(String, String)>,
    /// What the configuration changes of the policies, by their names.
    pub tuning: BTreeMap<String, Tuning>,
}

/// Which profile reads a trail, and how its lines come to it.
#[derive(Clone, Debug)]
pub struct TrailProfile {
    /// The trail.
    pub trail: SourceName,
    /// The profile's name; several where the trail holds several sorts of records.
    pub profiles: Vec<String>,
    /// The zone of times that state none.
    pub zone: Option<Zone>,
    /// What is around its lines.
    pub wrapping: Wrapping,
    /// Who is believed.
    pub trust: Trust,
}

impl TrailProfile {
    /// Of a trail in whose files lines stand as their writer wrote them.
    pub fn plain(trail: SourceName, profile: impl Into<String>) -> TrailProfile {
        let (wrapping, trust) = Default::default();
        TrailProfile { trail, profiles: vec![profile.into()], zone: None, wrapping, trust }
    }
}

/// A time zone, and what it was found by: to look one up is to read the machine's files, which an edge does.
#[derive(Clone)]
pub struct Zone {
    /// Its IANA name, as it was written.
    pub name: String,
    /// The zone.
    pub zone: TimeZone,
}

impl std::fmt::Debug for Zone {
    /// Its name alone: the digest of the rules is of it, and is the same on machines with other databases of zones.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

/// What else the rules are made of.
#[derive(Default)]
pub struct Tables {
    /// Databases: file name and bytes.
    pub databases: Vec<(String, Vec<u8>)>,
    /// Networks with their kinds.
    pub networks: Vec<(ipnet::IpNet, Text)>,
    /// Roles by actor.
    pub directory: BTreeMap<Text, Text>,
    /// Kinds by customer account.
    pub watch_list: BTreeMap<Text, Text>,
}

impl Texts {
    /// What is compiled in.
    pub fn shipped() -> Texts {
        Texts {
            detections: DETECTIONS.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect(),
            ..Texts::default()
        }
    }

    /// Compiles the policies and the profiles, which need each other: a rule's log source means profiles, and a raw field
    /// that a rule names must be read by them.
    ///
    /// # Errors
    /// A policy or a profile is wrong: file, line, and what to do.
    pub fn compile(&self) -> Result<(PolicySet, Normaliser), ConfigError> {
        let normaliser = |ask: &dyn Fn(&str) -> Asked| {
            Normaliser::asked(&self.profiles, ask)
                .map_err(|errors| ConfigError(errors.iter().map(ToString::to_string).collect()))
        };
        let known = normaliser(&|_| Asked::default())?;
        let profile = |p| Profile { name: known.name(p).to_owned(), sources: known.log_sources(p).to_vec() };
        let site =
            Site { profiles: known.profiles().map(profile).collect(), tuning: self.tuning.clone(), ..Site::default() };
        let files: Vec<(&str, &str)> = self.detections.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        let mut policies = crate::policy::load_beside(&files, &self.foreign, &site)
            .map_err(|errors| ConfigError(errors.iter().map(ToString::to_string).collect()))?;
        add_unread(&mut policies.taken, &self.unread);
        let normaliser = normaliser(&|profile| policies.asked_of(profile))?;
        Ok((policies, normaliser))
    }
}

/// Compiles everything into the rules that hold. `profiles` names the profile of each trail.
///
/// # Errors
/// A database is not one, or a trail's profile does not exist.
pub fn compile(
    texts: &Texts,
    tables: Tables,
    profiles: &[TrailProfile],
    mut response: Settings,
    tell: Severity,
    secrets: Secrets,
) -> Result<Rules, ConfigError> {
    let (policies, mut normaliser) = texts.compile()?;
    let policies = Arc::new(policies);
    let digest = digest(texts, &tables, profiles, &response);
    response.directory = tables.directory.clone();
    let mut trails = BTreeMap::new();
    let mut faults = Vec::new();
    for TrailProfile { trail: source, profiles, zone, wrapping, trust } in profiles {
        let named = |name: &String| {
            normaliser.profile(name).ok_or_else(|| {
                let known: Vec<&str> = normaliser.profiles().map(|p| normaliser.name(p)).collect();
                format!("there is no profile {name:?}; there are: {}", known.join(", "))
            })
        };
        let found = profiles.iter().map(named).collect::<Result<Vec<_>, _>>();
        let found = match found.and_then(|found| normaliser.together(&found)) {
            Ok(found) => found,
            Err(fault) => {
                faults.push(format!("trail {source}: `profile`: {fault}"));
                continue;
            }
        };
        let found = match zone {
            None if *wrapping == Wrapping::default() && *trust == Trust::default() => found,
            zone => normaliser.for_trail(found, zone.clone().map(|z| z.zone), *wrapping, trust.clone()),
        };
        let names = normaliser.header_names(found);
        if *wrapping != Wrapping::default() && names.is_some_and(|names| names.stated.is_none()) {
            faults.push(format!(
                "trail {source}: what is received, or lies in an envelope, has no header of CSV: let the profile {} state it (`header`)",
                profiles.join(", ")
            ));
        }
        trails.insert(source.clone(), found);
    }
    let enricher = Enricher::new(tables.databases, tables.networks)
        .map_err(|e| ConfigError::one(format!("[enrich] databases: {e}")))?;
    if !faults.is_empty() {
        return Err(ConfigError(faults));
    }
    Ok(Rules {
        digest,
        engine: Engine::new(policies),
        normaliser,
        enricher,
        trails,
        directory_roles: tables.directory.values().map(|role| role.to_lowercase()).collect(),
        directory: tables.directory,
        watch_list: tables.watch_list,
        response,
        silences: Silences::default(),
        secrets,
        tell,
        coverage: Default::default(),
    })
}

fn digest(texts: &Texts, tables: &Tables, profiles: &[TrailProfile], response: &Settings) -> Digest {
    let mut parts = HashParts::new("rules");
    for (name, text) in texts.detections.iter().chain(&texts.profiles) {
        parts = parts.part(name.as_bytes()).part(text.as_bytes());
    }
    for other in &texts.foreign {
        parts = parts.part(format!("{:?} {:?}", other.trails, other.level).as_bytes());
        let files = other.files.iter();
        parts = files.fold(parts, |parts, (name, text)| parts.part(name.as_bytes()).part(text.as_bytes()));
    }
    for (_, bytes) in &tables.databases {
        parts = parts.part(bytes);
    }
    let lists = (&tables.networks, &tables.directory, &tables.watch_list);
    let rest = format!("{lists:?} {profiles:?} {response:?} {:?}", texts.tuning);
    parts.part(rest.as_bytes()).finish()
}

/// Adds the reasons for which files can't be read to what became of the rules.
fn add_unread(taken: &mut [Taken], unread: &[Vec<SetAside>]) {
    for (taken, unread) in taken.iter_mut().zip(unread) {
        taken.set_aside.extend(unread.iter().cloned());
        taken.set_aside.sort_by_key(|reason| std::cmp::Reverse(reason.rules));
    }
}
