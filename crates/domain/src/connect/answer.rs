//! What an app answered, and what it means before anybody looks at its content.

use serde_json::Value;
use std::fmt;

use crate::error::{Error, Kind};

/// An answer as the egress hands it over.
#[derive(Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// JSON; a text where it is none; `null` where there is none.
    pub body: Value,
}

impl Answer {
    /// Reads the bytes as JSON where they are, else as text.
    #[must_use]
    pub fn new(status: u16, headers: Vec<(String, String)>, bytes: &[u8]) -> Self {
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(bytes)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
        };
        Self {
            status,
            headers,
            body,
        }
    }

    /// The first value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.status)
    }
}

/// What a failed call means for the caller.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The credential is not accepted: refresh it, or ask the user to connect again.
    Unauthorized,
    /// The credential is accepted, the account may not do this.
    Forbidden,
    NotFound,
    /// Somebody else changed it, or it exists already.
    Conflict,
    /// The request is wrong; sending it again will not help.
    Invalid,
    /// Too many requests: wait as told.
    Throttled,
    /// The app is out of order; trying again may help.
    Transient,
}

impl Class {
    /// What a status means where the module says nothing else (RFC 9110, section 15; RFC 6585).
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            200..=399 => None,
            401 => Some(Self::Unauthorized),
            402 | 403 | 451 => Some(Self::Forbidden),
            404 | 410 => Some(Self::NotFound),
            409 | 412 => Some(Self::Conflict),
            429 => Some(Self::Throttled),
            408 | 423 | 425 | 500..=599 => Some(Self::Transient),
            _ => Some(Self::Invalid),
        }
    }

    /// Stable code of the domain's error.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "app.unauthorized",
            Self::Forbidden => "app.forbidden",
            Self::NotFound => "app.not_found",
            Self::Conflict => "app.conflict",
            Self::Invalid => "app.refused",
            Self::Throttled => "app.throttled",
            Self::Transient => "app.unavailable",
        }
    }
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    pub class: Class,
    pub status: u16,
    /// The app's own words, short and without control characters. Only from where the module says
    /// that messages are.
    pub message: Option<String>,
    /// Milliseconds to wait, where the app or the module says so.
    pub wait_ms: Option<i64>,
}

impl Failed {
    /// As an error for the user. `app` is the module's label.
    #[must_use]
    pub fn error(&self, app: &str) -> Error {
        let said = self
            .message
            .as_deref()
            .map(|message| format!(": {message}"))
            .unwrap_or_default();
        let status = self.status;
        let (kind, text) = match self.class {
            Class::Unauthorized => (
                Kind::Upstream,
                format!("{app} does not accept the credentials{said}; connect the account again"),
            ),
            Class::Forbidden => (
                Kind::Upstream,
                format!(
                    "{app} does not allow this to the connected account{said}; check its permissions there"
                ),
            ),
            Class::NotFound => (Kind::Upstream, format!("{app} does not know it{said}")),
            Class::Conflict => (Kind::Upstream, format!("{app} reports a conflict{said}")),
            Class::Invalid => (
                Kind::Upstream,
                format!("{app} refused the request with status {status}{said}"),
            ),
            Class::Throttled => (Kind::Upstream, format!("{app} asks to slow down{said}")),
            Class::Transient => (
                Kind::Upstream,
                format!("{app} is out of order, status {status}{said}"),
            ),
        };
        let error = Error::new(kind, self.class.code(), text);
        match self.wait_ms {
            Some(wait) => {
                error.after_seconds(u64::try_from(wait.saturating_add(999) / 1_000).unwrap_or(0))
            }
            None => error,
        }
    }
}
