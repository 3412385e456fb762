//! The command line: what can be asked for, and in which words it ends.

mod ask;
mod check;
mod clocks;
mod coverage;
mod demo;
mod drill;
mod evidence;
mod exit;
mod explain;
mod exposure;
mod history;
mod hooks;
mod incident;
mod judge;
mod learn;
mod orders;
mod profiles;
mod replay;
mod report;
mod show;
mod silences;
mod watched;
mod test;
mod sizes;

use crate::receive;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
pub use exit::{Exit, Failure};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

const DEFAULT_CONFIG: &str = "/etc/tripline/tripline.toml";

/// Watches the audit trails of a provider of SMS and voice services, notices credentials used from a new origin and message
/// logs leaving in bulk, and ends the session while the download still runs.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_long_help = exit::HELP, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the job done, in under 20 seconds and with no set-up
    ///
    /// Makes a throw-away provider whose trails are written live, follows them with the real daemon, and lets the case of
    /// April 2024 happen: a phished employee, a login from a new origin, customer after customer's passcode logs.
    Demo(DemoArgs),
    /// The demo's hook (the runner starts it)
    #[command(hide = true)]
    DemoHook {
        /// The session store
        #[arg(long)]
        sessions: PathBuf,
    },
    /// Run the daemon in the foreground: follow the trails, detect, record, tell, end sessions
    ///
    /// SIGTERM and SIGINT end it cleanly; SIGHUP reads the configuration again (one that can't be used changes nothing).
    Run(RunArgs),
    /// Run the same engine over files from their beginning to their end; never runs a hook
    ///
    /// Without a configuration the files' products are recognised, and it is said which detections are blind.
    Replay(replay::ReplayArgs),
    /// Learn from old logs what is usual, before the first day of watching
    ///
    /// Nobody is known on the first day: most policies learn people and keys for a week or more before they speak. This runs the
    /// engine over months of old files, as lines of the configuration's trails, into its state directory, while no daemon has it
    /// (exit 75 otherwise). What is learned stays: detection state, the ids of events, the trails' counters, and a record of the
    /// files and of who asked. Findings, orders and messages do not, nor how far the files were read.
    ///
    /// A line that the daemon reads again counts once: of each trail the ids of the last 262,144 events are remembered, those that
    /// were learned among them, and since when somebody is known stays the old time. So learn from rotated files that the daemon
    /// will not read; of the file that it goes on with no more than that many lines, or set start = "end" for that trail.
    Learn(learn::LearnArgs),
    /// Put attacks into your own trails, in memory, and say which policies find them and after how much
    ///
    /// Reads the configured trails of the last days, learns from them who works how, and for each scenario makes the events of an
    /// attack on one of your people, keys and customers, after the end of what the trails say: with your own roles, products,
    /// networks and sizes. They go through the same engine under the same policies. Nothing is written to the state directory,
    /// nothing is told, no hook is started, and no daemon is needed. The same seed over the same trails makes the same attacks.
    ///
    /// Exit 0: every scenario that could be built was found at severity high or above; 1: some were not. A scenario whose kind of
    /// events the trails do not show (no second factors, no keys) is not built, which is said and is no failure.
    Drill(drill::DrillArgs),
    /// Say whether a configuration can be used, and what each trail can and cannot show
    Check(CheckArgs),
    /// Show how the daemon is: trails, lag, rejects, last commit, outlets, orders, health
    ///
    /// With --sizes: for each policy that keeps something, of how many entities, and how many bytes. A policy keeps 65,536
    /// strangers; where more appear, those that it saw longest ago are let go, which a finding says (state_pressure). Those who
    /// stand in the staff directory, and others seen for longer than a week, have room of their own.
    Status(StatusArgs),
    /// List, show and acknowledge findings
    #[command(subcommand)]
    Findings(ask::Findings),
    /// Say in plain words why a finding came to be, and what would have kept it from firing
    ///
    /// The policy and what it is for; every number with what it was held against; the chain of policies down to the events,
    /// each with where it was read; what would have kept it from firing; the orders that came of it, and why they are as they are.
    Explain(explain::ExplainArgs),
    /// Show what is recorded of somebody: sessions, known origins and devices, usual amounts, customers, findings
    ///
    /// From recorded events: logins, sessions, credentials, exports, administration and whatever a finding rests on. What is only
    /// counted, such as page views, is not among them.
    Actor(history::ActorArgs),
    /// Show what is recorded of an address: who came from there, when, in which sessions, and what was found
    Origin(history::OriginArgs),
    /// Say that a finding was an attack
    ///
    /// The verdict is recorded with who gave it and why, and stands with the finding; another one may take its place. It
    /// acknowledges the finding too.
    Confirm(judge::JudgeArgs),
    /// Say that a finding was honest work
    ///
    /// The verdict is recorded with who gave it and why, and stands with the finding; another one may take its place. It
    /// acknowledges the finding too, and takes back no order: see `tripline orders cancel`.
    Dismiss(judge::JudgeArgs),
    /// List and show incidents: findings that belong together, with what led to them and what came of them
    ///
    /// A finding of severity high or above opens an incident; what shares a session, an actor, an address or a credential with it
    /// belongs to it. It is open until every order that it led to was carried out and held (contained), and until people say that
    /// it is closed. Any finding's id names its incident.
    #[command(subcommand)]
    Incident(incident::Incidents),
    /// Say what left in an incident: every export and every read of message logs, of which customer, and how much of it
    ///
    /// Before the alarm too. Of somebody whose credentials were used, only the acts of the intruder: what came from their own
    /// networks of old is their own. What was asked for, what was fetched and by whom are three facts; only what was fetched counts
    /// as having left.
    Exposure(exposure::ExposureArgs),
    /// Write what happened in an incident, for people who were not there
    ///
    /// As Markdown to standard output; with --out as a folder: the report as one HTML page, Markdown and data, the recorded events,
    /// every export, drafts of notices for the authority, each customer and the people concerned, proofs that the findings were
    /// recorded, and a list of digests. It can be read without tripline.
    Report(report::ReportArgs),
    /// Have a sealed session id opened, for the daemon's own user and root; that it was is recorded
    ///
    /// Everywhere else a keyed digest stands for a session. The id itself is sealed for a session's longest life, and then deleted.
    Reveal(ask::RevealArgs),
    /// List and show orders, and decide about them: approve, deny, release, cancel, retry, undo; review what would be done
    #[command(subcommand)]
    Orders(orders::Orders),
    /// Ask by hand that a session, a user's sessions, tokens, a key or an account be ended
    ///
    /// It is an order like any other: the same gates, the same records, the same verification, with you as the one who asks. That
    /// stands for the mode, for the limits and for one approval, and for nothing else: who is protected stays so, and so does the
    /// hold. Whom it is about must have been seen by a trail, or stand in the staff directory.
    Invalidate(orders::InvalidateArgs),
    /// Put all orders on hold, or take the hold off
    Hold {
        /// on or off
        #[arg(value_name = "ON|OFF")]
        to: OnOff,
        #[command(flatten)]
        asking: AskArgs,
    },
    /// Mute the response for planned work, until an end that you name
    #[command(subcommand)]
    Mute(orders::MuteCommand),
    /// List the silences: those that hold, are coming or have ended, and how many findings each has kept quiet
    ///
    /// They stand in the configuration as [[silence]], each with who answers for it, why, and until when. A finding under one is
    /// recorded and marked; it is told to no outlet and leads to no order.
    Silences(AskArgs),
    /// Try an action on one target of your choice, and print the schema of what hooks read
    #[command(subcommand)]
    Hooks(hooks::Hooks),
    /// Send one marked finding through every outlet, to see that it arrives
    TestFinding(AskArgs),
    /// Say whether what was recorded is what is there: intact, edited, cut off, put back, or not covered yet
    ///
    /// Findings, orders, inputs, people's acts and blocks of events are leaves of a Merkle tree (RFC 6962). Once a minute its head is
    /// signed (Ed25519, a C2SP checkpoint) and leaves by syslog. With --against, checkpoints that were kept elsewhere are held
    /// against the ledger: any change to what they cover is then seen, whoever made it. Without, only those who do not have this
    /// machine's key are seen. Exit 1: something was changed.
    Verify(evidence::VerifyArgs),
    /// Write a proof that a finding was recorded, which `verify --proof` checks on another machine with only the public key
    Prove(evidence::ProveArgs),
    /// Look into a ledger directly
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Run the tests that stand in the policies' own files
    ///
    /// The shipped policies, and those of a directory or a configuration, with what [policy.NAME] of that configuration changes.
    /// The events of a test go through the same engine as lines that are read. Of each that fails it is said what was expected
    /// and what was found, with times from the beginning of the test.
    Test(test::TestArgs),
    /// List and show profiles, which say what the records of products mean; try one on a file; draft one from a sample
    #[command(subcommand)]
    Profiles(profiles::Profiles),
    /// The runner, which starts hooks and speaks to the network (systemd starts it, or `tripline run`)
    HookRunner(RunnerArgs),
    /// Take in what comes over sockets, pipes and from the journal (systemd starts it, or `tripline run`)
    ///
    /// For the trails that have `receive`: what comes is laid into state_dir/spool, where the daemon follows it. While the disk or
    /// a trail's share of it is full, nothing is read, and senders wait. Exit 75: another receiver is at work.
    Receive(ReceiveArgs),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
struct DemoArgs {
    /// Keep the demo's directory, and say where it is
    #[arg(long)]
    keep: bool,
}

#[derive(Args)]
struct ConfigArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
}

#[derive(Args)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Name each rule of others that can match nothing here, and say all reasons why detections are blind
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Args)]
struct ReceiveArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Take what is piped in, a record a line, for this trail, and end with it
    #[arg(long, value_name = "TRAIL")]
    stdin: Option<String>,
    /// End when standard input ends (`tripline run` starts it so)
    #[arg(long, hide = true, conflicts_with = "stdin")]
    with_parent: bool,
    /// Do not give up what it does not need (for tracing it)
    #[arg(long, hide = true)]
    unconfined: bool,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Do not ask the kernel for hints that files grew: look every second
    #[arg(long)]
    no_watch: bool,
    /// Do not give up execve and the network (for tracing the daemon)
    #[arg(long, hide = true)]
    unconfined: bool,
}

/// How the daemon, or where it is down its ledger, is found.
#[derive(Args, Clone)]
struct AskArgs {
    /// The configuration, for the socket and the state directory
    #[arg(short, long, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    config: PathBuf,
    /// The control socket, in place of the configuration's
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The state directory, in place of the configuration's
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct StatusArgs {
    /// Show how large detection state is, by policy
    #[arg(long)]
    sizes: bool,
    #[command(flatten)]
    asking: AskArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum OnOff {
    On,
    Off,
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Print what the ledger holds, without what depends on when and in how many pieces it came
    ///
    /// Two ledgers made from the same lines under the same policies print the same text, however often the daemon was killed
    /// and however its trails were interleaved. Left out: wall-clock times, numbers, batch boundaries, file identities, seals,
    /// the numbers "as first seen" of findings, and expired state.
    Dump {
        /// The state directory
        #[arg(long, value_name = "DIR", default_value = "/var/lib/tripline")]
        state: PathBuf,
        /// Two lines in place of all: the root of the evidence tree, which the same recorded inputs give under the same key, and that
        /// over the lines of events, findings and orders, which the same lines give
        #[arg(long)]
        root: bool,
    },
}

#[derive(Args)]
struct RunnerArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Standard input is a socket to the daemon that started us
    #[arg(long, conflicts_with = "socket")]
    stdin_socket: bool,
    /// Listen here (otherwise systemd passes the socket)
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.said.is_empty() {
                // an error may tell what somebody else wrote; what it says over several lines is ours
                let said: Vec<String> = failure.to_string().split('\n').map(show::shown).collect();
                eprintln!("tripline: {}", said.join("\n"));
            }
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    // what any command makes is for whoever runs it alone, as what the daemon makes. Hooks have the mask of whoever starts the runner;
    // the daemon, which may start it, sets its own when it has.
    if !matches!(command, Command::Run(_) | Command::HookRunner(_)) {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    match command {
        Command::Demo(args) => demo::run(args.keep),
        Command::DemoHook { sessions } => demo::hook::run(&sessions),
        Command::Run(args) => {
            log();
            let settings = crate::daemon::Settings {
                config: args.config.config,
                watch: !args.no_watch,
                confine: !args.unconfined,
            };
            crate::daemon::run(&settings)?;
            Ok(Exit::Done)
        }
        Command::Replay(args) => replay::run(&args),
        Command::Learn(args) => learn::run(&args),
        Command::Drill(args) => drill::run(&args),
        Command::Check(args) => check::run(&args.config.config, args.verbose),
        Command::Status(StatusArgs { sizes: true, asking }) => sizes::run(&asking),
        Command::Status(StatusArgs { asking, .. }) => ask::status(&asking),
        Command::Findings(command) => ask::findings(&command),
        Command::Explain(args) => explain::explain(&args),
        Command::Actor(args) => history::actor(&args),
        Command::Origin(args) => history::origin(&args),
        Command::Confirm(args) => judge::judge(&args, false),
        Command::Dismiss(args) => judge::judge(&args, true),
        Command::Orders(command) => orders::run(&command),
        Command::Invalidate(args) => orders::invalidate(&args),
        Command::Hold { to, asking } => orders::hold(matches!(to, OnOff::On), &asking),
        Command::Hooks(command) => hooks::run(&command),
        Command::Mute(command) => orders::mute(&command),
        Command::Silences(asking) => silences::run(&asking),
        Command::TestFinding(asking) => ask::test_finding(&asking),
        Command::Ledger(LedgerCommand::Dump { state, root }) => evidence::dump(&state, root),
        Command::Test(args) => test::run(&args),
        Command::Profiles(command) => profiles::run(&command),
        Command::HookRunner(args) => hook_runner(&args),
        Command::Receive(args) => {
            log();
            let from = match &args.stdin {
                Some(trail) => receive::From::Stdin(trail),
                None => receive::From::Everywhere { with_parent: args.with_parent },
            };
            receive::run(&args.config.config, from, !args.unconfined)?;
            Ok(Exit::Done)
        }
        Command::Incident(command) => incident::incident(&command),
        Command::Exposure(args) => exposure::exposure(&args),
        Command::Reveal(args) => ask::reveal(&args),
        Command::Report(args) => report::report(&args),
        Command::Verify(args) => evidence::verify(&args),
        Command::Prove(args) => evidence::prove(&args),
        Command::Completions { shell } => {
            // clap_complete panics where its writer fails
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tripline", &mut text);
            std::io::stdout().write_all(&text).map_err(Failure::of_output)?;
            Ok(Exit::Done)
        }
    }
}

fn hook_runner(args: &RunnerArgs) -> Result<Exit, Failure> {
    use crate::respond::runner::{Meeting, run};
    log();
    let config = crate::config::Config::read(&args.config.config)?;
    let meeting = match (&args.socket, args.stdin_socket) {
        (_, true) => Meeting::Stdin,
        (Some(path), _) => Meeting::Path(path.clone()),
        (None, false) => Meeting::Activated,
    };
    let systemd = crate::respond::service::state_directory().filter(|_| !args.stdin_socket);
    let beside = config.written.state_dir.join("runner");
    let state = config.written.runner.state_dir.clone().or(systemd).unwrap_or(beside);
    let load = || {
        let config = crate::config::Config::read(&args.config.config).map_err(|e| e.to_string())?;
        let written = config.written;
        Ok(crate::respond::RunnerSettings {
            actions: written.actions,
            syslog: written.syslog,
            webhook: written.webhook,
        })
    };
    run(load, &state, meeting).map_err(|e| Failure { exit: Exit::from_code(e.exit_code()), said: e.to_string() })?;
    Ok(Exit::Done)
}

/// The daemon's own log goes to standard error, for the journal.
fn log() {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_from_env("TRIPLINE_LOG").unwrap_or_else(|_| "info".into());
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false);
    // under systemd the journal stamps every line itself
    if std::env::var_os("JOURNAL_STREAM").is_some() { builder.without_time().init() } else { builder.init() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_contradicts_itself() {
        Cli::command().debug_assert();
    }
}
