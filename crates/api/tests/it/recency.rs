//! Who has written something finds it, though the search index follows late; and is told where it
//! did not follow in time.

use axum::body::Body;
use gna_api::{ApiConfig, AppState};
use gna_domain::Ctx;
use gna_domain::service::index;
use gna_storage::search::LaggingSearch;
use gna_testkit::{Fakes, trivy};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::rest_actor::{Actor, Answer, Place};

const UPLOAD: &str = "/api/v2/reports?organization=acme&group=shop&asset=web&file_name=trivy.json";
const BYTES: (&str, &str) = ("content-type", "application/octet-stream");
const LIST: &str = "/api/v2/vulnerabilities?organization=acme&group=shop";
const EXPORT: &str = "/api/v2/vulnerabilities/export?organization=acme&group=shop";
const POSITION: &str = "x-gna-position";
const STALE: &str = "x-gna-stale";

const TAG: &str = "mutation($id: ID!, $tag: String!) {
    tagVulnerability(input: { id: $id, add: [$tag] }) { vulnerability { version } } }";
const TAGGED: &str = "query($tags: [String!]) { group(organization: \"acme\", slug: \"shop\") {
    vulnerabilities(filter: { tags: $tags }) { edges { node { id } } totalCount { value } } } }";

/// A triager of the shop, whose server has an index that holds back the last three changes.
struct Late {
    tess: Actor,
    /// Who brings the index up to date.
    follower: Ctx,
    /// Something that was found before the index was late.
    id: String,
}

fn report() -> Vec<u8> {
    trivy("package-lock.json", &[("CVE-2024-0001", "pad", "1.0.0")])
}

async fn late(place: &Place) -> Late {
    let mut tess = place.tess().await;
    let answer = tess.send("POST", UPLOAD, &[BYTES], report()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    place.world.run_jobs().await.expect("the import runs");
    let listed = tess.get(LIST).await.json();
    let id = listed["items"][0]["id"].as_str().expect("an id").to_owned();

    let mut ports = place.world.ports.clone();
    ports.search = Arc::new(LaggingSearch::new(ports.search.clone(), 3));
    let config = ApiConfig::at("http://127.0.0.1:8080");
    let state = AppState::new(ports.clone(), place.world.apps.clone(), config);
    let token = tess.token.take();
    let mut tess = Actor::nobody(gna_api::app(state.with_recipes(Arc::new(Fakes))));
    tess.token = token;
    Late {
        tess,
        follower: Ctx::system(ports, "test"),
        id,
    }
}

impl Late {
    /// Tags it; answers how far that reaches.
    async fn tag(&self, tag: &str) -> String {
        let written = json!({ "query": TAG, "variables": { "id": self.id, "tag": tag } });
        let answer = self.tess.post("/api", &written).await;
        assert_eq!(answer.json().get("errors"), None, "{}", answer.text);
        let position = answer.header(POSITION);
        assert!(!position.is_empty(), "a write says how far it reaches");
        position.to_owned()
    }

    async fn get(&self, path: &str, position: &str) -> Answer {
        self.tess
            .send("GET", path, &[(POSITION, position)], Body::empty())
            .await
    }

    async fn ask(&self, body: &Value, position: &str) -> Answer {
        let headers = [("content-type", "application/json"), (POSITION, position)];
        self.tess
            .send("POST", "/api", &headers, body.to_string())
            .await
    }
}

fn tagged(tag: &str) -> Value {
    json!({ "query": TAGGED, "variables": { "tags": [tag] } })
}

#[tokio::test]
async fn what_was_written_is_found_by_who_says_so_however_late_the_index_is() {
    let place = Place::new().await;
    let late = late(&place).await;
    for (n, path) in [
        format!("{LIST}&count=true&facets=tag"),
        format!("{EXPORT}&format=jsonl"),
        format!("{EXPORT}&format=csv"),
        format!("{EXPORT}&format=html"),
        format!("{EXPORT}&format=sarif"),
    ]
    .iter()
    .enumerate()
    {
        place.world.clock.advance_millis(1_000);
        let tag = format!("urgent-{n}");
        let path = format!("{path}&tag={tag}");
        let position = late.tag(&tag).await;
        let before = late.tess.get(&path).await;
        assert!(!before.text.contains("CVE-2024-0001"), "{}", before.text);
        assert_eq!(
            before.header(STALE),
            "",
            "who asks for nothing is told nothing"
        );
        assert_eq!(before.header(POSITION), "", "nothing was written");

        place.world.caught_up().await;
        // It is asked first; the index comes so far only afterwards.
        let (after, followed) =
            tokio::join!(late.get(&path, &position), index::catch_up(&late.follower));
        followed.expect("follows");
        assert_eq!(after.status, 200, "{}", after.text);
        assert!(
            after.text.contains("CVE-2024-0001"),
            "{path}: {}",
            after.text
        );
        assert_eq!(after.header(STALE), "", "{path}");
    }

    place.world.clock.advance_millis(1_000);
    let position = late.tag("asked").await;
    place.world.caught_up().await;
    let question = tagged("asked");
    let (after, followed) = tokio::join!(
        late.ask(&question, &position),
        index::catch_up(&late.follower)
    );
    followed.expect("follows");
    let after = after.json();
    let found = &after["data"]["group"]["vulnerabilities"];
    assert_eq!(found["edges"][0]["node"]["id"], late.id, "{after}");
    assert_eq!(found["totalCount"]["value"], 1);
    assert_eq!(after["extensions"].get("stale"), None);
}

#[tokio::test]
async fn an_index_that_never_arrives_is_asked_all_the_same_and_called_stale() {
    let place = Place::new().await;
    let late = late(&place).await;
    let position = late.tag("urgent").await;
    let list = format!("{LIST}&count=true&facets=tag&tag=urgent");
    let export = format!("{EXPORT}&format=csv&tag=urgent");
    let html = format!("{EXPORT}&format=html&tag=urgent");
    let (question, both) = (
        tagged("urgent"),
        json!([tagged("urgent"), tagged("urgent")]),
    );
    // What has nothing to do with the index waits for nothing.
    let of_store = format!("/api/v2/vulnerabilities/{}", late.id);
    let (list, export, html, answer, batch, of_store) = tokio::join!(
        late.get(&list, &position),
        late.get(&export, &position),
        late.get(&html, &position),
        late.ask(&question, &position),
        late.ask(&both, &position),
        late.get(&of_store, &position),
    );
    for late in [&list, &export, &html, &answer, &batch] {
        assert_eq!(late.status, 200, "{}", late.text);
        assert_eq!(late.header(STALE), "true", "{}", late.text);
        assert!(!late.text.contains("CVE-2024-0001"), "{}", late.text);
    }
    assert_eq!(list.json()["total"]["value"], 0);
    assert_eq!(answer.json()["extensions"]["stale"], true);
    for one in batch.json().as_array().expect("a batch") {
        assert_eq!(one["extensions"]["stale"], true, "{one}");
        assert_eq!(
            one["data"]["group"]["vulnerabilities"]["totalCount"]["value"],
            0
        );
    }
    assert_eq!(of_store.status, 200, "{}", of_store.text);
    assert_eq!(of_store.header(STALE), "");
    assert!(of_store.text.contains("urgent"), "{}", of_store.text);
}

#[tokio::test]
async fn the_end_of_an_import_says_how_far_it_reaches() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let headers = [BYTES, ("idempotency-key", "one")];
    let uploaded = tess.send("POST", UPLOAD, &headers, report()).await;
    assert_eq!(uploaded.status, 202, "{}", uploaded.text);
    assert_ne!(uploaded.header(POSITION), "");
    let again = tess.send("POST", UPLOAD, &headers, report()).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_ne!(
        again.header(POSITION),
        "",
        "the same answer, with all of it"
    );

    let location = uploaded.header("location");
    assert_eq!(
        tess.get(location).await.header(POSITION),
        "",
        "it is not over"
    );
    place.world.run_jobs().await.expect("the import runs");
    let ended = tess.get(location).await;
    assert_eq!(ended.json()["status"], "COMPLETE", "{}", ended.text);
    let position = ended.header(POSITION);
    assert_ne!(position, uploaded.header(POSITION));
    let listed = tess
        .send("GET", LIST, &[(POSITION, position)], Body::empty())
        .await;
    assert_eq!(listed.header(STALE), "");
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_position_is_one_of_this_store_or_is_refused() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let backend = place.world.ports.store.backend();
    let question = tagged("urgent").to_string();
    for (sent, code) in [
        (String::new(), "position.malformed"),
        ("7".to_owned(), "position.malformed"),
        (format!("{backend}."), "position.malformed"),
        (format!("{backend}.no place"), "position.malformed"),
        (
            format!("{backend}.{}", "7".repeat(200)),
            "position.malformed",
        ),
        ("elsewhere.7".to_owned(), "position.foreign"),
    ] {
        let header = (POSITION, sent.as_str());
        let listed = tess.send("GET", LIST, &[header], Body::empty()).await;
        assert_eq!(
            (listed.status.as_u16(), listed.code().as_str()),
            (400, code)
        );
        let headers = [("content-type", "application/json"), header];
        let asked = tess.send("POST", "/api", &headers, question.clone()).await;
        assert_eq!((asked.status.as_u16(), asked.code().as_str()), (400, code));
    }
    let end = place.world.ports.store.feed_end().await.expect("answers");
    let right = format!("{backend}.{}", end.0);
    let twice = [(POSITION, right.as_str()), (POSITION, right.as_str())];
    let listed = tess.send("GET", LIST, &twice, Body::empty()).await;
    assert_eq!(listed.code(), "position.malformed");
}
