//! `gna serve` with its search in OpenSearch, which is killed. Needs the jars that `TEST_OPENSEARCH_JARS`
//! names.

use gna_storage::conformance::opensearch::Engine;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::run::run;
use crate::server::Server;

fn report(salt: usize, findings: usize) -> String {
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

/// Status and, where it is one, the JSON of an answer.
fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/octet-stream"),
    ];
    let (status, answer) = server.send(method, path, &headers, body);
    let json = answer
        .find('{')
        .zip(answer.rfind('}'))
        .and_then(|(start, end)| serde_json::from_str(&answer[start..=end]).ok());
    (status, json.unwrap_or_default())
}

/// Longest wait: who follows the feed looks again after at most a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// Until it holds.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work);
}

const LIST: &str = "/api/v2/vulnerabilities?organization=demo&group=shop&first=1&count=true&q=src";

#[test]
fn a_server_whose_search_is_killed_takes_reports_and_finds_all_of_them_afterwards() {
    let (data, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (data, place) = (data.expect("a folder"), place.expect("a folder"));
    let Some(mut engine) = Engine::start_in(data.path()) else {
        return;
    };
    block_on(engine.ready());
    let url = engine.url().replace("://", "://gna:hunter2@") + "/gna?replicas=0";
    let args = ["--data", "data", "--search", &url];
    let log = place.path().join("log");
    let server = Server::start_logging_with(place.path(), &log, &[&args[..], &["--demo"]].concat());
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let upload = |salt: usize| {
        let path = "/api/v2/reports?organization=demo&group=shop&file_name=r.sarif";
        let path = format!("{path}&asset=killed-{salt}");
        let (status, told) = ask(&server, &token, "POST", &path, &report(salt, 150));
        assert_eq!(status, 202, "{told}");
        let id = told["id"].as_str().expect("an id").to_owned();
        eventually("the import ends", || {
            let path = format!("/api/v2/reports/{id}");
            let (_, report) = ask(&server, &token, "GET", &path, "");
            (report["status"] == "COMPLETE").then_some(())
        });
    };
    let found = || ask(&server, &token, "GET", LIST, "").1["total"]["value"].as_u64();
    let behind = || {
        let bearer = format!("Bearer {token}");
        let (_, text) = server.send("GET", "/metrics", &[("Authorization", &bearer)], "");
        let line = text
            .lines()
            .find(|line| line.starts_with("gna_search_behind_entries "));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    let before = eventually("the index is there", || {
        found().filter(|_| behind() == Some(0.0))
    });
    upload(1);
    eventually("the first is found", || {
        (found()? == before + 150).then_some(())
    });

    engine.kill();
    upload(2);
    let (status, problem) = ask(&server, &token, "GET", LIST, "");
    assert_eq!(
        (status, &problem["code"]),
        (503, &json!("search.unavailable")),
        "{problem}"
    );
    assert!(
        behind().expect("a number") > 0.0,
        "the others are told all the same"
    );

    engine.start();
    block_on(engine.ready());
    eventually("all are found", || (found()? == before + 300).then_some(()));
    eventually("the lag is gone", || (behind()? == 0.0).then_some(()));
    assert_eq!(server.stop(), Some(0));

    // By hand, as an operator does.
    let made = run(place.path(), &[&["store", "reindex"][..], &args].concat()).ended(0);
    assert!(made.stdout.contains("made anew"), "{}", made.stdout);
    let told = run(
        place.path(),
        &[&["doctor"][..], &args[..2], &["--json"]].concat(),
    );
    assert!(told.stdout.contains("is in the store"), "{}", told.stdout);
    let again = Server::start(place.path(), &args);
    let (_, list) = ask(&again, &token, "GET", LIST, "");
    assert_eq!(list["total"]["value"].as_u64(), Some(before + 300));
    assert_eq!(again.stop(), Some(0));
    let log = std::fs::read_to_string(log).expect("a log");
    assert!(
        log.contains("search.unavailable") || log.contains("OpenSearch"),
        "{log}"
    );
    assert!(
        !log.contains("hunter2"),
        "the password stays out of the log"
    );
}

#[test]
fn a_server_starts_without_its_search_and_finds_all_of_it_later() {
    let (data, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (data, place) = (data.expect("a folder"), place.expect("a folder"));
    let Some(mut engine) = Engine::start_in(data.path()) else {
        return;
    };
    // Only its port is known.
    engine.kill();
    let url = engine.url().replace("://", "://gna:hunter2@") + "/gna?replicas=0";
    let args = ["--data", "data", "--search", &url, "--demo"];
    let server = Server::start(place.path(), &args);
    let token = server.first["token"].as_str().expect("a token").to_owned();
    let get = |path: &str| ask(&server, &token, "GET", path, "");
    let (status, _) = get("/health/ready");
    assert_eq!(status, 200, "what needs no search is served");
    let (status, organizations) = get("/api/v2/organizations");
    assert_eq!(status, 200, "{organizations}");
    let (status, problem) = get(LIST);
    let told = (status, &problem["code"]);
    assert_eq!(told, (503, &json!("search.unavailable")), "{problem}");
    let (status, health) = get("/health/detailed");
    assert_eq!(status, 503, "{health}");
    assert_eq!(health["search"]["status"], "failing", "{health}");
    assert_eq!(health["store"]["status"], "ok", "{health}");
    let path = "/api/v2/reports?organization=demo&group=shop&file_name=r.sarif&asset=early";
    let (status, told) = ask(&server, &token, "POST", path, &report(1, 150));
    assert_eq!(status, 202, "{told}");

    engine.start();
    block_on(engine.ready());
    eventually("all are found", || {
        let (_, list) = get(LIST);
        (list["total"]["value"].as_u64()? >= 150).then_some(())
    });
    eventually("search is well again", || {
        let (_, health) = get("/health/detailed");
        (health["search"]["status"] == "current").then_some(())
    });
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn doctor_says_what_answers_and_what_was_proved() {
    let (data, place) = (tempfile::tempdir(), tempfile::tempdir());
    let (data, place) = (data.expect("a folder"), place.expect("a folder"));
    let Some(mut engine) = Engine::start_in(data.path()) else {
        return;
    };
    block_on(engine.ready());
    std::fs::create_dir(place.path().join("data")).expect("a folder");
    let url = engine.url().replace("://", "://gna:hunter2@") + "/gna?replicas=0";
    let config = format!("[store]\nsearch = \"{url}\"\n");
    std::fs::write(place.path().join("gna.toml"), config).expect("written");
    let doctor = ["--config", "gna.toml", "doctor", "--data", "data"];
    let told = run(place.path(), &doctor);
    assert!(
        told.stdout.contains("OpenSearch 2"),
        "{}{}",
        told.stdout,
        told.stderr
    );
    for says in ["not proved in Amazon", "has no index yet"] {
        assert!(told.stdout.contains(says), "{}", told.stdout);
    }
    let again = run(place.path(), &doctor);
    assert!(again.stdout.contains("has no index yet"), "it only looks");
    engine.kill();
    let told = run(place.path(), &doctor).ended(3);
    assert!(told.stdout.contains("can't be reached"), "{}", told.stdout);
    assert!(!told.stdout.contains("hunter2") && !told.stderr.contains("hunter2"));
}
