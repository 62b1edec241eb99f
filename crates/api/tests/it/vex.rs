//! What was decided, in the words of OpenVEX, CycloneDX and CSAF.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};
use std::process::Command;

use crate::rest_actor::{Actor, Place};

const UPLOAD: &str = "/api/v2/reports?organization=acme&group=shop&asset=web&file_name=trivy.json";

/// Five vulnerabilities of one asset, each with a fate of its own: 1 is a false positive, 2 accepted
/// until a date, 3 worked on, 4 not decided on, 5 gone with the second report.
pub async fn decided(place: &Place) -> Actor {
    let tess = place.tess().await;
    let mona = place
        .actor(
            "mona",
            Resource::Group(place.acme.id, place.shop.id),
            Role::Manager,
        )
        .await;
    let packages = [
        ("CVE-2024-0001", "one", "1.0.0"),
        ("CVE-2024-0002", "two", "1.0.0"),
        ("CVE-2024-0003", "three", "1.0.0"),
        ("CVE-2024-0004", "four", "1.0.0"),
        ("CVE-2024-0005", "five", "1.0.0"),
    ];
    for some in [&packages[..], &packages[..4]] {
        let bytes = [("content-type", "application/octet-stream")];
        let report = trivy("package-lock.json", some);
        let answer = tess.send("POST", UPLOAD, &bytes, report).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        place.world.run_jobs().await.expect("imports");
    }
    let listed = tess.get("/api/v2/vulnerabilities?first=10").await.json();
    let id = |name: &str| {
        let items = listed["items"].as_array().expect("items");
        let found = items.iter().find(|item| item["identifiers"][0] == name);
        found.expect("is listed")["id"].clone()
    };
    decide(&tess, "requestFalsePositive", &id("CVE-2024-0001"), None).await;
    decide(&mona, "confirmFalsePositive", &id("CVE-2024-0001"), None).await;
    let until = Some("2026-02-01T00:00:00Z");
    decide(&tess, "acceptVulnerability", &id("CVE-2024-0002"), until).await;
    let me = tess
        .post("/api", &json!({ "query": "{ viewer { user { id } } }" }))
        .await;
    let me = me.json()["data"]["viewer"]["user"]["id"].clone();
    let start = json!({ "query": "mutation($i: StartTreatmentInput!) { startTreatment(input: $i) { vulnerability { id } } }",
        "variables": { "i": { "id": id("CVE-2024-0003"), "assignee": me, "reason": "next release" } } });
    done(&tess.post("/api", &start).await.json());
    place.world.run_jobs().await.expect("indexes");
    tess
}

async fn decide(actor: &Actor, name: &str, id: &Value, until: Option<&str>) {
    let kind = match until {
        Some(_) => "AcceptVulnerabilityInput",
        None => "DecideInput",
    };
    let mut input = json!({ "id": id, "reason": "unreachable: only in tests" });
    if let Some(until) = until {
        input["until"] = until.into();
    }
    let query =
        format!("mutation($i: {kind}!) {{ {name}(input: $i) {{ vulnerability {{ id }} }} }}");
    let asked = json!({ "query": query, "variables": { "i": input } });
    done(&actor.post("/api", &asked).await.json());
}

fn done(answer: &Value) {
    assert!(answer["errors"].is_null(), "{answer}");
}

pub async fn exported(actor: &Actor, format: &str) -> Value {
    let path = format!("/api/v2/vulnerabilities/export?format={format}");
    let answer = actor.get(&path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn openvex_says_what_was_decided_and_nothing_else() {
    let place = Place::new().await;
    let tess = decided(&place).await;
    let document = exported(&tess, "openvex").await;
    assert_eq!(document["@context"], "https://openvex.dev/ns/v0.2.0");
    for member in ["@id", "author", "timestamp", "version"] {
        assert!(!document[member].is_null(), "{member} is required");
    }
    let statements = document["statements"].as_array().expect("statements");
    let mut said: Vec<(&str, &str)> = statements
        .iter()
        .map(|one| {
            let text = |value: &'_ Value| value.as_str().map(str::len);
            // What the specification asks for of each status.
            match one["status"].as_str() {
                Some("not_affected") => assert!(text(&one["impact_statement"]).is_some()),
                Some("affected") => assert!(text(&one["action_statement"]).is_some()),
                _ => {}
            }
            let product = &one["products"][0];
            assert!(
                product["@id"]
                    .as_str()
                    .is_some_and(|id| id.starts_with("urn:uuid:"))
            );
            let name = one["vulnerability"]["name"].as_str().expect("a name");
            (name, one["status"].as_str().expect("a status"))
        })
        .collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            ("CVE-2024-0001", "not_affected"),
            ("CVE-2024-0002", "affected"),
            ("CVE-2024-0003", "affected"),
            ("CVE-2024-0004", "under_investigation"),
            ("CVE-2024-0005", "fixed"),
        ]
    );
    let first = statements
        .iter()
        .find(|one| one["vulnerability"]["name"] == "CVE-2024-0001");
    assert_eq!(
        first.expect("is there")["impact_statement"],
        "unreachable: only in tests"
    );
}

#[tokio::test]
async fn cyclonedx_is_valid_by_its_schema() {
    let place = Place::new().await;
    let tess = decided(&place).await;
    let document = exported(&tess, "cyclonedx").await;
    let schema = include_str!("../schemas/cyclonedx-1.6.json");
    let mut schema: Value = serde_json::from_str(schema).expect("JSON");
    // Licences and signatures are in files of their own; no document of ours has any.
    let definitions = &mut schema["definitions"];
    definitions["license"] = json!(false);
    definitions["signature"] = json!(false);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let broken: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let mut wrong = document.clone();
    wrong["vulnerabilities"][0]["analysis"]["state"] = "made up".into();
    assert!(
        !validator.is_valid(&wrong),
        "the schema refuses what is wrong"
    );

    let vulnerabilities = document["vulnerabilities"].as_array().expect("a list");
    let references: Vec<&Value> = document["components"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|component| &component["bom-ref"])
        .collect();
    let mut said: Vec<(&str, &str)> = Vec::new();
    for one in vulnerabilities {
        assert!(references.contains(&&one["affects"][0]["ref"]), "{one}");
        said.push((
            one["id"].as_str().expect("a name"),
            one["analysis"]["state"].as_str().expect("a state"),
        ));
    }
    said.sort_unstable();
    assert_eq!(
        said,
        [
            ("CVE-2024-0001", "false_positive"),
            ("CVE-2024-0002", "exploitable"),
            ("CVE-2024-0003", "exploitable"),
            ("CVE-2024-0004", "in_triage"),
            ("CVE-2024-0005", "resolved"),
        ]
    );
}

const CHECK: &str = r#"
import validate from '@secvisogram/csaf-validator-lib/validate.js'
import * as mandatory from '@secvisogram/csaf-validator-lib/mandatoryTests.js'
import { csaf_2_0 } from '@secvisogram/csaf-validator-lib/schemaTests.js'
import { readFileSync } from 'node:fs'
const document = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const result = await validate([csaf_2_0, ...Object.values(mandatory)], document)
const failed = result.tests.filter((test) => !test.isValid)
console.log(JSON.stringify(failed))
process.exit(result.isValid ? 0 : 1)
"#;

/// By the validator of the standard's own test tool; skipped where it can't be had.
#[tokio::test]
async fn csaf_passes_the_mandatory_tests_of_its_validator() {
    let place = Place::new().await;
    let tess = decided(&place).await;
    let document = exported(&tess, "csaf").await;
    let folder = tempfile::tempdir().expect("folder");
    let installed = Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "@secvisogram/csaf-validator-lib@2",
        ])
        .current_dir(folder.path())
        .output();
    if !installed.is_ok_and(|installed| installed.status.success()) {
        eprintln!("SKIPPED: there is no npm here, or it can't get the validator");
        return;
    }
    std::fs::write(folder.path().join("check.mjs"), CHECK).expect("writes");
    let check = |document: &Value| {
        std::fs::write(folder.path().join("d.json"), document.to_string()).expect("writes");
        let checked = Command::new("node")
            .args(["check.mjs", "d.json"])
            .current_dir(folder.path())
            .output()
            .expect("node runs");
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        let error = String::from_utf8_lossy(&checked.stderr).into_owned();
        (checked.status.code(), said + &error)
    };
    let (code, said) = check(&document);
    assert_eq!(code, Some(0), "{said}");
    let mut wrong = document.clone();
    wrong["vulnerabilities"][0]["product_status"] = json!({ "fixed": ["nobody knows"] });
    assert_eq!(
        check(&wrong).0,
        Some(1),
        "the validator refuses what is wrong"
    );

    let statuses: Vec<(&str, Vec<&String>)> = document["vulnerabilities"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let statuses = one["product_status"].as_object().expect("statuses");
            (
                one["cve"].as_str().expect("a name"),
                statuses.keys().collect(),
            )
        })
        .collect();
    let expected = [
        ("CVE-2024-0001", "known_not_affected"),
        ("CVE-2024-0002", "known_affected"),
        ("CVE-2024-0003", "known_affected"),
        ("CVE-2024-0004", "under_investigation"),
        ("CVE-2024-0005", "fixed"),
    ];
    assert_eq!(statuses.len(), expected.len());
    for ((name, statuses), (cve, status)) in statuses.iter().zip(expected) {
        assert_eq!(
            (*name, statuses.as_slice()),
            (cve, [&status.to_owned()].as_slice())
        );
    }
}

#[tokio::test]
async fn sarif_says_what_was_set_aside_and_why() {
    let place = Place::new().await;
    let tess = decided(&place).await;
    let path = "/api/v2/vulnerabilities/export?format=sarif&treatment=ACCEPTED";
    let log = tess.get(path).await.json();
    let result = &log["runs"][0]["results"][0];
    assert_eq!(
        result["suppressions"],
        json!([{ "kind": "external", "status": "accepted",
            "justification": "risk accepted: unreachable: only in tests" }])
    );
}
