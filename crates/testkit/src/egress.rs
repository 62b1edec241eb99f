//! A fake of the world outside: it answers what a test says and keeps what was asked.

use async_trait::async_trait;
use bytes::Bytes;
use gna_domain::port::egress::{Egress, EgressError, Failure, OutRequest, OutResponse};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// An answer that depends on the request.
type Responder = dyn Fn(&OutRequest) -> Result<OutResponse, EgressError> + Send + Sync;

/// Sends nothing. Answers are given one by one with [`FakeEgress::push`], or by a function with
/// [`FakeEgress::respond`]; without either, every request is refused.
#[derive(Default)]
pub struct FakeEgress {
    answers: Mutex<VecDeque<Result<OutResponse, EgressError>>>,
    responder: Mutex<Option<Box<Responder>>>,
    asked: Mutex<Vec<OutRequest>>,
}

impl FakeEgress {
    /// The next answer that is not given yet.
    pub fn push(&self, answer: Result<OutResponse, EgressError>) {
        lock(&self.answers).push_back(answer);
    }

    /// An answer with a JSON body.
    pub fn push_json(&self, status: u16, body: &serde_json::Value) {
        self.push(Ok(OutResponse {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Bytes::from(body.to_string()),
        }));
    }

    /// Answers whatever was not given one by one.
    pub fn respond(
        &self,
        with: impl Fn(&OutRequest) -> Result<OutResponse, EgressError> + Send + Sync + 'static,
    ) {
        *lock(&self.responder) = Some(Box::new(with));
    }

    /// Everything asked so far, in order.
    pub fn asked(&self) -> Vec<OutRequest> {
        lock(&self.asked).clone()
    }
}

#[async_trait]
impl Egress for FakeEgress {
    async fn send(&self, request: OutRequest) -> Result<OutResponse, EgressError> {
        lock(&self.asked).push(request.clone());
        if let Some(answer) = lock(&self.answers).pop_front() {
            return answer;
        }
        match lock(&self.responder).as_ref() {
            Some(responder) => responder(&request),
            None => Err(EgressError::not_sent(
                Failure::Refused,
                "this test has no answer for a request",
            )),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
