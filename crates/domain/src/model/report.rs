//! Report: one uploaded scanner output, what became of it, and the streams it feeds.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::id::{AssetId, GroupId, OrganizationId, RefId, ReportId, RuleId};
use crate::import::{Category, Refusal};
use crate::port::store::{ById, Entity, Key};
use crate::time::Timestamp;

use super::asset::Asset;
use super::environment::ReportEnvironment;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReportStatus {
    /// The bytes and the job are durable.
    Queued,
    /// Being read and applied.
    Running,
    Complete,
    /// Could not be read as any known format; nothing of it was applied.
    Refused,
    /// Given up after several tries; what was applied stays.
    Failed,
}

impl ReportStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Refused | Self::Failed)
    }
}

/// What became of each item. `total` is the sum of all others but `closed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Items in the report.
    pub total: u64,
    pub created: u64,
    pub reopened: u64,
    /// Known before, and now with a new source, place, name or severity.
    pub updated: u64,
    pub unchanged: u64,
    /// Said twice in this report.
    pub duplicates: u64,
    /// Set aside by the tool or in the code.
    pub suppressed: u64,
    /// Left out, by the code of the warning that says why.
    #[serde(default)]
    pub skipped: BTreeMap<String, u64>,
    /// Vulnerabilities that the report no longer shows.
    pub closed: u64,
    /// Records merged because the report showed them to be one.
    #[serde(default)]
    pub merged: u64,
}

impl Counts {
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Whether every item is accounted for.
    #[must_use]
    pub fn add_up(&self) -> bool {
        self.total
            == self.created
                + self.reopened
                + self.updated
                + self.unchanged
                + self.duplicates
                + self.suppressed
                + self.skipped_total()
    }
}

/// How far a running import has come; written with each chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Items of the plan that are applied.
    pub applied: u64,
    /// Items of the plan in all; 0 until the report has been read to its end.
    pub planned: u64,
    /// Streams whose closing is done.
    pub streams_closed: u32,
    /// The organization's weakness acceptances as they were when the import began, each with its
    /// record's version: what changes meanwhile is applied afterwards.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub acceptances: BTreeMap<RuleId, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub id: ReportId,
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: AssetId,
    pub r#ref: RefId,
    pub created: Timestamp,
    /// [`crate::Actor::label`] of who uploaded it.
    pub uploaded_by: String,
    pub file_name: String,
    /// As uploaded, before decompression, in bytes.
    pub size: u64,
    /// SHA-256 of the bytes as uploaded, in hexadecimal.
    pub sha256: String,
    /// Name of the format; asked for by the uploader or, once read, found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When the scan ran; the upload where neither the uploader nor the report says.
    pub scanned_at: Timestamp,
    /// It shows a part of what the tool looks at, so that nothing is closed because of it.
    #[serde(default)]
    pub partial: bool,
    /// It is about this environment alone, so that it closes nothing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<ReportEnvironment>,
    pub status: ReportStatus,
    #[serde(default)]
    pub counts: Counts,
    #[serde(default)]
    pub progress: Progress,
    /// How many warnings there are; they are kept beside the raw report.
    #[serde(default)]
    pub warnings: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// The asset as it was, where it was made for this report alone and went when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_asset: Option<Box<Asset>>,
}

impl Report {
    /// Blob that holds the bytes as uploaded.
    #[must_use]
    pub fn raw_blob(&self) -> String {
        Self::raw_blob_of(self.id)
    }
    /// The same before there is a record.
    #[must_use]
    pub fn raw_blob_of(id: ReportId) -> String {
        format!("reports/{id}/raw")
    }
    /// Blob that holds the warnings, a JSON array.
    #[must_use]
    pub fn warnings_blob(&self) -> String {
        format!("reports/{}/warnings.json", self.id)
    }
    /// Blob that holds the plan while the import runs.
    #[must_use]
    pub fn plan_blob(&self) -> String {
        format!("reports/{}/plan.json", self.id)
    }
}

impl Entity for Report {
    const COLLECTION: &'static str = "report";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Report {
    type Id = ReportId;
    fn id(&self) -> ReportId {
        self.id
    }
}

/// A line of reports that speak about the same things: one asset, ref, category and tool. A
/// complete report of the line closes what an earlier one showed and it does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    pub asset: AssetId,
    pub r#ref: RefId,
    pub category: Category,
    pub tool: String,
    /// The latest complete report, and what is "last seen" for all that is still present.
    pub report: ReportId,
    pub scanned_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Stream {
    /// Name of the stream inside its asset, also part of the presence records' keys.
    #[must_use]
    pub fn name_of(r#ref: RefId, category: Category, tool: &str) -> String {
        format!("{ref}/{category:?}/{tool}", category = category)
    }

    #[must_use]
    pub fn name(&self) -> String {
        Self::name_of(self.r#ref, self.category, &self.tool)
    }
}

impl Entity for Stream {
    const COLLECTION: &'static str = "stream";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.asset.to_string(), self.name())
    }
}
