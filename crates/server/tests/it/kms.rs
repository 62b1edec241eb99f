//! The keyring in AWS KMS, through the real binary. The service is a SUBSTITUTE: `moto`, which imitates
//! AWS (PyPI); nothing here has met the real one. Skipped where it can't be had.

use crate::run::gna;
use crate::server::Server;
use gna_testkit::guide::free_port;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Of a request that KMS would check; the substitute looks only at the service in it.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=invented/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=invented";

/// The substitute for KMS; killed with the test.
struct Kms {
    child: Child,
    port: u16,
}

impl Drop for Kms {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Kms {
    fn start(folder: &Path) -> Option<Self> {
        let skip = |why: &str| {
            eprintln!("SKIPPED: {why}");
            None
        };
        let venv = folder.join("moto");
        let made = Command::new("python3")
            .arg("-m")
            .arg("venv")
            .arg(&venv)
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            return skip("there is no python3 with venv here");
        }
        let installed = Command::new(venv.join("bin/pip"))
            .args(["install", "--quiet", "moto[server]==5.2.5"])
            .output();
        if !installed.is_ok_and(|installed| installed.status.success()) {
            return skip("moto can't be had from PyPI");
        }
        let port = free_port();
        let child = Command::new(venv.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let kms = Self { child, port };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "the substitute does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(kms)
    }

    /// As an operator in the console.
    fn ask(&self, action: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("listens");
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: kms.eu-central-1.amazonaws.com\r\nConnection: close\r\nAuthorization: {AUTHORIZATION}\r\n\
             Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.{action}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert!(answer.contains(" 200 "), "{action}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }

    fn key(&self) -> String {
        let made = self.ask("CreateKey", &json!({}));
        made["KeyMetadata"]["Arn"]
            .as_str()
            .expect("an ARN")
            .to_owned()
    }

    fn command(&self, at: &Path, args: &[&str]) -> Command {
        let mut command = gna(at);
        command
            .args(args)
            .env(
                "AWS_ENDPOINT_URL_KMS",
                format!("http://127.0.0.1:{}", self.port),
            )
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "invented")
            .env("AWS_SECRET_ACCESS_KEY", "invented")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("GNA_KEYRING__KIND", "kms")
            .env("GNA_KEYRING__KMS_KEY", "alias/gna");
        command
    }

    fn run(&self, at: &Path, args: &[&str]) -> Value {
        let done: Output = self.command(at, args).output().expect("runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{args:?}: {said} {why}");
        let line = said.lines().next().unwrap_or_default();
        serde_json::from_str(line).unwrap_or(Value::Null)
    }
}

fn receiver(kms: &Kms, at: &Path) -> String {
    let args = [
        "webhooks",
        "receive",
        "gitlab",
        "--organization",
        "acme",
        "--json",
    ];
    let made = kms.run(at, &args);
    let path = made["receiver"]["url"].as_str().expect("an address");
    let path = path.splitn(4, '/').nth(3).expect("a path").to_owned();
    format!("/{path} {}", made["secret"].as_str().expect("a secret"))
}

/// A webhook whose secret must be opened to check it.
fn post(server: &Server, receiver: &str, number: usize) -> u16 {
    let (path, secret) = receiver.split_once(' ').expect("a path and a secret");
    let body = format!("{{\"object_kind\": \"push\", \"number\": {number}}}");
    server
        .send("POST", path, &[("X-Gitlab-Token", secret)], &body)
        .0
}

#[test]
fn keys_of_kms_are_changed_under_load_and_the_old_one_is_not_needed_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let Some(kms) = Kms::start(at) else { return };
    let (first, second) = (kms.key(), kms.key());
    let alias = |action: &str, key: &str| {
        kms.ask(
            action,
            &json!({ "AliasName": "alias/gna", "TargetKeyId": key }),
        );
    };
    alias("CreateAlias", &first);
    kms.run(at, &["group", "create", "acme/shop"]);
    let doctor = kms.run(at, &["doctor", "--json"]);
    let keyring = doctor["checks"].as_array().expect("checks").iter();
    let keyring: Vec<&Value> = keyring.filter(|check| check["what"] == "keyring").collect();
    assert!(
        keyring[0]["says"]
            .as_str()
            .expect("a text")
            .contains(&first),
        "{keyring:?}"
    );

    let server = Server::of(kms.command(at, &["serve", "--json", "--listen", "127.0.0.1:0"]));
    let receiver = receiver(&kms, at);
    assert_eq!(post(&server, &receiver, 0), 200);

    // The alias leads to another key; everything is wrapped by it while webhooks come in.
    alias("UpdateAlias", &second);
    let rotated = std::thread::scope(|scope| {
        let rotating = scope.spawn(|| kms.run(at, &["keys", "rotate", "--data-keys", "--json"]));
        let mut number = 1;
        while !rotating.is_finished() {
            assert_eq!(post(&server, &receiver, number), 200);
            number += 1;
        }
        assert!(number > 1, "something came meanwhile");
        rotating.join().expect("ends")
    });
    assert_eq!(
        (&rotated["state"], &rotated["key"]),
        (&json!("DONE"), &json!(second)),
        "{rotated}"
    );
    assert_eq!(server.stop(), Some(0));

    // What is stored opens by the new key alone.
    kms.ask("DisableKey", &json!({ "KeyId": first }));
    let server = Server::of(kms.command(at, &["serve", "--json", "--listen", "127.0.0.1:0"]));
    assert_eq!(post(&server, &receiver, 100_000), 200);
    assert_eq!(server.stop(), Some(0));

    // Without it nothing opens, and it says what is missing, not what it would open.
    kms.ask("DisableKey", &json!({ "KeyId": second }));
    let server = Server::of(kms.command(at, &["serve", "--json", "--listen", "127.0.0.1:0"]));
    assert_eq!(post(&server, &receiver, 200_000), 503);
    let said = kms
        .command(at, &["doctor", "--json"])
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains(&second) && said.contains("keyring"), "{said}");
    assert_eq!(server.stop(), Some(0));
}
