//! REST under `/api/v2`, with health and metrics beside it: one file per resource.
//!
//! [`ROUTES`] is the whole table: what is not in it is not mounted. Each line says what guards the
//! route; `tests/it/walker.rs` tries every line as nobody and as a stranger. To add a route: a
//! handler with its `utoipa::path`, a line here and one in [`openapi`].

mod asset;
mod authorization;
mod blocker;
mod comment;
mod environment;
mod evidence;
mod feed;
mod filter;
mod format;
mod function;
mod gate;
mod group;
mod health;
mod hook;
mod inactivity;
mod job;
mod keys;
mod meta;
mod metrics;
mod module;
mod notice;
pub mod openapi;
mod organization;
mod policy_trial;
mod portfolio;
mod programme;
mod receiver;
mod report;
mod room;
mod schedule;
mod store;
mod summary;
mod token;
mod triage_rule;
mod upload;
mod user;
mod vex;
mod view;
mod vulnerability;
mod weakness_acceptance;
mod webhook;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use gna_domain::policy::Action;
use gna_domain::service::hook::HOOK_BYTES;

use crate::extract::JSON_BYTES;
use crate::state::AppState;

pub(crate) use function::of_routes as functions;
pub use metrics::{install as install_metrics, upkeep as upkeep_metrics};
pub(crate) use receiver::address as receiver_address;
pub(crate) use schedule::timing;
pub(crate) use view::{NextPage, OrganizationParams, PageParams, paged};
pub(crate) use vulnerability::VulnerabilityView;

/// What keeps strangers out of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The service asks the policy for this action on what is named.
    Policy(Action),
    /// Anybody who is known; what they get is their own.
    Known(&'static str),
    /// Whoever brings the proof that belongs to what is named; all others get nothing.
    Signed(&'static str),
    /// Open to all, and why.
    Public(&'static str),
}

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

use Guard::{Known, Policy, Public, Signed};

routes! {
    get "/health/live" => health::live, Public("says only that the process answers");
    get "/health/ready" => health::ready, Public("says only whether requests can be served");
    get "/health/detailed" => health::detailed, Policy(Action::InstanceRead);
    get "/metrics" => metrics::show, Policy(Action::InstanceRead);
    get "/api/meta" => meta::show, Public("says which versions there are, of any server alike");
    get "/api/meta/openapi/{major}" => meta::description, Public("the description of the API holds no data");
    get "/api/meta/openapi.json" => openapi::show, Public("the description of the API holds no data");

    get "/api/v2/formats" => format::list, Known("the formats are the same for everybody");

    get "/api/v2/organizations" => organization::list, Known("lists what the caller knows");
    post "/api/v2/organizations" => organization::create, Policy(Action::OrganizationCreate);
    get "/api/v2/organizations/{organization}" => organization::show, Policy(Action::OrganizationRead);
    get "/api/v2/groups" => group::list, Known("lists what the caller knows");
    post "/api/v2/groups" => group::create, Policy(Action::GroupCreate);
    get "/api/v2/groups/{group}" => group::show, Policy(Action::GroupRead);
    get "/api/v2/groups/{group}/triage-rules" => triage_rule::list_of_group, Policy(Action::RuleRead);
    post "/api/v2/groups/{group}/triage-rules" => triage_rule::create_for_group, Policy(Action::RuleManage);
    put "/api/v2/groups/{group}/triage-rules/{rule}" => triage_rule::update_of_group, Policy(Action::RuleManage);
    delete "/api/v2/groups/{group}/triage-rules/{rule}" => triage_rule::remove_of_group, Policy(Action::RuleManage);
    get "/api/v2/organizations/{organization}/triage-rules" => triage_rule::list_of_organization, Policy(Action::OrganizationRead);
    post "/api/v2/organizations/{organization}/triage-rules" => triage_rule::create_for_organization, Policy(Action::OrganizationUpdate);
    put "/api/v2/organizations/{organization}/triage-rules/{rule}" => triage_rule::update_of_organization, Policy(Action::OrganizationUpdate);
    delete "/api/v2/organizations/{organization}/triage-rules/{rule}" => triage_rule::remove_of_organization, Policy(Action::OrganizationUpdate);
    get "/api/v2/organizations/{organization}/weakness-acceptances" => weakness_acceptance::list, Policy(Action::OrganizationRead);
    post "/api/v2/organizations/{organization}/weakness-acceptances" => weakness_acceptance::create, Policy(Action::WeaknessAcceptanceSubmit);
    get "/api/v2/organizations/{organization}/weakness-acceptances/{rule}" => weakness_acceptance::show, Policy(Action::OrganizationRead);
    put "/api/v2/organizations/{organization}/weakness-acceptances/{rule}" => weakness_acceptance::submit_again, Policy(Action::WeaknessAcceptanceSubmit);
    delete "/api/v2/organizations/{organization}/weakness-acceptances/{rule}" => weakness_acceptance::remove, Policy(Action::WeaknessAcceptanceDecide);
    post "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/approve" => weakness_acceptance::approve, Policy(Action::WeaknessAcceptanceDecide);
    post "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/reject" => weakness_acceptance::reject, Policy(Action::WeaknessAcceptanceSubmit);
    post "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/deactivate" => weakness_acceptance::deactivate, Policy(Action::WeaknessAcceptanceDecide);
    get "/api/v2/organizations/{organization}/weakness-acceptances/{rule}/runs" => weakness_acceptance::runs, Policy(Action::OrganizationRead);
    get "/api/v2/groups/{group}/metrics" => programme::of_group, Policy(Action::VulnerabilityRead);
    get "/api/v2/organizations/{organization}/metrics" => programme::of_organization, Policy(Action::OrganizationRead);
    post "/api/v2/groups/{group}/policy-trials" => policy_trial::of_group, Policy(Action::PolicyUpdate);
    post "/api/v2/organizations/{organization}/policy-trials" => policy_trial::of_organization, Policy(Action::OrganizationUpdate);
    get "/api/v2/organizations/{organization}/inactive-members" => inactivity::list, Policy(Action::MemberManage);
    get "/api/v2/organizations/{organization}/portfolios" => portfolio::list, Policy(Action::OrganizationRead);
    get "/api/v2/organizations/{organization}/portfolios/{tag}/metrics" => portfolio::metrics, Policy(Action::OrganizationRead);
    post "/api/v2/groups/{group}/triage-runs" => triage_rule::start, Policy(Action::RuleManage);
    get "/api/v2/triage-runs/{triage_run}" => triage_rule::show, Policy(Action::RuleRead);
    get "/api/v2/assets" => asset::list, Policy(Action::AssetRead);
    get "/api/v2/assets/{asset}/environments" => environment::list, Policy(Action::AssetRead);
    post "/api/v2/assets/{asset}/environments" => environment::create, Policy(Action::AssetWrite);
    patch "/api/v2/assets/{asset}/environments/{environment}" => environment::update, Policy(Action::AssetWrite);
    delete "/api/v2/assets/{asset}/environments/{environment}" => environment::remove, Policy(Action::AssetWrite);

    post "/api/v2/uploads" => room::begin, Policy(Action::ReportUpload);
    put "/api/v2/uploads/{upload}" => room::put, Signed("by this server, in the answer that began the upload");
    post "/api/v2/reports" => upload::create, Policy(Action::ReportUpload);
    get "/api/v2/reports" => report::list, Policy(Action::ReportRead);
    get "/api/v2/reports/{report}" => report::show, Policy(Action::ReportRead);
    get "/api/v2/reports/{report}/warnings" => report::warnings, Policy(Action::ReportRead);
    get "/api/v2/reports/{report}/raw" => report::raw, Policy(Action::ReportDownload);

    get "/api/v2/vulnerabilities" => vulnerability::list, Policy(Action::VulnerabilityRead);
    get "/api/v2/vulnerabilities/export" => vulnerability::export, Policy(Action::VulnerabilityRead);
    get "/api/v2/vulnerabilities/{vulnerability}" => vulnerability::show, Policy(Action::VulnerabilityRead);
    get "/api/v2/vulnerabilities/{vulnerability}/history" => vulnerability::history, Policy(Action::VulnerabilityRead);
    get "/api/v2/vulnerabilities/{vulnerability}/comments" => comment::list, Policy(Action::CommentRead);
    post "/api/v2/vulnerabilities/{vulnerability}/comments" => comment::create, Policy(Action::CommentWrite);

    get "/api/v2/vulnerabilities/{vulnerability}/evidence" => evidence::list, Policy(Action::EvidenceRead);
    post "/api/v2/vulnerabilities/{vulnerability}/evidence" => evidence::create, Policy(Action::EvidenceWrite);
    get "/api/v2/vulnerabilities/{vulnerability}/evidence/{evidence}" => evidence::download, Policy(Action::EvidenceRead);
    delete "/api/v2/vulnerabilities/{vulnerability}/evidence/{evidence}" => evidence::remove, Policy(Action::EvidenceWrite);
    get "/api/v2/blockers" => blocker::list, Policy(Action::BlockerRead);
    post "/api/v2/blockers" => blocker::create, Policy(Action::BlockerWrite);
    get "/api/v2/blockers/{blocker}" => blocker::show, Policy(Action::BlockerRead);
    patch "/api/v2/blockers/{blocker}" => blocker::update, Policy(Action::BlockerWrite);
    get "/api/v2/blockers/{blocker}/entries" => blocker::entries, Policy(Action::BlockerRead);
    post "/api/v2/blockers/{blocker}/comments" => blocker::comment, Policy(Action::BlockerWrite);
    post "/api/v2/blockers/{blocker}/propose" => blocker::propose, Policy(Action::BlockerWrite);
    post "/api/v2/blockers/{blocker}/reject" => blocker::reject, Policy(Action::BlockerSolve);
    post "/api/v2/blockers/{blocker}/solve" => blocker::solve, Policy(Action::BlockerSolve);
    post "/api/v2/groups/{group}/vex" => vex::import, Policy(Action::VexImport);

    get "/api/v2/feeds" => feed::list, Known("what is known of CVEs is the same for everybody");
    post "/api/v2/feeds/{feed}" => feed::import, Policy(Action::InstanceManage);
    post "/api/v2/feeds/{feed}/updates" => feed::update, Policy(Action::InstanceManage);
    post "/api/v2/gate" => gate::run, Policy(Action::GateRun);
    get "/api/v2/gate/runs" => gate::list, Policy(Action::GateRead);
    get "/api/v2/gate/runs/{run}" => gate::show, Policy(Action::GateRead);
    post "/api/v2/gate/snapshots" => gate::snapshot, Policy(Action::GateRun);
    get "/api/v2/gate/key" => gate::key, Known("a public key, the same for everybody");

    get "/api/v2/jobs" => job::list, Policy(Action::JobRead);
    post "/api/v2/jobs/replay" => job::replay_all, Policy(Action::JobManage);
    get "/api/v2/jobs/{job}" => job::show, Policy(Action::JobRead);
    post "/api/v2/jobs/{job}/replay" => job::replay, Policy(Action::JobManage);
    post "/api/v2/jobs/{job}/cancel" => job::cancel, Policy(Action::JobManage);
    delete "/api/v2/jobs/{job}" => job::discard, Policy(Action::JobManage);

    get "/api/v2/schedules" => schedule::list, Policy(Action::JobRead);
    post "/api/v2/schedules" => schedule::create, Policy(Action::InstanceManage);
    get "/api/v2/schedules/{schedule}" => schedule::show, Policy(Action::JobRead);
    delete "/api/v2/schedules/{schedule}" => schedule::remove, Policy(Action::JobManage);
    post "/api/v2/schedules/{schedule}/enable" => schedule::enable, Policy(Action::JobManage);
    post "/api/v2/schedules/{schedule}/disable" => schedule::disable, Policy(Action::JobManage);
    post "/api/v2/schedules/{schedule}/run" => schedule::run, Policy(Action::JobManage);
    get "/api/v2/functions" => function::list, Policy(Action::InstanceRead);
    post "/api/v2/functions/{function}/invoke" => function::invoke, Policy(Action::InstanceManage);

    get "/api/v2/webhooks" => webhook::list, Policy(Action::WebhookRead);
    post "/api/v2/webhooks" => webhook::create, Policy(Action::WebhookManage);
    get "/api/v2/webhooks/{webhook}" => webhook::show, Policy(Action::WebhookRead);
    patch "/api/v2/webhooks/{webhook}" => webhook::update, Policy(Action::WebhookManage);
    delete "/api/v2/webhooks/{webhook}" => webhook::remove, Policy(Action::WebhookManage);
    post "/api/v2/webhooks/{webhook}/rotate" => webhook::rotate, Policy(Action::WebhookManage);
    post "/api/v2/webhooks/{webhook}/test" => webhook::test, Policy(Action::WebhookManage);
    post "/api/v2/webhooks/{webhook}/replay" => webhook::replay_failed, Policy(Action::WebhookManage);
    get "/api/v2/webhooks/{webhook}/deliveries" => webhook::deliveries, Policy(Action::WebhookRead);
    post "/api/v2/webhooks/{webhook}/deliveries/{delivery}/replay" => webhook::replay, Policy(Action::WebhookManage);

    get "/api/v2/receivers" => receiver::list, Policy(Action::WebhookRead);
    post "/api/v2/receivers" => receiver::create, Policy(Action::WebhookManage);
    get "/api/v2/receivers/{receiver}" => receiver::show, Policy(Action::WebhookRead);
    patch "/api/v2/receivers/{receiver}" => receiver::update, Policy(Action::WebhookManage);
    delete "/api/v2/receivers/{receiver}" => receiver::remove, Policy(Action::WebhookManage);
    get "/api/v2/receivers/{receiver}/received" => receiver::received, Policy(Action::WebhookRead);
    post "/api/v2/receivers/{receiver}/received/{delivery}/replay" => receiver::replay, Policy(Action::WebhookManage);
    post "/api/v2/hooks/{app}" => hook::app, Signed("by the app, as its module says");
    post "/api/v2/hooks/{app}/{target}" => hook::app_target, Signed("by the app, as its module says");
    post "/api/{integration}/webhooks" => hook::integration, Signed("by the app, as its module says");
    post "/api/{integration}/webhooks/{target}" => hook::integration_target, Signed("by the app, as its module says");

    get "/api/v2/modules" => module::list, Known("the apps are the same for everybody");
    get "/api/v2/modules/{module}" => module::show, Known("the apps are the same for everybody");
    post "/api/v2/authorizations" => authorization::create, Policy(Action::ConnectionOwn);
    post "/api/v2/authorizations/finish" => authorization::finish, Policy(Action::ConnectionOwn);
    get "/api/v2/notices/preferences" => notice::show, Known("shows the caller's own");
    patch "/api/v2/notices/preferences" => notice::update, Known("changes the caller's own");
    get "/api/v2/notices/subscriptions" => summary::list, Known("lists the caller's own");
    post "/api/v2/groups/{group}/subscription" => summary::subscribe, Policy(Action::GroupRead);
    delete "/api/v2/groups/{group}/subscription" => summary::unsubscribe, Known("ends one of the caller's own");
    post "/api/v2/notices/unsubscribe" => notice::unsubscribe, Signed("by this server, in a letter to the person");

    get "/api/v2/tokens" => token::list, Known("lists the caller's own");
    post "/api/v2/tokens" => token::create, Known("makes one of the caller's own");
    delete "/api/v2/tokens/{token}" => token::revoke, Known("the holder's, or whoever manages the holder's");
    get "/api/v2/groups/{group}/tokens" => token::list_of_group, Policy(Action::GroupTokenManage);
    post "/api/v2/groups/{group}/tokens" => token::create_for_group, Policy(Action::GroupTokenManage);

    delete "/api/v2/users/{user}" => user::delete, Policy(Action::UserManage);

    post "/api/v2/store/check" => store::check, Policy(Action::InstanceManage);
    post "/api/v2/store/backups" => store::backup, Policy(Action::InstanceManage);

    post "/api/v2/keys/rotations" => keys::create, Policy(Action::InstanceManage);
    get "/api/v2/keys/rotations/{rotation}" => keys::show, Policy(Action::InstanceManage);
}

/// All routes of the table.
pub fn router() -> Router<AppState> {
    ROUTES.iter().fold(Router::new(), |router, route| {
        let limit = if is_upload(route.method, route.path) {
            // It counts for itself, with the configured limit.
            DefaultBodyLimit::disable()
        } else {
            DefaultBodyLimit::max(largest_body(route.path))
        };
        router.route(route.path, (route.mount)().layer(limit))
    })
}

/// The largest body of a request to an address, in bytes; uploads of reports have their own.
#[must_use]
pub(crate) fn largest_body(path: &str) -> usize {
    if path.starts_with("/api/v2/feeds/") {
        gna_domain::service::feeds::LARGEST
    } else if path.starts_with("/api/v2/groups/") && path.ends_with("/vex") {
        gna_domain::service::vex::LARGEST
    } else if path.starts_with("/api/v2/vulnerabilities/") && path.ends_with("/evidence") {
        gna_domain::model::EVIDENCE_LARGEST
    } else if is_hook(path) {
        HOOK_BYTES
    } else {
        JSON_BYTES
    }
}

/// Whether a request brings a report.
pub(crate) fn is_upload(method: &str, path: &str) -> bool {
    (method.eq_ignore_ascii_case("post") && path == "/api/v2/reports")
        || (method.eq_ignore_ascii_case("put") && path.starts_with("/api/v2/uploads/"))
}

/// Whether apps send webhooks to that address. They bring their own proof and their own ids.
#[must_use]
pub fn is_hook(path: &str) -> bool {
    let rest = path.strip_prefix("/api/").unwrap_or_default();
    let mut parts = rest.split('/');
    match (parts.next(), parts.next()) {
        (Some("v2"), Some("hooks")) => true,
        (Some(first), Some("webhooks")) => first != "v2",
        _ => false,
    }
}

/// Whether the answer shows a secret that is kept nowhere, so that it can't be given twice.
#[must_use]
pub fn shows_secret(path: &str) -> bool {
    path.ends_with("/tokens")
        || path.ends_with("/rotate")
        || path.starts_with("/api/v2/authorizations")
        || ["/api/v2/uploads", "/api/v2/webhooks", "/api/v2/receivers"].contains(&path)
}
