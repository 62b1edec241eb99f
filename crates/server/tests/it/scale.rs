//! Several processes on one PostgreSQL, DynamoDB or MongoDB store, under load: no scheduled run is made twice,
//! no job is lost, and what a session wrote through one process it reads at once through the others. They need
//! what `shared.rs` needs.

#[cfg(feature = "dynamodb")]
use gna_storage::conformance::dynamodb;
#[cfg(feature = "mongodb")]
use gna_storage::conformance::mongodb;

use gna_domain::model::{Job, JobState};
use gna_domain::port::Clock;
use gna_domain::time::Timestamp;
use gna_server::outside::SystemClock;
use gna_storage::backend::registry;
use gna_storage::conformance::postgres::Place;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::run::run;
use crate::server::Server;
use crate::shared::{ask, ask_as, eventually, report};

/// Sessions that load the processes at the same time, two for each that answers.
const SESSIONS: usize = 6;
/// Reports that each sends, one after the other.
const REPORTS: usize = 3;
const FINDINGS: usize = 150;
/// Schedules that run once, of either kind: due when they are made, and due together a little later.
const ONCE: usize = 6;
/// The shortest time between two runs that there may be.
const PERIOD_MS: i64 = 10_000;
const DAY_MS: i64 = 86_400_000;

#[test]
fn three_processes_share_a_store() {
    let Some(place) = Place::fresh() else { return };
    three_processes(&place.url, [&[], &[], &[], &[]], true);
}

/// Each with a search index of its own. Lists by an index may lag there.
#[cfg(feature = "dynamodb")]
#[test]
fn three_processes_share_a_table() {
    let Some(place) = dynamodb::Place::unmade() else {
        return;
    };
    let folder = tempfile::tempdir().expect("folder");
    run(folder.path(), &["store", "init", "--store", &place.url]).ended(0);
    three_processes(&place.url, OWN, false);
}

/// Each with a search index of its own.
#[cfg(feature = "mongodb")]
#[test]
fn three_processes_share_a_database() {
    let Some(place) = mongodb::Place::fresh() else {
        return;
    };
    three_processes(&place.url, OWN, true);
}

#[cfg(any(feature = "dynamodb", feature = "mongodb"))]
const OWN: [&[&str]; 4] = [
    &["--search", "sqlite:first.db"],
    &["--search", "sqlite:second.db"],
    &["--search", "sqlite:third.db"],
    &["--search", "sqlite:fourth.db"],
];

/// Somebody who asks another process each time, as behind a balancer.
struct Session<'a> {
    servers: &'a [Server; 3],
    token: &'a str,
    /// Which of them comes first.
    offset: usize,
    /// Whether the store's lists by an index show at once what was written.
    lists_at_once: bool,
}

impl Session<'_> {
    fn server(&self, number: usize) -> &Server {
        &self.servers[(self.offset + number) % self.servers.len()]
    }

    fn write(&self, number: usize, path: &str, body: &Value) -> Value {
        let (server, body) = (self.server(number), body.to_string());
        ask_as(server, self.token, "application/json", "POST", path, &body)
    }

    fn upload(&self, number: usize, asset: &str, report: &str) -> Value {
        let place = "organization=demo&group=shop&file_name=r.sarif";
        let path = format!("/api/v2/reports?{place}&asset={asset}");
        ask(self.server(number), self.token, "POST", &path, report)
    }

    fn read(&self, number: usize, path: &str) -> Value {
        ask(self.server(number), self.token, "GET", path, "")
    }

    /// The record of that id in a list.
    fn listed(&self, number: usize, path: &str, id: &Value) -> Value {
        let list = self.read(number, path);
        let items = list["items"].as_array().expect("a list");
        let found = items.iter().find(|item| item["id"] == *id);
        found
            .unwrap_or_else(|| panic!("{id} is not in {path}: {list}"))
            .clone()
    }

    /// The whole answer to a question, with its head.
    fn raw(&self, number: usize, path: &str, more: &[(&str, &str)]) -> String {
        let bearer = format!("Bearer {}", self.token);
        let headers = [&[("Authorization", bearer.as_str())], more].concat();
        let (status, answer) = self.server(number).send("GET", path, &headers, "");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// How far the writes reach that a record is of.
    fn position(&self, number: usize, path: &str) -> String {
        let answer = self.raw(number, path, &[]);
        header(&answer, "x-gna-position")
            .expect("a position")
            .to_owned()
    }

    /// How many vulnerabilities the search finds, and whether it says that some may be missing.
    fn found(&self, number: usize, position: &str) -> (u64, bool) {
        let all = "/api/v2/vulnerabilities?organization=demo&group=shop&first=1&facets=state";
        let answer = self.raw(number, all, &[("X-Gna-Position", position)]);
        let body = answer.get(answer.find('{').expect("JSON")..).expect("JSON");
        let body = body.get(..=body.rfind('}').expect("JSON")).expect("JSON");
        let list: Value = serde_json::from_str(body).expect("JSON");
        let states = list["facets"]["state"].as_array().expect("a facet");
        let found = states.iter().filter_map(|state| state["count"].as_u64());
        (found.sum(), header(&answer, "x-gna-stale").is_some())
    }

    /// Writes and reads back through the other processes; answers the reports that it sent.
    fn work(&self, vulnerability: &str) -> Vec<String> {
        let schedule = self.write(
            0,
            "/api/v2/schedules",
            &once(&format!("far-{}", self.offset), now().plus_millis(DAY_MS)),
        );
        let schedule = schedule["id"].clone();
        let switch = format!("/api/v2/schedules/{}", text(&schedule));
        let comments = format!("/api/v2/vulnerabilities/{vulnerability}/comments");
        let mut reports = Vec::new();
        for round in 0..REPORTS {
            // Something new: by its key, and in a list.
            let salt = self.offset * REPORTS + round;
            // Some assets are loaded by several sessions, whose imports wait for each other.
            let asset = format!("shared-{}", self.offset % 4);
            let id = self.upload(round, &asset, &report(salt, FINDINGS))["id"].clone();
            let path = format!("/api/v2/reports/{}", text(&id));
            assert_eq!(self.read(round + 1, &path)["id"], id);
            if self.lists_at_once {
                let all = "/api/v2/reports?organization=demo&group=shop&first=500";
                self.listed(round + 2, all, &id);
            }
            reports.push(text(&id).to_owned());

            let said = self.write(round + 1, &comments, &json!({ "text": "seen" }));
            for other in [round + 2, round + 3] {
                let seen = self.listed(other, &format!("{comments}?first=500"), &said["id"]);
                assert_eq!(seen["text"], "seen");
            }

            // Something that changes: never what it was before.
            for (turn, (action, enabled)) in [("disable", false), ("enable", true)]
                .into_iter()
                .enumerate()
            {
                let at = round + turn;
                let done = self.write(at, &format!("{switch}/{action}"), &json!({}));
                for other in [at + 1, at + 2] {
                    let seen = self.read(other, &switch);
                    assert_eq!(
                        (&seen["enabled"], &seen["version"]),
                        (&json!(enabled), &done["version"]),
                        "{action}: {seen}"
                    );
                }
                if self.lists_at_once {
                    let seen = self.listed(at + 1, "/api/v2/schedules?first=500", &schedule);
                    assert_eq!(seen["enabled"], enabled, "{action}: {seen}");
                }
            }
        }
        reports
    }
}

/// A header of an answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A schedule that runs one time.
fn once(name: &str, at: Timestamp) -> Value {
    let payload = json!({ "feed_days": 30 });
    json!({ "name": name, "job": "store.tidy", "payload": payload, "at": at.to_string() })
}

fn three_processes(url: &str, own: [&[&str]; 4], lists_at_once: bool) {
    let folder = tempfile::tempdir().expect("folder");
    let start = |own: &[&str], more: &[&str]| {
        let args = ["--data", "data", "--store", url];
        Server::start(folder.path(), &[&args, own, more].concat())
    };
    let first = start(own[0], &["--role", "api,worker,scheduler", "--demo"]);
    let token = first.first["token"].as_str().expect("a token").to_owned();
    let servers = [
        first,
        start(own[1], &["--role", "api,scheduler"]),
        start(own[2], &["--role", "api,worker,scheduler"]),
    ];
    let worker = start(own[3], &["--role", "worker"]);
    assert_eq!(worker.first["url"], Value::Null);
    let session = |offset: usize| Session {
        servers: &servers,
        token: &token,
        offset,
        lists_at_once,
    };
    let anybody = session(0);
    let vulnerability = eventually("the demo is listed", || {
        let all = "/api/v2/vulnerabilities?organization=demo&group=shop&first=1";
        anybody.read(0, all)["items"][0]["id"]
            .as_str()
            .map(str::to_owned)
    });

    let found_at = |number: usize, report: &str| {
        let position = anybody.position(number, &format!("/api/v2/reports/{report}"));
        eventually("the index is there", || {
            let (found, is_stale) = anybody.found(number + 1, &position);
            (!is_stale).then_some(found)
        })
    };
    let of_demo = anybody.read(0, "/api/v2/reports?organization=demo&group=shop&first=1");
    let found_before = found_at(0, text(&of_demo["items"][0]["id"]));

    let (often, single, reports) = std::thread::scope(|scope| {
        let load: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let (session, vulnerability) = (session(number), vulnerability.as_str());
                scope.spawn(move || session.work(vulnerability))
            })
            .collect();
        // Each of these wakes all schedulers at the same moment.
        let often = json!({
            "name": "often", "job": "store.tidy", "payload": { "feed_days": 30 },
            "every_seconds": PERIOD_MS / 1_000,
        });
        let often = anybody.write(0, "/api/v2/schedules", &often);
        let together = now().plus_millis(3_000);
        let long_ago = Timestamp::parse("2026-01-01").expect("a time");
        let single: Vec<String> = (0..ONCE)
            .flat_map(|n| {
                [
                    (format!("now-{n}"), long_ago),
                    (format!("soon-{n}"), together),
                ]
            })
            .enumerate()
            .map(|(n, (name, at))| {
                let made = anybody.write(n, "/api/v2/schedules", &once(&name, at));
                text(&made["id"]).to_owned()
            })
            .collect();
        let reports: Vec<String> = load
            .into_iter()
            .flat_map(|session| session.join().expect("nothing stale was read"))
            .collect();
        (often, single, reports)
    });

    // No job is lost, and none is done twice.
    assert_eq!(reports.len(), SESSIONS * REPORTS);
    for (n, id) in reports.iter().enumerate() {
        let done = eventually("the import ends", || {
            let report = anybody.read(n, &format!("/api/v2/reports/{id}"));
            assert!(
                report["status"] != "REFUSED" && report["status"] != "FAILED",
                "{report}"
            );
            (report["status"] == "COMPLETE").then_some(report)
        });
        // A job that two had run at once would have found some of its own findings there.
        let counts = &done["counts"];
        assert_eq!(counts["total"], FINDINGS, "{n}: {counts}");
        assert_eq!(counts["created"], FINDINGS, "{n}: {counts}");
    }
    // Who says how far the write reached finds all of it, wherever it asks.
    let wanted = found_before + (reports.len() * FINDINGS) as u64;
    for (n, id) in reports.iter().enumerate() {
        assert_eq!(found_at(n, id), wanted, "{n}");
    }
    let run_of = |schedule: &str| {
        let seen = anybody.read(1, &format!("/api/v2/schedules/{schedule}"));
        seen["last_job"].as_str().map(str::to_owned)
    };
    for schedule in &single {
        let job = eventually("it is run", || run_of(schedule));
        eventually("its job is done", || {
            let job = anybody.read(2, &format!("/api/v2/jobs/{job}"));
            assert_ne!(job["state"], "DEAD", "{job}");
            (job["state"] == "DONE").then_some(())
        });
    }
    let mut runs = BTreeSet::new();
    eventually("it is run again and again", || {
        runs.extend(run_of(text(&often["id"])));
        (runs.len() >= 2).then_some(())
    });
    assert_eq!(worker.stop(), Some(0));
    for server in servers {
        assert_eq!(server.stop(), Some(0));
    }

    // The record of jobs keeps all of them for a day.
    let jobs = recorded(url);
    let of = |schedule: &str| {
        let lane = format!("schedule:{schedule}");
        let mut jobs: Vec<&Job> = jobs
            .iter()
            .filter(|job| job.lane.as_ref() == Some(&lane))
            .collect();
        jobs.sort_by_key(|job| job.created);
        jobs
    };
    for schedule in &single {
        let made = of(schedule);
        assert_eq!(made.len(), 1, "one run is one job: {made:?}");
        assert_eq!(made[0].state(), JobState::Done, "{made:?}");
    }
    // A run comes at its time or late, and the next one never before the next time.
    let made = of(text(&often["id"]));
    let begun = Timestamp::parse(text(&often["created"])).expect("a time");
    let periods: BTreeSet<i64> = made
        .iter()
        .map(|job| (job.created.millis() - begun.millis()) / PERIOD_MS)
        .collect();
    assert!(made.len() >= 2, "{made:?}");
    assert_eq!(periods.len(), made.len(), "two in a period: {made:?}");
    assert!(!periods.contains(&0), "before its time: {made:?}");

    let check = ["store", "check", "--data", "data", "--store", url];
    run(folder.path(), &[&check, own[0]].concat()).ended(0);
}

/// All jobs that the store holds.
fn recorded(url: &str) -> Vec<Job> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = registry::open(url, Arc::new(now)).await.expect("opens");
        let (mut jobs, mut after) = (Vec::new(), None);
        loop {
            let page = store.backend.scan("job", after.as_ref(), 500).await;
            let page = page.expect("reads");
            jobs.extend(
                page.items
                    .iter()
                    .map(|item| -> Job { serde_json::from_slice(&item.body).expect("a job") }),
            );
            after = page.next;
            if after.is_none() {
                return jobs;
            }
        }
    })
}
