//! Apps whose calls fail at times, before or after they took effect.

use async_trait::async_trait;
use gna_domain::connect::oauth2::SigningInput;
use gna_domain::connect::{Answer, ConnectedEntity, Credential, Module, Request};
use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::Vault;
use gna_domain::port::apps::{Apps, Ask, Registration};
use gna_domain::port::egress::EgressError;
use gna_domain::port::store::Stored;
use gna_domain::secret::Secret;
use gna_integrations::framework::client::AppClient;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// Numbers that the seed decides (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// A call that is under way for as long as a test wants.
#[derive(Default)]
pub struct Pause {
    /// It is to be made.
    pub reached: Notify,
    /// It may be made.
    pub released: Notify,
}

pub struct Flaky {
    inner: AppClient,
    /// The operation whose next call takes its time.
    pause: Mutex<Option<(&'static str, Arc<Pause>)>>,
    /// The operation whose next answer is lost.
    lost: Mutex<Option<&'static str>>,
    /// One call in so many fails; 0 for none. And what decides which.
    chance: Mutex<(u64, Random)>,
}

impl Flaky {
    pub fn new(inner: AppClient) -> Self {
        Self {
            inner,
            pause: Mutex::new(None),
            lost: Mutex::new(None),
            chance: Mutex::new((0, Random::new(7))),
        }
    }

    pub fn fail_one_in(&self, calls: u64) {
        self.chance.lock().expect("a lock").0 = calls;
    }

    /// Has the next call of an operation wait.
    pub fn pause_next(&self, operation: &'static str) -> Arc<Pause> {
        let pause = Arc::new(Pause::default());
        *self.pause.lock().expect("a lock") = Some((operation, Arc::clone(&pause)));
        pause
    }

    fn paused(&self, ask: &Ask<'_>) -> Option<Arc<Pause>> {
        let Ask::Operation { name, .. } = ask else {
            return None;
        };
        let mut pause = self.pause.lock().expect("a lock");
        let (_, pause) = pause.take_if(|paused| paused.0 == *name)?;
        Some(pause)
    }

    /// The next call of an operation is made, and its answer is lost.
    pub fn lose_next(&self, operation: &'static str) {
        *self.lost.lock().expect("a lock") = Some(operation);
    }

    fn loses(&self, ask: &Ask<'_>) -> bool {
        let Ask::Operation { name, .. } = ask else {
            return false;
        };
        let mut lost = self.lost.lock().expect("a lock");
        lost.take_if(|lost| *lost == *name).is_some()
    }

    fn fails(&self) -> bool {
        let mut chance = self.chance.lock().expect("a lock");
        let calls = chance.0;
        calls > 0 && chance.1.below(calls * 2) == 0
    }
}

fn failure(text: &str) -> Error {
    Error::new(Kind::Upstream, "app.unavailable", text)
}

#[async_trait]
impl Apps for Flaky {
    fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.inner.module(name)
    }

    fn modules(&self) -> Vec<Arc<Module>> {
        self.inner.modules()
    }

    fn registration(&self, module: &Module) -> Option<Registration> {
        self.inner.registration(module)
    }

    fn public_url(&self) -> &str {
        self.inner.public_url()
    }

    fn redirect_uri(&self, module: &Module) -> String {
        self.inner.redirect_uri(module)
    }

    fn vault(&self) -> &dyn Vault {
        self.inner.vault()
    }

    fn sign(&self, input: &SigningInput) -> Result<Secret> {
        self.inner.sign(input)
    }

    async fn send(&self, module: &Module, request: Request, repeatable: bool) -> Result<Answer> {
        self.inner.send(module, request, repeatable).await
    }

    async fn exchange(&self, request: Request, timeout_ms: i64) -> Result<Answer, EgressError> {
        self.inner.exchange(request, timeout_ms).await
    }

    async fn call(&self, entity: &ConnectedEntity, ask: Ask<'_>) -> Result<Answer> {
        if let Some(pause) = self.paused(&ask) {
            pause.reached.notify_one();
            pause.released.notified().await;
        }
        if self.fails() {
            return Err(failure("it failed before anything was done"));
        }
        let loses = self.loses(&ask);
        let answer = self.inner.call(entity, ask).await;
        if loses || self.fails() {
            return Err(failure("it was done, and the answer was lost"));
        }
        answer
    }

    async fn fresh(&self, credential: Stored<Credential>) -> Result<Stored<Credential>> {
        self.inner.fresh(credential).await
    }
}
