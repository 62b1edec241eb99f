//! How often one caller may call: by token or person where the credential holds, by address
//! otherwise, so that made-up tokens get nobody a fresh allowance. Off unless configured.
//!
//! Health is not counted: a load balancer asks as often as it likes.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gna_domain::ctx::Actor;
use gna_domain::error::{Error, Result};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::auth::{Auth, CallOrigin};
use crate::problem::Problem;
use crate::state::AppState;

/// After so many requests, callers that have been quiet are forgotten.
const TIDY_EVERY: u32 = 10_000;

type Limiter =
    RateLimiter<String, HashMapStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// The allowances of all callers.
#[derive(Debug)]
pub struct RateLimits {
    limiter: Option<Limiter>,
    per_minute: u32,
    seen: AtomicU32,
}

/// What is left of a caller's allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    left: u32,
    /// Seconds until it is whole again.
    reset: u64,
}

impl RateLimits {
    /// So many requests per minute, any of them at once; 0 for no limit.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let limiter = NonZeroU32::new(per_minute).map(|per_minute| {
            RateLimiter::hashmap(Quota::per_minute(per_minute)).with_middleware()
        });
        Self {
            limiter,
            per_minute,
            seen: AtomicU32::new(0),
        }
    }

    /// Takes one from the allowance of a caller, or of an address where nobody knows who calls.
    ///
    /// # Errors
    /// `rate.exceeded`, with the seconds to wait.
    pub(crate) fn take_for(
        &self,
        actor: &Actor,
        address: Option<String>,
    ) -> Result<Option<Allowance>> {
        match actor {
            Actor::Anonymous => self.take(address.as_deref().unwrap_or("nobody")),
            known => self.take(&known.label()),
        }
    }

    fn take(&self, caller: &str) -> Result<Option<Allowance>> {
        let Some(limiter) = &self.limiter else {
            return Ok(None);
        };
        if self.seen.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        match limiter.check_key(&caller.to_owned()) {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let used = u64::from(self.per_minute.saturating_sub(left));
                let reset = (used * 60).div_ceil(u64::from(self.per_minute.max(1)));
                Ok(Some(Allowance { left, reset }))
            }
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Err(Error::limit(
                    "rate.exceeded",
                    format!(
                        "more than {} requests in a minute; wait, and ask less often",
                        self.per_minute
                    ),
                )
                .after_seconds(wait.as_secs().saturating_add(1)))
            }
        }
    }
}

/// The layer.
pub async fn around(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.rates.limiter.is_none() || request.uri().path().starts_with("/health") {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let actor = match Auth::from_request_parts(&mut parts, &state).await {
        Ok(auth) => auth.0.ctx.actor,
        Err(_) => Actor::Anonymous,
    };
    let Ok(CallOrigin(origin)) = CallOrigin::from_request_parts(&mut parts, &state).await;
    let address = origin.address.map(|address| address.to_string());
    let request = Request::from_parts(parts, body);
    match state.rates.take_for(&actor, address) {
        Ok(allowance) => {
            let mut response = next.run(request).await;
            if let Some(allowance) = allowance {
                headers(&mut response, state.rates.per_minute, allowance);
            }
            response
        }
        Err(error) => {
            let reset = error.retry_after().unwrap_or_default();
            let mut response = Problem(error).into_response();
            headers(
                &mut response,
                state.rates.per_minute,
                Allowance { left: 0, reset },
            );
            response
        }
    }
}

fn headers(response: &mut Response, limit: u32, allowance: Allowance) {
    let numbers = [
        ("x-ratelimit-limit", u64::from(limit)),
        ("x-ratelimit-remaining", u64::from(allowance.left)),
        ("x-ratelimit-reset", allowance.reset),
    ];
    for (name, number) in numbers {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), HeaderValue::from(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_an_allowance_of_its_own() {
        let limits = RateLimits::new(2);
        let left = |caller| {
            limits
                .take(caller)
                .map(|allowance| allowance.map(|a| a.left))
        };
        assert_eq!(left("a").expect("taken"), Some(1));
        assert_eq!(left("a").expect("taken"), Some(0));
        let refused = left("a").expect_err("used up");
        assert_eq!(refused.code(), "rate.exceeded");
        assert!(
            refused
                .retry_after()
                .is_some_and(|seconds| (1..=31).contains(&seconds))
        );
        assert_eq!(left("b").expect("taken"), Some(1));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limits = RateLimits::new(0);
        assert!((0..1_000).all(|_| limits.take("a").expect("taken").is_none()));
    }
}
