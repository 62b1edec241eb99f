//! Data key: what a tenant's secrets are sealed with, itself wrapped by the keyring.
//!
//! The one with the highest number is the tenant's current one. Earlier ones stay, so that whatever
//! was sealed with them (also in a backup that comes back) opens.

use serde::{Deserialize, Serialize};

use crate::port::store::{Entity, Key};
use crate::port::vault::Tenant;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataKey {
    pub tenant: Tenant,
    /// From 1.
    pub number: u32,
    /// Which of the keyring's keys opens it.
    pub wrapped_by: String,
    /// In hexadecimal digits.
    pub wrapped: String,
    pub created: Timestamp,
}

impl DataKey {
    /// Where a data key lives; numbers sort as text.
    #[must_use]
    pub fn key_of(tenant: Tenant, number: u32) -> Key {
        Key::new(
            Self::COLLECTION,
            tenant.to_string(),
            format!("{number:010}"),
        )
    }

    /// What the wrapped form is tied to: a key can't be passed off as another tenant's.
    #[must_use]
    pub fn context(tenant: Tenant, number: u32) -> String {
        format!("{tenant}/{number}")
    }
}

impl Entity for DataKey {
    const COLLECTION: &'static str = "data_key";
    fn key(&self) -> Key {
        Self::key_of(self.tenant, self.number)
    }
}
