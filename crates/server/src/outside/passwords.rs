//! Password hashing: argon2id, off the async threads, a few at a time.
//!
//! One hash takes 19 MiB and some tens of milliseconds of one core. The semaphore bounds both:
//! whoever comes when all places are taken waits in line, so that a flood of sign-ins costs time
//! of the flood and not the memory of the machine.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use gna_domain::error::{Error, Result};
use gna_domain::port::{Ids, Passwords};
use gna_domain::secret::Secret;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Memory in KiB, passes and lanes: the first choice of the OWASP Password Storage Cheat Sheet
/// ("m=19456 (19 MiB), t=2, p=1").
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bytes of salt, as RFC 9106, section 3.1, recommends.
const SALT_BYTES: usize = 16;

pub struct Argon2Passwords {
    ids: Arc<dyn Ids>,
    places: Arc<Semaphore>,
    hasher: Argon2<'static>,
    /// Of a random password: what an account without one is compared with, for the same time.
    nobody: String,
}

impl Argon2Passwords {
    /// With one place per core; makes one hash, so it takes as long as a sign-in.
    ///
    /// # Errors
    /// `password.hash`, when the hash itself fails.
    pub fn new(ids: Arc<dyn Ids>) -> Result<Self> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| broken())?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash_now(&hasher, &ids.random(), &ids.random())?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            ids,
            places: Arc::new(Semaphore::new(cores)),
            hasher,
            nobody,
        })
    }

    async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| broken())?;
        let hasher = self.hasher.clone();
        tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when the caller has gone away.
            let _place = place;
            work(&hasher)
        })
        .await
        .map_err(|_| broken())?
    }
}

fn broken() -> Error {
    Error::internal("password.hash", "the password could not be hashed")
}

fn hash_now(hasher: &Argon2<'static>, password: &[u8], random: &[u8; 32]) -> Result<String> {
    let (salt, _) = random.split_at(SALT_BYTES);
    let hash = hasher
        .hash_password_with_salt(password, salt)
        .map_err(|_| broken())?;
    Ok(hash.to_string())
}

#[async_trait]
impl Passwords for Argon2Passwords {
    async fn hash(&self, password: Secret) -> Result<String> {
        let random = self.ids.random();
        self.slowly(move |hasher| hash_now(hasher, password.expose().as_bytes(), &random))
            .await
    }

    async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        self.slowly(move |hasher| {
            let parsed = PasswordHash::new(&hash).map_err(|_| broken())?;
            let matches = hasher
                .verify_password(password.expose().as_bytes(), &parsed)
                .is_ok();
            Ok(known && matches)
        })
        .await
    }

    fn is_outdated(&self, hash: &str) -> bool {
        let Ok(parsed) = PasswordHash::new(hash) else {
            return true;
        };
        let Ok(params) = Params::try_from(&parsed) else {
            return true;
        };
        parsed.algorithm.as_str() != "argon2id"
            || params.m_cost() < MEMORY_KIB
            || params.t_cost() < PASSES
            || params.p_cost() < LANES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::SystemIds;

    fn passwords() -> Argon2Passwords {
        Argon2Passwords::new(Arc::new(SystemIds)).expect("hashes")
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = passwords();
        let hash = passwords
            .hash(Secret::new("correct horse battery"))
            .await
            .expect("hashes");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        for (password, hash, fits) in [
            ("correct horse battery", Some(hash.clone()), true),
            ("correct horse batterY", Some(hash.clone()), false),
            ("", Some(hash.clone()), false),
            ("correct horse battery", None, false),
        ] {
            let answer = passwords.verify(Secret::new(password), hash).await;
            assert_eq!(answer.ok(), Some(fits), "{password}");
        }
        let again = passwords
            .hash(Secret::new("correct horse battery"))
            .await
            .expect("hashes");
        assert_ne!(hash, again, "every hash has a salt of its own");
    }

    #[tokio::test]
    async fn weaker_hashes_still_fit_and_are_made_anew() {
        let passwords = passwords();
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(1_024, 1, 1, None).expect("parameters"),
        );
        let weak = hash_now(&weak, b"correct horse battery", &[1; 32]).expect("hashes");
        let fits = passwords
            .verify(Secret::new("correct horse battery"), Some(weak.clone()))
            .await;
        assert_eq!(fits.ok(), Some(true));
        assert!(passwords.is_outdated(&weak) && passwords.is_outdated("nonsense"));
        let strong = passwords.hash(Secret::new("x")).await.expect("hashes");
        assert!(!passwords.is_outdated(&strong));
    }

    #[tokio::test]
    async fn a_damaged_hash_is_an_error_and_not_a_wrong_password() {
        let answer = passwords()
            .verify(Secret::new("x"), Some("$argon2id$".to_owned()))
            .await;
        assert_eq!(answer.expect_err("refused").code(), "password.hash");
    }
}
