//! Whatever is changed in what was recorded is seen, and said for what it is.
use crate::servers;
use crate::support::{self, DOWNLOADS, PORTAL, Site};
use rusqlite::Connection;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use tripline::ledger::note::{Checkpoint, notes_in};
use tripline::ledger::verify::{Fault, Verified};
use tripline::ledger::{FILE, Keys, Reader};

/// A policy that finds something in a trail of three lines.
const POLICY: &str = "title: A login\nid: 3a1a2f35-6c55-5d0f-8e0e-1c1d6b1c0001\nname: a_login\nlevel: high\n\
    logsource: { product: ocsf }\ndetection: { sel: { activity_name: login }, condition: sel }\ntripline: { episode: 1h }\n";

/// The ledger as it was before the last line.
const OLDER: &str = "older.sqlite";

/// A ledger with a few records of each kind, and its checkpoints.
static MADE: LazyLock<(Site, Vec<Checkpoint>)> = LazyLock::new(|| {
    let site = Site::bare("policies_dir = 'policies'\n", "");
    let configuration = site.configuration().replace("'policies'", &format!("'{}'", site.path("policies").display()));
    site.configure(&configuration);
    std::fs::create_dir_all(site.path("policies/detections")).unwrap();
    std::fs::create_dir_all(site.path("policies/profiles")).unwrap();
    std::fs::write(site.path("policies/detections/a-login.yml"), POLICY).unwrap();
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    for (n, who) in ["ana", "bob", "cy"].iter().enumerate() {
        let line = format!(
            "{{\"ts\":\"2026-03-01T0{n}:00:00Z\",\"id\":\"e{n}\",\"event\":\"session.login\",\"outcome\":\"success\",\"actor\":\
             {{\"id\":\"{who}\",\"name\":\"{who}\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"s-{who}-000\",\"ip\":\"192.0.2.{n}\"}}\n"
        );
        let before = std::fs::read_to_string(site.path(PORTAL)).unwrap_or_default();
        std::fs::write(site.path(PORTAL), before + &line).unwrap();
        // each line by itself, so that there are several checkpoints
        let state = site.path("state");
        let out = site.say(&["replay", "--state", state.to_str().unwrap()]);
        assert!(out.status.success(), "{}", support::text(&out));
        if n == 1 {
            let from = Connection::open(site.path("state").join(FILE)).unwrap();
            from.execute("VACUUM INTO ?", [site.path(OLDER).to_str().unwrap()]).unwrap();
        }
    }
    let reader = Reader::open(&site.path("state").join(FILE)).unwrap();
    let key = keys(&site).verifier().unwrap();
    let checkpoints: Vec<Checkpoint> = reader.checkpoints().unwrap().iter().filter_map(|n| key.open(n)).collect();
    assert_eq!(checkpoints.len(), 3);
    (site, checkpoints)
});

fn keys(site: &Site) -> Keys {
    Keys::read(&site.path("state/state.key"), false).unwrap()
}

/// What is said after `change` was made to a copy of the ledger.
fn after(change: impl FnOnce(&Connection)) -> Verified {
    let (site, checkpoints) = &*MADE;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let from = Connection::open(site.path("state").join(FILE)).unwrap();
    from.execute("VACUUM INTO ?", [path.to_str().unwrap()]).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    change(&connection);
    drop(connection);
    Reader::open(&path).unwrap().verify(Some(&keys(site)), checkpoints).unwrap()
}

fn execute(sql: &'static str) -> impl FnOnce(&Connection) {
    move |c| {
        c.execute_batch(sql).unwrap();
    }
}

#[test]
fn what_was_not_touched_is_intact_and_covered() {
    let found = after(|_| ());
    assert_eq!(found.faults, [], "{found:?}");
    assert!(found.records >= 6 && found.covered == found.records, "{found:?}");
}

#[test]
fn every_byte_of_every_record_is_covered() {
    let (site, _) = &*MADE;
    let from = Connection::open(site.path("state").join(FILE)).unwrap();
    let tables = [
        ("inputs", "sequence", &["body", "kind"][..]),
        ("findings", "rowid_of", &["body", "policy", "actor"]),
        ("leaves", "sequence", &["kind", "key", "hash"]),
    ];
    let mut flipped = 0;
    for (table, _, columns) in tables {
        for column in columns {
            let cells: Vec<Option<Vec<u8>>> = from
                .prepare(&format!("SELECT CAST({column} AS BLOB) FROM {table} ORDER BY sequence"))
                .unwrap()
                .query_map([], |r| r.get(0))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            for (row, cell) in cells.iter().enumerate() {
                let Some(cell) = cell else { continue };
                // every byte of a short one, and of a long one every seventh, at another place in each row
                let step = if cell.len() > 200 { 7 } else { 1 };
                for at in (row % step..cell.len()).step_by(step) {
                    let mut changed = cell.clone();
                    changed[at] ^= 1;
                    // what SQLite would not take for text is no change that it could hold
                    let text = String::from_utf8(changed.clone());
                    let found = after(|c| {
                        let sql = format!(
                            "UPDATE {table} SET {column} = ?1 WHERE sequence = (SELECT sequence FROM {table} ORDER BY sequence LIMIT 1 OFFSET ?2) \
                             AND CAST({column} AS BLOB) = ?3"
                        );
                        let done = match (&text, *column == "hash") {
                            (Ok(text), false) => c.execute(&sql, rusqlite::params![text, row, cell]),
                            _ => c.execute(&sql, rusqlite::params![changed, row, cell]),
                        };
                        assert!(done.is_err() || done.unwrap() == 1, "{table}.{column} row {row}");
                    });
                    assert!(!found.faults.is_empty(), "{table}.{column} row {row} byte {at}");
                    flipped += 1;
                }
            }
        }
    }
    println!("{flipped} bytes flipped, each was seen");
    assert!(flipped > 300);
}

#[test]
fn x108_each_kind_of_tampering_is_called_by_its_name() {
    let first = |found: &Verified| found.faults.first().cloned();
    let edited = after(execute("UPDATE findings SET body = replace(body, 'ana', 'eve') WHERE actor = 'ana'"));
    assert!(matches!(first(&edited), Some(Fault::Edited { kind, .. }) if kind == "finding"), "{edited:?}");

    let gone = after(execute("DELETE FROM findings WHERE actor = 'bob'"));
    assert!(matches!(first(&gone), Some(Fault::Gone { kind, .. }) if kind == "finding"), "{gone:?}");

    let shown = after(execute("UPDATE findings SET actor = 'nobody' WHERE actor = 'bob'"));
    assert!(matches!(first(&shown), Some(Fault::Shown { kind, .. }) if kind == "finding"), "{shown:?}");

    // an event that no block has yet is looked for by its time and its id
    for sql in ["UPDATE tail SET time = time + 1", "UPDATE tail SET id = zeroblob(16)"] {
        let waits = after(|c| assert!(c.execute(sql, []).is_ok_and(|rows| rows > 0), "{sql}"));
        assert!(matches!(first(&waits), Some(Fault::Shown { kind, .. }) if kind == "event that waits"), "{waits:?}");
    }

    let added = after(execute(
        "INSERT INTO findings (id, sequence, time, policy, severity, body) SELECT x'00112233445566778899aabbccddeeff', sequence, time, \
         policy, severity, body FROM findings LIMIT 1",
    ));
    assert!(added.faults.iter().any(|f| matches!(f, Fault::Added { kind, .. } if kind == "finding")), "{added:?}");

    let dropped = after(execute("DELETE FROM leaves WHERE sequence = 3"));
    assert_eq!(first(&dropped), Some(Fault::Dropped { record: 3 }), "{dropped:?}");

    // two records that changed places
    let moved = after(execute(
        "UPDATE leaves SET sequence = -1 WHERE sequence = 2; UPDATE leaves SET sequence = 2 WHERE sequence = 4; \
         UPDATE leaves SET sequence = 4 WHERE sequence = -1",
    ));
    assert!(matches!(first(&moved), Some(Fault::Edited { record: 2, .. })), "{moved:?}");

    // the tail cut off, with its records: only a checkpoint that is kept elsewhere can tell
    let cut = after(execute(
        "DELETE FROM findings WHERE sequence = (SELECT max(sequence) FROM findings); \
         DELETE FROM inputs WHERE sequence = (SELECT max(sequence) FROM inputs); \
         DELETE FROM leaves WHERE sequence > (SELECT max(sequence) FROM leaves) - 2",
    ));
    assert!(cut.faults.iter().any(|f| matches!(f, Fault::Truncated { .. })), "{cut:?}");

    // a record edited together with its leaf, by somebody who has the key: only the checkpoint tells
    let forged = after(|c| {
        c.execute_batch("UPDATE leaves SET hash = zeroblob(32) WHERE sequence = 1").unwrap();
    });
    assert!(forged.faults.iter().any(|f| matches!(f, Fault::Forked { fits: 0, .. })), "{forged:?}");
}

#[test]
fn an_older_copy_put_back_is_seen_by_what_was_kept_elsewhere() {
    let (site, checkpoints) = &*MADE;
    let kept = site.path("kept.log");
    let note = &checkpoints.last().unwrap().note;
    std::fs::write(&kept, format!("what syslog kept\n\n{note}\n")).unwrap();
    assert!(!notes_in(&std::fs::read_to_string(&kept).unwrap()).is_empty());
    let older = tempfile::tempdir().unwrap();
    std::fs::copy(site.path("state/state.key"), older.path().join("state.key")).unwrap();
    std::fs::copy(site.path(OLDER), older.path().join(FILE)).unwrap();
    let connection = Connection::open(older.path().join(FILE)).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    drop(connection);
    let state = older.path().to_str().unwrap();
    // by itself it is a whole ledger
    let alone = site.say(&["verify", "--state", state]);
    assert!(alone.status.success(), "{}", support::text(&alone));
    let held = site.say(&["verify", "--state", state, "--against", kept.to_str().unwrap()]);
    assert_eq!(held.status.code(), Some(1), "{}", support::text(&held));
    assert!(support::text(&held).contains("TRUNCATED"), "{}", support::text(&held));
}

/// A look at blocks and their leaves that shares nothing with ours: from the key file and the ledger alone.
const BLOCKS: &str = r#"
import hashlib, hmac, sqlite3, sys, zlib
secret, ledger = open(sys.argv[1], "rb").read(), sqlite3.connect(sys.argv[2])
mac = lambda key, data: hmac.new(key, data, hashlib.sha256).digest()
h = lambda b: hashlib.sha256(b).digest()
salts = mac(secret, b"salt leaves")
for sequence, key, leaf in ledger.execute("SELECT sequence, key, hash FROM leaves WHERE kind = 'block'"):
    body, = ledger.execute("SELECT body FROM blocks WHERE id = ?", [int(key)]).fetchone()
    lines = zlib.decompress(body).split(b"\n")
    assert lines.pop() == b"" and len(lines) == 4096
    lines = b"".join(len(line).to_bytes(8, "big") + line for line in lines)
    salt = mac(salts, sequence.to_bytes(8, "big"))[:16]
    assert leaf == h(b"\0" + salt + b"block\0" + key.encode() + b"\0" + h(lines)), key
    print("proven")
"#;

#[test]
fn a_block_is_its_lines_however_they_are_compressed() {
    let site = Site::bare("", "");
    let line = |n: usize| {
        format!(
            "{{\"ts\":\"2026-03-01T00:{:02}:{:02}Z\",\"id\":\"e{n}\",\"event\":\"session.login\",\"outcome\":\"success\",\"actor\":\
             {{\"id\":\"ana\",\"name\":\"ana\",\"type\":\"user\",\"role\":\"support\"}},\"session\":\"s-ana-{n:04}\",\"ip\":\"192.0.2.1\"}}\n",
            n / 100,
            n % 60
        )
    };
    std::fs::write(site.path(DOWNLOADS), "").unwrap();
    std::fs::write(site.path(PORTAL), (0..4500).map(line).collect::<String>()).unwrap();
    let state = site.path("state");
    let out = site.say(&["replay", "--state", state.to_str().unwrap()]);
    assert!(out.status.success(), "{}", support::text(&out));
    let (key, path) = (state.join("state.key"), state.join(FILE));
    let independent = || servers::run(Command::new("python3").args(["-c", BLOCKS]).args([&key, &path]));
    assert_eq!(independent().trim(), "proven");

    let verified = || Reader::open(&path).unwrap().verify(Some(&keys(&site)), &[]).unwrap();
    let file = Connection::open(&path).unwrap();
    let (body, index): (Vec<u8>, Vec<u8>) =
        file.query_row("SELECT body, keys FROM blocks", [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    let set = |column: &str, value: &[u8]| {
        file.execute(&format!("UPDATE blocks SET {column} = ?"), [value]).unwrap();
    };
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut flate2::read::ZlibDecoder::new(&body[..]), &mut lines).unwrap();
    let compressed = |text: &str, how| {
        let mut to = flate2::write::ZlibEncoder::new(Vec::new(), how);
        std::io::Write::write_all(&mut to, text.as_bytes()).unwrap();
        to.finish().unwrap()
    };
    // as another version of zlib might have it
    let otherwise = compressed(&lines, flate2::Compression::none());
    assert_ne!(otherwise, body);
    set("body", &otherwise);
    assert_eq!(verified().faults, []);
    assert_eq!(independent().trim(), "proven");

    let faults = |value: &[u8]| {
        set("body", value);
        verified().faults
    };
    let block =
        |fault: Option<&Fault>| matches!(fault, Some(Fault::Edited { kind, key, .. }) if kind == "block" && key == "1");
    let edited = lines.replacen("192.0.2.1", "192.0.2.2", 1);
    assert!(block(faults(&compressed(&edited, flate2::Compression::fast())).last()));
    // a line that became two, and one that is missing at the end
    let parted = lines.replacen(",\"", "\n\"", 1);
    assert!(block(faults(&compressed(&parted, flate2::Compression::fast())).last()));
    let short = &lines[..lines[..lines.len() - 1].rfind('\n').unwrap() + 1];
    assert!(block(faults(&compressed(short, flate2::Compression::fast())).last()));
    assert!(block(faults(&body[..body.len() / 2]).last()));
    set("body", &body);
    assert_eq!(verified().faults, []);

    // by which it is found: whoever changes that hides it from those who ask
    let shown =
        |faults: Vec<Fault>| matches!(&faults[..], [Fault::Shown { kind, key }] if kind == "block" && key == "1");
    set("keys", &index[4..]);
    assert!(shown(verified().faults));
    set("keys", &index);
    file.execute_batch("UPDATE blocks SET to_time = to_time - 1").unwrap();
    assert!(shown(verified().faults));
}

/// An implementation of RFC 6962 and of the note's signature that shares nothing with ours.
const INDEPENDENT: &str = r#"
import base64, hashlib, json, subprocess, sys, tempfile
proof, key = json.load(open(sys.argv[1])), sys.argv[2]
name, keyhash, encoded = key.split("+", 2)
public = base64.b64decode(encoded)
assert public[0] == 1 and hashlib.sha256(name.encode() + b"\n" + public).hexdigest()[:8] == keyhash
text, signatures = proof["checkpoint"].split("\n\n")
text += "\n"
signature = base64.b64decode(signatures.split(" ")[2])
assert signature[:4].hex() == keyhash
der = bytes.fromhex("302a300506032b6570032100") + public[1:]
with tempfile.TemporaryDirectory() as d:
    open(d + "/key", "wb").write(der); open(d + "/text", "w").write(text); open(d + "/sig", "wb").write(signature[4:])
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", d + "/key", "-rawin", "-in", d + "/text", "-sigfile", d + "/sig"], check=True, stdout=subprocess.DEVNULL)
origin, size, root = text.split("\n")[:3]
h = lambda b: hashlib.sha256(b).digest()
node = h(b"\0" + bytes.fromhex(proof["salt"]) + proof["kind"].encode() + b"\0" + proof["key"].encode() + b"\0" + h(proof["body"].encode()))
# RFC 9162 section 2.1.3.2
fn, sn = proof["index"], int(size) - 1
for p in map(bytes.fromhex, proof["path"]):
    assert sn != 0
    if fn & 1 or fn == sn:
        node = h(b"\1" + p + node)
        while not fn & 1 and fn:
            fn >>= 1; sn >>= 1
    else:
        node = h(b"\1" + node + p)
    fn >>= 1; sn >>= 1
assert sn == 0 and node == base64.b64decode(root), "not in the tree"
print("proven")
"#;

#[test]
fn a_proof_is_good_elsewhere_and_by_an_independent_implementation() {
    let (site, _) = &*MADE;
    let state = site.path("state");
    let state = state.to_str().unwrap();
    let finding = site.json(&["findings", "list", "--state", state])[0]["finding"]["id"].as_str().unwrap().to_owned();
    let out = site.say(&["prove", &finding[..8], "--state", state]);
    assert!(out.status.success(), "{}", support::text(&out));
    let path = site.path("proof.json");
    std::fs::write(&path, &out.stdout).unwrap();
    let key = String::from_utf8(site.say(&["verify", "--public-key", "--state", state]).stdout).unwrap();
    let key = key.trim();

    let check = |path: &Path, key: &str| {
        support::tripline(&["verify", "--proof", path.to_str().unwrap(), "--key", key]).output().unwrap()
    };
    let good = check(&path, key);
    assert!(good.status.success(), "{}", support::text(&good));
    let said = servers::run(Command::new("python3").args(["-c", INDEPENDENT]).arg(&path).arg(key));
    assert!(said.contains("proven"), "{said}");

    let changed = site.path("changed.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&changed, text.replacen("a_login", "b_login", 1)).unwrap();
    assert_eq!(check(&changed, key).status.code(), Some(1));
    let mut other = key.to_owned();
    other
        .replace_range(other.len() - 6..other.len() - 5, if key.as_bytes()[key.len() - 6] == b'A' { "B" } else { "A" });
    assert_ne!(check(&path, &other).status.code(), Some(0));
}
