//! Claiming a new instance: the first administrator, by the link that the server printed.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use gna_domain::error::Error;
use gna_domain::secret::Secret;
use gna_domain::service::bootstrap::{self, Claim};
use gna_domain::service::user::NewPerson;

use super::form::{Fields, Submitted};
use super::page::{Answer, Notice, Shell, mendable, render, status_of};
use super::sign_in::entered;
use crate::auth::PageAuth;
use crate::state::AppState;

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimPage<'a> {
    shell: Shell,
    notice: Option<Notice>,
    email: &'a str,
    name: &'a str,
    organization: &'a str,
}

pub async fn show(auth: PageAuth, Path(secret): Path<String>) -> Answer {
    bootstrap::look_at(&auth.caller.ctx, &Secret::new(secret)).await?;
    Ok(form(&auth, None, None))
}

fn form(auth: &PageAuth, fields: Option<&Fields>, error: Option<&Error>) -> Response {
    let kept = |name| fields.map(|fields| fields.text(name)).unwrap_or_default();
    let page = ClaimPage {
        shell: Shell::new("Welcome", auth),
        notice: error.map(Notice::bad),
        email: kept("email"),
        name: kept("name"),
        organization: kept("organization"),
    };
    render(status_of(error), &page)
}

pub async fn submit(
    State(state): State<AppState>,
    Path(secret): Path<String>,
    sent: Submitted,
) -> Answer {
    let claimed = match new_person(&sent.fields) {
        Ok(person) => {
            let claim = Claim {
                person,
                organization: sent.fields.given("organization").map(str::to_owned),
                origin: sent.origin.clone(),
            };
            bootstrap::claim(sent.ctx(), &Secret::new(secret), claim).await
        }
        Err(error) => Err(error),
    };
    match claimed {
        Ok(signed_in) => Ok(entered(&state.config, &signed_in.secret, "/")),
        Err(error) => Ok(form(
            &sent.auth,
            Some(&sent.fields),
            Some(&mendable(error)?),
        )),
    }
}

/// What a new person says of themselves in a form.
pub fn new_person(fields: &Fields) -> gna_domain::Result<NewPerson> {
    Ok(NewPerson {
        email: fields.text("email").to_owned(),
        name: fields.text("name").to_owned(),
        password: fields.new_password()?,
    })
}
