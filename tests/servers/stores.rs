//! The real servers that sessions are kept in, each in a scratch folder, on a port of its own, and ended with its test.
use super::{free_port, program, run};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server starts within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with its owner.
pub struct Running {
    child: Child,
    pub port: u16,
    // After the process: its files are not taken away under it.
    pub dir: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(command: &mut Command, dir: tempfile::TempDir, port: u16) -> Running {
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut running = Running { child, port, dir };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = running.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(running.dir.path().join("log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{command:?} {ended:?}: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        running
    }
}

/// Redis with a password for everybody, `everyone's password`, and a user `tripline` who may do what the recipes need.
pub fn redis() -> Option<Running> {
    redis_with(|port| format!("port {port}"))
}

/// The same over TLS only, with the certificate in `certificates`.
pub fn redis_over_tls(certificates: &Path) -> Option<Running> {
    let at = certificates.display();
    redis_with(|port| {
        format!(
            "port 0\ntls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {at}/ca.pem\ntls-cert-file {at}/server.pem\ntls-key-file {at}/server.key"
        )
    })
}

fn redis_with(listens: impl Fn(u16) -> String) -> Option<Running> {
    let redis = program("redis-server")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let listens = listens(port);
    let config = format!(
        "{listens}\nbind 127.0.0.1\ndir {}\nsave \"\"\nrequirepass \"everyone's password\"\n\
         user tripline on >triplines-password ~* -@all +del +exists +scan +hget +get +select\n",
        dir.path().display()
    );
    let path = dir.path().join("redis.conf");
    std::fs::write(&path, config).unwrap();
    Some(Running::start(Command::new(redis).arg(path), dir, port))
}

/// The user that servers run as which refuse to be root: ours, unless that is root.
fn nobody() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(65_534)
}

fn as_nobody(command: &mut Command) -> &mut Command {
    match nobody() {
        Some(uid) => command.uid(uid).gid(uid).env("HOME", "/nonexistent").current_dir("/"),
        None => command,
    }
}

/// PostgreSQL, with a database `portal` and a role `tripline` that has the password `triplines-password` (SCRAM). Its socket
/// lies in its folder. With `certificates` it speaks TLS as well.
pub fn postgres(certificates: Option<&Path>) -> Option<Running> {
    let (initdb, postgres) = (program("initdb")?, program("postgres")?);
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    if let Some(uid) = nobody() {
        std::os::unix::fs::chown(dir.path(), Some(uid), Some(uid)).unwrap();
    }
    let data = dir.path().join("data");
    let words = ["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--username=owner", "--encoding=UTF8"];
    run(as_nobody(Command::new(initdb).args(words).arg("-D").arg(&data)));
    let mut command = Command::new(postgres);
    command.arg("-D").arg(&data).arg("-p").arg(port.to_string()).arg("-k").arg(dir.path());
    command.args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"]);
    for (setting, name) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
        let Some(certificates) = certificates else { break };
        let path = dir.path().join(name);
        std::fs::copy(certificates.join(name), &path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, nobody(), nobody()).unwrap();
        command.args(["-c", "ssl=on", "-c"]).arg(format!("{setting}={}", path.display()));
    }
    let running = Running::start(as_nobody(&mut command), dir, port);
    let sql = |database: &str, statement: &str| running.sql(database, statement);
    let begun = Instant::now();
    // It listens a moment before it answers.
    while !running.psql("postgres", "SELECT 1").output().unwrap().status.success() {
        assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    sql("postgres", "CREATE DATABASE portal");
    sql("postgres", "CREATE ROLE tripline LOGIN PASSWORD 'triplines-password'");
    Some(running)
}

impl Running {
    fn psql(&self, database: &str, statement: &str) -> Command {
        let mut psql = Command::new(program("psql").unwrap());
        psql.arg("-h").arg(self.dir.path()).arg("-p").arg(self.port.to_string()).args(["-U", "owner", "-d", database]);
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]);
        psql
    }

    /// Runs `statement` as the owner, and gives what it printed.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        run(&mut self.psql(database, statement)).trim().to_owned()
    }

    /// Asks Redis, as `redis-cli` does.
    pub fn redis(&self, words: &[&str]) -> String {
        let mut cli = Command::new(program("redis-cli").unwrap());
        cli.args(["-p", &self.port.to_string(), "--no-auth-warning", "-a", "everyone's password"]).args(words);
        run(&mut cli).trim().to_owned()
    }
}

/// PHP's own web server over `script`, with its sessions in `sessions` below the folder.
pub fn php(script: &str, save_path: impl Fn(&Path) -> String) -> Option<Running> {
    let php = program("php")?;
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    std::fs::write(dir.path().join("index.php"), script).unwrap();
    std::fs::create_dir(dir.path().join("sessions")).unwrap();
    let mut command = Command::new(php);
    command.arg("-S").arg(format!("127.0.0.1:{port}")).args(["-d", "session.save_handler=files"]);
    command.arg("-d").arg(format!("session.save_path=\"{}\"", save_path(&dir.path().join("sessions"))));
    command.arg(dir.path().join("index.php"));
    Some(Running::start(&mut command, dir, port))
}
