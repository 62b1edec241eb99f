//! Requests of a module that have their authorisation already, and what becomes of a 401.

use async_trait::async_trait;
use gna_domain::connect::{Answer, Class, Module};
use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::egress::OutResponse;
use gna_domain::time::Timestamp;

use super::requester::{Auth, Authoriser};

/// Code of the error by which a 401 comes back to us from the requester.
pub(super) const STALE: &str = "credential.stale";

pub(super) fn stale() -> Error {
    Error::new(
        Kind::Upstream,
        STALE,
        "the app does not accept the credential",
    )
}

/// What becomes of a 401.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is given back at once, so that the request can be made anew with newer tokens.
    GiveBack,
    /// It is believed only after a moment: nothing can be refreshed.
    Wait,
}

/// Requests that have their authorisation already.
pub(super) struct Ready<'m> {
    pub module: &'m Module,
    pub refused: Refused,
    pub now: Timestamp,
}

#[async_trait]
impl Authoriser for Ready<'_> {
    async fn auth(&self) -> Result<Auth, Error> {
        Ok(Auth::default())
    }

    fn is_refusal(&self, answer: &OutResponse) -> bool {
        let answer = Answer::new(answer.status, answer.headers.clone(), &answer.body);
        let failed = self.module.classify(&answer, self.now);
        failed.is_none_or(|failed| failed.class == Class::Unauthorized)
    }

    async fn refused(&self) -> Result<Option<Auth>, Error> {
        match self.refused {
            Refused::GiveBack => Err(stale()),
            Refused::Wait => Ok(None),
        }
    }
}
