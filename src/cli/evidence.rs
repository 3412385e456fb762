//! `tripline verify`, `tripline prove` and `tripline ledger dump`: whether what was recorded is what is there, and the same elsewhere.
use super::show::{say, shown};
use super::{Exit, Failure};
use crate::config::Config;
use crate::ledger::dump::Roots;
use crate::ledger::evidence::Hash;
use crate::ledger::note::{Checkpoint, VerifierKey, notes_in};
use crate::ledger::seal::KEY_FILE;
use crate::ledger::verify::{Fault, Proof, Verified};
use crate::ledger::{FILE, Keys, Reader};
use crate::model::id::hex;
use crate::model::json_shown;
use clap::Args;
use std::path::{Path, PathBuf};

/// Where the ledger is.
#[derive(Args)]
struct Where {
    /// The configuration, for the state directory
    #[arg(short, long, value_name = "FILE", default_value = super::DEFAULT_CONFIG)]
    config: PathBuf,
    /// The state directory, in place of the configuration's
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Where {
    fn state(&self) -> Result<PathBuf, Failure> {
        match &self.state {
            Some(state) => Ok(state.clone()),
            None => Ok(Config::read(&self.config)?.written.state_dir),
        }
    }
}

/// `tripline verify`
#[derive(Args)]
pub struct VerifyArgs {
    /// Files with checkpoints that were kept elsewhere: notes, or the syslog messages that carried them
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Check this proof, and nothing else: needs neither a ledger nor its key, only --key
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["against", "public_key"])]
    proof: Option<PathBuf>,
    /// The key that checkpoints are checked by, as `--public-key` prints it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Print the public key of this installation: keep it where checkpoints are kept
    #[arg(long)]
    public_key: bool,
    /// JSON, one object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Where,
}

/// `tripline prove`
#[derive(Args)]
pub struct ProveArgs {
    /// The finding's id, or its beginning
    #[arg(value_name = "FINDING")]
    id: String,
    #[command(flatten)]
    place: Where,
}

/// Runs `tripline verify`.
pub fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    super::show::ends_with_a_verdict();
    let given = args.key.as_deref().map(|text| {
        VerifierKey::read(text).ok_or_else(|| {
            Failure::new("--key is no verifier key: `tripline verify --public-key` prints one, name+hash+base64")
        })
    });
    let given = given.transpose()?;
    if let (Some(path), Some(key)) = (&args.proof, &given) {
        return proof(path, key, args.json);
    }
    let state = args.place.state()?;
    // without the key of the installation the records can't be held against their leaves, only the tree against its heads
    let keys = Keys::read(&state.join(KEY_FILE), false).ok();
    let own = keys.as_ref().and_then(Keys::verifier);
    if args.public_key {
        let key =
            own.ok_or_else(|| Failure::new(format!("{}: the key can't be read", state.join(KEY_FILE).display())))?;
        say!("{key}");
        return Ok(Exit::Done);
    }
    let key = given.or(own).ok_or_else(|| {
        Failure::new(format!(
            "{}: the key can't be read: give --key, as `tripline verify --public-key` printed it",
            state.join(KEY_FILE).display()
        ))
    })?;
    let reader = Reader::open(&state.join(FILE))?;
    let own: Vec<String> = reader.checkpoints()?;
    let mut checkpoints: Vec<Checkpoint> = own.iter().filter_map(|note| key.open(note)).collect();
    let unsigned = own.len() - checkpoints.len();
    for path in &args.against {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        let kept: Vec<Checkpoint> = notes_in(&text).iter().filter_map(|note| key.open(note)).collect();
        if kept.is_empty() {
            return Err(Failure::new(format!("{}: holds no checkpoint that this key signed", path.display())));
        }
        checkpoints.extend(kept);
    }
    let found = reader.verify(keys.as_ref(), &checkpoints)?;
    let well = found.faults.is_empty() && unsigned == 0;
    match args.json {
        true => say!("{}", serde_json::to_string(&found).map_err(Failure::new)?),
        false => told(&found, unsigned, keys.is_some(), !args.against.is_empty())?,
    }
    Ok(if well { Exit::Done } else { Exit::NotWell })
}

fn told(found: &Verified, unsigned: usize, records: bool, elsewhere: bool) -> Result<(), Failure> {
    for fault in &found.faults {
        say!("{}", in_words(fault));
    }
    if unsigned > 0 {
        say!("{unsigned} of the ledger's own checkpoints are not signed by its key: they were changed");
    }
    let what = if records { "records" } else { "leaves (without the key the records themselves were not looked at)" };
    match found.faults.is_empty() {
        true => say!("intact: {} {what} are what was recorded", found.records),
        false => say!("NOT intact: {} faults in {} {what}", found.faults.len(), found.records),
    }
    if found.forgotten > 0 {
        say!("{} of them have gone at the end of their retention, as recorded", found.forgotten);
    }
    match &found.time {
        Some(time) => say!(
            "{} are covered by a checkpoint (the newest that fits is of {}); the last {} are not covered yet, nor {} events of today",
            found.covered,
            shown(time),
            found.records.saturating_sub(found.covered),
            found.events_waiting
        ),
        None => say!("no checkpoint covers them yet: the first one is signed a minute after the start"),
    }
    if !elsewhere {
        say!(
            "held against the ledger's own checkpoints only: whoever has the machine could have made these anew (--against)"
        );
    }
    Ok(())
}

fn in_words(fault: &Fault) -> String {
    match fault {
        Fault::Edited { record, kind, key } => {
            format!("EDITED: record {record} ({kind} {}) is not what was recorded", shown(key))
        }
        Fault::Gone { record, kind, key } => {
            format!("GONE: record {record} ({kind} {}) is not there any more", shown(key))
        }
        Fault::Dropped { record } => format!("DROPPED: record {record} is missing from the list"),
        Fault::Added { kind, key } => format!("ADDED: {kind} {} was never recorded", shown(key)),
        Fault::Truncated { records, covered, time } => format!(
            "TRUNCATED: there are {records} records, and the checkpoint of {} covers {covered}: the end was cut off, or an older copy put in place",
            shown(time)
        ),
        Fault::Forked { covered, time, fits } => format!(
            "FORKED: the first {covered} records are not those that the checkpoint of {} covers; the first {fits} are those of an older one",
            shown(time)
        ),
        Fault::Damaged { what } => format!("DAMAGED: {}: what is listed may be less than what is there", shown(what)),
        Fault::Shown { kind, key } => {
            format!("EDITED: what is listed of {kind} {} is not what its record says", shown(key))
        }
    }
}

fn proof(path: &Path, key: &VerifierKey, json: bool) -> Result<Exit, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    let proof: Proof = serde_json::from_str(&text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    match proof.check(key) {
        Ok(checkpoint) => {
            match json {
                true => say!("{}", proof.body),
                false => say!(
                    "proven: {} {} is record {} of the {} that {} signed at {}",
                    shown(&proof.kind),
                    shown(&proof.key),
                    proof.index + 1,
                    checkpoint.size,
                    shown(&checkpoint.origin),
                    shown(&checkpoint.time)
                ),
            }
            Ok(Exit::Done)
        }
        Err(why) => {
            say!("NOT proven: {why}");
            Ok(Exit::NotWell)
        }
    }
}

/// Runs `tripline prove`.
pub fn prove(args: &ProveArgs) -> Result<Exit, Failure> {
    let state = args.place.state()?;
    let keys = Keys::read(&state.join(KEY_FILE), false)
        .map_err(|e| Failure::new(format!("{}: {e}", state.join(KEY_FILE).display())))?;
    let key = keys.verifier().ok_or_else(|| Failure::new("the key can't sign"))?;
    let reader = Reader::open(&state.join(FILE))?;
    let id = crate::control::answer::finding_id(&reader, &args.id).map_err(Failure::new)?.to_string();
    let newest = reader.checkpoints()?.iter().rev().find_map(|note| key.open(note));
    let newest = newest
        .ok_or_else(|| Failure::new("there is no checkpoint yet: the first one is signed a minute after the start"))?;
    let proof = reader
        .prove(&keys, "finding", &id, &newest)?
        .ok_or_else(|| Failure::new("no checkpoint covers that finding yet: the next one is signed within a minute"))?;
    say!("{}", serde_json::to_string_pretty(&proof).map_err(Failure::new)?);
    Ok(Exit::Done)
}

/// Runs `tripline ledger dump`.
pub fn dump(state: &Path, root: bool) -> Result<Exit, Failure> {
    use std::io::Write;
    let reader = Reader::open(&state.join(FILE))?;
    let lines = match root {
        true => {
            let Roots { recorded, facts } = reader.roots()?;
            let line = |what, (size, root): (u64, Hash)| format!("root {what} {size} {}", hex(&root));
            vec![line("recorded", recorded), line("facts", facts)]
        }
        false => reader.dump()?,
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    lines.iter().try_for_each(|line| writeln!(out, "{}", json_shown(line))).map_err(Failure::of_output)?;
    out.flush().map_err(Failure::of_output)?;
    Ok(Exit::Done)
}
