//! Processes on a PostgreSQL, DynamoDB or MongoDB store whose clocks are wrong, and a whole store moved into
//! it. All need the server that `TEST_POSTGRES_URL` names, or the one that `TEST_DYNAMODB_URL` or
//! `TEST_MONGODB_URL` does. `scale.rs` has what several processes do together.

#[cfg(feature = "dynamodb")]
use gna_storage::conformance::dynamodb;
#[cfg(feature = "mongodb")]
use gna_storage::conformance::mongodb;
use gna_storage::conformance::postgres::Place;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::run::{Said, gna, run};
use crate::server::Server;

/// A report with that many findings; those of another salt are others.
pub fn report(salt: usize, findings: usize) -> String {
    let results: Vec<Value> = (0..findings)
        .map(|number| {
            json!({
                "ruleId": format!("rule-{}", number % 20),
                "level": "error",
                "message": { "text": "look" },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": format!("src/{salt}/file_{number}.rs") },
                    "region": { "startLine": 7, "snippet": { "text": format!("call({salt}, {number})") } },
                } }],
            })
        })
        .collect();
    json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "Linter" } }, "results": results }] })
        .to_string()
}

/// Asks, with bytes or nothing, and reads the answer.
pub fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Value {
    ask_as(
        server,
        token,
        "application/octet-stream",
        method,
        path,
        body,
    )
}

/// The same with a body of another kind.
pub fn ask_as(
    server: &Server,
    token: &str,
    kind: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Value {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
    let (status, answer) = server.send(method, path, &headers, body);
    assert!((200..300).contains(&status), "{method} {path}: {answer}");
    let (start, end) = (answer.find('{'), answer.rfind('}'));
    let json = &answer[start.expect("JSON")..=end.expect("JSON")];
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Until it holds; a minute is far more than it takes.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}");
}

/// Has processes believe in another time; Debian's package `libfaketime`.
fn faketime() -> Option<std::path::PathBuf> {
    let found = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|library| library.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: libfaketime is not installed");
    }
    found
}

/// A process whose machine is an hour off says so and does nothing; one that is a little off works.
fn the_wrong_time(url: &str, own: &[&str]) {
    let Some(library) = faketime() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let at = |offset: &str, args: &[&str]| -> Said {
        let store = ["--data", "data", "--store", url];
        gna(folder.path())
            .args([args, &store, own].concat())
            .env("LD_PRELOAD", &library)
            .env("FAKETIME", offset)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .output()
            .expect("runs")
            .into()
    };
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for (offset, says) in [
        ("+3600s", "ahead of that of the store's server"),
        ("-3600s", "behind that of the store's server"),
    ] {
        for args in [&serve[..], &["group", "create", "acme/shop"]] {
            let refused = at(offset, args).ended(3);
            assert!(refused.stderr.contains(says), "{}", refused.stderr);
            assert!(refused.stderr.contains("NTP"), "{}", refused.stderr);
        }
    }
    at("+5s", &["group", "create", "acme/shop"]).ended(0);
}

#[test]
fn a_clock_that_is_not_the_servers_is_refused() {
    let Some(place) = Place::fresh() else { return };
    the_wrong_time(&place.url, &[]);
}

#[cfg(feature = "dynamodb")]
#[test]
fn a_clock_that_is_not_the_tables_is_refused() {
    let Some(place) = dynamodb::Place::unmade() else {
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    run(folder.path(), &["store", "init", "--store", &place.url]).ended(0);
    the_wrong_time(&place.url, &["--search", "sqlite:search.db"]);
}

#[cfg(feature = "mongodb")]
#[test]
fn a_clock_that_is_not_the_replica_sets_is_refused() {
    let Some(place) = mongodb::Place::fresh() else {
        return;
    };
    the_wrong_time(&place.url, &["--search", "sqlite:search.db"]);
}

fn filled(folder: &Path) {
    let server = Server::start(folder, &["--demo", "--data", "data"]);
    assert_eq!(server.stop(), Some(0));
    std::fs::write(folder.join("r.sarif"), report(1, 3_000)).expect("written");
    let import = [
        "import",
        "--data",
        "data",
        "--group",
        "demo/shop",
        "--asset",
        "a",
        "r.sarif",
    ];
    run(folder, &import).ended(0);
}

fn listed(folder: &Path, store: &[&str]) -> usize {
    let args = ["list", "--json", "--limit", "1000000"];
    run(folder, &[&args, store].concat()).ended(0).json().len()
}

/// Copies with SIGKILLs in between; then the copy answers as the original does.
fn moves(folder: &Path, to: &str, search: &[&str]) {
    let from = "sqlite:data/gna.db";
    let mut kills = 0;
    let said = loop {
        let mut copying = gna(folder)
            .args(["store", "copy", from, to, "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        // Later each time, so that it is hit at every stage and comes to its end at last.
        std::thread::sleep(Duration::from_millis(20 + kills * 150));
        if copying.try_wait().expect("a status").is_none() && kills < 8 {
            copying.kill().expect("killed");
            copying.wait().expect("ended");
            kills += 1;
            continue;
        }
        break copying.wait_with_output().expect("ends");
    };
    let stderr = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "after {kills} kills: {stderr}");
    assert!(kills > 0, "it was never hit");
    let told: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert!(told["items"].as_u64().expect("a number") > 6_000, "{told}");

    // Whoever did not hear that it was complete asks again and is told the same.
    let again = run(folder, &["store", "copy", from, to, "--json"]).ended(0);
    assert_eq!(again.json(), [told]);
    run(folder, &["store", "activate", "--store", to]).ended(0);
    let again = run(folder, &["store", "copy", from, to]).ended(2);
    assert!(again.stderr.contains("not empty"), "{}", again.stderr);
    let original = listed(folder, &["--data", "data"]);
    let copy = [&["--data", "data", "--store", to], search].concat();
    assert_eq!(listed(folder, &copy), original);
    run(folder, &[&["store", "check"], copy.as_slice()].concat()).ended(0);
}

#[test]
fn a_store_is_copied_into_another_file_under_kills() {
    let folder = tempfile::tempdir().expect("folder");
    filled(folder.path());
    moves(folder.path(), "sqlite:copy/gna.db", &[]);
}

#[test]
fn a_store_is_copied_into_postgres_under_kills() {
    let Some(place) = Place::fresh() else { return };
    let folder = tempfile::tempdir().expect("folder");
    filled(folder.path());
    moves(folder.path(), &place.url, &[]);
}

/// There and back: the file at the end holds what the file at the beginning held.
#[cfg(feature = "dynamodb")]
#[test]
fn a_store_is_copied_into_a_table_under_kills_and_back() {
    let Some(place) = dynamodb::Place::unmade() else {
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    filled(at);
    let early = run(at, &["store", "copy", "sqlite:data/gna.db", &place.url]).ended(3);
    assert!(early.stderr.contains("gna store init"), "{}", early.stderr);
    there_and_back(at, &place.url);
}

#[cfg(feature = "mongodb")]
#[test]
fn a_store_is_copied_into_a_database_under_kills_and_back() {
    let Some(place) = mongodb::Place::fresh() else {
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    filled(folder.path());
    there_and_back(folder.path(), &place.url);
    let doctor = ["doctor", "--data", "data", "--store", &place.url];
    let doctor = [doctor.as_slice(), &["--search", "sqlite:search.db"]].concat();
    let told = run(folder.path(), &doctor).stdout;
    assert!(told.contains("experimental"), "{told}");
}

#[cfg(any(feature = "dynamodb", feature = "mongodb"))]
fn there_and_back(at: &Path, url: &str) {
    for _ in 0..2 {
        run(at, &["store", "init", "--store", url]).ended(0);
    }
    let nowhere = run(at, &["list", "--data", "data", "--store", url]).ended(2);
    assert!(nowhere.stderr.contains("--search"), "{}", nowhere.stderr);
    moves(at, url, &["--search", "sqlite:search.db"]);
    let back = ["store", "copy", url, "sqlite:back.db", "--json"];
    run(at, &back).ended(0);
    let content = |store: &str| {
        run(
            at,
            &[
                "store",
                "copy",
                store,
                &format!("sqlite:{}.again", &store[7..]),
                "--json",
            ],
        )
        .ended(0)
        .json()
    };
    run(at, &["store", "activate", "--store", "sqlite:back.db"]).ended(0);
    assert_eq!(content("sqlite:back.db"), content("sqlite:data/gna.db"));
}
