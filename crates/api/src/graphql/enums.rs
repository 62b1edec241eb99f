//! The domain's enumerations, as the API writes them.

use async_graphql::Enum;
use gna_domain::{import, model, policy};

/// What kind of thing an asset is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::AssetKind")]
pub enum AssetKind {
    /// Source code.
    Repository,
    /// A container image.
    Image,
    /// A machine.
    Host,
    /// A web site or an API.
    Url,
    /// An account at a cloud provider.
    CloudAccount,
    /// The subject of an SBOM.
    Package,
    /// Anything else.
    Other,
}

/// How bad it is when an asset fails.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Criticality")]
pub enum Criticality {
    /// Hardly matters.
    Low,
    /// Matters.
    Medium,
    /// Matters most.
    High,
}

/// What kind of version a ref is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::RefKind")]
pub enum RefKind {
    /// A branch.
    Branch,
    /// A tag.
    Tag,
    /// A released version.
    Version,
}

/// What kind of scan a report comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "import::Category")]
pub enum Category {
    /// Static analysis of source code.
    Sast,
    /// Dependencies of an application.
    Sca,
    /// Packages of an image or an operating system.
    Container,
    /// Secrets in files.
    Secret,
    /// Infrastructure as code.
    Iac,
    /// A running web application or API.
    Dast,
    /// Hosts and networks.
    Network,
    /// Cloud accounts and clusters.
    Cloud,
    /// Components only, or mixed.
    Other,
}

/// How far a report has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::ReportStatus")]
pub enum ReportStatus {
    /// Its bytes and its job are durable.
    Queued,
    /// Being read and applied.
    Running,
    /// Done.
    Complete,
    /// Could not be read; nothing of it was applied.
    Refused,
    /// Given up after several tries; what was applied stays.
    Failed,
}

/// Severity in five levels.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::Level")]
pub enum SeverityLevel {
    /// Score 0.
    Info,
    /// Score below 4.
    Low,
    /// Score below 7.
    Medium,
    /// Score below 9.
    High,
    /// Score 9 and above.
    Critical,
}

/// How a source's severity was come by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "import::SeverityBasis")]
pub enum SeverityBasis {
    /// The tool gave a word or a level.
    Stated,
    /// The tool gave a score or a vector only.
    Score,
    /// The tool gave nothing: the format's documented default.
    Default,
}

/// State of a vulnerability.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VulnerabilityState {
    /// Waits for review.
    Submitted,
    /// To be dealt with.
    Open,
    /// Reviewed and found wrong.
    Rejected,
    /// No longer there, or no longer of interest: see the reason.
    Closed,
}

impl From<model::State> for VulnerabilityState {
    fn from(state: model::State) -> Self {
        match state {
            model::State::Submitted => Self::Submitted,
            model::State::Open => Self::Open,
            model::State::Rejected => Self::Rejected,
            model::State::Closed(_) => Self::Closed,
        }
    }
}

impl VulnerabilityState {
    /// As the search index writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Open => "OPEN",
            Self::Rejected => "REJECTED",
            Self::Closed => "CLOSED",
        }
    }
}

/// Why a vulnerability is closed.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::ClosedReason")]
pub enum ClosedReason {
    /// A person or a tool says that it is repaired.
    Fixed,
    /// A complete report no longer shows it.
    NotDetected,
    /// A retest showed that it is gone.
    Verified,
    /// Not of interest here.
    OutOfScope,
    /// The same as another one.
    Duplicate,
}

/// What is being done about a vulnerability.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreatmentStatus {
    /// Nothing was decided.
    Untreated,
    /// Its assignee works on it.
    InProgress,
    /// The risk is borne until a date.
    Accepted,
    /// The risk is borne for good, as two people decided.
    AcceptedPermanently,
}

impl TreatmentStatus {
    /// As the search index writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untreated => "UNTREATED",
            Self::InProgress => "IN_PROGRESS",
            Self::Accepted => "ACCEPTED",
            Self::AcceptedPermanently => "ACCEPTED_PERMANENTLY",
        }
    }
}

/// How far a request to hold something for a false positive has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::FalsePositiveStatus")]
pub enum FalsePositiveStatus {
    /// Another person must decide.
    Requested,
    /// Another person agreed.
    Confirmed,
    /// It is real.
    Rejected,
}

/// How far a retest has come.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::VerificationStatus")]
pub enum VerificationStatus {
    /// Someone asked for it.
    Requested,
    /// Something blocks it.
    OnHold,
    /// It was answered.
    Verified,
}

/// What a retest found.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::VerificationOutcome")]
pub enum VerificationOutcome {
    /// It is still there.
    Open,
    /// It is gone.
    Closed,
}

/// What kind of place a vulnerability is in.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocationKind {
    /// A file.
    Code,
    /// A package.
    Package,
    /// A web address.
    Endpoint,
    /// A host or port.
    Network,
    /// A cloud resource.
    Cloud,
    /// The asset as a whole.
    Asset,
}

impl LocationKind {
    /// As the search index writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Package => "package",
            Self::Endpoint => "endpoint",
            Self::Network => "network",
            Self::Cloud => "cloud",
            Self::Asset => "asset",
        }
    }
}

/// What someone may be, somewhere. `docs/ROLES.md` says what each may do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "policy::Role")]
pub enum Role {
    /// Of the instance: creates organizations and users.
    InstanceAdmin,
    /// Of an organization.
    Owner,
    /// Of an organization: may be given groups.
    Member,
    /// Of a group.
    Manager,
    /// Of a group: decides on vulnerabilities.
    Triager,
    /// Of a group: works on vulnerabilities.
    Developer,
    /// Of a group: looks.
    Reader,
    /// Of a group: uploads reports; for machines.
    Ci,
}
