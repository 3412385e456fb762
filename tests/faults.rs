//! Cases of the fault catalogue that need a whole daemon, by their numbers: what files, file systems, clocks and masses of lines do
//! to it. Each is tried with hints from the kernel and without, where hints could matter.
use crate::support::{
    self, ANY_EXPORT, DOWNLOADS, Daemon, PORTAL, Site, Tracer, difference, skip, sorted, text, until,
};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// With hints from the kernel, and without.
const WATCHING: [&[&str]; 2] = [&[], &["--no-watch"]];

/// One line of the portal at a time in milliseconds since 1970.
fn line(at: i64, n: usize, event: &str, who: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap();
    let details = match event {
        "log.export.requested" => {
            let day = &at.to_string()[..10];
            format!("{{\"export\":\"ex-{n}\",\"kind\":\"sms\",\"from\":\"{day}\",\"to\":\"{day}\",\"rows\":5}}")
        }
        _ => "{}".to_owned(),
    };
    format!(
        "{{\"ts\":\"{at:.3}\",\"id\":\"ev-{n}\",\"event\":\"{event}\",\"outcome\":\"success\",\"actor\":{{\"id\":\"u-{who}\",\
         \"name\":\"{who}\",\"type\":\"staff\",\"role\":\"noc\"}},\"session\":\"s-{who}\",\"ip\":\"192.0.2.7\",\"ua\":\"Mozilla/5.0\",\
         \"account\":\"AC1\",\"details\":{details}}}\n"
    )
}

/// Some weeks ago: no clock that is set here makes that the future.
const LONG_AGO: i64 = 1_790_000_000_000;

fn views(from: usize, to: usize) -> String {
    (from..to).map(|n| line(LONG_AGO + n as i64 * 1_000, n, "page.view", "ana")).collect()
}

/// Exports, each by another person: one finding each.
fn exports(from: usize, to: usize) -> String {
    (from..to).map(|n| export(LONG_AGO + n as i64 * 1_000, n)).collect()
}

fn export(at: i64, n: usize) -> String {
    line(at, n, "log.export.requested", &format!("p{n}"))
}

fn write(site: &Site, lines: &str) {
    site.append_to(PORTAL).write_all(lines.as_bytes()).unwrap();
}

fn portal(site: &Site) -> Value {
    site.status()["trails"]["portal"].clone()
}

/// Waits until the portal's trail has shown so many events, each once.
fn events(site: &Site, count: u64) {
    until(&format!("{count} events"), || (portal(site)["events"].as_u64()? >= count).then_some(()));
    let portal = portal(site);
    assert_eq!((portal["events"].as_u64(), portal["repeated"].as_u64()), (Some(count), Some(0)), "{portal}");
}

/// The daemon under strace, which does `inject` from its first call on.
fn start_under(site: &Site, inject: &str) -> Daemon {
    let daemon = site.command(&["run"]);
    let mut command = Command::new("strace");
    let call = inject.split(':').next().unwrap();
    // -D: the daemon is our child, and strace is nobody's
    command.args(["-D", "-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={inject}")]);
    command.arg(daemon.get_program()).args(daemon.get_args());
    site.start_with(command)
}

// ---- files ----

#[test]
fn f03_a_file_that_may_not_be_read_is_said_once_and_read_when_it_may() {
    use std::os::unix::fs::{PermissionsExt, chown};
    const NOBODY: u32 = 65_534;
    if !rustix::process::geteuid().is_root() {
        return skip("only root becomes somebody who may not read");
    }
    for watching in WATCHING {
        let site = Site::finding_exports("");
        let program = site.path("tripline");
        support::install(env!("CARGO_BIN_EXE_tripline").as_ref(), &program);
        write(&site, &views(0, 5));
        let mode = |mode| std::fs::set_permissions(site.path(PORTAL), PermissionsExt::from_mode(mode)).unwrap();
        mode(0o600);
        chown(site.dir.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        std::fs::set_permissions(site.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command.args(["run", "-c"]).arg(site.config()).args(watching);
        let daemon = site.start_with(command);
        let wrong = until("it to be said", || Some(site.status()["health"]["trail portal"].as_str()?.to_owned()));
        assert!(wrong.contains("Permission denied") && wrong.contains("tried again"), "{wrong}");
        std::thread::sleep(Duration::from_millis(2_500));
        assert_eq!(daemon.log().matches("Permission denied").count(), 1, "{}", daemon.log());
        mode(0o644);
        events(&site, 5);
        until("all to be well", || site.status()["health"]["trail portal"].is_null().then_some(()));
        daemon.stop();
    }
}

#[test]
fn f09_where_descriptors_are_few_idle_files_give_theirs_up_and_all_are_read() {
    for watching in WATCHING {
        let site = Site::bare("", "");
        std::fs::create_dir(site.path("many")).unwrap();
        let one = site.path(PORTAL);
        let many = site.path("many/*.jsonl");
        site.configure(&site.configuration().replace(one.to_str().unwrap(), many.to_str().unwrap()));
        std::fs::write(site.path(DOWNLOADS), "").unwrap();
        let each = |part: usize| {
            for n in 0..120 {
                let file = site.append_to(&format!("many/{n}.jsonl"));
                let at = part * 1_000 + n * 2;
                (&file).write_all(views(at, at + 2).as_bytes()).unwrap();
            }
        };
        each(0);
        let mut command = Command::new("sh");
        let run = site.command(&["run"]);
        command
            .args(["-c", "ulimit -n 90; exec \"$0\" \"$@\""])
            .arg(run.get_program())
            .args(run.get_args())
            .args(watching);
        let daemon = site.start_with(command);
        events(&site, 240);
        each(1);
        events(&site, 480);
        daemon.stop();
    }
}

#[test]
fn f10_f12_where_the_kernel_gives_no_hints_lines_are_found_by_looking() {
    for inject in ["inotify_init1:error=EMFILE", "inotify_add_watch:error=ENOSPC"] {
        let site = Site::finding_exports("");
        let daemon = start_under(&site, inject);
        let why = until("it to be said", || Some(site.status()["health"]["watching portal"].as_str()?.to_owned()));
        assert!(why.contains("every second instead"), "{inject}: {why}");
        write(&site, &views(0, 3));
        events(&site, 3);
        // a new generation is found, too
        std::fs::rename(site.path(PORTAL), site.path("portal-audit.jsonl.1")).unwrap();
        write(&site, &views(3, 6));
        events(&site, 6);
        daemon.stop();
    }
}

#[test]
fn f11_more_changes_than_the_kernel_can_tell_of_lose_no_line() {
    let most: usize =
        std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    write(&site, &views(0, 3));
    events(&site, 3);
    daemon.signal(Signal::STOP);
    for n in 0..most / 2 + 100 {
        // made, closed, deleted: three events
        let path = site.path(&format!("noise-{n}"));
        std::fs::write(&path, "").unwrap();
        std::fs::remove_file(path).unwrap();
    }
    write(&site, &views(3, 6));
    std::fs::rename(site.path(PORTAL), site.path("portal-audit.jsonl.1")).unwrap();
    write(&site, &views(6, 9));
    daemon.signal(Signal::CONT);
    events(&site, 9);
    write(&site, &views(9, 12));
    events(&site, 12);
    daemon.stop();
}

#[test]
fn f14_a_read_that_fails_in_the_middle_skips_nothing() {
    for watching in WATCHING {
        let site = Site::finding_exports("");
        let daemon = site.start(watching);
        write(&site, &views(0, 100));
        events(&site, 100);
        let trail = site.path(PORTAL);
        let inject = ["-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:error=EIO", "-P"];
        let tracer = Tracer::attach(&site, daemon.id(), &[&inject[..], &[trail.to_str().unwrap()]].concat());
        write(&site, &views(100, 200));
        let wrong = until("it to be said", || Some(site.status()["health"]["trail portal"].as_str()?.to_owned()));
        assert!(wrong.contains("nothing is skipped"), "{wrong}");
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(portal(&site)["events"], 100);
        tracer.end();
        events(&site, 200);
        until("all to be well", || site.status()["health"]["trail portal"].is_null().then_some(()));
        daemon.stop();
    }
}

#[test]
fn f16_lines_written_through_a_mapping_are_found() {
    for watching in WATCHING {
        let site = Site::finding_exports("");
        let daemon = site.start(watching);
        // a program that maps room ahead of its lines, and cuts the rest off at its end
        let program = "import mmap, os, sys, time\n\
            lines = sys.stdin.buffer.read()\n\
            fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n\
            os.ftruncate(fd, 1 << 16)\n\
            m = mmap.mmap(fd, 1 << 16)\n\
            at = 0\n\
            for line in lines.splitlines(True):\n    m[at:at + len(line)] = line; at += len(line); time.sleep(0.02)\n\
            time.sleep(2); m.flush(); m.close(); os.ftruncate(fd, at)\n";
        let mut writer =
            Command::new("python3").args(["-c", program]).arg(site.path(PORTAL)).stdin(Stdio::piped()).spawn().unwrap();
        writer.stdin.take().unwrap().write_all(views(0, 40).as_bytes()).unwrap();
        events(&site, 40);
        assert!(writer.wait().unwrap().success());
        write(&site, &views(40, 45));
        events(&site, 45);
        daemon.stop();
    }
}

// ---- encodings ----

#[test]
fn e43_e51_names_are_their_bytes_and_are_shown_escaped() {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    // Latin and Cyrillic, composed and decomposed, a direction override, a zero width, and bytes that are no UTF-8
    let names = ["ana", "\u{430}na", "\u{e9}va", "e\u{301}va", "a\u{202e}na", "a\u{200b}na"];
    for (n, name) in names.iter().enumerate() {
        write(&site, &line(LONG_AGO + n as i64 * 1_000, n, "log.export.requested", name));
    }
    let raw = line(LONG_AGO + 60_000, 99, "log.export.requested", "?na").replace('?', "\u{1}");
    let raw: Vec<u8> = raw.bytes().map(|b| if b == 1 { 0xff } else { b }).collect();
    site.append_to(PORTAL).write_all(&raw).unwrap();
    events(&site, 7);
    let found = site.json(&["findings", "list", "--policy", "any_export"]);
    let actors = sorted(found.iter().map(|f| f["finding"]["subject"]["actor"].as_str().unwrap().to_owned()));
    assert_eq!(actors.iter().collect::<std::collections::BTreeSet<_>>().len(), 7, "each is somebody else: {actors:?}");
    let shown = site.say(&["findings", "list", "--policy", "any_export"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for hidden in ["\u{202e}", "\u{200b}", "\u{1b}"] {
        assert!(!shown.contains(hidden), "{shown:?}");
    }
    daemon.stop();
}

// ---- time ----

#[test]
fn t56_an_event_a_day_late_counts_in_its_own_time_and_beyond_the_bound_it_is_said() {
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    let day = 86_400_000;
    write(&site, &line(LONG_AGO, 1, "page.view", "ana"));
    write(&site, &line(LONG_AGO - day, 2, "page.view", "ana"));
    write(&site, &line(LONG_AGO - 3 * day, 3, "page.view", "ana"));
    events(&site, 3);
    let portal = portal(&site);
    assert_eq!((portal["late"].as_u64(), portal["newest"].as_i64()), (Some(1), Some(LONG_AGO)), "{portal}");
    daemon.stop();
    assert!(site.findings("state").is_empty(), "to be late is no alarm");
}

/// The daemon with a clock that the test sets.
struct Clock(Site);

impl Clock {
    fn set(&self, offset: &str) {
        std::fs::write(self.0.path("clock"), format!("{offset}\n")).unwrap();
    }

    fn start(&self) -> Option<Daemon> {
        // the library lies in a folder that is named after the machine's kind
        let kinds = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
        let library = kinds.map(|kind| kind.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let Some(library) = library else {
            skip("faketime is not there");
            return None;
        };
        self.set("+0");
        let mut command = self.0.command(&["run"]);
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", self.0.path("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Some(self.0.start_with(command))
    }
}

#[test]
fn t58_a_clock_that_is_set_back_and_far_forward_changes_nothing_that_is_found() {
    let parts = [exports(0, 20), exports(20, 40), exports(40, 60), exports(60, 80)];
    let undisturbed = Site::finding_exports("");
    let daemon = undisturbed.start(&[]);
    parts.iter().for_each(|part| write(&undisturbed, part));
    undisturbed.caught_up();
    daemon.stop();
    let clock = Clock(Site::finding_exports(""));
    let Some(daemon) = clock.start() else { return };
    for (part, offset) in parts.iter().zip(["+0", "-1h", "+365d", "+0"]) {
        clock.set(offset);
        write(&clock.0, part);
        clock.0.caught_up();
    }
    // that it has jumped is said
    let health = clock.0.status()["health"].as_object().map(|h| h.keys().filter(|k| *k != "orders").cloned().collect());
    assert_eq!(health, Some(vec!["clock".to_owned()]));
    daemon.stop();
    let (one, other) = (clock.0.dump("state"), undisturbed.dump("state"));
    let (here, there) = difference(&one, &other);
    assert!(one == other, "with the clock set only: {:.600}\nundisturbed only: {:.600}", here.concat(), there.concat());
}

#[test]
fn t59_a_machine_that_slept_reads_everything_that_came_meanwhile() {
    let clock = Clock(Site::finding_exports(""));
    let Some(daemon) = clock.start() else { return };
    write(&clock.0, &exports(0, 5));
    clock.0.caught_up();
    daemon.signal(Signal::STOP);
    clock.set("+8h");
    write(&clock.0, &exports(5, 10));
    std::fs::rename(clock.0.path(PORTAL), clock.0.path("portal-audit.jsonl.1")).unwrap();
    write(&clock.0, &exports(10, 15));
    daemon.signal(Signal::CONT);
    events(&clock.0, 15);
    daemon.stop();
    let findings = clock.0.findings("state");
    assert_eq!(findings.iter().filter(|f| f.contains("any_export")).count(), 15, "{findings:?}");
}

#[test]
fn t60_a_trail_that_is_silent_or_five_minutes_behind_holds_up_no_other() {
    for watching in WATCHING {
        let site = Site::finding_exports("");
        let daemon = site.start(watching);
        // nothing comes from downloads
        write(&site, &exports(0, 10));
        events(&site, 10);
        let download = |n: usize, at: i64| {
            let at = jiff::Timestamp::from_millisecond(at).unwrap().strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            format!("192.0.2.7 - ana [{at}] \"GET /exports/ex-{n} HTTP/1.1\" 200 500 \"-\" \"Mozilla/5.0\"\n")
        };
        for n in 10..20 {
            let at = LONG_AGO + n as i64 * 1_000;
            write(&site, &exports(n, n + 1));
            site.append_to(DOWNLOADS).write_all(download(n, at - 300_000).as_bytes()).unwrap();
        }
        site.caught_up();
        let trails = site.status()["trails"].clone();
        assert_eq!(
            (trails["portal"]["events"].as_u64(), trails["portal"]["late"].as_u64()),
            (Some(20), Some(0)),
            "{trails}"
        );
        assert_eq!(trails["downloads"]["late"], 0, "{trails}");
        daemon.stop();
    }
}

#[test]
fn t61_events_of_one_moment_have_the_same_ids_whenever_they_are_read() {
    let lines: Vec<String> = (0..60).map(|n| export(LONG_AGO, n)).collect();
    let live = Site::finding_exports("");
    let daemon = live.start(&[]);
    for piece in lines.chunks(7) {
        write(&live, &piece.concat());
        live.caught_up();
    }
    daemon.stop();
    let at_once = Site::finding_exports("");
    write(&at_once, &lines.concat());
    let daemon = at_once.start(&["--no-watch"]);
    at_once.caught_up();
    daemon.stop();
    assert_eq!(live.findings("state"), at_once.findings("state"));
    assert_eq!(live.findings("state").len(), 60);
}

#[test]
fn t62_a_year_of_old_lines_fires_no_hook_and_takes_bounded_memory() {
    let site = Site::finding_exports("[response]\nmode = 'enforce'\nlimit = 1000\nlimit_share = 1.0\n");
    let hook = site.hook("end-session", "cat > /dev/null; echo told >> $DIR/journal");
    site.configure(&format!("{}[actions.end-session]\ncommand = ['{}']\n", site.configuration(), hook.display()));
    let year = 365 * 86_400_000_i64;
    let now = jiff::Timestamp::now().as_millisecond();
    let many: String = (0..4_000)
        .map(|n| {
            let event = if n % 100 == 0 { "log.export.requested" } else { "page.view" };
            line(now - year - 86_400_000 + n as i64 * (year / 4_000), n, event, &format!("p{}", n % 50))
        })
        .collect();
    write(&site, &many);
    let daemon = site.start(&[]);
    site.caught_up();
    let orders = site.json(&["orders", "list", "--limit", "1000"]);
    assert!(orders.len() > 20, "{}", orders.len());
    assert!(orders.iter().all(|o| o["state"] == "refused"), "{orders:?}");
    assert!(!site.path("journal").exists(), "a hook ran");
    assert!(resident(&daemon) < 512 << 20, "{} bytes", resident(&daemon));
    daemon.stop();
}

/// The memory that a daemon has, in bytes.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

// ---- masses ----

#[test]
fn v63_v65_a_burst_of_one_person_is_read_to_its_end_in_bounded_memory_and_state() {
    const MANY: usize = 20_000;
    let site = Site::finding_exports("");
    let daemon = site.start(&[]);
    let burst: String = (0..MANY).map(|n| line(LONG_AGO + n as i64 * 60, n, "log.export.requested", "ana")).collect();
    write(&site, &burst);
    site.caught_up();
    events(&site, MANY as u64);
    assert!(resident(&daemon) < 512 << 20, "{} bytes", resident(&daemon));
    daemon.stop();
    // what is kept of somebody does not grow with what he does
    let path = site.path("state/ledger.sqlite");
    let sizes = tripline::ledger::Reader::open(&path).unwrap().state_sizes(Duration::from_secs(60)).unwrap();
    let largest = sizes.iter().map(|size| size.largest_bytes).max().unwrap();
    let ledger = rusqlite::Connection::open(path).unwrap();
    assert!(largest < 128 << 10, "{largest} bytes");
    let longest: u64 = ledger.query_row("SELECT max(length(body)) FROM findings", [], |r| r.get(0)).unwrap();
    assert!(longest < 64 << 10, "{longest} bytes");
}

#[test]
fn v66_a_policy_that_fires_always_says_so_once() {
    let site = Site::finding_exports("");
    // one that asks for an order is heard beyond the limit
    let only_told = ANY_EXPORT.split("tripline:").next().unwrap();
    site.policy("any-export", only_told);
    let daemon = site.start(&[]);
    let within_an_hour: String = (0..1_000).map(|n| export(LONG_AGO + n as i64 * 60, n)).collect();
    write(&site, &within_an_hour);
    site.caught_up();
    daemon.stop();
    let found = site.findings("state");
    let of = |policy: &str| found.iter().filter(|f| f.split(' ').nth(1) == Some(policy)).count();
    assert_eq!(of("any_export"), 200, "{found:?}");
    let said = found.iter().filter(|f| f.contains("policy=any_export"));
    assert_eq!(said.count(), 1, "{found:?}");
}

#[test]
fn v68_v69_a_receiver_that_is_away_gets_everything_in_order_and_lists_are_bounded() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let site = Site::finding_exports(&format!("[syslog.away]\ntransport = 'tcp'\naddress = '{address}'\n"));
    let daemon = site.start(&[]);
    // under the limit of an hour each, for eight hours
    let lines: String = (0..1_200).map(|n| export(LONG_AGO + n as i64 * 24_000, n)).collect();
    write(&site, &lines);
    site.caught_up();
    let waiting = until("them to wait", || {
        let waiting =
            site.status()["outlets"].as_array()?.iter().find(|o| o["name"].to_string().contains("away"))?["waiting"]
                .as_u64()?;
        (waiting >= 1_200).then_some(waiting)
    });
    let found = site.json(&["findings", "list", "--limit", "100000"]);
    assert_eq!(found.iter().filter(|f| f["finding"]["policy"] == "any_export").count(), 1_200);
    assert_eq!(site.json(&["findings", "list"]).len(), 100, "the newest, unless more is asked for");
    let listener = std::net::TcpListener::bind(address).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut reader = BufReader::new(stream);
    let mut seen = Vec::new();
    while (seen.len() as u64) < waiting {
        let mut length = Vec::new();
        reader.read_until(b' ', &mut length).unwrap();
        let length: usize = std::str::from_utf8(&length).unwrap().trim().parse().unwrap();
        let mut message = vec![0; length];
        reader.read_exact(&mut message).unwrap();
        seen.push(String::from_utf8(message).unwrap());
    }
    let times: Vec<&str> = seen
        .iter()
        .filter(|m| m.contains("any_export") && m.contains("FINDING"))
        .map(|m| m.split(' ').nth(1).unwrap())
        .collect();
    assert!(times.len() >= 1_200 && times.is_sorted(), "{} in order: {}", times.len(), times.is_sorted());
    daemon.stop();
}

#[test]
fn v67_a_carrier_that_gives_everybody_a_new_address_is_no_thousand_alarms() {
    let site = Site::bare("", "");
    let day = 86_400_000_i64;
    let people = 200;
    let mut lines = String::new();
    let mut n = 0;
    // three weeks from their own addresses, and then, within an hour, all from a network that nobody had
    for at in 0..=21 {
        for who in 0..people {
            n += 1;
            let ip = if at < 21 {
                format!("198.51.{}.{}", who / 100, who % 100)
            } else {
                format!("203.0.113.{}", who % 250)
            };
            let time = LONG_AGO + at * day + i64::from(who) * 15_000;
            lines += &line(time, n, "session.login", &format!("p{who}")).replace("192.0.2.7", &ip);
        }
    }
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    write(&site, &lines);
    let out = site.say(&["replay", "--severity", "medium", "--format", "ocsf"]);
    assert!(out.status.success(), "{}", text(&out));
    let found: Vec<Value> =
        String::from_utf8(out.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let high = found.iter().filter(|f| f["class_uid"] == 2004 && f["severity_id"].as_u64() >= Some(4)).count();
    let orders = found.iter().filter(|f| f["class_uid"] == 7001).count();
    println!("{high} high, {orders} orders, {} in all", found.len());
    assert!(high <= 2 && orders <= 2 && found.len() <= 210, "{high} high, {orders} orders, {} in all", found.len());
}

// ---- configuration ----

#[test]
fn c101_rules_that_are_too_large_too_many_or_too_dear_are_refused_or_cost_little() {
    let site = Site::finding_exports("");
    let huge = site.path("policies/detections/huge.yml");
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(100 << 20).unwrap();
    let out = site.say(&["check"]);
    assert_eq!(out.status.code(), Some(78), "{:.300}", text(&out));
    assert!(text(&out).contains("huge.yml"), "{:.300}", text(&out));
    std::fs::remove_file(&huge).unwrap();
    // a pattern that costs a backtracking engine for ever
    let dear = ANY_EXPORT
        .replace("any_export", "dear")
        .replace("{ activity_name: export_requested }", "{ actor.user.name|re: '^(a+)+$' }");
    site.policy("dear", &dear);
    for n in 0..2_000 {
        let one = ANY_EXPORT.replace("any_export", &format!("rule_{n}")).replace("Any export", &format!("Rule {n}"));
        site.policy(&format!("rule-{n}"), &one);
    }
    let out = site.say(&["check"]);
    assert_eq!(out.status.code(), Some(0), "{:.300}", text(&out));
    assert!(text(&out).contains("can be used"), "{:.300}", text(&out));
    write(&site, &line(LONG_AGO, 1, "page.view", &("a".repeat(5_000) + "!")));
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    assert!(site.say(&["replay"]).status.success());
}
