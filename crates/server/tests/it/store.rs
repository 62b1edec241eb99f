//! Commands on the store itself: one story on one demo store.

use crate::run::{run, sample};
use crate::server::Server;
use serde_json::{Value, json};

#[test]
fn an_operator_works_on_the_store_of_a_stopped_server() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let server = Server::start(at, &["--demo", "--data", "data"]);
    assert_eq!(server.stop(), Some(0));
    let data = |args: &[&str]| run(at, &[args, &["--data", "data", "--json"]].concat());

    // The same report again changes nothing; a new one adds.
    let trivy = sample("trivy.json");
    let again = data(&[
        "import",
        "--group",
        "demo/shop",
        "--asset",
        "shop-api-image",
        &trivy,
    ])
    .ended(0);
    let counts = &again.json()[0]["counts"];
    assert_eq!(
        (&counts["total"], &counts["unchanged"]),
        (&json!(6), &json!(6)),
        "{counts}"
    );
    let semgrep = sample("semgrep.json");
    std::fs::write(
        at.join("broken.json"),
        "{\"version\": \"1\", \"results\": [",
    )
    .expect("written");
    let said = data(&[
        "import",
        "--group",
        "demo/shop",
        "--asset",
        "new",
        &semgrep,
        "broken.json",
        "none.json",
    ])
    .ended(3);
    let lines = said.json();
    assert_eq!(
        (&lines[0]["status"], &lines[0]["counts"]["created"]),
        (&json!("COMPLETE"), &json!(6))
    );
    assert_eq!(lines[1]["status"], "REFUSED");
    assert!(lines[1]["error"]["message"].is_string());
    assert_eq!(lines[2]["error"]["code"], "report.unreadable");
    let nowhere = data(&["import", "--group", "demo/none", "--asset", "x", &trivy]).ended(2);
    assert!(!nowhere.stderr.is_empty());

    // What is there, as a list and as a file.
    let all = data(&["list", "--limit", "1000"]).ended(0).json();
    assert_eq!(all.len(), 24);
    let found = data(&["list", "--cve", "cve-2022-37434", "--group", "demo/shop"])
        .ended(0)
        .json();
    assert_eq!(found.len(), 1);
    assert_eq!(data(&["export"]).ended(0).json().len(), 24);
    data(&["group", "create", "acme/web", "--name", "Web"]).ended(0);
    data(&["group", "create", "acme/web"]).ended(2);
    data(&[
        "import",
        "--organization",
        "acme",
        "--group",
        "web",
        "--asset",
        "site",
        &trivy,
    ])
    .ended(0);
    assert_eq!(data(&["group", "list"]).ended(0).json().len(), 2);

    // People.
    let ann = data(&["user", "create", "ann@shop.example", "--name", "Ann"]).ended(0);
    assert!(
        ann.json()[0]["link"]
            .as_str()
            .is_some_and(|link| link.contains("/reset/"))
    );
    data(&["user", "create", "ann@shop.example"]).ended(2);
    data(&["member", "set", "demo", "ann@shop.example", "member"]).ended(0);
    data(&["member", "set", "demo/shop", "ann@shop.example", "triager"]).ended(0);
    let roles: Vec<Value> = data(&["member", "list", "demo/shop"]).ended(0).json();
    assert!(
        roles
            .iter()
            .any(|member| member["email"] == "ann@shop.example" && member["role"] == "TRIAGER"),
        "{roles:?}"
    );
    let last = data(&["member", "remove", "demo", "demo@gna.example"]).ended(2);
    assert!(last.stderr.contains("owner"), "{}", last.stderr);
    let invitation = data(&["invite", "create", "demo", "member"])
        .ended(0)
        .json()
        .remove(0);
    assert!(
        invitation["link"]
            .as_str()
            .is_some_and(|link| link.contains("/invitations/"))
    );
    assert_eq!(data(&["invite", "list", "demo"]).ended(0).json().len(), 1);
    data(&[
        "invite",
        "revoke",
        invitation["id"].as_str().expect("an id"),
    ])
    .ended(0);
    assert_eq!(data(&["user", "list"]).ended(0).json().len(), 2);

    // Tokens.
    let token = data(&[
        "token",
        "create",
        "--group",
        "demo/shop",
        "--name",
        "ci",
        "--scope",
        "upload",
    ])
    .ended(0)
    .json()
    .remove(0);
    assert!(
        token["token"]
            .as_str()
            .is_some_and(|text| text.starts_with("gna_")),
        "{token}"
    );
    let listed = data(&["token", "list", "--group", "demo/shop"]).ended(0);
    assert!(
        !listed
            .stdout
            .contains(token["token"].as_str().expect("text")),
        "shown once"
    );
    data(&["token", "revoke", token["id"].as_str().expect("an id")]).ended(0);

    // A copy is a whole store.
    data(&["store", "check"]).ended(0);
    data(&["store", "backup", "copy.db"]).ended(0);
    data(&["store", "backup", "copy.db"]).ended(3);
    run(
        at,
        &["store", "restore", "copy.db", "--data", "other", "--json"],
    )
    .ended(0);
    let people = run(at, &["user", "list", "--data", "other", "--json"]).ended(0);
    assert_eq!(people.json().len(), 2);
    run(at, &["store", "check", "--data", "nowhere"]).ended(2);
    let doctor = data(&["doctor"]).ended(0);
    assert_eq!(doctor.json()[0]["ok"], true);
}

#[test]
fn the_index_of_a_file_is_made_anew_when_its_server_is_stopped() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let data = |args: &[&str]| run(at, &[args, &["--data", "data"]].concat());
    let server = Server::start(at, &["--demo", "--data", "data"]);
    let refused = data(&["store", "reindex"]).ended(2);
    assert!(refused.stderr.contains("stop it"), "{}", refused.stderr);
    assert_eq!(server.stop(), Some(0));

    let list = || {
        let listed = data(&["list", "--json", "--limit", "1000"]).ended(0);
        listed.json().len()
    };
    let before = list();
    assert!(before > 0);
    let made = data(&["store", "reindex"]).ended(0);
    assert!(made.stdout.contains("made anew"), "{}", made.stdout);
    assert_eq!(list(), before);
}

/// Changes the store's file as no command of Gna does.
#[cfg(feature = "sqlite")]
fn harm(file: &std::path::Path, sql: &'static str) {
    use gna_storage::backend::sqlite::{SqliteDb, SqliteOptions};

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let db = SqliteDb::open(file, &SqliteOptions::default()).expect("opens");
        let done = db.write(move |conn| Ok(conn.execute_batch(sql)?)).await;
        done.expect("is done");
    });
}

#[cfg(feature = "sqlite")]
#[test]
fn damage_is_named_and_the_command_ends_with_three() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let check = |more: &[&str]| run(at, &[&["store", "check", "--data", "data"], more].concat());
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    let sound = check(&[]).ended(0);
    assert!(sound.stdout.contains("no damage found"), "{}", sound.stdout);
    harm(
        &at.join("data/gna.db"),
        "DELETE FROM entries WHERE collection = (SELECT code FROM names WHERE name = 'organization')
            AND idx = (SELECT code FROM names WHERE name = 'all');
        UPDATE items SET entries = '['
            WHERE collection = (SELECT code FROM names WHERE name = 'group') AND entries IS NOT NULL",
    );
    let named = |text: &str| {
        for (place, problem) in [
            (
                "collection organization, index all,",
                "an item without its index entry",
            ),
            ("collection group,", "the entries of an item can't be read"),
        ] {
            let line = text
                .lines()
                .find(|line| line.contains(place) && line.contains(problem));
            assert!(line.is_some(), "{place} {problem}: {text}");
        }
        assert!(!text.contains("acme"), "of whom it is: {text}");
    };
    let said = check(&[]).ended(3);
    named(&said.stdout);
    assert!(said.stderr.contains("gna store restore"), "{}", said.stderr);
    let told = check(&["--json"]).ended(3).json().remove(0);
    assert_eq!(told["damaged"], true);
    let damages = told["damages"].as_array().expect("a list");
    let lines: Vec<&str> = damages.iter().filter_map(Value::as_str).collect();
    named(&lines.join("\n"));
}
