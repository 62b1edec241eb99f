//! The story of REST: a pipeline uploads, a person looks, a spreadsheet and a code host get their
//! files, and what is sent wrongly is answered with what to do.

use flate2::Compression;
use flate2::write::GzEncoder;
use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::{Issue, sarif, trivy};
use serde_json::{Value, json};
use std::io::Write;

use crate::rest_actor::{Actor, Answer, Place};

const UPLOAD: &str = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
const BYTES: &[(&str, &str)] = &[("content-type", "application/octet-stream")];

fn lock_file() -> Vec<u8> {
    trivy(
        "package-lock.json",
        &[
            ("CVE-2024-0001", "left-pad", "1.0.0"),
            ("CVE-2024-0002", "@evil/pad", "2.0.0"),
        ],
    )
}

async fn uploaded(place: &Place, actor: &Actor, bytes: Vec<u8>) -> Value {
    let answer = actor.send("POST", UPLOAD, BYTES, bytes).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    place.world.run_jobs().await.expect("the import runs");
    let report = actor.get(answer.header("location")).await;
    assert_eq!(report.status, 200, "{}", report.text);
    report.json()
}

#[tokio::test]
async fn what_was_not_taken_of_a_report_is_told_page_by_page() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let report = json!({
        "format": "gna-report", "version": 1, "tool": { "name": "prober" }, "category": "DAST",
        "findings": [{}, {}, {}],
    });
    let report = uploaded(&place, &tess, report.to_string().into_bytes()).await;
    assert_eq!(report["counts"]["skipped"]["item.skipped"], 3, "{report}");
    let path = format!(
        "/api/v2/reports/{}/warnings",
        report["id"].as_str().expect("an id")
    );
    let all = tess.get(&path).await.json();
    let items = all["items"].as_array().expect("a list");
    assert!(items.len() >= 3, "{all}");
    assert_eq!(all["next"], Value::Null);
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let page = tess.get(&format!("{path}?first=2&after={next}")).await;
        let page = page.json();
        let some = page["items"].as_array().expect("a list");
        assert!((1..=2).contains(&some.len()), "{page}");
        paged.extend(some.clone());
        match page["next"].as_str() {
            Some(after) => next = after.to_owned(),
            None => break,
        }
    }
    assert_eq!(&paged, items);
    let odd = tess.get(&format!("{path}?after=x")).await;
    assert_eq!(odd.code(), "page.cursor");
    assert_eq!(place.eve().await.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_report_goes_in_by_any_way_and_comes_out_as_vulnerabilities() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let report = uploaded(&place, &tess, lock_file()).await;
    assert_eq!(report["status"], "COMPLETE");
    assert_eq!(report["counts"]["created"], 2);
    assert_eq!(report["tool"], "Trivy");

    // The same, compressed: nothing changes.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&lock_file()).expect("compresses");
    let again = uploaded(&place, &tess, gzip.finish().expect("compresses")).await;
    assert_eq!(again["counts"]["unchanged"], 2);

    // As a form.
    let form = form(
        &[
            ("organization", "acme"),
            ("group", "shop"),
            ("asset", "checkout"),
        ],
        &lock_file(),
    );
    let kind = [("content-type", "multipart/form-data; boundary=XX")];
    let answer = tess.send("POST", "/api/v2/reports", &kind, form).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json()["file_name"], "trivy.json");
    place.world.run_jobs().await.expect("the import runs");

    let list = tess
        .get("/api/v2/vulnerabilities?group=shop&organization=acme&first=1&count=true&facets=tool")
        .await;
    let list = list.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["total"], json!({ "value": 2, "relation": "exact" }));
    assert_eq!(
        list["facets"]["tool"][0],
        json!({ "value": "Trivy", "count": 2 })
    );
    let next = list["next"].as_str().expect("a second page");
    let second = tess
        .get(&format!(
            "/api/v2/vulnerabilities?first=1&after={}",
            encoded(next)
        ))
        .await
        .json();
    assert_eq!(second["next"], Value::Null);
    assert_ne!(second["items"][0]["id"], list["items"][0]["id"]);

    let id = list["items"][0]["id"].as_str().expect("an id");
    let one = tess
        .get(&format!("/api/v2/vulnerabilities/{id}"))
        .await
        .json();
    assert_eq!(one["asset"]["name"], "checkout");
    let history = tess
        .get(&format!("/api/v2/vulnerabilities/{id}/history"))
        .await
        .json();
    assert_eq!(history["items"][0]["events"][0]["event"], "created");
    let comments = format!("/api/v2/vulnerabilities/{id}/comments");
    assert_eq!(
        tess.post(&comments, &json!({ "text": "mine" }))
            .await
            .status,
        201
    );
    assert_eq!(tess.get(&comments).await.json()["items"][0]["text"], "mine");

    let reports = tess
        .get("/api/v2/reports?organization=acme&group=shop")
        .await
        .json();
    assert_eq!(reports["items"].as_array().map(Vec::len), Some(3));
    let raw = format!(
        "/api/v2/reports/{}/raw",
        report["id"].as_str().expect("an id")
    );
    let raw = tess.get(&raw).await;
    assert_eq!(raw.text.as_bytes(), lock_file());
    assert!(raw.header("content-disposition").starts_with("attachment"));
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        form.extend(
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .bytes(),
        );
    }
    form.extend(
        b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"trivy.json\"\r\n\r\n",
    );
    form.extend(file);
    form.extend(b"\r\n--XX--\r\n");
    form
}

#[tokio::test]
async fn whoever_waits_gets_the_final_report_and_no_later_than_promised() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let path = format!("{UPLOAD}&wait=30");
    let waiting = tess.send("POST", &path, BYTES, lock_file());
    let working = async {
        // The upload comes first: the worker has nothing to do before.
        loop {
            tokio::task::yield_now().await;
            place.world.run_jobs().await.expect("the import runs");
        }
    };
    let answer = tokio::select! { answer = waiting => answer, () = working => unreachable!("it never ends") };
    assert_eq!(
        (answer.status.as_u16(), answer.json()["status"].as_str()),
        (201, Some("COMPLETE"))
    );

    let answer = tess
        .send("POST", &format!("{UPLOAD}&wait=0"), BYTES, lock_file())
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["status"].as_str()),
        (202, Some("QUEUED"))
    );
}

#[tokio::test]
async fn exports_hold_everything_once_and_nothing_that_runs() {
    let place = Place::new().await;
    let tess = place.tess().await;
    uploaded(&place, &tess, lock_file()).await;
    let code = sarif(
        "semgrep",
        &[
            Issue::new("=cmd|calc", "src/a b.rs", 7),
            Issue::new("r2", "src/c.rs", 9).suppressed(),
        ],
    );
    uploaded(&place, &tess, code).await;

    let lines = tess
        .get("/api/v2/vulnerabilities/export?format=jsonl")
        .await;
    let ids: Vec<Value> = lines
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone())
        .collect();
    assert_eq!(ids.len(), 3);

    let table = tess.get("/api/v2/vulnerabilities/export?format=csv").await;
    assert_eq!(
        table.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    assert_eq!(table.text.lines().count(), 4);
    assert_eq!(
        table.text.lines().next(),
        Some(gna_api::export::COLUMNS.join(",").as_str())
    );
    assert!(table.text.contains(",'@evil/pad,"), "{}", table.text);

    let log = tess
        .get("/api/v2/vulnerabilities/export?format=sarif")
        .await
        .json();
    let results = check_sarif(&log);
    assert_eq!(results, 3);
    assert_eq!(
        check_sarif(
            &tess
                .get("/api/v2/vulnerabilities/export?format=sarif&tool=nothing")
                .await
                .json()
        ),
        0
    );
    let set_aside = tess
        .get("/api/v2/vulnerabilities/export?format=sarif&suppressed=true")
        .await
        .json();
    assert_eq!(check_sarif(&set_aside), 1);
    assert_eq!(
        set_aside["runs"][0]["results"][0]["suppressions"][0]["status"],
        "accepted"
    );
}

/// What SARIF 2.1.0 demands of a log of ours; answers how many results there are.
fn check_sarif(log: &Value) -> usize {
    let schema = include_str!("../schemas/sarif-2.1.0-rtm.5.json");
    let mut schema: Value = serde_json::from_str(schema).expect("JSON");
    // These two patterns have a bracket too many, which readers of regular expressions refuse; no
    // log of ours has the member.
    for part in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][part]["properties"]["language"];
        let pattern = language.as_object_mut().and_then(|of| of.remove("pattern"));
        assert!(
            pattern.is_some_and(|text| text.as_str().is_some_and(|text| text.ends_with("]?$")))
        );
    }
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let broken: Vec<String> = validator
        .iter_errors(log)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let unknown = serde_json::json!({ "version": "2.1.0", "runs": [], "made_up": 1 });
    assert!(
        !validator.is_valid(&unknown),
        "the schema refuses what is not of the standard"
    );
    assert_eq!(log["version"], "2.1.0");
    let mut count = 0;
    for run in log["runs"].as_array().expect("runs") {
        let driver = &run["tool"]["driver"];
        assert!(driver["name"].as_str().is_some_and(|name| !name.is_empty()));
        let rules = driver["rules"].as_array().expect("rules");
        for result in run["results"].as_array().expect("results") {
            count += 1;
            let place =
                usize::try_from(result["ruleIndex"].as_u64().expect("a place")).expect("small");
            assert_eq!(rules[place]["id"], result["ruleId"]);
            assert!(
                result["message"]["text"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
            assert!(result["partialFingerprints"]["gna/v1"].is_string());
            assert!(
                ["error", "warning", "note"]
                    .contains(&result["level"].as_str().unwrap_or_default())
            );
            for location in result["locations"].as_array().into_iter().flatten() {
                if let Some(uri) = location["physicalLocation"]["artifactLocation"]["uri"].as_str()
                {
                    assert!(!uri.contains(' ') && !uri.contains('\\'), "{uri}");
                }
                if let Some(line) = location["physicalLocation"]["region"]["startLine"].as_u64() {
                    assert!(line >= 1);
                }
            }
        }
    }
    count
}

#[tokio::test]
async fn what_is_wrong_is_a_problem_that_says_what_to_do() {
    let place = Place::with(|config| gna_api::ApiConfig {
        max_upload_bytes: 1_000,
        ..config
    })
    .await;
    let tess = place.tess().await;
    let json = [("content-type", "application/json")];
    for (method, path, headers, body, status, code) in [
        (
            "GET",
            "/api/v2/nothing",
            &[][..],
            "",
            404,
            "route.not_found",
        ),
        ("GET", "/nothing", &[], "", 404, "route.not_found"),
        (
            "DELETE",
            "/api/v2/reports",
            &[],
            "",
            405,
            "route.method_not_allowed",
        ),
        (
            "GET",
            "/api/v2/vulnerabilities?serverity=9",
            &[],
            "",
            400,
            "query.unknown_parameter",
        ),
        (
            "GET",
            "/api/v2/vulnerabilities?first=9999",
            &[],
            "",
            400,
            "query.malformed",
        ),
        (
            "GET",
            "/api/v2/vulnerabilities?facets=secret",
            &[],
            "",
            400,
            "facet.unknown",
        ),
        (
            "GET",
            "/api/v2/vulnerabilities/export?format=exe",
            &[],
            "",
            400,
            "query.malformed",
        ),
        (
            "GET",
            "/api/v2/groups",
            &[],
            "",
            400,
            "organization.required",
        ),
        (
            "GET",
            "/api/v2/reports/../../etc",
            &[],
            "",
            404,
            "route.not_found",
        ),
        ("GET", "/api/v2/reports/rep_x", &[], "", 404, "not_found"),
        (
            "POST",
            "/api/v2/organizations",
            &json,
            "{",
            400,
            "body.malformed",
        ),
        (
            "POST",
            "/api/v2/organizations",
            &json,
            "{\"slug\":\"a\",\"name\":\"b\",\"c\":1}",
            400,
            "body.malformed",
        ),
        (
            "POST",
            "/api/v2/organizations",
            &[],
            "{}",
            415,
            "body.unsupported_type",
        ),
        ("POST", UPLOAD, BYTES, "", 400, "report.empty"),
        (
            "POST",
            "/api/v2/reports?group=shop&organization=acme",
            BYTES,
            "x",
            400,
            "asset.required",
        ),
        (
            "POST",
            "/api/v2/reports?asset=a&group=shop",
            BYTES,
            "x",
            400,
            "organization.required",
        ),
    ] {
        let answer = tess.send(method, path, headers, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{method} {path}"
        );
        let problem = answer.json();
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        assert_eq!(problem["status"], status);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let large = tess.send("POST", UPLOAD, BYTES, vec![b'x'; 1_001]).await;
    assert_eq!(
        (large.status.as_u16(), large.code().as_str()),
        (413, "report.too_large")
    );
    assert!(large.text.contains("import.max_upload_bytes"));
    let many: Vec<(String, String)> = (0..33).map(|n| (format!("f{n}"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let kind = [("content-type", "multipart/form-data; boundary=XX")];
    let many = form(&many, b"{}");
    let many = tess.send("POST", "/api/v2/reports", &kind, many).await;
    assert_eq!(
        (many.status.as_u16(), many.code().as_str()),
        (400, "form.too_many")
    );
    let large = form(&[("group", "shop")], &[b'x'; 1_001]);
    let kind = [("content-type", "multipart/form-data; boundary=XX")];
    let large = tess.send("POST", "/api/v2/reports", &kind, large).await;
    assert_eq!(
        (large.status.as_u16(), large.code().as_str()),
        (413, "report.too_large")
    );
}

#[tokio::test]
async fn a_problem_is_readable_for_clients_that_take_compressed_answers() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let headers = [("accept-encoding", "gzip")];
    let missing = "/api/v2/reports/rep_01890000-0000-7000-8000-000000000000";
    let problem = tess.send("GET", missing, &headers, "").await;
    assert_eq!(problem.code(), "not_found");
    assert_eq!(problem.header("content-encoding"), "");
    let formats = tess.send("GET", "/api/v2/formats", &headers, "").await;
    assert_eq!(formats.header("content-encoding"), "gzip");
}

/// A body that ends the test when it is read.
fn unread() -> axum::body::Body {
    let bytes = futures::stream::once(async {
        assert!(std::hint::black_box(false), "nobody asked who sends this");
        Ok::<_, std::io::Error>("")
    });
    axum::body::Body::from_stream(bytes)
}

#[tokio::test]
async fn nothing_large_is_read_of_somebody_unknown() {
    let place = Place::new().await;
    let nobody = place.anonymous();
    let bytes = ("content-type", "application/octet-stream");
    let form = ("content-type", "multipart/form-data; boundary=XX");
    let key = ("idempotency-key", "x");
    for (path, headers) in [
        (UPLOAD, vec![bytes]),
        (UPLOAD, vec![form]),
        (UPLOAD, vec![bytes, key]),
        ("/api/v2/feeds/epss", vec![bytes, key]),
        ("/api", vec![form]),
    ] {
        let answer = nobody.send("POST", path, &headers, unread()).await;
        let told = (answer.status.as_u16(), answer.code());
        assert_eq!(told, (401, "auth.required".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn options_and_head_answer_without_a_body() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let options = tess.send("OPTIONS", "/api/v2/reports", &[], "").await;
    assert_eq!((options.status.as_u16(), options.text.as_str()), (204, ""));
    assert!(
        options.header("allow").contains("POST"),
        "{:?}",
        options.headers
    );
    assert!(!options.headers.contains_key("access-control-allow-origin"));
    let head = tess.send("HEAD", "/api/v2/formats", &[], "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn the_same_key_does_the_same_thing_once() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let send = |body: Vec<u8>| {
        let tess = tess.clone();
        async move {
            let headers = [
                ("content-type", "application/octet-stream"),
                ("idempotency-key", "build-7"),
            ];
            tess.send("POST", UPLOAD, &headers, body).await
        }
    };
    let id = |answer: &Answer| answer.json()["id"].clone();
    let first = send(lock_file()).await;
    let again = send(lock_file()).await;
    assert_eq!((again.status, id(&again)), (first.status, id(&first)));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
    let other = send(b"{}".to_vec()).await;
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (422, "idempotency.mismatch")
    );
    // What was refused may be tried again under its key.
    let headers = [
        ("content-type", "application/octet-stream"),
        ("idempotency-key", "build-8"),
    ];
    assert_eq!(
        tess.send("POST", UPLOAD, &headers, "").await.code(),
        "report.empty"
    );
    assert_eq!(
        tess.send("POST", UPLOAD, &headers, lock_file())
            .await
            .status,
        202
    );
    // Another caller's key of that name is another key.
    let eve = place.eve().await;
    let headers = [
        ("content-type", "application/octet-stream"),
        ("idempotency-key", "build-7"),
    ];
    assert_eq!(
        eve.send("POST", UPLOAD, &headers, lock_file()).await.code(),
        "not_found"
    );
}

#[tokio::test]
async fn an_allowance_ends_with_how_long_to_wait() {
    let place = Place::with(|config| gna_api::ApiConfig {
        rate_per_minute: 2,
        ..config
    })
    .await;
    let tess = place.tess().await;
    for left in ["1", "0"] {
        let answer = tess.get("/api/v2/formats").await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.header("x-ratelimit-remaining")
            ),
            (200, left)
        );
    }
    let refused = tess.get("/api/v2/formats").await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (429, "rate.exceeded")
    );
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(place.anonymous().get("/api/v2/formats").await.status, 401);
    assert_eq!(tess.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn health_is_minimal_for_strangers_and_numbers_are_for_operators() {
    let key = gna_domain::secret::Secret::new("scrape");
    let place = Place::with(|config| gna_api::ApiConfig {
        metrics_key: Some(key.digest()),
        ..config
    })
    .await;
    let nobody = place.anonymous();
    for (path, says) in [
        ("/health/live", json!({ "status": "alive" })),
        (
            "/health/ready",
            json!({ "status": "ok", "ready": true, "checks": { "database": true, "modules": true } }),
        ),
    ] {
        assert_eq!(nobody.get(path).await.json(), says);
    }
    assert_eq!(nobody.get("/health/detailed").await.status, 401);
    assert_eq!(place.tess().await.get("/health/detailed").await.status, 404);
    assert_eq!(nobody.get("/metrics").await.status, 401);
    let scraped = nobody
        .send("GET", "/metrics", &[("authorization", "Bearer scrape")], "")
        .await;
    assert_eq!(scraped.status, 200);
    assert!(
        scraped.text.contains("gna_http_requests_total{"),
        "{}",
        scraped.text
    );
    assert!(
        !scraped.text.contains("grp_"),
        "a route's pattern, never an id"
    );
}

#[tokio::test]
async fn a_page_names_the_next_one_in_its_head() {
    let place = Place::new().await;
    let root = place
        .actor("root", Resource::Instance, Role::InstanceAdmin)
        .await;
    let mut path = "/api/v2/organizations?first=1".to_owned();
    let mut slugs = Vec::new();
    loop {
        let page = root.get(&path).await;
        let body = page.json();
        slugs.push(
            body["items"][0]["slug"]
                .as_str()
                .expect("a slug")
                .to_owned(),
        );
        let link = page.header("link");
        assert_eq!(link.is_empty(), body["next"].is_null(), "{link}");
        match link.split_once(">; rel=\"next\"") {
            Some((next, "")) => path = next.trim_start_matches('<').to_owned(),
            _ => break,
        }
    }
    assert_eq!(slugs, ["acme", "evil"]);

    let tess = place.tess().await;
    uploaded(&place, &tess, lock_file()).await;
    let first = tess
        .get("/api/v2/vulnerabilities?first=1&sort=created")
        .await;
    let link = first.header("link").to_owned();
    assert!(
        link.starts_with("</api/v2/vulnerabilities?first=1&sort=created&after="),
        "{link}"
    );
    let next = link
        .trim_start_matches('<')
        .split('>')
        .next()
        .expect("an address");
    let second = tess.get(next).await;
    assert_ne!(
        second.json()["items"][0]["id"],
        first.json()["items"][0]["id"]
    );
    assert_eq!(second.header("link"), "", "{}", second.text);
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_comments_stay() {
    let place = Place::new().await;
    let tess = place.tess().await;
    uploaded(&place, &tess, lock_file()).await;
    let list = tess.get("/api/v2/vulnerabilities").await.json();
    let vulnerability = list["items"][0]["id"].as_str().expect("an id");
    let path = format!("/api/v2/vulnerabilities/{vulnerability}/comments");
    let made = tess.post(&path, &json!({ "text": "seen" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let system = place.world.system();
    let id = gna_domain::service::user::find(&system, "tess@example.com")
        .await
        .expect("is there")
        .id;
    let root = place
        .actor("root", Resource::Instance, Role::InstanceAdmin)
        .await;
    let gone = format!("/api/v2/users/{id}");
    let deleted = root.send("DELETE", &gone, &[], "").await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    assert_eq!(root.send("DELETE", &gone, &[], "").await.status, 404);
    assert_eq!(tess.get("/api/v2/vulnerabilities").await.status, 401);
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let rob = place.actor("rob", shop, Role::Reader).await;
    let query = "query($id: ID!) { vulnerability(id: $id) { comments { edges { node { text author { id name } } } } } }";
    let body = json!({ "query": query, "variables": { "id": vulnerability } });
    let answer = rob.post("/api", &body).await.json();
    let author = &answer["data"]["vulnerability"]["comments"]["edges"][0]["node"]["author"];
    assert_eq!(author["name"], "deleted user", "{answer}");
    assert_eq!(author["id"], id.to_string());
    let mutation = "mutation($user: ID!) { deleteUser(user: $user) { done } }";
    let body = json!({ "query": mutation, "variables": { "user": id.to_string() } });
    let again = root.post("/api", &body).await.json();
    assert_eq!(
        again["errors"][0]["extensions"]["code"], "not_found",
        "{again}"
    );
}
