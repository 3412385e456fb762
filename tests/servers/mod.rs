//! Servers on loopback for tests of actions: a web server that answers as it is told and remembers what it was asked.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

pub mod receivers;
pub mod stores;

/// What a request held.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }
}

/// A web server.
pub struct Web {
    pub at: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What it answers: the whole response, and nothing at all where it is `HANG` or `CUT`.
pub const HANG: &str = "hang";
pub const CUT: &str = "cut";

/// A response without a body.
pub fn status(code: u16) -> String {
    answer(code, "", "")
}

/// A response with more headers (each with its line end) and a body.
pub fn answer(code: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {code} Said\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}", body.len())
}

impl Web {
    /// Answers the n-th request with the n-th of `answers`, and every later one with the last.
    pub fn start(answers: Vec<String>) -> Web {
        Web::serve(move |n, _| answers[n.min(answers.len() - 1)].clone())
    }

    /// Answers as `say` says; it is given the number of the request, from 0.
    pub fn serve(say: impl Fn(usize, &Asked) -> String + Send + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for (n, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { continue };
                let said = say(n, &request);
                seen.lock().unwrap().push(request);
                match said.as_str() {
                    HANG => hanging.push(stream),
                    CUT => drop(stream),
                    said => drop(stream.write_all(said.as_bytes())),
                }
            }
        });
        Web { at, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads one request.
pub fn read(stream: impl Read) -> Option<Asked> {
    let mut from = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: Vec<(String, String)> = lines[1..]
        .iter()
        .map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())).unwrap())
        .collect();
    let mut asked = Asked { line: lines[0].clone(), headers, body: String::new() };
    let length = asked.header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

/// Writes a secret that only we can read.
pub fn secret(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    path
}

/// Where `name` is on this machine; says so where it is not.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps PostgreSQL's programs out of the way, by version.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .chain(versions.map(|version| version.unwrap().path().join("bin")))
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        crate::support::skip(format_args!("there is no {name} on this machine"));
    }
    found
}

/// Whether `name` is there; says so where it is not.
pub fn there_is(name: &str) -> bool {
    program(name).is_some()
}

/// Runs a command that must succeed, and gives its output.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that nobody listens on just now, and that is given out once: below those that the kernel hands to whoever asks for any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16 % 10_000;
    let ports = std::iter::repeat_with(|| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    ports.take(1000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Makes a certificate authority (`ca.pem`) and its certificate for the server `localhost` (`server.pem`, `server.key`).
pub fn certificates(folder: &Path) -> bool {
    if !there_is("openssl") {
        return false;
    }
    let openssl = |words: &str| run(Command::new("openssl").args(words.split(' ')).current_dir(folder));
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=test -days 2 -addext basicConstraints=critical,CA:TRUE"
    ));
    openssl(&format!(
        "req {new} -keyout server.key -out server.csr -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    ));
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -out server.pem -days 2 -copy_extensions copy");
    true
}
