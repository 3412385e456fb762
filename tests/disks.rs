//! Real file systems that are full or must not be written: a tmpfs with a limit, and ext4 on a loop device. Needs root and mounts.
use crate::support::{DOWNLOADS, PORTAL, Site, World, difference, skip, text, until};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system, taken away at the end.
struct Mounted(PathBuf);

impl Mounted {
    /// A tmpfs, or ext4 in a file beside it, at `at`; nothing where this may not be mounted here.
    fn new(kind: &str, at: &Path) -> Option<Mounted> {
        std::fs::create_dir_all(at).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program)
                .args(arguments)
                .output()
                .map_err(|e| e.to_string())
                .and_then(|out| if out.status.success() { Ok(()) } else { Err(text(&out)) })
        };
        let path = at.to_str().unwrap();
        let done = match kind {
            "tmpfs" => run("mount", &["-t", "tmpfs", "-o", "size=256m,mode=0700", "tmpfs", path]),
            _ => {
                let image = at.with_extension("img");
                std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
                let image = image.to_str().unwrap();
                run("mkfs.ext4", &["-q", "-m", "0", image]).and_then(|()| run("mount", &["-o", "loop", image, path]))
            }
        };
        match done {
            Ok(()) => Some(Mounted(at.to_owned())),
            Err(why) => {
                skip(format_args!("{kind} can't be mounted here: {why}"));
                None
            }
        }
    }

    /// Fills it to its last block.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        for size in [1 << 20, 4096, 1] {
            // ends: the file system is small
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        filler
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // lazily: what still runs below it ends by itself
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn feed(site: &Site, world: &World, from: usize, to: usize) {
    for name in [PORTAL, DOWNLOADS] {
        let bytes = world.read(name);
        let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        let part = |n: usize| lines.len() * n / 4;
        site.append_to(name).write_all(&lines[part(from)..part(to)].concat()).unwrap();
    }
}

#[test]
fn f13_a_file_system_that_goes_and_comes_again_or_must_not_be_written_loses_no_line() {
    for watching in [&[][..], &["--no-watch"]] {
        let site = Site::bare("", "");
        let Some(disk) = Mounted::new("ext4", &site.path("logs")) else { return };
        let log = site.path("logs/portal.jsonl");
        let portal = site.path(PORTAL);
        site.configure(&site.configuration().replace(portal.to_str().unwrap(), log.to_str().unwrap()));
        std::fs::write(site.path(DOWNLOADS), "").unwrap();
        let write = |from: usize| {
            let lines: String = (from..from + 5)
                .map(|n| format!("{{\"ts\":\"2026-09-01T00:00:00.000Z\",\"id\":\"e{n}\",\"event\":\"page.view\"}}\n"))
                .collect();
            site.append_to("logs/portal.jsonl").write_all(lines.as_bytes()).unwrap();
        };
        let lines = |count: u64| {
            until(&format!("{count} lines"), || (site.status()["trails"]["portal"]["lines"] == count).then_some(()));
        };
        let mount = |arguments: &[&str]| {
            assert!(Command::new("mount").args(arguments).arg(&disk.0).status().unwrap().success())
        };
        write(0);
        let daemon = site.start(watching);
        lines(5);
        // it may still be read where it must not be written
        mount(&["-o", "remount,ro"]);
        std::thread::sleep(std::time::Duration::from_millis(1_200));
        mount(&["-o", "remount,rw"]);
        write(5);
        lines(10);
        // gone under us, and back
        assert!(Command::new("umount").arg("-l").arg(&disk.0).status().unwrap().success());
        std::thread::sleep(std::time::Duration::from_millis(2_500));
        mount(&["-o", "loop", disk.0.with_extension("img").to_str().unwrap()]);
        write(10);
        lines(15);
        std::fs::rename(&log, site.path("logs/portal.jsonl.1")).unwrap();
        write(15);
        lines(20);
        daemon.stop();
        let trail = site.json(&["status", "--socket", "/nowhere"]).remove(0)["trails"]["portal"].clone();
        assert_eq!((trail["lines"].as_u64(), trail["gaps"].as_u64()), (Some(20), Some(0)), "{trail}");
    }
}

#[test]
fn f17_s72_a_disk_that_is_full_stops_everything_until_there_is_room_and_nothing_is_lost() {
    let world = World::make(5);
    let undisturbed = Site::following(&world, "");
    feed(&undisturbed, &world, 0, 4);
    let daemon = undisturbed.start(&[]);
    undisturbed.caught_up();
    daemon.stop();
    let expected = undisturbed.dump("state");
    for kind in ["tmpfs", "ext4"] {
        let site = Site::following(&world, "");
        let Some(disk) = Mounted::new(kind, &site.path("state")) else { continue };
        let daemon = site.start(&[]);
        feed(&site, &world, 0, 1);
        site.caught_up();
        let filler = disk.fill();
        feed(&site, &world, 1, 3);
        let why = until("the full disk to be said", || Some(site.status()["health"]["ledger"].as_str()?.to_owned()));
        assert!(why.contains("make room"), "{kind}: {why}");
        // it is asked and answers while it waits, and its cursors stand still
        let before = site.status()["last_commit"].clone();
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert_eq!(site.status()["last_commit"], before, "{kind}");
        std::fs::remove_file(filler).unwrap();
        feed(&site, &world, 3, 4);
        site.caught_up();
        assert!(site.status()["health"]["ledger"].is_null(), "{kind}: {}", site.status());
        daemon.stop();
        let dump = site.dump("state");
        let (one, other) = difference(&dump, &expected);
        assert!(dump == expected, "{kind}: full only: {one:#?}\nundisturbed only: {other:#?}");
        let verified = site.say(&["verify"]);
        assert!(verified.status.success(), "{kind}: {}", text(&verified));
    }
}

#[test]
fn f18_a_state_directory_on_a_disk_that_must_not_be_written_is_refused_at_start() {
    for kind in ["tmpfs", "ext4"] {
        let site = Site::bare("", "");
        std::fs::write(site.path(PORTAL), "").unwrap();
        std::fs::write(site.path(DOWNLOADS), "").unwrap();
        let Some(disk) = Mounted::new(kind, &site.path("state")) else { continue };
        for made in [false, true] {
            if made {
                site.start(&[]).stop();
            }
            let mounted = |how: &str| Command::new("mount").args(["-o", how]).arg(&disk.0).status().unwrap().success();
            assert!(mounted("remount,ro"), "{kind}");
            let out = site.say(&["run"]);
            assert_eq!(out.status.code(), Some(78), "{kind}, made before: {made}: {}", text(&out));
            assert!(text(&out).contains("state"), "{}", text(&out));
            assert!(mounted("remount,rw"), "{kind}");
        }
    }
}
