//! The way to the engine: one client per process, which repeats what may be repeated and counts what
//! it sent.

use super::address::Address;
pub(super) use crate::backend::waits::{backoff, random};
use crate::kernel::Error;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{
    ConfigBag, Credentials, Intercept, Region, RuntimeComponents, SharedCredentialsProvider,
};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use gna_domain::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// How often a request is sent before its error is told. Between two of them are waits that grow and
/// differ; throttling makes the whole client slower for a while.
const ATTEMPTS: u32 = 5;
/// Longest wait between two attempts.
const BACKOFF: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for the answer to one attempt. A transaction of 4 MB takes well below a second.
const ATTEMPT: Duration = Duration::from_secs(8);
/// Longest wait for all attempts.
const OPERATION: Duration = Duration::from_secs(30);

/// What was asked of the engine since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests, repeated ones too.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// A table, and the client to reach it.
#[derive(Clone)]
pub struct DynamoDb {
    pub(super) client: Client,
    pub(super) table: String,
    pub(super) operations: usize,
    counts: Arc<Counts>,
}

impl DynamoDb {
    /// A client for the table that the address names; nothing is sent yet. Credentials and region come
    /// from the environment as in every tool of Amazon's: variables, a profile, a web identity, the
    /// container or the machine. An engine on this machine takes any, so none are needed there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where no region is known.
    pub async fn connect(address: &Address) -> Result<Self, Error> {
        let counts = Arc::new(Counts::default());
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(
                RetryConfig::adaptive()
                    .with_max_attempts(ATTEMPTS)
                    .with_max_backoff(BACKOFF),
            )
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .operation_attempt_timeout(ATTEMPT)
                    .operation_timeout(OPERATION)
                    .build(),
            );
        if let Some(region) = &address.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &address.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if address.is_local() {
            let any = Credentials::new("local", "local", None, None, "local engine");
            loader = loader.credentials_provider(SharedCredentialsProvider::new(any));
            if address.region.is_none() {
                loader = loader.region(Region::from_static("local"));
            }
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(Error::Unavailable(
                "no region is known: name it in the address, as in dynamodb://gna?region=eu-central-1, or in AWS_REGION".into(),
            ));
        }
        let config = aws_sdk_dynamodb::config::Builder::from(&shared)
            .interceptor(Counter(Arc::clone(&counts)))
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            table: address.table.clone(),
            operations: address.operations,
            counts,
        })
    }

    /// The client itself, for what only operators and checks do.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What this process asked of the engine so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            requests: self.counts.requests.load(Ordering::Relaxed),
            bytes: self.counts.bytes.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug)]
struct Counter(Arc<Counts>);

impl Intercept for Counter {
    fn name(&self) -> &'static str {
        "Counter"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.request().body().bytes().map_or(0, <[u8]>::len);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0
            .bytes
            .fetch_add(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }
}

/// When the engine gave the answer to one request, by its own clock. Only who wants to know it looks:
/// every answer tells, but reading it takes time.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicI64>);

impl Answered {
    /// To the second; `None` where the engine does not tell, or has not answered.
    pub(super) fn at(&self) -> Option<Timestamp> {
        let millis = self.0.load(Ordering::Relaxed);
        (millis > 0).then(|| Timestamp::from_millis(millis))
    }
}

impl Intercept for Answered {
    fn name(&self) -> &'static str {
        "Answered"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        let millis = date.and_then(|date| date.to_millis().ok());
        self.0.store(millis.unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }
}
