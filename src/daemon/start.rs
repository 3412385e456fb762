//! Start-up and the end: in which order things are opened, given up, and closed.
use super::clock_trust::{self, ClockTrust};
use super::clocks::Clocks;
use super::delivery::Delivery;
use super::doors::{Control, Read, ToWriter, doors};
use super::failing::Failing;
use super::folder::Folder;
use super::gate::Gate;
use super::receiving::Receiving;
use super::sequencer::Sequencer;
use super::silences::Said;
use super::trails::{Files, Surroundings, Trails};
use super::{Progress, log, wall_now, writer};
use crate::config::Config;
use crate::config::address::Address;
use crate::config::notices::Notices;
use crate::control::server;
use crate::health::Health;
use crate::ledger::outbox::Outbox;
use crate::ledger::{Durability, Error, Keys, Ledger};
use crate::model::{Input, Millis, Shown};
use crate::pipeline::{Core, Prepared, Rules};
use crate::respond::service::{Ending, ToldToEnd, Watchdog, notify, status};
use crate::respond::{RunnerClient, RunnerLink, RunnerProcess, confine};
use crate::rules::ConfigError;
use crate::source::{Cursor, TrailSpec, Until};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// What the command line says about the daemon.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The configuration file.
    pub config: PathBuf,
    /// Whether to ask the kernel for hints that files grew; without it they are looked at every second.
    pub watch: bool,
    /// Whether to give up execve and the network. Only tests that count system calls leave it out.
    pub confine: bool,
}

/// Why the daemon ended.
#[derive(Debug)]
pub enum RunError {
    /// The configuration can't be used.
    Config(ConfigError),
    /// The ledger can't be used.
    Ledger(Error),
    /// Something of the operating system can't be had.
    Io(String),
    /// A thread died.
    Defect(String),
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunError::Config(e) => e.fmt(f),
            RunError::Ledger(e) => e.fmt(f),
            RunError::Io(e) | RunError::Defect(e) => f.write_str(e),
        }
    }
}

impl std::error::Error for RunError {}

impl From<ConfigError> for RunError {
    fn from(e: ConfigError) -> Self {
        RunError::Config(e)
    }
}

impl From<Error> for RunError {
    fn from(e: Error) -> Self {
        RunError::Ledger(e)
    }
}

fn io(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> RunError {
    move |e| RunError::Io(format!("{what}: {e}"))
}

/// How often the core is told the time.
const TICK: Duration = Duration::from_secs(60);
/// How often we look after ourselves.
const LOOK: Duration = Duration::from_secs(1);
/// A writer that has not gone round for so long is stuck, and systemd is not told that all is well.
const STUCK: Duration = Duration::from_secs(20);

/// Runs the daemon until it is told to end (SIGTERM, SIGINT).
///
/// # Errors
/// It can't start, or can't go on.
pub fn run(settings: &Settings) -> Result<(), RunError> {
    let config = Config::read(&settings.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(io("starting the runtime"))?;
    // a signal that comes while we start is obeyed as soon as we have started
    let signals = runtime.block_on(async { Signals::listen() }).map_err(io("listening to signals"))?;
    let state = &config.written.state_dir;
    let keys = Arc::new(keys(state)?);
    let rules = Arc::new(config.rules(keys.secrets())?);
    tell_of_foreign(&rules);
    // whoever knows groups may have to be asked over a socket
    let group = config.written.control_group.as_deref().map(group_id).transpose()?;
    // the runner is started before any input is opened, and then nothing can be started any more
    let (runner, link) = runner(&config, &settings.config)?;
    let mut receiver = receiver(&config, settings)?;
    // what is made from here on is for the daemon alone, unless it says otherwise
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    confine::forbid_dumps();
    if settings.confine {
        confine::give_up_all_but(confine::Role::Daemon).map_err(|e| RunError::Io(e.to_string()))?;
    }
    let ledger = Ledger::open(state, Durability::Full, keys.clone())?;
    let state = state.clone();
    let open = Open { config, rules, ledger, link, group, signals };
    let outcome = runtime.block_on(serve(settings, open, &mut receiver));
    runtime.shutdown_timeout(Duration::from_secs(5));
    if let Some(mut receiver) = receiver {
        // its standard input is closed: it writes what it has taken in, and ends
        drop(receiver.stdin.take());
        let _ = receiver.wait();
    }
    if let Ok(trails) = &outcome
        && trails.iter().any(TrailSpec::is_series)
    {
        let cursors = Ledger::open(&state, Durability::Full, keys)?.cursors()?.into_iter().map(super::cursor);
        super::receiving::clear(trails.clone(), &cursors.collect::<Vec<_>>());
    }
    if let Some(mut runner) = runner {
        // its end of the socket pair is closed: it ends when its hooks have
        let _ = runner.wait();
    }
    outcome.map(drop)
}

/// What the daemon is told by signals.
struct Signals {
    hangup: Signal,
    end: ToldToEnd,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals { hangup: signal(SignalKind::hangup())?, end: ToldToEnd::listen()? })
    }
}

/// What is opened before anything is read.
struct Open {
    config: Config,
    rules: Arc<Rules>,
    ledger: Ledger,
    link: RunnerLink,
    /// Who may use the control socket.
    group: Option<u32>,
    signals: Signals,
}

/// The daemon's loops, and what happens to them. Returns the trails that it followed last.
async fn serve(
    settings: &Settings,
    open: Open,
    receiver: &mut Option<std::process::Child>,
) -> Result<Vec<TrailSpec>, RunError> {
    let Open { config, rules, mut ledger, link, group, mut signals } = open;
    let seed = crate::ledger::seal::random_seed().map_err(io("reading randomness"))?;
    let health = Health::default();
    let files = Files::default();
    let progress = Arc::new(Progress::default());
    let ending = Arc::new(Ending::default());
    let cursors: Vec<Cursor> = ledger.cursors()?.into_iter().map(super::cursor).collect();
    ledger.set_session_life(Millis::SECOND.times(config.written.response.too_old_seconds.into()));
    ledger.set_retention(config.written.retention.into());
    let outlets = config.written.outlets();
    ledger.set_outlets(outlets.keys())?;
    let path = ledger.path();
    let keys = ledger.keys().clone();
    let core = Core::new(rules.clone(), ledger.recorded()?, false, seed);
    let failing = Failing::new(core.failing().cloned());
    let is_doubted = core.failing().any(|part| part.as_str() == clock_trust::PART);
    let clock = ClockTrust::new(ledger.last_recorded()?, is_doubted);
    let outbox = Outbox::new(&path, ledger.last_message()?);
    let (to_writer, doors) = doors();
    let (to_delivery, orders) = mpsc::unbounded_channel();
    let folder = Folder::new(ledger, core, to_delivery, health.clone(), seed, progress.clone(), ending.clone());
    let (writer, mut writer_end) = start_writer(Sequencer::new(doors, clock), folder)?;
    to_writer.control(Control::Fact(Box::new(rules.input(wall_now())), None)).await;
    let (client, events) = RunnerClient::start(link);
    let delivery = Delivery::new(to_writer.clone(), client, health.clone(), outbox, outlets);
    let delivery = tokio::spawn(delivery.run(orders, events));
    let shared = Arc::new(Mutex::new(rules.clone()));
    let notices = Arc::new(Mutex::new(config.written.notices.clone()));
    let daemon = Arc::new(Running {
        rules: shared.clone(),
        notices: notices.clone(),
        keys: keys.clone(),
        to_writer: to_writer.clone(),
        health: health.clone(),
        files: files.clone(),
        progress: progress.clone(),
    });
    let socket = config.written.control_socket.clone();
    let control = control(&config, group, path, daemon)?;
    let around = Surroundings {
        rules,
        to: to_writer.clone(),
        health: health.clone(),
        files,
        seed,
        watch: settings.watch,
        gate: Arc::new(Gate::new([])),
    };
    let receiving = Receiving::new(&config);
    let mut running =
        Following { config, keys, around, trails: None, receiving, failing, said: Said::default(), shared, notices };
    running.follow(cursors).map_err(io("starting the trails"))?;
    notify(&["READY=1"]);
    tracing::info!("following {} trails; asking: tripline status", running.config.written.trail.len());
    let outcome = running.until_told(settings, &mut signals, &mut writer_end, &progress, receiver).await;
    notify(&["STOPPING=1"]);
    // a full disk does not hold up the end
    ending.tell();
    control.abort();
    running.stop().await;
    let trails = running.config.trails(Until::Forever, &running.around.rules);
    drop(running);
    to_writer.after_lines(Read::Stop).await;
    drop(to_writer);
    let written = tokio::task::spawn_blocking(move || writer.join()).await;
    delivery.abort();
    // a socket that nobody answers at would only puzzle
    let _ = std::fs::remove_file(&socket);
    match written {
        Ok(Ok(ended)) => ended.map_err(RunError::from).and(outcome).map(|()| trails),
        _ => Err(RunError::Defect("the writer died: this is a defect; what it said is in the log".into())),
    }
}

/// What the writer's thread ends with.
type Written = std::thread::JoinHandle<Result<(), crate::ledger::Error>>;

/// The writer on a thread of its own, and what says that it has ended.
fn start_writer(sequencer: Sequencer, folder: Folder) -> Result<(Written, oneshot::Receiver<()>), RunError> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new().name("writer".into()).spawn(move || {
        let outcome = writer::run(sequencer, log::Own::default(), folder);
        // the receiver is gone only when the daemon is ending already
        let _ = ended.send(());
        outcome
    });
    Ok((thread.map_err(io("starting the writer"))?, end))
}

/// Answers at the control socket.
fn control(
    config: &Config,
    group: Option<u32>,
    ledger: PathBuf,
    daemon: Arc<Running>,
) -> Result<tokio::task::JoinHandle<()>, RunError> {
    let socket = &config.written.control_socket;
    let listener = server::listen(socket, group).map_err(io(format!("control socket {}", socket.display())))?;
    Ok(tokio::spawn(server::serve(listener, ledger, daemon)))
}

/// The trails with the configuration that they follow.
struct Following {
    config: Config,
    keys: Arc<Keys>,
    around: Surroundings,
    trails: Option<Trails>,
    receiving: Receiving,
    failing: Failing,
    said: Said,
    /// The rules, for those who answer questions.
    shared: Arc<Mutex<Arc<Rules>>>,
    /// What is said of notices, for them.
    notices: Arc<Mutex<Notices>>,
}

impl Following {
    fn follow(&mut self, cursors: Vec<Cursor>) -> std::io::Result<()> {
        self.said.say(self.around.rules.silences.iter(), wall_now());
        let trails = self.config.trails(Until::Forever, &self.around.rules);
        self.around.gate = Arc::new(Gate::new(trails.iter().map(|t| t.name.clone())));
        self.trails = Some(Trails::start(trails, cursors, &self.around)?);
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some(trails) = self.trails.take() {
            // waits for threads: not on the runtime's own
            let _ = tokio::task::spawn_blocking(move || trails.stop()).await;
        }
    }

    async fn until_told(
        &mut self,
        settings: &Settings,
        signals: &mut Signals,
        writer_end: &mut oneshot::Receiver<()>,
        progress: &Progress,
        receiver: &mut Option<std::process::Child>,
    ) -> Result<(), RunError> {
        let mut watchdog = Watchdog::from_env();
        let mut clocks = Clocks::default();
        let mut clock = tokio::time::interval(TICK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut shown = String::new();
        loop {
            tokio::select! {
                () = signals.end.told() => return Ok(()),
                _ = &mut *writer_end => return Ok(()),
                _ = signals.hangup.recv() => {
                    notify(&["RELOADING=1"]);
                    let mut reloading = std::pin::pin!(self.reload(settings));
                    loop {
                        tokio::select! {
                            () = &mut reloading => break,
                            // a writer that waits for the disk answers no reload
                            () = signals.end.told() => return Ok(()),
                            () = watchdog.due() => alive(progress),
                        }
                    }
                    notify(&["READY=1"]);
                }
                () = watchdog.due() => alive(progress),
                _ = clock.tick() => {
                    // a writer that has no room for it is busy, or waits for the disk; the next one will do
                    self.around.to.offer(Control::Fact(Box::new(Input::Tick(wall_now())), None));
                    self.said.say(self.around.rules.silences.iter(), wall_now());
                    clocks.look(&self.config, &self.around.to, &self.around.health);
                    if let Some(dead) = self.trails.as_ref().and_then(Trails::dead) {
                        self.around.health.wrong(&dead, "its thread died: this is a defect; what it said is in the log. Restart tripline");
                    }
                }
                _ = look.tick() => {
                    if let Some(Ok(Some(ended))) = receiver.as_mut().map(std::process::Child::try_wait) {
                        self.receiving.ended(ended);
                    }
                    self.receiving.look(&self.around.health);
                    self.failing.look(&self.around.health, &self.around.to, Instant::now());
                    let now = self.around.health.in_a_line();
                    if now != shown {
                        status(&now);
                        shown = now;
                    }
                }
            }
        }
    }

    /// Reads the configuration again. One that can't be used changes nothing and is said.
    async fn reload(&mut self, settings: &Settings) {
        let read = || -> Result<(Config, Rules), RunError> {
            let config = Config::read(&settings.config)?;
            // the keys stay those that the open ledger has
            let rules = config.rules(self.keys.secrets())?;
            Ok((config, rules))
        };
        let (config, rules) = match read() {
            Ok(read) => read,
            Err(e) => {
                self.around
                    .health
                    .wrong("configuration", format!("the old one still holds, for the new one can't be used: {e}"));
                return;
            }
        };
        let (old, new) = (&self.config.written, &config.written);
        if (&old.state_dir, &old.control_socket, &old.actions, old.outlets())
            != (&new.state_dir, &new.control_socket, &new.actions, new.outlets())
        {
            tracing::warn!(
                "state_dir, control_socket, actions, syslog, ocsf, checkpoints and webhook are read at start only: restart for them to change"
            );
        }
        self.stop().await;
        let rules = Arc::new(rules);
        tell_of_foreign(&rules);
        let (answer, cursors) = oneshot::channel();
        self.around.to.after_lines(Read::Rules(rules.clone(), answer)).await;
        let Ok(cursors) = cursors.await else { return };
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&rules);
        self.around.rules = rules;
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&config.written.notices);
        self.receiving.replace(Receiving::new(&config), &self.around.health);
        self.config = config;
        self.around.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
        match self.follow(cursors) {
            Ok(()) => {
                self.around.health.well("configuration");
                tracing::info!("the configuration was read again");
            }
            Err(e) => self.around.health.wrong("configuration", format!("the trails can't be followed: {e}")),
        }
    }
}

/// Tells systemd that we live, unless the writer is stuck.
fn alive(progress: &Progress) {
    if progress.since_beat() < STUCK {
        notify(&["WATCHDOG=1"]);
    }
}

/// What questions are answered from beside the ledger.
struct Running {
    rules: Arc<Mutex<Arc<Rules>>>,
    notices: Arc<Mutex<Notices>>,
    keys: Arc<Keys>,
    to_writer: ToWriter,
    health: Health,
    files: Files,
    progress: Arc<Progress>,
}

impl server::Daemon for Running {
    async fn commit(&self, input: Input<Prepared>) -> Result<(), String> {
        let (answer, committed) = oneshot::channel();
        self.to_writer.control(Control::Fact(Box::new(input), Some(answer))).await;
        committed.await.unwrap_or_else(|_| Err("the daemon is ending".into()))
    }

    fn notices(&self) -> Notices {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keys(&self) -> &Keys {
        &self.keys
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn status(&self) -> serde_json::Value {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |f: &crate::source::FileStatus| {
            serde_json::json!({
                "path": f.path.to_string_lossy(),
                "state": format!("{:?}", f.state).to_lowercase(),
                "offset": f.offset,
                "size": f.size,
                "lag_bytes": f.size.saturating_sub(f.consumed),
            })
        };
        let files: std::collections::BTreeMap<&String, Vec<_>> =
            files.iter().map(|(name, files)| (name, files.iter().map(shown).collect())).collect();
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "files": files,
            "coverage": self.rules().coverage(),
            "health": self.health.now(),
            "last_commit": self.progress.last_commit(),
        })
    }
}

/// The keys: from systemd's credential where there is one, else from the state directory, made on first start.
///
/// # Errors
/// They can't be read or made.
pub fn keys(state: &Path) -> Result<Keys, RunError> {
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
        .map(|d| Path::new(&d).join(crate::ledger::seal::KEY_FILE))
        .filter(|p| p.exists());
    let path = match credential {
        Some(path) => path,
        None => {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(state)
                .map_err(io(format!("making the state directory {}", state.display())))?;
            state.join(crate::ledger::seal::KEY_FILE)
        }
    };
    // beside a ledger a new key would be the wrong one: what it sealed could not be opened any more
    let may_make = !state.join(crate::ledger::FILE).exists();
    Keys::read(&path, may_make).map_err(io(format!("key {}", path.display())))
}

/// The runner: found at its socket, or started here.
fn runner(config: &Config, path: &Path) -> Result<(Option<RunnerProcess>, RunnerLink), RunError> {
    let table = &config.written.runner;
    if let Some(socket) = &table.socket {
        return Ok((None, RunnerLink::Path(socket.clone())));
    }
    let program = std::env::current_exe().map_err(io("finding our own program"))?;
    let path = std::path::absolute(path).map_err(io("finding the configuration"))?;
    let arguments: Vec<&std::ffi::OsStr> =
        vec!["hook-runner".as_ref(), "--stdin-socket".as_ref(), "-c".as_ref(), path.as_os_str()];
    let (process, stream) = RunnerProcess::spawn(&program, &arguments).map_err(io("starting the runner"))?;
    Ok((Some(process), RunnerLink::Pair(stream)))
}

/// The receiver, where trails are received and no unit does it: started here, and ends with us.
fn receiver(config: &Config, settings: &Settings) -> Result<Option<std::process::Child>, RunError> {
    let piped_only = |trail: &crate::config::written::Trail| trail.receive == [Address::Stdin];
    let needed = config.written.trail.iter().any(|trail| !trail.receive.is_empty() && !piped_only(trail));
    if config.written.receiver.unit || !needed {
        return Ok(None);
    }
    let program = std::env::current_exe().map_err(io("finding our own program"))?;
    let path = std::path::absolute(&settings.config).map_err(io("finding the configuration"))?;
    let started = std::process::Command::new(program)
        .args(["receive".as_ref(), "--with-parent".as_ref(), "-c".as_ref(), path.as_os_str()])
        .args((!settings.confine).then_some("--unconfined"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        // they are addressed to us alone
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .spawn();
    started.map(Some).map_err(io("starting the receiver"))
}

/// The number of a group, from wherever this machine keeps groups (nsswitch.conf(5)).
fn group_id(name: &str) -> Result<u32, RunError> {
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(RunError::Config(ConfigError(vec![format!("control_group {name:?}: there is no such group")]))),
        Err(e) => Err(RunError::Io(format!("control_group {name:?}: asking for its number: {e}"))),
    }
}

/// Logs what became of foreign rules: a line a folder, and a line a reason.
fn tell_of_foreign(rules: &Rules) {
    for taken in &rules.engine.policies().taken {
        tracing::info!("{}", Shown(&taken.to_string()));
        taken.set_aside.iter().for_each(|reason| tracing::warn!("{}", Shown(&reason.to_string())));
    }
}
