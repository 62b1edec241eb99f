//! Tries, waits and authorisation, with a fake of the other side and time that is told.

use async_trait::async_trait;
use bytes::Bytes;
use gna_domain::error::Error;
use gna_domain::port::Clock;
use gna_domain::port::egress::{EgressError, Failure, Header, Method, OutRequest, OutResponse};
use gna_domain::rules::retry::{RetryPolicy, Tries};
use gna_domain::secret::Secret;
use gna_integrations::framework::requester::{
    Auth, Authoriser, NoAuth, RequestError, Requester, Sent,
};
use gna_testkit::{FakeClock, FakeEgress, SequenceIds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

struct Desk {
    egress: Arc<FakeEgress>,
    clock: Arc<FakeClock>,
    requester: Requester,
}

fn desk() -> Desk {
    let egress = Arc::new(FakeEgress::default());
    let clock = Arc::new(FakeClock::default());
    let requester = Requester::new(
        egress.clone(),
        clock.clone(),
        Arc::new(SequenceIds::default()),
    );
    Desk {
        egress,
        clock,
        requester,
    }
}

impl Desk {
    fn answers(&self, status: u16, headers: &[(&str, &str)]) {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        self.egress.push(Ok(OutResponse {
            status,
            headers: headers.collect(),
            body: Bytes::new(),
        }));
    }

    async fn send(&self, method: Method, auth: &dyn Authoriser) -> Result<Sent, RequestError> {
        let request = OutRequest::new(method, "https://app.example/", "test");
        self.requester
            .send(request, auth, &RetryPolicy::default(), Tries::default())
            .await
    }

    fn tokens(&self) -> Vec<String> {
        let asked = self.egress.asked();
        let of =
            |request: &OutRequest| request.headers.first().map(|h| h.value.expose().to_owned());
        asked.iter().filter_map(of).collect()
    }
}

/// Brings token-1, and after a 401 token-2 if it can.
struct Tokens {
    refreshes: AtomicU32,
    can: bool,
}

impl Tokens {
    fn new(can: bool) -> Self {
        Self {
            refreshes: AtomicU32::new(0),
            can,
        }
    }
}

fn bearer(number: u32) -> Auth {
    let token = Secret::new(format!("token-{number}"));
    Auth {
        headers: vec![Header::secret("authorization", token)],
        query: Vec::new(),
    }
}

#[async_trait]
impl Authoriser for Tokens {
    async fn auth(&self) -> Result<Auth, Error> {
        Ok(bearer(1))
    }
    async fn refused(&self) -> Result<Option<Auth>, Error> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        Ok(self.can.then(|| bearer(2)))
    }
}

fn status(sent: &Sent) -> u16 {
    match sent {
        Sent::Answer(answer) => answer.status,
        Sent::Later { .. } => panic!("put off"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_with_growing_waits() {
    let desk = desk();
    desk.egress
        .push(Err(EgressError::not_sent(Failure::Connect, "closed")));
    desk.answers(503, &[]);
    desk.answers(200, &[]);
    let started = tokio::time::Instant::now();
    let sent = desk.send(Method::Post, &NoAuth).await.expect("an answer");
    assert_eq!(status(&sent), 200);
    assert_eq!(desk.egress.asked().len(), 3);
    let waited = started.elapsed().as_millis();
    assert!(
        (4_000..=5_000).contains(&waited),
        "1 s and 3 s, and up to a quarter more: {waited}"
    );
}

#[tokio::test(start_paused = true)]
async fn long_waits_are_given_back_with_the_tries_so_far() {
    let desk = desk();
    desk.answers(429, &[("retry-after", "2")]);
    desk.answers(429, &[("retry-after", "120")]);
    let sent = desk.send(Method::Get, &NoAuth).await.expect("no error");
    let Sent::Later { at, tries } = sent else {
        panic!("two minutes are not waited for")
    };
    assert_eq!(
        tries,
        Tries {
            failures: 0,
            throttled: 2
        }
    );
    let wait = at.millis() - desk.clock.now().millis();
    assert!((120_000..=126_000).contains(&wait), "{wait}");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_done_is_not_done_again() {
    for (method, calls) in [(Method::Post, 1), (Method::Put, 2)] {
        let desk = desk();
        desk.egress
            .push(Err(EgressError::unknown(Failure::Timeout, "slow")));
        desk.answers(201, &[]);
        let sent = desk.send(method, &NoAuth).await;
        assert_eq!(desk.egress.asked().len(), calls, "{method:?}");
        assert_eq!(sent.is_ok(), calls == 2);
    }
    let desk = desk();
    desk.egress
        .push(Err(EgressError::unknown(Failure::Timeout, "slow")));
    desk.answers(201, &[]);
    let request = OutRequest::new(Method::Post, "https://app.example/", "test")
        .header(Header::plain("idempotency-key", "1"))
        .repeatable();
    let sent = desk
        .requester
        .send(request, &NoAuth, &RetryPolicy::default(), Tries::default())
        .await;
    assert_eq!(status(&sent.expect("an answer")), 201);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_credential_is_told_once_and_its_successor_used() {
    let desk = desk();
    for status in [401, 503, 200] {
        desk.answers(status, &[]);
    }
    let tokens = Tokens::new(true);
    let sent = desk.send(Method::Get, &tokens).await.expect("an answer");
    assert_eq!(status(&sent), 200);
    assert_eq!(desk.tokens(), ["token-1", "token-2", "token-2"]);
    assert_eq!(tokens.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_refusal_is_final() {
    for can in [true, false] {
        let desk = desk();
        desk.answers(401, &[]);
        desk.answers(401, &[]);
        let tokens = Tokens::new(can);
        let error = desk.send(Method::Get, &tokens).await.expect_err("refused");
        assert!(matches!(error, RequestError::Unauthorised));
        assert_eq!(Error::from(error).code(), "credential.refused");
        assert_eq!(
            (
                desk.egress.asked().len(),
                tokens.refreshes.load(Ordering::SeqCst)
            ),
            (2, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn final_answers_are_given_to_the_caller() {
    for code in [200, 204, 400, 403, 404, 409, 422, 302] {
        let desk = desk();
        desk.answers(code, &[]);
        let sent = desk.send(Method::Get, &NoAuth).await.expect("an answer");
        assert_eq!((status(&sent), desk.egress.asked().len()), (code, 1));
    }
}
