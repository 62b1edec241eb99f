//! Signatures of apps' JWTs, by the `jsonwebtoken` library.

use gna_domain::connect::module::JwtAlgorithm;
use gna_domain::connect::oauth2::{JwtSigner, SigningInput};
use gna_domain::error::{Error, Result};
use gna_domain::secret::Secret;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

/// Signs with the key that it is given; keeps none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signer;

impl JwtSigner for Signer {
    fn sign(&self, input: &SigningInput) -> Result<Secret> {
        // The library's own error could repeat a part of the key, so it is not passed on.
        let refuse = |what: &str| {
            Error::invalid(
                "jwt.key",
                format!(
                    "the private key {what}; paste the whole file, with its BEGIN and END lines"
                ),
            )
            .on_field("private_key")
        };
        let pem = input.key.expose().trim().as_bytes();
        let (algorithm, key) = match input.algorithm {
            JwtAlgorithm::RS256 => (Algorithm::RS256, EncodingKey::from_rsa_pem(pem)),
            JwtAlgorithm::ES256 => (Algorithm::ES256, EncodingKey::from_ec_pem(pem)),
            JwtAlgorithm::HS256 => (
                Algorithm::HS256,
                Ok(EncodingKey::from_secret(input.key.expose().as_bytes())),
            ),
        };
        let key = key.map_err(|_| refuse("is not one of the right kind in PEM"))?;
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&input.key_id);
        encode(&header, &input.claims, &key)
            .map(Secret::new)
            .map_err(|_| refuse("could not be used"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Map, Value, json};

    /// Made for this test and used nowhere else.
    const RSA: (&str, &str) = (
        include_str!("../../fixtures/keys/rsa.invented.pem"),
        include_str!("../../fixtures/keys/rsa.invented.pub.pem"),
    );
    const EC: (&str, &str) = (
        include_str!("../../fixtures/keys/ec.invented.pem"),
        include_str!("../../fixtures/keys/ec.invented.pub.pem"),
    );

    fn input(algorithm: JwtAlgorithm, key: &str) -> SigningInput {
        let claims = json!({"iss": "7", "iat": 1_700_000_000, "exp": 4_000_000_000_i64});
        SigningInput {
            algorithm,
            key_id: Some("k1".to_owned()),
            claims: claims.as_object().cloned().unwrap(),
            key: Secret::new(key),
        }
    }

    #[test]
    fn what_is_signed_is_verified_by_the_public_key() {
        for (algorithm, key, of_library, public) in [
            (
                JwtAlgorithm::RS256,
                RSA.0,
                Algorithm::RS256,
                DecodingKey::from_rsa_pem(RSA.1.as_bytes()).unwrap(),
            ),
            (
                JwtAlgorithm::ES256,
                EC.0,
                Algorithm::ES256,
                DecodingKey::from_ec_pem(EC.1.as_bytes()).unwrap(),
            ),
            (
                JwtAlgorithm::HS256,
                "secret",
                Algorithm::HS256,
                DecodingKey::from_secret(b"secret"),
            ),
        ] {
            let token = Signer.sign(&input(algorithm, key)).unwrap();
            let decoded =
                decode::<Map<String, Value>>(token.expose(), &public, &Validation::new(of_library))
                    .unwrap();
            assert_eq!(
                (decoded.header.kid.as_deref(), &decoded.claims["iss"]),
                (Some("k1"), &json!("7")),
                "{algorithm:?}"
            );
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused_without_being_repeated() {
        for (algorithm, key) in [
            (JwtAlgorithm::RS256, "hunter2"),
            (JwtAlgorithm::RS256, EC.0),
            (JwtAlgorithm::ES256, RSA.0),
        ] {
            let refused = Signer.sign(&input(algorithm, key)).unwrap_err();
            assert_eq!(refused.code(), "jwt.key");
            assert!(
                refused.message().contains("BEGIN") && !refused.message().contains("hunter2"),
                "{refused}"
            );
        }
    }
}
