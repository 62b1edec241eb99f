//! `gna lambda` as a process, called by events: with a stand-in for the runtime API, and with the
//! emulator of cargo-lambda (`pip install cargo-lambda`, or its place in `CARGO_LAMBDA`).

#[cfg(all(feature = "s3", any(feature = "dynamodb", feature = "postgres")))]
mod deployed;
mod events;
mod fake_runtime;
mod function;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

use crate::run::{Said, gna, run, sample};
use events::{balancer, gateway, message, official, queue, stream, tick};
use function::Function;

/// On the machine's own store, as with an emulator.
const TRIAL: &[(&str, &str)] = &[("GNA_LAMBDA__TRIAL", "true")];

fn run_with(folder: &Path, settings: &[(&str, &str)], args: &[&str]) -> Said {
    let mut command = gna(folder);
    command.args(args).envs(settings.iter().copied());
    command.output().expect("runs").into()
}

/// A store with a group, and a token that may do everything in it.
fn prepared(folder: &Path, settings: &[(&str, &str)]) -> String {
    // Only a table needs this.
    run_with(folder, settings, &["store", "init"]).ended(0);
    run_with(folder, settings, &["group", "create", "acme/shop"]).ended(0);
    let args = [
        "token",
        "create",
        "--group",
        "acme/shop",
        "--role",
        "manager",
    ];
    let args = [&args[..], &["--name", "test", "--json"]].concat();
    let told = run_with(folder, settings, &args).ended(0);
    told.json()[0]["token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

fn status(answer: &Value) -> u64 {
    answer["statusCode"].as_u64().unwrap_or_default()
}

fn body(answer: &Value) -> Value {
    let text = answer["body"].as_str().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// What a pipeline and a person do, event by event.
async fn story(function: &Function, token: &str) {
    let bearer = format!("Bearer {token}");
    let ask = |method: &str, path: &str, query: &str| {
        let mut event = gateway(method, path, query);
        event["headers"]["authorization"] = json!(bearer);
        event
    };
    let alive = function.ask(&gateway("GET", "/health/live", "")).await;
    assert_eq!(status(&alive), 200, "{alive}");
    let nobody = function.ask(&gateway("GET", "/api/v2/groups", "")).await;
    assert_eq!(status(&nobody), 401, "{nobody}");
    let nowhere = function.ask(&ask("GET", "/no/such", "")).await;
    assert_eq!(
        (status(&nowhere), &body(&nowhere)["code"]),
        (404, &json!("route.not_found"))
    );

    // The same router answers a load balancer.
    let mut event = balancer("GET", "/api/v2/groups");
    event["queryStringParameters"]["organization"] = json!("acme");
    event["headers"]["authorization"] = json!(bearer);
    let groups = function.ask(&event).await;
    assert_eq!(status(&groups), 200, "{groups}");
    assert_eq!(body(&groups)["items"][0]["slug"], "shop", "{groups}");

    // A report, packed, as a gateway passes bytes on.
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let report = std::fs::read(sample("trivy.json")).expect("a sample");
    packed.write_all(&report).expect("packed");
    let mut upload = ask(
        "POST",
        "/api/v2/reports",
        "organization=acme&group=shop&asset=shop%2Fapi&file_name=trivy.json",
    );
    upload["headers"]["content-type"] = json!("application/octet-stream");
    upload["headers"]["content-encoding"] = json!("gzip");
    upload["body"] = json!(STANDARD.encode(packed.finish().expect("packed")));
    upload["isBase64Encoded"] = json!(true);
    let taken = function.ask(&upload).await;
    assert_eq!(status(&taken), 202, "{taken}");
    let report = body(&taken)["id"].as_str().expect("an id").to_owned();

    // A minute later the schedule comes; the work is done within its event.
    let done = function.ask(&tick()).await;
    assert!(done["turns"].as_u64() >= Some(1), "{done}");
    assert_eq!((&done["cut"], &done["failed"]), (&json!(false), &json!([])));
    let shown = function
        .ask(&ask("GET", &format!("/api/v2/reports/{report}"), ""))
        .await;
    assert_eq!(body(&shown)["status"], "COMPLETE", "{shown}");
    let listed = function
        .ask(&ask(
            "GET",
            "/api/v2/vulnerabilities",
            "organization=acme&group=shop",
        ))
        .await;
    assert_eq!(
        body(&listed)["items"].as_array().map(Vec::len),
        Some(6),
        "{listed}"
    );
    let graphql = json!({ "query": "{ me { __typename } }" });
    let mut event = ask("POST", "/api", "");
    event["headers"]["content-type"] = json!("application/json");
    event["body"] = json!(graphql.to_string());
    assert_eq!(status(&function.ask(&event).await), 200);

    // Of a batch just those come again that failed, and what comes again is done once.
    let tidy = json!({ "function": "store.tidy", "event": { "feed_days": 30 } }).to_string();
    let batch = queue(&[
        message("good", &tidy),
        message("no-json", "{"),
        message("unknown", "{\"function\": \"no.such\"}"),
        message("routes", "{\"function\": \"http.reports\"}"),
    ]);
    let failed = json!({ "batchItemFailures": [
        { "itemIdentifier": "no-json" },
        { "itemIdentifier": "unknown" },
        { "itemIdentifier": "routes" },
    ] });
    assert_eq!(function.ask(&batch).await, failed);
    assert_eq!(function.ask(&batch).await, failed);

    assert_eq!(
        function.ask(&stream()).await,
        json!({ "batchItemFailures": [] })
    );
    for call in [
        json!({ "function": "store.tidy", "event": { "feed_days": 3 } }),
        json!({ "function": "schedule:store.tidy" }),
    ] {
        let done = function.ask(&call).await;
        assert_eq!(done["state"], "DONE", "{done}");
    }
    let refused = function.ask(&json!({ "function": "store.tidy" })).await;
    assert_eq!(refused["state"], "DEAD", "{refused}");
    for event in [
        json!({ "function": "no.such" }),
        json!({ "function": "schedule:no.such" }),
        json!({ "what": "is this?" }),
        json!({ "Records": [{ "eventSource": "aws:kinesis" }] }),
        json!([]),
        json!(null),
    ] {
        let told = function.fails(&event).await;
        assert!(!told.is_empty(), "{event}");
    }
    // And it goes on answering.
    let alive = function.ask(&gateway("GET", "/health/ready", "")).await;
    assert_eq!(status(&alive), 200, "{alive}");
}

/// Of the messages above one made a job, whatever was delivered twice; the calls made theirs.
fn counted(folder: &Path, settings: &[(&str, &str)]) {
    let said = run_with(folder, settings, &["jobs", "list", "--json"]);
    let jobs = said.ended(0).json();
    let dead: Vec<_> = jobs.iter().map(|job| &job["kind"]).collect();
    assert_eq!(dead, [&json!("store.tidy")], "only the refused call");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_answered_as_the_server_would() {
    let folder = tempfile::tempdir().expect("folder");
    let token = prepared(folder.path(), TRIAL);
    let function = Function::start_with_fake(folder.path(), TRIAL).await;
    story(&function, &token).await;
    function.end();
    counted(folder.path(), TRIAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_emulator_are_answered_as_the_server_would() {
    let folder = tempfile::tempdir().expect("folder");
    let token = prepared(folder.path(), TRIAL);
    let Some(function) = Function::start_with_emulator(folder.path(), TRIAL).await else {
        return;
    };
    story(&function, &token).await;
    // A real request, which the emulator makes an event of.
    let answer = function
        .get("/api/v2/groups?organization=acme", &token)
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"shop\""),
        "{answer}"
    );
    function.end();
    counted(folder.path(), TRIAL);
}

/// The events that Amazon's own library for Rust is tested with.
#[tokio::test(flavor = "multi_thread")]
async fn events_as_they_are_published_are_understood() {
    let Some(events) = official() else {
        eprintln!("SKIPPED: the sources of aws_lambda_events are not on this machine");
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    prepared(folder.path(), TRIAL);
    let function = Function::start_with_fake(folder.path(), TRIAL).await;
    for (name, event, field) in events {
        let answer = function.ask(&event).await;
        assert!(!answer[field].is_null(), "{name}: {answer}");
    }
    function.end();
}

#[test]
fn a_configuration_that_a_function_would_lose_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let said = gna(folder.path())
        .env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9")
        .output();
    let said = crate::run::Said::from(said.expect("runs")).ended(2);
    for word in ["GNA_STORE__URL", "GNA_BLOBS__URL", "GNA_KEYRING__KEY"] {
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
    }
    assert!(
        !folder.path().join("gna-data").exists(),
        "and nothing is made"
    );
    let said = run(folder.path(), &["lambda"]).ended(2);
    assert!(said.stderr.contains("gna serve"), "{}", said.stderr);
}
