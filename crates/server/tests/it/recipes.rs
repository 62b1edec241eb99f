//! Recipes through the real binary: accounts connected, integrations made, events told, schedules
//! kept, actions done. One with an address on this machine, one with a real Redmine.

use crate::run::{gna, run, sample};
use crate::server::Server;
use gna_testkit::Redmine;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(60);

/// An invented app that takes whatever is posted to it, and tells it.
struct Listener {
    url: String,
    told: Receiver<(String, Value)>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut key, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a head");
                    let Some((name, value)) = line.trim().split_once(": ") else {
                        match line.trim() {
                            "" => break,
                            _ => continue,
                        }
                    };
                    match name.to_ascii_lowercase().as_str() {
                        "authorization" => key = value.to_owned(),
                        "content-length" => length = value.parse().expect("a number"),
                        _ => {}
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                reader.into_inner().write_all(answer).expect("answered");
                let body = serde_json::from_slice(&body).expect("JSON");
                if tell.send((key, body)).is_err() {
                    return;
                }
            }
        });
        Self { url, told }
    }

    fn next(&self) -> (String, Value) {
        self.told.recv_timeout(WAIT).expect("is told")
    }
}

/// The server, and the token of an owner of Acme.
pub struct Office {
    server: Server,
    token: String,
}

impl Office {
    fn open(at: &Path) -> Self {
        std::fs::write(
            at.join("gna.toml"),
            "[egress]\nallow = ['127.0.0.0/8']\nports = []\nhttp = true\n",
        )
        .expect("written");
        run(at, &["group", "create", "acme/shop"]).ended(0);
        run(at, &["user", "create", "ann@acme.example"]).ended(0);
        run(at, &["member", "set", "acme", "ann@acme.example", "owner"]).ended(0);
        let token = [
            "token",
            "create",
            "--user",
            "ann@acme.example",
            "--name",
            "test",
            "--json",
        ];
        let token = run(at, &token).ended(0).json()[0]["token"].clone();
        Self {
            server: Server::start(at, &[]),
            token: token.as_str().expect("a token").to_owned(),
        }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = format!("Bearer {}", self.token);
        let headers = [
            ("Authorization", token.as_str()),
            ("Content-Type", "application/json"),
        ];
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, answer) = self.server.send(method, path, &headers, &body);
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let start = body.find(['{', '[']).unwrap_or(body.len());
        let end = body.rfind(['}', ']']).map_or(start, |end| end + 1);
        let json = body.get(start..end).unwrap_or_default();
        (status, serde_json::from_str(json).unwrap_or(Value::Null))
    }

    #[track_caller]
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.send(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    }

    #[track_caller]
    fn ask(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let answer = self.done("POST", "/api", &body);
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        answer["data"].clone()
    }

    /// The account that was connected.
    fn connect(&self, module: &str, data: Value) -> String {
        let body =
            json!({ "moduleType": module, "organization": "acme", "shared": true, "data": data });
        let made = self.done("POST", "/api/v2/authorize", &body);
        made["entityId"].as_str().expect("an id").to_owned()
    }

    /// Asks until it is as expected.
    fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + WAIT;
        loop {
            let found = self.done("GET", path, &Value::Null);
            if is(&found) {
                return found;
            }
            assert!(Instant::now() < until, "{path} stays {found}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn import(at: &Path, file: &str) {
    let args = ["import", "--group", "acme/shop", "--asset", "web", file];
    run(at, &args).ended(0);
}

#[test]
fn a_recipe_of_a_file_tells_an_address_what_happens_until_it_is_taken_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let listener = Listener::start();
    let office = Office::open(at);
    let account = office.connect(
        "webhook",
        json!({ "url": listener.url, "label": "Listener", "authorization": "Bearer hunter2" }),
    );
    let made = office.done(
        "POST",
        "/api/v2/integrations",
        &json!({ "organization": "acme", "shared": true, "entities": [account],
                 "config": { "type": "webhook-notice", "min_severity": "INFO" } }),
    );
    assert_eq!(made["status"], "ENABLED", "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    let one = format!("/api/v2/integrations/{id}");

    // What a person has it do is done at once, with the account's secret.
    let actions = office.done("GET", &format!("{one}/actions"), &Value::Null);
    assert!(actions["SEND_TEST"].is_object(), "{actions}");
    office.done("POST", &format!("{one}/actions/SEND_TEST"), &json!({}));
    let (key, told) = listener.next();
    assert_eq!(
        (key.as_str(), &told["event"]),
        ("Bearer hunter2", &json!("test"))
    );

    // What happens here is told, each thing once.
    import(at, &sample("semgrep.json"));
    let mut opened: Vec<String> = (0..6)
        .map(|_| {
            let (_, told) = listener.next();
            assert_eq!(told["event"], "opened", "{told}");
            told["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    opened.sort();
    opened.dedup();
    assert_eq!(opened.len(), 6);

    // Paused by GraphQL, it tells nothing; taken down by REST, it is gone with what it remembered.
    let switch = "mutation($id: ID!, $on: Boolean!) { switchIntegration(id: $id, enabled: $on) { integration { status } } }";
    let off = office.ask(switch, json!({ "id": id, "on": false }));
    assert_eq!(
        off["switchIntegration"]["integration"]["status"],
        "DISABLED"
    );
    let (status, refused) = office.send("POST", &format!("{one}/actions/SEND_TEST"), &json!({}));
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("integration.not_running"))
    );
    office.ask(switch, json!({ "id": id, "on": true }));
    office.done("POST", &format!("{one}/actions/SEND_TEST"), &json!({}));
    assert_eq!(
        listener.next().1["event"],
        "test",
        "nothing was told in between"
    );
    office.done("DELETE", &one, &Value::Null);
    let until = Instant::now() + WAIT;
    while office.send("GET", &one, &Value::Null).0 != 404 {
        assert!(Instant::now() < until, "it is not taken down");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(office.server.stop(), Some(0));
    let store = std::fs::read(at.join("gna-data/gna.db")).expect("the store");
    let store = String::from_utf8_lossy(&store);
    assert!(!store.contains("hunter2"), "no secret is in the store");
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_of_a_real_redmine_follow_vulnerabilities_and_the_other_way() {
    let Some(redmine) = Redmine::start().await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let office = Office::open(at);
    // Its administrator's key is refused where it is wrong, with a sentence for the user.
    let wrong = json!({ "moduleType": "redmine", "organization": "acme", "shared": true,
                        "data": { "url": redmine.url, "api_key": "wrong" } });
    let (status, refused) = office.send("POST", "/api/v2/authorize", &wrong);
    assert!((400..500).contains(&status), "{refused}");
    let data = json!({ "url": redmine.url, "api_key": redmine.key });
    let account = office.connect("redmine", data);

    // By GraphQL, without the project: it says what is missing, and offers the projects there are.
    let acme = office.ask("{ organization(slug: \"acme\") { id } }", json!({}));
    let input = json!({ "organization": acme["organization"]["id"], "recipe": "issue-sync", "shared": true,
                        "entities": [account], "config": { "min_severity": "INFO" } });
    let create = "mutation($input: CreateIntegrationInput!) { createIntegration(input: $input) { integration { id status } } }";
    let made = office.ask(create, json!({ "input": input }));
    let made = &made["createIntegration"]["integration"];
    assert_eq!(made["status"], "NEEDS_CONFIG", "{made}");
    let id = made["id"].as_str().expect("an id").to_owned();
    let form = office.ask(
        "query($id: ID!) { integrationForm(id: $id) { jsonSchema } }",
        json!({ "id": id }),
    );
    let choice = &form["integrationForm"]["jsonSchema"]["properties"]["project"]["oneOf"][0];
    assert_eq!(choice["title"], "Gna", "{form}");
    let configure = "mutation($id: ID!, $config: JSON!) { configureIntegration(id: $id, config: $config) { integration { status } } }";
    let config = json!({ "project": choice["const"] });
    let configured = office.ask(configure, json!({ "id": id, "config": config }));
    assert_eq!(
        configured["configureIntegration"]["integration"]["status"],
        "ENABLED"
    );

    // An event becomes issues.
    import(at, &sample("semgrep.json"));
    let until = Instant::now() + WAIT;
    let mut issues = redmine.issues().await;
    while issues.len() < 6 {
        assert!(Instant::now() < until, "{issues:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        issues = redmine.issues().await;
    }
    assert!(
        issues
            .iter()
            .all(|(_, text, closed)| !closed && text.contains("Gna: vul_"))
    );

    // A look that the schedule makes sees what somebody closed there; an action does, too.
    let (first, second) = (issues[0].clone(), issues[1].clone());
    redmine.set(&first.0, true).await;
    let tick = format!("schedule:integration.{id}");
    let ticked = gna(at)
        .args(["invoke", &tick, "--organization", "acme"])
        .output()
        .expect("runs");
    assert!(
        ticked.status.success(),
        "{}",
        String::from_utf8_lossy(&ticked.stderr)
    );
    let state = |text: &str| {
        let vulnerability = text.lines().find_map(|line| line.strip_prefix("Gna: "));
        format!(
            "/api/v2/vulnerabilities/{}",
            vulnerability.expect("a mark").trim()
        )
    };
    let closed = office.until(&state(&first.1), |found| found["state"] != "OPEN");
    assert_eq!(closed["state"], "CLOSED", "{closed}");
    redmine.set(&second.0, true).await;
    let sync = format!("/api/v2/integrations/{id}/actions/SYNC_NOW");
    let done = office.done("POST", &sync, &json!({}));
    assert!(done["message"].is_string(), "{done}");
    office.until(&state(&second.1), |found| found["state"] == "CLOSED");

    // Whoever is away for a while is told nothing new, and what was done is there once.
    assert_eq!(redmine.issues().await.len(), 6);
    let shown = office.done("GET", &format!("/api/v2/integrations/{id}"), &Value::Null);
    assert_eq!(
        (&shown["status"], &shown["messages"]["errors"]),
        (&json!("ENABLED"), &json!([])),
        "{shown}"
    );
    assert_eq!(office.server.stop(), Some(0));
}
