//! Golden vectors of webhook signatures, and what must not pass.
//!
//! GitHub, Slack and Standard Webhooks publish theirs; those marked as invented were computed with
//! another implementation (Python's hmac) over bodies of our own in the form that the app documents.

use super::*;
use serde_json::json;

const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com\
    %2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SLACK: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const STRIPE: &str = "c1b0ced5eb6e9e266640079ddd75ee958bb5d35bf4da1ca150790f4bf4464af6";
const PAGERDUTY: &str = "997fad8f18c985490f6302506176416872a092c750bc0927d50835f12257a14b";
const JWT: &str = "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJleHAiOiAxNzAwMDAwMzAwLCAiaXNzIjogIm1vbmRheSJ9.fLs3rH3hlq5DpnZb91qWoW4wE-O22HvkJ3mdxluKusg";
const JWT_OLD: &str =
    "eyJhbGciOiAiSFMyNTYifQ.eyJleHAiOiAxNjk5OTkwMDAwfQ.OXbRB92L9j9-NvXQjFT795UPTuTy-DwiyJjkeBblcj0";
const JWT_NONE: &str =
    "eyJhbGciOiAibm9uZSJ9.eyJleHAiOiAxNzAwMDAwMzAwfQ.pZMMAGS2G6A7HhzrQGSI2fJl9fOoT1wYbtVHLsEGqnQ";

fn check(value: serde_json::Value) -> Check {
    serde_json::from_value(value).expect("a check")
}

fn github() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "X-Hub-Signature-256", "prefix": "sha256="}}),
    )
}

fn slack() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "X-Slack-Signature", "prefix": "v0=",
        "content": "v0:{timestamp}:{body}", "timestamp_header": "X-Slack-Request-Timestamp", "tolerance_seconds": 300}}),
    )
}

fn stripe() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "Stripe-Signature",
        "parts": {"signature": "v1", "timestamp": "t"}, "content": "{timestamp}.{body}", "tolerance_seconds": 300}}),
    )
}

fn standard() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "base64", "header": "webhook-signature", "prefix": "v1,", "separator": " ",
        "content": "{id}.{timestamp}.{body}", "id_header": "webhook-id", "timestamp_header": "webhook-timestamp", "tolerance_seconds": 300,
        "secret": {"base64": {"prefix": "whsec_"}}}}),
    )
}

fn linear() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "Linear-Signature",
        "timestamp_pointer": "/webhookTimestamp", "timestamp_unit": "millis", "tolerance_seconds": 60}}),
    )
}

fn hubspot() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "base64", "header": "X-HubSpot-Signature-v3", "content": "{method}{url}{body}{timestamp}",
        "timestamp_header": "X-HubSpot-Request-Timestamp", "timestamp_unit": "millis", "tolerance_seconds": 300}}),
    )
}

fn plain(algorithm: &str, encoding: &str) -> Check {
    check(json!({"hmac": {"algorithm": algorithm, "encoding": encoding, "header": "X-Sig"}}))
}

fn pagerduty() -> Check {
    check(
        json!({"hmac": {"algorithm": "sha256", "encoding": "hex", "header": "X-PagerDuty-Signature", "prefix": "v1=", "separator": ","}}),
    )
}

fn token() -> Check {
    check(json!({"token": {"header": "X-Gitlab-Token", "query": "token", "pointer": "/token"}}))
}

fn jwt() -> Check {
    check(json!({"jwt": {"header": "Authorization", "algorithm": "HS256", "issuer": "monday"}}))
}

/// Seconds since 1970 at which most cases play.
const AT: i64 = 1_700_000_000;

fn outcome(
    check: &Check,
    secret: &str,
    headers: &[(&str, &str)],
    body: &str,
    seconds: i64,
) -> Result<(), Refusal> {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let delivery = Delivery {
        method: "POST",
        url: "https://gna.example/hooks/hubspot?x=1",
        headers: &headers,
        body: body.as_bytes(),
    };
    verify(
        check,
        &Secret::new(secret),
        &delivery,
        Timestamp::from_millis(seconds * 1_000),
    )
}

#[test]
fn golden_vectors_pass() {
    let stripe_header = format!("t={AT},v1=00ff,v1={STRIPE},v0=junk");
    let pagerduty_header = format!("v1=00, v1={PAGERDUTY}");
    let jwt_header = format!("Bearer {JWT}");
    let standard_headers = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        (
            "webhook-signature",
            "v1a,xx v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    let github_signature =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    for (name, check, secret, headers, body, at) in [
        (
            "GitHub, published",
            github(),
            "It's a Secret to Everybody",
            &[("x-hub-signature-256", github_signature)][..],
            "Hello, World!",
            AT,
        ),
        (
            "Slack, published",
            slack(),
            "8f742231b10e8888abcd99yyyzzz85a5",
            &[
                ("X-Slack-Signature", SLACK),
                ("X-Slack-Request-Timestamp", "1531420618"),
            ],
            SLACK_BODY,
            1_531_420_700,
        ),
        (
            "Standard Webhooks, published",
            standard(),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &standard_headers,
            "{\"test\": 2432232314}",
            1_614_265_330,
        ),
        (
            "Stripe's form, invented",
            stripe(),
            "whsec_invented",
            &[("Stripe-Signature", &stripe_header)],
            "{\"id\":\"evt_1\"}",
            AT + 299,
        ),
        (
            "Linear's form, invented",
            linear(),
            "lin_wh_invented",
            &[(
                "Linear-Signature",
                "78bcf9845128ae90be911a9a96dd91edd16bee9190eba1608747c9ec2532fd10",
            )],
            "{\"action\":\"update\",\"webhookTimestamp\":1700000000000}",
            AT,
        ),
        (
            "HubSpot v3's form, invented",
            hubspot(),
            "invented",
            &[
                (
                    "X-HubSpot-Signature-v3",
                    "g78g247imSmc59AkQrpO7K93h3lwMzO0r1EzBvgtpdY=",
                ),
                ("X-HubSpot-Request-Timestamp", "1700000000000"),
            ],
            "[{\"eventId\":1}]",
            AT,
        ),
        (
            "Shopify's form, invented",
            plain("sha256", "base64"),
            "invented",
            &[("X-Sig", "mX+tjxjJhUkPYwJQYXZBaHKgksdQvAkn1Qg18SJXoUs=")],
            "{\"id\":1}",
            AT,
        ),
        (
            "SHA-1, invented",
            plain("sha1", "hex"),
            "invented",
            &[("X-Sig", "70c9a11d854d568b3b136cc5f7c8edb56a069af4")],
            "{\"id\":1}",
            AT,
        ),
        (
            "SHA-512, invented",
            plain("sha512", "hex"),
            "invented",
            &[(
                "X-Sig",
                "e3b8c4a1915ca974e0ea30352420f17dddb5b6906b01c211531bdf598a0e7e467ec435618d4c14984023e61c975ae8a7a83d6e738fdb80eb2951134826202b94",
            )],
            "{\"id\":1}",
            AT,
        ),
        (
            "PagerDuty's form, invented",
            pagerduty(),
            "invented",
            &[("X-PagerDuty-Signature", &pagerduty_header)],
            "{\"id\":1}",
            AT,
        ),
        (
            "GitLab's token",
            token(),
            "s3cret",
            &[("X-Gitlab-Token", "s3cret")],
            "{}",
            AT,
        ),
        (
            "a token in the body",
            token(),
            "s3cret",
            &[],
            "{\"token\":\"s3cret\"}",
            AT,
        ),
        (
            "Basic",
            check(json!({"basic": {}})),
            "gna:pass",
            &[("Authorization", "Basic Z25hOnBhc3M=")],
            "{}",
            AT,
        ),
        (
            "monday's form of JWT, invented",
            jwt(),
            "invented",
            &[("Authorization", &jwt_header)],
            "{}",
            AT,
        ),
    ] {
        assert_eq!(outcome(&check, secret, headers, body, at), Ok(()), "{name}");
    }
}

#[test]
fn what_is_not_the_app_is_refused() {
    let stripe_header = format!("t={AT},v1={STRIPE}");
    let stripe_twice = format!("t={AT},t={AT},v1={STRIPE}");
    let sig = "997fad8f18c985490f6302506176416872a092c750bc0927d50835f12257a14b";
    for (name, check, secret, headers, body, at, refusal) in [
        (
            "another body",
            plain("sha256", "hex"),
            "invented",
            &[("X-Sig", sig)][..],
            "{\"id\":2}",
            AT,
            Refusal::Wrong,
        ),
        (
            "another secret",
            plain("sha256", "hex"),
            "else",
            &[("X-Sig", sig)],
            "{\"id\":1}",
            AT,
            Refusal::Wrong,
        ),
        (
            "a part of the signature",
            plain("sha256", "hex"),
            "invented",
            &[("X-Sig", "997fad8f")],
            "{\"id\":1}",
            AT,
            Refusal::Wrong,
        ),
        (
            "an empty signature",
            plain("sha256", "hex"),
            "invented",
            &[("X-Sig", "")],
            "{\"id\":1}",
            AT,
            Refusal::Malformed,
        ),
        (
            "an empty secret",
            plain("sha256", "hex"),
            "",
            &[("X-Sig", sig)],
            "{\"id\":1}",
            AT,
            Refusal::Secret,
        ),
        (
            "no hexadecimal",
            plain("sha256", "hex"),
            "invented",
            &[("X-Sig", "zz")],
            "{\"id\":1}",
            AT,
            Refusal::Malformed,
        ),
        (
            "no header",
            plain("sha256", "hex"),
            "invented",
            &[],
            "{\"id\":1}",
            AT,
            Refusal::Missing,
        ),
        (
            "the header twice",
            plain("sha256", "hex"),
            "invented",
            &[("X-Sig", sig), ("x-sig", sig)],
            "{\"id\":1}",
            AT,
            Refusal::Missing,
        ),
        (
            "without its prefix",
            github(),
            "invented",
            &[("X-Hub-Signature-256", sig)],
            "{\"id\":1}",
            AT,
            Refusal::Malformed,
        ),
        (
            "another scheme",
            pagerduty(),
            "invented",
            &[("X-PagerDuty-Signature", "v2=997fad8f")],
            "{\"id\":1}",
            AT,
            Refusal::Malformed,
        ),
        (
            "too old",
            stripe(),
            "whsec_invented",
            &[("Stripe-Signature", &stripe_header)],
            "{\"id\":\"evt_1\"}",
            AT + 301,
            Refusal::Stale,
        ),
        (
            "from the future",
            stripe(),
            "whsec_invented",
            &[("Stripe-Signature", &stripe_header)],
            "{\"id\":\"evt_1\"}",
            AT - 301,
            Refusal::Stale,
        ),
        (
            "two times",
            stripe(),
            "whsec_invented",
            &[("Stripe-Signature", &stripe_twice)],
            "{\"id\":\"evt_1\"}",
            AT,
            Refusal::Malformed,
        ),
        (
            "no time",
            stripe(),
            "whsec_invented",
            &[("Stripe-Signature", "v1=00")],
            "{}",
            AT,
            Refusal::Missing,
        ),
        (
            "a time that is none",
            slack(),
            "s",
            &[
                ("X-Slack-Signature", SLACK),
                ("X-Slack-Request-Timestamp", "now"),
            ],
            "",
            AT,
            Refusal::Malformed,
        ),
        (
            "no time header",
            slack(),
            "s",
            &[("X-Slack-Signature", SLACK)],
            "",
            AT,
            Refusal::Missing,
        ),
        (
            "another time",
            slack(),
            "8f742231b10e8888abcd99yyyzzz85a5",
            &[
                ("X-Slack-Signature", SLACK),
                ("X-Slack-Request-Timestamp", "1531420619"),
            ],
            SLACK_BODY,
            1_531_420_619,
            Refusal::Wrong,
        ),
        (
            "a body that is no JSON",
            linear(),
            "s",
            &[("Linear-Signature", "00")],
            "{",
            AT,
            Refusal::Malformed,
        ),
        (
            "a secret that is no Base64",
            standard(),
            "whsec_***",
            &[
                ("webhook-id", "m"),
                ("webhook-timestamp", "1700000000"),
                ("webhook-signature", "v1,AAAA"),
            ],
            "{}",
            AT,
            Refusal::Secret,
        ),
        (
            "no id",
            standard(),
            "whsec_AAAA",
            &[
                ("webhook-timestamp", "1700000000"),
                ("webhook-signature", "v1,AAAA"),
            ],
            "{}",
            AT,
            Refusal::Missing,
        ),
        (
            "another token",
            token(),
            "s3cret",
            &[("X-Gitlab-Token", "s3cres")],
            "{}",
            AT,
            Refusal::Wrong,
        ),
        (
            "no token",
            token(),
            "s3cret",
            &[],
            "{}",
            AT,
            Refusal::Missing,
        ),
        (
            "another password",
            check(json!({"basic": {}})),
            "gna:pass",
            &[("Authorization", "Basic Z25hOnBhc3Q=")],
            "{}",
            AT,
            Refusal::Wrong,
        ),
        (
            "no Basic",
            check(json!({"basic": {}})),
            "gna:pass",
            &[("Authorization", "Bearer x")],
            "{}",
            AT,
            Refusal::Malformed,
        ),
        (
            "an old JWT",
            jwt(),
            "invented",
            &[("Authorization", JWT_OLD)],
            "{}",
            AT,
            Refusal::Stale,
        ),
        (
            "a JWT that chooses no algorithm",
            jwt(),
            "invented",
            &[("Authorization", JWT_NONE)],
            "{}",
            AT,
            Refusal::Malformed,
        ),
        (
            "a JWT by another key",
            jwt(),
            "else",
            &[("Authorization", JWT)],
            "{}",
            AT,
            Refusal::Wrong,
        ),
        (
            "a JWT of another issuer",
            check(json!({"jwt": {"header": "Authorization", "algorithm": "HS256", "issuer": "x"}})),
            "invented",
            &[("Authorization", JWT)],
            "{}",
            AT,
            Refusal::Wrong,
        ),
        (
            "a JWT that needs keys",
            check(
                json!({"jwt": {"header": "Authorization", "algorithm": "RS256", "jwks_url": "https://x.example"}}),
            ),
            "s",
            &[("Authorization", JWT)],
            "{}",
            AT,
            Refusal::NeedsKeys,
        ),
    ] {
        assert_eq!(
            outcome(&check, secret, headers, body, at),
            Err(refusal),
            "{name}"
        );
    }
}

#[test]
fn a_refusal_says_what_to_do_and_nothing_secret() {
    for refusal in [
        Refusal::Missing,
        Refusal::Malformed,
        Refusal::Stale,
        Refusal::Wrong,
        Refusal::NeedsKeys,
        Refusal::Secret,
    ] {
        assert!(
            refusal.code().starts_with("hook.") && refusal.to_string().len() > 20,
            "{refusal:?}"
        );
    }
}
