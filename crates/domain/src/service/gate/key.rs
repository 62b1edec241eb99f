//! The key that the instance signs snapshots with: made when it is first needed, sealed in the store.

use crate::ctx::Ctx;
use crate::error::{Error, Kind, Result};
use crate::model;
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::gate::seal::SigningKey;
use crate::secret::Secret;

/// Its name among the instance's signing keys.
const NAME: &str = "gate";

/// What snapshots of this instance are known by; none before the first one. For whoever is known.
///
/// # Errors
/// `auth.required`, or the store's.
pub async fn public_key(ctx: &Ctx) -> Result<Option<String>> {
    if ctx.actor == crate::Actor::Anonymous {
        return Err(ctx.absent::<model::SigningKey>());
    }
    Ok(stored(ctx).await?.map(|stored| stored.value.public))
}

async fn stored(ctx: &Ctx) -> Result<Option<Stored<model::SigningKey>>> {
    let key = model::SigningKey::key_of(NAME);
    Ok(repo::get_keys(ctx.store(), &[key]).await?.pop().flatten())
}

/// The key itself.
///
/// # Errors
/// The vault's or the store's.
pub async fn signing_key(ctx: &Ctx) -> Result<SigningKey> {
    let binding = model::SigningKey::binding(NAME);
    loop {
        if let Some(stored) = stored(ctx).await? {
            let seed = ctx.ports.vault.open(&binding, &stored.seed).await?;
            let seed = hex::decode(seed.expose()).map_err(|_| {
                Error::internal("vault.unreadable", "the signing key can't be read")
            })?;
            return SigningKey::from_seed(&seed);
        }
        let seed = ctx.ports.ids.random();
        let made = model::SigningKey {
            name: NAME.to_owned(),
            public: SigningKey::from_seed(&seed)?.public(),
            seed: ctx
                .ports
                .vault
                .seal(&binding, &Secret::new(hex::encode(seed)))
                .await?,
            created: ctx.now(),
        };
        let mut changes = ChangeSet::new();
        changes.create(&made, None)?;
        match ctx.store().commit(changes).await {
            // Someone else made it at the same moment: theirs it is.
            Err(error) if error.kind() == Kind::Conflict => {}
            other => {
                other?;
            }
        }
    }
}
