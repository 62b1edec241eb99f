//! Strict readers of what callers send: queries, JSON bodies, ids in paths. What is wrong is said
//! with the name of the field; what is unknown is refused, so that a slip of the pen in a filter
//! never widens what is shown.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use gna_domain::ctx::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::model::Change;
use gna_domain::page::{Cursor, PageRequest};
use gna_domain::port::store::ById;
use gna_domain::time::Timestamp;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use std::str::FromStr;

use crate::problem::Problem;
use crate::state::AppState;

/// Largest JSON body, in bytes.
pub const JSON_BYTES: usize = 1 << 20;
/// Items of a page where the caller names no number, and the most there may be.
const PAGE: usize = 50;
const PAGE_MAX: usize = 500;
/// Most values of one parameter.
const VALUES_MAX: usize = 500;

/// The parameters of a query, taken one by one; [`Params::done`] refuses what is left.
#[derive(Clone, Debug, Default)]
pub struct Params {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::invalid("query.malformed", "the query string can't be read"))?;
        Ok(Self::of(pairs.0))
    }
}

impl Params {
    #[must_use]
    pub fn of(left: Vec<(String, String)>) -> Self {
        Self {
            left,
            known: Vec::new(),
        }
    }

    /// Adds what came another way, by a form's fields.
    pub fn add(&mut self, name: String, value: String) {
        self.left.push((name, value));
    }

    /// All values of a parameter: it may be repeated, and hold several between commas. Empty ones
    /// do not count.
    ///
    /// # Errors
    /// `query.too_many_values`.
    pub fn all(&mut self, name: &'static str) -> Result<Vec<String>> {
        let values: Vec<String> = self
            .raw(name)
            .iter()
            .flat_map(|value| value.split(','))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect();
        if values.len() > VALUES_MAX {
            return Err(Error::invalid(
                "query.too_many_values",
                format!("a parameter has at most {VALUES_MAX} values"),
            )
            .on_field(name));
        }
        Ok(values)
    }

    fn raw(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let (taken, left) = std::mem::take(&mut self.left)
            .into_iter()
            .partition(|(key, _)| key == name);
        self.left = left;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// The value of a parameter that is there at most once; an empty one is as if it were not.
    ///
    /// # Errors
    /// `query.repeated`.
    pub fn one(&mut self, name: &'static str) -> Result<Option<String>> {
        let mut values = self.raw(name);
        if values.len() > 1 {
            return Err(
                Error::invalid("query.repeated", format!("{name} may be given once"))
                    .on_field(name),
            );
        }
        Ok(values.pop().filter(|value| !value.is_empty()))
    }

    /// A value that is written in some form.
    ///
    /// # Errors
    /// `query.malformed`, with what is expected.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        self.one(name)?
            .map(|text| read(&text).ok_or_else(|| malformed(name, &text, expected)))
            .transpose()
    }

    /// Several values that are written in some form.
    ///
    /// # Errors
    /// As [`Params::read`] and [`Params::all`].
    pub fn read_all<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Vec<T>> {
        self.all(name)?
            .iter()
            .map(|text| read(text).ok_or_else(|| malformed(name, text, expected)))
            .collect()
    }

    /// # Errors
    /// As [`Params::read`].
    pub fn parse<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Result<Option<T>> {
        self.read(name, expected, |text| text.parse().ok())
    }

    /// # Errors
    /// As [`Params::read`].
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        self.read(name, "true or false", flag)
    }

    /// # Errors
    /// As [`Params::read`].
    pub fn time(&mut self, name: &'static str) -> Result<Option<Timestamp>> {
        self.read(name, "a time like 2026-01-31T09:30:00Z", |text| {
            Timestamp::parse(text).ok()
        })
    }

    /// `first` and `after`.
    ///
    /// # Errors
    /// As [`Params::read`].
    pub fn page(&mut self) -> Result<PageRequest> {
        let first = self.read("first", "a number from 1 to 500", |text| {
            text.parse()
                .ok()
                .filter(|first| (1..=PAGE_MAX).contains(first))
        })?;
        Ok(PageRequest {
            first: first.unwrap_or(PAGE),
            after: self.one("after")?.map(Cursor),
        })
    }

    /// # Errors
    /// `query.unknown_parameter`, with the names that are known.
    pub fn done(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name: String = name.chars().take(100).collect();
                let known = self.known.join(", ");
                Err(Error::invalid(
                    "query.unknown_parameter",
                    format!("there is no parameter {name:?} here; there are: {known}"),
                )
                .on_field(name))
            }
        }
    }
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn malformed(name: &str, text: &str, expected: &str) -> Error {
    let text: String = text.chars().take(100).collect();
    Error::invalid(
        "query.malformed",
        format!("{name} is {text:?}; it must be {expected}"),
    )
    .on_field(name)
}

/// A JSON body. Unknown fields are refused by the types themselves.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let kind = content_type(request.headers());
        if !kind.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
            return Err(Error::invalid(
                "body.unsupported_type",
                "send JSON, with Content-Type: application/json",
            )
            .into());
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|_| {
            Error::limit(
                "body.too_large",
                format!("the body can't be read to its end, or is larger than {JSON_BYTES} bytes"),
            )
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem(Error::invalid(
                "body.malformed",
                format!("the body is not as expected: {error}"),
            ))
        })
    }
}

/// The type of a body without its parameters, in lower case.
#[must_use]
pub fn content_type(headers: &axum::http::HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// Reads a field of a body that tells null from what is left out; for `deserialize_with`.
///
/// # Errors
/// The deserializer's.
pub fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}

/// What [`said`] read, as a change: left out it stays, null clears it.
#[must_use]
pub fn change<T>(said: Option<Option<T>>) -> Change<T> {
    match said {
        None => Change::Unset,
        Some(None) => Change::Clear,
        Some(Some(value)) => Change::Set(value),
    }
}

/// An id in a path. One that can't be an id is answered like one that leads nowhere.
///
/// # Errors
/// `not_found`; `auth.required` for anonymous callers.
pub fn id<E: ById>(ctx: &Ctx, text: &str) -> Result<E::Id> {
    text.parse().map_err(|_| ctx.absent::<E>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::of(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn several_values_come_by_commas_or_by_repeating() {
        let mut params = params(&[
            ("state", "OPEN,CLOSED"),
            ("tool", "a"),
            ("state", "REJECTED"),
        ]);
        assert_eq!(
            params.all("state").expect("values"),
            ["OPEN", "CLOSED", "REJECTED"]
        );
        assert_eq!(params.one("tool").expect("a value").as_deref(), Some("a"));
        params.done().expect("nothing is left");
    }

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        #[derive(serde::Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "said")]
            days: Option<Option<u32>>,
        }
        for (body, expected) in [
            ("{}", Change::Unset),
            (r#"{ "days": null }"#, Change::Clear),
            (r#"{ "days": 3 }"#, Change::Set(3)),
        ] {
            let body: Body = serde_json::from_str(body).expect("a body");
            assert_eq!(change(body.days), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (sent, code, field) in [
            (
                &[("statte", "OPEN")][..],
                "query.unknown_parameter",
                "statte",
            ),
            (&[("first", "0")], "query.malformed", "first"),
            (&[("first", "501")], "query.malformed", "first"),
            (&[("first", "1"), ("first", "2")], "query.repeated", "first"),
            (&[("flag", "yes")], "query.malformed", "flag"),
            (&[("time", "yesterday")], "query.malformed", "time"),
        ] {
            let mut params = params(sent);
            let error = params
                .page()
                .and_then(|_| params.flag("flag"))
                .and_then(|_| params.time("time"))
                .and_then(|_| params.done())
                .expect_err("refused");
            assert_eq!(
                (error.code(), error.field()),
                (code, Some(field)),
                "{sent:?}"
            );
        }
    }
}
