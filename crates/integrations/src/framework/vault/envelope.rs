//! The vault port: a data key per tenant, wrapped by the keyring, kept in the store.
//!
//! Sealed form: `sealed:` and, in base64 without padding for addresses, the version (1 byte, 1),
//! the number of the data key (4 bytes, the highest first), the nonce (12), the ciphertext and its
//! tag (16). Bound to it: tenant, record, field, and the version and number before the nonce.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gna_domain::Actor;
use gna_domain::error::{Error, Kind, Result};
use gna_domain::model::{AuditEntry, DataKey};
use gna_domain::port::store::Stored;
use gna_domain::port::vault::{Binding, KeyBytes, Keyring, Sealed, Tenant, Vault, Wrapped};
use gna_domain::port::{ChangeSet, Clock, Ids, Store, fresh, repo};
use gna_domain::secret::Secret;
use gna_domain::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cipher::{Cipher, bound};

const PREFIX: &str = "sealed:";
const VERSION: u8 = 1;
/// Version and number.
const HEAD: usize = 5;
/// Longest secret, in bytes; with base64 and the rest of its record it stays under 400 KB.
const LONGEST: usize = 64 * 1_024;
/// How long another process's new data key may go unnoticed when sealing, in milliseconds.
pub(super) const CURRENT_MS: i64 = 30_000;
/// Most keys in memory; beyond that all are dropped and read again.
const CACHED: usize = 10_000;

#[derive(Default)]
struct Cache {
    /// The number of each tenant's current key and when that was read.
    current: HashMap<Tenant, (u32, Timestamp)>,
    ciphers: HashMap<(Tenant, u32), Arc<Cipher>>,
}

pub struct EnvelopeVault {
    store: Arc<dyn Store>,
    keyring: Arc<dyn Keyring>,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

/// A sealed text taken apart.
struct Parts {
    number: u32,
    head: [u8; HEAD],
    rest: Vec<u8>,
}

impl EnvelopeVault {
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        keyring: Arc<dyn Keyring>,
        ids: Arc<dyn Ids>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            keyring,
            ids,
            clock,
            cache: Mutex::default(),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[must_use]
    pub fn keyring(&self) -> &dyn Keyring {
        self.keyring.as_ref()
    }

    /// The tenant's current data key as stored.
    pub(super) async fn newest(&self, tenant: Tenant) -> Result<Option<Stored<DataKey>>> {
        let page = gna_domain::page::PageRequest::first(1);
        let partition = tenant.to_string();
        let page = repo::children(self.store.as_ref(), &partition, true, page).await?;
        Ok(page.items.into_iter().next())
    }

    /// The number of the tenant's current data key. Makes the first one.
    async fn current(&self, tenant: Tenant) -> Result<u32> {
        let now = self.clock.now();
        let known = self.cache().current.get(&tenant).copied();
        if let Some((number, read)) = known
            && (0..CURRENT_MS).contains(&now.millis().saturating_sub(read.millis()))
        {
            return Ok(number);
        }
        let number = match self.newest(tenant).await? {
            Some(newest) => newest.number,
            None => self.make(tenant, 1).await?,
        };
        self.cache().current.insert(tenant, (number, now));
        Ok(number)
    }

    /// Makes the data key of that number, unless another process was first.
    pub(super) async fn make(&self, tenant: Tenant, number: u32) -> Result<u32> {
        let key = KeyBytes::new(self.ids.random());
        let wrapped = self
            .keyring
            .wrap(&DataKey::context(tenant, number), &key)
            .await?;
        let record = DataKey {
            tenant,
            number,
            wrapped_by: wrapped.key_id,
            wrapped: hex::encode(&wrapped.bytes),
            created: self.clock.now(),
        };
        let organization = match tenant {
            Tenant::Instance => None,
            Tenant::Organization(id) => Some(id),
        };
        let mut changes = ChangeSet::new();
        changes.create(&record, None)?;
        let audit = AuditEntry::by(
            &Actor::System("vault"),
            fresh(self.ids.as_ref()),
            self.clock.now(),
            organization,
            "data_key.created",
            [DataKey::context(tenant, number)],
        );
        changes.create(&audit, None)?;
        match self.store.commit(changes).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
        self.cache()
            .current
            .insert(tenant, (number, self.clock.now()));
        Ok(number)
    }

    /// A data key ready for use.
    async fn cipher(&self, tenant: Tenant, number: u32) -> Result<Arc<Cipher>> {
        if let Some(cipher) = self.cache().ciphers.get(&(tenant, number)) {
            return Ok(Arc::clone(cipher));
        }
        let key = DataKey::key_of(tenant, number);
        let record: Stored<DataKey> = repo::get_keys(self.store.as_ref(), &[key])
            .await?
            .pop()
            .flatten()
            .ok_or_else(unreadable)?;
        let bytes = self.unwrap(&record).await?;
        let cipher = Arc::new(Cipher::new(&bytes).map_err(|_| unreadable())?);
        let mut cache = self.cache();
        if cache.ciphers.len() >= CACHED {
            cache.ciphers.clear();
        }
        cache.ciphers.insert((tenant, number), Arc::clone(&cipher));
        Ok(cipher)
    }

    pub(super) async fn unwrap(&self, record: &DataKey) -> Result<KeyBytes> {
        let wrapped = Wrapped {
            key_id: record.wrapped_by.clone(),
            bytes: hex::decode(&record.wrapped).map_err(|_| unreadable())?,
        };
        let context = DataKey::context(record.tenant, record.number);
        self.keyring.unwrap(&context, &wrapped).await
    }

    /// The record with its key wrapped by the keyring's current key.
    pub(super) async fn rewrapped(&self, record: &DataKey) -> Result<DataKey> {
        let key = self.unwrap(record).await?;
        let context = DataKey::context(record.tenant, record.number);
        let wrapped = self.keyring.wrap(&context, &key).await?;
        Ok(DataKey {
            wrapped_by: wrapped.key_id,
            wrapped: hex::encode(&wrapped.bytes),
            ..record.clone()
        })
    }
}

#[async_trait]
impl Vault for EnvelopeVault {
    async fn seal(&self, binding: &Binding, secret: &Secret) -> Result<Sealed> {
        if secret.expose().len() > LONGEST {
            return Err(Error::limit(
                "vault.too_long",
                format!("a secret may have {LONGEST} bytes"),
            ));
        }
        let number = self.current(binding.tenant).await?;
        let cipher = self.cipher(binding.tenant, number).await?;
        let head = head(number);
        let mut out = head.to_vec();
        cipher
            .seal(
                &self.ids.random(),
                &tied(binding, &head),
                secret.expose().as_bytes(),
                &mut out,
            )
            .map_err(|_| Error::internal("vault.failed", "the secret could not be sealed"))?;
        let text = URL_SAFE_NO_PAD.encode(&out);
        Ok(Sealed::from_text(format!("{PREFIX}{text}")))
    }

    async fn open(&self, binding: &Binding, sealed: &Sealed) -> Result<Secret> {
        let parts = parts(sealed)?;
        let cipher = self.cipher(binding.tenant, parts.number).await?;
        let text = cipher
            .open(&tied(binding, &parts.head), &parts.rest)
            .map_err(|_| unreadable())?;
        std::str::from_utf8(&text)
            .map(Secret::new)
            .map_err(|_| unreadable())
    }

    async fn is_current(&self, tenant: Tenant, sealed: &Sealed) -> Result<bool> {
        Ok(parts(sealed)?.number == self.current(tenant).await?)
    }
}

fn head(number: u32) -> [u8; HEAD] {
    let [a, b, c, d] = number.to_be_bytes();
    [VERSION, a, b, c, d]
}

fn tied(binding: &Binding, head: &[u8]) -> Vec<u8> {
    let tenant = binding.tenant.to_string();
    bound(
        "gna sealed",
        &[
            tenant.as_bytes(),
            binding.record.as_bytes(),
            binding.field.as_bytes(),
            head,
        ],
    )
}

fn parts(sealed: &Sealed) -> Result<Parts> {
    let bytes = sealed
        .as_str()
        .strip_prefix(PREFIX)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or_else(unreadable)?;
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or_else(unreadable)?;
    let [version, number @ ..] = *head;
    if version != VERSION {
        return Err(unreadable());
    }
    Ok(Parts {
        number: u32::from_be_bytes(number),
        head: *head,
        rest: rest.to_vec(),
    })
}

fn unreadable() -> Error {
    Error::internal(
        "vault.unreadable",
        "a secret can't be opened: it was changed, or belongs to another record; connect the account again",
    )
}
