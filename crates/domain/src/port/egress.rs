//! The one way out: every request that Gna makes to another system goes through [`Egress`].
//!
//! The implementation guards it (addresses, redirects, sizes, times); what must be tried again and
//! when is decided by [`crate::rules::retry`]. Nothing here prints a secret: headers and query
//! parameters that were marked, bodies, and whatever looks like one.

use async_trait::async_trait;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;

use crate::error::{Error, Kind};
use crate::rules::redact::{redacted_header, redacted_url};
use crate::secret::Secret;

/// Milliseconds that one attempt may take, connecting and reading the whole answer included,
/// unless the request says otherwise.
pub const TIMEOUT_MS: u64 = 60_000;
/// Largest answer in bytes after decompression, unless the request says otherwise: 8 MiB.
pub const LARGEST_ANSWER: u64 = 8 * 1_024 * 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Upper case only, as HTTP has it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Get,
            Self::Head,
            Self::Options,
            Self::Post,
            Self::Put,
            Self::Patch,
            Self::Delete,
        ]
        .into_iter()
        .find(|method| method.as_str() == text)
    }

    /// Whether doing it twice is meant to be as doing it once (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }
}

/// The value of a header. What is a secret is marked by whoever made it, and is never printed.
#[derive(Clone)]
pub enum HeaderText {
    Plain(String),
    Secret(Secret),
}

impl HeaderText {
    /// For the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
        }
    }

    /// Secrets are dropped when a redirect leads to another origin.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

#[derive(Clone)]
pub struct Header {
    pub name: String,
    pub value: HeaderText,
}

impl Header {
    pub fn plain(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: HeaderText::Plain(value.into()),
        }
    }

    pub fn secret(name: impl Into<String>, value: Secret) -> Self {
        Self {
            name: name.into(),
            value: HeaderText::Secret(value),
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = match &self.value {
            HeaderText::Plain(text) => redacted_header(&self.name, text),
            HeaderText::Secret(_) => "[secret]".into(),
        };
        write!(f, "{}: {shown}", self.name)
    }
}

/// What is sent. Printed as its size only: bodies hold secrets and other people's data.
#[derive(Clone)]
pub struct Body {
    /// `application/json`, `application/x-www-form-urlencoded`.
    pub content_type: String,
    pub bytes: Bytes,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes of {}]", self.bytes.len(), self.content_type)
    }
}

/// What to do with an answer that points elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// The answer is given to the caller as it is. For everything that carries credentials in its
    /// body, such as token requests.
    Return,
    /// At most five, each checked like a first request; secrets are dropped where the origin
    /// changes, and a body is never repeated to another origin.
    Follow,
}

/// One request. Made by [`OutRequest::new`] and the methods that return it changed.
#[derive(Clone)]
pub struct OutRequest {
    pub method: Method,
    /// Absolute, `https:` or (where the guard allows it) `http:`; without user part.
    pub url: String,
    /// Query parameters that are secrets, added to the address when it is sent and never printed.
    pub secret_query: Vec<(String, Secret)>,
    pub headers: Vec<Header>,
    pub body: Option<Body>,
    /// For one attempt, connecting and reading the whole answer included; milliseconds.
    pub timeout_ms: u64,
    /// Bytes after decompression; a longer answer is an error.
    pub largest_answer: u64,
    /// The body is not read: an answer counts however long, slow or broken the rest of it is.
    pub status_only: bool,
    pub redirects: Redirects,
    /// What it is for, stable and few: `oauth2.token`, `jira.test`. For metrics and the log; holds no value.
    pub purpose: Cow<'static, str>,
    /// Whether the other side does the work once however often it is asked: true by itself for
    /// idempotent methods, and for others where an idempotency key goes with the request.
    pub repeatable: bool,
}

impl OutRequest {
    pub fn new(
        method: Method,
        url: impl Into<String>,
        purpose: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            method,
            url: url.into(),
            secret_query: Vec::new(),
            headers: Vec::new(),
            body: None,
            timeout_ms: TIMEOUT_MS,
            largest_answer: LARGEST_ANSWER,
            status_only: false,
            redirects: Redirects::Return,
            purpose: purpose.into(),
            repeatable: method.is_idempotent(),
        }
    }

    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.headers.push(header);
        self
    }

    #[must_use]
    pub fn secret_query(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.secret_query.push((name.into(), value));
        self
    }

    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        self.body = Some(Body {
            content_type: content_type.into(),
            bytes: bytes.into(),
        });
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.body("application/json", value.to_string())
    }

    #[must_use]
    pub fn timeout_ms(mut self, millis: u64) -> Self {
        self.timeout_ms = millis;
        self
    }

    #[must_use]
    pub fn largest_answer(mut self, bytes: u64) -> Self {
        self.largest_answer = bytes;
        self
    }

    /// For a request whose answer says everything by its status and headers; its body comes empty.
    #[must_use]
    pub fn status_only(mut self) -> Self {
        self.status_only = true;
        self
    }

    #[must_use]
    pub fn following_redirects(mut self) -> Self {
        self.redirects = Redirects::Follow;
        self
    }

    /// Promises that the other side takes it once however often it comes.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

impl fmt::Debug for OutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query: Vec<&str> = self
            .secret_query
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        f.debug_struct("OutRequest")
            .field("method", &self.method)
            .field("url", &redacted_url(&self.url))
            .field("secret_query", &query)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status. Bodies are not printed.
#[derive(Clone)]
pub struct OutResponse {
    pub status: u16,
    /// Names in lower case, in the order received; a name may occur more than once.
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Bytes,
}

impl OutResponse {
    /// The first value of a header; the name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(has, _)| has == name)
            .map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `upstream.malformed`; the body itself is not in the message.
    pub fn json(&self) -> Result<serde_json::Value, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::new(
                Kind::Upstream,
                "upstream.malformed",
                format!(
                    "the other side's answer is not JSON (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            )
        })
    }
}

impl fmt::Debug for OutResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", redacted_header(name, value)))
            .collect();
        f.debug_struct("OutResponse")
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &format_args!("[{} bytes]", self.body.len()))
            .finish()
    }
}

/// Whether the other side may have done what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Certainly not: nothing was sent.
    NotSent,
    /// It may have: what was sent can be used up (a refresh token), or done (a ticket made).
    Unknown,
}

/// What went wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The address can't be read, or is not one that may be sent to whatever it resolves to.
    Address,
    /// The guard does not let requests out to there.
    Refused,
    /// The name has no address, or the name server does not answer.
    Resolve,
    Connect,
    Tls,
    Timeout,
    /// The answer is longer than was asked for.
    TooLarge,
    /// The connection ended before the answer did.
    Reset,
    /// The answer is not HTTP, or compressed in a way that was not offered.
    Protocol,
    /// Too many redirects, or one that may not be followed.
    Redirect,
}

impl Failure {
    pub const ALL: [Self; 10] = [
        Self::Address,
        Self::Refused,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::TooLarge,
        Self::Reset,
        Self::Protocol,
        Self::Redirect,
    ];

    /// Stable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Address => "egress.address",
            Self::Refused => "egress.refused",
            Self::Resolve => "egress.resolve",
            Self::Connect => "egress.connect",
            Self::Tls => "egress.tls",
            Self::Timeout => "egress.timeout",
            Self::TooLarge => "egress.too_large",
            Self::Reset => "egress.reset",
            Self::Protocol => "egress.protocol",
            Self::Redirect => "egress.redirect",
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Resolve | Self::Connect | Self::Timeout | Self::Reset
        )
    }
}

/// No answer. The message says what and what to do, and holds no secret: a host and a reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EgressError {
    pub failure: Failure,
    pub delivery: Delivery,
    pub message: String,
}

impl EgressError {
    /// Before anything was sent.
    pub fn not_sent(failure: Failure, message: impl Into<String>) -> Self {
        Self {
            failure,
            delivery: Delivery::NotSent,
            message: message.into(),
        }
    }

    /// After something may have been sent.
    pub fn unknown(failure: Failure, message: impl Into<String>) -> Self {
        Self {
            failure,
            delivery: Delivery::Unknown,
            message: message.into(),
        }
    }

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.failure.code()
    }
}

impl From<EgressError> for Error {
    fn from(error: EgressError) -> Self {
        let kind = match error.failure {
            Failure::Address | Failure::Refused => Kind::Invalid,
            _ => Kind::Upstream,
        };
        Self::new(kind, error.code(), error.message)
    }
}

#[async_trait]
pub trait Egress: Send + Sync + 'static {
    /// Sends once. Any status is an answer.
    ///
    /// # Errors
    /// There is no answer; see [`EgressError`].
    async fn send(&self, request: OutRequest) -> Result<OutResponse, EgressError>;

    /// Whether requests to an address may leave at all, before anything is resolved: to refuse it
    /// when it is saved. What it resolves to is checked with each request.
    ///
    /// # Errors
    /// `Failure::Address` or `Failure::Refused`, with what to do.
    fn permits(&self, url: &str) -> Result<(), EgressError> {
        let _ = url;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_secret_is_printed() {
        let request = OutRequest::new(
            Method::Post,
            "https://user:hunter2@example.com/a?access_token=hunter2&page=2",
            "test",
        )
        .header(Header::secret("x-strange", Secret::new("hunter2")))
        .header(Header::plain("Authorization", "Bearer hunter2"))
        .header(Header::plain("accept", "application/json"))
        .secret_query("appid", Secret::new("hunter2"))
        .body("text/plain", "hunter2");
        let printed = format!("{request:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
        for seen in ["page=2", "accept: application/json", "appid", "7 bytes"] {
            assert!(printed.contains(seen), "{seen} in {printed}");
        }
        let answer = OutResponse {
            status: 200,
            headers: vec![("set-cookie".into(), "sid=hunter2".into())],
            body: Bytes::from_static(b"hunter2"),
        };
        assert!(!format!("{answer:?}").contains("hunter2"));
        assert!(
            !answer
                .json()
                .expect_err("no JSON")
                .message()
                .contains("hunter2")
        );
    }

    #[test]
    fn codes_are_one_each() {
        let mut codes: Vec<&str> = Failure::ALL.iter().map(|failure| failure.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Failure::ALL.len());
    }
}
