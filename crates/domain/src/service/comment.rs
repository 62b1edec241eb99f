//! Comments on vulnerabilities.

use crate::ctx::{Ctx, Resource};
use crate::error::{Error, Result};
use crate::id::{CommentId, VulnerabilityId};
use crate::model::{AuditEntry, Comment, Vulnerability, comment_text};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::store::{ChangeSet, Event, Key, Stored};
use crate::port::{fresh, repo};

use super::vulnerability;

/// Says something about a vulnerability, or answers a comment on it.
///
/// # Errors
/// Not permitted, `comment.empty`, `comment.too_long`, `comment.unknown_parent`, or the store's.
pub async fn add(
    ctx: &Ctx,
    id: VulnerabilityId,
    text: &str,
    parent: Option<CommentId>,
) -> Result<Stored<Comment>> {
    let vulnerability = vulnerability::require(ctx, id).await?;
    ctx.permit(
        Action::CommentWrite,
        Resource::Group(vulnerability.organization, vulnerability.group),
    )?;
    if let Some(parent) = parent {
        let key = Key::new("comment", id.to_string(), parent.to_string());
        if repo::get_keys::<Comment>(ctx.store(), &[key])
            .await?
            .iter()
            .all(Option::is_none)
        {
            return Err(Error::invalid(
                "comment.unknown_parent",
                "the comment to be answered is not on this vulnerability",
            )
            .on_field("parent"));
        }
    }
    let comment = Comment {
        id: fresh(ctx.ports.ids.as_ref()),
        vulnerability: id,
        parent,
        author: ctx.actor.user(),
        actor: ctx.actor.label(),
        text: comment_text(text)?,
        created: ctx.now(),
    };
    let mut changes = ChangeSet::new();
    changes.create(&comment, Some(Event::named("comment.added")))?;
    changes.create(
        &AuditEntry::new(
            ctx,
            Some(vulnerability.organization),
            "comment.added",
            [id.to_string(), comment.id.to_string()],
        ),
        None,
    )?;
    ctx.store().commit(changes).await?;
    Ok(Stored {
        value: comment,
        version: 1,
    })
}

/// Comments on a vulnerability, oldest first.
///
/// # Errors
/// Not permitted, or the store's.
pub async fn list(
    ctx: &Ctx,
    vulnerability: &Vulnerability,
    page: PageRequest,
) -> Result<Page<Stored<Comment>>> {
    ctx.permit(
        Action::CommentRead,
        Resource::Group(vulnerability.organization, vulnerability.group),
    )?;
    repo::children(ctx.store(), &vulnerability.id.to_string(), false, page).await
}
