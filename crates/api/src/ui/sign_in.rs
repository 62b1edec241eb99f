//! Signing in and out.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use gna_domain::error::Error;
use gna_domain::secret::Secret;
use gna_domain::service::session;
use gna_domain::service::sign_in::{SignIn, sign_in};
use serde::Deserialize;

use super::form::Submitted;
use super::page::{Answer, Notice, Shell, local_path, mendable, render, see, status_of};
use crate::auth::{PageAuth, clear_cookie, set_cookie};
use crate::problem;
use crate::state::{ApiConfig, AppState};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    shell: Shell,
    notice: Option<Notice>,
    email: &'a str,
    next: &'a str,
}

#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    next: String,
    #[serde(default)]
    done: String,
}

pub async fn show(auth: PageAuth, Query(wish): Query<Wish>) -> Response {
    let next = local_path(&wish.next);
    if auth.secret.is_some() {
        return see(next);
    }
    let notice = match wish.done.as_str() {
        "password" => Some(Notice::good("Your password is set. Sign in with it.")),
        "out" => Some(Notice::good("You are signed out.")),
        _ => None,
    };
    form(&auth, notice, None, "", next)
}

fn form(
    auth: &PageAuth,
    notice: Option<Notice>,
    error: Option<&Error>,
    email: &str,
    next: &str,
) -> Response {
    let page = SignInPage {
        shell: Shell::new("Sign in", auth),
        notice,
        email,
        next,
    };
    let mut response = render(status_of(error), &page);
    if let Some(error) = error {
        problem::add_headers(error, &mut response);
    }
    response
}

pub async fn submit(State(state): State<AppState>, form_sent: Submitted) -> Answer {
    let fields = &form_sent.fields;
    let next = local_path(fields.text("next"));
    let input = SignIn {
        email: fields.text("email").to_owned(),
        password: fields.secret("password"),
        origin: form_sent.origin.clone(),
    };
    match sign_in(form_sent.ctx(), input).await {
        Ok(signed_in) => Ok(entered(&state.config, &signed_in.secret, next)),
        Err(error) => {
            let error = mendable(error)?;
            let notice = Some(Notice::bad(&error));
            Ok(form(
                &form_sent.auth,
                notice,
                Some(&error),
                fields.text("email"),
                next,
            ))
        }
    }
}

/// Goes on with a new session in the cookie.
pub fn entered(config: &ApiConfig, secret: &Secret, next: &str) -> Response {
    with_cookie(see(next), &set_cookie(config, secret))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

pub async fn sign_out(State(state): State<AppState>, form_sent: Submitted) -> Answer {
    if let Some(secret) = &form_sent.auth.secret {
        session::sign_out(form_sent.ctx(), secret).await?;
    }
    Ok(with_cookie(
        see("/sign-in?done=out"),
        &clear_cookie(&state.config),
    ))
}
