//! `gna serve` sends events to an endpoint on this machine, which verifies each with the reference
//! library of Standard Webhooks (the npm package `standardwebhooks`). Skipped where node, npm or the
//! package can't be had.

use crate::npm;
use crate::run::{Said, gna, run, sample};
use crate::server::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Answers by the path, and tells each call as a line: whether it was verified, and its body.
const RECEIVER: &str = r#"
const { Webhook } = require("standardwebhooks");
const fs = require("fs");
const seen = {};
const server = require("http").createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts).toString("utf8");
    const path = request.url;
    let verified = false;
    try {
      new Webhook(fs.readFileSync("secret" + path.replace("/", "-"), "utf8")).verify(body, request.headers);
      verified = true;
    } catch (error) { verified = String(error); }
    seen[path] = (seen[path] || 0) + 1;
    const status = path === "/gone" ? 410 : path === "/flaky" && seen[path] === 1 ? 503 : 204;
    const tell = { path, verified, id: request.headers["webhook-id"], status, type: JSON.parse(body).type };
    console.log(JSON.stringify(tell));
    setTimeout(() => { response.writeHead(status); response.end(); }, path === "/slow" && seen[path] === 1 ? 60000 : 0);
  });
});
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
"#;

/// The endpoint; killed with the test.
struct Endpoint {
    child: Child,
    lines: Receiver<Value>,
    port: u16,
}

impl Endpoint {
    /// None where it can't be had, with why.
    fn start(folder: &Path) -> Option<Self> {
        let packages = match npm::installed("standardwebhooks", &["standardwebhooks@1"]) {
            Ok(packages) => packages.join("node_modules"),
            Err(why) => {
                eprintln!("SKIPPED: {why}");
                return None;
            }
        };
        std::fs::write(folder.join("receiver.js"), RECEIVER).expect("writes");
        let started = Command::new("node")
            .arg("receiver.js")
            .env("NODE_PATH", packages)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            eprintln!("SKIPPED: there is no node here");
            return None;
        };
        let out = child.stdout.take().expect("piped");
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let told = serde_json::from_str(&line).expect("JSON");
                if tell.send(told).is_err() {
                    return;
                }
            }
        });
        let first: Value = lines.recv_timeout(WAIT).expect("starts");
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok());
        Some(Self {
            child,
            lines,
            port: port.expect("a port"),
        })
    }

    /// The next call to a path.
    fn next(&self, path: &str) -> Value {
        let until = Instant::now() + WAIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let call = self.lines.recv_timeout(left);
            let call = call.unwrap_or_else(|_| panic!("nothing came to {path}"));
            if call["path"] == path {
                return call;
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const WAIT: Duration = Duration::from_secs(60);

fn ask(folder: &Path, args: &[&str]) -> Said {
    run(folder, args).ended(0)
}

/// Makes an endpoint at a path, and gives its secret to the receiver.
fn subscribe(folder: &Path, port: u16, path: &str, filters: &[&str]) -> String {
    let url = format!("http://127.0.0.1:{port}/{path}");
    let mut args = vec![
        "webhooks",
        "create",
        &url,
        "--organization",
        "acme",
        "--json",
    ];
    args.extend(filters);
    let made = ask(folder, &args).json().remove(0);
    let secret = made["secret"].as_str().expect("a secret");
    std::fs::write(folder.join(format!("secret-{path}")), secret).expect("writes");
    made["webhook"]["id"].as_str().expect("an id").to_owned()
}

fn import(folder: &Path, asset: &str) {
    let report = sample("semgrep.json");
    ask(
        folder,
        &["import", "--group", "acme/shop", "--asset", asset, &report],
    );
}

/// The newest message of an endpoint, once it is in that state.
fn settled(folder: &Path, webhook: &str, state: &str) -> Value {
    let until = Instant::now() + WAIT;
    loop {
        let log = ask(folder, &["webhooks", "deliveries", webhook, "--json"]).json();
        match log.into_iter().next() {
            Some(newest) if newest["state"] == state => return newest,
            newest if Instant::now() > until => panic!("not {state}: {newest:?}"),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[test]
fn events_reach_an_endpoint_that_verifies_them_and_a_kill_loses_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let Some(endpoint) = Endpoint::start(folder) else {
        return;
    };
    let settings = format!(
        "[egress]\nallow = [\"127.0.0.1/32\"]\nports = [{}]\n[log]\nlevel = \"debug\"\n",
        endpoint.port
    );
    std::fs::write(folder.join("gna.toml"), settings).expect("writes");
    ask(folder, &["group", "create", "acme/shop"]);
    let log = folder.join("server.log");
    let mut server = Server::start_logging(folder, &log);
    let port = endpoint.port;

    // Each event once, verified.
    let ok = subscribe(folder, port, "ok", &["--event", "vulnerability.created"]);
    import(folder, "one");
    let mut ids: Vec<String> = (0..6)
        .map(|_| {
            let call = endpoint.next("/ok");
            assert_eq!(call["verified"], true, "{call}");
            assert_eq!(call["type"], "vulnerability.created");
            call["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);

    // A failure is tried again, the same message; 410 switches off; a new secret signs beside the old.
    let flaky = subscribe(folder, port, "flaky", &["--event", "comment.added"]);
    ask(folder, &["webhooks", "test", &flaky]);
    let (first, second) = (endpoint.next("/flaky"), endpoint.next("/flaky"));
    assert_eq!(
        (&first["status"], &second["status"]),
        (&json!(503), &json!(204))
    );
    assert_eq!(
        (&first["id"], &second["verified"]),
        (&second["id"], &json!(true))
    );
    assert_eq!(settled(folder, &flaky, "DELIVERED")["tries"], 2);
    let gone = subscribe(folder, port, "gone", &["--event", "comment.added"]);
    ask(folder, &["webhooks", "test", &gone]);
    assert_eq!(
        settled(folder, &gone, "FAILED")["attempts"][0]["status"],
        410
    );
    let off = ask(folder, &["webhooks", "show", &gone, "--json"]).json();
    assert_eq!(off[0]["enabled"], false);
    let message = settled(folder, &ok, "DELIVERED");
    ask(folder, &["webhooks", "rotate", &ok]);
    let message = message["id"].as_str().expect("an id");
    ask(folder, &["webhooks", "replay", &ok, "--message", message]);
    let again = endpoint.next("/ok");
    assert_eq!(
        (&again["verified"], &again["id"]),
        (&json!(true), &json!(message))
    );

    // Killed while it waits for an answer, the server sends the message again after its next start.
    let slow = subscribe(folder, port, "slow", &["--event", "comment.added"]);
    ask(folder, &["webhooks", "test", &slow]);
    let before = endpoint.next("/slow");
    server.kill();
    let server = Server::start_logging(folder, &log);
    let after = endpoint.next("/slow");
    assert_eq!(
        (&before["id"], &after["verified"]),
        (&after["id"], &json!(true))
    );
    settled(folder, &slow, "DELIVERED");
    assert_eq!(server.stop(), Some(0));

    // Nothing of it is in the log.
    let said = std::fs::read_to_string(&log).expect("reads");
    assert!(said.contains("webhook"), "{said}");
    for name in ["ok", "flaky", "gone", "slow"] {
        let secret = std::fs::read_to_string(folder.join(format!("secret-{name}"))).expect("reads");
        let bare = secret.trim_start_matches("whsec_");
        assert!(!said.contains(bare), "the secret of {name} is in the log");
    }
}

#[test]
fn what_may_not_be_reached_is_refused_when_it_is_saved_and_when_it_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    ask(folder, &["group", "create", "acme/shop"]);
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "https://10.1.2.3/hooks",
        "https://example.com:22/",
    ] {
        let create = [
            "webhooks",
            "create",
            url,
            "--organization",
            "acme",
            "--json",
        ];
        let said = run(folder, &create).ended(2);
        assert_eq!(said.json()[0]["error"]["code"], "webhook.url", "{url}");
    }
    // A name is resolved when it is used: this one leads here.
    let create = [
        "webhooks",
        "create",
        "https://localhost/",
        "--organization",
        "acme",
        "--json",
    ];
    let made = ask(folder, &create).json().remove(0);
    let id = made["webhook"]["id"].as_str().expect("an id");
    let server = Server::start(folder, &[]);
    ask(folder, &["webhooks", "test", id]);
    let failed = settled(folder, id, "FAILED");
    assert_eq!(failed["tries"], 1);
    let why = failed["attempts"][0]["error"].as_str().expect("a reason");
    assert!(why.contains("refused"), "{why}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn an_app_sends_to_a_receiver_through_the_server_and_a_forger_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    ask(folder, &["group", "create", "acme/shop"]);
    let server = Server::start(folder, &[]);
    let receive = [
        "webhooks",
        "receive",
        "gitlab",
        "--organization",
        "acme",
        "--json",
    ];
    let made = ask(folder, &receive).json().remove(0);
    let secret = made["secret"].as_str().expect("a secret");
    let url = made["receiver"]["url"].as_str().expect("an address");
    let path = url.strip_prefix(server.url()).expect("on this server");
    let body = r#"{"object_kind":"push"}"#;
    for (token, status) in [(secret, 200), ("wrong", 401), ("", 401)] {
        let headers = [
            ("X-Gitlab-Token", token),
            ("Content-Type", "application/json"),
        ];
        let (answered, text) = server.send("POST", path, &headers, body);
        assert_eq!(answered, status, "{text}");
    }
    let large = "x".repeat(300_000);
    let (answered, text) = server.send("POST", path, &[("X-Gitlab-Token", secret)], &large);
    assert_eq!(answered, 413, "{text}");
    let (answered, text) = server.send("POST", "/api/v2/hooks/gitlab/rcv_7", &[], body);
    assert_eq!(answered, 404, "{text}");
    let list = gna(folder)
        .args(["webhooks", "receivers", "--organization", "acme"])
        .output()
        .expect("runs");
    assert!(!String::from_utf8_lossy(&list.stdout).contains(secret));
    assert_eq!(server.stop(), Some(0));
}
