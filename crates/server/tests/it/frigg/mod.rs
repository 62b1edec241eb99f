//! Gna beside Frigg's own framework, the npm package `@friggframework/core`: its requester and its token
//! go through the routes of the first version, and find here what they find at a back end made of it.
//!
//! `core.json` has what the routes of that back end answered: statuses, names and kinds of values, of an
//! app that is defined in `backend.cjs`. It is compared with the back end itself where
//! `TEST_MONGODB_URL` names a database for it, and written anew by `UPDATE=1`.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::npm;
use crate::run::run;
use crate::server::Server;

/// The newest there is; it needs the second one and doesn't say so.
const PACKAGES: [&str; 2] = ["@friggframework/core@1.1.7", "source-map-support@0.5.21"];
const USERNAME: &str = "ann@acme.example";
const PASSWORD: &str = "correct horse battery";
const SETTINGS: &str = "[egress]\nallow = ['127.0.0.0/8']\nports = []\nhttp = true\n\
    [frigg]\norganization = 'acme'\nopen_registration = true\n";

/// What is otherwise here, in which exchanges, and why. Nothing else is.
const DIFFERENT: &[(&str, &[&str], &str)] = &[
    ("__t is missing", &["entity"], "its database's own"),
    ("__v is missing", &["entity"], "its database's own"),
    (
        "entities[].__t is missing",
        &["create", "configure"],
        "its database's own",
    ),
    (
        "integrations[].entities[].__t is missing",
        &["list"],
        "its database's own",
    ),
    (
        "entities.authorized[].__t is missing",
        &["list", "nothing left"],
        "its database's own",
    ),
    (
        "entities.primary is missing",
        &["nothing yet", "list", "nothing left"],
        "the app that most types are for; there is none here",
    ),
    (
        "entities[] is another kind of value",
        &["show"],
        "accounts as in the list, where there are their ids alone",
    ),
    (
        "config.category is missing",
        &["create", "show", "configure"],
        "the type has no such setting",
    ),
    (
        "integrations[].config.category is missing",
        &["list"],
        "the type has no such setting",
    ),
    (
        "config.userActions is missing",
        &["create", "configure"],
        "nobody configured them; they stand beside it",
    ),
];

fn file(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/frigg");
    here.join(name)
}

/// What the client of `talk.mjs` said and was answered.
fn talk(folder: &Path, url: &str) -> Vec<Value> {
    let done = Command::new("node")
        .arg(file("talk.mjs"))
        .args([url, USERNAME, PASSWORD])
        .current_dir(folder)
        .output()
        .expect("node runs");
    let said = String::from_utf8(done.stdout).expect("UTF-8");
    assert!(
        done.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
    said.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .collect()
}

/// A back end made of the package; ends with the test.
struct Backend {
    child: Child,
    url: String,
}

impl Backend {
    fn start(folder: &Path, database: &str) -> Self {
        let mut child = Command::new("node")
            .arg(file("backend.cjs"))
            .args([database, USERNAME, PASSWORD])
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut line).expect("speaks");
        let first: Value = serde_json::from_str(&line).expect("its address");
        Self {
            child,
            url: first["url"].as_str().expect("an address").to_owned(),
        }
    }

    /// Waits until its database is gone.
    fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("ends").success());
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a value is made of: names, the first of a list, and kinds.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(list) => Value::Array(list.iter().take(1).map(shape).collect()),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, value)| (name.clone(), shape(value)))
                .collect(),
        ),
    }
}

/// Where what is here is not of that shape. More than it has is well.
fn differences(there: &Value, here: &Value, at: &str, found: &mut BTreeSet<String>) {
    match (there, here) {
        (Value::Object(there), Value::Object(here)) => {
            for (name, there) in there {
                let at = match at {
                    "" => name.clone(),
                    at => format!("{at}.{name}"),
                };
                match here.get(name) {
                    Some(here) => differences(there, here, &at, found),
                    None => {
                        found.insert(format!("{at} is missing"));
                    }
                }
            }
        }
        (Value::Array(there), Value::Array(here)) => {
            if here.is_empty() && !there.is_empty() {
                found.insert(format!("{at} is empty"));
            }
            for there in there {
                for here in here {
                    differences(there, here, &format!("{at}[]"), found);
                }
            }
        }
        _ if *there != shape(here) => {
            found.insert(format!("{at} is another kind of value"));
        }
        _ => {}
    }
}

/// The same without what differs from run to run.
fn kept(exchange: &Value) -> Value {
    let mut kept = exchange.clone();
    let body = kept.as_object_mut().and_then(|kept| kept.remove("body"));
    kept["shape"] = shape(&body.expect("a body"));
    kept
}

/// What was answered there: as it is written down, once that was compared with a back end that runs.
fn there(folder: &Path) -> Vec<Value> {
    let path = file("core.json");
    if let Ok(database) = std::env::var("TEST_MONGODB_URL") {
        let backend = Backend::start(folder, &database);
        let seen = talk(folder, &backend.url);
        backend.stop();
        let seen: Vec<Value> = seen.iter().map(kept).collect();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, format!("{:#}\n", json!(seen))).expect("writes");
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let written: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(
            json!(seen),
            written,
            "run with UPDATE=1 and look at the difference"
        );
    } else {
        println!("SKIPPED: without TEST_MONGODB_URL no back end of Frigg runs beside");
    }
    let text = std::fs::read_to_string(path).expect("what was answered");
    serde_json::from_str(&text).expect("JSON")
}

fn here(folder: &Path) -> Vec<Value> {
    let place = tempfile::tempdir().expect("a folder");
    let at = place.path();
    std::fs::write(at.join("gna.toml"), SETTINGS).expect("written");
    run(at, &["group", "create", "acme/shop"]).ended(0);
    let server = Server::start(at, &[]);
    let ann = json!({ "username": USERNAME, "password": PASSWORD }).to_string();
    let headers = [("Content-Type", "application/json")];
    let (status, answer) = server.send("POST", "/user/create", &headers, &ann);
    assert_eq!(status, 201, "{answer}");
    // What is about all groups needs somebody who has a say in all of them.
    run(at, &["member", "set", "acme", USERNAME, "owner"]).ended(0);
    let said = talk(folder, server.url());
    assert_eq!(server.stop(), Some(0));
    said
}

#[test]
fn a_client_made_of_friggs_framework_finds_here_what_it_finds_there() {
    let folder = match npm::installed("frigg-core", &PACKAGES) {
        Ok(folder) => folder,
        Err(why) => return println!("SKIPPED: {why}"),
    };
    let (there, here) = (there(&folder), here(&folder));
    let name = |exchange: &Value| exchange["name"].as_str().expect("a name").to_owned();
    let names = |all: &[Value]| all.iter().map(name).collect::<Vec<_>>();
    assert_eq!(names(&there), names(&here));
    let mut found = BTreeSet::new();
    for (there, here) in there.iter().zip(&here) {
        let name = name(here);
        assert_eq!(there["status"], here["status"], "{name}: {here}");
        let mut of_one = BTreeSet::new();
        differences(&there["shape"], &here["body"], "", &mut of_one);
        found.extend(of_one.into_iter().map(|what| (name.clone(), what)));
    }
    let mut expected = BTreeSet::new();
    for (what, names, _why) in DIFFERENT {
        expected.extend(
            names
                .iter()
                .map(|name| ((*name).to_owned(), (*what).to_owned())),
        );
    }
    assert_eq!(found, expected);
}
