//! Comment: what a person says about a vulnerability.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{CommentId, UserId, VulnerabilityId};
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Longest comment, in bytes.
pub const COMMENT_LIMIT: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub id: CommentId,
    pub vulnerability: VulnerabilityId,
    /// The comment this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CommentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserId>,
    /// [`crate::Actor::label`] of the author.
    pub actor: String,
    /// Plain text or Markdown, as it was written; whoever shows it makes safe HTML of it.
    pub text: String,
    pub created: Timestamp,
}

impl Entity for Comment {
    const COLLECTION: &'static str = "comment";
    fn key(&self) -> Key {
        Key::new(
            Self::COLLECTION,
            self.vulnerability.to_string(),
            self.id.to_string(),
        )
    }
}

/// # Errors
/// `comment.empty`, `comment.too_long`.
pub fn comment_text(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid("comment.empty", "a comment needs a text"));
    }
    if text.len() > COMMENT_LIMIT {
        return Err(Error::limit(
            "comment.too_long",
            format!("a comment has at most {COMMENT_LIMIT} bytes"),
        ));
    }
    Ok(text.to_owned())
}
