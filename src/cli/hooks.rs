//! `tripline hooks`: what a hook is told, and a trial of an action on one target of your choice.
use super::orders::{given, target_word};
use super::show::{self, say, shown};
use super::{ConfigArgs, Exit, Failure};
use crate::config::Config;
use crate::model::{EventTime, FindingId, OrderId, Purpose, Severity, TargetKind};
use crate::respond::document::{self, SCHEMA};
use crate::respond::{ActionSpec, Ending, HookDocument, HookFinding, HookTarget, carry_out, carry_out_by_runner};
use clap::{Args, Subcommand};
use std::net::IpAddr;

/// `tripline hooks …`
#[derive(Subcommand)]
pub enum Hooks {
    /// Show what an action would do to a target, and with --really do it
    ///
    /// The document that a hook reads, and what would be sent or started, secrets left out. With --really it is carried out, by the
    /// runner where systemd starts it ([runner] socket), with the runner's rights and credentials; otherwise by this process, with
    /// yours. No gate is asked and nothing is recorded in the ledger: try it on a session of your own. For the same with gates and
    /// records there is `tripline invalidate`.
    Test(TestArgs),
    /// Print the JSON Schema of the document that a hook reads
    Schema,
}

/// Which action, on what.
#[derive(Args)]
pub struct TestArgs {
    /// The action, by its name in the configuration
    name: String,
    /// The session's id, as the portal writes it, or - to read it from standard input, where no process list shows it
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The actor's name
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// The actor's id in the product
    #[arg(long, value_name = "ID")]
    actor_uid: Option<String>,
    /// The address that the session is used from
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// The id of the export
    #[arg(long, value_name = "ID")]
    export: Option<String>,
    /// What it is to act on: session, user, token, key, account
    #[arg(long, value_name = "KIND", value_parser = target_word, default_value = "session")]
    target: TargetKind,
    /// To end it, to check whether it has ended, or to undo it
    #[arg(long, value_name = "PURPOSE", value_parser = purpose_word, default_value = "end")]
    purpose: Purpose,
    /// Do it, in place of showing it
    #[arg(long)]
    really: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

fn purpose_word(text: &str) -> Result<Purpose, &'static str> {
    Purpose::from_name(text).ok_or("end, check or undo")
}

/// Runs it.
pub fn run(command: &Hooks) -> Result<Exit, Failure> {
    match command {
        Hooks::Test(args) => test(args),
        Hooks::Schema => {
            let text = serde_json::to_string_pretty(&document::schema()).map_err(Failure::new)?;
            say!("{text}");
            Ok(Exit::Done)
        }
    }
}

fn test(args: &TestArgs) -> Result<Exit, Failure> {
    let config = Config::read(&args.config.config)?;
    let Some(spec) = config.written.actions.get(&args.name) else {
        let names: Vec<&str> = config.written.actions.keys().map(String::as_str).collect();
        let known = if names.is_empty() { "none is configured".to_owned() } else { names.join(", ") };
        return Err(Failure::new(format!("there is no action {:?}: {known}", shown(&args.name))));
    };
    let document = document(args, args.session.as_deref().map(given).transpose()?);
    if !args.really {
        return rehearse(spec, &document);
    }
    let (ending, note) = match &config.written.runner.socket {
        // it may be waiting for others before it begins
        Some(socket) => {
            carry_out_by_runner(socket, &document, 2 * (spec.deadline() + spec.grace())).map_err(Failure::new)?
        }
        None => {
            let ended = carry_out(spec, &document);
            (ended.ending, ended.note)
        }
    };
    say!("{}: {}", ending_word(ending), show::shown(&note));
    Ok(if ending == Ending::Done { Exit::Done } else { Exit::NotWell })
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Temporary => "not now, and nothing was done",
        Ending::Permanent => "never: this target cannot be ended",
        Ending::Failed => "failed",
        Ending::Refused => "refused, and nothing was done",
        Ending::Unknown => "unknown: it was started, and nobody knows how it ended",
        Ending::NeverSeen => "the runner has not heard of it",
    }
}

fn rehearse(spec: &ActionSpec, document: &HookDocument) -> Result<Exit, Failure> {
    let means = spec.compile().map_err(Failure::new)?;
    let rehearsal = means.rehearse(document).map_err(Failure::new)?;
    say!("what a hook would read:\n\n{}\n", shown(&serde_json::to_string(document).map_err(Failure::new)?));
    say!("what would be done:\n");
    let mut table = show::table(&["WHAT", "VALUE"]);
    for (name, value) in &rehearsal.lines {
        table.add_row([shown(name), shown(value)]);
    }
    show::print(&table)?;
    say!("\nnothing was done; --really does it");
    Ok(Exit::Done)
}

fn document(args: &TestArgs, session: Option<String>) -> HookDocument {
    let now = crate::daemon::wall_now();
    // an id that no order of the ledger has, and the next trial has another
    let parts = crate::model::HashParts::new("hooks test").number(now.0).number(std::process::id().into());
    let id = parts.part(args.name.as_bytes()).finish().short();
    HookDocument {
        schema: SCHEMA,
        order: OrderId(id),
        idempotency_key: OrderId(id),
        action: args.name.clone(),
        purpose: args.purpose,
        attempt: 1,
        test: false,
        target: HookTarget {
            kind: args.target,
            session,
            actor: args.actor.clone(),
            actor_uid: args.actor_uid.clone(),
            ip: args.ip,
            export: args.export.clone(),
        },
        finding: HookFinding {
            id: FindingId(id),
            policy: "hooks_test".into(),
            title: "A person tries this action".into(),
            severity: Severity::Informational,
            time: EventTime(now.0).to_string(),
        },
    }
}
