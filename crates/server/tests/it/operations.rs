//! What `docs/OPERATIONS.md` promises of a store in PostgreSQL: a restart of one process after the
//! other that nobody notices, and a backup by PostgreSQL's own tools. Needs the server that
//! `TEST_POSTGRES_URL` names.

use gna_storage::conformance::postgres::Place;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::run::run;
use crate::server::Server;

fn start(folder: &Path, place: &Place, more: &[&str]) -> Server {
    let args = ["--data", "data", "--store", &place.url];
    Server::start(folder, &[&args, more].concat())
}

fn asked(server: &Server, token: &str, path: &str) -> Option<u16> {
    let bearer = format!("Bearer {token}");
    let url = server.url().to_owned();
    // What a balancer does: no connection, no answer.
    let host = url.trim_start_matches("http://");
    std::net::TcpStream::connect(host).ok()?;
    let (status, _) = server.send("GET", path, &[("Authorization", &bearer)], "");
    Some(status)
}

#[test]
fn one_process_after_the_other_is_replaced_and_nobody_notices() {
    let Some(place) = Place::fresh() else { return };
    let folder = tempfile::tempdir().expect("folder");
    let first = start(folder.path(), &place, &["--demo"]);
    let token = first.first["token"].as_str().expect("a token").to_owned();
    let second = start(folder.path(), &place, &[]);
    // As a balancer knows them: whom to ask now, and whom never again.
    let in_turn = Arc::new(Mutex::new(vec![Arc::new(first), Arc::new(second)]));
    let is_over = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicUsize::new(0));
    let client = {
        let (in_turn, is_over) = (Arc::clone(&in_turn), Arc::clone(&is_over));
        let (answers, token) = (Arc::clone(&answers), token.clone());
        std::thread::spawn(move || {
            let path = "/api/v2/vulnerabilities?organization=demo&group=shop";
            while !is_over.load(Ordering::Relaxed) {
                let servers = in_turn.lock().expect("whole").clone();
                for server in servers {
                    assert_eq!(asked(&server, &token, path), Some(200));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    let heard = |more: usize| {
        let until = answers.load(Ordering::Relaxed) + more;
        while answers.load(Ordering::Relaxed) < until && !client.is_finished() {
            std::thread::yield_now();
        }
    };
    for _ in 0..2 {
        heard(10);
        let newer = Arc::new(start(folder.path(), &place, &[]));
        let older = {
            let mut in_turn = in_turn.lock().expect("whole");
            in_turn.push(newer);
            in_turn.remove(0)
        };
        // The balancer's last requests end before the process is asked to.
        heard(10);
        let older = Arc::into_inner(older).expect("nobody asks it any more");
        assert_eq!(older.stop(), Some(0));
    }
    heard(10);
    is_over.store(true, Ordering::Relaxed);
    client.join().expect("every request was answered");
}

/// One of PostgreSQL's programs, where they are on this machine.
fn program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|program| program.is_file())
        .collect();
    found.sort();
    found.pop()
}

fn count(folder: &Path, store: &str) -> usize {
    let args = [
        "list", "--json", "--limit", "1000000", "--data", "data", "--store", store,
    ];
    run(folder, &args).ended(0).json().len()
}

#[test]
fn a_dump_of_the_schema_is_a_backup() {
    let Some(place) = Place::fresh() else { return };
    let (Some(pg_dump), Some(psql)) = (program("pg_dump"), program("psql")) else {
        eprintln!("SKIPPED: pg_dump and psql are not on this machine");
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    let server = start(folder.path(), &place, &["--demo"]);
    assert_eq!(server.stop(), Some(0));
    let before = count(folder.path(), &place.url);
    assert!(before > 0);

    // Gna's own words in the address are not libpq's.
    let (address, query) = place.url.split_once('?').expect("a query");
    let words: Vec<&str> = query.split('&').collect();
    let schema = words.iter().find_map(|word| word.strip_prefix("schema="));
    let schema = schema.expect("a schema");
    let of_libpq = |word: &&&str| !word.starts_with("schema=") && !word.starts_with("connections=");
    let of_libpq: Vec<&str> = words.iter().filter(of_libpq).copied().collect();
    let address = format!("{address}?{}", of_libpq.join("&"));
    let dump = folder.path().join("gna.sql");
    let told = Command::new(pg_dump)
        .args(["--schema", schema, "--file"])
        .arg(&dump)
        .arg(&address)
        .status();
    assert!(told.expect("runs").success());
    let sql = |args: &[&str]| {
        let told = Command::new(&psql)
            .args(["--quiet", "--set", "ON_ERROR_STOP=1"])
            .args(args)
            .arg(&address)
            .stdout(Stdio::null())
            .status();
        assert!(told.expect("runs").success(), "{args:?}");
    };
    let drop = format!("drop schema {schema} cascade");
    sql(&["--command", &drop]);
    sql(&["--file", &dump.display().to_string()]);
    assert_eq!(count(folder.path(), &place.url), before);
    let checked = run(
        folder.path(),
        &[
            "store", "check", "--json", "--data", "data", "--store", &place.url,
        ],
    );
    let checked: Vec<Value> = checked.ended(0).json();
    assert!(!checked.is_empty());
}
