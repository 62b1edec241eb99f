//! What is known of a webhook beside its id: what the proof covers, where that leaves the id out.

use super::*;
use serde_json::json;

/// The body alone, as GitHub signs.
fn body() -> Value {
    json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "X-Hub-Signature-256", "prefix": "sha256="}})
}

/// With the time from a header, as Slack signs.
fn timed() -> Value {
    json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "X-Slack-Signature", "prefix": "v0=",
        "content": "v0:{timestamp}:{body}", "timestamp_header": "X-Slack-Request-Timestamp", "tolerance_seconds": 300}})
}

/// With the time from a part of the signature, as Stripe signs.
fn in_parts() -> Value {
    json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "Stripe-Signature",
        "parts": {"signature": "v1", "timestamp": "t"}, "content": "{timestamp}.{body}", "tolerance_seconds": 300}})
}

/// With time and id (Standard Webhooks).
fn whole() -> Value {
    json!({"hmac": {"algorithm": "sha256", "encoding": "base64", "header": "webhook-signature", "prefix": "v1,", "separator": " ",
        "content": "{id}.{timestamp}.{body}", "id_header": "webhook-id", "timestamp_header": "webhook-timestamp", "tolerance_seconds": 300,
        "secret": {"base64": {"prefix": "whsec_"}}}})
}

#[test]
fn what_is_signed_without_the_id_is_told() {
    let headers: Vec<(String, String)> = [
        ("X-Hub-Signature-256", "sha256=00"),
        ("X-Slack-Signature", "v0=00"),
        ("X-Slack-Request-Timestamp", "1531420618"),
        ("Stripe-Signature", "t=1700000000,v1=00"),
        ("webhook-signature", "v1,AA=="),
        ("webhook-id", "m-1"),
        ("webhook-timestamp", "1700000000"),
        ("X-Token", "t"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    let delivery = Delivery {
        method: "POST",
        url: "https://gna.example/x",
        headers: &headers,
        body: b"{}",
    };
    let token = json!({"token": {"header": "X-Token"}});
    for (check, more, covered) in [
        (body(), json!({"delivery_header": "X-Id"}), Some("{}")),
        // Whoever leaves the header out gives it another id, too.
        (
            timed(),
            json!({"delivery_header": "X-Id", "delivery": "/event_id"}),
            Some("v0:1531420618:{}"),
        ),
        (
            in_parts(),
            json!({"delivery_header": "X-Id"}),
            Some("1700000000.{}"),
        ),
        (
            whole(),
            json!({"delivery_header": "X-Id"}),
            Some("m-1.1700000000.{}"),
        ),
        (whole(), json!({"delivery_header": "Webhook-Id"}), None),
        (body(), json!({"delivery": "/id"}), None),
        (
            body(),
            json!({"delivery_header": "X-Id", "same_body": true}),
            None,
        ),
        (token, json!({"delivery_header": "X-Id"}), None),
    ] {
        let mut webhook = more.clone();
        webhook["check"] = check;
        let webhook: Webhook = serde_json::from_value(webhook).expect("a webhook");
        let found = covered_without_id(&webhook, &delivery);
        let found = found.map(|bytes| String::from_utf8(bytes).expect("text"));
        assert_eq!(found.as_deref(), covered, "{more}");
    }
}
