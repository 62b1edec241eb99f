//! What keeps other sites out: of endpoints for programs, and of our forms.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::routing::get;
use gna_api::auth::Auth;
use gna_domain::secret::Secret;
use gna_domain::service::authenticate::{Credential, authenticate};
use gna_domain::service::token::{self, NewToken};
use tower::ServiceExt;

use crate::browser::{Browser, HOME, Site, form};

async fn who(auth: Auth) -> String {
    auth.ctx().actor.label()
}

fn endpoint(site: &Site) -> Router {
    Router::new()
        .route("/call", get(who).post(who))
        .with_state(site.state.clone())
}

async fn call(router: &Router, method: &Method, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = Request::builder().method(method).uri("/call");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = router.clone().oneshot(request).await.expect("answers");
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 10_000)
        .await
        .expect("a small body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn bearer(site: &Site, ada: &Browser) -> String {
    let cookie = ada.cookie.clone().expect("signed in");
    let secret = Secret::new(cookie.split_once('=').expect("a cookie").1);
    let caller = authenticate(&site.world.ports, &Credential::Session(secret))
        .await
        .expect("holds");
    let input = NewToken {
        name: "test".to_owned(),
        scopes: vec!["group.read".to_owned()],
        expires: site.world.ports.clock.now().plus_days(1),
    };
    let (token, _) = token::create(&caller.ctx, input).await.expect("makes");
    format!("Bearer {}", token.expose())
}

#[tokio::test]
async fn an_unsafe_call_by_cookie_says_where_it_comes_from_and_a_token_need_not() {
    let site = Site::new().await;
    let ada = site.ada().await;
    let router = endpoint(&site);
    let cookie = ada.cookie.clone().expect("signed in");
    let token = bearer(&site, &ada).await;
    let evil = ("origin", "https://evil.example");
    let (ours, script) = (("origin", HOME), ("x-gna-request", "1"));
    let websocket = ("upgrade", "websocket");
    let signed_in = ("cookie", cookie.as_str());
    let by_token = ("authorization", token.as_str());
    let (ok, no) = (StatusCode::OK, StatusCode::FORBIDDEN);
    for (method, headers, status) in [
        (Method::GET, &[signed_in, evil][..], ok),
        (Method::GET, &[signed_in, websocket], no),
        (Method::GET, &[signed_in, websocket, evil], no),
        (Method::GET, &[signed_in, websocket, evil, script], no),
        (Method::GET, &[signed_in, websocket, ours], ok),
        (Method::GET, &[by_token, websocket], ok),
        (Method::POST, &[signed_in], no),
        (Method::POST, &[signed_in, ours], no),
        (Method::POST, &[signed_in, evil, script], no),
        (Method::POST, &[signed_in, script], ok),
        (Method::POST, &[signed_in, ours, script], ok),
        (Method::POST, &[by_token, evil], ok),
        (Method::POST, &[by_token, signed_in], ok),
        // Nothing rests on a cookie that is none: the service will ask who this is.
        (Method::POST, &[evil], ok),
        (Method::POST, &[("cookie", "gna_session=00"), evil], ok),
        (
            Method::GET,
            &[("authorization", "Bearer gna_00")],
            StatusCode::UNAUTHORIZED,
        ),
        (
            Method::GET,
            &[("authorization", "Basic YTpi")],
            StatusCode::UNAUTHORIZED,
        ),
        (
            Method::GET,
            &[("authorization", "Basic YTpi"), signed_in],
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let (answered, body) = call(&router, &method, headers).await;
        assert_eq!(answered, status, "{method} {headers:?}: {body}");
    }
    let (_, body) = call(&router, &Method::POST, &[evil]).await;
    assert_eq!(body, "anonymous");
    let (_, body) = call(&router, &Method::POST, &[signed_in]).await;
    let problem: serde_json::Value = serde_json::from_str(&body).expect("problem details");
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&"auth.cross_site".into(), &403.into())
    );
}

#[tokio::test]
async fn our_forms_work_from_our_pages_only() {
    let site = Site::new().await;
    let mut ada = site.ada().await;
    ada.get("/account").await;
    let mine = ada.csrf.clone();
    let mut phone = site.browser();
    phone.get("/sign-in").await;
    let fields = [
        ("email", "ada@example.com"),
        ("password", crate::browser::PASSWORD),
    ];
    phone.post("/sign-in", &fields).await;
    phone.get("/account").await;
    let other = phone.csrf.clone();
    assert!(mine != other && mine.len() == 64);

    let (ours, evil) = (("origin", HOME), ("origin", "https://evil.example"));
    for (headers, csrf, status) in [
        (&[ours][..], mine.as_str(), StatusCode::SEE_OTHER),
        (
            &[ours, ("sec-fetch-site", "same-origin")],
            &mine,
            StatusCode::SEE_OTHER,
        ),
        (&[ours, ("x-gna-request", "1")], "", StatusCode::SEE_OTHER),
        (&[ours], "", StatusCode::FORBIDDEN),
        (&[ours], &other, StatusCode::FORBIDDEN),
        (&[evil], &mine, StatusCode::FORBIDDEN),
        (
            &[ours, ("sec-fetch-site", "cross-site")],
            &mine,
            StatusCode::FORBIDDEN,
        ),
        (&[], &mine, StatusCode::FORBIDDEN),
    ] {
        let mut request = ada.request(Method::POST, "/account/name");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = form(request, &[("name", "Ada"), ("csrf", csrf)]);
        assert_eq!(ada.send(request).await.status, status, "{headers:?} {csrf}");
    }
}

#[tokio::test]
async fn signing_in_can_not_be_done_by_another_site_either() {
    let site = Site::new().await;
    site.ada().await;
    let mut victim = site.browser();
    let fields = [
        ("email", "ada@example.com"),
        ("password", crate::browser::PASSWORD),
    ];
    let request = victim
        .request(Method::POST, "/sign-in")
        .header(header::ORIGIN, "https://evil.example");
    let answer = victim.send(form(request, &fields)).await;
    assert_eq!(
        (answer.status, &victim.cookie),
        (StatusCode::FORBIDDEN, &None)
    );
}
