//! A SUBSTITUTE for services of AWS: `moto`, which imitates them (PyPI). Nothing here has met the real ones.

use gna_testkit::guide::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PACKAGE: &str = "moto[server]==5.2.5";

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The substitute; ends with the test.
pub struct Moto {
    child: Child,
    pub port: u16,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// None, said loudly, where it can't be had.
    pub fn start() -> Option<Self> {
        let installed = match installed() {
            Ok(folder) => folder,
            Err(why) => {
                eprintln!("SKIPPED: {why}");
                return None;
            }
        };
        let port = free_port();
        let child = Command::new(installed.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let moto = Self { child, port };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the substitute does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(moto)
    }

    /// Asks as an operator in the console; answers head and body. Of what signs a request the substitute
    /// looks at the region and the service only: `eu-central-1/kms`.
    pub fn ask(&self, of: &str, request: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("listens");
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=invented/20260101/{of}/aws4_request, SignedHeaders=host, Signature=invented\r\n\
             {headers}Content-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert!(answer.contains(" 200 "), "{request}: {answer}");
        answer
    }
}

/// The folder that it is installed in, once per target folder; or why it can't be.
fn installed() -> Result<PathBuf, String> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let complete = folder.join("complete");
    if std::fs::read_to_string(&complete).is_ok_and(|there| there == PACKAGE) {
        return Ok(folder);
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&folder)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return Err("there is no python3 with venv here".to_owned());
    }
    let done = Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", PACKAGE])
        .output();
    if !done.is_ok_and(|done| done.status.success()) {
        return Err("moto can't be had from PyPI".to_owned());
    }
    std::fs::write(complete, PACKAGE).map_err(|error| error.to_string())?;
    Ok(folder)
}
