//! Where a decision comes from that was taken over from a VEX document.

use serde::{Deserialize, Serialize};

/// What a VEX document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VexFormat {
    #[serde(rename = "openvex")]
    OpenVex,
    #[serde(rename = "cyclonedx")]
    CycloneDx,
    #[serde(rename = "csaf")]
    Csaf,
}

impl VexFormat {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenVex => "openvex",
            Self::CycloneDx => "cyclonedx",
            Self::Csaf => "csaf",
        }
    }
}

/// What a document said of a false positive, kept as it was said, so that the same format can say it
/// again. Each text has at most 2,000 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VexOrigin {
    pub format: VexFormat,
    /// Id of the document, as its author gave it.
    pub document: String,
    pub author: String,
    /// The format's own word.
    pub status: String,
    /// The format's own word for why, where it has words for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// Why, as a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
}
