//! The nouns: plain values, one file each.

mod asset;
mod audit;
mod comment;
mod counter;
mod finding;
mod history;
mod job;
mod location;
mod organization;
mod policy;
mod report;
mod severity;
mod vulnerability;

pub use asset::{
    Asset, AssetKind, AssetRef, Criticality, DEFAULT_REF, RefKind, asset_name, normal_tags,
};
pub use audit::{AuditEntry, INSTANCE};
pub use comment::{Comment, comment_text};
pub use counter::{Counter, Tally};
pub use finding::{Finding, FindingKey};
pub use history::{HistoryEntry, VulnerabilityEvent};
pub use job::{Job, Lane, Lease, MAX_ATTEMPTS, MAX_INTERRUPTIONS, Queue};
pub use location::{
    CloudLocation, CodeLocation, EndpointLocation, Location, NetworkLocation, PackageLocation,
    SNIPPET_LIMIT,
};
pub use organization::{Group, Organization, Slug, display_name};
pub use policy::{Change, Policy, PolicyOverride};
pub use report::{Counts, Progress, Report, ReportStatus, Stream};
pub use severity::{Cvss, CvssVersion, Level, preferred};
pub use vulnerability::{
    ClosedReason, Holder, Identity, IdentityKey, Presence, PresenceRecord, Severity, Sighting,
    Source, State, Suppression, Vulnerability,
};
