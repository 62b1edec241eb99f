//! Four plain pages, rendered on the server, without a line of script: claim the first
//! administrator, sign in and out, one's account, members; with the one-time links that lead there.
//!
//! A page shows what services answer and posts forms to them; it decides nothing. A GET changes
//! nothing: links are used up by the form behind them. Read next: [`crate::auth`] for what keeps
//! other sites from posting our forms, [`page`] for the headers of every page.

mod account;
mod claim;
pub mod form;
mod home;
mod invitation;
mod members;
mod members_view;
mod page;
mod reset;
mod sign_in;
mod users;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::state::AppState;

/// Largest form, in bytes: the longest password many times over.
const FORM_BYTES: usize = 64 * 1_024;

/// All pages.
pub fn router() -> Router<AppState> {
    let place = "/organizations/{organization}/members";
    let group = "/organizations/{organization}/groups/{group}/members";
    let mut router = Router::new()
        .route("/", get(home::show))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/claim/{secret}", get(claim::show).post(claim::submit))
        .route("/reset/{secret}", get(reset::show).post(reset::submit))
        .route(
            "/invitations/{secret}",
            get(invitation::show).post(invitation::submit),
        )
        .route("/account", get(account::show))
        .route("/account/{action}", post(account::submit))
        .route("/users", get(users::show))
        .route("/users/{action}", post(users::submit));
    for path in [place, group] {
        router = router
            .route(path, get(members::show))
            .route(&format!("{path}/{{action}}"), post(members::submit));
    }
    router
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(middleware::from_fn(page::headers))
        .merge(page::files())
}
