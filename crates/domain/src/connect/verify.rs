//! Whether an incoming webhook is from whom it says: a pure function over the raw bytes.
//!
//! Comparisons take the same time wherever the values differ. The answer names what was wrong for
//! logs and for whoever sets the hook up, and repeats nothing of the secret or the signature.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{KeyInit, Mac};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::fmt;
use subtle::ConstantTimeEq;

use super::module::{
    Check, Encoding, HashAlgorithm, Hmac, JwtAlgorithm, JwtCheck, SecretForm, TimeUnit, TokenCheck,
    Webhook,
};
use crate::secret::Secret;
use crate::time::Timestamp;

/// Most signatures of one header that are compared.
const MOST_SIGNATURES: usize = 10;

/// A webhook as it came in.
pub struct Delivery<'a> {
    pub method: &'a str,
    /// The whole address by which the app reaches us, as it was registered, with the query.
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
}

/// Why a webhook is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The header, parameter or field with the proof is not there.
    Missing,
    /// It is there but not in the form that the module describes.
    Malformed,
    /// The time is further from ours than allowed.
    Stale,
    /// The proof is wrong.
    Wrong,
    /// The check needs keys that are fetched first; ask the JWT port.
    NeedsKeys,
    /// The secret that was set up does not have the right form.
    Secret,
}

impl Refusal {
    /// Stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "hook.signature_missing",
            Self::Malformed => "hook.signature_malformed",
            Self::Stale => "hook.stale",
            Self::Wrong => "hook.signature_wrong",
            Self::NeedsKeys => "hook.needs_keys",
            Self::Secret => "hook.secret",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the webhook carries no signature; set the secret in the app",
            Self::Malformed => "the webhook's signature is not in the form that this app uses",
            Self::Stale => "the webhook's time is too far from ours; check both clocks",
            Self::Wrong => {
                "the webhook's signature is wrong; the secret here and in the app must be the same"
            }
            Self::NeedsKeys => "the webhook is signed by a key that is not known yet",
            Self::Secret => {
                "the webhook's secret is not in the form that this app uses; copy it once more"
            }
        })
    }
}

impl std::error::Error for Refusal {}

impl Delivery<'_> {
    /// The value of a header. Nothing where it is there twice: whoever adds one must not choose
    /// which counts.
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let first = found.next()?;
        found.next().is_none().then_some(first.1.as_str())
    }

    fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.url.split_once('?')?;
        let query = query.split('#').next().unwrap_or_default();
        let mut found = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(other, _)| *other == name);
        let (_, value) = found.next()?;
        let value = value.replace('+', " ");
        found.next().is_none().then(|| {
            percent_encoding::percent_decode_str(&value)
                .decode_utf8_lossy()
                .into_owned()
        })
    }
}

/// Checks a webhook. `now` is compared with its time, where it has one.
///
/// # Errors
/// Why it is not believed.
pub fn verify(
    check: &Check,
    secret: &Secret,
    delivery: &Delivery<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if secret.expose().is_empty() {
        return Err(Refusal::Secret);
    }
    match check {
        Check::Hmac(hmac) => verify_hmac(hmac, secret, delivery, now),
        Check::Token(token) => verify_token(token, secret, delivery),
        Check::Basic(_) => {
            let header = delivery.header("authorization").ok_or(Refusal::Missing)?;
            let pair = header.strip_prefix("Basic ").ok_or(Refusal::Malformed)?;
            let pair = STANDARD
                .decode(pair.trim())
                .map_err(|_| Refusal::Malformed)?;
            same(&pair, secret.expose().as_bytes())
        }
        Check::Jwt(jwt) => verify_jwt(jwt, secret, delivery, now),
    }
}

fn same(given: &[u8], expected: &[u8]) -> Result<(), Refusal> {
    if bool::from(given.ct_eq(expected)) {
        Ok(())
    } else {
        Err(Refusal::Wrong)
    }
}

fn verify_token(
    check: &TokenCheck,
    secret: &Secret,
    delivery: &Delivery<'_>,
) -> Result<(), Refusal> {
    let in_header = || {
        let value = check
            .header
            .as_deref()
            .and_then(|name| delivery.header(name))?;
        Some(value.strip_prefix(check.prefix.as_str())?.to_owned())
    };
    let in_query = || check.query.as_deref().and_then(|name| delivery.query(name));
    let in_body = || {
        let pointer = check.pointer.as_deref()?;
        let body: Value = serde_json::from_slice(delivery.body).ok()?;
        body.pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let token = in_header()
        .or_else(in_query)
        .or_else(in_body)
        .ok_or(Refusal::Missing)?;
    same(token.as_bytes(), secret.expose().as_bytes())
}

fn verify_hmac(
    check: &Hmac,
    secret: &Secret,
    delivery: &Delivery<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let header = delivery.header(&check.header).ok_or(Refusal::Missing)?;
    let pairs = pairs(check, header);
    let signatures: Vec<&str> = match (&check.parts, &check.separator) {
        (Some(parts), _) => pairs
            .iter()
            .filter(|(name, _)| *name == parts.signature)
            .map(|(_, value)| *value)
            .collect(),
        (None, Some(separator)) => header.split(separator.as_str()).map(str::trim).collect(),
        (None, None) => vec![header.trim()],
    };
    let signatures: Vec<Vec<u8>> = signatures
        .into_iter()
        .filter_map(|signature| signature.strip_prefix(check.prefix.as_str()))
        .filter_map(|signature| decode(check.encoding, signature))
        .filter(|signature| !signature.is_empty())
        .take(MOST_SIGNATURES)
        .collect();
    if signatures.is_empty() {
        return Err(Refusal::Malformed);
    }
    let timestamp = timestamp(check, &pairs, delivery)?;
    if let Some(timestamp) = &timestamp {
        fresh(timestamp, check, now)?;
    }
    let key = key(&check.secret, secret)?;
    let content = content(check, timestamp.as_deref(), delivery)?;
    let expected = digest(check.algorithm, &key, &content)?;
    let fits = signatures.iter().fold(false, |fits, signature| {
        fits | bool::from(signature.as_slice().ct_eq(&expected))
    });
    if fits { Ok(()) } else { Err(Refusal::Wrong) }
}

/// What the proof of a webhook covers, where it leaves out the delivery's id: whoever listened could
/// send the same under another one. Nothing where the id is covered, where equal bodies are no repeats,
/// and where the proof covers nothing of what is sent.
#[must_use]
pub fn covered_without_id(webhook: &Webhook, delivery: &Delivery<'_>) -> Option<Vec<u8>> {
    let Check::Hmac(check) = &webhook.check else {
        return None;
    };
    let id = webhook.delivery_header.as_deref()?;
    let signs_id = check.content.contains("{id}")
        && check
            .id_header
            .as_deref()
            .is_some_and(|signed| signed.eq_ignore_ascii_case(id));
    if signs_id || webhook.same_body {
        return None;
    }
    let header = delivery.header(&check.header)?;
    let timestamp = timestamp(check, &pairs(check, header), delivery).ok()?;
    content(check, timestamp.as_deref(), delivery).ok()
}

/// The `name=value` parts of a header, where the module says that it has them.
fn pairs<'h>(check: &Hmac, header: &'h str) -> Vec<(&'h str, &'h str)> {
    let Some(parts) = &check.parts else {
        return Vec::new();
    };
    header
        .split(parts.separator.as_str())
        .filter_map(|part| part.trim().split_once('='))
        .collect()
}

fn decode(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => hex::decode(text).ok(),
        Encoding::Base64 => STANDARD
            .decode(text)
            .or_else(|_| STANDARD_NO_PAD.decode(text))
            .ok(),
    }
}

fn timestamp(
    check: &Hmac,
    pairs: &[(&str, &str)],
    delivery: &Delivery<'_>,
) -> Result<Option<String>, Refusal> {
    let in_parts = check
        .parts
        .as_ref()
        .and_then(|parts| parts.timestamp.as_deref());
    if let Some(name) = in_parts {
        let mut found = pairs.iter().filter(|(other, _)| *other == name);
        let value = found.next().map(|(_, value)| (*value).to_owned());
        return if found.next().is_some() {
            Err(Refusal::Malformed)
        } else {
            value.ok_or(Refusal::Missing).map(Some)
        };
    }
    if let Some(name) = &check.timestamp_header {
        return delivery
            .header(name)
            .ok_or(Refusal::Missing)
            .map(|value| Some(value.trim().to_owned()));
    }
    let Some(pointer) = &check.timestamp_pointer else {
        return Ok(None);
    };
    let body: Value = serde_json::from_slice(delivery.body).map_err(|_| Refusal::Malformed)?;
    match body.pointer(pointer) {
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        _ => Err(Refusal::Missing),
    }
}

fn fresh(timestamp: &str, check: &Hmac, now: Timestamp) -> Result<(), Refusal> {
    let number: i64 = timestamp.parse().map_err(|_| Refusal::Malformed)?;
    let millis = match check.timestamp_unit {
        TimeUnit::Seconds => number.saturating_mul(1_000),
        TimeUnit::Millis => number,
    };
    let tolerance = i64::from(check.tolerance_seconds.unwrap_or_default()).saturating_mul(1_000);
    let distance = now.millis().saturating_sub(millis).saturating_abs();
    if distance <= tolerance {
        Ok(())
    } else {
        Err(Refusal::Stale)
    }
}

fn key(form: &SecretForm, secret: &Secret) -> Result<Vec<u8>, Refusal> {
    match form {
        SecretForm::Text => Ok(secret.expose().as_bytes().to_vec()),
        SecretForm::Base64 { prefix } => {
            let text = secret.expose();
            decode(
                Encoding::Base64,
                text.strip_prefix(prefix.as_str()).unwrap_or(text),
            )
            .ok_or(Refusal::Secret)
        }
    }
}

/// The signed bytes. The body is put in as it is, so it need not be text.
fn content(
    check: &Hmac,
    timestamp: Option<&str>,
    delivery: &Delivery<'_>,
) -> Result<Vec<u8>, Refusal> {
    let id = match &check.id_header {
        Some(name) => Some(delivery.header(name).ok_or(Refusal::Missing)?),
        None => None,
    };
    let mut content = Vec::with_capacity(delivery.body.len().saturating_add(64));
    let mut rest = check.content.as_str();
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        content.extend_from_slice(before.as_bytes());
        let known: [(&str, &[u8]); 5] = [
            ("{body}", delivery.body),
            ("{timestamp}", timestamp.unwrap_or_default().as_bytes()),
            ("{id}", id.unwrap_or_default().as_bytes()),
            ("{method}", delivery.method.as_bytes()),
            ("{url}", delivery.url.as_bytes()),
        ];
        let Some((name, bytes)) = known.into_iter().find(|(name, _)| from.starts_with(name)) else {
            return Err(Refusal::Malformed);
        };
        content.extend_from_slice(bytes);
        rest = from.strip_prefix(name).unwrap_or_default();
    }
    content.extend_from_slice(rest.as_bytes());
    Ok(content)
}

/// The keyed hash (RFC 2104). A key may have any length.
fn digest(algorithm: HashAlgorithm, key: &[u8], content: &[u8]) -> Result<Vec<u8>, Refusal> {
    fn run<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| Refusal::Secret)?;
        mac.update(content);
        Ok(mac.finalize().into_bytes().to_vec())
    }
    match algorithm {
        HashAlgorithm::Sha256 => run::<hmac::Hmac<Sha256>>(key, content),
        HashAlgorithm::Sha512 => run::<hmac::Hmac<Sha512>>(key, content),
        HashAlgorithm::Sha1 => run::<hmac::Hmac<Sha1>>(key, content),
    }
}

/// HS256 only (RFC 7518, section 3.2): the other algorithms need keys from the issuer.
fn verify_jwt(
    check: &JwtCheck,
    secret: &Secret,
    delivery: &Delivery<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if check.algorithm != JwtAlgorithm::HS256 {
        return Err(Refusal::NeedsKeys);
    }
    let header = delivery.header(&check.header).ok_or(Refusal::Missing)?;
    let token = header.strip_prefix("Bearer ").unwrap_or(header).trim();
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (head, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
    let json = |part: &str| -> Result<Value, Refusal> {
        let bytes = URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| Refusal::Malformed)?;
        serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed)
    };
    // RFC 8725, section 3.1: the algorithm is ours to choose, never the token's.
    if json(head)?.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(Refusal::Malformed);
    }
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| Refusal::Malformed)?;
    let expected = digest(
        HashAlgorithm::Sha256,
        secret.expose().as_bytes(),
        signed.as_bytes(),
    )?;
    same(&signature, &expected)?;
    let claims = json(claims)?;
    let now = now.millis().div_euclid(1_000);
    let second = |name: &str| claims.get(name).and_then(Value::as_i64);
    if second("exp").is_some_and(|until| now > until.saturating_add(60))
        || second("nbf").is_some_and(|from| now.saturating_add(60) < from)
    {
        return Err(Refusal::Stale);
    }
    if let Some(issuer) = &check.issuer
        && claims.get("iss").and_then(Value::as_str) != Some(issuer)
    {
        return Err(Refusal::Wrong);
    }
    Ok(())
}

#[cfg(test)]
#[path = "verify_vectors.rs"]
mod vectors;

#[cfg(test)]
#[path = "verify_covered.rs"]
mod covered;
