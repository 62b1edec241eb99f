//! Changing keys while Gna works: a durable job that can be cut anywhere.
//!
//! 1. The keyring makes a new key (where keys are made here); all data keys are wrapped by it. What
//!    is read and written meanwhile is not touched by that: the data keys stay the same.
//! 2. If data keys are to change too, each tenant gets a new one, and every sealed text is sealed
//!    anew, record by record, each only if nobody wrote it meanwhile. A second pass comes after every
//!    process has noticed the new keys, for texts that were sealed with the one before in between.
//!
//! Earlier data keys stay in the store, wrapped: whatever a pass did not see still opens.

use async_trait::async_trait;
use gna_domain::Ctx;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::model::{AuditEntry, DataKey, Job};
use gna_domain::page::{Cursor, PageRequest};
use gna_domain::port::jobs::{Claimed, Handler, Outcome};
use gna_domain::port::store::{Entity, Raw, Stored};
use gna_domain::port::vault::{Sealing, Tenant, Vault};
use gna_domain::port::{ChangeSet, Keyring, Store};
use gna_domain::service::keys::{KIND, Plan, Rotation, Step};
use gna_domain::time::Timestamp;
use std::sync::Arc;

use super::envelope::{CURRENT_MS, EnvelopeVault};

/// Records looked at between two entries of the job's progress.
const PAGE: usize = 100;
/// Before the second pass, in milliseconds: well beyond how long another process may seal with the
/// key before.
const SECOND_PASS_MS: i64 = 2 * CURRENT_MS;
/// How often one record is tried that others keep writing.
const TRIES: usize = 10;

/// Does `keys.rotate`.
pub struct RotationHandler {
    vault: Arc<EnvelopeVault>,
    sealings: Vec<Arc<dyn Sealing>>,
}

impl RotationHandler {
    /// `sealings` must name every kind of record that holds sealed texts; what is not named keeps
    /// its data key.
    #[must_use]
    pub fn new(vault: Arc<EnvelopeVault>, sealings: Vec<Arc<dyn Sealing>>) -> Self {
        Self { vault, sealings }
    }

    fn keyring(&self) -> &dyn Keyring {
        self.vault.keyring()
    }

    async fn wrap(&self, ctx: &Ctx, claimed: &Claimed, mut at: Rotation) -> Result<Rotation> {
        let current = self.keyring().current().await?;
        if current != at.key && !self.keyring().has(&at.key).await? {
            return Err(Error::unavailable(
                "keys.unseen",
                "this process does not have the new key yet; it is tried again, and where keys are configured every process must be started again with the new one",
            ));
        }
        let page = page::<DataKey>(ctx.store(), &at.cursor).await?;
        let mut changes = ChangeSet::new();
        claimed.fence(&mut changes);
        for record in &page.0 {
            let record: Stored<DataKey> = record.typed()?;
            if record.wrapped_by != current {
                let next = self.vault.rewrapped(&record.value).await?;
                changes.update(&record, &next, None)?;
                at.wrapped += 1;
            }
        }
        ctx.store().commit(changes).await?;
        at.cursor = page.1;
        if at.cursor.is_none() {
            at.step = match at.plan {
                Plan::Keyring => Step::Done,
                Plan::DataKeys => Step::Renew,
            };
        }
        Ok(at)
    }

    /// A new data key for each tenant whose newest is older than the rotation.
    async fn renew(&self, ctx: &Ctx, mut at: Rotation) -> Result<Rotation> {
        let page = page::<DataKey>(ctx.store(), &at.cursor).await?;
        let mut before: Option<Tenant> = None;
        for record in &page.0 {
            let tenant = record.typed::<DataKey>()?.tenant;
            if before.replace(tenant) == Some(tenant) {
                continue;
            }
            if let Some(newest) = self.vault.newest(tenant).await?
                && newest.created <= at.started
            {
                self.vault
                    .make(tenant, newest.number.saturating_add(1))
                    .await?;
                at.renewed += 1;
            }
        }
        at.cursor = page.1;
        if at.cursor.is_none() {
            at.step = Step::Seal { kind: 0, pass: 1 };
        }
        Ok(at)
    }

    async fn seal(
        &self,
        ctx: &Ctx,
        claimed: &Claimed,
        mut at: Rotation,
        kind: usize,
        pass: u32,
    ) -> Result<(Rotation, Timestamp)> {
        let now = ctx.now();
        let Some(sealing) = self.sealings.get(kind) else {
            return Ok(if pass == 1 {
                at.step = Step::Seal { kind: 0, pass: 2 };
                (at, now.plus_millis(SECOND_PASS_MS))
            } else {
                at.step = Step::Done;
                (at, now)
            });
        };
        let request = PageRequest {
            first: PAGE,
            after: at.cursor.clone().map(Cursor),
        };
        let page = ctx.store().scan(sealing.collection(), &request).await?;
        for record in page.items {
            at.resealed += self.reseal(ctx, claimed, sealing.as_ref(), record).await?;
        }
        at.cursor = page.next.map(|cursor| cursor.0);
        if at.cursor.is_none() {
            at.step = Step::Seal {
                kind: kind.saturating_add(1),
                pass,
            };
        }
        Ok((at, now))
    }

    /// One record, only if nobody wrote it meanwhile; then it is read anew. Answers how many texts
    /// were sealed anew.
    async fn reseal(
        &self,
        ctx: &Ctx,
        claimed: &Claimed,
        sealing: &dyn Sealing,
        mut record: Raw,
    ) -> Result<u64> {
        for _ in 0..TRIES {
            let mut fresh = Vec::new();
            for (binding, sealed) in sealing.sealed(&record)? {
                if !self.vault.is_current(binding.tenant, &sealed).await? {
                    let secret = self.vault.open(&binding, &sealed).await?;
                    let anew = self.vault.seal(&binding, &secret).await?;
                    fresh.push((binding, anew));
                }
            }
            if fresh.is_empty() {
                return Ok(0);
            }
            let mut changes = ChangeSet::new();
            claimed.fence(&mut changes);
            sealing.reseal(&record, &fresh, &mut changes)?;
            match ctx.store().commit(changes).await {
                Ok(_) => return Ok(u64::try_from(fresh.len()).unwrap_or(u64::MAX)),
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
            let key = record.key.clone();
            match ctx.store().get(&[key]).await?.pop().flatten() {
                Some(now) => record = now,
                None => return Ok(0),
            }
        }
        Err(Error::unavailable(
            "keys.busy",
            "a record is written so often that its secrets could not be sealed anew; it is tried again",
        ))
    }
}

#[async_trait]
impl Handler for RotationHandler {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, ctx: &Ctx, claimed: &Claimed) -> Result<Outcome> {
        let at = Rotation::of(claimed.job())?;
        let (next, due) = match at.step {
            Step::Key => {
                let mut next = at;
                // Run again after a crash, this makes one key too many, which does no harm.
                next.key = self.keyring().rotate().await?;
                next.step = Step::Wrap;
                (next, ctx.now())
            }
            Step::Wrap => (self.wrap(ctx, claimed, at).await?, ctx.now()),
            Step::Renew => (self.renew(ctx, at).await?, ctx.now()),
            Step::Seal { kind, pass } => self.seal(ctx, claimed, at, kind, pass).await?,
            Step::Done => return self.done(ctx, claimed.job(), &at),
        };
        Ok(Outcome::Later {
            at: due,
            payload: next.payload()?,
        })
    }
}

impl RotationHandler {
    fn done(&self, ctx: &Ctx, job: &Job, at: &Rotation) -> Result<Outcome> {
        let mut changes = ChangeSet::new();
        let audit = AuditEntry::new(ctx, None, "keys.rotated", [job.id.to_string()]).with(
            serde_json::json!({
                "keyring": self.keyring().kind(), "key": at.key, "wrapped": at.wrapped,
                "renewed": at.renewed, "resealed": at.resealed,
            }),
        );
        changes.create(&audit, None)?;
        Ok(Outcome::Done(changes))
    }
}

async fn page<E: Entity>(
    store: &dyn Store,
    cursor: &Option<String>,
) -> Result<(Vec<Raw>, Option<String>)> {
    let request = PageRequest {
        first: PAGE,
        after: cursor.clone().map(Cursor),
    };
    let page = store.scan(E::COLLECTION, &request).await?;
    Ok((page.items, page.next.map(|cursor| cursor.0)))
}
