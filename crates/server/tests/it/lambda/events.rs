//! Events: invented ones after the documentation of each service, and published ones.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

const INVENTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/lambda/");

fn invented(name: &str) -> Value {
    read(&Path::new(INVENTED).join(format!("{name}.invented.json")))
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// A request of an HTTP API or a Function URL.
pub fn gateway(method: &str, path: &str, query: &str) -> Value {
    let mut event = invented("gateway");
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["requestContext"]["http"]["method"] = json!(method);
    event["requestContext"]["http"]["path"] = json!(path);
    event
}

/// A request of an application load balancer.
pub fn balancer(method: &str, path: &str) -> Value {
    let mut event = invented("balancer");
    event["httpMethod"] = json!(method);
    event["path"] = json!(path);
    event
}

pub fn message(id: &str, body: &str) -> Value {
    let mut message = invented("message");
    message["messageId"] = json!(id);
    message["body"] = json!(body);
    message
}

pub fn queue(messages: &[Value]) -> Value {
    json!({ "Records": messages })
}

pub fn stream() -> Value {
    invented("stream")
}

pub fn tick() -> Value {
    invented("schedule")
}

/// Published events by name, each with a field that its answer must have; `None` where the sources of
/// the library that has them are not on this machine.
pub fn official() -> Option<Vec<(&'static str, Value, &'static str)>> {
    let folder = fixtures()?;
    let events = [
        ("apigw-v2-request-no-authorizer", "statusCode"),
        ("apigw-v2-request-multi-value-parameters", "statusCode"),
        ("apigw-v2-request-jwt-authorizer", "statusCode"),
        ("apigw-v2-request-iam", "statusCode"),
        ("alb-lambda-target-request-headers-only", "statusCode"),
        ("alb-lambda-target-request-multivalue-headers", "statusCode"),
        ("sqs-event", "batchItemFailures"),
        ("dynamodb-event", "batchItemFailures"),
        ("eventbridge-schedule", "turns"),
    ];
    let read = |(name, field): (&'static str, &'static str)| {
        let path = folder.join(format!("example-{name}.json"));
        path.is_file().then(|| (name, read(&path), field))
    };
    events.into_iter().map(read).collect()
}

/// Where cargo keeps the sources of the library.
fn fixtures() -> Option<PathBuf> {
    let told = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--features", "lambda"])
        .output()
        .ok()?;
    let metadata: Value = serde_json::from_slice(&told.stdout).ok()?;
    let packages = metadata["packages"].as_array()?;
    let library = packages
        .iter()
        .find(|one| one["name"] == "aws_lambda_events")?;
    let manifest = Path::new(library["manifest_path"].as_str()?);
    let folder = manifest.parent()?.join("src/fixtures");
    folder.is_dir().then_some(folder)
}
