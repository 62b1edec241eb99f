//! The GraphQL API at `/api`: one file per noun, each with its object, queries and mutations.
//!
//! A resolver makes one call of a service, or takes what a loader has read for the whole answer;
//! it never reads one record at a time. The schema is committed as `schema.graphql`; a test
//! compares. To add a noun: a file here, its query and mutation in the lists below. Read next:
//! [`http`], [`loaders`], [`connection`], [`errors`].

pub mod asset;
pub mod audit;
pub mod authorization;
pub mod blocker;
pub mod bulk;
pub mod change;
pub mod comment;
pub mod connection;
pub mod credential;
pub mod decide;
pub mod desk;
pub mod document;
pub mod entity;
pub mod enums;
pub mod environment;
pub mod errors;
pub mod evidence;
pub mod failure;
pub mod filter;
pub mod finding;
pub mod gate;
pub mod group;
pub mod history;
pub mod http;
pub mod inactivity;
pub mod integration;
pub mod job;
pub mod loaders;
pub mod location;
pub mod member;
pub mod metrics;
pub mod module;
mod multipart;
pub mod notice;
pub mod organization;
pub mod persisted;
pub mod policy;
pub mod policy_trial;
pub mod portfolio;
pub mod priority;
pub mod receiver;
pub mod report;
pub mod scalar;
pub mod schedule;
pub mod socket;
pub mod subscription;
pub mod summary;
pub mod token;
pub mod triage;
pub mod triage_rule;
pub mod user;
pub mod vex;
pub mod viewer;
pub mod vulnerability;
pub mod weakness_acceptance;
pub mod webhook;

pub use http::{ROUTES, router};

use async_graphql::{MergedObject, SDLExportOptions, Schema, SchemaBuilder};
use connection::List;

/// How deep fields may nest.
pub const MAX_DEPTH: usize = 12;
/// What a query may cost: fields, times the sizes of the pages they are on.
pub const MAX_COMPLEXITY: usize = 20_000;
/// Most directives on one field.
const MAX_DIRECTIVES: usize = 5;

// Each list that is merged makes types nest by one for each of its entries, and the compiler follows them
// only so deep: so there are lists of lists.

/// What can be read.
#[derive(MergedObject, Default)]
pub struct Query(PlaceQueries, VulnerabilityQueries, ConnectionQueries);

#[derive(MergedObject, Default)]
pub struct PlaceQueries(
    viewer::ViewerQuery,
    organization::OrganizationQuery,
    group::GroupQuery,
    asset::AssetQuery,
    report::ReportQuery,
    finding::FindingQuery,
    user::UserQuery,
    inactivity::InactivityQuery,
);

#[derive(MergedObject, Default)]
pub struct VulnerabilityQueries(
    vulnerability::VulnerabilityQuery,
    gate::GateQuery,
    priority::ThreatQuery,
    bulk::BulkQuery,
    triage_rule::TriageRuleQuery,
    policy_trial::PolicyTrialQuery,
    weakness_acceptance::WeaknessAcceptanceQuery,
    blocker::BlockerQuery,
);

#[derive(MergedObject, Default)]
pub struct ConnectionQueries(
    job::JobQuery,
    schedule::ScheduleQuery,
    webhook::WebhookQuery,
    notice::NoticeQuery,
    summary::SummaryQuery,
    receiver::ReceiverQuery,
    module::ModuleQuery,
    entity::EntityQuery,
    credential::CredentialQuery,
    integration::IntegrationQuery,
);

/// What can be done.
#[derive(MergedObject, Default)]
pub struct Mutation(PlaceMutations, VulnerabilityMutations, ConnectionMutations);

#[derive(MergedObject, Default)]
pub struct PlaceMutations(
    viewer::ViewerMutation,
    organization::OrganizationMutation,
    group::GroupMutation,
    asset::AssetMutation,
    report::ReportMutation,
    member::MemberMutation,
    token::TokenMutation,
    user::UserMutation,
);

#[derive(MergedObject, Default)]
pub struct VulnerabilityMutations(
    decide::DecideMutation,
    desk::DeskMutation,
    bulk::BulkMutation,
    triage_rule::TriageRuleMutation,
    weakness_acceptance::WeaknessAcceptanceMutation,
    comment::CommentMutation,
    evidence::EvidenceMutation,
    vex::VexMutation,
    gate::GateMutation,
    blocker::BlockerMutation,
    environment::EnvironmentMutation,
);

#[derive(MergedObject, Default)]
pub struct ConnectionMutations(
    job::JobMutation,
    schedule::ScheduleMutation,
    webhook::WebhookMutation,
    notice::NoticeMutation,
    summary::SummaryMutation,
    receiver::ReceiverMutation,
    authorization::AuthorizationMutation,
    entity::EntityMutation,
    credential::CredentialMutation,
    integration::IntegrationMutation,
);

pub type GnaSchema = Schema<Query, Mutation, subscription::Subscriptions>;

/// The schema with its limits, to be given what is shared and finished.
#[must_use]
pub fn schema() -> SchemaBuilder<Query, Mutation, subscription::Subscriptions> {
    Schema::build(
        Query::default(),
        Mutation::default(),
        subscription::Subscriptions,
    )
    .limit_depth(MAX_DEPTH)
    .limit_complexity(MAX_COMPLEXITY)
    .limit_directives(MAX_DIRECTIVES)
    .override_output_type_description::<List<asset::Asset>>("A page of assets.")
    .override_output_type_description::<List<asset::AssetRef>>("A page of refs.")
    .override_output_type_description::<List<audit::AuditEntry>>("A page of the audit log.")
    .override_output_type_description::<List<blocker::Blocker>>("A page of blockers.")
    .override_output_type_description::<List<blocker::BlockerEntry>>(
        "A page of a blocker's record.",
    )
    .override_output_type_description::<List<blocker::HeldRetest>>("A page of retests that wait.")
    .override_output_type_description::<List<bulk::Bulk>>("A page of bulks.")
    .override_output_type_description::<List<bulk::BulkRefusal>>("A page of refusals.")
    .override_output_type_description::<List<comment::Comment>>("A page of comments.")
    .override_output_type_description::<List<gate::GateRun>>("A page of verdicts.")
    .override_output_type_description::<List<credential::Credential>>("A page of credentials.")
    .override_output_type_description::<List<entity::Entity>>("A page of connected accounts.")
    .override_output_type_description::<List<group::Group>>("A page of groups.")
    .override_output_type_description::<List<history::HistoryEntry>>("A page of a history.")
    .override_output_type_description::<List<integration::Integration>>("A page of integrations.")
    .override_output_type_description::<List<integration::Process>>(
        "A page of long pieces of work.",
    )
    .override_output_type_description::<List<job::Job>>("A page of jobs.")
    .override_output_type_description::<List<member::Invitation>>("A page of invitations.")
    .override_output_type_description::<List<member::Member>>("A page of members.")
    .override_output_type_description::<List<organization::Organization>>(
        "A page of organizations.",
    )
    .override_output_type_description::<List<report::Report>>("A page of reports.")
    .override_output_type_description::<List<portfolio::Portfolio>>("A page of portfolios.")
    .override_output_type_description::<List<inactivity::InactiveMember>>(
        "A page of members who have not come for long.",
    )
    .override_output_type_description::<List<weakness_acceptance::AcceptanceRun>>(
        "A page of an acceptance's runs.",
    )
    .override_output_type_description::<List<schedule::Schedule>>("A page of schedules.")
    .override_output_type_description::<List<user::User>>("A page of accounts.")
    .override_output_type_description::<List<webhook::WebhookDelivery>>("A page of messages.")
    .override_output_type_description::<List<receiver::ReceivedWebhook>>(
        "A page of webhooks that came.",
    )
    .override_output_type_description::<List<vulnerability::Vulnerability>>(
        "A page of vulnerabilities.",
    )
}

/// The schema as it is committed.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_enum_items();
    schema().finish().sdl_with_options(options)
}
