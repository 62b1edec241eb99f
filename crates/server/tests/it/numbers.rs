//! What `/metrics` says after work was done: the server's own counters, from one real import.

use crate::run::{run, sample};
use crate::server::Server;
use std::time::{Duration, Instant};

/// The value of a series, `name{label="value"}` or `name`; labels in any order.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn an_import_is_seen_in_the_numbers() {
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    std::fs::write(at.join("gna.toml"), "[metrics]\non_loopback = true\n").expect("written");
    let server = Server::start(at, &["--data", "data"]);
    let data = |args: &[&str]| run(at, &[args, &["--data", "data"]].concat());
    data(&["group", "create", "acme/top-secret"]).ended(0);
    let into = ["--group", "acme/top-secret", "--asset", "image"];
    let trivy = sample("trivy.json");
    data(&[&["import", &trivy], &into[..]].concat()).ended(0);
    data(&[&["import", &trivy], &into[..]].concat()).ended(0);
    std::fs::write(at.join("broken.json"), "{\"version\": ").expect("written");
    data(&[&["import", "broken.json"], &into[..]].concat()).ended(3);

    // The index follows by itself, and a job ends a moment after its report; until then the numbers
    // say so.
    let deadline = Instant::now() + Duration::from_secs(30);
    let text = loop {
        let (status, text) = server.get("/metrics");
        assert_eq!(status, 200, "{text}");
        let is = |name: &str, labels: &[&str], number| value(&text, name, labels) == Some(number);
        if is("gna_search_behind_entries", &[], 0.0)
            && is("gna_jobs_running", &["import.report"], 0.0)
            && is("gna_jobs_total", &["import.report", "done"], 3.0)
        {
            break text;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let is = |name: &str, labels: &[&str], expected: f64| {
        let found = value(&text, name, labels);
        assert_eq!(found, Some(expected), "{name} {labels:?} in\n{text}");
    };
    let some = |name: &str, labels: &[&str]| {
        let found = value(&text, name, labels).unwrap_or_default();
        assert!(found > 0.0, "{name} {labels:?} in\n{text}");
    };
    let complete = "outcome=\"complete\"";
    is(
        "gna_import_reports_total",
        &[complete, "format=\"trivy\""],
        2.0,
    );
    is("gna_import_reports_total", &["outcome=\"refused\""], 1.0);
    is("gna_import_findings_total", &["outcome=\"created\""], 6.0);
    is("gna_import_findings_total", &["outcome=\"unchanged\""], 6.0);
    let sent = std::fs::metadata(&trivy).expect("is there").len() * 2 + 12;
    let sent = f64::from(u32::try_from(sent).expect("small"));
    is("gna_import_bytes_total", &[], sent);
    is("gna_import_seconds_count", &[complete], 2.0);
    some("gna_import_seconds_sum", &[complete]);
    is(
        "gna_jobs_total",
        &["kind=\"import.report\"", "outcome=\"done\""],
        3.0,
    );
    is("gna_jobs_running", &["kind=\"import.report\""], 0.0);
    some("gna_job_seconds_count", &["kind=\"import.report\""]);
    is("gna_jobs_oldest_due_seconds", &[], 0.0);
    is("gna_jobs_dead", &[], 0.0);
    is("gna_search_behind", &[], 0.0);
    for call in ["commit", "get", "list"] {
        some(
            "gna_store_call_seconds_count",
            &[&format!("call=\"{call}\"")],
        );
    }
    assert!(
        !text.contains("acme") && !text.contains("top-secret"),
        "{text}"
    );
    assert_eq!(server.stop(), Some(0));
}
