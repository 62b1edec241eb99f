//! Traces: what reaches a collector, and what becomes of a server whose collector is away.

use crate::run::{gna, run, sample};
use crate::server::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Head and body of a request.
type Request = (String, Vec<u8>);

/// Stands in for a collector of OpenTelemetry: takes what is sent by OTLP over HTTP, and keeps it.
struct StandInCollector {
    address: String,
    taken: Arc<Mutex<Vec<Request>>>,
}

impl StandInCollector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&taken);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = Self::read(&stream);
                keep.lock().expect("no panic").push(request);
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                (&stream).write_all(answer.as_bytes()).expect("answered");
            }
        });
        Self { address, taken }
    }

    /// Head and body of a request with a `Content-Length`.
    fn read(stream: &TcpStream) -> Request {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            if line.trim().is_empty() {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        (head, body)
    }

    /// All heads, and all bodies one after the other.
    fn all(&self) -> Request {
        let taken = self.taken.lock().expect("no panic");
        let heads = taken.iter().map(|(head, _)| head.as_str()).collect();
        let bodies = taken.iter().flat_map(|(_, body)| body.clone()).collect();
        (heads, bodies)
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A server with its traces on, and its numbers for everybody on this machine.
fn traced(folder: &Path, endpoint: &str) -> Server {
    std::fs::write(folder.join("gna.toml"), "[metrics]\non_loopback = true\n").expect("written");
    let mut command: Command = gna(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
        .args(["serve", "--json", "--listen", "127.0.0.1:0"])
        .args(["--data", "data"])
        .env("TMPDIR", folder)
        // What is in the log does not decide on what is in a trace.
        .env("GNA_LOG__LEVEL", "error")
        .env("GNA_TELEMETRY__OTLP_ENDPOINT", endpoint)
        .env("GNA_TELEMETRY__SERVICE_NAME", "gna-of-the-test")
        .env("OTEL_BSP_SCHEDULE_DELAY", "200");
    Server::of(command)
}

/// Waits until the numbers have a line that begins so, with a value that will do.
fn await_number(server: &Server, start: &str, is: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, text) = server.get("/metrics");
        assert_eq!(status, 200, "{text}");
        let values = text.lines().filter(|line| line.starts_with(start));
        let mut values = values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        if values.any(&is) {
            return;
        }
        assert!(Instant::now() < deadline, "{start} in\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn requests_and_jobs_reach_the_collector_and_secrets_do_not() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let collector = StandInCollector::start();
    let server = traced(at, &collector.address);
    let data = |args: &[&str]| run(at, &[args, &["--data", "data"]].concat());
    data(&["group", "create", "acme/top-secret"]).ended(0);
    let into = ["--group", "acme/top-secret", "--asset", "image"];
    data(&[&["import", &sample("trivy.json")], &into[..]].concat()).ended(0);
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let headers = [
        ("traceparent", format!("00-{trace}-{parent}-01")),
        ("tracestate", "vendor=tracestate-hunter2".to_owned()),
        ("Authorization", "Bearer gna_header-hunter2".to_owned()),
        ("Cookie", "session=cookie-hunter2".to_owned()),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let (status, text) = server.send("GET", "/health/live?token=query-hunter2", &headers, "");
    assert_eq!(status, 200, "{text}");
    let path = "/nowhere/path-hunter2";
    let body = "{\"password\": \"body-hunter2\"}";
    assert_eq!(server.send("POST", path, &headers, body).0, 404);
    // A job ends a moment after its report.
    let jobs = "gna_jobs_running{kind=\"import.report\"}";
    await_number(&server, jobs, |running| running == 0.0);
    // What waits still is sent at the end.
    assert_eq!(server.stop(), Some(0));

    let (heads, bodies) = collector.all();
    assert!(heads.starts_with("POST /v1/traces HTTP/1.1"), "{heads}");
    for told in [
        "gna-of-the-test",
        "GET /health/live",
        "POST unmatched",
        "http.request.method",
        "http.response.status_code",
        "job import.report",
        "gna.job.attempt",
        "gna.job.outcome",
        "done",
    ] {
        assert!(holds(&bodies, told.as_bytes()), "{told}");
    }
    // Ids are bytes, not digits (opentelemetry-proto, trace.proto).
    for id in [trace, parent] {
        let id = u128::from_str_radix(id, 16)
            .expect("hexadecimal")
            .to_be_bytes();
        let id: Vec<u8> = id.into_iter().skip_while(|byte| *byte == 0).collect();
        assert!(holds(&bodies, &id), "{id:?}");
    }
    for kept in ["hunter2", "acme", "top-secret"] {
        assert!(!holds(&bodies, kept.as_bytes()), "{kept}");
        assert!(!heads.contains(kept), "{kept}");
    }
}

#[test]
fn a_server_whose_collector_is_away_answers_and_counts() {
    let folder = tempfile::tempdir().expect("folder");
    // Nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("bound").to_string();
    drop(port);
    let server = traced(folder.path(), &format!("http://{address}"));
    assert_eq!(server.get("/health/live").0, 200);
    let dropped = "gna_otlp_spans_dropped_total{reason=\"unsent\"}";
    await_number(&server, dropped, |dropped| dropped > 0.0);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_can_not_be_an_address_is_refused_at_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let output = gna(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@collector")
        .output()
        .expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}
