//! What people want to be told, over HTTP.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::browser::Site;
use crate::rest_actor::Place;

const PATH: &str = "/api/v2/notices/preferences";

/// As a page of ours asks for the person who is signed in.
async fn ask(app: &Router, cookie: &str, method: &str, body: &Value) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(PATH)
        .header(header::HOST, "127.0.0.1:8080")
        .header(header::ORIGIN, "http://127.0.0.1:8080")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-gna-request", "1")
        .body(Body::from(body.to_string()));
    let answer = app.clone().oneshot(request.expect("a request")).await;
    let answer = answer.expect("answers");
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("whole");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_person_says_what_they_want_and_what_is_wrong_is_refused() {
    let site = Site::new().await;
    let cookie = site.ada().await.cookie.expect("signed in");
    let app = gna_api::app(site.state.clone());
    let wish = json!({
        "rules": { "NEW": { "when": "DIGEST", "min_level": "CRITICAL" } },
        "days": "DAILY", "hour": 8, "zone": "Europe/Berlin",
    });
    let (status, changed) = ask(&app, &cookie, "PATCH", &wish).await;
    assert_eq!(status, 200, "{changed}");
    let (_, now) = ask(&app, &cookie, "GET", &Value::Null).await;
    assert_eq!(now["rules"]["NEW"], wish["rules"]["NEW"]);
    // What was not named stays.
    assert_eq!(now["rules"]["ASSIGNED"]["when"], "AT_ONCE");
    assert_eq!(
        (&now["hour"], &now["zone"]),
        (&json!(8), &json!("Europe/Berlin"))
    );
    for (wrong, code) in [
        (json!({ "hour": 24 }), "notice.hour"),
        (json!({ "zone": "Mars/Olympus" }), "schedule.zone"),
        (json!({ "rules": { "OTHER": {} } }), "body.malformed"),
        (json!({ "days": "NEVER" }), "body.malformed"),
    ] {
        let (status, problem) = ask(&app, &cookie, "PATCH", &wrong).await;
        assert_eq!((status, &problem["code"]), (400, &json!(code)), "{problem}");
    }
}

#[tokio::test]
async fn a_token_reads_them_and_changes_nothing_and_a_made_up_token_ends_nothing() {
    let place = Place::new().await;
    let tess = place.tess().await;
    assert_eq!(tess.get(PATH).await.status, 200);
    let changed = tess.patch(PATH, &json!({ "muted": true })).await;
    assert_eq!(
        (changed.status.as_u16(), changed.code().as_str()),
        (403, "auth.person_required")
    );
    let system = place.world.system();
    let found = gna_domain::service::user::find(&system, "tess@example.com").await;
    let id = found.expect("is there").id;
    for query in [
        format!("user={id}&token=x"),
        format!("user={id}"),
        "token=x".to_owned(),
        String::new(),
    ] {
        let path = format!("/api/v2/notices/unsubscribe?{query}");
        let answer = place
            .anonymous()
            .send("POST", &path, &[], "List-Unsubscribe=One-Click")
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found"),
            "{query}"
        );
    }
    let answer = place.anonymous().get("/api/v2/notices/unsubscribe").await;
    assert_eq!(answer.status, 405);
    assert_eq!(tess.get(PATH).await.json()["muted"], false);
}
