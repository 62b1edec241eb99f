//! The binary as a function, and whoever calls it.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::fake_runtime::FakeRuntime;
use crate::run::gna;

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

enum Caller {
    Fake(FakeRuntime),
    Emulator { _program: Running, port: u16 },
}

/// A function that runs.
pub struct Function {
    _process: Running,
    caller: Caller,
}

fn start(folder: &Path, api: &str, name: &str, settings: &[(&str, &str)]) -> Running {
    let child = gna(folder)
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .envs(settings.iter().copied())
        .env("GNA_SERVER__PUBLIC_URL", "https://gna.example.com")
        .env("GNA_LOG__LEVEL", "warn")
        .spawn();
    Running(child.expect("starts"))
}

impl Function {
    /// Called by the stand-in in this process.
    pub async fn start_with_fake(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let runtime = FakeRuntime::start().await;
        Self {
            _process: start(folder, &runtime.address, "gna", settings),
            caller: Caller::Fake(runtime),
        }
    }

    /// Called by the emulator of cargo-lambda; `None`, and said so, where there is none.
    pub async fn start_with_emulator(folder: &Path, settings: &[(&str, &str)]) -> Option<Self> {
        let Some(program) = emulator() else {
            eprintln!("SKIPPED: there is no cargo-lambda; `pip install cargo-lambda` brings it");
            return None;
        };
        // It wants to know a package, though it is to build none.
        let package = folder.join("package");
        std::fs::create_dir_all(package.join("src")).expect("made");
        let manifest = "[package]\nname = \"gna\"\nversion = \"0.1.0\"\n[workspace]\n";
        std::fs::write(package.join("Cargo.toml"), manifest).expect("written");
        std::fs::write(package.join("src/main.rs"), "fn main() {}\n").expect("written");
        let port = free_port();
        let child = Command::new(program)
            .args(["lambda", "watch", "--only-lambda-apis"])
            .args(["-A", "127.0.0.1", "-P", &port.to_string()])
            .current_dir(&package)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let program = Running(child.expect("starts"));
        listening(port).await;
        // The one function of the emulator, which needs no name.
        let api = format!("http://127.0.0.1:{port}/.rt");
        Some(Self {
            _process: start(folder, &api, "_", settings),
            caller: Caller::Emulator {
                _program: program,
                port,
            },
        })
    }

    async fn invoke(&self, event: &Value) -> Result<Value, String> {
        match &self.caller {
            Caller::Fake(runtime) => runtime
                .invoke(event)
                .await
                .map_err(|report| report["errorType"].as_str().unwrap_or_default().to_owned()),
            Caller::Emulator { port, .. } => {
                let path = "/2015-03-31/functions/_/invocations";
                let answer = send(*port, "POST", path, "", &event.to_string()).await;
                let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
                let body: Value = serde_json::from_str(body.trim())
                    .unwrap_or_else(|error| panic!("{error}: {answer}"));
                let is_error = !head.starts_with("HTTP/1.1 200") || body["errorType"].is_string();
                match is_error {
                    true => Err(body["errorType"].as_str().unwrap_or("error").to_owned()),
                    false => Ok(body),
                }
            }
        }
    }

    /// What it answers to an event.
    #[track_caller]
    pub fn ask<'a>(&'a self, event: &'a Value) -> impl Future<Output = Value> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let answer = self.invoke(event).await;
            answer.unwrap_or_else(|error| panic!("{at}: {error} for {event}"))
        }
    }

    /// The code of the error that it reports for an event.
    pub async fn fails(&self, event: &Value) -> String {
        match self.invoke(event).await {
            Err(error) => error,
            Ok(answer) => panic!("{event} was answered: {answer}"),
        }
    }

    /// A request over HTTP, which the emulator makes an event of.
    pub async fn get(&self, path: &str, token: &str) -> String {
        let Caller::Emulator { port, .. } = &self.caller else {
            panic!("only the emulator takes requests");
        };
        let headers = format!("Authorization: Bearer {token}\r\n");
        send(*port, "GET", path, &headers, "").await
    }

    /// Ends it, so that others may open the store.
    pub fn end(self) {}
}

async fn listening(port: u16) {
    for _ in 0..600 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the emulator does not listen");
}

fn free_port() -> u16 {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("known").port()
}

/// One request on a connection of its own; head and body of the answer.
async fn send(port: u16, method: &str, path: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    });
    asking.await.expect("ends")
}

/// The program: named by `CARGO_LAMBDA`, or in the path.
fn emulator() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CARGO_LAMBDA") {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("cargo-lambda"))
        .find(|program| program.is_file())
}
