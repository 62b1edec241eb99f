//! Tokens of an adopter: JWTs (RFC 7519), signed with a shared secret, or with a private key whose public
//! half is configured or published as a JWK set (RFC 7517).
//!
//! The algorithm follows from the kind of key that is configured, never from the token.

use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::port::Clock;
use gna_domain::port::adopter::{AdopterTokens, Named};
use gna_domain::port::egress::{Egress, Method, OutRequest};
use gna_domain::secret::Secret;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::sync::{Arc, PoisonError};
use tokio::sync::Mutex;

/// How long a key set is believed, in milliseconds: ten minutes.
const KEYS_MS: i64 = 600_000;
/// How long it is believed while no newer one can be read, in milliseconds: a day.
const KEYS_MAX_MS: i64 = 86_400_000;
/// A set that lacks a token's key is read again no sooner, in milliseconds.
const AGAIN_MS: i64 = 30_000;
/// After a failure the address is asked again no sooner, in milliseconds. Whoever sends tokens,
/// also false ones, can bring about one request in that time.
const FAILED_MS: i64 = 10_000;
/// How long the address may take to answer, in milliseconds.
const TIMEOUT_MS: u64 = 5_000;
/// What clocks may differ by, in seconds.
const LEEWAY: i64 = 60;
/// Longest token, in bytes.
const LONGEST: usize = 16_384;

/// What signs.
pub enum Keys {
    /// HS256 with a secret of at least 32 bytes.
    Secret(Secret),
    /// RS256 or ES256 by a public key in PEM.
    Pem(Secret),
    /// RS256 or ES256 by the keys at this address.
    Published(String),
}

/// What a token must say, and where it says whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// Name of the claim with the person's id, and of the one with the customer's.
    pub user: String,
    pub organization: String,
}

/// Checks tokens.
pub struct Tokens {
    keys: Held,
    claims: Claims,
    clock: Arc<dyn Clock>,
    egress: Arc<dyn Egress>,
}

enum Held {
    Fixed(Box<DecodingKey>, Algorithm),
    Published(Published),
}

/// Keys at an address.
struct Published {
    url: String,
    known: std::sync::Mutex<Known>,
    /// Held by whoever asks the address.
    asking: Mutex<()>,
}

/// The set that was read last; times in milliseconds.
#[derive(Default)]
struct Known {
    set: Option<(i64, JwkSet)>,
    /// When the address last failed to answer, if it did so since.
    failed: Option<i64>,
}

impl Known {
    fn key(&self, kid: Option<&str>) -> Option<&Jwk> {
        let (_, set) = self.set.as_ref()?;
        match kid {
            Some(kid) => set.find(kid),
            None => set.keys.first().filter(|_| set.keys.len() == 1),
        }
    }

    /// Whether the address is to be asked for the sake of a token with that key.
    fn is_due(&self, kid: Option<&str>, now: i64) -> bool {
        let rests = self.failed.is_some_and(|at| now < at + FAILED_MS);
        let is_stale = self.set.as_ref().is_none_or(|(at, set)| {
            let lacks = kid.is_some_and(|kid| set.find(kid).is_none());
            now >= at + KEYS_MS || (lacks && now >= at + AGAIN_MS)
        });
        is_stale && !rests
    }

    /// The key, if it is known and may still be believed.
    fn good(&self, kid: Option<&str>, now: i64) -> Result<Jwk> {
        let is_good = self
            .set
            .as_ref()
            .is_some_and(|(at, _)| now < at + KEYS_MAX_MS);
        match self.key(kid).filter(|_| is_good) {
            Some(key) => Ok(key.clone()),
            None if self.failed.is_some() => Err(unreadable()),
            None => Err(refused()),
        }
    }
}

fn refused() -> Error {
    Error::unauthenticated(
        "auth.invalid",
        "this session or token is not valid (any more); sign in again, or make a new token",
    )
}

fn unreadable() -> Error {
    Error::unavailable(
        "adopter.keys",
        "the keys at frigg.jwt_jwks_url can't be read; try again later",
    )
}

impl Tokens {
    /// # Errors
    /// `adopter.key` where the configured key is none.
    pub fn new(
        keys: Keys,
        claims: Claims,
        clock: Arc<dyn Clock>,
        egress: Arc<dyn Egress>,
    ) -> Result<Self> {
        let wrong = |what: &str| Error::invalid("adopter.key", what.to_owned());
        let keys = match keys {
            Keys::Secret(secret) if secret.expose().len() < 32 => {
                return Err(wrong("frigg.jwt_secret has fewer than 32 bytes"));
            }
            Keys::Secret(secret) => {
                let key = DecodingKey::from_secret(secret.expose().as_bytes());
                Held::Fixed(Box::new(key), Algorithm::HS256)
            }
            Keys::Pem(pem) => {
                let pem = pem.expose().as_bytes();
                let rsa = DecodingKey::from_rsa_pem(pem).map(|key| (key, Algorithm::RS256));
                let key = rsa
                    .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (key, Algorithm::ES256)));
                let (key, algorithm) =
                    key.map_err(|_| wrong("frigg.jwt_public_key is no public key in PEM"))?;
                Held::Fixed(Box::new(key), algorithm)
            }
            Keys::Published(url) => Held::Published(Published {
                url,
                known: std::sync::Mutex::default(),
                asking: Mutex::new(()),
            }),
        };
        Ok(Self {
            keys,
            claims,
            clock,
            egress,
        })
    }

    /// A set that is old is read anew; where that fails, or somebody else is at it, the old one serves
    /// whom it has the key of.
    async fn published(
        &self,
        of: &Published,
        kid: Option<&str>,
    ) -> Result<(DecodingKey, Algorithm)> {
        let now = self.clock.now().millis();
        let known = || of.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (is_due, is_known) = {
            let known = known();
            (known.is_due(kid, now), known.good(kid, now).is_ok())
        };
        if is_due {
            let asking = match of.asking.try_lock() {
                Ok(asking) => Some(asking),
                Err(_) if is_known => None,
                Err(_) => Some(of.asking.lock().await),
            };
            // Whoever waited finds what the one before it read.
            if asking.is_some() && known().is_due(kid, now) {
                let read = self.fetch(&of.url).await;
                let mut known = known();
                match read {
                    Ok(set) => {
                        known.set = Some((now, set));
                        known.failed = None;
                    }
                    Err(error) => {
                        tracing::warn!(code = error.code(), "the keys for tokens can't be read");
                        known.failed = Some(now);
                    }
                }
            }
        }
        let key = known().good(kid, now)?;
        let algorithm = match key.algorithm {
            jsonwebtoken::jwk::AlgorithmParameters::RSA(_) => Algorithm::RS256,
            jsonwebtoken::jwk::AlgorithmParameters::EllipticCurve(_) => Algorithm::ES256,
            // A published key that is a secret is none.
            _ => return Err(refused()),
        };
        let key = DecodingKey::from_jwk(&key).map_err(|_| refused())?;
        Ok((key, algorithm))
    }

    async fn fetch(&self, url: &str) -> Result<JwkSet> {
        let request = OutRequest::new(Method::Get, url.to_owned(), "adopter.keys")
            .timeout_ms(TIMEOUT_MS)
            .repeatable();
        let answer = self.egress.send(request).await?;
        let read = serde_json::from_slice(&answer.body).ok();
        read.filter(|_| answer.status == 200).ok_or_else(unreadable)
    }

    fn named(&self, claims: &Map<String, Value>) -> Result<Named> {
        let now = self.clock.now().millis() / 1_000;
        let time = |name: &str| claims.get(name).and_then(Value::as_i64);
        let lives = time("exp").is_some_and(|end| now < end.saturating_add(LEEWAY));
        let began = time("nbf").is_none_or(|begin| begin.saturating_sub(LEEWAY) <= now);
        if !lives || !began {
            return Err(refused());
        }
        let id = |name: &str| match claims.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let named = Named {
            user: id(&self.claims.user),
            organization: id(&self.claims.organization),
        };
        if named == Named::default() {
            return Err(refused());
        }
        Ok(named)
    }
}

#[async_trait]
impl AdopterTokens for Tokens {
    async fn read(&self, token: &Secret) -> Result<Named> {
        if token.expose().len() > LONGEST {
            return Err(refused());
        }
        let published;
        let (key, algorithm) = match &self.keys {
            Held::Fixed(key, algorithm) => (key.as_ref(), *algorithm),
            Held::Published(of) => {
                let header = decode_header(token.expose()).map_err(|_| refused())?;
                published = self.published(of, header.kid.as_deref()).await?;
                (&published.0, published.1)
            }
        };
        let mut rules = Validation::new(algorithm);
        // Times are compared with our own clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.required_spec_claims.clear();
        match &self.claims.audience {
            Some(audience) => {
                rules.set_audience(&[audience]);
                rules.required_spec_claims.insert("aud".to_owned());
            }
            None => rules.validate_aud = false,
        }
        if let Some(issuer) = &self.claims.issuer {
            rules.set_issuer(&[issuer]);
            rules.required_spec_claims.insert("iss".to_owned());
        }
        let read = decode::<Map<String, Value>>(token.expose(), key, &rules);
        self.named(&read.map_err(|_| refused())?.claims)
    }
}
