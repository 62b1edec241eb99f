//! The nouns: plain values, one file each.

mod asset;
mod audit;
mod blocker;
mod comment;
mod counter;
mod data_key;
mod environment;
mod evidence;
mod failure;
mod feed_reader;
mod finding;
mod gate_run;
mod history;
mod identity;
mod inbound;
mod invitation;
mod job;
mod lane;
mod link;
mod location;
mod membership;
mod notice;
mod organization;
mod policy;
mod report;
mod schedule;
mod session;
mod severity;
mod signing_key;
mod summary;
mod sweep;
mod threat;
mod token;
mod triage;
mod triage_rule;
mod upload;
mod user;
mod vex;
mod vulnerability;
mod weakness_acceptance;
mod webhook;

pub use asset::{
    Asset, AssetKind, AssetRef, Criticality, DEFAULT_REF, RefKind, asset_name, normal_tags,
};
pub use audit::{AuditEntry, INSTANCE};
pub use blocker::{
    Blocker, BlockerEntry, BlockerEntryKind, BlockerHold, BlockerKind, BlockerStatus, MAX_ENTRIES,
    blocker_description, blocker_title,
};
pub use comment::{Comment, comment_text};
pub use counter::{Counter, Flow, Tally, WEEKS_KEPT, exposure, week_of, week_start};
pub use data_key::DataKey;
pub use environment::{
    ADDRESSES_MAX, ENVIRONMENTS_MAX, Environment, EnvironmentBook, EnvironmentKind,
    ReportEnvironment,
};
pub use evidence::{EVIDENCE_LARGEST, EVIDENCE_MAX, Evidence, EvidenceKind, evidence_name};
pub use failure::Failure;
pub use feed_reader::FeedReader;
pub use finding::{Finding, FindingKey};
pub use gate_run::{GateRun, GateStanding, OFFENDERS_KEPT, Offender};
pub use history::{HistoryEntry, VulnerabilityEvent};
pub use identity::{Holder, Identity, SnippetHash};
pub use inbound::{
    HookProof, HookReceiver, RECEIVED_KEPT_MS, RECEIVERS_MAX, ReceivedHook, ReceiverBook,
};
pub use invitation::{INVITATION_MS, Invitation};
pub use job::{Job, JobState, LANE_SLOTS_MAX, Lease, MAX_ATTEMPTS, MAX_INTERRUPTIONS, Queue};
pub use lane::Lane;
pub use link::{LINK_MS, Link, Purpose};
pub use location::{
    CloudLocation, CodeLocation, EndpointLocation, Location, NetworkLocation, PackageLocation,
    SNIPPET_LIMIT,
};
pub use membership::{Membership, OwnerRoll, Scope};
pub use notice::{
    DigestDays, Leaving, Letter, Notice, NoticeKind, NoticePreferences, NoticeQueue, NoticeRule,
    NoticeWhen,
};
pub use organization::{Group, Organization, Slug, display_name};
pub use policy::{Change, Policy, PolicyChange, PolicyField, PolicyLevel, PolicyOverride};
pub use report::{Counts, Progress, Report, ReportStatus, Stream};
pub use schedule::{Overlap, Run, Schedule, Timing};
pub use session::{Attempts, Origin, SESSION_IDLE_MS, SESSION_MS, SESSION_TOUCH_MS, Session};
pub use severity::{Cvss, CvssVersion, Level, preferred};
pub use signing_key::SigningKey;
pub use summary::{ReportEvery, ReportSubscription, SUBSCRIPTIONS_MAX, Summary};
pub use sweep::Sweep;
pub use threat::{Epss, FeedKind, Kev, Threat, ThreatFeed};
pub use token::{ApiToken, TOKEN_MAX_DAYS, TOKEN_PREFIX, TOKEN_TOUCH_MS, TOKENS_MAX, TokenHolder};
pub use triage::{
    FalsePositive, FalsePositiveStatus, Note, OwnSeverity, Treatment, Triage, Verification,
    VerificationOutcome, VerificationStatus,
};
pub use triage_rule::{
    AppliedRule, EXAMPLES_MAX, RULES_MAX, RuleActions, RuleBook, RuleOutcome, RuleTreatment,
    TriageRule, TriageRun, TriageRunStatus,
};
pub use upload::{Registered, UPLOAD_KEPT_MS, UPLOAD_MS, Upload};
pub use user::{Email, PasswordHash, RESERVED, User};
pub use vex::{VexFormat, VexOrigin};
pub use vulnerability::{
    ClosedReason, IdentityKey, OWN_SEVERITY, Presence, PresenceRecord, Severity, Sighting,
    SlaNotice, Source, State, Suppression, Vulnerability,
};
pub use weakness_acceptance::{
    AcceptanceRun, AcceptanceRunStatus, WEAKNESS_ACCEPTANCES_MAX, WeaknessAcceptance,
    WeaknessAcceptanceBook, WeaknessAcceptanceStatus, WeaknessName,
};
pub use webhook::{
    Attempt, DELIVERY_KEPT_MS, Delivery, DeliveryState, ENDPOINTS_MAX, Endpoint, EndpointBook,
    OldSecret,
};
