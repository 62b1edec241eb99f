//! What all pages share: the frame around them, their headers, errors as pages, static files.

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use gna_domain::error::{Error, Kind};
use gna_domain::policy::Action;
use gna_domain::time::Timestamp;
use gna_domain::{Actor, Resource};

use crate::auth::{PageAuth, csrf_field};
use crate::problem;
use crate::state::AppState;

/// Nothing but our own style sheet and pictures; no script at all; framed by no one.
const CONTENT_SECURITY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The frame around a page.
pub struct Shell {
    pub title: String,
    /// Name of who is signed in.
    pub name: Option<String>,
    /// For the hidden field; empty where no one is signed in.
    pub csrf: String,
    pub manages_users: bool,
}

impl Shell {
    pub fn new(title: impl Into<String>, auth: &PageAuth) -> Self {
        let user = auth.caller.user.as_ref().filter(|_| auth.secret.is_some());
        Self {
            title: title.into(),
            name: user.map(|user| user.name.clone()),
            csrf: auth.secret.as_ref().map(csrf_field).unwrap_or_default(),
            manages_users: auth.caller.ctx.can(Action::UserManage, Resource::Instance),
        }
    }

    fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            name: None,
            csrf: String::new(),
            manages_users: false,
        }
    }
}

/// A message on top of a page.
#[derive(Clone, Debug, Default)]
pub struct Notice {
    pub text: String,
    pub bad: bool,
    /// Shown once, to be copied.
    pub secret: Option<String>,
}

impl Notice {
    pub fn good(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub fn secret(text: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            bad: false,
            secret: Some(secret.into()),
        }
    }

    pub fn bad(error: &Error) -> Self {
        Self {
            text: problem::told(error).to_owned(),
            bad: true,
            secret: None,
        }
    }
}

/// What becomes of a request that gets no page.
pub enum Failure {
    Error(Error),
    /// Sign in first, then come back to this path.
    SignIn(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

pub type Answer = Result<Response, Failure>;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    shell: Shell,
    message: &'a str,
    code: &'a str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = match self {
            Self::SignIn(path) => {
                return Redirect::to(&format!("/sign-in?next={path}")).into_response();
            }
            Self::Error(error) => error,
        };
        problem::log(&error);
        let status = problem::status(&error);
        let page = ErrorPage {
            shell: Shell::bare(status.canonical_reason().unwrap_or("Error")),
            message: problem::told(&error),
            code: error.code(),
        };
        let mut response = render(status, &page);
        problem::add_headers(&error, &mut response);
        response
    }
}

/// A page with a status.
pub fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "the page could not be made",
        )
            .into_response(),
    }
}

/// The status of a page that shows a form again, with what was wrong with it.
pub fn status_of(notice: Option<&Error>) -> StatusCode {
    notice.map_or(StatusCode::OK, problem::status)
}

/// Keeps an error that a person can mend by filling in the form again; passes on all others.
pub fn mendable(error: Error) -> Result<Error, Failure> {
    match error.kind() {
        Kind::Internal | Kind::Unavailable | Kind::Upstream | Kind::NotFound => Err(error.into()),
        _ => Ok(error),
    }
}

/// Only people with a session see pages; others are sent to sign in and come back.
pub fn require_person(auth: &PageAuth, path: &str) -> Result<(), Failure> {
    match auth.caller.ctx.actor {
        Actor::User(_) => Ok(()),
        _ => Err(Failure::SignIn(local_path(path).to_owned())),
    }
}

/// A path of ours, from what someone sent; the home page for everything else, so that a link to
/// signing in leads nowhere but here.
pub fn local_path(path: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    if path.starts_with('/') && !path.starts_with("//") && path.chars().all(plain) {
        path
    } else {
        "/"
    }
}

/// Goes on to a path of ours, as a GET.
pub fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// `2026-01-31 09:30 UTC`.
pub fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or_else(
        || text.clone(),
        |text| format!("{} UTC", text.replace('T', " ")),
    )
}

/// The headers of every page.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Addresses of one-time links stay with us. (`no-referrer` would also hide from us, in
    // `Origin`, that a form is our own.)
    set(headers, header::REFERRER_POLICY, "same-origin");
    set(headers, header::CACHE_CONTROL, "no-store");
    set(
        headers,
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// Style sheet and icon: they hold nothing of anybody and need no sign-in.
pub fn files() -> Router<AppState> {
    let file = |kind: &'static str, body: &'static str| {
        get(move || async move {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CACHE_CONTROL, "public, max-age=3600"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, body)
        })
    };
    Router::new()
        .route(
            "/static/gna.css",
            file("text/css; charset=utf-8", include_str!("static/gna.css")),
        )
        .route(
            "/static/gna.svg",
            file("image/svg+xml", include_str!("static/gna.svg")),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_but_here() {
        for (asked, path) in [
            ("/account", "/account"),
            ("/invitations/0a1b", "/invitations/0a1b"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a?b=c", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local_path(asked), path, "{asked:?}");
        }
    }

    #[test]
    fn times_are_written_for_people() {
        assert_eq!(
            minute(Timestamp::from_millis(60_000)),
            "1970-01-01 00:01 UTC"
        );
    }
}
