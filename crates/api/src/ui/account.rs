//! One's own account: name, password, sessions, tokens.

use askama::Template;
use axum::extract::{Path, Query};
use gna_domain::error::{Error, Result};
use gna_domain::model::{ApiToken, Session};
use gna_domain::rules::credential::preset;
use gna_domain::service::account::{self, ChangePassword};
use gna_domain::service::token::NewToken;
use gna_domain::service::{session, token};
use serde::Deserialize;

use super::form::Submitted;
use super::page::{
    Answer, Failure, Notice, Shell, mendable, minute, render, require_person, see, status_of,
};
use crate::auth::PageAuth;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    notice: Option<Notice>,
    email: String,
    name: String,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
}

struct SessionRow {
    id: String,
    agent: String,
    address: String,
    created: String,
    seen: String,
    this: bool,
}

struct TokenRow {
    id: String,
    name: String,
    start: String,
    scopes: String,
    expires: String,
    used: String,
}

#[derive(Deserialize)]
pub struct Done {
    #[serde(default)]
    done: String,
}

pub async fn show(auth: PageAuth, Query(done): Query<Done>) -> Answer {
    let notice = match done.done.as_str() {
        "name" => "Your name is changed.",
        "password" => "Your password is changed. All your other sessions have ended.",
        "end-session" => "The session has ended.",
        "end-others" => "All your other sessions have ended.",
        "revoke-token" => "The token is revoked.",
        _ => return page(&auth, None, None).await,
    };
    page(&auth, Some(Notice::good(notice)), None).await
}

async fn page(auth: &PageAuth, notice: Option<Notice>, error: Option<&Error>) -> Answer {
    require_person(auth, "/account")?;
    let ctx = &auth.caller.ctx;
    let sessions = session::list(ctx).await?;
    let tokens = token::list(ctx).await?;
    let user = auth.caller.user.as_ref();
    let page = AccountPage {
        shell: Shell::new("Your account", auth),
        notice,
        email: user.map(|user| user.email.to_string()).unwrap_or_default(),
        name: user.map(|user| user.name.clone()).unwrap_or_default(),
        sessions: sessions
            .iter()
            .map(|session| session_row(session, auth))
            .collect(),
        tokens: tokens.iter().map(token_row).collect(),
    };
    Ok(render(status_of(error), &page))
}

fn session_row(session: &Session, auth: &PageAuth) -> SessionRow {
    let origin = &session.origin;
    SessionRow {
        id: session.id.to_string(),
        agent: origin
            .agent
            .clone()
            .unwrap_or_else(|| "unknown browser".to_owned()),
        address: origin
            .address
            .map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
        created: minute(session.created),
        seen: minute(session.seen),
        this: auth.caller.session == Some(session.id),
    }
}

fn token_row(token: &ApiToken) -> TokenRow {
    TokenRow {
        id: token.id.to_string(),
        name: token.name.clone(),
        start: token.start.clone(),
        scopes: token.scopes.join(", "),
        expires: minute(token.expires),
        used: token.used.map_or_else(|| "never".to_owned(), minute),
    }
}

/// What the forms of the page do; nothing else is done.
pub const ACTIONS: [&str; 6] = [
    "name",
    "password",
    "end-session",
    "end-others",
    "new-token",
    "revoke-token",
];

pub async fn submit(Path(action): Path<String>, sent: Submitted) -> Answer {
    require_person(&sent.auth, "/account")?;
    let done = match action.as_str() {
        unknown if !ACTIONS.contains(&unknown) => return Err(unknown_form()),
        "name" => account::rename(sent.ctx(), sent.fields.text("name"))
            .await
            .map(|_| None),
        "password" => change_password(&sent).await.map(|()| None),
        "end-session" => end_session(&sent).await.map(|()| None),
        "end-others" => session::revoke_others(sent.ctx(), sent.auth.caller.session)
            .await
            .map(|()| None),
        "new-token" => new_token(&sent).await.map(Some),
        "revoke-token" => revoke_token(&sent).await.map(|()| None),
        _ => return Err(unknown_form()),
    };
    match done {
        Ok(None) => Ok(see(&format!("/account?done={action}"))),
        Ok(Some(notice)) => page(&sent.auth, Some(notice), None).await,
        Err(error) => {
            let error = mendable(error)?;
            page(&sent.auth, Some(Notice::bad(&error)), Some(&error)).await
        }
    }
}

/// For a path that no page of ours posts to.
pub fn unknown_form() -> Failure {
    Failure::Error(Error::not_found("not_found", "there is no such page"))
}

async fn change_password(sent: &Submitted) -> Result<()> {
    let input = ChangePassword {
        current: sent.fields.secret("current"),
        next: sent.fields.new_password()?,
        keep: sent.auth.caller.session,
        origin: sent.origin.clone(),
    };
    account::change_password(sent.ctx(), input).await
}

async fn end_session(sent: &Submitted) -> Result<()> {
    session::revoke(sent.ctx(), sent.fields.parse("session")?).await
}

async fn revoke_token(sent: &Submitted) -> Result<()> {
    token::revoke(sent.ctx(), sent.fields.parse("token")?).await
}

/// Makes a token and shows it, this once, in the answer to the form.
async fn new_token(sent: &Submitted) -> Result<Notice> {
    let days: i64 = sent.fields.text("days").parse().unwrap_or(0);
    let scopes = preset(sent.fields.text("scopes"))
        .ok_or_else(|| Error::invalid("token.scopes", "choose what the token may do"))?;
    let input = NewToken {
        name: sent.fields.text("name").to_owned(),
        scopes,
        expires: sent.ctx().now().plus_days(days),
    };
    let (secret, made) = token::create(sent.ctx(), input).await?;
    let text = format!(
        "Token {} is made. Copy it now: it is not shown again.",
        made.name
    );
    Ok(Notice::secret(text, secret.expose()))
}
