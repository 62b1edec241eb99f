//! The keyring in AWS KMS, through the real binary. The service is a SUBSTITUTE: `moto`, which imitates
//! AWS (PyPI); nothing here has met the real one. Skipped where it can't be had.

use crate::moto::Moto;
use crate::run::gna;
use crate::server::Server;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// The substitute for KMS.
struct Kms {
    moto: Moto,
}

impl Kms {
    fn start() -> Option<Self> {
        Moto::start().map(|moto| Self { moto })
    }

    /// As an operator in the console.
    fn ask(&self, action: &str, body: &Value) -> Value {
        let headers = format!(
            "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.{action}\r\n"
        );
        let of = "eu-central-1/kms";
        let answer = self.moto.ask(of, "POST /", &headers, &body.to_string());
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
                format!("http://127.0.0.1:{}", self.moto.port),
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
    let Some(kms) = Kms::start() else { return };
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
