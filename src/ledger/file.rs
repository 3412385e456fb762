//! The file itself: its directory locked, opened with care, and its schema made or, where it is another, refused.
use super::{APPLICATION_ID, Error, VERSION, foreign, sql_error};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use std::path::Path;

/// Makes the directory where it is missing, and takes it for this process alone, as long as the file is open.
pub(super) fn lock(directory: &Path) -> Result<std::fs::File, Error> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { operation, path, source }
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(io("making the state directory", directory))?;
    let found = std::fs::metadata(directory).map_err(io("looking at", directory))?;
    let (owner, we) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner != we {
        return Err(foreign(
            directory,
            format!(
                "belongs to the user of id {owner}, and this is the one of id {we}: run it as that user, or give it away (chown)"
            ),
        ));
    }
    let mode = found.permissions().mode();
    if mode & 0o077 != 0 {
        // what it holds is about people: nobody else reads it
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
            .map_err(io("taking from others the right to read", directory))?;
    }
    let path = directory.join("lock");
    crate::lock::take(&path).map_err(io("locking", &path))?.ok_or_else(|| Error::Locked(directory.to_owned()))
}

/// A connection with everything switched off that a damaged or hostile file could use.
pub(super) fn open_file(path: &Path, flags: OpenFlags) -> Result<Connection, Error> {
    if std::fs::symlink_metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(foreign(path, "is not a regular file: tripline follows no link to its ledger".into()));
    }
    let open = || -> rusqlite::Result<Connection> {
        let c = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        c.busy_timeout(std::time::Duration::from_secs(5))?;
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        c.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        c.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        c.set_limit(Limit::SQLITE_LIMIT_LENGTH, 64 << 20)?;
        c.pragma_update(None, "cell_size_check", true)?;
        c.pragma_update(None, "mmap_size", 0)?;
        c.pragma_update(None, "cache_size", -32_768)?;
        Ok(c)
    };
    open().map_err(sql_error("opening", path))
}

/// Device and inode of the file.
pub(super) fn file_at(path: &Path) -> Result<(u64, u64), Error> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::symlink_metadata(path);
    let found = found.map_err(|source| Error::Io { operation: "looking at", path: path.to_owned(), source })?;
    Ok((found.dev(), found.ino()))
}

/// The tables.
pub(super) const SCHEMA: &str = include_str!("schema.sql");

/// Up to how many bytes every page of the file is looked at when it is opened: some tenths of a second. Of a larger file those of the
/// tables that don't grow with what is recorded; the others show what is wrong with a page when it is read.
const CHECKED_WHOLE: u64 = 64 << 20;
/// The tables that grow with what is recorded.
const GROWING: [&str; 7] = ["records", "record_log", "inputs", "leaves", "blocks", "findings", "order_steps"];

/// Makes the schema where there is none yet. With `check` pages are looked at, for what is damaged.
pub(super) fn make(connection: &Connection, path: &Path, check: bool) -> Result<(), Error> {
    let sql = |operation| sql_error(operation, path);
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |r| r.get::<_, i32>(0)).map_err(sql("reading the file's head"))
    };
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    match (application, version) {
        (APPLICATION_ID, VERSION) if !check => Ok(()),
        (APPLICATION_ID, VERSION) => {
            let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
            match damage(connection, bytes > CHECKED_WHOLE).map_err(sql("checking"))? {
                None => Ok(()),
                Some(damage) => Err(foreign(
                    path,
                    format!("is damaged ({damage}): move it aside and start again; the trails are read anew"),
                )),
            }
        }
        (0, 0) => {
            let make = format!(
                "BEGIN IMMEDIATE; {} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;",
                SCHEMA
            );
            connection.execute_batch(&make).map_err(sql("making the schema"))
        }
        (APPLICATION_ID, other) => Err(other_schema(path, other)),
        _ => Err(foreign(path, "is not a tripline ledger: name another state directory".into())),
    }
}

/// The first thing that is wrong with a page of the file; of a large one with those of the tables that don't grow.
fn damage(connection: &Connection, is_large: bool) -> rusqlite::Result<Option<String>> {
    let check =
        |what: &str| connection.query_row(&format!("PRAGMA quick_check({what})"), [], |r| r.get::<_, String>(0));
    let is_bad = |said: &String| said != "ok";
    if !is_large {
        return check("1").map(|said| Some(said).filter(is_bad));
    }
    let mut names =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
    let names = names.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    for name in names.iter().filter(|name| !GROWING.contains(&name.as_str())) {
        let said = check(name)?;
        if is_bad(&said) {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

/// The file is ours, and of a version that this one neither reads nor changes.
pub(super) fn other_schema(path: &Path, version: i32) -> Error {
    let why = format!(
        "has schema {version}, and this tripline knows {VERSION}: install the version that wrote it, or move it aside and start \
         again; the trails are read anew"
    );
    foreign(path, why)
}
