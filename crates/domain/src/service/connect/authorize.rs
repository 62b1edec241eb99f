//! Connecting an account: what is needed for it, and the end of it.
//!
//! What belongs to one connection is held by the server under its state, which is used once and only
//! by the person who began; of several steps each has one, which ends where the step succeeded. The
//! tokens, the test and the identity come before anything is stored: credential and entity are written
//! by one commit or not at all.

use serde_json::{Map, Value, json};

use super::access::{self, Wish, permit};
use super::connecting::{self, Connected, Found};
use super::{secrets, tokens};
use crate::connect::module::{Auth, Form, Oauth2Code, Pkce, StateMode};
use crate::connect::oauth2::{self, Authorize};
use crate::connect::session::{AUTHORIZATION_MS, AUTHORIZATIONS_MAX};
use crate::connect::{AuthorizationSession, ConnectedEntity, Module, Owner};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::id::{EntityId, OrganizationId, UserId};
use crate::page::PageRequest;
use crate::port::apps::Apps;
use crate::port::repo;
use crate::port::store::{ChangeSet, Stored};
use crate::rules::refresh::ANSWER_MS;
use crate::secret::Secret;
use crate::service::access::new_secret;

/// Where a connection begins.
#[derive(Clone, Debug)]
pub struct Begin {
    pub organization: OrganizationId,
    pub module: String,
    /// For the organization, not for the caller alone.
    pub shared: bool,
    /// The connection parameters, for kinds that send the user to the app.
    pub connection: Option<Value>,
    /// The entity to connect again.
    pub entity: Option<EntityId>,
}

/// What the user has to do.
#[derive(Clone, Debug)]
pub enum Requirements {
    /// Go to this address.
    Redirect { url: String, state: Secret },
    /// Fill in this form. For kinds that redirect, its answer is given to [`begin`] again.
    Form {
        kind: &'static str,
        /// From 1.
        step: usize,
        steps: usize,
        form: Form,
        /// Names the connection that is being made, where there are several steps.
        session: Option<Secret>,
    },
}

/// How a connection ends.
#[derive(Clone, Debug)]
pub struct Complete {
    pub organization: OrganizationId,
    pub module: String,
    pub shared: bool,
    /// What the app gave back, or the session of several steps.
    pub state: Option<Secret>,
    pub entity: Option<EntityId>,
    /// `code`, or the fields of the form.
    pub data: Value,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Completed {
    Connected(Box<Connected>),
    Next(Requirements),
}

fn owner_of(ctx: &Ctx, organization: OrganizationId, shared: bool) -> Result<(UserId, Owner)> {
    let user = access::person(ctx)?;
    let owner = if shared {
        Owner::Organization
    } else {
        Owner::User(user)
    };
    permit(ctx, Wish::Change, organization, owner)?;
    Ok((user, owner))
}

/// The owner of an entity that is connected again keeps it.
async fn again(ctx: &Ctx, entity: Option<EntityId>, module: &Module) -> Result<Option<Owner>> {
    let Some(id) = entity else { return Ok(None) };
    let found = access::require::<ConnectedEntity>(ctx, Wish::Change, id).await?;
    if found.module != module.name {
        return Err(Error::invalid(
            "authorization.other_module",
            format!("this entity is of {}, not of {}", found.module, module.name),
        ));
    }
    Ok(Some(found.owner))
}

/// What is needed to connect an account of a module. Changes nothing but for a session that expires.
///
/// # Errors
/// As [`Ctx::permit`], `module.unknown`, `module.unregistered`, `form.invalid`,
/// `authorization.too_many`, `vault.*`, or the store's.
pub async fn begin(ctx: &Ctx, apps: &dyn Apps, input: Begin) -> Result<Requirements> {
    let (user, owner) = owner_of(ctx, input.organization, input.shared)?;
    let module = access::module(apps, &input.module)?;
    let owner = again(ctx, input.entity, &module).await?.unwrap_or(owner);
    if let Auth::Oauth2Code(kind) = &module.auth {
        let session = Opening {
            user,
            owner,
            entity: input.entity,
            organization: input.organization,
            before: None,
        };
        return redirect(ctx, apps, &module, kind, session, input.connection).await;
    }
    Ok(form(&module, 0, None))
}

/// Which connection of several steps is gone on with.
#[derive(Clone, Debug)]
pub struct Resume {
    pub organization: OrganizationId,
    pub module: String,
    /// The entity that is connected again.
    pub entity: Option<EntityId>,
    /// Of the step before.
    pub session: Secret,
    /// From 1; the step that the client believes to come next.
    pub step: Option<usize>,
}

/// The form that a connection of several steps waits for. Changes nothing: the session goes on.
///
/// # Errors
/// As [`Ctx::permit`], `module.unknown`, `authorization.expired`, `authorization.step` where another step
/// comes next, or the store's.
pub async fn resume(ctx: &Ctx, apps: &dyn Apps, input: Resume) -> Result<Requirements> {
    let user = access::person(ctx)?;
    let module = access::module(apps, &input.module)?;
    if !matches!(module.auth, Auth::MultiStep(_)) {
        return Err(no_session());
    }
    let state = Some(&input.session);
    let session = find_session(ctx, user, &module, input.organization, state).await?;
    permit(ctx, Wish::Change, session.organization, session.owner)?;
    if input.entity.is_some() && session.entity != input.entity {
        return Err(no_session());
    }
    let next = session.step + 1;
    if input.step.is_some_and(|step| step != next) {
        return Err(Error::invalid(
            "authorization.step",
            format!(
                "this connection waits for step {next} of {}",
                module.auth.steps()
            ),
        )
        .on_field("step"));
    }
    Ok(form(&module, session.step, Some(input.session)))
}

fn form(module: &Module, step: usize, session: Option<Secret>) -> Requirements {
    let empty = || Form {
        json_schema: json!({ "type": "object", "properties": {} }),
        ui_schema: json!({ "type": "VerticalLayout", "elements": [] }),
    };
    Requirements::Form {
        kind: module.auth.kind().name(),
        step: step + 1,
        steps: module.auth.steps(),
        form: module.form(step).unwrap_or_else(empty),
        session,
    }
}

struct Opening {
    user: UserId,
    owner: Owner,
    entity: Option<EntityId>,
    organization: OrganizationId,
    /// The session of the step before, which ends where this one begins.
    before: Option<Stored<AuthorizationSession>>,
}

async fn redirect(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    kind: &Oauth2Code,
    opening: Opening,
    connection: Option<Value>,
) -> Result<Requirements> {
    if connection.is_none() && !module.connection.is_empty() {
        return Ok(form(module, 0, None));
    }
    let data = connection.unwrap_or_else(|| json!({}));
    let (connection, _) = module.read_form(0, &data)?;
    let (connection, mut sealed) = apart(module, connection);
    let values = secrets::values(module, &connection, &sealed, &Map::new());
    let client = secrets::client(apps, module, &values)?;
    let state = new_secret(ctx.ports.ids.as_ref(), "");
    let verifier = new_secret(ctx.ports.ids.as_ref(), "");
    let flow = Authorize {
        client: &client,
        state: state.expose(),
        verifier: &verifier,
    };
    let url = oauth2::authorize_url(module, kind, &flow, &values)?;
    sealed.insert("pkce_verifier".to_owned(), Value::from(verifier.expose()));
    open_session(ctx, apps, module, opening, &state, (0, connection, sealed)).await?;
    Ok(Requirements::Redirect { url, state })
}

/// Secret connection parameters are sealed with the credential's values.
fn apart(
    module: &Module,
    connection: Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>) {
    let is_secret = |name: &String| {
        module
            .connection
            .iter()
            .any(|field| field.secret && field.name == *name)
    };
    connection
        .into_iter()
        .partition(|(name, _)| !is_secret(name))
}

async fn open_session(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    opening: Opening,
    state: &Secret,
    (step, connection, sealed): (usize, Map<String, Value>, Map<String, Value>),
) -> Result<()> {
    let digest = state.digest();
    let open = open_sessions(ctx, opening.user).await?;
    let before = opening.before.as_ref().map(|before| before.state.as_str());
    let others = open
        .iter()
        .filter(|open| Some(open.state.as_str()) != before);
    if others.count() >= AUTHORIZATIONS_MAX {
        return Err(Error::limit(
            "authorization.too_many",
            "too many connections are being made; finish one, or wait ten minutes",
        ));
    }
    let binding = AuthorizationSession::binding(opening.organization, &digest);
    let sealed = secrets::seal_as(apps.vault(), &binding, &sealed).await?;
    let session = AuthorizationSession {
        state: digest,
        user: opening.user,
        organization: opening.organization,
        owner: opening.owner,
        module: module.name.clone(),
        entity: opening.entity,
        step,
        connection,
        sealed,
        created: ctx.now(),
        expires: ctx.now().plus_millis(AUTHORIZATION_MS),
    };
    let mut changes = ChangeSet::new();
    if let Some(before) = &opening.before {
        changes.delete(before, None);
    }
    changes.create(&session, None)?;
    match ctx.store().commit(changes).await {
        Ok(_) => Ok(()),
        // The same step was taken twice at once.
        Err(error) if opening.before.is_some() && error.code() == "store.conflict" => {
            Err(no_session())
        }
        Err(error) => Err(error),
    }
}

async fn open_sessions(ctx: &Ctx, user: UserId) -> Result<Vec<Stored<AuthorizationSession>>> {
    let page = PageRequest::first(AUTHORIZATIONS_MAX);
    let page =
        repo::children::<AuthorizationSession>(ctx.store(), &user.to_string(), true, page).await?;
    let now = ctx.now();
    let live = page.items.into_iter().filter(|open| now < open.expires);
    Ok(live.collect())
}

pub(super) fn no_session() -> Error {
    Error::invalid(
        "authorization.expired",
        "this connection was not begun by you, took longer than ten minutes, or was finished already; begin again",
    )
}

/// The session of a state. Without a state the only open one of the module counts, where the module
/// allows it.
async fn find_session(
    ctx: &Ctx,
    user: UserId,
    module: &Module,
    organization: OrganizationId,
    state: Option<&Secret>,
) -> Result<Stored<AuthorizationSession>> {
    let found = match state {
        Some(state) => {
            let key = AuthorizationSession::key_of(user, &state.digest());
            let found = repo::get_keys::<AuthorizationSession>(ctx.store(), &[key]).await?;
            found.into_iter().flatten().next()
        }
        None => only_session(ctx, user, module).await?,
    };
    found
        .filter(|session| {
            ctx.now() < session.expires
                && session.module == module.name
                && session.organization == organization
        })
        .ok_or_else(no_session)
}

/// Takes the session of a state, which nobody can take again.
async fn take_session(
    ctx: &Ctx,
    user: UserId,
    module: &Module,
    input: &Complete,
) -> Result<Stored<AuthorizationSession>> {
    let state = input.state.as_ref();
    let found = find_session(ctx, user, module, input.organization, state).await?;
    let mut changes = ChangeSet::new();
    changes.delete(&found, None);
    match ctx.store().commit(changes).await {
        Ok(_) => Ok(found),
        Err(error) if error.code() == "store.conflict" => Err(no_session()),
        Err(error) => Err(error),
    }
}

async fn only_session(
    ctx: &Ctx,
    user: UserId,
    module: &Module,
) -> Result<Option<Stored<AuthorizationSession>>> {
    // Without a verifier of ours any code would fit, also one that somebody else was given.
    let tolerated = matches!(&module.auth, Auth::Oauth2Code(kind)
        if kind.state == StateMode::MayBeDropped && kind.pkce == Pkce::S256);
    if !tolerated {
        return Err(Error::invalid(
            "authorization.state_required",
            format!(
                "{} gave a state back with the code; send it too",
                module.display.label
            ),
        )
        .on_field("state"));
    }
    let mut open = open_sessions(ctx, user).await?;
    open.retain(|session| session.module == module.name);
    match open.len() {
        0 => Ok(None),
        1 => Ok(open.pop()),
        _ => Err(Error::conflict(
            "authorization.ambiguous",
            "several connections to this app are being made; finish with the state of one, or wait ten minutes and begin again",
        )),
    }
}

/// Ends a connection, or a step of it.
///
/// # Errors
/// As [`begin`]; `authorization.*` where the state or the code does not hold, the app's own where the
/// test fails; nothing is stored then.
pub async fn complete(ctx: &Ctx, apps: &dyn Apps, input: Complete) -> Result<Completed> {
    let (user, owner) = owner_of(ctx, input.organization, input.shared)?;
    let module = access::module(apps, &input.module)?;
    let owner = again(ctx, input.entity, &module).await?.unwrap_or(owner);
    let found = match &module.auth {
        Auth::Oauth2Code(kind) => by_code(ctx, apps, &module, kind, user, &input).await?,
        Auth::MultiStep(kind) => {
            return super::connecting::step::take(ctx, apps, &module, kind, (user, owner), input)
                .await;
        }
        _ => {
            let (connection, mut sealed) = module.read_form(0, &input.data)?;
            let (connection, secret) = apart(&module, connection);
            sealed.extend(secret);
            let found = Found::new(input.organization, owner, input.entity, connection, sealed);
            granted(ctx, apps, &module, found).await?
        }
    };
    finish(ctx, apps, &module, found).await
}

/// Tests, identifies and stores.
pub(super) async fn finish(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    found: Found,
) -> Result<Completed> {
    let connected = connecting::connect(ctx, apps, module, found).await?;
    Ok(Completed::Connected(Box::new(connected)))
}

/// Asks for tokens where the form's values are a grant.
async fn granted(ctx: &Ctx, apps: &dyn Apps, module: &Module, mut found: Found) -> Result<Found> {
    let values = secrets::values(module, &found.connection, &found.sealed, &Map::new());
    if let Some(request) = tokens::grant(apps, module, &values, ctx.now())? {
        let answer = tokens::ask(apps, module, request, None, ANSWER_MS, ctx.now()).await;
        found.take_tokens(answer.map_err(|refused| tokens::error(module, &refused))?);
    }
    Ok(found)
}

async fn by_code(
    ctx: &Ctx,
    apps: &dyn Apps,
    module: &Module,
    kind: &Oauth2Code,
    user: UserId,
    input: &Complete,
) -> Result<Found> {
    let text = |name: &str| input.data.get(name).and_then(Value::as_str);
    if let Some(error) = text("error") {
        let error: String = error.chars().filter(|c| !c.is_control()).take(60).collect();
        return Err(Error::invalid(
            "authorization.denied",
            format!(
                "{} did not connect the account ({error}); begin again and agree",
                module.display.label
            ),
        ));
    }
    let Some(code) = text("code").filter(|code| !code.is_empty()) else {
        return Err(Error::invalid(
            "authorization.code",
            "the code that the app gave back is missing",
        )
        .on_field("code"));
    };
    let mut input = input.clone();
    if input.state.is_none() {
        input.state = text("state").map(Secret::new);
    }
    let session = take_session(ctx, user, module, &input).await?;
    permit(ctx, Wish::Change, session.organization, session.owner)?;
    let binding = AuthorizationSession::binding(session.organization, &session.state);
    let mut sealed = secrets::open_as(apps.vault(), &binding, &session.sealed).await?;
    let verifier = sealed
        .remove("pkce_verifier")
        .and_then(|verifier| verifier.as_str().map(Secret::new));
    let mut found = Found::new(
        session.organization,
        session.owner,
        session.entity,
        session.connection.clone(),
        sealed,
    );
    let values = secrets::values(module, &found.connection, &found.sealed, &Map::new());
    let client = secrets::client(apps, module, &values)?;
    let code = Secret::new(code);
    let request = oauth2::code(module, kind, &client, &code, verifier.as_ref(), &values)?;
    let answer = tokens::ask(apps, module, request, None, ANSWER_MS, ctx.now()).await;
    found.take_tokens(answer.map_err(|refused| tokens::error(module, &refused))?);
    Ok(found)
}

/// What several steps share with the rest.
pub(super) mod parts {
    use super::*;

    pub async fn next_step(
        ctx: &Ctx,
        apps: &dyn Apps,
        module: &Module,
        (user, found): (UserId, Found),
        step: usize,
    ) -> Result<Completed> {
        let state = new_secret(ctx.ports.ids.as_ref(), "");
        let opening = Opening {
            user,
            owner: found.owner,
            entity: found.entity,
            organization: found.organization,
            before: found.session,
        };
        let mut sealed = found.sealed;
        sealed.insert("kept".to_owned(), Value::Object(found.kept));
        open_session(
            ctx,
            apps,
            module,
            opening,
            &state,
            (step, found.connection, sealed),
        )
        .await?;
        Ok(Completed::Next(form(module, step, Some(state))))
    }

    /// Where a session is. It ends with the commit that follows its step, so that a code that was
    /// mistyped can be typed again.
    pub async fn session(
        ctx: &Ctx,
        apps: &dyn Apps,
        module: &Module,
        user: UserId,
        input: &Complete,
    ) -> Result<(usize, Found)> {
        let state = input.state.as_ref();
        let session = find_session(ctx, user, module, input.organization, state).await?;
        permit(ctx, Wish::Change, session.organization, session.owner)?;
        let binding = AuthorizationSession::binding(session.organization, &session.state);
        let mut sealed = secrets::open_as(apps.vault(), &binding, &session.sealed).await?;
        let kept = sealed.remove("kept");
        let mut found = Found::new(
            session.organization,
            session.owner,
            session.entity,
            session.connection.clone(),
            sealed,
        );
        if let Some(Value::Object(kept)) = kept {
            found.kept = kept;
        }
        let step = session.step;
        found.session = Some(session);
        Ok((step, found))
    }

    pub fn read(
        module: &Module,
        step: usize,
        data: &Value,
    ) -> Result<(Map<String, Value>, Map<String, Value>)> {
        let (connection, mut sealed) = module.read_form(step, data)?;
        let (connection, secret) = apart(module, connection);
        sealed.extend(secret);
        Ok((connection, sealed))
    }
}
