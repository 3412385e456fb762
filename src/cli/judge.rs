//! `tripline confirm` and `tripline dismiss`: what people say of a finding.
use super::show::{say, shown};
use super::{AskArgs, Exit, Failure, ask};
use crate::control::answer::bounded_reason;
use crate::control::wire::Request;
use clap::Args;

/// Which finding, and why.
#[derive(Args)]
pub struct JudgeArgs {
    /// The finding's id, or its beginning
    #[arg(value_name = "FINDING")]
    id: String,
    /// Why: a line that whoever meets the next such finding will understand
    #[arg(long, value_name = "TEXT", value_parser = |text: &str| bounded_reason(text).map(String::from))]
    reason: String,
    #[command(flatten)]
    asking: AskArgs,
}

/// Records the verdict.
pub fn judge(args: &JudgeArgs, honest: bool) -> Result<Exit, Failure> {
    let JudgeArgs { id, reason, asking } = args;
    ask::ask(asking, &Request::Judge { id: id.clone(), honest, reason: reason.clone() })?;
    let verdict = if honest { "dismissed: it was honest work" } else { "confirmed: it was an attack" };
    say!("{verdict}; `tripline findings show {}` says so from now on", shown(id));
    Ok(Exit::Done)
}
