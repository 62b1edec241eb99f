//! Working through the events of a job so that one that fails does not keep the others.

use gna_domain::connect::recipe::Occurrence;
use gna_domain::error::{Error, Result};
use gna_domain::id::VulnerabilityId;
use gna_domain::rules::integration::{is_permanent, waits_for_person};
use std::collections::BTreeSet;

/// Failures that may pass by themselves before the rest is left for the next try: the app is out of
/// order, and each call of it may take long to say so.
const PATIENCE: usize = 3;

/// What failed of many things that are done one after the other.
#[derive(Default)]
pub struct Failures {
    refused: Option<Error>,
    passing: Vec<Error>,
}

impl Failures {
    /// Notes how one of them went.
    ///
    /// # Errors
    /// Where there is no point in going on: one that ends all at once (an account that does not work,
    /// an app that wants to be left alone), or the first of several that may pass by themselves.
    pub fn note(&mut self, done: Result<()>) -> Result<()> {
        let Err(error) = done else { return Ok(()) };
        if waits_for_person(&error) || error.retry_after().is_some() {
            return Err(error);
        }
        if is_permanent(&error) {
            self.refused.get_or_insert(error);
            return Ok(());
        }
        self.passing.push(error);
        if self.passing.len() < PATIENCE {
            return Ok(());
        }
        Err(self.passing.swap_remove(0))
    }

    /// How all of it went.
    ///
    /// # Errors
    /// The first that is worth another try, else the first.
    pub fn end(self) -> Result<()> {
        match self.passing.into_iter().next().or(self.refused) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Does `work` for each vulnerability that something happened to, once.
///
/// # Errors
/// As [`Failures::note`] and [`Failures::end`] say.
pub async fn each<F, Fut>(events: &[Occurrence], work: F) -> Result<()>
where
    F: Fn(VulnerabilityId) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let mut seen = BTreeSet::new();
    let ids: Vec<VulnerabilityId> = events
        .iter()
        .filter_map(|event| event.subject.parse().ok())
        .filter(|id| seen.insert(*id))
        .collect();
    let mut failures = Failures::default();
    for id in ids {
        failures.note(work(id).await)?;
    }
    failures.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::error::Kind;
    use gna_domain::id::TypedId;
    use std::sync::Mutex;
    use uuid::Uuid;

    fn event(number: u128) -> Occurrence {
        Occurrence {
            event: "vulnerability.opened".to_owned(),
            subject: VulnerabilityId::from_uuid(Uuid::from_u128(number)).to_string(),
        }
    }

    #[tokio::test]
    async fn one_that_fails_does_not_keep_the_others_unless_all_would_fail() {
        let events: Vec<Occurrence> = [1, 2, 2, 3, 4, 5, 6, 7].into_iter().map(event).collect();
        let upstream = |code| Error::new(Kind::Upstream, code, "x");
        for (code, worked, told) in [
            ("app.refused", 7, "app.refused"),
            ("app.unavailable", 4, "app.unavailable"),
            ("credential.reconnect", 2, "credential.reconnect"),
        ] {
            let done = Mutex::new(0);
            let result = each(&events, |id| {
                let (done, fails) = (&done, id.uuid().as_u128() > 1);
                async move {
                    *done.lock().expect("a lock") += 1;
                    if fails { Err(upstream(code)) } else { Ok(()) }
                }
            })
            .await;
            assert_eq!(result.expect_err("told").code(), told);
            assert_eq!(done.into_inner().expect("a lock"), worked, "{code}");
        }
    }
}
