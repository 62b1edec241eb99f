//! What every integration uses: the guarded way out, tries and authorisation, kept secrets.

pub mod egress;
pub mod requester;
pub mod vault;
