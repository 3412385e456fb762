//! The hook of the demo: takes a session's file out of the throw-away provider's session store, as the recipes do.
//!
//! A portal that keeps its sessions in files (PHP's own way) knows a session only as long as `sess_<id>` is there.
use crate::cli::{Exit, Failure};
use crate::respond::HookDocument;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The longest document that is read, in bytes.
const DOCUMENT_BYTES: u64 = 64 << 10;

/// Reads what is to be ended from standard input, and ends it.
///
/// # Errors
/// The document can't be read, names no session that could be one, or the file can't be removed.
pub fn run(sessions: &Path) -> Result<Exit, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(DOCUMENT_BYTES)
        .read_to_string(&mut text)
        .map_err(|e| Failure::new(format!("reading the order: {e}")))?;
    let document: HookDocument =
        serde_json::from_str(&text).map_err(|e| Failure::new(format!("the order can't be read: {e}")))?;
    if document.test {
        println!("this is a test: nothing was ended");
        return Ok(Exit::Done);
    }
    let Some(session) = document.target.session.filter(|s| is_session(s)) else {
        return Err(Failure::new("the order names no session that could be one of ours"));
    };
    match std::fs::remove_file(sessions.join(super::portal::file_of(&session))) {
        Ok(()) => println!("signed out"),
        Err(e) if e.kind() == ErrorKind::NotFound => println!("was signed out already"),
        Err(e) => return Err(Failure::new(format!("removing the session's file: {e}"))),
    }
    Ok(Exit::Done)
}

/// A session id becomes part of a path: only what our portal makes is one.
fn is_session(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::is_session;

    #[test]
    fn what_could_leave_the_folder_is_no_session() {
        assert!(is_session("0123abc"));
        for text in ["", "..", "a/b", "../x", "a\0", &"a".repeat(65)] {
            assert!(!is_session(text), "{text:?}");
        }
    }
}
