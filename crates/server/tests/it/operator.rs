//! Commands at the machine while a server has the store: they go through it, as `local-operator`.

use crate::run::{Said, run, sample};
use crate::server::Server;
use regex::Regex;
use serde_json::{Value, json};
use std::path::Path;

/// What differs from one installation to another, blanked.
fn plain(said: &str) -> String {
    [
        (r"\bgna_[0-9a-f…]+", "TOKEN"),
        (r"\b[a-z]{3}_[0-9a-f]{32}", "ID"),
        (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"http://[\d.]+:\d+", "URL"),
        (r"\b[0-9a-f]{64}\b", "SECRET"),
    ]
    .iter()
    .fold(said.to_owned(), |text, (pattern, blank)| {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.replace_all(&text, *blank).into_owned()
    })
}

/// Every command of the operator, one after the other; what each said, for people and for programs.
fn story(at: &Path) -> Vec<String> {
    let mut told = Vec::new();
    let mut command = |args: &[&str], code: i32| -> Said {
        let said = run(at, &[args, &["--data", "data"]].concat()).ended(code);
        let words = plain(&format!("{}{}", said.stdout, said.stderr));
        told.push(format!("gna {}\n{words}", plain(&args.join(" "))));
        said
    };
    let id = |said: &Said| said.json()[0]["id"].as_str().expect("an id").to_owned();

    command(&["group", "create", "acme/shop", "--name", "Shop"], 0);
    command(&["group", "create", "acme/shop", "--json"], 2);
    command(&["group", "list"], 0);
    command(&["group", "list", "--json"], 0);

    command(&["user", "create", "ann@shop.example", "--name", "Ann"], 0);
    command(&["user", "create", "bob@shop.example", "--json"], 0);
    command(&["user", "create", "ann@shop.example"], 2);
    command(&["user", "create", "nonsense", "--json"], 2);
    command(&["user", "reset-link", "bob@shop.example", "--json"], 0);
    command(&["user", "disable", "bob@shop.example"], 0);
    command(&["user", "list"], 0);
    command(&["user", "list", "--json"], 0);
    command(&["user", "enable", "bob@shop.example", "--json"], 0);
    command(&["user", "enable", "eve@shop.example"], 2);
    command(&["user", "unlock", "bob@shop.example"], 0);
    command(&["user", "unlock", "bob@shop.example", "--json"], 0);
    command(&["user", "unlock", "eve@shop.example"], 2);

    command(&["member", "set", "acme", "ann@shop.example", "owner"], 0);
    command(
        &[
            "member",
            "set",
            "acme/shop",
            "bob@shop.example",
            "triager",
            "--json",
        ],
        0,
    );
    command(&["member", "list", "acme"], 0);
    command(&["member", "list", "acme/shop", "--json"], 0);
    command(&["member", "list", "acme/none"], 2);
    command(&["member", "remove", "acme", "ann@shop.example"], 2);
    command(&["member", "remove", "acme/shop", "bob@shop.example"], 0);
    command(&["user", "create", "dan@shop.example"], 0);
    command(&["user", "delete", "dan@shop.example"], 0);
    command(&["user", "delete", "dan@shop.example", "--json"], 2);
    command(&["user", "delete", "ann@shop.example"], 2);

    let invited = command(&["invite", "create", "acme", "member", "--json"], 0);
    command(
        &[
            "invite",
            "create",
            "acme/shop",
            "reader",
            "--email",
            "cy@shop.example",
        ],
        0,
    );
    command(&["invite", "list", "acme"], 0);
    command(&["invite", "list", "acme/shop", "--json"], 0);
    command(&["invite", "revoke", &id(&invited)], 0);

    let group = ["--group", "acme/shop"];
    let ci = command(
        &[
            &[
                "token", "create", "--name", "ci", "--scope", "upload", "--json",
            ],
            &group[..],
        ]
        .concat(),
        0,
    );
    command(
        &[
            "token",
            "create",
            "--user",
            "ann@shop.example",
            "--name",
            "laptop",
        ],
        0,
    );
    command(&["token", "create", "--group", "acme", "--name", "x"], 2);
    command(&[&["token", "list"], &group[..]].concat(), 0);
    command(
        &["token", "list", "--user", "ann@shop.example", "--json"],
        0,
    );
    command(&["token", "revoke", &id(&ci), "--json"], 0);
    command(&["token", "revoke", &id(&ci)], 2);

    let trivy = sample("trivy.json");
    command(
        &[&["import", "--asset", "image", &trivy], &group[..]].concat(),
        0,
    );

    command(&["store", "check"], 0);
    command(&["store", "check", "--json"], 0);
    let copied = command(&["store", "backup", "copy.db", "--json"], 0);
    assert_eq!(copied.json()[0]["backup"], "copy.db");
    command(&["store", "backup", "copy.db"], 3);
    command(&["store", "backup", "no-such-folder/copy.db"], 3);
    told.retain(|told| !told.contains("copy.db"));
    told
}

#[test]
fn commands_do_and_say_the_same_with_and_without_a_server() {
    let (alone, served) = (
        tempfile::tempdir().expect("folder"),
        tempfile::tempdir().expect("folder"),
    );
    let server = Server::start(served.path(), &["--data", "data"]);
    let (with, without) = (story(served.path()), story(alone.path()));
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(with, without);
    }
    assert_eq!(with.len(), without.len());

    // What was done is in the server's own store, by the operator.
    let log = asked(
        &server,
        served.path(),
        "{ instanceAuditLog(first: 200) { edges { node { actor action } } } }",
    );
    let edges = log["instanceAuditLog"]["edges"]
        .as_array()
        .expect("a list")
        .clone();
    for action in ["user.created", "user.disabled", "store.backed_up"] {
        let entry = edges.iter().find(|edge| edge["node"]["action"] == action);
        let entry = entry.unwrap_or_else(|| panic!("{action} in {edges:?}"));
        assert_eq!(entry["node"]["actor"], "local-operator", "{action}");
    }
    // Commands that read need no token either.
    run(served.path(), &["list", "--data", "data"]).ended(0);
    assert_eq!(server.stop(), Some(0));

    // The copy that was taken from a running server is a whole store, for its owner only.
    run(
        served.path(),
        &["store", "restore", "copy.db", "--data", "other"],
    )
    .ended(0);
    let people = run(
        served.path(),
        &["user", "list", "--json", "--data", "other"],
    )
    .ended(0);
    assert_eq!(people.json().len(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(served.path().join("copy.db")).expect("is there");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }
}

fn key_of(at: &Path) -> String {
    let note = std::fs::read_to_string(at.join("data/gna.db.operator")).expect("is there");
    let note: Value = serde_json::from_str(&note).expect("JSON");
    note["key"].as_str().expect("a key").to_owned()
}

/// The data of a query that the operator asks.
fn asked(server: &Server, at: &Path, query: &str) -> Value {
    let authorization = format!("Gna-Operator {}", key_of(at));
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let (status, answer) = server.send(
        "POST",
        "/api",
        &headers,
        &json!({ "query": query }).to_string(),
    );
    assert_eq!(status, 200, "{answer}");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["errors"], Value::Null, "{body}");
    body["data"].clone()
}

#[test]
fn nothing_that_is_sent_makes_a_caller_the_operator_but_the_key_of_this_start() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let server = Server::start(at, &["--data", "data"]);
    let key = key_of(at);
    let viewer = r#"{"query":"{ viewer { actor } }"}"#;
    let ask = |headers: &[(&str, &str)], body: &str| {
        let json = [("Content-Type", "application/json")];
        server.send("POST", "/api", &[&json, headers].concat(), body)
    };
    // A caller is put into a request by code in the process; no header or body is read for it.
    for headers in [
        &[][..],
        &[("Caller", "local-operator")],
        &[("X-Gna-Operator", key.as_str())],
        &[("X-Caller", "{\"ctx\":{\"actor\":\"LocalOperator\"}}")],
        &[("Cookie", "gna_session=local-operator")],
        &[("X-Forwarded-For", "127.0.0.1")],
        &[("X-Gna-Request", "1"), ("X-Actor", "local-operator")],
    ] {
        let (status, answer) = ask(headers, viewer);
        assert!(
            status == 200 && !answer.contains("local-operator"),
            "{headers:?}: {answer}"
        );
        assert!(answer.contains("auth.required"), "{headers:?}: {answer}");
    }
    let body = json!({
        "query": "{ users { edges { node { id } } } }",
        "caller": "local-operator", "extensions": { "caller": "local-operator", "operator": key },
        "variables": { "operator": key },
    });
    let (_, answer) = ask(&[], &body.to_string());
    assert!(answer.contains("auth.required"), "{answer}");

    // The key is a key, and nothing else is: not as another scheme, not when a proxy asks.
    let right = format!("Gna-Operator {key}");
    let bearer = format!("Bearer {key}");
    assert!(
        ask(&[("Authorization", &right)], viewer)
            .1
            .contains("local-operator")
    );
    for (headers, status) in [
        (&[("Authorization", bearer.as_str())][..], 401),
        (
            &[
                ("Authorization", right.as_str()),
                ("X-Forwarded-For", "127.0.0.1"),
            ],
            401,
        ),
        (
            &[
                ("Authorization", right.as_str()),
                ("Forwarded", "for=127.0.0.1"),
            ],
            401,
        ),
        (&[("Authorization", "Gna-Operator 0")], 401),
    ] {
        let (said, answer) = ask(headers, viewer);
        assert_eq!(said, status, "{headers:?}: {answer}");
        assert!(!answer.contains("local-operator"), "{answer}");
    }

    // Guessing is slowed down, which does not lock the operator out.
    let mut last = (0, String::new());
    for _ in 0..20 {
        last = ask(&[("Authorization", "Gna-Operator 1")], viewer);
    }
    let (status, answer) = last;
    assert_eq!(status, 429, "{answer}");
    assert!(
        answer.contains("auth.throttled") && answer.to_lowercase().contains("retry-after"),
        "{answer}"
    );
    assert!(
        ask(&[("Authorization", &right)], viewer)
            .1
            .contains("local-operator")
    );

    // The key ends with the server.
    assert_eq!(server.stop(), Some(0));
    assert!(!at.join("data/gna.db.operator").exists());
    let mut server = Server::start(at, &["--data", "data"]);
    assert_ne!(key_of(at), key);
    server.kill();
    assert!(
        at.join("data/gna.db.operator").exists(),
        "nobody was left to remove it"
    );
    run(at, &["user", "list", "--data", "data"]).ended(0);
}
