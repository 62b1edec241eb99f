//! The small ports, made predictable.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use gna_domain::error::{Error, Result};
use gna_domain::port::{Blobs, Clock, Ids, Passwords};
use gna_domain::secret::Secret;
use gna_domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Stands still until it is moved. Starts at 2026-01-01T00:00:00Z.
pub struct FakeClock(AtomicI64);

impl Default for FakeClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_767_225_600_000))
    }
}

impl FakeClock {
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn advance_days(&self, days: i64) {
        self.advance_millis(days * gna_domain::time::DAY_MS);
    }

    pub fn set(&self, at: Timestamp) {
        self.0.store(at.millis(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Counts up, so that snapshots are the same every time. Ids sort in the order they were made.
#[derive(Default)]
pub struct SequenceIds(AtomicU64);

impl Ids for SequenceIds {
    fn uuid(&self) -> Uuid {
        let number = u128::from(self.0.fetch_add(1, Ordering::SeqCst) + 1);
        // The bits that say "version 7" and "variant 1" are set as in a real one.
        Uuid::from_u128((0x0190_0000_0000_7000_8000_u128 << 48) | number)
    }

    fn random(&self) -> [u8; 32] {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        let mut bytes = [7; 32];
        for (to, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        bytes
    }
}

#[derive(Default)]
pub struct MemoryBlobs(Mutex<HashMap<String, Bytes>>);

impl MemoryBlobs {
    fn map<T>(&self, work: impl FnOnce(&mut HashMap<String, Bytes>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The names of all blobs, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.map(|blobs| blobs.keys().cloned().collect());
        names.sort();
        names
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.map(|blobs| blobs.insert(name.to_owned(), bytes));
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Bytes> {
        self.map(|blobs| blobs.get(name).cloned())
            .ok_or_else(|| Error::not_found("blob.not_found", "there is no such blob"))
    }

    async fn stream(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let bytes = self.get(name).await?;
        let pieces: Vec<Result<Bytes>> = bytes
            .chunks(1_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.map(|blobs| blobs.remove(name));
        Ok(())
    }
}

/// No hashing at all, so that tests that sign in a hundred times stay quick. The real one has
/// tests of its own.
pub struct PlainPasswords;

#[async_trait]
impl Passwords for PlainPasswords {
    async fn hash(&self, password: Secret) -> Result<String> {
        Ok(format!("plain:{}", password.digest()))
    }

    async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool> {
        Ok(hash.is_some_and(|hash| hash == format!("plain:{}", password.digest())))
    }
}
