//! `tripline orders`, `hold`, `mute` and `invalidate`: what people decide about the response.
use super::ask::{ask, print_json, read};
use super::show::{self, say, shown};
use super::{AskArgs, Exit, Failure};
use crate::control::answer::bounded_reason;
use crate::control::review::Reviewed;
use crate::control::wire::{Covered, Request, Secret, Whose};
use crate::ledger::read::Step;
use crate::model::{Decision, Held, Millis, Mute, Order, OrderState, TargetKind};
use clap::{Args, Subcommand};

/// `tripline orders …`
#[derive(Subcommand)]
pub enum Orders {
    /// List orders, the newest first
    List {
        /// Only those in this state: observed, refused, held, waiting, pending, started, done, failed, unknown, cancelled
        #[arg(long = "in", value_name = "STATE", value_parser = state_word)]
        only: Option<OrderState>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Show one order with every step, who agreed to it, and whether it held
    Show {
        /// The order's id, or its beginning
        id: String,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Agree to an order that waits for approval
    ///
    /// Where two people must agree, each from an account of their own; root is neither, for whoever is root can be anybody.
    Approve(Chosen),
    /// Say no to an order that waits for approval
    Deny(Chosen),
    /// Release an order that is held by the hold or by a limit
    ///
    /// It is carried out, or where its mode is `approve` waits for approval.
    Release(Chosen),
    /// Take back an order that has not been handed to the runner
    Cancel(Chosen),
    /// Carry out an order once more that failed or of which nobody knows, under the same key
    ///
    /// Only where its action says that twice is as good as once (`idempotent = true`).
    Retry(Chosen),
    /// Take back what an order did, by the action that its own names as `undo`
    Undo(Chosen),
    /// Show what would have been done, by policy: the case for enforcing, or against it
    ///
    /// In the mode `observe` nothing is carried out, and every order says what would have been. Judge the findings behind them
    /// (`tripline confirm`, `tripline dismiss`), and this table says how often the policy would have been right.
    Review {
        /// Orders of so many days
        #[arg(long, value_name = "N", default_value_t = 7)]
        days: u16,
        #[command(flatten)]
        asking: AskArgs,
    },
}

/// Which orders a decision is about.
#[derive(Args)]
pub struct Chosen {
    /// The orders' ids, or their beginnings
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<String>,
    /// Every order in the state that this command is for (the first 1,000)
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    asking: AskArgs,
}

fn state_word(text: &str) -> Result<OrderState, String> {
    let names = || OrderState::ALL.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ");
    OrderState::from_name(text).ok_or_else(names)
}

/// Runs it.
pub fn run(command: &Orders) -> Result<Exit, Failure> {
    match command {
        Orders::List { only, limit, asking } => list(*only, *limit, asking),
        Orders::Show { id, asking } => show_one(id, asking),
        Orders::Approve(chosen) => decide(chosen, Decision::Approve, &[OrderState::Waiting], "approved"),
        Orders::Deny(chosen) => decide(chosen, Decision::Deny, &[OrderState::Waiting], "denied"),
        Orders::Release(chosen) => decide(chosen, Decision::Release, &[OrderState::Held], "released"),
        Orders::Cancel(chosen) => {
            let states = [OrderState::Held, OrderState::Waiting, OrderState::Pending];
            decide(chosen, Decision::Cancel, &states, "cancelled")
        }
        Orders::Retry(chosen) => {
            decide(chosen, Decision::Retry, &[OrderState::Failed, OrderState::Unknown], "to be carried out once more")
        }
        Orders::Undo(chosen) => decide(chosen, Decision::Undo, &[OrderState::Done], "to be taken back"),
        Orders::Review { days, asking } => review(*days, asking),
    }
}

/// How many orders `--all` looks at.
const ALL: u32 = 1_000;

fn list(state: Option<OrderState>, limit: u32, asking: &AskArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(asking, &Request::Orders { limit, state })?;
    if asking.json {
        return print_json(&rows);
    }
    let rows: Vec<Order> = read(rows)?;
    if rows.is_empty() {
        say!("no orders");
    } else {
        show::print(&show::orders(&rows))?;
    }
    Ok(Exit::Done)
}

fn show_one(id: &str, asking: &AskArgs) -> Result<Exit, Failure> {
    let (rows, _) = ask(asking, &Request::Order { id: id.to_owned() })?;
    if asking.json {
        return print_json(&rows);
    }
    for mut row in rows {
        let order: Order = serde_json::from_value(row["order"].take()).map_err(Failure::new)?;
        let steps: Vec<Step> = serde_json::from_value(row["steps"].take()).map_err(Failure::new)?;
        show::print(&show::orders([&order]))?;
        for (name, value) in facts(&order).into_iter() {
            say!("  {name:<10} {value}");
        }
        say!();
        let mut table = show::table(&["AT", "STATE", "WHY"]);
        for step in steps {
            let why: Vec<String> = [step.refusal, step.note].into_iter().flatten().map(|t| shown(&t)).collect();
            table.add_row([step.at.to_string(), step.state, why.join(": ")]);
        }
        show::print(&table)?;
    }
    Ok(Exit::Done)
}

fn facts(order: &Order) -> Vec<(&'static str, String)> {
    let mut facts = vec![("policy", shown(&order.policy)), ("mode", order.mode.name().to_owned())];
    facts.extend(order.parent.map(|parent| ("follows", format!("order {parent} ({})", order.purpose.name()))));
    facts.extend(order.approved.iter().map(|a| ("approved", format!("by {} at {}", shown(&a.by), a.at))));
    facts.extend(order.released_by.as_ref().map(|by| ("released", format!("by {}", shown(by)))));
    facts.extend(order.answer_by.map(|by| ("answer by", by.to_string())));
    facts.extend(order.verification.as_ref().map(|v| {
        let note = v.note.as_ref().map(|note| format!(": {}", shown(note))).unwrap_or_default();
        let until = if v.result == Held::Watching { format!(" until {}", v.until) } else { String::new() };
        ("held", format!("{}{until}{note}", v.result.name()))
    }));
    let running = order.verification.iter().flat_map(|v| &v.running);
    facts.extend(running.map(|running| ("ran", shown(&running.to_string()))));
    facts.extend(order.expires.map(|at| ("expires", at.to_string())));
    facts
}

fn decide(chosen: &Chosen, decision: Decision, states: &[OrderState], word: &str) -> Result<Exit, Failure> {
    let asking = &chosen.asking;
    let ids = if chosen.all { every(asking, states)? } else { chosen.ids.clone() };
    if ids.is_empty() {
        say!("there is no order that this would concern");
    }
    for id in ids {
        ask(asking, &Request::Decide { id: id.clone(), decision })?;
        say!("{word}: `tripline orders show {}` says how it goes on", shown(&id));
    }
    Ok(Exit::Done)
}

fn every(asking: &AskArgs, states: &[OrderState]) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    for state in states {
        let (rows, _) = ask(asking, &Request::Orders { limit: ALL, state: Some(*state) })?;
        ids.extend(read::<Order>(rows)?.into_iter().map(|order| order.id.to_string()));
    }
    Ok(ids)
}

fn review(days: u16, asking: &AskArgs) -> Result<Exit, Failure> {
    let since = crate::daemon::wall_now().minus(Millis::DAY.times(days.into()));
    let (rows, _) = ask(asking, &Request::Review { since: since.0 })?;
    if asking.json {
        return print_json(&rows);
    }
    let rows: Vec<Reviewed> = read(rows)?;
    if rows.is_empty() {
        say!("no orders in {days} days: nothing would have been done");
        return Ok(Exit::Done);
    }
    let mut table = show::table(&[
        "POLICY",
        "WOULD",
        "ON",
        "OBSERVED",
        "DONE",
        "WAITED",
        "REFUSED",
        "PEOPLE",
        "MOST IN 1 H",
        "ATTACKS",
        "HONEST",
        "UNJUDGED",
    ]);
    for row in &rows {
        let refused: Vec<String> = row.refused.iter().map(|(gate, n)| format!("{n} {}", shown(gate))).collect();
        table.add_row([
            shown(&row.policy),
            shown(&row.action),
            shown(&row.target),
            row.observed.to_string(),
            row.carried_out.to_string(),
            row.waiting.to_string(),
            refused.join(", "),
            row.people.to_string(),
            row.most_in_an_hour.to_string(),
            row.confirmed.to_string(),
            row.dismissed.to_string(),
            row.unjudged.to_string(),
        ]);
    }
    show::print(&table)?;
    verdict(&rows)?;
    Ok(Exit::Done)
}

/// What the table comes to, in words.
fn verdict(rows: &[Reviewed]) -> Result<(), Failure> {
    let sum = |of: fn(&Reviewed) -> u32| rows.iter().map(of).sum::<u32>();
    let (honest, unjudged) = (sum(|r| r.dismissed), sum(|r| r.unjudged));
    say!();
    match (honest, unjudged) {
        (0, 0) => say!("every one of them was an attack: by this, enforcing would have hurt nobody"),
        (0, _) => say!(
            "{unjudged} of them nobody has judged: look at their findings, and say `tripline confirm` or `tripline dismiss`"
        ),
        _ => say!(
            "{honest} of them would have ended honest work: leave those policies in `observe` or `approve`, or tune them first"
        ),
    }
    Ok(())
}

/// `tripline hold`
pub fn hold(on: bool, asking: &AskArgs) -> Result<Exit, Failure> {
    ask(asking, &Request::Hold { on })?;
    say!(
        "{}",
        if on {
            "on hold: no order is carried out until `tripline hold off`"
        } else {
            "the hold is off; what was held waits for `tripline orders release`"
        }
    );
    Ok(Exit::Done)
}

/// `tripline mute …`
#[derive(Subcommand)]
pub enum MuteCommand {
    /// Put a mute on: until it ends, what it covers leads to no order
    ///
    /// Findings are still made and told; only the response rests. For findings that nobody is to be told of there is [[silence]]
    /// in the configuration.
    On {
        /// It ends by itself after this time: 30m, 2h, 3d; at most 14 days
        #[arg(long = "for", value_name = "LENGTH", value_parser = length)]
        lasts: u32,
        /// Why: the ticket of the planned work
        #[arg(long, value_name = "TEXT", value_parser = |text: &str| bounded_reason(text).map(String::from))]
        reason: String,
        /// Only orders that this policy asks for; `*` stands for anything
        #[arg(long = "policy", value_name = "NAME")]
        policies: Vec<String>,
        /// Only orders against this actor, by name or id
        #[arg(long = "actor", value_name = "NAME")]
        actors: Vec<String>,
        /// Only orders for this action
        #[arg(long = "action", value_name = "NAME")]
        actions: Vec<String>,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// List the mutes that hold
    List(AskArgs),
    /// End a mute before its time
    End {
        /// The mute's id, or its beginning
        id: String,
        #[command(flatten)]
        asking: AskArgs,
    },
}

/// `tripline mute`
pub fn mute(command: &MuteCommand) -> Result<Exit, Failure> {
    match command {
        MuteCommand::On { lasts, reason, policies, actors, actions, asking } => {
            let covered = Covered { policies: policies.clone(), actors: actors.clone(), actions: actions.clone() };
            ask(asking, &Request::Mute { seconds: *lasts, reason: reason.clone(), covered })?;
            say!("muted; `tripline mute list` shows it, `tripline mute end` ends it");
        }
        MuteCommand::List(asking) => {
            let (rows, _) = ask(asking, &Request::Mutes)?;
            if asking.json {
                return print_json(&rows);
            }
            let now = crate::daemon::wall_now();
            let rows: Vec<Mute> = read::<Mute>(rows)?.into_iter().filter(|m| m.until > now).collect();
            if rows.is_empty() {
                say!("no mutes");
            } else {
                show::print(&mutes(&rows))?;
            }
        }
        MuteCommand::End { id, asking } => {
            ask(asking, &Request::Unmute { id: id.clone() })?;
            say!("the mute has ended");
        }
    }
    Ok(Exit::Done)
}

fn mutes(rows: &[Mute]) -> comfy_table::Table {
    let mut table = show::table(&["ID", "UNTIL", "COVERS", "BY", "WHY"]);
    for mute in rows {
        let all = [("policy", &mute.policies), ("actor", &mute.actors), ("action", &mute.actions)];
        let named =
            all.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what} {}", shown(name))));
        let named: Vec<String> = named.collect();
        let covers = if named.is_empty() { "every order".to_owned() } else { named.join(", ") };
        table.add_row([shown(&mute.id), mute.until.to_string(), covers, shown(&mute.by), shown(&mute.reason)]);
    }
    table
}

/// `tripline invalidate`
#[derive(Args)]
pub struct InvalidateArgs {
    /// The action, by its name in the configuration
    #[arg(long, value_name = "NAME")]
    action: String,
    /// What it is to act on: session, user, token, key, account
    #[arg(long, value_name = "KIND", value_parser = target_word, default_value = "session")]
    target: TargetKind,
    #[command(flatten)]
    whose: WhoseArgs,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| bounded_reason(text).map(String::from))]
    reason: String,
    #[command(flatten)]
    asking: AskArgs,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct WhoseArgs {
    /// The actor and session that a finding names
    #[arg(long, value_name = "ID")]
    finding: Option<String>,
    /// This session: its id as the portal's own trail writes it, or - to read it from standard input
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// This actor, by the name that findings give
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

impl WhoseArgs {
    fn whose(&self) -> Result<Whose, Failure> {
        Ok(match (&self.finding, &self.session, &self.actor) {
            (Some(id), _, _) => Whose::Finding(id.clone()),
            (_, Some(id), _) => Whose::Session(Secret(given(id)?)),
            (_, _, name) => Whose::Actor(name.clone().unwrap_or_default()),
        })
    }
}

/// `tripline invalidate`
pub fn invalidate(args: &InvalidateArgs) -> Result<Exit, Failure> {
    let InvalidateArgs { action, target, whose, reason, asking } = args;
    let request =
        Request::Invalidate { action: action.clone(), target: *target, whose: whose.whose()?, reason: reason.clone() };
    ask(asking, &request)?;
    say!("asked for, under your name: `tripline orders list` says what became of it");
    Ok(Exit::Done)
}

/// What was given as an argument, or for `-` the first line of standard input.
pub(super) fn given(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Failure::new)?;
    Ok(line.trim().to_owned())
}

pub(super) fn target_word(text: &str) -> Result<TargetKind, String> {
    let names = || TargetKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
    TargetKind::from_name(text).ok_or_else(names)
}

/// A length of time in seconds.
fn length(text: &str) -> Result<u32, String> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        _ => 0,
    };
    let n = text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse::<u32>().ok());
    n.filter(|_| unit > 0).and_then(|n| n.checked_mul(unit)).ok_or_else(|| "write 30m, 2h or 3d".to_owned())
}
