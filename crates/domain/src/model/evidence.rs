//! Evidence: a file that shows something about a vulnerability. Its bytes are in the blob store.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{EvidenceId, UserId, VulnerabilityId};
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Largest file, in bytes.
pub const EVIDENCE_LARGEST: usize = 10 << 20;
/// Most files of one vulnerability.
pub const EVIDENCE_MAX: usize = 50;
/// Longest name of a file, in bytes.
const NAME_LIMIT: usize = 200;

/// What a file is, as its bytes say; never as its sender says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EvidenceKind {
    Png,
    Jpeg,
    Gif,
    Webp,
    Mp4,
    Webm,
    Pdf,
    /// UTF-8 without control characters: logs, requests, source code, also HTML and SVG, which are
    /// given out as text.
    Text,
}

impl EvidenceKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::Webp => "WEBP",
            Self::Mp4 => "MP4",
            Self::Webm => "WEBM",
            Self::Pdf => "PDF",
            Self::Text => "TEXT",
        }
    }

    /// What it is given out as.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::Webm => "video/webm",
            Self::Pdf => "application/pdf",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// By the first bytes, as the formats' specifications have them; none for what is not taken.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let at = |from: usize, what: &[u8]| bytes.get(from..from + what.len()) == Some(what);
        if at(0, b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if at(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
            Some(Self::Gif)
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Some(Self::Webp)
        } else if at(4, b"ftyp") {
            Some(Self::Mp4)
        } else if at(0, b"\x1a\x45\xdf\xa3") {
            Some(Self::Webm)
        } else if at(0, b"%PDF-") {
            Some(Self::Pdf)
        } else {
            is_text(bytes).then_some(Self::Text)
        }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes);
    text.is_ok_and(|text| {
        let mut odd = text
            .chars()
            .filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
        odd.next().is_none()
    })
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub id: EvidenceId,
    pub vulnerability: VulnerabilityId,
    /// Of the file, without folders.
    pub name: String,
    pub kind: EvidenceKind,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal.
    pub sha256: String,
    /// The person who brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserId>,
    /// [`crate::Actor::label`] of the author.
    pub actor: String,
    pub created: Timestamp,
}

impl Evidence {
    #[must_use]
    pub fn key_of(vulnerability: VulnerabilityId, id: EvidenceId) -> Key {
        Key::new(Self::COLLECTION, vulnerability.to_string(), id.to_string())
    }

    /// Where its bytes are.
    #[must_use]
    pub fn blob(&self) -> String {
        format!("evidence/{}/{}", self.vulnerability, self.id)
    }
}

impl Entity for Evidence {
    const COLLECTION: &'static str = "evidence";
    fn key(&self) -> Key {
        Self::key_of(self.vulnerability, self.id)
    }
}

/// The name of a file: its last part, in one line.
///
/// # Errors
/// `evidence.name`.
pub fn evidence_name(name: &str) -> Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let is_odd =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if last.is_empty() || last.len() > NAME_LIMIT || last.chars().any(is_odd) {
        return Err(Error::invalid(
            "evidence.name",
            format!("a file needs a name of one line and at most {NAME_LIMIT} bytes"),
        )
        .on_field("name"));
    }
    Ok(last.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_bytes_say() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some(EvidenceKind::Png)),
            (b"\xff\xd8\xff\xe0", Some(EvidenceKind::Jpeg)),
            (b"GIF89a", Some(EvidenceKind::Gif)),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(EvidenceKind::Webp)),
            (b"\0\0\0\x18ftypmp42", Some(EvidenceKind::Mp4)),
            (b"%PDF-1.7", Some(EvidenceKind::Pdf)),
            (
                "GET / HTTP/1.1\r\nHost: ä".as_bytes(),
                Some(EvidenceKind::Text),
            ),
            (b"<svg onload=alert(1)>", Some(EvidenceKind::Text)),
            (b"MZ\x90\0", None),
            (b"PK\x03\x04", None),
            (b"\x7fELF", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(EvidenceKind::of(bytes), kind, "{bytes:?}");
        }
    }

    #[test]
    fn names_are_one_line_without_folders() {
        for (name, kept) in [
            ("a.png", Some("a.png")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\x\\shot 1.png", Some("shot 1.png")),
            ("", None),
            ("a/", None),
            ("a\r\nSet-Cookie: x", None),
            ("a\u{202e}gnp.exe", None),
        ] {
            assert_eq!(evidence_name(name).ok().as_deref(), kept, "{name:?}");
        }
    }
}
