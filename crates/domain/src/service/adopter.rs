//! People of an adopter's product: they come by its word, not by invitation.
//!
//! An adopter's backend holds a key, or signs tokens, and names people and customers by its own ids. A
//! person becomes an account without a password, a customer an organization with an account that acts
//! for it; both are found again by an address and a slug that are made of the adopter's id and that
//! nobody can choose. So the word of an adopter reaches nobody who came another way. Where the operator
//! allows it, people may also register by themselves.
//!
//! Nothing of this is on before it is configured.

use super::access::{self, edit_roles, retrying};
use super::authenticate::Caller;
use super::sign_in::{SignedIn, open};
use super::user::{NewPerson, new_user, with_password};
use crate::ctx::{Actor, Ctx, Grants, Ports, Resource};
use crate::error::{Error, Kind, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{
    AuditEntry, Email, Organization, Origin, PolicyOverride, RESERVED, Slug, User, display_name,
};
use crate::policy::Role;
use crate::port::adopter::Named;
use crate::port::{ChangeSet, Event, Stored, fresh, repo};
use crate::secret::Secret;
use std::sync::Arc;

/// Longest id that an adopter may have for a person or customer, in bytes.
const ID_LIMIT: usize = 200;
const ACTOR: Actor = Actor::System("adopter");

/// The address under which an account is kept whose people sign in with a name that is none.
#[must_use]
pub fn address_of(username: &str) -> String {
    let username = username.trim();
    if username.contains('@') {
        username.to_owned()
    } else {
        format!("{username}@name{RESERVED}")
    }
}

/// A person who registers by themselves.
#[derive(Clone, Debug)]
pub struct Register {
    /// An e-mail address or another name.
    pub username: String,
    pub password: Secret,
    pub origin: Origin,
}

/// Makes an account that is a member of the organization with that slug, and signs it in.
///
/// # Errors
/// `email.malformed` also for names that only we may give, `password.*`, `user.exists`,
/// `organization.required` where none is set up, or the store's.
pub async fn register(ctx: &Ctx, organization: Option<&str>, input: Register) -> Result<SignedIn> {
    let home = home(&ctx.ports, organization).await?;
    let person = NewPerson {
        email: address_of(&input.username),
        name: input.username.trim().to_owned(),
        password: input.password,
    };
    let user = if input.username.contains('@') {
        new_user(ctx, person).await
    } else {
        let email = Email::new(&person.email)?;
        with_password(ctx, email, person).await
    };
    let user = user.map_err(|error| match error.field() {
        Some("email") => error.on_field("username"),
        _ => error,
    })?;
    let acting = Ctx {
        actor: Actor::User(user.id),
        ..ctx.clone()
    };
    retrying(|| async {
        let mut changes = ChangeSet::new();
        created(&acting, &mut changes, &user)?;
        let edits = [(Resource::Organization(home), Some(Role::Member))];
        edit_roles(&acting, &mut changes, user.id, &[], &edits).await?;
        let opened = open(&acting, &mut changes, &user, input.origin.clone())?;
        ctx.store().commit(changes).await?;
        Ok(opened)
    })
    .await
}

/// The context of whoever an adopter names; accounts and organizations that are not there yet are made.
///
/// # Errors
/// `adopter.nobody` where neither is named, `adopter.id`, `adopter.unlinked` for a person who is known and
/// not of the customer that is named, `organization.required`, `auth.disabled`, or the store's.
pub async fn act_for(ports: &Ports, home_slug: Option<&str>, named: &Named) -> Result<Caller> {
    let ctx = Ctx::new(ports.clone(), ACTOR, Grants::unlimited());
    let (user, customer) = match (&named.user, &named.organization) {
        (None, None) => {
            return Err(Error::invalid(
                "adopter.nobody",
                "say for whom: x-frigg-appuserid, x-frigg-apporgid or both",
            ));
        }
        (Some(user), None) => {
            let home = Place::Home(home_slug);
            (again(|| person(&ctx, user, home)).await?, None)
        }
        (None, Some(name)) => {
            let (organization, account) = again(|| customer(&ctx, name)).await?;
            (account, Some(organization))
        }
        (Some(user), Some(name)) => {
            let (organization, _) = again(|| customer(&ctx, name)).await?;
            let there = Place::Customer(organization);
            let user = again(|| person(&ctx, user, there)).await?;
            (user, Some(organization))
        }
    };
    let access = access::require(ports.store.as_ref(), user).await?;
    if access.user.is_disabled() {
        return Err(Error::forbidden(
            "auth.disabled",
            "this account is disabled; an administrator can enable it",
        ));
    }
    let mut grants = access.grants();
    if let Some(customer) = customer
        && !narrow(&mut grants, customer)
    {
        return Err(Error::invalid(
            "adopter.unlinked",
            "this person is known and is not of the customer that is named",
        ));
    }
    Ok(Caller {
        ctx: Ctx {
            actor: Actor::User(user),
            grants: Arc::new(grants),
            ports: ports.clone(),
        },
        session: None,
        user: Some(access.user.value),
    })
}

/// What is said beside a token must be about its person; a customer narrows the call to itself.
///
/// # Errors
/// `auth.contradiction`, `adopter.id`, or the store's.
pub async fn agree(caller: Caller, named: &Named) -> Result<Caller> {
    let contradiction = || {
        Error::forbidden(
            "auth.contradiction",
            "the x-frigg headers name somebody else than the token does",
        )
    };
    if let Some(user) = &named.user {
        let address = user_address(user)?;
        let is_same = |known: &User| known.email == address;
        if !caller.user.as_ref().is_some_and(is_same) {
            return Err(contradiction());
        }
    }
    let Some(name) = &named.organization else {
        return Ok(caller);
    };
    let found = by_slug(&caller.ctx.ports, &customer_slug(name)?).await?;
    let mut grants = Grants::clone(&caller.ctx.grants);
    match found {
        Some(found) if narrow(&mut grants, found.id) => Ok(Caller {
            ctx: Ctx {
                grants: Arc::new(grants),
                ..caller.ctx
            },
            ..caller
        }),
        _ => Err(contradiction()),
    }
}

/// Leaves only what is held in one organization; false where that is nothing.
fn narrow(grants: &mut Grants, organization: OrganizationId) -> bool {
    grants.instance_admin = false;
    grants.organizations.retain(|id, _| *id == organization);
    grants.groups.retain(|_, (of, _)| *of == organization);
    !grants.organizations.is_empty()
}

/// Decides anew where somebody else made the same account or organization in between.
async fn again<T, F, Fut>(once: F) -> Result<T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T>>,
{
    retrying(|| async {
        match once().await {
            Err(error) if error.kind() == Kind::Conflict && error.code().ends_with(".exists") => {
                Err(Error::conflict("store.conflict", "somebody was faster"))
            }
            done => done,
        }
    })
    .await
}

fn digest_of(id: &str) -> Result<String> {
    if id.is_empty() || id.len() > ID_LIMIT || id.chars().any(char::is_control) {
        return Err(Error::invalid(
            "adopter.id",
            format!(
                "an id of a person or customer has 1 to {ID_LIMIT} bytes and no control characters"
            ),
        ));
    }
    let digest = Secret::new(id).digest();
    Ok(digest.chars().take(32).collect())
}

fn user_address(id: &str) -> Result<Email> {
    Email::new(&format!("{}@app-user{RESERVED}", digest_of(id)?))
}

fn customer_slug(id: &str) -> Result<Slug> {
    Slug::new(format!("app-{}", digest_of(id)?))
}

async fn by_slug(ports: &Ports, slug: &Slug) -> Result<Option<Stored<Organization>>> {
    repo::find::<Organization>(ports.store.as_ref(), "slug", &[slug.as_str()]).await
}

async fn by_address(ctx: &Ctx, address: &Email) -> Result<Option<Stored<User>>> {
    repo::find::<User>(ctx.store(), "email", &[address.as_str()]).await
}

/// The organization of those who come without a customer.
async fn home(ports: &Ports, slug: Option<&str>) -> Result<OrganizationId> {
    let found = match slug.map(Slug::new) {
        Some(Ok(slug)) => by_slug(ports, &slug).await?,
        _ => None,
    };
    found.map(|found| found.id).ok_or_else(|| {
        Error::invalid(
            "organization.required",
            "this server has no organization for people who come by themselves; the operator sets frigg.organization to the slug of one that exists",
        )
    })
}

fn blank(ctx: &Ctx, email: Email, name: &str) -> Result<User> {
    Ok(User {
        id: fresh(ctx.ports.ids.as_ref()),
        email,
        name: display_name(name)?,
        password: None,
        password_version: 0,
        session_epoch: 0,
        disabled: None,
        deleted: None,
        created: ctx.now(),
        seen: None,
        access_changed: ctx.now(),
    })
}

fn created(ctx: &Ctx, changes: &mut ChangeSet, user: &User) -> Result<()> {
    changes.create(user, Some(Event::named("user.created")))?;
    let entry = AuditEntry::new(ctx, None, "user.created", [user.id.to_string()]);
    changes.create(
        &entry.with(serde_json::json!({ "email": user.email })),
        None,
    )
}

/// An account that nobody can sign in to: one with a password was made by somebody else.
fn ours(found: Stored<User>) -> Result<UserId> {
    match found.password {
        None => Ok(found.id),
        Some(_) => Err(Error::conflict(
            "user.exists",
            "there is an account with this e-mail address; sign in with it",
        )),
    }
}

/// Where a new person becomes a member.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// In the organization that is set up for it, by its slug.
    Home(Option<&'a str>),
    Customer(OrganizationId),
}

/// The account of a person; a new one is a member of `place`.
async fn person(ctx: &Ctx, id: &str, place: Place<'_>) -> Result<UserId> {
    let address = user_address(id)?;
    if let Some(found) = by_address(ctx, &address).await? {
        return ours(found);
    }
    let place = match place {
        Place::Home(slug) => home(&ctx.ports, slug).await?,
        Place::Customer(organization) => organization,
    };
    let user = blank(ctx, address, id)?;
    let mut changes = ChangeSet::new();
    created(ctx, &mut changes, &user)?;
    let edits = [(Resource::Organization(place), Some(Role::Member))];
    edit_roles(ctx, &mut changes, user.id, &[], &edits).await?;
    ctx.store().commit(changes).await?;
    Ok(user.id)
}

/// The organization of a customer, and the account that acts for it.
async fn customer(ctx: &Ctx, id: &str) -> Result<(OrganizationId, UserId)> {
    let slug = customer_slug(id)?;
    let address = Email::new(&format!("{}@app-org{RESERVED}", digest_of(id)?))?;
    let found = by_slug(&ctx.ports, &slug).await?;
    let account = by_address(ctx, &address).await?;
    if let (Some(found), Some(account)) = (&found, account) {
        return Ok((found.id, ours(account)?));
    }
    if found.is_some() {
        return Err(Error::conflict(
            "adopter.taken",
            "the organization of this customer was made by somebody else, or its account was deleted",
        ));
    }
    let organization = Organization {
        id: fresh(ctx.ports.ids.as_ref()),
        slug,
        name: display_name(id)?,
        created: ctx.now(),
        policy: PolicyOverride::default(),
    };
    let user = blank(ctx, address, id)?;
    let mut changes = ChangeSet::new();
    changes.create(&organization, Some(Event::named("organization.created")))?;
    let of = Some(organization.id);
    let subject = [organization.id.to_string()];
    let entry = AuditEntry::new(ctx, of, "organization.created", subject);
    changes.create(&entry, None)?;
    created(ctx, &mut changes, &user)?;
    let edits = [(Resource::Organization(organization.id), Some(Role::Owner))];
    edit_roles(ctx, &mut changes, user.id, &[], &edits).await?;
    ctx.store().commit(changes).await?;
    Ok((organization.id, user.id))
}
