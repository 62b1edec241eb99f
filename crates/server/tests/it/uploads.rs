//! Large reports in two steps by the command line: to a server with a folder, and to one whose bucket
//! takes the bytes itself.

use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use crate::run::{Said, run, sample};
use crate::server::Server;

/// A report with six findings, blown up to 5 MiB: more than is sent in one request.
fn large(folder: &Path) -> String {
    let mut bytes = std::fs::read(sample("trivy.json")).expect("a sample");
    bytes.resize(5 << 20, b'\n');
    let path = folder.join("large.json");
    std::fs::write(&path, bytes).expect("written");
    path.display().to_string()
}

/// Imports as the operator of the server that has the store.
fn import(folder: &Path, file: &str, asset: &str) -> Said {
    let place = ["--group", "acme/shop", "--asset", asset, "--data", "data"];
    run(folder, &[&["import", file, "--json"], &place[..]].concat())
}

fn taken_in(server: &Server, way: &str) -> bool {
    let (status, text) = server.get("/metrics");
    assert_eq!(status, 200, "{text}");
    text.contains(&format!("gna_reports_uploaded_total{{way=\"{way}\"}} 1"))
}

#[test]
fn a_report_that_is_too_large_for_one_request_goes_in_two_steps() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::write(at.join("gna.toml"), "[metrics]\non_loopback = true\n").expect("written");
    let server = Server::start(at, &["--data", "data"]);
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    let told = import(at, &large(at), "large").ended(0).json();
    assert_eq!(
        (&told[0]["status"], &told[0]["counts"]["created"]),
        (&json!("COMPLETE"), &json!(6)),
        "{told:?}"
    );
    assert!(taken_in(&server, "upload") && !taken_in(&server, "bytes"));
    import(at, &sample("trivy.json"), "small").ended(0);
    assert!(taken_in(&server, "upload") && taken_in(&server, "bytes"));
    assert_eq!(server.stop(), Some(0));
}

/// One request of a connection that is closed then: head and body.
fn received(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("UTF-8");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body).expect("a whole body");
    (head, body)
}

/// STANDS IN for a proxy before a server, which takes no reports of more than a thousand bytes and
/// passes all else on. Answers its address; ends with the test.
fn narrow(server: &Server) -> String {
    let behind = server.url().trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("known");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (head, body) = received(&mut stream);
            let Some((first, rest)) = head.split_once("\r\n") else {
                continue;
            };
            let mut answer = Vec::new();
            if first.starts_with("POST /api/v2/reports") && body.len() > 1_000 {
                answer.extend_from_slice(
                    b"HTTP/1.1 413 Payload Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                );
            } else {
                let mut server = TcpStream::connect(&behind).expect("listens");
                let head = format!("{first}\r\nConnection: close\r\n{rest}");
                server.write_all(head.as_bytes()).expect("sent");
                server.write_all(&body).expect("sent");
                server.read_to_end(&mut answer).expect("answers");
            }
            stream.write_all(&answer).expect("passed on");
        }
    });
    format!("http://{address}")
}

#[test]
fn a_report_that_is_refused_on_its_way_goes_in_two_steps() {
    let folder = tempfile::tempdir().expect("folder");
    let server = Server::start(folder.path(), &["--demo"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let elsewhere = tempfile::tempdir().expect("folder");
    let said = crate::run::gna(elsewhere.path())
        .args(["import", &sample("trivy.json"), "--json"])
        .args(["--server", &narrow(&server)])
        .args(["--group", "demo/shop", "--asset", "narrow"])
        .env("GNA_TOKEN", token)
        .output();
    let told = Said::from(said.expect("runs")).ended(0).json();
    assert_eq!(
        (&told[0]["status"], &told[0]["counts"]["created"]),
        (&json!("COMPLETE"), &json!(6)),
        "{told:?}"
    );
    assert_eq!(server.stop(), Some(0));
}

/// S3 is a SUBSTITUTE here (`moto`, PyPI). Skipped where it can't be had.
#[cfg(feature = "s3")]
#[test]
fn a_bucket_takes_large_reports_by_a_signed_address_that_no_log_has() {
    use crate::moto::Moto;
    use crate::run::gna;

    const S3: &str = "us-east-1/s3";
    let Some(s3) = Moto::start() else { return };
    s3.ask(S3, "PUT /gna-uploads", "", "");
    let endpoint = format!("http://127.0.0.1:{}", s3.port);
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::write(at.join("gna.toml"), "[metrics]\non_loopback = true\n").expect("written");
    let log = at.join("server.log");
    let mut command = gna(at);
    command
        .args(["serve", "--json", "--listen", "127.0.0.1:0"])
        .args(["--data", "data"])
        .env("TMPDIR", at)
        .env("GNA_LOG__LEVEL", "debug")
        .env("GNA_BLOBS__URL", "s3://gna-uploads/here")
        .env("AWS_ENDPOINT_URL_S3", endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "invented")
        .env("AWS_SECRET_ACCESS_KEY", "invented")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stderr(std::fs::File::create(&log).expect("a log"));
    let server = Server::of(command);
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    // The command knows nothing of the bucket but the address that the server gave it.
    let said = import(at, &large(at), "large").ended(0);
    assert_eq!(said.json()[0]["counts"]["created"], 6, "{}", said.stdout);
    assert!(taken_in(&server, "upload") && !taken_in(&server, "bytes"));
    let listed = s3.ask(S3, "GET /gna-uploads?list-type=2", "", "");
    assert!(listed.contains("<Key>here/reports/"), "{listed}");
    assert!(!listed.contains("uploads/org_"), "{listed}");
    assert_eq!(server.stop(), Some(0));
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(!log.is_empty(), "the log is where it is looked for");
    for text in [&log, &said.stdout, &said.stderr] {
        assert!(!text.contains("X-Amz-Signature"), "{text}");
    }
}
