//! Findings pulled from other tools, which are answers of our own invention: what they show is
//! imported, what changes follows, what is fixed there is closed here.

use super::workplace::{Asked, Said, Workplace};
use super::*;
use gna_domain::connect::Process;
use gna_domain::connect::process::ProcessState;
use gna_domain::model::{Asset, AssetKind, Location, Report};
use gna_domain::port::Entity;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What the app says; the second finding is fixed once it is.
type Answer = fn(&Asked, bool) -> Option<Said>;

const OLD: &str = "2025-12-01T00:00:00Z";
const NEW: &str = "2026-01-01T06:00:00Z";

fn github(asked: &Asked, fixed: bool) -> Option<Said> {
    let code = |number: u32, state: &str, at: &str| {
        json!({"number": number, "state": state, "updated_at": at, "html_url": "https://github.com/acme/web/security/code-scanning/1",
            "rule": {"id": "js/xss", "description": "Cross-site scripting", "security_severity_level": "high", "tags": ["external/cwe/cwe-079"]},
            "tool": {"name": "CodeQL"}, "most_recent_instance": {"message": {"text": "Unescaped."},
                "location": {"path": format!("src/page{number}.js"), "start_line": 12}}})
    };
    let (_, path) = asked.path.split_once("api.github.com")?;
    Some((
        200,
        match path {
            "/user/repos" => json!([{"full_name": "acme/web"}]),
            "/repos/acme/web/code-scanning/alerts" if fixed => {
                json!([code(2, "fixed", NEW), code(1, "open", OLD)])
            }
            "/repos/acme/web/code-scanning/alerts" => {
                json!([code(2, "open", OLD), code(1, "open", OLD)])
            }
            "/repos/acme/web/dependabot/alerts" => {
                json!([{"number": 3, "state": "dismissed", "dismissed_reason": "tolerable_risk", "updated_at": OLD,
            "dependency": {"package": {"ecosystem": "npm", "name": "lodash"}, "manifest_path": "package-lock.json"},
            "security_advisory": {"ghsa_id": "GHSA-jf85-cpcp-j695", "cve_id": "CVE-2019-10744", "summary": "Prototype pollution in lodash",
                "identifiers": [{"type": "GHSA", "value": "GHSA-jf85-cpcp-j695"}, {"type": "CVE", "value": "CVE-2019-10744"}], "cwes": [{"cwe_id": "CWE-1321"}]},
            "security_vulnerability": {"severity": "critical", "first_patched_version": {"identifier": "4.17.12"}}}])
            }
            _ => return None,
        },
    ))
}

fn gitlab(asked: &Asked, fixed: bool) -> Option<Said> {
    let finding = |uuid: &str, state: &str, line: u32| {
        json!({"uuid": uuid, "name": "Predictable random", "severity": "Medium", "state": state, "scanner": {"name": "Semgrep"},
            "identifiers": [{"external_type": "semgrep_id", "external_id": "random"}, {"external_type": "cwe", "external_id": "330"}],
            "location": {"file": "app.py", "start_line": line}})
    };
    let (_, path) = asked.path.split_once("/api/v4")?;
    Some((
        200,
        match path {
            "/projects" => json!([{"id": 42, "path_with_namespace": "acme/web"}]),
            "/projects/42/vulnerability_findings" => {
                json!([
                    finding("u-1", "detected", 3),
                    finding("u-2", if fixed { "resolved" } else { "confirmed" }, 9)
                ])
            }
            _ => return None,
        },
    ))
}

fn snyk(asked: &Asked, fixed: bool) -> Option<Said> {
    let issue = |id: &str, status: &str, package: &str| {
        json!({"id": id, "type": "issue", "attributes": {"key": format!("SNYK-JS-{package}"), "title": format!("Trouble in {package}"),
            "effective_severity_level": "high", "status": status, "type": "package_vulnerability", "ignored": false, "updated_at": NEW,
            "classes": [{"id": "CWE-1321", "source": "CWE"}], "problems": [{"id": "CVE-2019-10744", "source": "NVD"}],
            "coordinates": [{"representations": [{"dependency": {"package_name": package, "package_version": "1.0.0"}}]}]}})
    };
    let (_, path) = asked
        .path
        .split_once("/orgs/00000000-0000-0000-0000-000000000001")?;
    Some((
        200,
        match path {
            "/projects" => {
                json!({"data": [{"id": "p1", "attributes": {"name": "acme/web"}}], "links": {}})
            }
            "/issues" => {
                assert!(asked.query.contains("scan_item.id=p1"), "{}", asked.query);
                // The second time only what changed is asked for, and only that is said.
                let is_since = asked.query.contains("updated_after=");
                let all = match (is_since, fixed) {
                    (true, true) => json!([issue("i2", "resolved", "qs")]),
                    (true, false) => json!([]),
                    (false, _) => json!([issue("i1", "open", "lodash"), issue("i2", "open", "qs")]),
                };
                json!({"data": all, "links": {}})
            }
            _ => return None,
        },
    ))
}

fn sonarqube(asked: &Asked, fixed: bool) -> Option<Said> {
    // SonarQube writes the zone without a colon.
    let (old, new) = ("2025-12-01T00:00:00+0000", "2026-01-01T06:00:00+0000");
    let issue = |key: &str, status: &str, line: u32, at: &str| {
        json!({"key": key, "rule": "java:S2068", "message": "Remove this password.", "severity": "BLOCKER", "status": status, "updateDate": at,
            "component": "web:src/Main.java", "textRange": {"startLine": line, "endLine": line}, "tags": ["cwe"], "hash": key})
    };
    let (_, path) = asked.path.split_once("/api/")?;
    Some((
        200,
        match path {
            "components/search" => {
                json!({"paging": {"total": 1}, "components": [{"key": "web", "name": "Web"}]})
            }
            "issues/search" => {
                assert!(
                    asked.query.contains("asc=false&") && asked.query.contains("s=UPDATE_DATE"),
                    "{}",
                    asked.query
                );
                let issues = match fixed {
                    true => [issue("b", "CLOSED", 8, new), issue("a", "OPEN", 4, old)],
                    false => [issue("a", "OPEN", 4, old), issue("b", "OPEN", 8, old)],
                };
                json!({"paging": {"total": 2}, "issues": issues})
            }
            _ => return None,
        },
    ))
}

fn on_host(name: &str, port: u32, state: &str) -> Value {
    json!({"asset": {"uuid": format!("u-{name}"), "fqdn": name, "ipv4": "192.0.2.7"}, "output": "self-signed",
        "plugin": {"id": 51192, "name": "SSL Certificate Cannot Be Trusted", "family": "General", "solution": "Buy one."},
        "port": {"port": port, "protocol": "TCP", "service": "www"}, "severity": "medium", "state": state})
}

fn tenable(asked: &Asked, fixed: bool) -> Option<Said> {
    let (_, path) = asked.path.split_once("cloud.tenable.com/vulns/export")?;
    let (a, b) = ("a.example", "b.example");
    Some((
        200,
        match path {
            // Who asks anew hears of what is there, who knows something of what is fixed, too.
            "" => {
                let filters = &asked.body["filters"];
                let is_anew = filters["since"] == json!(946_684_800);
                let states = filters["state"].as_array().map(Vec::len);
                assert_eq!(states, Some(if is_anew { 2 } else { 3 }), "{filters}");
                json!({"export_uuid": if is_anew { "all" } else { "news" }})
            }
            "/all/status" | "/news/status" => {
                json!({"status": "FINISHED", "chunks_available": [1, 2]})
            }
            "/all/chunks/1" => json!([on_host(a, 443, "OPEN")]),
            "/all/chunks/2" => json!([on_host(b, 8443, "REOPENED")]),
            "/news/chunks/1" if fixed => json!([on_host(b, 8443, "FIXED")]),
            "/news/chunks/1" | "/news/chunks/2" => json!([]),
            _ => return None,
        },
    ))
}

fn defectdojo(asked: &Asked, fixed: bool) -> Option<Said> {
    let finding = |id: u32, active: bool, at: &str| {
        json!({"id": id, "title": format!("Weakness {id}"), "severity": "High", "description": "d", "active": active, "is_mitigated": !active,
            "file_path": "main.c", "line": id, "cwe": 120, "last_status_update": at, "vulnerability_ids": []})
    };
    let (_, path) = asked.path.split_once("/api/v2")?;
    Some((
        200,
        match path {
            "/products/" => json!({"next": null, "results": [{"id": 5, "name": "Web"}]}),
            "/findings/" if fixed => {
                json!({"next": null, "results": [finding(12, false, NEW), finding(11, true, OLD)]})
            }
            "/findings/" => {
                json!({"next": null, "results": [finding(12, true, OLD), finding(11, true, OLD)]})
            }
            _ => return None,
        },
    ))
}

fn dependency_track(asked: &Asked, fixed: bool) -> Option<Said> {
    let finding = |id: &str, package: &str| {
        json!({"matrix": format!("p:{package}:{id}"), "component": {"name": package, "version": "1.0", "purl": format!("pkg:npm/{package}@1.0")},
            "vulnerability": {"vulnId": id, "source": "NVD", "severity": "HIGH", "cwes": [{"cweId": 79}], "aliases": []},
            "analysis": {"isSuppressed": false}})
    };
    let (_, path) = asked.path.split_once("/api/v1")?;
    let mut all = vec![finding("CVE-2024-1", "left")];
    if !fixed {
        all.push(finding("CVE-2024-2", "right"));
    }
    Some((
        200,
        match path {
            "/project" => json!([{"uuid": "p-1", "name": "Web", "version": "2"}]),
            "/finding/project/p-1" => json!(all),
            _ => return None,
        },
    ))
}

async fn all<E: Entity>(workplace: &Workplace, collection: &'static str) -> Vec<E> {
    let store = workplace.world.ports.store.as_ref();
    let page = store.scan(collection, &PageRequest::first(1_000)).await;
    let page = repo::typed_page::<E>(page.expect("scans")).expect("reads");
    page.items.into_iter().map(|stored| stored.value).collect()
}

async fn story(module: &str, answer: Answer, expected: usize) -> Vec<Vulnerability> {
    let fixed = Arc::new(AtomicBool::new(false));
    let there = Arc::clone(&fixed);
    let name = module.to_owned();
    let workplace = Workplace::new(move |asked| {
        let answered = answer(asked, there.load(Ordering::SeqCst));
        answered.unwrap_or_else(|| panic!("{name}: nobody expects {} {}", asked.method, asked.path))
    })
    .await;
    let of = workplace.made("finding-pull", &[module], json!({})).await;
    let told = workplace.now(&of).await;
    let none = told.messages.errors.is_empty() && told.messages.warnings.is_empty();
    assert!(none, "{module} {:?}", told.messages);
    let found = workplace.vulnerabilities().await;
    assert_eq!(found.len(), expected, "{module} {found:?}");
    assert!(found.iter().all(|one| one.state == State::Open), "{module}");
    let reports = all::<Report>(&workplace, "report").await;
    for report in &reports {
        assert_eq!(report.warnings, 0, "{module}");
        assert_eq!(report.uploaded_by, of.id.to_string());
    }
    // Nothing changed: nothing is imported, however often it is looked.
    workplace.wait(40).await;
    assert_eq!(
        all::<Report>(&workplace, "report").await.len(),
        reports.len(),
        "{module}"
    );
    fixed.store(true, Ordering::SeqCst);
    workplace
        .world
        .clock
        .set(gna_domain::time::Timestamp::parse(NEW).expect("a time"));
    workplace.wait(40).await;
    let found = workplace.vulnerabilities().await;
    let closed = found.iter().filter(|one| one.state != State::Open).count();
    assert_eq!((found.len(), closed), (expected, 1), "{module} {found:?}");
    let processes = all::<Process>(&workplace, "process").await;
    let ended = |process: &Process| {
        process.state == ProcessState::Completed && process.progress.failed == 0
    };
    assert!(
        processes.len() >= 3 && processes.iter().all(ended),
        "{module} {processes:?}"
    );
    found
}

#[tokio::test]
async fn what_is_found_and_fixed_elsewhere_is_so_here_on_invented_answers_of_each_tool() {
    let sources: [(&str, Answer, usize); 7] = [
        ("github", github, 3),
        ("gitlab", gitlab, 2),
        ("snyk", snyk, 2),
        ("sonarqube", sonarqube, 2),
        ("tenable", tenable, 2),
        ("defectdojo", defectdojo, 2),
        ("dependency-track", dependency_track, 2),
    ];
    for (module, answer, expected) in sources {
        let found = story(module, answer, expected).await;
        if module == "github" {
            let package = found.iter().find_map(|one| one.location.package());
            let package = package.expect("Dependabot's");
            assert_eq!(package.ecosystem.as_deref(), Some("npm"));
            assert_eq!(package.fixed_version.as_deref(), Some("4.17.12"));
            let code = found
                .iter()
                .find(|one| matches!(one.location, Location::Code(_)));
            assert_eq!(code.expect("code").cwes, [79]);
        }
    }
}

#[tokio::test]
async fn a_project_that_an_invented_app_refuses_does_not_keep_the_others() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked_for);
    let workplace = Workplace::new(move |asked| {
        seen.lock().expect("a lock").push(asked.path.clone());
        match asked.path.split_once("/api/v1").map(|(_, path)| path) {
            Some("/project") => (
                200,
                json!([{"uuid": "bad", "name": "Bad"}, {"uuid": "p-1", "name": "Web"}]),
            ),
            Some("/finding/project/bad") => (403, json!({"message": "no"})),
            _ => dependency_track(asked, false).expect("known"),
        }
    })
    .await;
    let of = workplace
        .made("finding-pull", &["dependency-track"], json!({}))
        .await;
    assert_eq!(workplace.vulnerabilities().await.len(), 2);
    let told = workplace.now(&of).await.messages;
    assert!(
        told.errors[0]
            .message
            .starts_with("dependency-track of Bad:"),
        "{told:?}"
    );
    let process = all::<Process>(&workplace, "process").await.remove(0);
    assert_eq!((process.progress.done, process.progress.failed), (2, 1));
    assert_eq!(process.state, ProcessState::Completed);
}

#[tokio::test]
async fn each_host_of_an_invented_export_is_an_asset_and_one_that_is_seldom_scanned_stays() {
    // How often it is not ready yet, and whether a part of it is lost.
    let (busy, torn) = (
        Arc::new(AtomicUsize::new(2)),
        Arc::new(AtomicBool::new(false)),
    );
    let (waits, lacks) = (Arc::clone(&busy), Arc::clone(&torn));
    let workplace = Workplace::new(move |asked| {
        let is_torn = lacks.load(Ordering::SeqCst);
        if asked.path.ends_with("/status") {
            let left = waits.load(Ordering::SeqCst);
            if left > 0 {
                waits.store(left - 1, Ordering::SeqCst);
                return (200, json!({"status": "PROCESSING", "chunks_available": []}));
            }
            if is_torn {
                let told =
                    json!({"status": "FINISHED", "chunks_available": [1], "chunks_failed": [2]});
                return (200, told);
            }
        }
        tenable(asked, false).expect("known")
    })
    .await;
    let of = workplace
        .made("finding-pull", &["tenable"], json!({}))
        .await;
    assert!(
        workplace.vulnerabilities().await.is_empty(),
        "it is not ready"
    );
    workplace.wait(1).await;
    assert!(workplace.vulnerabilities().await.is_empty(), "nor now");
    workplace.wait(1).await;
    assert_eq!(workplace.vulnerabilities().await.len(), 2);
    let assets = all::<Asset>(&workplace, "asset").await;
    let mut named: Vec<(&str, AssetKind)> = assets
        .iter()
        .map(|asset| (asset.name.as_str(), asset.kind))
        .collect();
    named.sort_by_key(|(name, _)| *name);
    let host = |name| (name, AssetKind::Host);
    assert_eq!(named, [host("a.example"), host("b.example")]);

    // Nobody scans for forty days: Tenable still says that they are there.
    let day = 86_400_000;
    workplace.world.clock.advance_millis(40 * day);
    workplace.wait(20).await;
    // Then an export lacks a part, which says nothing of the host in it.
    torn.store(true, Ordering::SeqCst);
    workplace.world.clock.advance_millis(2 * day);
    workplace.wait(20).await;
    let found = workplace.vulnerabilities().await;
    assert!(
        found.iter().all(|one| one.state == State::Open),
        "{found:?}"
    );
    let told = workplace.now(&of).await.messages;
    assert!(told.errors.is_empty(), "{told:?}");
    assert!(
        told.warnings[0].message.contains("nothing of it is closed"),
        "{told:?}"
    );
}

#[tokio::test]
async fn of_a_list_that_an_invented_app_ends_what_it_gave_is_imported_and_nothing_is_closed() {
    let changed = Arc::new(AtomicBool::new(false));
    let there = Arc::clone(&changed);
    let workplace = Workplace::new(move |asked| {
        if !asked.path.ends_with("/issues/search") {
            return sonarqube(asked, false).expect("known");
        }
        let number = asked.query.split('&').find_map(|pair| pair.strip_prefix("p="));
        let number: u32 = number.expect("a page").parse().expect("a number");
        assert!(number <= 100, "SonarQube refuses page {number}");
        // Later another one comes first, and the first of before is none of those that are given.
        let is_first = number == 1 && there.load(Ordering::SeqCst);
        let line = if is_first { 101 } else { number };
        let issue = json!({"key": format!("k{line}"), "rule": "java:S2068", "message": "Remove this password.", "severity": "BLOCKER",
            "status": "OPEN", "component": format!("web:src/Main{line}.java"), "textRange": {"startLine": line}, "hash": format!("k{line}")});
        (200, json!({"paging": {"total": 25_000}, "issues": [issue]}))
    })
    .await;
    let of = workplace
        .made("finding-pull", &["sonarqube"], json!({}))
        .await;
    assert_eq!(workplace.vulnerabilities().await.len(), 100);
    changed.store(true, Ordering::SeqCst);
    workplace.wait(20).await;
    let found = workplace.vulnerabilities().await;
    assert_eq!(found.len(), 101);
    assert!(found.iter().all(|one| one.state == State::Open));
    let told = workplace.now(&of).await.messages;
    assert!(told.errors.is_empty(), "{told:?}");
    assert!(
        told.warnings[0].message.contains("nothing of it is closed"),
        "{told:?}"
    );
}

#[tokio::test]
async fn of_an_invented_sonarqube_only_what_changed_is_read_until_a_day_is_over() {
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked_for);
    let workplace = Workplace::new(move |asked| {
        if !asked.path.ends_with("/issues/search") {
            return sonarqube(asked, false).expect("known");
        }
        let number = asked.query.split('&').find_map(|pair| pair.strip_prefix("p="));
        let number: u32 = number.expect("a page").parse().expect("a number");
        seen.lock().expect("a lock").push(number);
        // Three pages of issues that nobody has touched for a month.
        let issue = json!({"key": format!("k{number}"), "rule": "java:S2068", "message": "Remove this password.", "severity": "MAJOR",
            "status": "OPEN", "component": format!("web:src/Main{number}.java"), "updateDate": "2025-12-01T00:00:00+0000"});
        (200, json!({"paging": {"total": 300}, "issues": [issue]}))
    })
    .await;
    workplace
        .made("finding-pull", &["sonarqube"], json!({}))
        .await;
    let read = || std::mem::take(&mut *asked_for.lock().expect("a lock"));
    assert_eq!(read(), [1, 2, 3]);
    workplace.wait(20).await;
    let few = read();
    assert!(
        !few.is_empty() && few.iter().all(|page| *page == 1),
        "{few:?}"
    );
    workplace.world.clock.advance_millis(86_400_000);
    workplace.wait(20).await;
    let all = read();
    assert!(all.starts_with(&[1, 2, 3]), "{all:?}");
    assert_eq!(workplace.vulnerabilities().await.len(), 3);
}

#[tokio::test]
async fn what_a_tool_of_an_invented_gitlab_found_last_is_closed_with_it() {
    let done = Arc::new(AtomicBool::new(false));
    let there = Arc::clone(&done);
    let workplace = Workplace::new(move |asked| {
        let is_list = asked.path.ends_with("/vulnerability_findings");
        match is_list && there.load(Ordering::SeqCst) {
            true => (200, json!([])),
            false => gitlab(asked, false).expect("known"),
        }
    })
    .await;
    workplace.made("finding-pull", &["gitlab"], json!({})).await;
    let open = |found: &[Vulnerability]| {
        let open = found.iter().filter(|one| one.state == State::Open);
        open.count()
    };
    assert_eq!(open(&workplace.vulnerabilities().await), 2);
    done.store(true, Ordering::SeqCst);
    workplace.wait(20).await;
    assert_eq!(open(&workplace.vulnerabilities().await), 0);
}
