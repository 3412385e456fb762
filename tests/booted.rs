//! tripline under a real systemd, installed as the book says: see `tests/boot`.
use std::path::Path;
use std::process::Command;

/// Exit code of a machine that may not boot another.
const MAY_NOT: i32 = 77;

fn boot(arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boot"));
    command.args(arguments);
    command
}

#[test]
fn it_starts_and_works_as_the_book_says() {
    let probe = boot(&["--probe"]).output().unwrap();
    if probe.status.code() == Some(MAY_NOT) {
        return crate::support::skip(String::from_utf8_lossy(&probe.stdout));
    }
    let out = boot(&["--binary", env!("CARGO_BIN_EXE_tripline")]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    // past what the test's runner keeps to itself, for the figures are worth reading
    let _ = std::io::Write::write_all(&mut std::io::stderr(), said.as_bytes());
    assert!(out.status.success(), "{said}");
}

#[test]
fn the_book_has_what_it_is_installed_by() {
    let out = boot(&["--list"]).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.contains("commands install it"), "{said}");
}
