//! Plain pages, rendered on the server, without a line of script: claim the first
//! administrator, sign in and out, one's account, members; with the one-time links that lead there, and
//! where apps send people back to.
//!
//! A page shows what services answer and posts forms to them; it decides nothing. A GET changes
//! nothing: links are used up by the form behind them. Read next: [`crate::auth`] for what keeps
//! other sites from posting our forms, [`page`] for the headers of every page.

mod account;
mod claim;
pub mod form;
mod home;
mod invitation;
mod landing;
mod members;
mod members_view;
mod page;
mod reset;
mod sign_in;
mod users;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{MethodRouter, get, post};

use crate::state::AppState;

/// Largest form, in bytes: the longest password many times over.
const FORM_BYTES: usize = 64 * 1_024;

/// Who may see a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Open to all, and why.
    Public(&'static str),
    /// Whoever is signed in; what they see is their own.
    Person(&'static str),
    /// The service asks what the person may do; for a stranger there is no such page.
    Policy,
}

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Page {
    pub method: &'static str,
    pub path: &'static str,
    /// What `{action}` in the path may be.
    pub actions: &'static [&'static str],
    pub guard: Guard,
    mount: fn() -> MethodRouter<AppState>,
}

macro_rules! pages {
    ($($method:ident $path:literal [$actions:expr] => $handler:path, $guard:expr;)*) => {
        /// Every page and every form. `tests/it/walker.rs` tries each as nobody and as a stranger.
        pub const PAGES: &[Page] = &[$(Page {
            method: stringify!($method),
            path: $path,
            actions: &$actions,
            guard: $guard,
            mount: || $method($handler),
        }),*];
    };
}

use Guard::{Person, Policy, Public};

pages! {
    get "/" [[]] => home::show, Person("lists what they have a part in");
    get "/sign-in" [[]] => sign_in::show, Public("the way in");
    post "/sign-in" [[]] => sign_in::submit, Public("the way in");
    post "/sign-out" [[]] => sign_in::sign_out, Public("ends the session it comes with");
    get "/claim/{secret}" [[]] => claim::show, Public("whoever has the link is meant");
    post "/claim/{secret}" [[]] => claim::submit, Public("whoever has the link is meant");
    get "/reset/{secret}" [[]] => reset::show, Public("whoever has the link is meant");
    post "/reset/{secret}" [[]] => reset::submit, Public("whoever has the link is meant");
    get "/invitations/{secret}" [[]] => invitation::show, Public("whoever has the link is meant");
    post "/invitations/{secret}" [[]] => invitation::submit, Public("whoever has the link is meant");
    get "/redirect/{app}" [[]] => landing::show, Public("apps send browsers here; what it shows is of whoever began");
    post "/redirect/{app}" [[]] => landing::submit, Public("ends only what the same person began");
    get "/account" [[]] => account::show, Person("their own account");
    post "/account/{action}" [account::ACTIONS] => account::submit, Person("their own account");
    get "/users" [[]] => users::show, Policy;
    post "/users/{action}" [users::ACTIONS] => users::submit, Policy;
    get "/organizations/{organization}/members" [[]] => members::show, Policy;
    post "/organizations/{organization}/members/{action}" [members::ACTIONS] => members::submit, Policy;
    get "/organizations/{organization}/groups/{group}/members" [[]] => members::show, Policy;
    post "/organizations/{organization}/groups/{group}/members/{action}" [members::ACTIONS] => members::submit, Policy;
}

/// Style sheet and icon, for whoever tells which addresses there are.
pub const FILES: &str = "/static/{file}";

/// All pages.
pub fn router() -> Router<AppState> {
    PAGES
        .iter()
        .fold(Router::new(), |router, page| {
            router.route(page.path, (page.mount)())
        })
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(middleware::from_fn(page::headers))
        .merge(page::files())
}
