//! A hook with `reads` or `writes` touches nothing else of the file system, where the kernel has Landlock.
use crate::servers::secret;
use crate::stand::{Stand, document, until};
use tripline::respond::{Ending, RunnerSettings};

/// Why the tests below say nothing here, if they do not.
fn lacking() -> Option<String> {
    let settings: RunnerSettings = toml::from_str("[actions.a]\ncommand = ['/bin/true']\nreads = []").unwrap();
    let lacking = settings.actions["a"].caution();
    if let Some(lacking) = &lacking {
        crate::support::skip(lacking);
    }
    lacking
}

/// What a hook finds that it can do: each step prints a letter if it succeeds.
const TRIES: &str = "exec 2> /dev/null; cat > /dev/null
    cat $DIR/allowed/file > /dev/null && echo -n r
    echo x > $DIR/changed/new && echo -n w
    cat $DIR/changed/new > /dev/null && echo -n W
    cat $DIR/secret > /dev/null && echo -n S
    echo x > $DIR/allowed/new && echo -n A
    echo x > $DIR/new && echo -n N
    rm $DIR/secret && echo -n D
    ls $DIR > /dev/null && echo -n L
    cp /bin/true $DIR/changed/true && $DIR/changed/true && echo -n X
    kill -0 $PPID && echo -n K
    cat /etc/hosts > /dev/null && echo -n h
    exit 0";

fn stand() -> Stand {
    let stand = Stand::new();
    for folder in ["allowed", "changed"] {
        std::fs::create_dir(stand.path(folder)).unwrap();
    }
    std::fs::write(stand.path("allowed/file"), "x").unwrap();
    secret(stand.dir.path(), "secret", "x");
    stand
}

#[test]
fn a_confined_hook_touches_what_its_action_names_and_an_unconfined_one_all() {
    if lacking().is_some() {
        return;
    }
    let stand = stand();
    stand.hook("free", TRIES, "");
    let (allowed, changed) = (stand.path("allowed"), stand.path("changed"));
    stand.hook("confined", TRIES, &format!("reads = [{allowed:?}]\nwrites = [{changed:?}]"));
    let mut daemon = stand.start();
    // First the confined one: the other one takes the secret away.
    for (n, name, can) in [(1, "confined", "rwWh"), (2, "free", "rwWSANDLXKh")] {
        let (ending, note) = daemon.run(name, n);
        assert_eq!(ending, Ending::Done, "{note}");
        assert_eq!(note, format!("exit 0; it said: {can}"), "{name}");
    }
}

#[test]
fn the_runner_itself_and_other_hooks_stay_free() {
    if lacking().is_some() {
        return;
    }
    let stand = stand();
    let marks = stand.path("changed");
    stand.hook(
        "confined",
        "cat > /dev/null; while [ -d $DIR ] && [ ! -e $DIR/changed/go ]; do sleep 0.01; done",
        &format!("writes = [{marks:?}]"),
    );
    stand.hook("free", "cat > /dev/null; echo ran >> $DIR/ran", "");
    let mut daemon = stand.start();
    daemon.say(&tripline::respond::Request::Run { retry: false, document: document("confined", 1) });
    assert_eq!(daemon.run("free", 2).0, Ending::Done, "beside a confined one, and the journal is written");
    std::fs::write(stand.path("changed/go"), "").unwrap();
    assert_eq!(daemon.end_of(1).0, Ending::Done);
    assert_eq!(daemon.run("free", 3).0, Ending::Done);
    until("both ran", || stand.ran() == 2);
}

#[test]
fn a_deadline_holds_for_a_confined_hook() {
    if lacking().is_some() {
        return;
    }
    let stand = stand();
    stand.hook("hang", "trap '' TERM; sleep 600 & sleep 600", "reads = []\ndeadline_seconds = 1\ngrace_seconds = 1");
    let mut daemon = stand.start();
    let (ending, note) = daemon.run("hang", 1);
    assert!(ending == Ending::Unknown && note.contains("killed after its deadline"), "{note}");
}

#[test]
fn a_path_that_is_not_there_refuses_the_action() {
    let stand = stand();
    stand.hook("gone", "exit 0", "reads = ['/nowhere/at/all']");
    let daemon = stand.start();
    let tripline::respond::Reply::Hello { refused, .. } = &daemon.hello else { panic!("a greeting") };
    assert!(refused[0].1.contains("`reads`: /nowhere/at/all"), "{refused:?}");
    let settings: RunnerSettings = toml::from_str("[actions.a]\ncommand = ['/bin/true']\nwrites = ['here']").unwrap();
    assert!(settings.actions["a"].fault().unwrap().contains("not an absolute path"));
}
