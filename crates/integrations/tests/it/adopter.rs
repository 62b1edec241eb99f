//! Tokens that an adopter signs: what holds, and what must not.

use gna_domain::port::AdopterTokens;
use gna_domain::port::adopter::Named;
use gna_domain::secret::Secret;
use gna_integrations::framework::adopter::{Claims, Keys, Tokens};
use gna_testkit::World;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const RSA: (&str, &str) = (
    include_str!("../../fixtures/keys/rsa.invented.pem"),
    include_str!("../../fixtures/keys/rsa.invented.pub.pem"),
);
const EC: (&str, &str) = (
    include_str!("../../fixtures/keys/ec.invented.pem"),
    include_str!("../../fixtures/keys/ec.invented.pub.pem"),
);
const SECRET: &str = "thirty-two bytes of shared secret";

fn checker(world: &World, keys: Keys) -> Tokens {
    let claims = Claims {
        issuer: Some("https://product.example".to_owned()),
        audience: Some("gna".to_owned()),
        user: "sub".to_owned(),
        organization: "org".to_owned(),
    };
    let (clock, egress) = (world.ports.clock.clone(), world.ports.egress.clone());
    Tokens::new(keys, claims, clock, egress).expect("a key")
}

fn key(algorithm: Algorithm, pem: &str) -> EncodingKey {
    match algorithm {
        Algorithm::HS256 => EncodingKey::from_secret(pem.as_bytes()),
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()).expect("a key"),
        _ => EncodingKey::from_rsa_pem(pem.as_bytes()).expect("a key"),
    }
}

fn signed(algorithm: Algorithm, pem: &str, kid: Option<&str>, claims: &Value) -> Secret {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    Secret::new(encode(&header, claims, &key(algorithm, pem)).expect("signs"))
}

fn claims(world: &World) -> Value {
    let now = world.ports.clock.now().millis() / 1_000;
    json!({"iss": "https://product.example", "aud": "gna", "sub": "7", "org": 4, "exp": now + 60, "nbf": now})
}

async fn code(tokens: &Tokens, token: &Secret) -> &'static str {
    tokens.read(token).await.expect_err("is refused").code()
}

#[tokio::test]
async fn each_kind_of_key_lets_its_own_signature_in() {
    let world = World::new().await;
    let named = Named {
        user: Some("7".to_owned()),
        organization: Some("4".to_owned()),
    };
    for (keys, algorithm, pem) in [
        (Keys::Secret(Secret::new(SECRET)), Algorithm::HS256, SECRET),
        (Keys::Pem(Secret::new(RSA.1)), Algorithm::RS256, RSA.0),
        (Keys::Pem(Secret::new(EC.1)), Algorithm::ES256, EC.0),
    ] {
        let tokens = checker(&world, keys);
        let good = signed(algorithm, pem, None, &claims(&world));
        assert_eq!(tokens.read(&good).await.expect("holds"), named);
        // The public key is no secret to sign with, and another key is another key.
        for (other, pem) in [
            (Algorithm::HS256, RSA.1),
            (Algorithm::HS256, "another secret of thirty-two bytes"),
            (Algorithm::RS384, RSA.0),
        ] {
            let forged = signed(other, pem, None, &claims(&world));
            assert_eq!(
                code(&tokens, &forged).await,
                "auth.invalid",
                "{algorithm:?} {other:?}"
            );
        }
    }
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3IiwiZXhwIjo5OTk5OTk5OTk5fQ.";
    let tokens = checker(&world, Keys::Secret(Secret::new(SECRET)));
    for text in [unsigned, "", "a.b.c", &"a".repeat(20_000)] {
        assert_eq!(code(&tokens, &Secret::new(text)).await, "auth.invalid");
    }
}

#[tokio::test]
async fn a_token_must_be_of_its_time_and_for_us() {
    let world = World::new().await;
    let tokens = checker(&world, Keys::Secret(Secret::new(SECRET)));
    let now = world.ports.clock.now().millis() / 1_000;
    for (field, value) in [
        ("exp", json!(now - 61)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("nbf", json!(now + 120)),
        ("iss", json!("https://evil.example")),
        ("iss", Value::Null),
        ("aud", json!("other")),
        ("aud", Value::Null),
    ] {
        let mut all = claims(&world);
        all[field] = value.clone();
        if value.is_null() {
            all.as_object_mut().expect("an object").remove(field);
        }
        let token = signed(Algorithm::HS256, SECRET, None, &all);
        assert_eq!(
            code(&tokens, &token).await,
            "auth.invalid",
            "{field} {value}"
        );
    }
    for short in ["", "short"] {
        let claims = Claims {
            issuer: None,
            audience: None,
            user: "sub".to_owned(),
            organization: "org".to_owned(),
        };
        let (clock, egress) = (world.ports.clock.clone(), world.ports.egress.clone());
        let made = Tokens::new(Keys::Secret(Secret::new(short)), claims, clock, egress);
        assert_eq!(made.err().map(|error| error.code()), Some("adopter.key"));
    }
}

#[tokio::test]
async fn an_address_of_keys_that_is_down_is_left_alone_and_known_keys_serve_on() {
    let world = World::new().await;
    let mut published =
        Jwk::from_encoding_key(&key(Algorithm::RS256, RSA.0), Algorithm::RS256).expect("a key");
    published.common.key_id = Some("one".to_owned());
    let set = json!({ "keys": [published] });
    let url = "https://product.example/keys".to_owned();
    let tokens = checker(&world, Keys::Published(url));
    let good = || signed(Algorithm::RS256, RSA.0, Some("one"), &claims(&world));
    let false_ = || signed(Algorithm::ES256, EC.0, Some("two"), &claims(&world));
    let asked = || world.egress.asked().len();
    // Down from the start: a flood of tokens brings about one request.
    for _ in 0..50 {
        assert_eq!(code(&tokens, &false_()).await, "adopter.keys");
    }
    assert_eq!(asked(), 1);
    assert!(world.egress.asked()[0].timeout_ms <= 5_000);
    world.clock.advance_millis(11_000);
    world.egress.push_json(200, &set);
    assert!(tokens.read(&good()).await.is_ok());
    assert_eq!(asked(), 2);
    // It goes down again, and the set grows old: who has a known key gets in.
    world.clock.advance_millis(700_000);
    for _ in 0..50 {
        assert!(tokens.read(&good()).await.is_ok());
        assert_eq!(code(&tokens, &false_()).await, "adopter.keys");
    }
    assert_eq!(asked(), 3);
    world.clock.advance_millis(11_000);
    assert!(tokens.read(&good()).await.is_ok());
    assert_eq!(asked(), 4);
    // Not for ever: a key may have been withdrawn because it was stolen.
    world.clock.advance_millis(90_000_000);
    assert_eq!(code(&tokens, &good()).await, "adopter.keys");
}

#[tokio::test]
async fn published_keys_are_read_when_they_are_needed_and_again_when_they_change() {
    let world = World::new().await;
    let set = |algorithm: Algorithm, pem: &str, kid: &str| {
        let mut key = Jwk::from_encoding_key(&key(algorithm, pem), algorithm).expect("a key");
        key.common.key_id = Some(kid.to_owned());
        json!({ "keys": [key] })
    };
    let url = "https://product.example/keys".to_owned();
    let tokens = checker(&world, Keys::Published(url));
    let first = signed(Algorithm::RS256, RSA.0, Some("one"), &claims(&world));
    assert_eq!(code(&tokens, &first).await, "adopter.keys");
    world.clock.advance_millis(11_000);
    world
        .egress
        .push_json(200, &set(Algorithm::RS256, RSA.0, "one"));
    assert!(tokens.read(&first).await.is_ok());
    assert!(tokens.read(&first).await.is_ok());
    assert_eq!(
        world.egress.asked().len(),
        2,
        "known keys are not asked for again"
    );
    // A key that is not known: the set is read again, but not for every such token.
    let second = signed(Algorithm::ES256, EC.0, Some("two"), &claims(&world));
    assert_eq!(code(&tokens, &second).await, "auth.invalid");
    assert_eq!(world.egress.asked().len(), 2);
    world.clock.advance_millis(31_000);
    world
        .egress
        .push_json(200, &set(Algorithm::ES256, EC.0, "two"));
    let second = signed(Algorithm::ES256, EC.0, Some("two"), &claims(&world));
    assert!(tokens.read(&second).await.is_ok());
    assert_eq!(
        code(&tokens, &first).await,
        "auth.invalid",
        "it is no longer published"
    );
}
