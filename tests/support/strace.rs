//! strace on a running process.
use super::{Site, until};
use std::process::{Child, Command, Stdio};

/// strace on a running process, until it is told to end or the test ends.
pub struct Tracer(Child);

impl Tracer {
    /// Attaches to `process` with these arguments, and waits until it has it.
    pub fn attach(site: &Site, process: u32, arguments: &[&str]) -> Tracer {
        let log = site.path("attached.log");
        let out = std::fs::File::create(&log).unwrap();
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &process.to_string()]).args(arguments);
        let tracer = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(out).spawn().unwrap();
        until("strace to have it", || std::fs::read_to_string(&log).unwrap().contains("attached").then_some(()));
        Tracer(tracer)
    }

    /// Lets go of the process, which goes on.
    pub fn end(mut self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), rustix::process::Signal::TERM)
            .unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // one that has ended is nobody's any more
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
