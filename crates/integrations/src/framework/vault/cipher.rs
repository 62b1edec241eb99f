//! AES-256-GCM-SIV (RFC 8452), the same for secrets and for the data keys themselves.
//!
//! The nonce is 96 random bits. With plain GCM a repeated nonce would give the key away; with SIV
//! it would tell no more than that two texts are equal, so that nobody needs to count.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use gna_domain::port::vault::KeyBytes;
use zeroize::Zeroizing;

/// The text was not made with this key and these bound values, or was changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

/// A key ready for use; the library wipes it when dropped.
pub struct Cipher(LessSafeKey);

impl Cipher {
    pub fn new(key: &KeyBytes) -> Result<Self, Unreadable> {
        UnboundKey::new(&AES_256_GCM_SIV, key.expose())
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| Unreadable)
    }

    /// Nonce, ciphertext and tag, appended to `out`. `random` gives the nonce by its first bytes.
    pub fn seal(
        &self,
        random: &[u8; 32],
        bound: &[u8],
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let nonce = random.get(..NONCE_LEN).ok_or(Unreadable)?;
        let mut hidden = Zeroizing::new(Vec::with_capacity(text.len() + AES_256_GCM_SIV.tag_len()));
        hidden.extend_from_slice(text);
        self.0
            .seal_in_place_append_tag(
                Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable)?,
                Aad::from(bound),
                &mut *hidden,
            )
            .map_err(|_| Unreadable)?;
        out.extend_from_slice(nonce);
        out.extend_from_slice(&hidden);
        Ok(())
    }

    /// Opens what [`Cipher::seal`] made.
    pub fn open(&self, bound: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let (nonce, hidden) = sealed.split_at_checked(NONCE_LEN).ok_or(Unreadable)?;
        let mut text = Zeroizing::new(hidden.to_vec());
        let length = self
            .0
            .open_in_place(
                Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable)?,
                Aad::from(bound),
                &mut text,
            )
            .map_err(|_| Unreadable)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

/// Several values as one, so that no two lists give the same bytes: each with its length before it.
pub fn bound(purpose: &str, values: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for value in std::iter::once(purpose.as_bytes()).chain(values.iter().copied()) {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        all.extend_from_slice(&length.to_be_bytes());
        all.extend_from_slice(value);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8452, appendix C.2: key 01 00…, nonce 03 00…, plaintexts of 0 and 8 bytes.
    #[test]
    fn the_vectors_of_the_standard_hold() {
        let mut key = [0; 32];
        key[0] = 1;
        let cipher = Cipher::new(&KeyBytes::new(key)).expect("a key");
        let mut random = [0; 32];
        random[0] = 3;
        for (text, sealed) in [
            ("", "07f5f4169bbf55a8400cd47ea6fd400f"),
            (
                "0100000000000000",
                "c2ef328e5c71c83b843122130f7364b761e0b97427e3df28",
            ),
        ] {
            let text = hex::decode(text).expect("hex");
            let mut out = Vec::new();
            cipher.seal(&random, b"", &text, &mut out).expect("seals");
            assert_eq!(hex::encode(&out[NONCE_LEN..]), sealed);
            assert_eq!(*cipher.open(b"", &out).expect("opens"), text);
        }
    }

    #[test]
    fn bound_values_do_not_run_together() {
        assert_ne!(bound("p", &[b"ab", b"c"]), bound("p", &[b"a", b"bc"]));
        assert_ne!(bound("p", &[b"a"]), bound("p", &[b"a", b""]));
    }
}
