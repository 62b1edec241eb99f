//! A form that one of our pages sent: who sent it, from where, and its fields.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use gna_domain::Ctx;
use gna_domain::error::{Error, Result};
use gna_domain::model::Origin;
use gna_domain::secret::Secret;

use super::page::Failure;
use crate::auth::{CallOrigin, PageAuth, csrf_matches, has_request_header};
use crate::state::AppState;

/// Name of the hidden field.
const CSRF: &str = "csrf";

/// Proven to come from one of our pages, or from a script that says so by `X-Gna-Request`.
pub struct Submitted {
    pub auth: PageAuth,
    pub origin: Origin,
    pub fields: Fields,
}

impl Submitted {
    pub fn ctx(&self) -> &Ctx {
        &self.auth.caller.ctx
    }
}

impl FromRequest<AppState> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let auth = PageAuth::from_request_parts(&mut parts, state)
            .await
            .map_err(|problem| Failure::Error(problem.0).into_response())?;
        let Ok(CallOrigin(origin)) = CallOrigin::from_request_parts(&mut parts, state).await;
        let by_script = has_request_header(&parts.headers);
        let form = axum::Form::<Vec<(String, String)>>::from_request(
            Request::from_parts(parts, body),
            state,
        );
        let fields = Fields(form.await.map_err(IntoResponse::into_response)?.0);
        if let Some(secret) = &auth.secret
            && !by_script
            && !csrf_matches(secret, fields.text(CSRF))
        {
            let error = Error::forbidden(
                "auth.cross_site",
                "this form is of another session; open the page again",
            );
            return Err(Failure::Error(error).into_response());
        }
        Ok(Self {
            auth,
            origin,
            fields,
        })
    }
}

/// The fields of a form, as they were sent.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field's text; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The fields whose names begin so, by the rest of their names.
    pub fn under(&self, prefix: &str) -> serde_json::Map<String, serde_json::Value> {
        let named = self.0.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(prefix)?;
            Some((name.to_owned(), value.as_str().into()))
        });
        named.collect()
    }

    /// A field's text, where there is any.
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name).trim()).filter(|text| !text.is_empty())
    }

    pub fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }

    /// A new password, typed twice.
    ///
    /// # Errors
    /// `password.different`.
    pub fn new_password(&self) -> Result<Secret> {
        if self.text("password") == self.text("again") {
            Ok(self.secret("password"))
        } else {
            Err(Error::invalid(
                "password.different",
                "the two passwords differ",
            ))
        }
    }

    /// An id or another text that must parse.
    ///
    /// # Errors
    /// That of the parser.
    pub fn parse<T: std::str::FromStr<Err = Error>>(&self, name: &str) -> Result<T> {
        self.text(name).parse()
    }
}
