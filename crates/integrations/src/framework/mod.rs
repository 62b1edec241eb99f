//! What every integration uses: the guarded way out, tries and authorisation, kept secrets.

pub mod adopter;
pub mod client;
pub mod egress;
pub mod frigg_export;
mod ready;
pub mod refresh;
pub mod requester;
pub mod vault;
