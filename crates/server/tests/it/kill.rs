//! The server is killed with SIGKILL in the middle of imports, again and again.
//!
//! What was acknowledged must be there afterwards, no chunk may be half written, and the import must
//! end as one that nobody disturbed.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::run::run;
use crate::server::Server;

const KILLS: u32 = 20;
const FINDINGS: usize = 6_000;

/// A report that takes a debug build seconds to import.
fn report() -> Vec<u8> {
    let results: Vec<Value> = (0..FINDINGS)
        .map(|number| {
            json!({
                "ruleId": format!("rule-{}", number % 50),
                "level": "error",
                "message": { "text": "look" },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": format!("src/file_{}.rs", number / 10) },
                    "region": { "startLine": number % 10 * 7 + 1, "snippet": { "text": format!("call({number})") } },
                } }],
            })
        })
        .collect();
    json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "Linter" } }, "results": results }] })
        .to_string()
        .into_bytes()
}

fn ask(server: &Server, token: &str, method: &str, path: &str, body: &[u8]) -> Option<Value> {
    let host = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let start = answer.find('{')?;
    let end = answer.rfind('}')?;
    serde_json::from_str(answer.get(start..=end)?).ok()
}

fn upload(server: &Server, token: &str, asset: &str, report: &[u8]) -> String {
    let path =
        format!("/api/v2/reports?organization=demo&group=shop&asset={asset}&file_name=r.sarif");
    let told = ask(server, token, "POST", &path, report).expect("the upload is acknowledged");
    told["id"].as_str().expect("an id").to_owned()
}

fn finished(server: &Server, token: &str, id: &str) -> Option<Value> {
    let report = ask(server, token, "GET", &format!("/api/v2/reports/{id}"), b"")
        .unwrap_or_else(|| panic!("the acknowledged report {id} is gone"));
    assert!(
        report["status"] == "QUEUED"
            || report["status"] == "RUNNING"
            || report["status"] == "COMPLETE",
        "{report}"
    );
    (report["status"] == "COMPLETE").then_some(report)
}

fn start(data: &Path) -> (Server, String) {
    let server = Server::start(data, &["--demo", "--data", "data"]);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    (server, token)
}

#[test]
fn twenty_kills_lose_nothing_and_change_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = report();
    let (mut server, mut token) = start(folder.path());
    let mut acknowledged = Vec::new();
    let mut kills = 0;
    while kills < KILLS {
        let id = upload(
            &server,
            &token,
            &format!("asset-{}", acknowledged.len()),
            &report,
        );
        acknowledged.push(id.clone());
        // Several kills into each import, at other moments each time.
        while kills < KILLS && finished(&server, &token, &id).is_none() {
            std::thread::sleep(Duration::from_millis(40 + u64::from(kills * 37 % 11) * 25));
            server.kill();
            kills += 1;
            (server, token) = start(folder.path());
        }
    }
    for id in &acknowledged {
        let report = (0..1_200)
            .find_map(|_| {
                std::thread::sleep(Duration::from_millis(100));
                finished(&server, &token, id)
            })
            .expect("the import ends");
        let counts = &report["counts"];
        assert_eq!(counts["created"], FINDINGS, "{counts}");
        assert_eq!(counts["total"], FINDINGS, "{counts}");
        assert_eq!(counts["closed"], 0, "{counts}");
    }
    server.kill();
    let check = run(
        folder.path(),
        &["store", "check", "--data", "data", "--json"],
    )
    .ended(0);
    assert!(!check.stdout.is_empty());
}
