//! What came to a receiver, and doing what follows from it once more.

use super::super::lookup::permitted;
use super::receive;
use crate::ctx::Ctx;
use crate::error::Result;
use crate::id::{JobId, ReceiverId};
use crate::model::{AuditEntry, HookReceiver, ReceivedHook};
use crate::page::{Page, PageRequest};
use crate::policy::Action;
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};

/// What came, in no order that means anything; kept for 30 days.
///
/// # Errors
/// `not_found`, not permitted (`webhook.read`), or the store's.
pub async fn list(
    ctx: &Ctx,
    id: ReceiverId,
    page: PageRequest,
) -> Result<Page<Stored<ReceivedHook>>> {
    let receiver = permitted::<HookReceiver>(ctx, id, Action::WebhookRead).await?;
    let partition = partition(&receiver);
    repo::children(ctx.store(), &partition, false, page).await
}

fn partition(receiver: &HookReceiver) -> String {
    ReceivedHook::partition(&receiver.app, &receiver.id.to_string())
}

/// Does once more what follows from a webhook; answers the job.
///
/// # Errors
/// `not_found`, not permitted (`webhook.manage`), or the store's.
pub async fn replay(ctx: &Ctx, id: ReceiverId, delivery: &str) -> Result<JobId> {
    let receiver = permitted::<HookReceiver>(ctx, id, Action::WebhookManage).await?;
    let key = ReceivedHook::key_of(&receiver.app, &receiver.id.to_string(), delivery);
    let found = repo::get_keys::<ReceivedHook>(ctx.store(), &[key]).await?;
    let hook = found.into_iter().next().flatten();
    let hook = hook.ok_or_else(repo::missing::<ReceivedHook>)?;
    let job = receive::job(ctx, &hook);
    let mut changes = ChangeSet::new();
    changes.create(&job, None)?;
    let subject = [id.to_string(), hook.delivery.clone()];
    let organization = Some(receiver.organization);
    let entry = AuditEntry::new(ctx, organization, "receiver.replayed", subject);
    changes.create(&entry, None)?;
    ctx.store().commit(changes).await?;
    Ok(job.id)
}
