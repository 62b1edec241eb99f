//! The small ports: time, ids, randomness, blobs, passwords.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::time::Duration;
use uuid::Uuid;

use crate::error::Result;
use crate::id::TypedId;
use crate::secret::Secret;
use crate::time::Timestamp;

pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// New ids and random secrets.
pub trait Ids: Send + Sync + 'static {
    /// UUID version 7, later calls sort after earlier ones of this process.
    fn uuid(&self) -> Uuid;
    /// 32 bytes from the system's generator.
    fn random(&self) -> [u8; 32];
}

/// A new id of the kind that is asked for.
pub fn fresh<I: TypedId>(ids: &dyn Ids) -> I {
    I::from_uuid(ids.uuid())
}

/// Bytes by name: raw reports, evidence, exports. Names are `/`-separated, made by us.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Durable when it returns; replaces what was there.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()>;
    /// # Errors
    /// `blob.not_found`.
    async fn get(&self, name: &str) -> Result<Bytes>;
    /// # Errors
    /// `blob.not_found`.
    async fn stream(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes>>>;
    async fn delete(&self, name: &str) -> Result<()>;

    /// How many bytes there are. Object stores tell it without reading them.
    ///
    /// # Errors
    /// `blob.not_found`.
    async fn size(&self, name: &str) -> Result<u64> {
        let bytes = self.get(name).await?;
        Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    /// The same bytes under another name; durable when it returns, replaces what was there. Object
    /// stores do it without the bytes passing through this process.
    ///
    /// # Errors
    /// `blob.not_found`.
    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let bytes = self.get(from).await?;
        self.put(to, bytes).await
    }

    /// An address to which whoever has it may PUT bytes under this name, for so long; nothing where
    /// there is no way into the store but through this process. It is a secret as long as it works.
    async fn signed_put(&self, _name: &str, _lasts: Duration) -> Result<Option<Secret>> {
        Ok(None)
    }
}

/// Slow hashing of passwords (argon2id), off the async threads and throttled by the implementation.
#[async_trait]
pub trait Passwords: Send + Sync + 'static {
    async fn hash(&self, password: Secret) -> Result<String>;
    /// Takes as long for an unknown user (`None`) as for a known one.
    async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool>;
    /// Whether a hash was made with weaker parameters than new ones are.
    fn is_outdated(&self, _hash: &str) -> bool {
        false
    }
}
