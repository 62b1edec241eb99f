//! The key of the operator: from which peer it is taken.

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use gna_domain::secret::Secret;
use std::net::SocketAddr;
use tower::ServiceExt;

use crate::rest_actor::Place;

#[tokio::test]
async fn the_operators_key_is_taken_from_this_machine_only() {
    let key = "5ec2e7".repeat(10);
    for trust_proxy in [false, true] {
        let digest = Secret::new(key.clone()).digest();
        let place = Place::with(|config| gna_api::ApiConfig {
            operator_key: Some(digest),
            trust_proxy,
            ..config
        })
        .await;
        for (peer, forwarded, sent, taken) in [
            (Some("127.0.0.1:50000"), None, key.as_str(), true),
            (Some("[::1]:50000"), None, &key, true),
            (Some("[::ffff:127.0.0.1]:50000"), None, &key, true),
            (Some("192.0.2.7:50000"), None, &key, false),
            (Some("[2001:db8::7]:50000"), None, &key, false),
            (Some("192.0.2.7:50000"), Some("127.0.0.1"), &key, false),
            (Some("127.0.0.1:50000"), Some("127.0.0.1"), &key, false),
            (None, None, &key, false),
            (Some("127.0.0.1:50000"), None, "5ec2e7", false),
            (Some("127.0.0.1:50000"), None, "", false),
        ] {
            let mut request = Request::get("/api/v2/organizations")
                .header(header::AUTHORIZATION, format!("Gna-Operator {sent}"));
            if let Some(forwarded) = forwarded {
                request = request.header("x-forwarded-for", forwarded);
            }
            let mut request = request.body(Body::empty()).expect("a request");
            if let Some(peer) = peer {
                let peer: SocketAddr = peer.parse().expect("an address");
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            let answer = place.app.clone().oneshot(request).await.expect("an answer");
            let status = answer.status();
            let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
            let text = String::from_utf8_lossy(&body);
            if taken {
                assert!(status == 200 && text.contains("acme"), "{peer:?}: {text}");
            } else {
                assert!(
                    status == 401 && text.contains("auth.operator"),
                    "{peer:?} {forwarded:?}: {text}"
                );
                assert!(!text.contains("5ec2e7") && !text.contains("acme"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_without_a_key_has_no_operator() {
    let place = Place::new().await;
    let headers = [
        ("authorization", "Gna-Operator "),
        ("content-type", "application/json"),
    ];
    let answer = place
        .anonymous()
        .send("GET", "/api/v2/organizations", &headers, Body::empty())
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (401, "auth.operator")
    );
}
