//! Keeping secrets: [`Vault`] seals the text of one field of one record of one tenant, [`Keyring`]
//! guards the keys that the vault works with.
//!
//! A tenant's secrets are sealed with its data key; data keys are stored wrapped by the keyring, so
//! that neither the store nor the keyring alone opens anything. A sealed text opens only with the
//! binding it was sealed under: moved to another record, field or tenant it is worthless.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::port::store::{Entity, Raw};
use crate::secret::Secret;

/// Whose secrets: each tenant has data keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tenant {
    /// What belongs to the installation as a whole.
    Instance,
    Organization(OrganizationId),
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str(crate::model::INSTANCE),
            Self::Organization(id) => fmt::Display::fmt(id, f),
        }
    }
}

impl FromStr for Tenant {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        if text == crate::model::INSTANCE {
            Ok(Self::Instance)
        } else {
            text.parse().map(Self::Organization)
        }
    }
}

impl Serialize for Tenant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tenant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a sealed text is tied to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Binding {
    pub tenant: Tenant,
    /// The record that holds it, by collection and id: `credential/crd_…`.
    pub record: String,
    /// The field in it: `access_token`.
    pub field: String,
}

impl Binding {
    pub fn new(tenant: Tenant, record: impl Into<String>, field: impl Into<String>) -> Self {
        Self {
            tenant,
            record: record.into(),
            field: field.into(),
        }
    }
}

/// A sealed text as records hold it. Opaque; printed as nothing, so that it is in no log either.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// As the vault made it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// Seals and opens.
#[async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Seals with the tenant's current data key, making the first one where there is none.
    ///
    /// # Errors
    /// `keyring.*`, or the store's. None holds the secret.
    async fn seal(&self, binding: &Binding, secret: &Secret) -> Result<Sealed>;

    /// # Errors
    /// `vault.unreadable` when it was sealed under another binding or was changed, `keyring.*`, or
    /// the store's. None holds the secret.
    async fn open(&self, binding: &Binding, sealed: &Sealed) -> Result<Secret>;

    /// Whether it is sealed with the tenant's current data key.
    ///
    /// # Errors
    /// `vault.unreadable` where it is no sealed text, or the store's.
    async fn is_current(&self, tenant: Tenant, sealed: &Sealed) -> Result<bool>;
}

/// Bytes of a key, wiped from memory when dropped.
pub struct KeyBytes(SecretBox<[u8; 32]>);

impl KeyBytes {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// From exactly 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self::new)
    }

    /// For the cipher alone.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// A data key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Which of the keyring's keys opens it.
    pub key_id: String,
    pub bytes: Vec<u8>,
}

/// Wraps data keys. A file, the environment, or a key service.
#[async_trait]
pub trait Keyring: Send + Sync + 'static {
    /// `file`, `env`, `kms`.
    fn kind(&self) -> &'static str;

    /// Id of the key that new wraps are made with.
    ///
    /// # Errors
    /// `keyring.unavailable`, `keyring.insecure`, `keyring.invalid`.
    async fn current(&self) -> Result<String>;

    /// Whether it has that key, current or not. Tells a process that has not noticed a new key from one
    /// that is further already.
    ///
    /// # Errors
    /// As [`Keyring::current`].
    async fn has(&self, key_id: &str) -> Result<bool> {
        Ok(self.current().await? == key_id)
    }

    /// Wraps with the current key. `context` must be the same when it is unwrapped.
    ///
    /// # Errors
    /// As [`Keyring::current`].
    async fn wrap(&self, context: &str, key: &KeyBytes) -> Result<Wrapped>;

    /// # Errors
    /// `keyring.key_missing` when the key it was wrapped with is not there any more,
    /// `keyring.unreadable` when it was changed or has another context, and as [`Keyring::current`].
    async fn unwrap(&self, context: &str, wrapped: &Wrapped) -> Result<KeyBytes>;

    /// Makes a new key the current one where keys are made here, and answers the current one's id.
    /// Old ones stay readable. Elsewhere (environment, key service) the operator or the service
    /// makes new keys, and this only answers which is current.
    ///
    /// # Errors
    /// As [`Keyring::current`].
    async fn rotate(&self) -> Result<String>;
}

/// A kind of record that holds sealed texts. Rotation needs it to find them: each such noun
/// implements it, and its [`Sealing`] is given to the rotation.
pub trait HoldsSealed: Entity {
    /// Every sealed text with what it is bound to.
    fn sealed(&self) -> Vec<(Binding, Sealed)>;

    /// The same record with these in place of those of the same field; all else unchanged.
    #[must_use]
    fn resealed(&self, fresh: &[(Binding, Sealed)]) -> Self;
}

/// [`HoldsSealed`] of one collection without its type.
pub trait Sealing: Send + Sync + 'static {
    fn collection(&self) -> &'static str;

    /// # Errors
    /// `store.corrupt`.
    fn sealed(&self, record: &Raw) -> Result<Vec<(Binding, Sealed)>>;

    /// Adds the record with its fresh texts to a change that requires it to be as it was read.
    ///
    /// # Errors
    /// `store.corrupt`.
    fn reseal(
        &self,
        record: &Raw,
        fresh: &[(Binding, Sealed)],
        changes: &mut crate::port::store::ChangeSet,
    ) -> Result<()>;
}

/// The [`Sealing`] of a noun: `SealingOf::<Credential>::new()`.
pub struct SealingOf<E>(std::marker::PhantomData<fn() -> E>);

impl<E: HoldsSealed> SealingOf<E> {
    #[must_use]
    pub fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<E: HoldsSealed> Default for SealingOf<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: HoldsSealed> Sealing for SealingOf<E> {
    fn collection(&self) -> &'static str {
        E::COLLECTION
    }

    fn sealed(&self, record: &Raw) -> Result<Vec<(Binding, Sealed)>> {
        Ok(record.typed::<E>()?.value.sealed())
    }

    fn reseal(
        &self,
        record: &Raw,
        fresh: &[(Binding, Sealed)],
        changes: &mut crate::port::store::ChangeSet,
    ) -> Result<()> {
        let current = record.typed::<E>()?;
        let next = current.value.resealed(fresh);
        changes.update(&current, &next, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_survive_their_written_form() {
        use crate::id::TypedId;
        let organization =
            Tenant::Organization(OrganizationId::from_uuid(uuid::Uuid::from_u128(7)));
        for tenant in [Tenant::Instance, organization] {
            assert_eq!(tenant.to_string().parse::<Tenant>().ok(), Some(tenant));
        }
        assert!(
            "grp_00000000000000000000000000000007"
                .parse::<Tenant>()
                .is_err()
        );
    }

    #[test]
    fn keys_and_sealed_texts_do_not_print_themselves() {
        let key = KeyBytes::new([77; 32]);
        assert_eq!(format!("{key:?}"), "[key]");
        assert_eq!(format!("{:?}", Sealed::from_text("x")), "[sealed]");
        assert!(KeyBytes::from_slice(&[0; 31]).is_none());
    }
}
