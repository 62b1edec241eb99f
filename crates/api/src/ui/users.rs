//! Users, for administrators: make an account, reset link, disable, enable, delete.

use askama::Template;
use axum::extract::{Path, Query, State};
use gna_domain::error::{Error, Result};
use gna_domain::model::User;
use gna_domain::page::{Cursor, PageRequest};
use gna_domain::service::user;
use serde::Deserialize;

use super::account::unknown_form;
use super::form::Submitted;
use super::members::reset;
use super::page::{
    Answer, Notice, Shell, mendable, minute, render, require_person, see, status_of,
};
use crate::auth::PageAuth;
use crate::state::AppState;

/// Rows of a page.
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    notice: Option<Notice>,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    id: String,
    name: String,
    email: String,
    created: String,
    disabled: bool,
    has_password: bool,
}

#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    done: String,
    #[serde(default)]
    after: Option<String>,
}

pub async fn show(auth: PageAuth, Query(wish): Query<Wish>) -> Answer {
    let notice = match wish.done.as_str() {
        "disable" => Some(Notice::good(
            "The account is disabled; its sessions have ended.",
        )),
        "enable" => Some(Notice::good("The account is enabled.")),
        "delete" => Some(Notice::good("The account is deleted.")),
        _ => None,
    };
    let after = wish.after.filter(|after| !after.is_empty()).map(Cursor);
    page(&auth, after, notice, None).await
}

async fn page(
    auth: &PageAuth,
    after: Option<Cursor>,
    notice: Option<Notice>,
    error: Option<&Error>,
) -> Answer {
    require_person(auth, "/users")?;
    let users = user::list(&auth.caller.ctx, PageRequest { first: ROWS, after }).await?;
    let page = UsersPage {
        shell: Shell::new("Users", auth),
        notice,
        next: users.next.map(|cursor| cursor.0),
        rows: users.items.into_iter().map(row).collect(),
    };
    Ok(render(status_of(error), &page))
}

fn row(user: User) -> Row {
    Row {
        id: user.id.to_string(),
        disabled: user.is_disabled(),
        has_password: user.password.is_some(),
        created: minute(user.created),
        email: user.email.to_string(),
        name: user.name,
    }
}

/// What the forms of the page do; nothing else is done.
pub const ACTIONS: [&str; 5] = ["create", "reset", "disable", "enable", "delete"];

pub async fn submit(
    State(state): State<AppState>,
    Path(action): Path<String>,
    sent: Submitted,
) -> Answer {
    require_person(&sent.auth, "/users")?;
    let done = match action.as_str() {
        unknown if !ACTIONS.contains(&unknown) => return Err(unknown_form()),
        "create" => create(&state, &sent).await.map(Some),
        "reset" => reset(&state, &sent).await.map(Some),
        "disable" => disable(&sent).await.map(|()| None),
        "enable" => enable(&sent).await.map(|()| None),
        "delete" => user::delete(sent.ctx(), sent.fields.parse("user")?)
            .await
            .map(|()| None),
        _ => return Err(unknown_form()),
    };
    match done {
        Ok(None) => Ok(see(&format!("/users?done={action}"))),
        Ok(Some(notice)) => page(&sent.auth, None, Some(notice), None).await,
        Err(error) => {
            let error = mendable(error)?;
            page(&sent.auth, None, Some(Notice::bad(&error)), Some(&error)).await
        }
    }
}

async fn create(state: &AppState, sent: &Submitted) -> Result<Notice> {
    let (email, name) = (sent.fields.text("email"), sent.fields.text("name"));
    let (made, secret) = user::create(sent.ctx(), email, name).await?;
    Ok(Notice::secret(
        format!(
            "Send this link to {}. It sets their password, works once, for 24 hours, and is not \
             shown again.",
            made.email
        ),
        state.config.link(&format!("/reset/{}", secret.expose())),
    ))
}

async fn disable(sent: &Submitted) -> Result<()> {
    user::disable(sent.ctx(), sent.fields.parse("user")?)
        .await
        .map(|_| ())
}

async fn enable(sent: &Submitted) -> Result<()> {
    user::enable(sent.ctx(), sent.fields.parse("user")?)
        .await
        .map(|_| ())
}
