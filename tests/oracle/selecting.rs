//! A rule and a record, held against each other as while tripline runs: the rule is a foreign one, and the profile reads of the record
//! what the rule asks for.
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tripline::model::{Batch, Digest, Event, FileId, Frame, FrameFlags, SourceName, Stretch, WallTime};
use tripline::normalise::{Normaliser, Scratch};
use tripline::policy::{Body, Foreign, PolicySet, Profile, Site, load_beside};

/// Rules with what reads the records for them.
pub struct Live {
    pub set: PolicySet,
    pub normaliser: Normaliser,
}

/// A profile of JSON records of which nothing is known.
pub const BARE: &str = "name = 'bare'\ntitle = 'any JSON'\nformat = 'json'\n";

fn site() -> &'static Site {
    static SITE: LazyLock<Site> = LazyLock::new(|| {
        let known = Normaliser::new(&[("bare.toml".to_owned(), BARE.to_owned())], &[]).expect("the profiles are read");
        let profile = |p| Profile { name: known.name(p).to_owned(), sources: known.log_sources(p).to_vec() };
        Site { profiles: known.profiles().map(profile).collect(), ..Site::default() }
    });
    &SITE
}

impl Live {
    /// The rules of these files, of which those that can't be used are set aside.
    pub fn new(files: &[(String, String)]) -> Live {
        Live::with(files, &[])
    }

    /// The same with profiles that take the place of those of the same name.
    pub fn with(files: &[(String, String)], profiles: &[(String, String)]) -> Live {
        let foreign = Foreign { name: "rules".to_owned(), files: files.to_vec(), ..Foreign::default() };
        let set = load_beside(&[], &[foreign], site()).unwrap_or_else(|errors| panic!("{errors:?}"));
        let profiles = [&[("bare.toml".to_owned(), BARE.to_owned())], profiles].concat();
        let normaliser = Normaliser::asked(&profiles, &|profile| set.asked_of(profile)).expect("the profiles are read");
        Live { set, normaliser }
    }

    /// The events of one record of the profile of that name.
    pub fn events(&self, profile: &str, record: &str) -> Vec<Event> {
        let events = self.try_events(profile, record);
        assert!(!events.is_empty(), "not read: {record}");
        events
    }

    /// The same; none where it can't be read.
    pub fn try_events(&self, profile: &str, record: &str) -> Vec<Event> {
        let profile = self.normaliser.profile(profile).unwrap_or_else(|| panic!("no profile {profile}"));
        let size = record.len() as u64 + 1;
        let batch = Batch {
            source: SourceName("trail".into()),
            path: Arc::from(Path::new("trail")),
            stretch: Stretch { file: FileId::default(), from: 0, to: size },
            discontinuity: None,
            observed: WallTime(1_800_000_000_000),
            data: format!("{record}\n").into_bytes().into(),
            frames: vec![Frame { start: 0, end: size as u32 - 1, from: 0, to: size, flags: FrameFlags::default() }],
            header: None,
            witness: Digest([0; 32]),
            size,
        };
        let mut out = Vec::new();
        match self.normaliser.normalise(profile, &batch, &batch.frames[0], &mut Scratch::default(), &mut out) {
            Ok(()) => {}
            Err(_) => out.clear(),
        }
        out.into_iter().map(|event| *event).collect()
    }

    /// Whether the rule at that place selects one of the events.
    pub fn selects(&self, rule: usize, events: &[Event]) -> bool {
        match &self.set.rules[rule].body {
            Body::Detection(matcher) => events.iter().any(|event| matcher.matches(event)),
            Body::Correlation(_) => panic!("{} is no detection", self.set.rules[rule].name),
        }
    }
}

/// Whether a rule, given as its `logsource` and `detection`, selects the record.
pub fn selects(logsource: &str, detection: &str, profile: &str, record: &str) -> bool {
    let rule = format!("title: rule\nlevel: high\nlogsource: {logsource}\ndetection: {detection}\n");
    let live = Live::new(&[("rule.yml".to_owned(), rule)]);
    assert!(live.set.taken[0].set_aside.is_empty(), "{detection}: {:?}", live.set.taken);
    live.selects(0, &live.events(profile, record))
}
