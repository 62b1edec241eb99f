//! Why work on many records was given up.

use async_graphql::SimpleObject;
use gna_domain::model;

/// Why it was given up.
#[derive(SimpleObject)]
pub struct Failure {
    /// The stable code of the reason.
    pub code: String,
    /// The reason, for people.
    pub message: String,
}

impl From<&model::Failure> for Failure {
    fn from(failure: &model::Failure) -> Self {
        Self {
            code: failure.code.clone(),
            message: failure.message.clone(),
        }
    }
}
