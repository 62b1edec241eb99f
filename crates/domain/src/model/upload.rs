//! Upload: room for the bytes of a report that come before what is said about them. A report that is
//! too large for one request is sent there first and registered then.

use serde::{Deserialize, Serialize};

use crate::id::{GroupId, OrganizationId, ReportId, UploadId};
use crate::port::store::{ById, Entity, Key};
use crate::time::{DAY_MS, Timestamp};

/// How long bytes may be sent, in milliseconds from its beginning: 15 minutes.
pub const UPLOAD_MS: i64 = 15 * 60 * 1_000;
/// How long it may be registered, in milliseconds from its beginning: a day. After that it is
/// removed, with its bytes.
pub const UPLOAD_KEPT_MS: i64 = DAY_MS;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    pub id: UploadId,
    pub organization: OrganizationId,
    pub group: GroupId,
    /// [`crate::Actor::label`] of who began it, and alone may register it.
    pub by: String,
    pub created: Timestamp,
    /// SHA-256 of the secret with which Gna itself takes the bytes; none where another place does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// What became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<Registered>,
}

/// The report that an upload became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    pub report: ReportId,
    /// SHA-256 of what was said about it, in hexadecimal.
    pub said: String,
}

impl Upload {
    /// Blob that holds the bytes until they are registered; below its organization's name, so that no
    /// address that is given out reaches what belongs to another.
    #[must_use]
    pub fn blob(&self) -> String {
        format!("uploads/{}/{}", self.organization, self.id)
    }

    /// Until when bytes may be sent.
    #[must_use]
    pub fn open_until(&self) -> Timestamp {
        self.created.plus_millis(UPLOAD_MS)
    }

    /// Until when it may be registered.
    #[must_use]
    pub fn kept_until(&self) -> Timestamp {
        self.created.plus_millis(UPLOAD_KEPT_MS)
    }
}

impl Entity for Upload {
    const COLLECTION: &'static str = "upload";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Upload {
    type Id = UploadId;
    fn id(&self) -> UploadId {
        self.id
    }
}
