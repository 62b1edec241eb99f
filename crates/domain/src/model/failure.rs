//! Why work on many records was given up, for whoever waits for it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// As in `docs/API-DESIGN.md`.
    pub code: String,
    pub message: String,
}

impl Failure {
    /// What may be told of an error. A defect of ours is told by its code alone: the log has the rest.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        let message = match error.kind() {
            Kind::Internal => "it failed unexpectedly; the server's log says why",
            _ => error.message(),
        };
        Self {
            code: error.code().to_owned(),
            message: message.to_owned(),
        }
    }
}
