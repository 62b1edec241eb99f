//! A request as it will be sent: a plain value that the egress port carries out.
//!
//! It holds secrets, in headers, body and sometimes the address; it prints its label and method only.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fmt;

/// Unreserved characters of RFC 3986, section 2.3, stay; all else is encoded.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is sent.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// `module.what`, for logs: holds no value.
    pub label: String,
    pub method: Method,
    /// Complete, with the query.
    pub url: String,
    /// Names in the spelling of the module; `Content-Type` is among them where there is a body.
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// Methods that modules may use.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// RFC 9110, section 9.2.2: carrying it out twice has the effect of once.
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }
}

/// The body before it is written out.
#[derive(Clone, PartialEq)]
pub enum Body {
    None,
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    Text(String),
}

impl Body {
    /// What `Content-Type` says unless the module says something else.
    #[must_use]
    pub fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Json(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Text(_) => Some("text/plain; charset=utf-8"),
        }
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Form(pairs) => query(pairs).into_bytes(),
            Self::Text(text) => text.clone().into_bytes(),
        }
    }
}

impl Request {
    /// The value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method.name(), self.label)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({})", self.content_type().unwrap_or("none"))
    }
}

/// One part of a path, a query or a form, encoded.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Pairs as a query or a form. A space is `%20`, which both forms read.
#[must_use]
pub fn query(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// An address with pairs added to what query it has.
#[must_use]
pub fn with_query(url: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return url.to_owned();
    }
    let (url, fragment) = url
        .split_once('#')
        .map_or((url, None), |(url, rest)| (url, Some(rest)));
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, before)) if before.ends_with('&') => "",
        Some(_) => "&",
    };
    let mut whole = format!("{url}{separator}{}", query(pairs));
    if let Some(fragment) = fragment {
        whole.push('#');
        whole.push_str(fragment);
    }
    whole
}

/// Scheme, host and port of an address in lower case, where it is one of HTTP without user
/// information in it.
#[must_use]
pub fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return None;
    }
    let host = rest.split(['/', '?', '#', '\\']).next()?;
    if host.is_empty()
        || host.contains(['@', ' ', '%'])
        || !host.is_ascii()
        || host.contains(|c: char| c.is_control())
    {
        return None;
    }
    Some(format!("{scheme}://{}", host.to_ascii_lowercase()))
}

/// Host and port of the address of a mail server, `smtp://host:port`, where it is one.
#[must_use]
pub fn mail_server(url: &str) -> Option<(&str, u16)> {
    let rest = url.strip_prefix("smtp://")?;
    if rest.contains(['/', '?', '#']) || origin(&format!("https://{rest}")).is_none() {
        return None;
    }
    let (host, port) = rest.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_a_host_and_a_port() {
        for (url, found) in [
            (
                "smtp://mail.example.com:465",
                Some(("mail.example.com", 465)),
            ),
            ("smtp://127.0.0.1:25", Some(("127.0.0.1", 25))),
            ("smtp://mail.example.com", None),
            ("smtp://mail.example.com:0", None),
            ("smtp://mail.example.com:70000", None),
            ("smtp://:25", None),
            ("smtp://user@mail.example.com:25", None),
            ("smtp://mail.example.com:25/x", None),
            ("smtp://mail.example.com?x:25", None),
            ("https://mail.example.com:25", None),
        ] {
            assert_eq!(mail_server(url), found, "{url}");
        }
    }

    #[test]
    fn queries_are_added_and_encoded() {
        let pairs = [("q".to_owned(), "a b&c=ü/".to_owned())];
        for (url, whole) in [
            (
                "https://a.example/x",
                "https://a.example/x?q=a%20b%26c%3D%C3%BC%2F",
            ),
            (
                "https://a.example/x?y=1",
                "https://a.example/x?y=1&q=a%20b%26c%3D%C3%BC%2F",
            ),
            (
                "https://a.example/x?",
                "https://a.example/x?q=a%20b%26c%3D%C3%BC%2F",
            ),
            (
                "https://a.example/x#f",
                "https://a.example/x?q=a%20b%26c%3D%C3%BC%2F#f",
            ),
        ] {
            assert_eq!(with_query(url, &pairs), whole);
        }
        assert_eq!(with_query("https://a.example", &[]), "https://a.example");
    }

    #[test]
    fn origins_are_compared_without_case_and_path() {
        for (url, is) in [
            ("HTTPS://A.example:8443/x?y", Some("https://a.example:8443")),
            ("http://a.example", Some("http://a.example")),
            ("https://user@a.example/", None),
            (
                "https://a.example\\@evil.example/",
                Some("https://a.example"),
            ),
            ("ftp://a.example/", None),
            ("https:///x", None),
            ("a.example", None),
        ] {
            assert_eq!(origin(url).as_deref(), is, "{url}");
        }
    }

    #[test]
    fn a_request_does_not_print_what_it_carries() {
        let request = Request {
            label: "slack.post_message".to_owned(),
            method: Method::Post,
            url: "https://hooks.example/hunter2".to_owned(),
            headers: vec![("Authorization".to_owned(), "Bearer hunter2".to_owned())],
            body: Body::Json(serde_json::json!({"secret": "hunter2"})),
        };
        let printed = format!("{request:?} {:?}", request.body);
        assert!(!printed.contains("hunter2"), "{printed}");
        assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
    }
}
