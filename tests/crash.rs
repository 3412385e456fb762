//! The daemon or the runner dies at a system call between the finding and the proof, at each of them in turn: the hook is
//! told once at most, and nothing is left undecided in silence.
//!
//! strace kills the process on the way into its n-th write, sync, fork or exec since the line that leads to the order was
//! written. Here some n of each; TRIPLINE_CRASHES=400 tries all up to that one (tests/sweep crashes).
use crate::support::{Daemon, PORTAL, Site, Tracer, until};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;
use std::time::{Duration, Instant};

/// Whatever leaves a trace outside the process, or asks the kernel for something that does.
const CALLS: &str = "write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,clone,clone3,vfork,fork,execve,execveat,renameat,rename,ftruncate";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Daemon,
    Runner,
}

fn site() -> Site {
    let site = Site::finding_exports("");
    site.hook("end-session", "cat > /dev/null; printf 'told\\n' >> $DIR/journal");
    std::fs::write(site.path("staff.csv"), "actor,role\nana,noc\nbob,admin\n").unwrap();
    let dir = site.dir.path().display().to_string();
    site.configure(&format!(
        "{}[response]\nmode = 'enforce'\nwatch_seconds = 1\n[enrich]\ndirectory = '{dir}/staff.csv'\n\
         [actions.end-session]\ncommand = ['{dir}/end-session']\n[runner]\nsocket = '{dir}/runner.sock'\nstate_dir = '{dir}/keys'\n",
        site.configuration()
    ));
    site
}

/// A runner in a process of its own, as systemd has it. It ends with the test.
fn runner(site: &Site) -> Daemon {
    let socket = site.path("runner.sock");
    let _ = std::fs::remove_file(&socket);
    let running = site.spawn(site.command(&["hook-runner", "--socket", socket.to_str().unwrap()]));
    until("the runner to listen", || socket.exists().then_some(()));
    running
}

fn export() -> String {
    let ts = jiff::Timestamp::now();
    format!(
        "{{\"ts\":\"{ts:.3}\",\"id\":\"ev-1\",\"event\":\"log.export.requested\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-1\",\
         \"name\":\"ana\",\"type\":\"staff\",\"role\":\"noc\"}},\"session\":\"s-1\",\"ip\":\"192.0.2.7\",\"ua\":\"Mozilla/5.0\",\
         \"account\":\"AC1\",\"details\":{{\"export\":\"ex-1\",\"kind\":\"sms\",\"rows\":5}}}}\n"
    )
}

/// Lets strace kill `process` on the way into its `n`-th call of [`CALLS`] from now on.
fn deadly(site: &Site, process: u32, n: usize) -> Tracer {
    let (trace, inject) = (format!("trace={CALLS}"), format!("inject={CALLS}:signal=SIGKILL:when={n}"));
    Tracer::attach(site, process, &["-e", &trace, "-e", &inject, "-o", "/dev/null"])
}

/// The order, once it has been decided and it has been looked whether it held.
fn decided(site: &Site) -> Option<Value> {
    // asked while it may be dying
    let order = site.ask("{\"ask\":\"orders\",\"limit\":1,\"state\":null}")?;
    let over = ["done", "failed", "unknown", "refused"].contains(&order["state"].as_str()?);
    (over && order["verification"]["result"] != "watching").then_some(order)
}

/// Whether the victim died before everything was over.
fn dies(victim: Victim, n: usize) -> bool {
    let site = site();
    let mut runner_ = runner(&site);
    let mut daemon = site.start(&[]);
    until("the runner to be there", || {
        let status = site.status().to_string();
        (!status.contains("no order is carried out")).then_some(())
    });
    let process = if victim == Victim::Daemon { daemon.id() } else { runner_.id() };
    let tracer = deadly(&site, process, n);
    site.append_to(PORTAL).write_all(export().as_bytes()).unwrap();
    let end = Instant::now() + Duration::from_secs(15);
    let died = loop {
        let gone = match victim {
            Victim::Daemon => daemon.has_ended(),
            Victim::Runner => runner_.has_ended(),
        };
        if gone {
            break true;
        }
        if decided(&site).is_some() || Instant::now() > end {
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    drop(tracer);
    match (died, victim) {
        (true, Victim::Daemon) => daemon = site.start(&[]),
        (true, Victim::Runner) => runner_ = runner(&site),
        (false, _) => {}
    }
    let order = until(&format!("the order to be decided ({victim:?} at {n})"), || decided(&site));
    let told = std::fs::read_to_string(site.path("journal")).unwrap_or_default().lines().count();
    let state = order["state"].as_str().unwrap();
    match state {
        "done" => assert_eq!(told, 1, "{victim:?} at {n}: {order}"),
        "unknown" => assert!(told <= 1, "{victim:?} at {n}: {told} times: {order}"),
        other => panic!("{victim:?} at {n}: {other}: {order}"),
    }
    // what nobody knows, somebody is told of
    if state == "unknown" {
        let said = site.json(&["findings", "list", "--policy", "response_failed"]);
        assert!(!said.is_empty(), "{victim:?} at {n}: {order}");
    }
    println!("{victim:?} at {n}: {}, {state}, told {told} times", if died { "died" } else { "lived" });
    daemon.signal(Signal::TERM);
    daemon.wait();
    runner_.signal(Signal::TERM);
    runner_.wait();
    died
}

fn sweep(victim: Victim, some: &[usize]) {
    let all = std::env::var("TRIPLINE_CRASHES").ok().map(|n| n.parse::<usize>().unwrap());
    let mut died = 0;
    let mut lived = 0;
    let points: Vec<usize> = all.map_or_else(|| some.to_vec(), |n| (1..=n).collect());
    for n in points {
        match dies(victim, n) {
            true => (died, lived) = (died + 1, 0),
            false => lived += 1,
        }
        // beyond the last of its calls
        if lived == 5 {
            break;
        }
    }
    println!("{victim:?}: died {died} times");
    assert!(died > 0, "nothing was tried");
}

#[test]
fn h83_a_daemon_that_dies_at_any_step_tells_the_hook_once_and_leaves_nothing_undecided() {
    sweep(Victim::Daemon, &[1, 2, 3, 5, 8, 13]);
}

#[test]
fn h83_a_runner_that_dies_at_any_step_tells_the_hook_once_and_leaves_nothing_undecided() {
    sweep(Victim::Runner, &[1, 2, 3, 4, 6, 9]);
}
