//! Feeds of threats and what comes first, over REST and GraphQL, by people with different roles.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::rest_actor::{Actor, Answer, Place};

const BYTES: &[(&str, &str)] = &[("content-type", "application/octet-stream")];

fn epss() -> &'static str {
    "#model_version:v1,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-2024-0002,0.25,0.9\n"
}

async fn fed(place: &Place, who: &Actor, text: &str) -> Answer {
    let answer = who
        .send(
            "POST",
            "/api/v2/feeds/epss?source=a.csv",
            BYTES,
            text.to_owned(),
        )
        .await;
    place.world.run_jobs().await.expect("is applied");
    answer
}

#[tokio::test]
async fn an_administrator_feeds_and_everybody_sees_what_comes_first_and_why() {
    let place = Place::new().await;
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let tess = place.tess().await;
    let ada = place
        .actor("ada", Resource::Instance, Role::InstanceAdmin)
        .await;
    let report = trivy(
        "package-lock.json",
        &[
            ("CVE-2024-0001", "left-pad", "1.0.0"),
            ("CVE-2024-0002", "right-pad", "1.0.0"),
        ],
    );
    let upload = "/api/v2/reports?organization=acme&group=shop&asset=checkout";
    tess.send("POST", upload, BYTES, report).await;
    place.world.run_jobs().await.expect("imports");

    let refused = fed(&place, &tess, epss()).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    let taken = fed(&place, &ada, epss()).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    assert_eq!(taken.json()["kind"], "feeds.import");
    let feeds = tess.get("/api/v2/feeds").await.json();
    assert_eq!(
        (
            &feeds["items"][0]["kind"],
            &feeds["items"][0]["source"],
            &feeds["items"][0]["changed"]
        ),
        (&json!("EPSS"), &json!("a.csv"), &json!(1))
    );

    let listed = tess
        .get("/api/v2/vulnerabilities?sort=-priority")
        .await
        .json();
    let first = &listed["items"][0];
    assert_eq!(first["identifiers"], json!(["CVE-2024-0002"]));
    assert_eq!(first["priority"]["score"], 4.7);
    assert_eq!(first["priority"]["as_of"], "2026-01-01T00:00:00.000Z");
    let only = tess
        .get("/api/v2/vulnerabilities?min_priority=4&count=true")
        .await
        .json();
    assert_eq!(only["total"]["value"], 1);

    let query = "{ group(organization: \"acme\", slug: \"shop\") {
        vulnerabilities(orderBy: { field: PRIORITY }, filter: { minPriority: 1 }) { edges { node { severity { score }
          priority { score asOf parts { factor points because } } } } totalCount { value } } }
        threatFeeds { kind asOf entries } }";
    let rita = place.actor("rita", shop, Role::Reader).await;
    let answer = rita.post("/api", &json!({ "query": query })).await.json();
    assert!(answer["errors"].is_null(), "{answer}");
    let list = &answer["data"]["group"]["vulnerabilities"];
    assert_eq!(list["totalCount"]["value"], 2);
    let node = &list["edges"][0]["node"];
    assert_eq!(node["severity"]["score"], 7.9, "severity stays what it was");
    let parts: Vec<(&Value, &Value)> = node["priority"]["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| (&part["factor"], &part["points"]))
        .collect();
    assert_eq!(
        parts,
        [
            (&json!("SEVERITY"), &json!(3.2)),
            (&json!("EXPLOIT_PROBABILITY"), &json!(1.0)),
            (&json!("CRITICALITY"), &json!(0.5)),
        ]
    );
    let because = node["priority"]["parts"][1]["because"]
        .as_str()
        .expect("words");
    assert!(
        because.contains("CVE-2024-0002") && because.contains("25.0 %"),
        "{because}"
    );
    assert_eq!(answer["data"]["threatFeeds"][0]["kind"], "EPSS");
}

#[tokio::test]
async fn what_is_no_feed_is_refused_with_its_line() {
    let place = Place::new().await;
    let ada = place
        .actor("ada", Resource::Instance, Role::InstanceAdmin)
        .await;
    let bad = fed(&place, &ada, &epss().replace("0.25", "25")).await;
    assert_eq!(
        (bad.status.as_u16(), bad.code().as_str()),
        (400, "feed.malformed")
    );
    assert!(bad.text.contains("line 3"), "{}", bad.text);
    let empty = fed(&place, &ada, "").await;
    assert_eq!(empty.code(), "feed.malformed");
    let other = ada.send("POST", "/api/v2/feeds/osv", BYTES, epss()).await;
    assert_eq!(other.status, 404, "{}", other.text);
    let body = json!({ "url": "ftp://example.com/epss.csv" });
    let address = ada.post("/api/v2/feeds/epss/updates", &body).await;
    assert_eq!(address.code(), "feed.address");
    assert_eq!(ada.get("/api/v2/feeds").await.json()["items"], json!([]));
}
