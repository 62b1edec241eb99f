//! Where the keys that wrap data keys live: a file, the environment, or AWS KMS.

mod file;
mod held;
#[cfg(feature = "kms")]
mod kms;

pub use file::FileKeyring;
pub use held::HeldKeyring;
#[cfg(feature = "kms")]
pub use kms::KmsKeyring;
