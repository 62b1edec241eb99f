//! Keys in AWS Key Management Service: data keys go there to be wrapped and unwrapped, the key itself
//! never leaves it.
//!
//! Region, credentials and another endpoint come from the environment and files that all AWS programs
//! read (`AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL_KMS` and so on). What is wrapped names the key
//! that did it, so that an alias can be pointed to another key at any time. The caller's context is the
//! encryption context `gna`, which shows in CloudTrail; it holds ids, no secrets. (AWS KMS API
//! reference: Encrypt, Decrypt, DescribeKey.)

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use gna_domain::error::{Error, Result};
use gna_domain::port::vault::{KeyBytes, Keyring, Wrapped};
use std::time::Duration;
use tokio::sync::OnceCell;

use super::held::missing;

/// Name of the encryption context.
const CONTEXT: &str = "gna";
/// How long one call may take, with all its tries.
const WAIT: Duration = Duration::from_secs(20);

/// A symmetric key (`ENCRYPT_DECRYPT`) of KMS.
pub struct KmsKeyring {
    /// Id, ARN or alias.
    key: String,
    client: OnceCell<Client>,
}

impl KmsKeyring {
    /// By id, ARN or alias (`alias/gna`). Nothing is asked before it is needed.
    ///
    /// # Errors
    /// `keyring.invalid` for an empty name.
    pub fn new(key: &str) -> Result<Self> {
        if key.trim().is_empty() {
            return Err(Error::invalid(
                "keyring.invalid",
                "name the key of KMS by its id, ARN or alias, like alias/gna",
            ));
        }
        Ok(Self {
            key: key.trim().to_owned(),
            client: OnceCell::new(),
        })
    }

    async fn client(&self) -> &Client {
        self.client
            .get_or_init(|| async {
                let timeouts = TimeoutConfig::builder().operation_timeout(WAIT).build();
                let config = aws_config::defaults(BehaviorVersion::latest())
                    .timeout_config(timeouts)
                    .load()
                    .await;
                Client::new(&config)
            })
            .await
    }
}

/// What KMS says, without what was sent.
fn refused<E: ProvideErrorMetadata, R>(key: &str, error: &SdkError<E, R>) -> Error {
    let code = match error {
        SdkError::ServiceError(told) => told.err().code(),
        _ => None,
    };
    match code {
        Some("NotFoundException" | "DisabledException" | "KMSInvalidStateException") => {
            missing(key)
        }
        Some("InvalidCiphertextException" | "IncorrectKeyException") => Error::internal(
            "keyring.unreadable",
            "a data key can't be unwrapped: its record was changed; restore a backup",
        ),
        Some(
            code @ ("AccessDeniedException"
            | "InvalidKeyUsageException"
            | "ValidationException"
            | "UnrecognizedClientException"),
        ) => Error::unavailable(
            "keyring.unavailable",
            format!(
                "KMS answered {code} for the key {key}; see that this server may use it (kms:Encrypt, kms:Decrypt, kms:DescribeKey) and that it is a symmetric one"
            ),
        ),
        Some(code) => Error::unavailable(
            "keyring.unavailable",
            format!("KMS answered {code}; it is tried again"),
        ),
        None => Error::unavailable(
            "keyring.unavailable",
            "KMS can't be reached; see that AWS_REGION and credentials are set, and the network lets it through",
        ),
    }
}

fn incomplete() -> Error {
    Error::unavailable("keyring.unavailable", "the answer of KMS is not complete")
}

#[async_trait]
impl Keyring for KmsKeyring {
    fn kind(&self) -> &'static str {
        "kms"
    }

    /// The ARN of the key, also where it was named by an alias.
    async fn current(&self) -> Result<String> {
        let asked = self.client().await.describe_key().key_id(&self.key);
        let told = asked.send().await;
        let told = told.map_err(|error| refused(&self.key, &error))?;
        let arn = told.key_metadata.and_then(|about| about.arn);
        arn.ok_or_else(incomplete)
    }

    async fn wrap(&self, context: &str, key: &KeyBytes) -> Result<Wrapped> {
        let asked = self
            .client()
            .await
            .encrypt()
            .key_id(&self.key)
            .encryption_context(CONTEXT, context)
            .plaintext(Blob::new(key.expose().as_slice()));
        let told = asked.send().await;
        let told = told.map_err(|error| refused(&self.key, &error))?;
        match (told.key_id, told.ciphertext_blob) {
            (Some(key_id), Some(bytes)) => Ok(Wrapped {
                key_id,
                bytes: bytes.into_inner(),
            }),
            _ => Err(incomplete()),
        }
    }

    async fn unwrap(&self, context: &str, wrapped: &Wrapped) -> Result<KeyBytes> {
        let asked = self
            .client()
            .await
            .decrypt()
            // Only by the key that wrapped it, whatever the bytes say.
            .key_id(&wrapped.key_id)
            .encryption_context(CONTEXT, context)
            .ciphertext_blob(Blob::new(wrapped.bytes.as_slice()));
        let told = asked.send().await;
        let told = told.map_err(|error| refused(&wrapped.key_id, &error))?;
        let plain = told.plaintext.ok_or_else(incomplete)?;
        KeyBytes::from_slice(plain.as_ref()).ok_or_else(incomplete)
    }

    /// New keys are made in KMS: point the alias to one, or name it in `keyring.kms_key`. Rotation of
    /// the key's own material is the service's and changes nothing here.
    async fn rotate(&self) -> Result<String> {
        self.current().await
    }
}
