//! The nouns: plain values, one file each.

mod audit;
mod location;
mod organization;
mod policy;
mod severity;

pub use audit::{AuditEntry, INSTANCE};
pub use location::{
    CloudLocation, CodeLocation, EndpointLocation, Location, NetworkLocation, PackageLocation,
    SNIPPET_LIMIT,
};
pub use organization::{Group, Organization, Slug, display_name};
pub use policy::{Change, Policy, PolicyOverride};
pub use severity::{Cvss, CvssVersion, Level, preferred};
