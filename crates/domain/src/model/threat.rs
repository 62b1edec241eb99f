//! Threat: what the world knows of a CVE, once for the whole instance. Feed: where that comes from.

use serde::{Deserialize, Serialize};

use crate::id::JobId;
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Where threats come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeedKind {
    /// How likely exploitation is (FIRST, Exploit Prediction Scoring System).
    Epss,
    /// What is known to be exploited (CISA, Known Exploited Vulnerabilities).
    Kev,
}

impl FeedKind {
    pub const ALL: [Self; 2] = [Self::Epss, Self::Kev];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Epss => "EPSS",
            Self::Kev => "KEV",
        }
    }

    /// By its name, in any case.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

/// How likely exploitation within 30 days is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epss {
    /// 0.0 to 1.0.
    #[serde(rename = "p")]
    pub probability: f64,
    /// Share of all CVEs that are no more likely, 0.0 to 1.0.
    #[serde(rename = "c")]
    pub percentile: f64,
}

/// That it is exploited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kev {
    /// Day on which it was listed: `2021-12-10`.
    pub added: String,
    /// Day by which agencies must have repaired it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    #[serde(default)]
    pub ransomware: bool,
}

/// What is known of one CVE.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Threat {
    pub cve: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kev: Option<Kev>,
}

impl Threat {
    #[must_use]
    pub fn key_of(cve: &str) -> Key {
        Key::new(Self::COLLECTION, cve, "")
    }
}

impl Entity for Threat {
    const COLLECTION: &'static str = "threat";
    fn key(&self) -> Key {
        Self::key_of(&self.cve)
    }
}

/// What was last taken from a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatFeed {
    pub kind: FeedKind,
    /// The moment that the feed's data is of.
    pub as_of: Timestamp,
    pub imported: Timestamp,
    /// [`crate::Actor::label`].
    pub by: String,
    /// Where it came from: a file's name or an address.
    pub source: String,
    pub entries: u64,
    /// CVEs of which something else is known since.
    pub changed: u64,
    /// All CVEs that it lists, of a feed where being listed is what counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// The job that took it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

impl ThreatFeed {
    #[must_use]
    pub fn key_of(kind: FeedKind) -> Key {
        Key::new(Self::COLLECTION, "feed", kind.as_str())
    }
}

impl Entity for ThreatFeed {
    const COLLECTION: &'static str = "threat_feed";
    fn key(&self) -> Key {
        Self::key_of(self.kind)
    }
}
