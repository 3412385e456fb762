//! The runner as a process of its own: faults H83 to H89, H94 and H95, and its protocol.
use crate::stand::{Stand, document, id, until};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tripline::model::TargetKind;
use tripline::respond::{Ending, Reply, Request};

#[test]
fn an_order_is_carried_out_once_however_often_it_is_handed_over() {
    let stand = Stand::new();
    stand.hook("end", "cat >> $DIR/stdin; echo x >> $DIR/ran; echo ended", "");
    let mut daemon = stand.start();
    assert_eq!(
        daemon.hello,
        Reply::Hello {
            version: tripline::respond::wire::VERSION,
            actions: vec!["end".into()],
            refused: vec![],
            outlets: vec![]
        }
    );
    daemon.say(&Request::Run { retry: false, document: document("end", 1) });
    assert_eq!(daemon.hear(), Reply::Accepted { order: id(1) });
    assert_eq!(daemon.hear(), Reply::Started { order: id(1) });
    let ended = Reply::Ended { order: id(1), ending: Ending::Done, note: "exit 0; it said: ended".into() };
    assert_eq!(daemon.hear(), ended);
    daemon.say(&Request::Run { retry: false, document: document("end", 1) });
    assert_eq!(daemon.hear(), ended, "what the journal knows");
    assert_eq!(daemon.ask(1), ended);
    assert_eq!(daemon.run("end", 2).0, Ending::Done);
    daemon.close();
    let mut again = stand.start();
    assert_eq!(again.ask(1), ended, "after a new start too");
    assert_eq!(again.run("end", 1), (Ending::Done, "exit 0; it said: ended".into()));
    assert_eq!(stand.ran(), 2);
    let stdin = std::fs::read_to_string(stand.path("stdin")).unwrap();
    let documents: Vec<_> =
        stdin.lines().map(|l| serde_json::from_str::<Box<tripline::respond::HookDocument>>(l).unwrap()).collect();
    assert_eq!(documents, [document("end", 1), document("end", 2)]);
}

#[test]
fn h83_a_runner_killed_while_the_hook_runs_reports_unknown_and_never_runs_it_again() {
    let stand = Stand::new();
    stand.hook("end", "echo x >> $DIR/ran; while [ -d $DIR ] && [ ! -e $DIR/go ]; do sleep 0.01; done", "");
    let mut daemon = stand.start();
    daemon.say(&Request::Run { retry: false, document: document("end", 1) });
    until("the hook runs", || stand.ran() == 1);
    daemon.kill();
    std::fs::write(stand.path("go"), "").unwrap();
    let mut again = stand.start();
    let (ending, note) = again.run("end", 1);
    assert_eq!(ending, Ending::Unknown);
    assert!(note.contains("died before it ended"), "{note}");
    assert!(matches!(again.ask(2), Reply::Ended { ending: Ending::NeverSeen, .. }), "before the claim");
    assert_eq!(stand.ran(), 1);
}

#[test]
fn h83_only_what_is_declared_idempotent_is_tried_again_and_only_when_asked() {
    let stand = Stand::new();
    stand.hook("plain", "echo x >> $DIR/ran; exit 75", "");
    stand.hook("again", "echo x >> $DIR/ran; exit 75", "idempotent = true");
    let mut daemon = stand.start();
    assert_eq!(daemon.run("plain", 1).0, Ending::Temporary);
    daemon.say(&Request::Run { retry: true, document: document("plain", 1) });
    let (ending, note) = daemon.end_of(1);
    assert_eq!(ending, Ending::Refused);
    assert!(note.contains("not declared idempotent"), "{note}");
    assert_eq!(daemon.run("again", 2).0, Ending::Temporary);
    assert_eq!(daemon.run("again", 2).0, Ending::Temporary);
    assert_eq!(stand.ran(), 2, "nobody asked for another try");
    daemon.say(&Request::Run { retry: true, document: document("again", 2) });
    assert_eq!(daemon.end_of(2).0, Ending::Temporary);
    assert_eq!(stand.ran(), 3);
}

#[test]
fn h83_killed_sixty_times_and_no_order_ran_twice() {
    let stand = Stand::new();
    stand.hook("end", "read doc; echo \"$TRIPLINE_ORDER\" >> $DIR/ran", "");
    for round in 0..60_u8 {
        let mut daemon = stand.start();
        for order in round..round.saturating_add(5) {
            daemon.say(&Request::Run { retry: false, document: document("end", order) });
        }
        // Kills after a number of replies that differs from round to round: claims, starts and ends in every mixture.
        // There are at least seven: one for each of four orders, and three for the one that is new.
        for _ in 0..round % 8 {
            daemon.hear();
        }
        daemon.kill();
    }
    let ran = std::fs::read_to_string(stand.path("ran")).unwrap();
    let mut orders: Vec<_> = ran.lines().collect();
    let all = orders.len();
    orders.sort_unstable();
    orders.dedup();
    assert_eq!(orders.len(), all, "an order ran twice");
    assert!(all > 5, "the test did not get as far as to run hooks: {all}");
}

#[test]
fn h84_an_executable_that_cannot_be_trusted_is_refused_and_the_others_go_on() {
    let stand = Stand::new();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    stand.action("missing", &["/nonexistent/hook"], "");
    stand.action("directory", &["/usr"], "");
    mode(&stand.hook("plain", "exit 0", ""), 0o644);
    mode(&stand.hook("writable", "exit 0", ""), 0o757);
    std::fs::create_dir(stand.path("open")).unwrap();
    stand.hook("open/planted", "exit 0", "");
    mode(&stand.path("open"), 0o1777);
    let script = stand.hook("argument.sh", "exit 0", "");
    mode(&script, 0o666);
    stand.action("argument", &["/bin/sh", script.to_str().unwrap()], "");
    stand.action("relative", &["hook"], "");
    stand.hook("good", "exit 0", "");
    let config = std::fs::read_to_string(stand.path("tripline.toml")).unwrap();
    let config = config
        .replace("[actions.open/planted]", "[actions.planted]")
        .replace("[actions.argument.sh]", "[actions.script]");
    std::fs::write(stand.path("tripline.toml"), config).unwrap();

    let mut daemon = stand.start();
    for (action, order, why) in [
        ("missing", 1, "cannot find /nonexistent/hook"),
        ("directory", 2, "is not an executable file"),
        ("plain", 3, "is not an executable file"),
        ("writable", 4, "writable by others (mode 0757): chmod go-w it"),
        ("planted", 5, "writable by others (mode 1777)"),
        ("argument", 6, "writable by others (mode 0666)"),
        ("relative", 7, "not an absolute path"),
        ("unheard-of", 8, "no action \"unheard-of\" is configured"),
    ] {
        let (ending, note) = daemon.run(action, order);
        assert_eq!(ending, Ending::Refused, "{action}: {note}");
        assert!(note.contains(why), "{action}: {note}");
        assert!(matches!(daemon.ask(order), Reply::Ended { ending: Ending::NeverSeen, .. }));
    }
    assert_eq!(daemon.run("good", 9).0, Ending::Done);
    let Reply::Hello { actions, refused, .. } = &daemon.hello else { panic!() };
    assert_eq!(actions, &["good"]);
    assert_eq!(refused.len(), 8, "{refused:?}");
}

#[test]
fn h84_an_executable_that_changed_is_refused_and_runs_again_after_a_new_start() {
    let stand = Stand::new();
    let path = stand.hook("end", "exit 0", "");
    let mut daemon = stand.start();
    assert_eq!(daemon.run("end", 1).0, Ending::Done);
    // Same length, same name, as an attacker would: other content.
    let text = std::fs::read_to_string(&path).unwrap().replace("exit 0", "exit 3");
    std::fs::write(&path, text).unwrap();
    let (ending, note) = daemon.run("end", 2);
    assert_eq!(ending, Ending::Refused);
    assert!(note.contains("was changed since the runner read its configuration"), "{note}");
    daemon.close();
    assert_eq!(stand.start().run("end", 2).0, Ending::Failed, "nothing had run under this key");
}

#[test]
fn h85_a_hook_that_hangs_is_told_to_end_and_then_killed_with_its_group() {
    let stand = Stand::new();
    let limits = "deadline_seconds = 1\ngrace_seconds = 1";
    stand.hook("polite", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done", limits);
    stand.hook(
        "stubborn",
        "trap '' TERM; (trap '' TERM; echo $$ > $DIR/leader; while :; do sleep 0.1; done) & wait; while :; do sleep 1; done",
        limits,
    );
    let mut daemon = stand.start();
    let (ending, note) = daemon.run("polite", 1);
    assert_eq!(ending, Ending::Unknown);
    let said = note.strip_prefix("ended by SIGTERM at its deadline; it said: ");
    assert!(said.is_some_and(|said| said.contains("bye")), "{note}");
    let begun = Instant::now();
    let (ending, note) = daemon.run("stubborn", 2);
    assert_eq!((ending, note.as_str()), (Ending::Unknown, "killed after its deadline and grace"));
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let leader = std::fs::read_to_string(stand.path("leader")).unwrap();
    until("nothing of the group is left", || group_is_gone(leader.trim()));
}

/// Whether no living process has that process group.
fn group_is_gone(group: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut stats = processes.filter_map(|p| std::fs::read_to_string(p.path().join("stat")).ok());
    // After the name in parentheses: state, parent, group.
    !stats.any(|stat| {
        let fields: Vec<_> = stat.rsplit_once(") ").map_or("", |(_, f)| f).split(' ').collect();
        fields.len() > 2 && fields[2] == group && fields[0] != "Z"
    })
}

#[test]
fn h86_a_grandchild_that_holds_the_output_does_not_hold_up_the_answer() {
    let stand = Stand::new();
    stand.hook("group", "echo out; echo $$ > $DIR/leader; sleep 1000 & exit 0", "");
    stand.hook(
        "session",
        "echo out; setsid sh -c 'echo $$ > $DIR/escaped; sleep 1000' & while [ ! -s $DIR/escaped ]; do :; done",
        "",
    );
    let mut daemon = stand.start();
    let begun = Instant::now();
    for (action, order) in [("group", 1), ("session", 2)] {
        assert_eq!(daemon.run(action, order), (Ending::Done, "exit 0; it said: out".into()));
    }
    assert!(begun.elapsed() < Duration::from_secs(9), "it waited for the grandchild");
    let leader = std::fs::read_to_string(stand.path("leader")).unwrap();
    until("what stayed in the group is gone", || group_is_gone(leader.trim()));
    let escaped = std::fs::read_to_string(stand.path("escaped")).unwrap();
    until("what left the group is gone too", || group_is_gone(escaped.trim()));
}

#[test]
fn h87_endless_and_binary_output_is_cut_and_escaped() {
    let stand = Stand::new();
    stand.hook("much", "head -c 300000000 /dev/zero | tr '\\0' x; exit 3", "");
    stand.hook("binary", "printf 'a\\033[2Jb\\377\\nc' >&2; exit 4", "");
    let mut daemon = stand.start();
    let (ending, note) = daemon.run("much", 1);
    assert_eq!(ending, Ending::Failed);
    assert!(note.starts_with("exit 3; it said: xxx") && note.len() <= 8 << 10, "{}", note.len());
    assert_eq!(daemon.run("binary", 2), (Ending::Failed, "exit 4; it said: a\\x1b[2Jb\\xff\\x0ac".into()));
}

#[test]
fn h88_a_hook_that_does_nothing_and_says_so_is_done_as_far_as_we_know() {
    let stand = Stand::new();
    stand.hook("lie", "exit 0", "");
    assert_eq!(stand.start().run("lie", 1), (Ending::Done, "exit 0".into()));
}

#[test]
fn h89_exit_codes_mean_what_the_table_says() {
    let stand = Stand::new();
    let cases = [
        ("exit 0", Ending::Done, "exit 0"),
        ("exit 75", Ending::Temporary, "exit 75: not now, nothing was done"),
        ("exit 65", Ending::Permanent, "exit 65: this cannot be done"),
        ("exit 1", Ending::Failed, "exit 1"),
        ("exit 255", Ending::Failed, "exit 255"),
        ("kill -9 $$", Ending::Failed, "ended by signal 9"),
        ("kill -ABRT $$", Ending::Failed, "ended by signal 6"),
        ("exec 0<&- ; exit 0", Ending::Done, "exit 0"),
    ];
    for (n, (script, ..)) in cases.iter().enumerate() {
        stand.hook(&format!("hook{n}"), script, "");
    }
    let mut daemon = stand.start();
    for (n, (script, ending, note)) in cases.iter().enumerate() {
        assert_eq!(daemon.run(&format!("hook{n}"), n as u8), (*ending, note.to_string()), "{script}");
    }
}

#[test]
fn h94_whatever_an_actor_is_called_it_reaches_the_hook_as_json_only() {
    let stand = Stand::new();
    stand.hook("end", "echo $# >> $DIR/ran; env >> $DIR/env; cat >> $DIR/stdin", "");
    let mut daemon = stand.start();
    let long = "n".repeat(10 << 10);
    let names = ["-rf", "$(touch /tmp/x)", "; rm -rf /", "a\nb\0c", "\u{1b}[2J\u{202e}", "{\"a\":1}", "", &long];
    for (n, name) in names.iter().enumerate() {
        let mut document = document("end", n as u8);
        document.target.actor = Some(name.to_string());
        document.target.session = Some(name.to_string());
        document.target.kind = TargetKind::User;
        daemon.say(&Request::Run { retry: false, document });
        assert_eq!(daemon.end_of(n as u8).0, Ending::Done, "{name:?}");
    }
    let stdin = std::fs::read_to_string(stand.path("stdin")).unwrap();
    let told: Vec<_> = stdin
        .lines()
        .map(|l| serde_json::from_str::<tripline::respond::HookDocument>(l).unwrap().target.actor.unwrap())
        .collect();
    assert_eq!(told, names);
    let counts = std::fs::read_to_string(stand.path("ran")).unwrap();
    assert!(counts.lines().all(|l| l == "0"), "no arguments: {counts}");
    let env = std::fs::read_to_string(stand.path("env")).unwrap();
    for line in env.lines() {
        let (name, value) = line.split_once('=').unwrap_or_default();
        let known = match name {
            "PATH" => value == "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG" => value == "C",
            "TRIPLINE_ORDER" => value.len() == 32,
            // The shell's own.
            "PWD" => value == "/",
            "_" | "SHLVL" | "OLDPWD" => true,
            _ => false,
        };
        assert!(known, "{line:?} reached the hook");
    }
}

#[test]
fn h95_the_hook_sees_three_descriptors_and_nothing_to_inherit() {
    let stand = Stand::new();
    stand.action("binary", &["/bin/ls", "-l", "/proc/self/fd"], "");
    stand.hook("script", "umask; pwd; ulimit -c; ls /proc/$$/fd", "");
    // What the operator's shell left open; it has no close-on-exec mark.
    let _inherited = rustix::pipe::pipe().unwrap();
    let mut daemon = stand.start();
    let (ending, note) = daemon.run("binary", 1);
    assert_eq!(ending, Ending::Done, "{note}");
    // The fourth one is the open directory of `ls` itself.
    let links = note.matches(" -> ").count();
    assert_eq!(links, 4, "{note}");
    assert_eq!(note.matches(" -> pipe:").count(), 3, "{note}");
    let (_, note) = daemon.run("script", 2);
    // The shell holds its script under a number of its own.
    let expected = "exit 0; it said: 0077\\x0a/\\x0a0\\x0a0\\x0a1\\x0a10\\x0a2";
    assert_eq!(note, expected);
}

#[test]
fn a_request_that_cannot_be_understood_ends_the_connection_and_says_why() {
    let stand = Stand::new();
    let long = [b'x'; 70_000];
    for (bytes, why) in [
        (&b"{\"op\":\"shutdown\"}\n"[..], "cannot be understood"),
        (b"\xff\xfe\n", "cannot be understood"),
        (b"{\"op\":\"hello\",\"version\":99}\n", "speaks version 99"),
        (&long, "longer than 65536 bytes"),
    ] {
        let mut daemon = stand.start();
        daemon.raw(bytes);
        let Reply::Error { message } = daemon.hear() else { panic!() };
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn more_orders_than_may_wait_are_told_so_and_nothing_is_lost() {
    let stand = Stand::new();
    stand.hook("end", "echo x >> $DIR/ran; while [ -d $DIR ] && [ ! -e $DIR/go ]; do sleep 0.02; done", "");
    let mut daemon = stand.start();
    for order in 0..80 {
        daemon.say(&Request::Run { retry: false, document: document("end", order) });
    }
    until("four hooks run", || stand.ran() == 4);
    daemon.say(&Request::Ask { order: id(200) });
    let (mut accepted, mut busy) = (0, 0);
    loop {
        match daemon.hear() {
            Reply::Accepted { .. } => accepted += 1,
            Reply::Busy { .. } => busy += 1,
            Reply::Ended { .. } => break,
            _ => {}
        }
    }
    assert_eq!(accepted + busy, 80);
    assert!((64..=68).contains(&accepted), "{accepted}");
    assert_eq!(stand.ran(), 4);
    std::fs::write(stand.path("go"), "").unwrap();
    for _ in 0..accepted {
        while !matches!(daemon.hear(), Reply::Ended { ending: Ending::Done, .. }) {}
    }
    assert_eq!(stand.ran(), accepted);
}
