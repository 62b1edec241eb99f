//! A copy of a store until it is activated: half a one is refused by everybody, a whole one answers as
//! its original does and does nothing.

use crate::run::{Said, run, sample};
use crate::server::Server;
use gna_domain::time::Timestamp;
use gna_storage::backend::registry;
use gna_storage::copy;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

const ORIGINAL: &str = "sqlite:data/gna.db";
const COPY: &str = "sqlite:copy/gna.db";
/// Far more than anything here takes.
const WAIT: Duration = Duration::from_secs(60);

/// An invented endpoint that takes whatever is posted to it, and tells it.
struct FakeEndpoint {
    port: u16,
    told: Receiver<Value>,
}

impl FakeEndpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if tell.send(posted(stream)).is_err() {
                    return;
                }
            }
        });
        Self { port, told }
    }

    fn next(&self) -> Value {
        self.told.recv_timeout(WAIT).expect("something comes")
    }

    /// Panics when something came that [`Self::next`] has not told.
    fn quiet(&self) {
        assert_eq!(self.told.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Takes one request and answers it; null where it is none.
fn posted(stream: TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(bytes) = line.strip_prefix("content-length:") {
            length = bytes.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    reader.into_inner().write_all(answer).expect("answered");
    serde_json::from_slice(&body).unwrap_or_default()
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("never: {what}");
}

/// Copies as `gna store copy` does, and ends after the first step as a kill does.
fn half(folder: &Path, from: &str, to: &str) {
    let address = |url: &str| {
        let file = folder.join(url.trim_start_matches("sqlite:"));
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        format!("sqlite:{}", file.display())
    };
    let (from, to) = (address(from), address(to));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let killed = runtime.block_on(async {
        let copying = tokio::spawn(async move {
            let from = registry::open(&from, Arc::new(Timestamp::default)).await;
            let to = registry::open(&to, Arc::new(Timestamp::default)).await;
            let (from, to) = (from.expect("opens"), to.expect("opens"));
            let (from, to) = (from.backend.as_ref(), to.backend.as_ref());
            copy::copy(from, to, &|_| panic!("killed here"))
                .await
                .map(drop)
        });
        copying.await
    });
    assert!(killed.is_err(), "it came to its end: {killed:?}");
}

#[test]
fn half_a_copy_is_refused_by_everybody() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    run(at, &["group", "create", "acme/shop", "--data", "data"]).ended(0);
    half(at, ORIGINAL, COPY);
    let third = "sqlite:third/gna.db";
    let store = ["--data", "data", "--store", COPY];
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for (args, code) in [
        (vec!["store", "copy", COPY, third], 2),
        (vec!["store", "activate", "--store", COPY], 2),
        ([&serve[..], &store].concat(), 3),
        ([&["group", "list"], &store[..]].concat(), 3),
    ] {
        let refused = run(at, &args).ended(code);
        for says in ["not complete", "gna store copy"] {
            let told = &refused.stderr;
            assert!(told.contains(says), "{args:?}: {told}");
        }
    }
    // Nothing went into the third, so that it may still become a copy; and so may the half one.
    let copied = |from: &str, to: &str| {
        let said = run(at, &["store", "copy", from, to, "--json"]).ended(0);
        said.json().remove(0)
    };
    let whole = copied(ORIGINAL, third);
    assert!(whole["items"].as_u64().is_some_and(|items| items > 0));
    assert_eq!(copied(ORIGINAL, COPY), whole);
    assert_eq!(copied(COPY, "sqlite:fourth/gna.db"), whole);
}

#[test]
fn a_copy_does_nothing_of_what_is_due_until_it_is_activated() {
    let endpoint = FakeEndpoint::start();
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let settings = format!(
        "[egress]\nallow = [\"127.0.0.1/32\"]\nports = [{}]\n",
        endpoint.port
    );
    std::fs::write(at.join("gna.toml"), settings).expect("written");
    let original = |args: &[&str]| run(at, &[args, &["--data", "data"]].concat()).ended(0);
    let report = sample("semgrep.json");
    let import = ["import", "--group", "acme/shop", "--asset", "a", &report];
    original(&["group", "create", "acme/shop"]);
    original(&import);
    let list = ["list", "--json", "--limit", "1000"];
    let listed = original(&list).json().len();
    assert!(listed > 0);

    // Owed when the original ends for good: a message and a scheduled run, both due.
    let url = format!("http://127.0.0.1:{}/hook", endpoint.port);
    let create = ["webhooks", "create", &url, "--organization", "acme"];
    let made = original(&[&create[..], &["--json"]].concat())
        .json()
        .remove(0);
    let webhook = made["webhook"]["id"].as_str().expect("an id");
    original(&["webhooks", "test", webhook]);
    let once = ["schedules", "create", "once", "--job", "store.tidy"];
    let when = ["--payload", "{\"feed_days\":7}", "--at", "2026-01-01"];
    original(&[&once[..], &when].concat());

    run(at, &["store", "copy", ORIGINAL, COPY]).ended(0);
    let store = ["--data", "data", "--store", COPY];
    let copy = |args: &[&str]| -> Said { run(at, &[args, &store].concat()) };
    let one = |args: &[&str]| -> Value {
        let said = copy(&[args, &["--json"]].concat()).ended(0);
        said.json().remove(0)
    };
    let message = || one(&["webhooks", "deliveries", webhook]);
    let schedule = || one(&["schedules", "show", "once"]);
    let refused = copy(&import).ended(2);
    let told = &refused.stderr;
    assert!(told.contains("gna store activate"), "{told}");

    // Served, it answers, also by its search, which it made since its start. Whatever had been started
    // beside that would have found what is due at once.
    let log = at.join("paused.log");
    let server = Server::start_logging_with(at, &log, &store);
    let said = std::fs::read_to_string(&log).expect("reads");
    assert!(said.contains("this store is a copy"), "{said}");
    eventually("its index is made", || {
        let said = copy(&list);
        (said.code == Some(0) && said.json().len() == listed).then_some(())
    });
    let ready = copy(&["jobs", "list", "--queue", "ready", "--json"]).ended(0);
    let owed: Vec<Value> = ready
        .json()
        .into_iter()
        .filter(|job| job["kind"] == "webhook.deliver")
        .collect();
    assert_eq!(owed.len(), 1, "{owed:?}");
    assert_eq!(
        (&owed[0]["state"], &owed[0]["attempts"]),
        (&json!("WAITING"), &json!(0))
    );
    assert_eq!(message()["tries"], 0);
    let waits = schedule();
    assert_eq!(
        (&waits["enabled"], &waits["last_run"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(server.stop(), Some(0));
    endpoint.quiet();

    run(at, &["store", "activate", "--store", COPY]).ended(0);
    let log = at.join("active.log");
    let server = Server::start_logging_with(at, &log, &store);
    assert_eq!(endpoint.next()["type"], "webhook.test");
    let sent = eventually("it is delivered", || {
        Some(message()).filter(|message| message["state"] == "DELIVERED")
    });
    assert_eq!(sent["tries"], 1);
    let job = eventually("it runs", || {
        schedule()["last_job"].as_str().map(str::to_owned)
    });
    eventually("it is done", || {
        (one(&["jobs", "show", &job])["state"] == "DONE").then_some(())
    });
    assert_eq!(server.stop(), Some(0));
    endpoint.quiet();
}
