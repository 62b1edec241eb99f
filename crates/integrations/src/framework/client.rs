//! Calls apps by their modules' definitions: addresses, authorisation, refresh, meaning of answers.
//!
//! The one implementation of [`Apps`]. Everything goes through the [`Requester`] or, for token
//! requests, straight through the egress, because those must not be sent twice.

use async_trait::async_trait;
use gna_domain::connect::answer::Failed;
use gna_domain::connect::module::Call;
use gna_domain::connect::oauth2::{JwtSigner, SigningInput};
use gna_domain::connect::request::{Body, Method};
use gna_domain::connect::{Answer, Class, ConnectedEntity, Credential, Module, Request, Values};
use gna_domain::error::{Error, Kind, Result};
use gna_domain::port::apps::{Apps, Ask, Registration};
use gna_domain::port::egress::{self, Egress, EgressError, Header, OutRequest};
use gna_domain::port::store::{Store, Stored};
use gna_domain::port::{Clock, Ids, Vault, repo};
use gna_domain::rules::known_secrets::KnownSecrets;
use gna_domain::rules::redact::names_a_secret;
use gna_domain::rules::refresh::{Means, Reason, give_up, is_due, is_expired};
use gna_domain::rules::retry::{RetryPolicy, Tries};
use gna_domain::secret::Secret;
use gna_domain::service::connect::{secrets, tokens};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ready::{Ready, Refused, STALE, stale};
use super::refresh::{Refresher, reconnect, write};
use super::requester::{RequestError, Requester, Sent};

/// How often one call takes up newer tokens.
const TRIES: u32 = 4;

/// What an [`AppClient`] works with.
pub struct AppPorts {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub egress: Arc<dyn Egress>,
    pub vault: Arc<dyn Vault>,
    pub signer: Arc<dyn JwtSigner>,
}

/// The apps of this server.
pub struct AppClient {
    ports: AppPorts,
    modules: BTreeMap<String, Arc<Module>>,
    registrations: BTreeMap<String, Registration>,
    /// Users come back to this address, `/redirect/` and the module's name.
    public_url: String,
    requester: Requester,
}

impl AppClient {
    /// `public_url` without a slash at its end.
    #[must_use]
    pub fn new(
        ports: AppPorts,
        modules: impl IntoIterator<Item = Module>,
        registrations: BTreeMap<String, Registration>,
        public_url: &str,
    ) -> Self {
        let requester = Requester::new(
            Arc::clone(&ports.egress),
            Arc::clone(&ports.clock),
            Arc::clone(&ports.ids),
        );
        let modules = modules
            .into_iter()
            .map(|module| (module.name.to_string(), Arc::new(module)))
            .collect();
        Self {
            ports,
            modules,
            registrations,
            public_url: public_url.to_owned(),
            requester,
        }
    }

    fn refresher(&self) -> Refresher<'_> {
        Refresher {
            apps: self,
            store: self.ports.store.as_ref(),
            clock: self.ports.clock.as_ref(),
            ids: self.ports.ids.as_ref(),
        }
    }

    fn known(&self, name: &str) -> Result<Arc<Module>> {
        self.module(name).ok_or_else(|| {
            Error::invalid(
                "module.unknown",
                format!(
                    "there is no module {name:?} on this server; the operator adds its file again"
                ),
            )
        })
    }

    /// One request with one state of the credential.
    async fn attempt(
        &self,
        module: &Module,
        Outgoing { request, known }: Outgoing,
        refused: Refused,
    ) -> Result<Answer> {
        let ready = Ready {
            module,
            refused,
            now: self.ports.clock.now(),
        };
        let sent = self
            .requester
            .send(request, &ready, &policy(module), Tries::default())
            .await;
        match sent {
            Ok(Sent::Answer(answer)) => {
                let answer = Answer::new(answer.status, answer.headers, &answer.body);
                let now = self.ports.clock.now();
                match module.classify(&answer, now) {
                    Some(failed) if failed.class == Class::Unauthorized => Err(stale()),
                    Some(failed) => {
                        // What it says is shown and kept; it may repeat what it was sent.
                        let body = known.masked_json(&answer.body);
                        let clean = module.classify(&Answer { body, ..answer }, now);
                        let message = clean.and_then(|clean| clean.message);
                        Err(Failed { message, ..failed }.error(&module.display.label))
                    }
                    None => Ok(answer),
                }
            }
            Ok(Sent::Later { at, .. }) => {
                let wait = at.millis().saturating_sub(self.ports.clock.now().millis());
                let seconds = u64::try_from(wait.saturating_add(999) / 1_000).unwrap_or(1);
                let text = format!("{} asks to slow down", module.display.label);
                Err(Error::new(Kind::Upstream, Class::Throttled.code(), text)
                    .after_seconds(seconds))
            }
            Err(RequestError::Unauthorised) => Err(stale()),
            Err(error) => Err(error.into()),
        }
    }

    /// The request as the credential is now.
    async fn request(
        &self,
        module: &Module,
        entity: &ConnectedEntity,
        credential: &Credential,
        ask: &Ask<'_>,
    ) -> Result<Outgoing> {
        let sealed = secrets::open(self.ports.vault.as_ref(), credential).await?;
        let values = secrets::values(module, &credential.connection, &sealed, &entity.properties);
        let values = tokens::with_jwt(self, module, values, self.ports.clock.now())?;
        let (request, repeatable) = build(module, ask, &values)?;
        let mut out = outgoing(request, repeatable, "app.call");
        out.known.add_all(&Value::Object(sealed));
        if let Ask::Operation { name, .. } = ask
            && let Some(mb) = module.operation(name)?.answer_mb
        {
            out.request = out.request.largest_answer(u64::from(mb) * 1_024 * 1_024);
        }
        Ok(out)
    }

    /// Tests a credential that did not work; one that does again is marked so.
    async fn heal(
        &self,
        module: &Module,
        entity: &ConnectedEntity,
        credential: &Stored<Credential>,
        ask: &Ask<'_>,
    ) -> Result<Answer> {
        let request = self.request(module, entity, credential, ask).await?;
        let answer = self.attempt(module, request, Refused::GiveBack).await;
        let answer = answer.map_err(|error| match error.code() {
            STALE => reconnect(credential, module, Reason::Invalid),
            _ => error,
        })?;
        let next = Credential {
            valid: true,
            message: None,
            updated: self.ports.clock.now(),
            ..credential.value.clone()
        };
        let (store, ids) = (self.ports.store.as_ref(), self.ports.ids.as_ref());
        // Whoever was faster knows something newer.
        write(store, ids, credential, &next).await?;
        Ok(answer)
    }

    /// Calls with newer tokens. Adopted ones may have been spent by others meanwhile; fresh ones that
    /// are refused show that the app does not let the account in any more.
    async fn again(
        &self,
        module: &Module,
        entity: &ConnectedEntity,
        credential: &Stored<Credential>,
        ask: &Ask<'_>,
    ) -> Result<Answer> {
        let mut current = credential.clone();
        for _ in 0..TRIES {
            let newer = self
                .refresher()
                .newer(module, current.id, current.generation)
                .await?;
            let request = self.request(module, entity, &newer.credential, ask).await?;
            match self.attempt(module, request, Refused::GiveBack).await {
                Err(error) if error.code() == STALE => {}
                done => return done,
            }
            current = newer.credential;
            if newer.is_fresh
                && let Some(error) = self.invalidate(module, &current).await?
            {
                return Err(error);
            }
        }
        Err(Error::new(
            Kind::Upstream,
            "credential.busy",
            format!(
                "{} refuses tokens as fast as they are renewed; try again later",
                module.display.label
            ),
        ))
    }

    /// The app does not accept what we have and nothing newer is to be had; nothing where somebody
    /// else has something newer.
    async fn invalidate(
        &self,
        module: &Module,
        refused: &Stored<Credential>,
    ) -> Result<Option<Error>> {
        let (store, ids) = (self.ports.store.as_ref(), self.ports.ids.as_ref());
        let app = &module.display.label;
        loop {
            let current = repo::require::<Credential>(store, refused.id).await?;
            if current.generation != refused.generation {
                return Ok(None);
            }
            let reason = Reason::NoRefreshToken;
            let next = give_up(&current, reason, app, self.ports.clock.now());
            if !current.valid || write(store, ids, &current, &next).await? {
                return Ok(Some(reconnect(&next, module, reason)));
            }
        }
    }
}

fn policy(module: &Module) -> RetryPolicy {
    let reset = module.limits.reset_header.iter();
    RetryPolicy {
        reset_headers: reset.map(|name| name.to_ascii_lowercase()).collect(),
        ..RetryPolicy::default()
    }
}

fn build(module: &Module, ask: &Ask<'_>, values: &Values) -> Result<(Request, bool)> {
    let of_call = |what: &str, call: &Call, values: &Values| {
        let request = module.request(what, call, values)?;
        let repeatable = request.method.is_idempotent();
        Ok((request, repeatable))
    };
    match ask {
        Ask::Test => match &module.test {
            Some(call) => of_call("test", call, values),
            None => Err(Error::invalid(
                "module.no_test",
                format!("{} has no test call", module.display.label),
            )),
        },
        Ask::Operation { name, input, page } => {
            let request = module.page_request(name, input, values, page.as_ref())?;
            let repeatable = module.operation(name)?.is_idempotent();
            Ok((request, repeatable))
        }
        Ask::Call { what, call, input } => {
            let values = values.clone().with("input", input.clone());
            of_call(what, call, &values)
        }
    }
}

/// A request as it goes out, and the secrets in it.
struct Outgoing {
    request: OutRequest,
    known: KnownSecrets,
}

/// Adds what stands under names that announce secrets.
fn add_named(known: &mut KnownSecrets, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match names_a_secret(name) {
                    true => known.add_all(value),
                    false => add_named(known, value),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| add_named(known, item)),
        _ => {}
    }
}

/// A module's request as it goes out. All header values count as secrets but those that never are.
fn outgoing(request: Request, repeatable: bool, purpose: &'static str) -> Outgoing {
    let mut known = KnownSecrets::new();
    match &request.body {
        Body::Json(value) => add_named(&mut known, value),
        Body::Form(pairs) => {
            let named = pairs.iter().filter(|(name, _)| names_a_secret(name));
            named.for_each(|(_, value)| known.add(value));
        }
        Body::None | Body::Text(_) => {}
    }
    let method = match request.method {
        Method::Get => egress::Method::Get,
        Method::Post => egress::Method::Post,
        Method::Put => egress::Method::Put,
        Method::Patch => egress::Method::Patch,
        Method::Delete => egress::Method::Delete,
    };
    let mut out = OutRequest::new(method, request.url, purpose);
    let mut content_type = request.body.content_type().map(str::to_owned);
    for (name, value) in request.headers {
        if name.eq_ignore_ascii_case("content-type") {
            content_type = Some(value);
        } else if name.eq_ignore_ascii_case("accept") || name.eq_ignore_ascii_case("user-agent") {
            out = out.header(Header::plain(name, value));
        } else {
            known.add(&value);
            out = out.header(Header::secret(name, Secret::new(value)));
        }
    }
    if let (Some(kind), false) = (content_type, request.body == Body::None) {
        out = out.body(kind, request.body.bytes());
    }
    let request = if repeatable { out.repeatable() } else { out };
    Outgoing { request, known }
}

#[async_trait]
impl Apps for AppClient {
    fn module(&self, name: &str) -> Option<Arc<Module>> {
        self.modules.get(name).cloned()
    }

    fn modules(&self) -> Vec<Arc<Module>> {
        self.modules.values().cloned().collect()
    }

    fn registration(&self, module: &Module) -> Option<Registration> {
        self.registrations.get(module.name.as_str()).cloned()
    }

    fn public_url(&self) -> &str {
        &self.public_url
    }

    fn redirect_uri(&self, module: &Module) -> String {
        format!("{}/redirect/{}", self.public_url, module.name)
    }

    fn vault(&self) -> &dyn Vault {
        self.ports.vault.as_ref()
    }

    fn sign(&self, input: &SigningInput) -> Result<Secret> {
        self.ports.signer.sign(input)
    }

    async fn send(&self, module: &Module, request: Request, repeatable: bool) -> Result<Answer> {
        let request = outgoing(request, repeatable, "app.connect");
        let answer = self.attempt(module, request, Refused::GiveBack).await;
        answer.map_err(|error| {
            if error.code() != STALE {
                return error;
            }
            let text = format!(
                "{} does not accept the credentials; check them and try again",
                module.display.label
            );
            // Whoever is connecting typed them: it is theirs to mend.
            Error::new(Kind::Invalid, Class::Unauthorized.code(), text)
        })
    }

    async fn exchange(&self, request: Request, timeout_ms: i64) -> Result<Answer, EgressError> {
        let millis = u64::try_from(timeout_ms).unwrap_or(1);
        let Outgoing { request, known } = outgoing(request, false, "oauth2.token");
        let answer = self.ports.egress.send(request.timeout_ms(millis)).await?;
        let answer = Answer::new(answer.status, answer.headers, &answer.body);
        // Of a success every byte counts; a refusal is shown, and may repeat what was sent.
        Ok(
            match (200..300).contains(&answer.status) && answer.body.get("error").is_none() {
                true => answer,
                false => Answer {
                    body: known.masked_json(&answer.body),
                    ..answer
                },
            },
        )
    }

    async fn call(&self, entity: &ConnectedEntity, ask: Ask<'_>) -> Result<Answer> {
        let module = self.known(entity.module.as_str())?;
        let stored =
            repo::require::<Credential>(self.ports.store.as_ref(), entity.credential).await?;
        if !stored.valid && stored.intent.is_none() && matches!(ask, Ask::Test) {
            return self.heal(&module, entity, &stored, &ask).await;
        }
        let credential = self.fresh(stored).await?;
        let request = self.request(&module, entity, &credential, &ask).await?;
        // Where nothing can be refreshed, a 401 is believed only after a moment.
        let can_refresh = tokens::means(&module) != Means::Nothing;
        let refused = match can_refresh {
            true => Refused::GiveBack,
            false => Refused::Wait,
        };
        match self.attempt(&module, request, refused).await {
            Err(error) if error.code() == STALE => {}
            done => return done,
        }
        if !can_refresh {
            return Err(match self.invalidate(&module, &credential).await? {
                Some(error) => error,
                None => reconnect(&credential, &module, Reason::Invalid),
            });
        }
        self.again(&module, entity, &credential, &ask).await
    }

    async fn fresh(&self, credential: Stored<Credential>) -> Result<Stored<Credential>> {
        let module = self.known(credential.module.as_str())?;
        if !credential.valid {
            return Err(reconnect(&credential, &module, Reason::Invalid));
        }
        let now = self.ports.clock.now();
        if !is_due(&credential, now) || tokens::means(&module) == Means::Nothing {
            return Ok(credential);
        }
        // Nobody waits for someone else's refresh while the token still works.
        let still_works = !is_expired(&credential, now);
        if still_works
            && credential
                .intent
                .as_ref()
                .is_some_and(|intent| now < intent.until)
        {
            return Ok(credential);
        }
        let newer = self
            .refresher()
            .newer(&module, credential.id, credential.generation)
            .await;
        match newer {
            Err(error) if still_works && error.code() != "credential.reconnect" => {
                tracing::info!(
                    code = error.code(),
                    "a refresh ahead of time did not succeed"
                );
                Ok(credential)
            }
            done => done.map(|newer| newer.credential),
        }
    }
}
