//! Signing in by several forms in a row: an address first, then the code that was mailed to it.

use super::*;
use gna_domain::connect::{AuthorizationSession, ConnectedEntity};
use gna_domain::page::PageRequest;
use gna_domain::port::egress::{EgressError, OutRequest, OutResponse};
use gna_domain::port::store::Entity;
use gna_domain::service::connect::authorize::{Resume, resume};

const CODE: &str = "314159";
const SESSION: &str = "session-hunter2";

/// An app whose credential comes out of the second step.
pub fn mailed() -> Module {
    module(json!({
        "name": "mailed",
        "display": display("Mailed"),
        "docs": [],
        "urls": {"api": "https://mailed.example/api"},
        "auth": {"multi_step": {
            "send": {"headers": {"X-Session": "{credential.session}"}},
            "steps": [
                {"title": "Who", "fields": [{"name": "mail", "title": "Mail"}],
                 "call": {"method": "POST", "path": "/codes", "body": {"json": {"mail": "{credential.mail}"}}},
                 "keep": {"ticket": "/ticket"}},
                {"title": "Code", "fields": [{"name": "code", "title": "Code", "secret": true}],
                 "call": {"method": "POST", "path": "/sessions/{kept.ticket}", "body": {"json": {"code": "{credential.code}"}}},
                 "keep": {"session": "/session", "who": "/id"}}
            ]
        }},
        "test": {"path": "/me"},
        "identity": {"external_id": "{kept.who}", "display_name": "{credential.mail}"},
        "persist": {"credential": [{"name": "session", "secret": true}]}
    }))
}

/// What the fake app answers.
fn invented(request: &OutRequest) -> Result<OutResponse, EgressError> {
    let path = request
        .url
        .split_once(".example/api")
        .map_or("", |(_, path)| path);
    let sent = request
        .body
        .as_ref()
        .map(|body| String::from_utf8_lossy(&body.bytes).into_owned())
        .unwrap_or_default();
    let session = request
        .headers
        .iter()
        .find(|header| header.name == "X-Session")
        .map(|header| header.value.expose());
    let (status, body) = match path {
        "/codes" if session.is_none() => (200, json!({"ticket": "t 1"})),
        "/sessions/t%201" if session.is_none() && sent.contains(CODE) => {
            (200, json!({"session": SESSION, "id": 7}))
        }
        "/me" if session == Some(SESSION) => (200, json!({})),
        _ => (401, json!({})),
    };
    Ok(OutResponse {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into(),
    })
}

async fn office(stores: Stores) -> Office {
    let office = Office::new(stores, json!("non_rotating")).await;
    office.world.egress.respond(invented);
    office
}

/// The second form and the session that it belongs to.
async fn asked_for_the_code(office: &Office, ctx: &Ctx) -> Secret {
    let mail = office.complete("mailed", None, json!({"mail": "mia@mailed.example"}));
    match complete(ctx, &office.apps, mail).await.expect("is taken") {
        Completed::Next(Requirements::Form {
            step: 2,
            steps: 2,
            session: Some(session),
            ..
        }) => session,
        other => panic!("{other:?}"),
    }
}

async fn entered(
    office: &Office,
    ctx: &Ctx,
    session: &Secret,
    code: &str,
) -> Result<Connected, Error> {
    let input = office.complete("mailed", Some(session), json!({ "code": code }));
    match complete(ctx, &office.apps, input).await? {
        Completed::Connected(connected) => Ok(*connected),
        Completed::Next(other) => panic!("{other:?}"),
    }
}

async fn open_sessions(office: &Office) -> usize {
    let store = office.world.ports.store.as_ref();
    let all = store
        .scan(AuthorizationSession::COLLECTION, &PageRequest::first(10))
        .await;
    all.expect("scans").items.len()
}

#[tokio::test]
async fn the_credential_comes_out_of_a_step_and_a_mistyped_code_can_be_typed_again() {
    for stores in Stores::ALL {
        let office = office(stores).await;
        let session = asked_for_the_code(&office, &office.mia).await;
        let wrong = entered(&office, &office.mia, &session, "271828").await;
        assert_eq!(code(wrong), "app.unauthorized");
        let missing = office.complete("mailed", Some(&session), json!({}));
        assert_eq!(
            code(complete(&office.mia, &office.apps, missing).await),
            "form.invalid"
        );
        let store = office.world.ports.store.as_ref();
        let ten = PageRequest::first(10);
        let accounts = store.scan(ConnectedEntity::COLLECTION, &ten).await;
        assert!(accounts.expect("scans").items.is_empty());
        let first = entered(&office, &office.mia, &session, CODE).await;
        let first = first.expect("connects");
        assert_eq!(
            (
                first.entity.external_id.as_str(),
                first.entity.name.as_str()
            ),
            ("7", "mia@mailed.example")
        );
        // Neither the code nor the address is kept: they have done their work.
        assert_eq!(
            office.values(&first.credential).await,
            json!({ "session": SESSION })
        );
        office.test(&office.mia, &first).await.expect("works");
        assert_eq!(open_sessions(&office).await, 0);
        let again = entered(&office, &office.mia, &session, CODE).await;
        assert_eq!(code(again), "authorization.expired");
        // The same account, the second time.
        let session = asked_for_the_code(&office, &office.mia).await;
        let second = entered(&office, &office.mia, &session, CODE).await;
        let second = second.expect("connects");
        assert_eq!(
            (second.entity.id, second.credential.id, second.is_new),
            (first.entity.id, first.credential.id, false)
        );
    }
}

#[tokio::test]
async fn a_step_is_of_who_began_and_is_taken_once() {
    let office = office(Stores::Memory).await;
    let session = asked_for_the_code(&office, &office.mia).await;
    let stolen = entered(&office, &office.olga, &session, CODE).await;
    assert_eq!(code(stolen), "authorization.expired");
    let (one, other) = tokio::join!(
        entered(&office, &office.mia, &session, CODE),
        entered(&office, &office.mia, &session, CODE)
    );
    assert_eq!(
        [one.is_ok(), other.is_ok()]
            .iter()
            .filter(|ok| **ok)
            .count(),
        1
    );
    let late = if one.is_err() { one } else { other };
    assert_eq!(code(late), "authorization.expired");
    let session = asked_for_the_code(&office, &office.mia).await;
    office.world.clock.advance_millis(600_000);
    let late = entered(&office, &office.mia, &session, CODE).await;
    assert_eq!(code(late), "authorization.expired");
}

#[tokio::test]
async fn the_form_that_comes_next_can_be_asked_for() {
    let office = office(Stores::Memory).await;
    let session = asked_for_the_code(&office, &office.mia).await;
    let input = |step: Option<usize>| Resume {
        organization: office.acme.id,
        module: "mailed".to_owned(),
        entity: None,
        session: session.clone(),
        step,
    };
    for step in [None, Some(2)] {
        let next = resume(&office.mia, &office.apps, input(step)).await;
        match next.expect("is asked for") {
            Requirements::Form { step: 2, form, .. } => {
                assert!(form.json_schema["properties"]["code"].is_object());
            }
            other => panic!("{other:?}"),
        }
    }
    let passed = resume(&office.mia, &office.apps, input(Some(1))).await;
    assert_eq!(code(passed), "authorization.step");
    let foreign = resume(&office.olga, &office.apps, input(None)).await;
    assert_eq!(code(foreign), "authorization.expired");
    let other = Resume {
        module: "keyed".to_owned(),
        ..input(None)
    };
    let other = resume(&office.mia, &office.apps, other).await;
    assert_eq!(code(other), "authorization.expired");
    entered(&office, &office.mia, &session, CODE)
        .await
        .expect("asking changed nothing");
}

#[tokio::test]
async fn a_step_after_another_needs_no_room_of_its_own() {
    let office = office(Stores::Memory).await;
    let session = asked_for_the_code(&office, &office.mia).await;
    assert_eq!(open_sessions(&office).await, 1);
    let fresh = asked_for_the_code(&office, &office.mia).await;
    assert_ne!(session.expose(), fresh.expose());
    for session in [session, fresh] {
        entered(&office, &office.mia, &session, CODE)
            .await
            .expect("connects");
    }
    assert_eq!(open_sessions(&office).await, 0);
}
