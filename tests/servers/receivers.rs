//! Real syslog receivers, rsyslogd and syslog-ng, each in a scratch folder and listening in every way that we send: what
//! came by each way stands in a file of its own, one record a line.
use super::{certificates, free_port, program};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The ways to send; `local` is a socket as `/dev/log` is, with what its readers expect there.
pub const WAYS: [&str; 5] = ["unix", "local", "udp", "tcp", "tls"];
/// A receiver starts within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    Rsyslog,
    SyslogNg,
}

/// A receiver, running or not.
pub struct Receiver {
    product: Product,
    child: Option<Child>,
    ports: [u16; 3],
    pub dir: tempfile::TempDir,
}

impl Receiver {
    /// Starts one.
    pub fn start(product: Product) -> Receiver {
        let dir = tempfile::tempdir().unwrap();
        assert!(certificates(dir.path()), "openssl makes the receiver's certificate");
        let ports = [free_port(), free_port(), free_port()];
        let mut receiver = Receiver { product, child: None, ports, dir };
        let configuration = match product {
            Product::Rsyslog => receiver.for_rsyslog(),
            Product::SyslogNg => receiver.for_syslog_ng(),
        };
        std::fs::write(receiver.path("receiver.conf"), configuration).unwrap();
        receiver.again();
        receiver
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The table of the configuration that sends to it that way.
    pub fn table(&self, way: &str) -> String {
        let [udp, tcp, tls] = self.ports;
        let dir = self.dir.path().display();
        let rest = match way {
            "unix" => format!("format = 'rfc5424'\naddress = '{dir}/log.sock'"),
            "local" => format!("address = '{dir}/local.sock'"),
            "udp" => format!("transport = 'udp'\naddress = '127.0.0.1:{udp}'"),
            "tcp" => format!("transport = 'tcp'\naddress = '127.0.0.1:{tcp}'"),
            _ => format!(
                "transport = 'tls'\naddress = '127.0.0.1:{tls}'\nserver_name = 'localhost'\nca_file = '{dir}/ca.pem'\n\
                 certificate_file = '{dir}/server.pem'\nsecret_file = '{dir}/server.key'"
            ),
        };
        format!("[syslog.{way}]\n{rest}\n")
    }

    /// The records that came that way: what it took for the structured data, and the message as it came; of `local` what it took for
    /// the program, and for the text.
    pub fn records(&self, way: &str) -> Vec<(String, String)> {
        let text = std::fs::read(self.path(way)).unwrap_or_default();
        let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>();
        let cut = |line: &String| {
            line.split_once('\t').map_or_else(|| (String::new(), line.clone()), |(a, b)| (a.to_owned(), b.to_owned()))
        };
        lines.iter().map(cut).collect()
    }

    /// Starts it again, where it was.
    pub fn again(&mut self) {
        let _ = std::fs::remove_file(self.path("pid"));
        let conf = self.path("receiver.conf");
        let mut command = match self.product {
            Product::Rsyslog => {
                let mut command = Command::new(program("rsyslogd").expect("tests/run installs it"));
                command.arg("-n").arg("-f").arg(&conf).arg("-i").arg(self.path("pid"));
                command
            }
            Product::SyslogNg => {
                let mut command = syslog_ng();
                command.args(["--foreground", "--no-caps", "--cfgfile"]).arg(&conf);
                command.arg("--pidfile").arg(self.path("pid")).arg("--control").arg(self.path("control"));
                command.arg("--persist-file").arg(self.path("persist"));
                command
            }
        };
        let log = std::fs::OpenOptions::new().append(true).create(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let begun = Instant::now();
        let [_, tcp, tls] = self.ports;
        while !(listens(tcp) && listens(tls) && self.path("log.sock").exists() && self.path("local.sock").exists()) {
            let ended = child.try_wait().unwrap();
            let log = || std::fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{command:?} {ended:?}: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.as_ref().expect("it runs");
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    /// Ends it as an operator would.
    pub fn stop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        self.ended();
    }

    /// Ends it as the want of memory would.
    pub fn kill(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        self.ended();
    }

    fn ended(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "the receiver does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = std::fs::remove_file(self.path("log.sock"));
        let _ = std::fs::remove_file(self.path("local.sock"));
    }

    /// It runs, and does nothing.
    pub fn stall(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// It goes on.
    pub fn go_on(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn for_rsyslog(&self) -> String {
        let [udp, tcp, tls] = self.ports;
        let dir = self.dir.path().display();
        let sets: String = WAYS
            .iter()
            .map(|way| {
                let template = if *way == "local" { "text" } else { "both" };
                format!(
                    "ruleset(name=\"{way}\") {{ action(type=\"omfile\" file=\"{dir}/{way}\" template=\"{template}\") }}\n"
                )
            })
            .collect();
        format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\" defaultNetstreamDriver=\"ossl\"\n\
             \tdefaultNetstreamDriverCAFile=\"{dir}/ca.pem\" defaultNetstreamDriverCertFile=\"{dir}/server.pem\"\n\
             \tdefaultNetstreamDriverKeyFile=\"{dir}/server.key\")\n\
             template(name=\"both\" type=\"string\" string=\"%structured-data%\\t%rawmsg-after-pri%\\n\")\n\
             template(name=\"text\" type=\"string\" string=\"%programname%\\t%msg%\\n\")\n\
             module(load=\"imuxsock\" sysSock.use=\"off\")\nmodule(load=\"imudp\")\nmodule(load=\"imtcp\")\n{sets}\
             input(type=\"imuxsock\" socket=\"{dir}/log.sock\" useSpecialParser=\"off\" parseHostname=\"on\" rateLimit.interval=\"0\" ruleset=\"unix\")\n\
             input(type=\"imuxsock\" socket=\"{dir}/local.sock\" rateLimit.interval=\"0\" ruleset=\"local\")\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\" ruleset=\"udp\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tcp}\" ruleset=\"tcp\" streamDriver.name=\"ptcp\" streamDriver.mode=\"0\" streamDriver.authMode=\"anon\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{tls}\" ruleset=\"tls\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/certvalid\")\n"
        )
    }

    fn for_syslog_ng(&self) -> String {
        let [udp, tcp, tls] = self.ports;
        let dir = self.dir.path().display();
        let secure = format!(
            "tls(key-file(\"{dir}/server.key\") cert-file(\"{dir}/server.pem\") ca-file(\"{dir}/ca.pem\") peer-verify(required-trusted))"
        );
        let sources = [
            ("unix", format!("unix-dgram(\"{dir}/log.sock\" flags(syslog-protocol, store-raw-message))")),
            ("local", format!("unix-dgram(\"{dir}/local.sock\")")),
            (
                "udp",
                format!("network(ip(127.0.0.1) port({udp}) transport(udp) flags(syslog-protocol, store-raw-message))"),
            ),
            ("tcp", format!("syslog(ip(127.0.0.1) port({tcp}) transport(tcp) flags(store-raw-message))")),
            ("tls", format!("syslog(ip(127.0.0.1) port({tls}) transport(tls) {secure} flags(store-raw-message))")),
        ];
        let paths: String = sources
            .iter()
            .map(|(way, source)| {
                let template = if *way == "local" { "${PROGRAM}\\t${MESSAGE}" } else { "${SDATA}\\t${RAWMSG}" };
                format!(
                    "log {{ source {{ {source}; }}; destination {{ file(\"{dir}/{way}\" template(\"{template}\\n\")); }}; }};\n"
                )
            })
            .collect();
        format!("@version: current\noptions {{ log-msg-size(65536); stats-freq(0); flush-lines(1); }};\n{paths}")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // it is ours and not waited for, so the id is still its own
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Laid out by tests/run, for Debian's package cannot be installed beside that of rsyslog; or else installed.
fn syslog_ng() -> Command {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/syslog-ng/usr");
    let libraries = tree.join("lib/syslog-ng");
    let Ok(versions) = std::fs::read_dir(&libraries) else {
        return Command::new(program("syslog-ng").expect("tests/run lays it out"));
    };
    let modules = versions.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).max().expect("modules");
    let mut command = Command::new(tree.join("sbin/syslog-ng"));
    command.env("LD_LIBRARY_PATH", &libraries).arg("--module-path").arg(modules);
    command
}

fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}
