//! Gate run: one verdict that a server gave on a report, as it was given.

use serde::{Deserialize, Serialize};

use crate::id::{AssetId, GateRunId, GroupId, OrganizationId, RefId, ReportId, VulnerabilityId};
use crate::port::store::{ById, Entity, Key};
use crate::rules::gate::{Counts, Terms, Verdict};
use crate::time::Timestamp;

use super::location::Location;
use super::severity::Level;

/// Most offenders that are kept with a run, the worst first.
pub const OFFENDERS_KEPT: usize = 100;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateRun {
    pub id: GateRunId,
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: AssetId,
    /// The ref that was judged.
    pub r#ref: RefId,
    /// The report under test.
    pub report: ReportId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What it was compared with, where only what is new counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<RefId>,
    pub created: Timestamp,
    /// [`crate::Actor::label`] of who asked.
    pub by: String,
    pub verdict: Verdict,
    pub terms: Terms,
    pub counts: Counts,
    /// What was asked for and is not allowed here, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// At most [`OFFENDERS_KEPT`], the worst first; [`Counts::breaking`] says how many there were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaking: Vec<Offender>,
}

/// A vulnerability that broke the gate, as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offender {
    pub vulnerability: VulnerabilityId,
    pub title: String,
    pub tool: String,
    pub rule: String,
    pub level: Level,
    /// 0.0 to 10.0.
    pub score: f64,
    /// Without its snippet.
    pub location: Location,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwes: Vec<u32>,
    pub first_seen: Timestamp,
    /// The surest name it is recognised by.
    pub fingerprint: String,
}

impl Entity for GateRun {
    const COLLECTION: &'static str = "gate_run";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for GateRun {
    type Id = GateRunId;
    fn id(&self) -> GateRunId {
        self.id
    }
}

/// The last verdict on a ref by the same terms: by it a pass that ends a broken gate is told from any
/// other. What passes by laxer terms, or compared with something else, says nothing of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateStanding {
    pub asset: AssetId,
    pub r#ref: RefId,
    /// As [`GateRun::base`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<RefId>,
    pub terms: Terms,
    pub verdict: Verdict,
    /// The first run in a row with that verdict.
    pub run: GateRunId,
}

impl GateStanding {
    #[must_use]
    pub fn key_of(asset: AssetId, r#ref: RefId, base: Option<RefId>, terms: &Terms) -> Key {
        // All of them: a term that is added must be named here.
        let Terms {
            threshold,
            grace_days,
            debt_days,
            strict,
            new_only,
        } = terms;
        let base = base.map(|base| base.to_string()).unwrap_or_default();
        let terms = format!("{threshold}:{grace_days}:{debt_days}:{strict}:{new_only}");
        let sort = [r#ref.to_string(), terms, base].join(":");
        Key::new(Self::COLLECTION, asset.to_string(), sort)
    }
}

impl Entity for GateStanding {
    const COLLECTION: &'static str = "gate_standing";
    fn key(&self) -> Key {
        Self::key_of(self.asset, self.r#ref, self.base, &self.terms)
    }
}
