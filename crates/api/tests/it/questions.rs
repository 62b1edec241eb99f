//! The twelve questions of `docs/QUESTIONS.md`: the operations on that page are run as they stand there.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};
use std::path::Path;

use crate::rest_actor::{Actor, Place};

/// The operations of the page: the number of the question, and its text.
fn operations() -> Vec<(usize, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/QUESTIONS.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let mut all = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let (number, _) = section.split_once('.').expect("a number");
        let number: usize = number.parse().expect("a number");
        for block in section.split("```graphql\n").skip(1) {
            let text = block.split("```").next().expect("a block");
            all.push((number, text.to_owned()));
        }
    }
    all
}

async fn ask(who: &Actor, query: &str, known: &Value) -> Value {
    // Only what the operation declares may be sent.
    let variables: serde_json::Map<String, Value> = known
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(name, _)| query.contains(&format!("${name}:")))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let body = json!({ "query": query, "variables": variables });
    let answer = who.post("/api", &body).await.json();
    assert!(answer["errors"].is_null(), "{query}: {answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn every_question_of_this_page_is_answered() {
    let place = Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let robot = place.actor("robot", shop, Role::Ci).await;
    let tess = place.tess().await;
    let rows = [
        ("CVE-2024-0001", "left-pad", "1.0.0"),
        ("CVE-2024-0002", "right-pad", "1.0.0"),
    ];
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    let bytes = [("content-type", "application/octet-stream")];
    let report = trivy("package-lock.json", &rows);
    let report = robot.send("POST", upload, &bytes, report).await.json();
    place.world.run_jobs().await.expect("imports");
    let listed = tess.get("/api/v2/vulnerabilities").await.json();
    let left = listed["items"]
        .as_array()
        .and_then(|items| {
            let is_left = |item: &&Value| item["identifiers"] == json!(["CVE-2024-0001"]);
            items.iter().find(is_left)
        })
        .expect("is there")
        .clone();
    let known = json!({
        "organization": "acme", "group": "shop", "report": report["id"], "asset": left["asset"]["id"],
        "finding": left["finding"]["id"], "vulnerability": left["id"],
    });
    let mut answered = Vec::new();
    for (number, operation) in operations() {
        let who = if matches!(number, 1 | 5) {
            &robot
        } else {
            &tess
        };
        let data = ask(who, &operation, &known).await;
        let group = &data["group"];
        let listed = &group["vulnerabilities"];
        match number {
            1 => {
                let mine = &data["viewer"]["organizations"][0]["groups"][0];
                assert_eq!(
                    (&mine["role"], &mine["group"]["slug"]),
                    (&json!("CI"), &json!("shop"))
                );
                assert_eq!(mine["group"]["policy"]["gateThreshold"], 0.0);
            }
            2 => assert_eq!(group["assets"]["edges"][0]["node"]["name"], "checkout"),
            3 => {
                assert_eq!(listed["edges"].as_array().map(Vec::len), Some(2));
                let facets = group["vulnerabilityFacets"].to_string();
                assert!(
                    facets.contains("HIGH") && facets.contains("OPEN"),
                    "{facets}"
                );
            }
            4 => {
                let node = &listed["edges"][0]["node"];
                assert_eq!(node["treatment"]["status"], "UNTREATED");
                assert_eq!(node["asset"]["name"], "checkout");
            }
            5 => {
                let run = &data["runGate"]["run"];
                assert_eq!(
                    (&run["verdict"], &run["fails"]),
                    (&json!("BROKEN"), &json!(true))
                );
                assert_eq!(
                    data["runGate"]["breaking"].as_array().map(Vec::len),
                    Some(2)
                );
            }
            6 => {
                assert_eq!(listed["totalCount"]["value"], 1, "{listed}");
                assert_eq!(listed["edges"][0]["node"]["id"], left["id"]);
            }
            7 => {
                let finding = &data["finding"];
                assert_eq!(finding["open"]["totalCount"]["value"], 1);
                assert_eq!(finding["closed"]["totalCount"]["value"], 0);
                let exposure = finding["group"]["metrics"]["riskExposure"].as_f64();
                assert!(
                    exposure.is_some_and(|exposure| exposure > 1.0),
                    "{exposure:?}"
                );
            }
            8 => {
                let node = &data["finding"]["vulnerabilities"]["edges"][0]["node"];
                assert_eq!(node["location"]["name"], "left-pad");
                assert_eq!(data["finding"]["held"]["edges"], json!([]));
            }
            9 => assert_eq!(group["gateRuns"]["edges"][0]["node"]["verdict"], "BROKEN"),
            10 => {
                let of = |name: &str| data[name]["vulnerability"].clone();
                assert_eq!(of("acceptVulnerability")["treatment"]["status"], "ACCEPTED");
                assert_eq!(of("linkTicket")["ticket"], "https://tracker.example/SHOP-1");
                let tags = of("tagVulnerability")["tags"].clone();
                assert!(
                    tags.as_array()
                        .is_some_and(|tags| tags.contains(&json!("shop"))),
                    "{tags}"
                );
                assert_eq!(of("rateVulnerability")["severity"]["score"], 9.8);
                place.world.run_jobs().await.expect("indexes");
            }
            11 if operation.starts_with("query") => {
                assert_eq!(
                    data["asset"]["vulnerabilities"]["edges"]
                        .as_array()
                        .map(Vec::len),
                    Some(2)
                );
            }
            11 => {
                let asked = &data["requestVerification"]["vulnerability"]["verification"];
                assert_eq!(
                    (&asked["status"], &asked["cycle"]),
                    (&json!("REQUESTED"), &json!(1))
                );
                place.world.run_jobs().await.expect("indexes");
            }
            12 => assert_eq!(listed["totalCount"]["value"], 2),
            other => panic!("question {other} is not looked at"),
        }
        answered.push(number);
    }
    answered.dedup();
    assert_eq!(answered, (1..=12).collect::<Vec<_>>());
    let nobody = place.anonymous();
    let (_, first) = operations().remove(0);
    let body = json!({ "query": first });
    let refused = nobody.post("/api", &body).await.json();
    let code = refused["errors"][0]["extensions"]["code"].as_str();
    assert!(
        code == Some("auth.required") || refused["data"]["viewer"]["actor"] == "anonymous",
        "{refused}"
    );
}
