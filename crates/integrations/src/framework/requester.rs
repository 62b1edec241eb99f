//! Sends a request until it is answered for good: with authorisation, tries and waits.
//!
//! What to do after each try is decided by [`gna_domain::rules::retry`]. Short waits are spent
//! here, long ones are given back as [`Sent::Later`] with the tries so far, to be passed in again.
//! A 401 is told to the [`Authoriser`] once, which may bring new authorisation.

use async_trait::async_trait;
use gna_domain::error::{Error, Kind};
use gna_domain::port::egress::{EgressError, Header, OutRequest, OutResponse};
use gna_domain::port::{Clock, Egress, Ids};
use gna_domain::rules::retry::{self, Next, Observed, RetryPolicy, Tries};
use gna_domain::secret::Secret;
use gna_domain::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Before a 401 that no refresh can mend is believed: some apps need a moment to know a new key.
const GRACE: Duration = Duration::from_secs(1);

/// What authorises a request.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    pub headers: Vec<Header>,
    /// Parameters added to the address, for apps that take their key there.
    pub query: Vec<(String, Secret)>,
}

/// Brings authorisation. Knows the credential; the requester does not.
#[async_trait]
pub trait Authoriser: Send + Sync {
    /// For the first try.
    ///
    /// # Errors
    /// Given back to the caller as they are.
    async fn auth(&self) -> Result<Auth, Error>;

    /// Whether this 401 is about the authorisation: some apps answer so to a right that is missing.
    fn is_refusal(&self, _answer: &OutResponse) -> bool {
        true
    }

    /// The other side refused what [`Authoriser::auth`] brought. Called at most once per
    /// [`Requester::send`]. `None` where nothing can be refreshed.
    ///
    /// # Errors
    /// Given back to the caller as they are.
    async fn refused(&self) -> Result<Option<Auth>, Error>;
}

/// For requests without authorisation.
pub struct NoAuth;

#[async_trait]
impl Authoriser for NoAuth {
    async fn auth(&self) -> Result<Auth, Error> {
        Ok(Auth::default())
    }
    async fn refused(&self) -> Result<Option<Auth>, Error> {
        Ok(None)
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub enum Sent {
    /// The final answer, of any status but those that are tried again and a 401 that is a refusal.
    Answer(OutResponse),
    /// The other side wants to be asked later than anyone should wait here: put the work off and
    /// pass `tries` in again.
    Later { at: Timestamp, tries: Tries },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// 401, also after the refresh.
    #[error("the other side refuses the credential; connect it again")]
    Unauthorised,
    /// The authoriser's own.
    #[error(transparent)]
    Auth(Error),
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Egress(error) => error.into(),
            RequestError::Auth(error) => error,
            RequestError::Unauthorised => {
                Self::new(Kind::Upstream, "credential.refused", error.to_string())
            }
        }
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Requester {
    egress: Arc<dyn Egress>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Requester {
    #[must_use]
    pub fn new(egress: Arc<dyn Egress>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { egress, clock, ids }
    }

    /// Sends, waits and sends again as the policy says. `tries` is what came before, in an earlier call.
    ///
    /// # Errors
    /// No answer after all tries, or the credential is refused.
    pub async fn send(
        &self,
        request: OutRequest,
        authoriser: &dyn Authoriser,
        policy: &RetryPolicy,
        mut tries: Tries,
    ) -> Result<Sent, RequestError> {
        let mut auth = authoriser.auth().await.map_err(RequestError::Auth)?;
        let mut refused = false;
        loop {
            let result = self.egress.send(authorised(&request, &auth)).await;
            if let Ok(answer) = &result
                && answer.status == 401
                && authoriser.is_refusal(answer)
            {
                if refused {
                    return Err(RequestError::Unauthorised);
                }
                refused = true;
                match authoriser.refused().await.map_err(RequestError::Auth)? {
                    Some(fresh) => auth = fresh,
                    None => tokio::time::sleep(GRACE).await,
                }
                continue;
            }
            let observed = match &result {
                Ok(answer) => Observed::Answer {
                    status: answer.status,
                    headers: &answer.headers,
                    body: &answer.body,
                },
                Err(error) => Observed::Failed(error),
            };
            let next = retry::next(
                policy,
                tries,
                request.repeatable,
                observed,
                self.clock.now(),
                self.random(),
            );
            match next {
                Next::Stop => return Ok(Sent::Answer(result?)),
                Next::Later { at, tries } => return Ok(Sent::Later { at, tries }),
                Next::Again {
                    after_ms,
                    tries: after,
                } => {
                    tracing::info!(
                        purpose = %request.purpose,
                        after_ms,
                        status = result.as_ref().map(|answer| answer.status).ok(),
                        "a request is tried again"
                    );
                    tries = after;
                    let wait = u64::try_from(after_ms).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        }
    }

    fn random(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.ids.random();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

fn authorised(request: &OutRequest, auth: &Auth) -> OutRequest {
    let mut request = request.clone();
    request.headers.extend_from_slice(&auth.headers);
    request.secret_query.extend_from_slice(&auth.query);
    request
}
