//! The description of REST (OpenAPI 3.1), made from the handlers. A copy is committed as
//! `docs/openapi.json`; a test compares both, and this with [`super::ROUTES`].

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    asset, authorization, blocker, comment, environment, evidence, feed, format, function, gate,
    group, health, hook, inactivity, job, keys, meta, metrics, module, notice, organization,
    policy_trial, portfolio, programme, receiver, report, room, schedule, store, summary, token,
    triage_rule, upload, user, vex, vulnerability, weakness_acceptance, webhook,
};
use crate::compat::frigg;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gna",
        description = "Scanner reports in, vulnerabilities out. Conventions, error codes and limits: docs/API-DESIGN.md. What was written is found at once by whoever sends the header X-Gna-Position of the answer with the next list, export or GraphQL request; X-Gna-Stale: true means that it may be missing. Most of what can be changed is changed by GraphQL at /api.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        health::live,
        health::ready,
        health::detailed,
        metrics::show,
        show,
        meta::show,
        meta::description,
        format::list,
        organization::list,
        organization::create,
        organization::show,
        group::list,
        group::create,
        group::show,
        programme::of_group,
        programme::of_organization,
        policy_trial::of_group,
        policy_trial::of_organization,
        inactivity::list,
        portfolio::list,
        portfolio::metrics,
        triage_rule::list_of_group,
        triage_rule::create_for_group,
        triage_rule::update_of_group,
        triage_rule::remove_of_group,
        triage_rule::list_of_organization,
        triage_rule::create_for_organization,
        triage_rule::update_of_organization,
        triage_rule::remove_of_organization,
        triage_rule::start,
        triage_rule::show,
        weakness_acceptance::list,
        weakness_acceptance::create,
        weakness_acceptance::show,
        weakness_acceptance::submit_again,
        weakness_acceptance::remove,
        weakness_acceptance::approve,
        weakness_acceptance::reject,
        weakness_acceptance::deactivate,
        weakness_acceptance::runs,
        asset::list,
        environment::list,
        environment::create,
        environment::update,
        environment::remove,
        room::begin,
        room::put,
        upload::create,
        report::list,
        report::show,
        report::warnings,
        report::raw,
        vulnerability::list,
        vulnerability::export,
        vulnerability::show,
        vulnerability::history,
        comment::list,
        comment::create,
        evidence::list,
        evidence::create,
        evidence::download,
        evidence::remove,
        blocker::list,
        blocker::create,
        blocker::show,
        blocker::update,
        blocker::entries,
        blocker::comment,
        blocker::propose,
        blocker::reject,
        blocker::solve,
        vex::import,
        feed::list,
        feed::import,
        feed::update,
        gate::run,
        gate::list,
        gate::show,
        gate::snapshot,
        gate::key,
        job::list,
        job::show,
        job::replay,
        job::replay_all,
        job::cancel,
        job::discard,
        schedule::list,
        schedule::create,
        schedule::show,
        schedule::remove,
        schedule::enable,
        schedule::disable,
        schedule::run,
        function::list,
        function::invoke,
        webhook::list,
        webhook::create,
        webhook::show,
        webhook::update,
        webhook::remove,
        webhook::rotate,
        webhook::test,
        webhook::replay_failed,
        webhook::deliveries,
        webhook::replay,
        receiver::list,
        receiver::create,
        receiver::show,
        receiver::update,
        receiver::remove,
        receiver::received,
        receiver::replay,
        hook::app,
        hook::app_target,
        hook::integration,
        hook::integration_target,
        module::list,
        module::show,
        authorization::create,
        authorization::finish,
        notice::show,
        notice::update,
        notice::unsubscribe,
        summary::list,
        summary::subscribe,
        summary::unsubscribe,
        token::list,
        token::create,
        token::revoke,
        token::list_of_group,
        token::create_for_group,
        user::delete,
        store::check,
        store::backup,
        keys::create,
        keys::show,
    ),
    modifiers(&Bearer),
    security(("token" = [])),
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API token, gna_…"))
            .build();
        api.components
            .get_or_insert_with(Default::default)
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The whole description.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut whole = Description::openapi();
    whole.merge(frigg::Description::openapi());
    whole
}

/// This description.
#[utoipa::path(get, path = "/api/meta/openapi.json", tag = "meta", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
