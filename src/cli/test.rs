//! `tripline test`: runs the tests that stand in the policies' own files, as they are in force here.
use super::show::{say, shown};
use super::{Exit, Failure, ask};
use crate::config::Config;
use crate::ledger::Keys;
use crate::model::{OrderState, Severity};
use crate::pipeline::{Rules, trial, trial::Trial};
use crate::policy::{Body, Policy, PolicySet, PolicyTest, Wildcard, did_you_mean};
use crate::rules::{self, Tables, Texts};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args)]
pub struct TestArgs {
    /// A directory with policies of your own in `detections`, beside the shipped ones
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A configuration: its `policies_dir`, and what its [policy.NAME] change
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only the tests of this policy; `*` stands for any characters
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// JSON, one object a line for each test
    #[arg(long)]
    json: bool,
}

/// What was run.
#[derive(Default)]
struct Count {
    policies: usize,
    tests: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the tests and says which fail.
pub fn run(args: &TestArgs) -> Result<Exit, Failure> {
    super::show::ends_with_a_verdict();
    let rules = Arc::new(rules(args)?);
    let set = rules.engine.policies();
    let chosen = chosen(set, args.policy.as_deref())?;
    let mut count = Count { policies: chosen.len(), ..Count::default() };
    for policy in chosen {
        for test in &policy.tests {
            let trial = (!policy.off).then(|| trial::run(&rules, policy, test));
            count.tests += 1;
            count.skipped += usize::from(trial.is_none());
            let failed = trial.as_ref().is_some_and(|trial| !trial.faults.is_empty());
            count.failed += usize::from(failed);
            match trial {
                _ if args.json => drop(ask::print_json(&[row(policy, test, trial.as_ref())])?),
                Some(trial) if failed => fault(set, policy, test, &trial)?,
                _ => {}
            }
        }
    }
    if !args.json {
        let skipped = match count.skipped {
            0 => String::new(),
            n => format!(", {n} not run, for the configuration turns their policies off"),
        };
        let of = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let (policies, tests) = (of(count.policies, "policy", "policies"), of(count.tests, "test", "tests"));
        say!("{policies}, {tests}, {} failed{skipped}", count.failed);
    }
    Ok(if count.failed == 0 { Exit::Done } else { Exit::NotWell })
}

fn rules(args: &TestArgs) -> Result<Rules, Failure> {
    let mut texts = match &args.config {
        Some(path) => Config::read(path)?.texts()?,
        None => Texts::shipped(),
    };
    if let Some(dir) = &args.dir {
        texts.add(dir)?;
    }
    let keys = Keys::throw_away().map_err(Failure::new)?;
    let response = Default::default();
    let mut rules = rules::compile(&texts, Tables::default(), &[], response, Severity::Informational, keys.secrets())?;
    rules.response = trial::settings(rules.engine.policies());
    Ok(rules)
}

/// The policies that are asked for, with at least one of that name.
fn chosen<'a>(set: &'a PolicySet, name: Option<&str>) -> Result<Vec<&'a Policy>, Failure> {
    let Some(name) = name else { return Ok(set.rules.iter().collect()) };
    let wanted = Wildcard::new(name);
    let chosen: Vec<&Policy> = set.rules.iter().filter(|policy| wanted.matches(&policy.name)).collect();
    if chosen.is_empty() {
        let near = did_you_mean(name, set.rules.iter().map(|policy| &*policy.name));
        return Err(Failure::new(format!("there is no policy {:?}{near}", shown(name))));
    }
    Ok(chosen)
}

/// Says what a test expected, and what there is.
fn fault(set: &PolicySet, policy: &Policy, test: &PolicyTest, trial: &Trial) -> Result<(), Failure> {
    say!("{}:{}: {}: {}", shown(&policy.file), test.line, shown(&policy.name), shown(&test.name));
    for fault in &trial.faults {
        say!("  expected {}", shown(&fault.expected));
        say!("  found    {}", shown(&fault.found));
    }
    for (name, what) in tuned(set, policy) {
        say!("  the configuration changes {}: {}", shown(name), shown(what));
    }
    Ok(())
}

/// What the configuration changes of the policy and of those that it is built on.
fn tuned<'a>(set: &'a PolicySet, policy: &'a Policy) -> Vec<(&'a str, &'a str)> {
    let mut built_on = vec![policy];
    let mut next = 0;
    // ends: a policy refers to policies before it only, and each is taken up once
    while let Some(policy) = built_on.get(next).copied() {
        next += 1;
        let Body::Correlation(correlation) = &policy.body else { continue };
        for rule in correlation.rules.iter().map(|i| &set.rules[*i]) {
            if !built_on.iter().any(|known| std::ptr::eq(*known, rule)) {
                built_on.push(rule);
            }
        }
    }
    built_on.iter().flat_map(|policy| policy.tuned.iter().map(|what| (&*policy.name, what.as_str()))).collect()
}

fn row(policy: &Policy, test: &PolicyTest, trial: Option<&Trial>) -> Value {
    let mut row = json!({
        "file": &*policy.file,
        "line": test.line,
        "policy": &*policy.name,
        "test": test.name,
        "result": match trial {
            None => "not run",
            Some(trial) if trial.faults.is_empty() => "passed",
            Some(_) => "failed",
        },
    });
    let Some(trial) = trial else { return row };
    let finding = |f: &crate::model::Finding| json!({"time": f.time.to_string(), "at": trial::since_beginning(f.time), "entity": f.entity, "severity": f.severity});
    let order = |o: &crate::model::Order| json!({"action": &*o.action, "target": o.target, "given": o.state == OrderState::Pending, "refusal": o.refusal});
    row["found"] = trial.found.iter().map(finding).collect();
    row["orders"] = trial.orders.iter().map(order).collect();
    row["faults"] = trial.faults.iter().map(|f| json!({"expected": f.expected, "found": f.found})).collect();
    row
}
