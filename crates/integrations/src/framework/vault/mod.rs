//! The vault: envelope encryption over the store and a keyring.
//!
//! `cipher` is the one place that encrypts; `envelope` implements the vault port with a data key
//! per tenant; `keyring` has the places where the keys above them live; `rotation` is the durable
//! job that changes keys under load; `legacy` reads what Frigg encrypted, for migration.

mod cipher;
mod envelope;
pub mod keyring;
pub mod legacy;
pub mod rotation;

pub use envelope::EnvelopeVault;
