//! Signing key: what the instance signs with, so that others can tell that something is from it.

use serde::{Deserialize, Serialize};

use crate::port::store::{Entity, Key};
use crate::port::vault::{Binding, HoldsSealed, Sealed, Tenant};
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// What it signs: `gate`.
    pub name: String,
    /// What others know it by.
    pub public: String,
    /// 32 bytes in hexadecimal digits, sealed.
    pub seed: Sealed,
    pub created: Timestamp,
}

impl SigningKey {
    #[must_use]
    pub fn key_of(name: &str) -> Key {
        Key::new(Self::COLLECTION, name, "")
    }

    /// What the seed is sealed under.
    #[must_use]
    pub fn binding(name: &str) -> Binding {
        Binding::new(
            Tenant::Instance,
            format!("{}/{name}", Self::COLLECTION),
            "seed",
        )
    }
}

impl Entity for SigningKey {
    const COLLECTION: &'static str = "signing_key";
    fn key(&self) -> Key {
        Self::key_of(&self.name)
    }
}

impl HoldsSealed for SigningKey {
    fn sealed(&self) -> Vec<(Binding, Sealed)> {
        vec![(Self::binding(&self.name), self.seed.clone())]
    }

    fn resealed(&self, fresh: &[(Binding, Sealed)]) -> Self {
        let mine = Self::binding(&self.name);
        let seed = fresh
            .iter()
            .find(|(binding, _)| *binding == mine)
            .map_or_else(|| self.seed.clone(), |(_, sealed)| sealed.clone());
        Self {
            seed,
            ..self.clone()
        }
    }
}
