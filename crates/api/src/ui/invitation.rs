//! Accepting an invitation: as who is signed in, or as a new person.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use gna_domain::error::Error;
use gna_domain::secret::Secret;
use gna_domain::service::invitation::{self, Offer};

use super::claim::new_person;
use super::form::{Fields, Submitted};
use super::page::{Answer, Notice, Shell, mendable, render, see, status_of};
use super::sign_in::entered;
use crate::auth::PageAuth;
use crate::state::AppState;

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationPage<'a> {
    shell: Shell,
    notice: Option<Notice>,
    place: String,
    role: &'static str,
    /// The address it is for; empty when it is for whoever has the link.
    invited: &'a str,
    email: &'a str,
    name: &'a str,
    has_account: bool,
    path: String,
}

pub async fn show(auth: PageAuth, Path(secret): Path<String>) -> Answer {
    let offer = invitation::look_at(&auth.caller.ctx, &Secret::new(secret.clone())).await?;
    Ok(form(&auth, &secret, &offer, None, None))
}

fn form(
    auth: &PageAuth,
    secret: &str,
    offer: &Offer,
    fields: Option<&Fields>,
    error: Option<&Error>,
) -> Response {
    let kept = |name| fields.map(|fields| fields.text(name)).unwrap_or_default();
    let invited = offer
        .email
        .as_ref()
        .map(|email| email.as_str())
        .unwrap_or_default();
    let place = match &offer.group {
        Some(group) => format!("{group} of {}", offer.organization),
        None => offer.organization.clone(),
    };
    let page = InvitationPage {
        shell: Shell::new("Invitation", auth),
        notice: error.map(Notice::bad),
        place,
        role: offer.role.as_str(),
        invited,
        email: if invited.is_empty() {
            kept("email")
        } else {
            invited
        },
        name: kept("name"),
        has_account: offer.has_account,
        path: format!("/invitations/{secret}"),
    };
    render(status_of(error), &page)
}

pub async fn submit(
    State(state): State<AppState>,
    Path(text): Path<String>,
    sent: Submitted,
) -> Answer {
    let secret = Secret::new(text.clone());
    let ctx = sent.ctx();
    let accepted = if sent.auth.secret.is_some() {
        invitation::accept(ctx, &secret).await.map(|_| see("/"))
    } else {
        match new_person(&sent.fields) {
            Ok(person) => invitation::accept_as_new(ctx, &secret, person, sent.origin.clone())
                .await
                .map(|signed_in| entered(&state.config, &signed_in.secret, "/")),
            Err(error) => Err(error),
        }
    };
    match accepted {
        Ok(response) => Ok(response),
        Err(error) => {
            let error = mendable(error)?;
            let offer = invitation::look_at(ctx, &secret).await?;
            Ok(form(
                &sent.auth,
                &text,
                &offer,
                Some(&sent.fields),
                Some(&error),
            ))
        }
    }
}
