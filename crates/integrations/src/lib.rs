//! The place of the integration framework: connected apps, their credentials, recipes, webhooks.
//!
//! Empty on purpose: nothing of it exists yet, and no other crate pretends otherwise.
