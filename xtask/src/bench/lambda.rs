//! Cold start of `gna lambda`: from the start of the process to the first answer, with a stand-in for
//! the runtime API of AWS Lambda.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Starts that are measured; one more before them fills the machine's caches.
const STARTS: usize = 20;

/// Prints a line of JSON.
///
/// # Errors
/// No binary with the feature `lambda`, or an answer that is none.
pub fn cold_start(gna: &Path, folder: &Path, store: Option<&str>) -> Result<()> {
    let data = folder.join("lambda");
    std::fs::create_dir_all(&data)?;
    let url = match store {
        Some(store) => store.to_owned(),
        None => format!("sqlite:{}", data.join("gna.db").display()),
    };
    let mut made = gna_at(gna, &data, &url);
    let made = made.args(["group", "create", "acme/shop"]).output()?;
    ensure!(
        made.status.success() || store.is_some(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut times = Vec::new();
    for _ in 0..=STARTS {
        times.push(once(gna, &data, &url)?);
    }
    times.remove(0);
    times.sort_unstable();
    let millis = |at: usize| times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let scheme = url.split(':').next().unwrap_or_default();
    let told = json!({
        "scenario": "lambda", "store": scheme, "starts": STARTS,
        "first_answer_ms": { "p50": millis(STARTS / 2), "least": millis(0), "most": millis(STARTS - 1) },
        "binary_mb": std::fs::metadata(gna)?.len() as f64 / 1e6,
    });
    println!("{told}");
    Ok(())
}

fn gna_at(gna: &Path, data: &Path, store: &str) -> Command {
    let mut command = Command::new(gna);
    command
        .current_dir(data)
        .env("GNA_STORE__URL", store)
        .env("GNA_LAMBDA__TRIAL", "true")
        .env("GNA_SERVER__PUBLIC_URL", "https://gna.example.com")
        .env("GNA_LOG__LEVEL", "error")
        .stdout(Stdio::null());
    command
}

/// One process, from its start to its first answer.
fn once(gna: &Path, data: &Path, store: &str) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let api = listener.local_addr()?.to_string();
    let started = Instant::now();
    let mut process = gna_at(gna, data, store)
        .arg("lambda")
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "gna")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .spawn()?;
    let answer = first_answer(&listener);
    let took = started.elapsed();
    process.kill()?;
    process.wait()?;
    let answer = answer?;
    ensure!(
        answer["statusCode"] == 401,
        "an unexpected answer: {answer}"
    );
    Ok(took)
}

/// Gives out one request, which needs the store, and waits for its answer.
fn first_answer(listener: &TcpListener) -> Result<Value> {
    let event = json!({
        "version": "2.0", "rawPath": "/api/v2/groups", "rawQueryString": "",
        "headers": { "authorization": "Bearer gna_0000000000000000000000000000000000000000000000000000000000000000" },
        "requestContext": { "stage": "$default", "http": { "method": "GET", "path": "/api/v2/groups", "sourceIp": "192.0.2.1" } },
    })
    .to_string();
    loop {
        let (stream, _) = listener.accept()?;
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some((line, body)) = request(&mut reader)? {
            if line.starts_with("POST") {
                return serde_json::from_slice(&body).context("the answer is no JSON");
            }
            next(&stream, &event)?;
        }
    }
}

fn next(mut stream: &TcpStream, event: &str) -> Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:gna\r\nLambda-Runtime-Trace-Id: Root=1\r\nContent-Length: {}\r\n\r\n{event}",
        event.len()
    )?;
    Ok(())
}

/// The first line and the body of a request; `None` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Result<Option<(String, Vec<u8>)>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((first, body)))
}
