//! What apps say when they refuse may repeat what they were sent. None of it is shown or kept.

use super::*;
use bytes::Bytes;
use gna_domain::connect::ConnectedEntity;
use gna_domain::page::PageRequest;
use gna_domain::port::apps::{Apps, Ask};
use gna_domain::port::egress::{OutRequest, OutResponse};

/// A key of no shape that anybody knows.
const KEY: &str = "swordfish&plover";

/// Says everything again that it was sent: headers, address and body.
fn repeats(status: u16, request: &OutRequest) -> OutResponse {
    let headers = request.headers.iter().map(|header| header.value.expose());
    let headers: Vec<&str> = headers.collect();
    let body = request.body.as_ref();
    let body = body.map(|body| String::from_utf8_lossy(&body.bytes).into_owned());
    let said = format!(
        "no: {} {} {}",
        headers.join(" "),
        request.url,
        body.unwrap_or_default()
    );
    let body = json!({"error": "invalid_request", "message": said, "error_description": said});
    OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(body.to_string()),
    }
}

fn assert_clean(what: &str, text: &str) {
    for part in ["swordfish", "plover", "c3dvcmRmaXNo", "hunter2"] {
        assert!(!text.contains(part), "{what}: {text}");
    }
}

/// Everything in the store.
async fn stored(office: &Office) -> String {
    let store = office.world.ports.store.as_ref();
    let mut text = String::new();
    for collection in ["credential", "entity", "authorization", "audit"] {
        let page = store.scan(collection, &PageRequest::first(1_000)).await;
        for raw in page.expect("scans").items {
            text.push_str(&String::from_utf8_lossy(&raw.body));
        }
    }
    text
}

/// By a key that goes into a header, where the app's own words are shown.
fn chatty() -> Module {
    let mut chatty = serde_json::to_value(keyed()).expect("JSON");
    chatty["limits"] = json!({"message": "/message"});
    module(chatty)
}

#[tokio::test]
async fn a_key_that_an_app_repeats_in_its_refusal_is_shown_nowhere() {
    let mut office = Office::new(Stores::Memory, json!("rotating_family_revocation")).await;
    let ports = AppPorts {
        store: office.world.ports.store.clone(),
        clock: office.world.ports.clock.clone(),
        ids: office.world.ports.ids.clone(),
        egress: office.world.ports.egress.clone(),
        vault: office.world.ports.vault.clone(),
        signer: Arc::new(NoSigner),
    };
    let modules = [tracker(json!("rotating_family_revocation")), chatty()];
    let ours = Registration {
        id: "gna".to_owned(),
        secret: Some(Secret::new("client-hunter2")),
        scopes: Vec::new(),
    };
    let registrations = BTreeMap::from([("tracker".to_owned(), ours)]);
    office.apps = AppClient::new(ports, modules, registrations, "https://gna.example");
    let data = json!({"site": "acme", "api_key": KEY});

    // While it is being connected.
    office
        .world
        .egress
        .respond(|request| Ok(repeats(422, request)));
    let refused = complete(
        &office.mia,
        &office.apps,
        office.complete("keyed", None, data.clone()),
    )
    .await
    .expect_err("is refused");
    assert!(
        refused.message().contains("no: "),
        "the app's words are shown: {refused}"
    );
    assert_clean("connecting", &format!("{refused} {refused:?}"));

    // While it is used, whatever the refusal means.
    office.world.egress.respond(|_| {
        let body = json!({"id": "1", "login": "mia", "site": "eu"}).to_string();
        Ok(OutResponse {
            status: 200,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.into(),
        })
    });
    let made = complete(
        &office.mia,
        &office.apps,
        office.complete("keyed", None, data),
    )
    .await;
    let Completed::Connected(made) = made.expect("connects") else {
        panic!("more is asked")
    };
    let entity: ConnectedEntity = made.entity.clone();
    for status in [400, 401, 403, 404, 409, 422, 500] {
        office
            .world
            .egress
            .respond(move |request| Ok(repeats(status, request)));
        let refused = office.apps.call(&entity, Ask::Test).await;
        let refused = refused.expect_err("is refused");
        assert_clean(&status.to_string(), &format!("{refused} {refused:?}"));
    }
    assert_clean("the store", &stored(&office).await);
}

#[tokio::test]
async fn a_code_that_a_provider_repeats_in_its_refusal_is_shown_nowhere() {
    let office = Office::new(Stores::Memory, json!("rotating_family_revocation")).await;
    for status in [200, 400, 401, 500] {
        let (_, state) = office.redirected(&office.mia).await;
        office
            .world
            .egress
            .respond(move |request| Ok(repeats(status, request)));
        let input = office.complete("tracker", Some(&state), json!({"code": KEY}));
        let refused = complete(&office.mia, &office.apps, input).await;
        let refused = refused.expect_err("is refused");
        assert_clean(&status.to_string(), &format!("{refused} {refused:?}"));
    }
    assert_clean("the store", &stored(&office).await);
}
