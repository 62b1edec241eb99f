//! Filter, order and facets of vulnerability lists.

use async_graphql::{Enum, ID, InputObject, SimpleObject};
use gna_domain::error::Result;
use gna_domain::model;
use gna_domain::port::search;
use gna_domain::service::filter::VulnerabilityFilter as Filter;

use super::enums::{
    ClosedReason, FalsePositiveStatus, LocationKind, SeverityLevel, TreatmentStatus,
    VerificationStatus, VulnerabilityState,
};
use super::scalar::{DateTime, parse_all};

/// All parts must hold; several values of one part mean "any of them". Without any, the list holds
/// what is on the default ref and not set aside.
#[derive(InputObject, Default)]
pub struct VulnerabilityFilter {
    /// Words in path, package, address, identifier, tag, or in the finding's texts.
    pub text: Option<String>,
    /// States.
    pub states: Option<Vec<VulnerabilityState>>,
    /// Reasons of closed ones.
    pub closed_reasons: Option<Vec<ClosedReason>>,
    /// Severity levels.
    pub levels: Option<Vec<SeverityLevel>>,
    /// Lowest score, 0.0 to 10.0.
    pub min_severity: Option<f64>,
    /// Highest score, 0.0 to 10.0.
    pub max_severity: Option<f64>,
    /// Lowest priority, 0.0 to 10.0.
    pub min_priority: Option<f64>,
    /// Highest priority, 0.0 to 10.0.
    pub max_priority: Option<f64>,
    /// Ids of assets.
    pub assets: Option<Vec<ID>>,
    /// Ids of findings.
    pub findings: Option<Vec<ID>>,
    /// Ids of refs on which it is present.
    pub refs: Option<Vec<ID>>,
    /// Names of tools that report it.
    pub tools: Option<Vec<String>>,
    /// Tags.
    pub tags: Option<Vec<String>>,
    /// CWE numbers, without `CWE-`.
    pub cwes: Option<Vec<u32>>,
    /// CVE, GHSA and other public names, in any case.
    pub identifiers: Option<Vec<String>>,
    /// Name of a package, or its start and a `*`.
    pub package: Option<String>,
    /// A piece of a path, or its start and a `*`.
    pub path: Option<String>,
    /// Kinds of place.
    pub location_kinds: Option<Vec<LocationKind>>,
    /// True (or absent): those seen on the default ref. False: only the others.
    pub on_default_ref: Option<bool>,
    /// True: on any ref, whatever `onDefaultRef` says.
    pub any_ref: Option<bool>,
    /// Absent or false: not those that every tool has set aside. True: only those.
    pub suppressed: Option<bool>,
    /// What is being done about them.
    pub treatments: Option<Vec<TreatmentStatus>>,
    /// Names of environments that their places lie in.
    pub environments: Option<Vec<String>>,
    /// Ids of users who are responsible.
    pub assignees: Option<Vec<ID>>,
    /// True: those that nobody is responsible for; with `assignees`, also theirs.
    pub unassigned: Option<bool>,
    /// Only those whose request to hold them for false positives has come that far. Absent: all that
    /// are neither requested nor confirmed ones.
    pub false_positives: Option<Vec<FalsePositiveStatus>>,
    /// True: false positives or not, where `falsePositives` is absent.
    pub any_false_positive: Option<bool>,
    /// How far their retest has come.
    pub verifications: Option<Vec<VerificationStatus>>,
    /// Ids of blockers that their retests wait for.
    pub blockers: Option<Vec<ID>>,
    /// True: only those whose permanent acceptance waits for its second person.
    pub acceptance_requested: Option<bool>,
    /// Due then or later; what has no due date is left out.
    pub due_after: Option<DateTime>,
    /// Due then or earlier; what has no due date is left out.
    pub due_before: Option<DateTime>,
    /// Created then or later.
    pub created_after: Option<DateTime>,
    /// Created then or earlier.
    pub created_before: Option<DateTime>,
    /// Last seen then or later.
    pub seen_after: Option<DateTime>,
    /// Last seen then or earlier.
    pub seen_before: Option<DateTime>,
    /// In its state since then or later.
    pub changed_after: Option<DateTime>,
    /// In its state since then or earlier.
    pub changed_before: Option<DateTime>,
    /// Age of at least so many whole days.
    pub min_age_days: Option<u32>,
    /// Age of at most so many whole days.
    pub max_age_days: Option<u32>,
}

impl VulnerabilityFilter {
    /// # Errors
    /// `id.malformed`, naming the part.
    pub fn into_domain(self) -> Result<Filter> {
        let time = |at: Option<DateTime>| at.map(|at| at.0);
        let words = |values: Option<Vec<String>>| values.unwrap_or_default();
        Ok(Filter {
            text: self.text,
            states: self
                .states
                .unwrap_or_default()
                .into_iter()
                .map(|state| state.as_str().to_owned())
                .collect(),
            closed_reasons: self
                .closed_reasons
                .unwrap_or_default()
                .into_iter()
                .map(|reason| model::ClosedReason::from(reason).as_str().to_owned())
                .collect(),
            levels: self
                .levels
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            min_severity: self.min_severity,
            max_severity: self.max_severity,
            min_priority: self.min_priority,
            max_priority: self.max_priority,
            assets: parse_all(self.assets, "filter.assets")?,
            findings: parse_all(self.findings, "filter.findings")?,
            refs: parse_all(self.refs, "filter.refs")?,
            tools: words(self.tools),
            tags: words(self.tags),
            cwes: self.cwes.unwrap_or_default(),
            identifiers: words(self.identifiers),
            package: self.package,
            path: self.path,
            location_kinds: self
                .location_kinds
                .unwrap_or_default()
                .into_iter()
                .map(|kind| kind.as_str().to_owned())
                .collect(),
            on_default_ref: self.on_default_ref,
            any_ref: self.any_ref.unwrap_or(false),
            suppressed: self.suppressed,
            treatments: self
                .treatments
                .unwrap_or_default()
                .into_iter()
                .map(|status| status.as_str().to_owned())
                .collect(),
            environments: self.environments.unwrap_or_default(),
            assignees: parse_all(self.assignees, "filter.assignees")?,
            unassigned: self.unassigned.unwrap_or(false),
            false_positives: self
                .false_positives
                .unwrap_or_default()
                .into_iter()
                .map(|status| model::FalsePositiveStatus::from(status).as_str().to_owned())
                .collect(),
            any_false_positive: self.any_false_positive.unwrap_or(false),
            verifications: self
                .verifications
                .unwrap_or_default()
                .into_iter()
                .map(|status| model::VerificationStatus::from(status).as_str().to_owned())
                .collect(),
            blockers: parse_all(self.blockers, "filter.blockers")?,
            acceptance_requested: self.acceptance_requested.unwrap_or(false),
            due_after: time(self.due_after),
            due_before: time(self.due_before),
            created_after: time(self.created_after),
            created_before: time(self.created_before),
            seen_after: time(self.seen_after),
            seen_before: time(self.seen_before),
            changed_after: time(self.changed_after),
            changed_before: time(self.changed_before),
            min_age_days: self.min_age_days.map(i64::from),
            max_age_days: self.max_age_days.map(i64::from),
        })
    }
}

/// What vulnerabilities are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VulnerabilityOrderField {
    /// Score.
    Severity,
    /// What to look at first.
    Priority,
    /// When it must be repaired; what has no due date comes first, and last in descending order.
    Due,
    /// When it was first reported.
    Created,
    /// When it was last seen.
    LastSeen,
}

/// Which end comes first.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderDirection {
    /// Lowest or oldest first.
    Asc,
    /// Highest or newest first.
    Desc,
}

/// Order of a list of vulnerabilities. Ties are broken by id.
#[derive(InputObject, Clone, Copy)]
pub struct VulnerabilityOrder {
    /// What they are ordered by.
    pub field: VulnerabilityOrderField,
    /// Which end comes first.
    #[graphql(default_with = "OrderDirection::Desc")]
    pub direction: OrderDirection,
}

/// What counts are asked for.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VulnerabilityFacetField {
    /// By state.
    State,
    /// By reason of closing.
    ClosedReason,
    /// By severity level.
    Level,
    /// By id of the asset.
    Asset,
    /// By kind of place: `code`, `package`...
    LocationKind,
    /// By 1 (seen on the default ref) and 0.
    OnDefaultRef,
    /// By 1 (every tool has set it aside) and 0.
    Suppressed,
    /// By what is being done about it.
    Treatment,
    /// By id of the responsible user; `NONE` for nobody.
    Assignee,
    /// By how far the request to hold it for a false positive has come.
    FalsePositive,
    /// By how far its retest has come.
    Verification,
    /// By id of the blocker that its retest waits for.
    Blocker,
    /// By 1 (a permanent acceptance waits for its second person).
    AcceptanceRequested,
    /// By name of the package.
    Package,
    /// By tool.
    Tool,
    /// By CWE number.
    Cwe,
    /// By tag.
    Tag,
    /// By name of the environment that its place lies in.
    Environment,
    /// By id of the ref.
    Ref,
}

impl VulnerabilityFacetField {
    /// As the search index writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::ClosedReason => "closed_reason",
            Self::Level => "level",
            Self::Asset => "asset",
            Self::LocationKind => "location_kind",
            Self::OnDefaultRef => "on_default_ref",
            Self::Suppressed => "suppressed",
            Self::Treatment => "treatment",
            Self::Assignee => "assignee",
            Self::FalsePositive => "false_positive",
            Self::Verification => "verification",
            Self::Blocker => "blocker",
            Self::AcceptanceRequested => "acceptance_requested",
            Self::Package => "package",
            Self::Tool => "tool",
            Self::Cwe => "cwe",
            Self::Tag => "tag",
            Self::Environment => "environment",
            Self::Ref => "ref",
        }
    }
}

/// How many vulnerabilities have each value of one field.
#[derive(SimpleObject)]
pub struct VulnerabilityFacet {
    /// The field.
    pub field: VulnerabilityFacetField,
    /// Most frequent first.
    pub values: Vec<FacetValue>,
}

/// One value of a facet.
#[derive(SimpleObject)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// How many have it.
    pub count: u64,
}

/// The search's sort; by severity, highest first, where nothing is asked for.
#[must_use]
pub fn sort(order: Option<VulnerabilityOrder>) -> search::Sort {
    let field = order.map_or(VulnerabilityOrderField::Severity, |order| order.field);
    search::Sort {
        field: match field {
            VulnerabilityOrderField::Severity => "severity",
            VulnerabilityOrderField::Due => "due",
            VulnerabilityOrderField::Created => "created",
            VulnerabilityOrderField::LastSeen => "last_seen",
            VulnerabilityOrderField::Priority => "priority",
        },
        descending: order.is_none_or(|order| order.direction == OrderDirection::Desc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::port::search::declared;

    #[test]
    fn every_facet_and_order_is_declared_in_the_index() {
        for name in <VulnerabilityFacetField as async_graphql::resolver_utils::EnumType>::items() {
            let field = declared(name.value.as_str());
            assert!(field.is_some_and(|field| field.facet), "{}", name.name);
        }
        let facets = search::FIELDS.iter().filter(|field| field.facet).count();
        assert_eq!(
            <VulnerabilityFacetField as async_graphql::resolver_utils::EnumType>::items().len(),
            facets
        );
        assert!(declared(sort(None).field).is_some_and(|field| field.sort));
    }
}
