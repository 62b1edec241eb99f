//! Frigg's surface: its unprefixed routes (v1), and those of its v2 that are also ours. Shapes and names
//! are those that its clients expect; what they send wrong is answered with a status below 500.
//!
//! [`ROUTES`] is the whole table; `version.rs` tells callers which version answered. v1 errors are
//! `{"error": "…"}`, v2 errors `{"error": {"code", "message"}}`; see [`fault`]. `docs/FRIGG.md` tells
//! where we differ and why.

mod authorize;
mod choose;
mod credential;
mod entity;
mod fault;
mod health;
mod integration;
mod integration_view;
mod kind;
mod lost;
mod own;
mod place;
mod session;
mod version;
mod view;

pub use version::{DEPRECATED_AT, is_v1};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, map_response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use gna_domain::policy::Action;
use utoipa::OpenApi;

use crate::extract::JSON_BYTES;
use crate::middleware;
use crate::rest::Guard::{self, Known, Policy, Public};
use crate::state::AppState;

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub guard: Guard,
    mount: fn() -> MethodRouter<AppState>,
}

macro_rules! routes {
    ($($method:ident $path:literal => $handler:path, $guard:expr;)*) => {
        /// Every route of this module.
        pub const ROUTES: &[Route] = &[$(Route {
            method: stringify!($method),
            path: $path,
            guard: $guard,
            mount: || $method($handler),
        }),*];
    };
}

const OWN: Guard = Policy(Action::ConnectionOwn);
const LISTED: Guard = Public("a type of integrations answers here, where the operator lists it");
const SAME: Guard = Known("the apps are the same for everybody");

routes! {
    post "/user/login" => session::login, Public("the way in");
    post "/user/create" => session::create, Public("refused until the operator opens registration");
    get "/health" => health::show, Public("says only that the process answers");

    get "/api/authorize" => authorize::v1_requirements, OWN;
    post "/api/authorize" => authorize::v1_complete, OWN;
    post "/api/entity" => entity::create, OWN;
    get "/api/entity/options/{credential}" => entity::options_of_credential, OWN;
    get "/api/entities" => entity::list, OWN;
    get "/api/entities/{entity}" => entity::v1_show, OWN;
    get "/api/entities/{entity}/test-auth" => entity::test, OWN;
    post "/api/entities/{entity}/options" => entity::options, OWN;
    post "/api/entities/{entity}/options/refresh" => entity::options, OWN;
    get "/api/credentials" => credential::list, OWN;
    get "/api/credentials/{credential}" => credential::show, OWN;
    delete "/api/credentials/{credential}" => credential::remove, OWN;
    get "/api/modules" => kind::v1_list, SAME;
    get "/api/modules/{type}" => kind::show, SAME;
    get "/api/modules/{type}/authorization" => authorize::v1_requirements_of, OWN;

    get "/api/v2/authorize" => authorize::requirements, OWN;
    post "/api/v2/authorize" => authorize::complete, OWN;
    get "/api/v2/entities" => entity::list, OWN;
    post "/api/v2/entities" => entity::create_v2, OWN;
    get "/api/v2/entities/types" => kind::list, SAME;
    get "/api/v2/entities/types/{type}" => kind::show, SAME;
    get "/api/v2/entities/types/{type}/requirements" => authorize::requirements_of, OWN;
    get "/api/v2/entities/{entity}" => entity::show, OWN;
    delete "/api/v2/entities/{entity}" => entity::remove, OWN;
    get "/api/v2/entities/{entity}/test-auth" => entity::test_auth, OWN;
    get "/api/v2/entities/{entity}/test" => entity::test, OWN;
    get "/api/v2/entities/{entity}/options" => entity::options_v2, OWN;
    post "/api/v2/entities/{entity}/options/refresh" => entity::options_again, OWN;
    get "/api/v2/entities/{entity}/reauthorize" => authorize::requirements_again, OWN;
    post "/api/v2/entities/{entity}/reauthorize" => authorize::complete_again, OWN;
    get "/api/v2/credentials" => credential::list, OWN;
    get "/api/v2/credentials/{credential}" => credential::show, OWN;
    delete "/api/v2/credentials/{credential}" => credential::remove, OWN;
    post "/api/v2/credentials/{credential}/refresh" => credential::refresh, OWN;
    get "/api/v2/credentials/{credential}/reauthorize" => credential::requirements_again, OWN;
    post "/api/v2/credentials/{credential}/reauthorize" => credential::complete_again, OWN;

    get "/api/integrations" => integration::v1_list, OWN;
    post "/api/integrations" => integration::v1_create, OWN;
    get "/api/integrations/options" => integration::v1_types, SAME;
    get "/api/integrations/{integration}" => integration::v1_show, OWN;
    patch "/api/integrations/{integration}" => integration::v1_change, OWN;
    delete "/api/integrations/{integration}" => integration::v1_remove, OWN;
    get "/api/integrations/{integration}/config/options" => integration::form, OWN;
    post "/api/integrations/{integration}/config/options/refresh" => integration::form_again, OWN;
    get "/api/integrations/{integration}/actions" => integration::actions, OWN;
    post "/api/integrations/{integration}/actions" => integration::actions, OWN;
    get "/api/integrations/{integration}/actions/{action}/options" => integration::action_form, OWN;
    post "/api/integrations/{integration}/actions/{action}/options" => integration::action_form, OWN;
    post "/api/integrations/{integration}/actions/{action}/options/refresh" => integration::action_form_again, OWN;
    post "/api/integrations/{integration}/actions/{action}" => integration::act, OWN;
    get "/api/integrations/{integration}/test-auth" => integration::test, OWN;
    get "/api/demo/sample/{integration}" => integration::sample, OWN;

    get "/api/{integration}/{*path}" => own::answer, LISTED;
    post "/api/{integration}/{*path}" => own::answer, LISTED;
    put "/api/{integration}/{*path}" => own::answer, LISTED;
    patch "/api/{integration}/{*path}" => own::answer, LISTED;
    delete "/api/{integration}/{*path}" => own::answer, LISTED;

    get "/api/v2/integrations" => integration::list, OWN;
    post "/api/v2/integrations" => integration::create, OWN;
    get "/api/v2/integrations/options" => integration::types, SAME;
    get "/api/v2/integrations/{integration}" => integration::show, OWN;
    patch "/api/v2/integrations/{integration}" => integration::change, OWN;
    delete "/api/v2/integrations/{integration}" => integration::remove, OWN;
    get "/api/v2/integrations/{integration}/config/options" => integration::form, OWN;
    post "/api/v2/integrations/{integration}/config/options/refresh" => integration::form_again, OWN;
    get "/api/v2/integrations/{integration}/actions" => integration::actions, OWN;
    post "/api/v2/integrations/{integration}/actions" => integration::actions, OWN;
    get "/api/v2/integrations/{integration}/actions/{action}/options" => integration::action_form, OWN;
    post "/api/v2/integrations/{integration}/actions/{action}/options" => integration::action_form, OWN;
    post "/api/v2/integrations/{integration}/actions/{action}/options/refresh" => integration::action_form_again, OWN;
    post "/api/v2/integrations/{integration}/actions/{action}" => integration::act, OWN;
    get "/api/v2/integrations/{integration}/test-auth" => integration::test, OWN;
}

/// What `/api/meta/openapi.json` says of the routes under `/api/v2`; v1 is described in `docs/FRIGG.md`.
#[derive(OpenApi)]
#[openapi(paths(
    authorize::requirements,
    authorize::complete,
    entity::list,
    entity::create_v2,
    kind::list,
    kind::show,
    authorize::requirements_of,
    entity::show,
    entity::remove,
    entity::test_auth,
    entity::test,
    entity::options_v2,
    entity::options_again,
    authorize::requirements_again,
    authorize::complete_again,
    credential::list,
    credential::show,
    credential::remove,
    credential::refresh,
    credential::requirements_again,
    credential::complete_again,
    integration::list,
    integration::create,
    integration::types,
    integration::show,
    integration::change,
    integration::remove,
    integration::form,
    integration::form_again,
    integration::actions,
    integration::action_form,
    integration::action_form_again,
    integration::act,
    integration::test,
))]
pub(crate) struct Description;

/// Where integration types have routes of their own.
const OWN_ROUTES: &str = "/api/{integration}/{*path}";

/// Whether a path is of the version that is also ours.
#[must_use]
pub fn is_v2(path: &str) -> bool {
    path.starts_with("/api/v2/")
}

/// All routes of the table.
pub fn router() -> Router<AppState> {
    let of = |wanted: fn(&str) -> bool| {
        let mine = ROUTES.iter().filter(|route| wanted(route.path));
        mine.fold(Router::new(), |router, route| {
            let limit = DefaultBodyLimit::max(JSON_BYTES);
            router.route(route.path, (route.mount)().layer(limit))
        })
    };
    let v1 = of(|path| !is_v2(path) && path != OWN_ROUTES)
        .layer(map_response(fault::v1))
        .layer(from_fn(version::first));
    let v2 = of(is_v2)
        .layer(from_fn(middleware::pages))
        .layer(map_response(fault::v2))
        .layer(map_response(version::second));
    // They see to their errors themselves: whatever nobody else answers comes there, too.
    v1.merge(v2).merge(of(|path| path == OWN_ROUTES))
}
