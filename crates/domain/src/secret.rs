//! Secrets: values that never reach a log, an error message or a snapshot.
//!
//! A [`Secret`] prints as `[secret]`; its text is had only through [`Secret::expose`], which is
//! easy to find in a review. Tokens and links are stored as SHA-256 digests: they hold 256 random
//! bits, so a slow hash would add nothing. Passwords go through the password port (argon2id).

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, for the one place that must send or check it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// SHA-256 in hexadecimal: what the store keeps of a random token.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.expose().as_bytes()))
    }

    /// Compares without telling by its duration where the two differ.
    #[must_use]
    pub fn matches_digest(&self, digest: &str) -> bool {
        self.digest().as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert!(secret.matches_digest(&secret.digest()));
        assert!(!secret.matches_digest("00"));
    }
}
