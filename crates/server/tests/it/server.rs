//! `gna serve`, as a process of its own.

use crate::run::gna;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Longest wait for an answer, and for a server to end: what takes longer never comes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running server; killed when the test ends early.
pub struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Its first line.
    pub first: Value,
}

impl Server {
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        let mut command = Self::command(folder, "127.0.0.1:0");
        command.args(args).env("GNA_LOG__LEVEL", "warn");
        Self::of(command)
    }

    /// At an address that is known before.
    pub fn start_at(folder: &Path, listen: &str, args: &[&str]) -> Self {
        let mut command = Self::command(folder, listen);
        command.args(args).env("GNA_LOG__LEVEL", "warn");
        Self::of(command)
    }

    /// Configured by the folder's file, with its log appended to another.
    pub fn start_logging(folder: &Path, log: &Path) -> Self {
        Self::start_logging_with(folder, log, &[])
    }

    /// The same with arguments.
    pub fn start_logging_with(folder: &Path, log: &Path, args: &[&str]) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log);
        let mut command = Self::command(folder, "127.0.0.1:0");
        command.args(args).stderr(log.expect("opens"));
        Self::of(command)
    }

    fn command(folder: &Path, listen: &str) -> Command {
        let mut command = gna(folder);
        command
            .args(["serve", "--json", "--listen", listen])
            .env("TMPDIR", folder)
            .stdout(Stdio::piped());
        command
    }

    /// By a whole command, whose first line tells where it is.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("speaks");
        let first = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { child, out, first }
    }

    pub fn url(&self) -> &str {
        self.first["url"].as_str().expect("an address")
    }

    /// One request; answers status, and head and body together.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.send("GET", path, &[], "")
    }

    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let host = self.url().trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("can be set");
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status");
        (status, answer)
    }

    /// Ends it at once, with no chance to do anything (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Asks it to stop, as a service manager does, and waits.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        // The shell's own, since not every system has the program.
        std::process::Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .status()
            .expect("sent");
        // One that does not end is killed, and has no code then.
        let (ended, waits) = channel::<()>();
        let watch = std::thread::spawn(move || {
            if waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let kill = ["-c", "kill -KILL \"$0\"", &pid];
                let _ = std::process::Command::new("sh").args(kill).status();
            }
        });
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("ends");
        drop(ended);
        watch.join().expect("no panic");
        self.child.wait().expect("ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
