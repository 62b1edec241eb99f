//! Reports in two steps, as programs meet them over REST.

use gna_domain::Resource;
use gna_domain::policy::Role;
use gna_testkit::trivy;
use serde_json::{Value, json};

use crate::rest_actor::{Actor, Answer, Place};

const BYTES: (&str, &str) = ("content-type", "application/octet-stream");
const PROOF: &str = "x-gna-upload";

fn report() -> Vec<u8> {
    trivy("a.json", &[("CVE-2024-0001", "left-pad", "1.0.0")])
}

async fn begun(actor: &Actor) -> Value {
    let place = json!({ "organization": "acme", "group": "shop", "size": report().len() });
    let answer = actor.post("/api/v2/uploads", &place).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn text<'a>(begun: &'a Value, field: &str) -> &'a str {
    begun[field].as_str().expect("a text")
}

fn proof(begun: &Value) -> String {
    begun["headers"][PROOF]
        .as_str()
        .expect("a proof")
        .to_owned()
}

/// Sends bytes with nothing but what the answer gave.
async fn send(place: &Place, begun: &Value, bytes: Vec<u8>) -> Answer {
    let proof = proof(begun);
    let headers = [BYTES, (PROOF, proof.as_str())];
    let nobody = place.anonymous();
    nobody
        .send(text(begun, "method"), text(begun, "url"), &headers, bytes)
        .await
}

fn registering(begun: &Value, asset: &str) -> String {
    let id = text(begun, "id");
    format!(
        "/api/v2/reports?organization=acme&group=shop&asset={asset}&file_name=a.json&upload={id}"
    )
}

async fn register(actor: &Actor, begun: &Value) -> Answer {
    actor
        .send("POST", &registering(begun, "web"), &[], "")
        .await
}

#[tokio::test]
async fn a_report_is_begun_sent_and_registered_once() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let begun = begun(&tess).await;
    assert_eq!(begun["expires"], "2026-01-01T00:15:00.000Z", "{begun}");
    let early = register(&tess, &begun).await;
    assert_eq!(
        (early.status.as_u16(), early.code().as_str()),
        (409, "upload.incomplete")
    );
    assert_eq!(send(&place, &begun, report()).await.status, 204);

    let taken = register(&tess, &begun).await;
    assert_eq!(taken.status, 202, "{}", taken.text);
    let id = taken.json()["id"].clone();
    place.world.run_jobs().await.expect("imports");
    let waited = format!("{}&wait=true", registering(&begun, "web"));
    let again = tess.send("POST", &waited, &[], "").await;
    assert_eq!(again.status, 201, "{}", again.text);
    let again = again.json();
    assert_eq!(
        (&again["id"], &again["status"], &again["counts"]["created"]),
        (&id, &json!("COMPLETE"), &json!(1))
    );
    let raw = format!("/api/v2/reports/{}/raw", id.as_str().expect("an id"));
    let manager = Resource::Group(place.acme.id, place.shop.id);
    let manager = place.actor("manager", manager, Role::Manager).await;
    assert_eq!(manager.get(&raw).await.bytes, report());

    let other = registering(&begun, "other");
    let other = tess.send("POST", &other, &[], "").await;
    assert_eq!(other.code(), "upload.used");
    let late = send(&place, &begun, report()).await;
    assert_eq!(late.code(), "upload.used");
}

#[tokio::test]
async fn an_upload_is_its_maker_s_and_its_bytes_need_its_proof() {
    let place = Place::new().await;
    let (tess, eve) = (place.tess().await, place.eve().await);
    let shop = Resource::Group(place.acme.id, place.shop.id);
    let rita = place.actor("rita", shop, Role::Reader).await;
    let colleague = place.actor("dora", shop, Role::Developer).await;
    let where_to = json!({ "organization": "acme", "group": "shop" });
    for (who, actor, status) in [
        ("nobody", &place.anonymous(), 401_u16),
        ("a stranger", &eve, 404),
        ("a reader", &rita, 403),
    ] {
        let refused = actor.post("/api/v2/uploads", &where_to).await;
        assert_eq!(refused.status, status, "{who}: {}", refused.text);
    }
    let begun = begun(&tess).await;
    let others = self::begun(&tess).await;
    let guess = "0".repeat(64);
    for wrong in ["", guess.as_str(), proof(&others).as_str()] {
        // A right elsewhere does not help, nor one here.
        for actor in [&place.anonymous(), &eve, &tess] {
            let headers = [BYTES, (PROOF, wrong)];
            let refused = actor.send("PUT", text(&begun, "url"), &headers, report());
            assert_eq!(refused.await.code(), "upload.not_found", "{wrong:?}");
        }
    }
    assert_eq!(send(&place, &begun, report()).await.status, 204);
    for (who, actor, status, code) in [
        ("nobody", &place.anonymous(), 401_u16, "auth.required"),
        ("a stranger", &eve, 404, "not_found"),
        ("a reader", &rita, 403, "auth.forbidden"),
        ("a colleague", &colleague, 404, "upload.not_found"),
    ] {
        let refused = register(actor, &begun).await;
        assert_eq!(refused.status, status, "{who}: {}", refused.text);
        assert_eq!(refused.code(), code, "{who}");
    }
    let at_home = format!(
        "/api/v2/reports?organization=evil&group=den&asset=web&upload={}",
        text(&begun, "id")
    );
    let refused = eve.send("POST", &at_home, &[], "").await;
    assert_eq!(refused.code(), "upload.not_found", "{}", refused.text);
    assert_eq!(register(&tess, &begun).await.status, 202);
}

#[tokio::test]
async fn the_limits_of_a_report_hold_in_two_steps_too() {
    let place = Place::with(|config| gna_api::ApiConfig {
        max_upload_bytes: 2_000_000,
        ..config
    })
    .await;
    let tess = place.tess().await;
    let large = json!({ "organization": "acme", "group": "shop", "size": 2_000_001 });
    let refused = tess.post("/api/v2/uploads", &large).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (413, "report.too_large")
    );
    let begun = begun(&tess).await;
    for (bytes, code) in [
        (vec![b' '; 2_000_001], "report.too_large"),
        (Vec::new(), "report.empty"),
    ] {
        assert_eq!(send(&place, &begun, bytes).await.code(), code);
    }
    // More than a body of JSON may have: the limit is the reports' own.
    assert_eq!(
        send(&place, &begun, vec![b' '; 1_999_999]).await.status,
        204
    );
    assert_eq!(send(&place, &begun, report()).await.status, 204);
    let path = registering(&begun, "web");
    let beside = tess.send("POST", &path, &[BYTES], report()).await;
    assert_eq!(beside.code(), "upload.body");
    for wrong in ["upl_x", "upl_00000000000000000000000000000001"] {
        let path = registering(&json!({ "id": wrong }), "web");
        let refused = tess.send("POST", &path, &[], "").await;
        assert_eq!(refused.code(), "upload.not_found", "{wrong}");
    }
    place.world.clock.advance_millis(15 * 60 * 1_000);
    let late = send(&place, &begun, report()).await;
    assert_eq!(
        (late.status.as_u16(), late.code().as_str()),
        (409, "upload.expired")
    );
    assert_eq!(register(&tess, &begun).await.status, 202);
}

#[tokio::test]
async fn a_repeated_beginning_is_another_upload_since_its_proof_is_kept_nowhere() {
    let place = Place::new().await;
    let tess = place.tess().await;
    let body = json!({ "organization": "acme", "group": "shop" }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = tess.send("POST", "/api/v2/uploads", &headers, body.clone());
        let answer = answer.await.json();
        ids.push(text(&answer, "id").to_owned());
    }
    assert_ne!(ids[0], ids[1]);
}
