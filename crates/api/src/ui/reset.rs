//! Setting a password by an administrator's one-time link.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use gna_domain::error::Error;
use gna_domain::model::User;
use gna_domain::secret::Secret;
use gna_domain::service::link;

use super::form::Submitted;
use super::page::{Answer, Notice, Shell, mendable, render, see, status_of};
use crate::auth::PageAuth;

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage<'a> {
    shell: Shell,
    notice: Option<Notice>,
    email: &'a str,
}

pub async fn show(auth: PageAuth, Path(secret): Path<String>) -> Answer {
    let user = link::look_at(&auth.caller.ctx, &Secret::new(secret)).await?;
    Ok(form(&auth, &user, None))
}

fn form(auth: &PageAuth, user: &User, error: Option<&Error>) -> Response {
    let page = ResetPage {
        shell: Shell::new("Set a password", auth),
        notice: error.map(Notice::bad),
        email: user.email.as_str(),
    };
    render(status_of(error), &page)
}

pub async fn submit(Path(secret): Path<String>, sent: Submitted) -> Answer {
    let secret = Secret::new(secret);
    let set = match sent.fields.new_password() {
        Ok(password) => link::set_password(sent.ctx(), &secret, password).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(_) => Ok(see("/sign-in?done=password")),
        Err(error) => {
            let error = mendable(error)?;
            let user = link::look_at(sent.ctx(), &secret).await?;
            Ok(form(&sent.auth, &user, Some(&error)))
        }
    }
}
