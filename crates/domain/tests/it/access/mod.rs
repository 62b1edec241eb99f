//! People, sessions, tokens, invitations and roles, as services on a store.

mod inactivity;
mod invitations;
mod owners;
mod people;
mod roles;
mod sign_in;
mod tokens;

pub use gna_domain::ctx::{Actor, Ctx};
pub use gna_domain::error::Error;
pub use gna_domain::id::{GroupId, OrganizationId, TypedId, UserId};
pub use gna_domain::model::{
    AuditEntry, Email, Group, INSTANCE, INVITATION_MS, LINK_MS, Organization, Origin,
    SESSION_IDLE_MS, SESSION_MS, Scope, User,
};
pub use gna_domain::page::PageRequest;
pub use gna_domain::policy::{Action, Role};
pub use gna_domain::port::repo;
pub use gna_domain::rules::throttle::{PER_ACCOUNT, WINDOW_MS};
pub use gna_domain::secret::Secret;
pub use gna_domain::service::account::{self, ChangePassword};
pub use gna_domain::service::authenticate::{Caller, Credential, authenticate};
pub use gna_domain::service::bootstrap::{self, Claim};
pub use gna_domain::service::sign_in::{SignIn, SignedIn, sign_in};
pub use gna_domain::service::token::NewToken;
pub use gna_domain::service::user::NewPerson;
pub use gna_domain::service::{invitation, link, member, session, token, user};
pub use gna_domain::{Resource, Result};
pub use gna_storage::backend::counting::Calls;
pub use gna_testkit::{Stores, World};
pub use proptest::prelude::*;

pub const PASSWORD: &str = "correct horse battery";

pub fn person(name: &str) -> NewPerson {
    NewPerson {
        email: format!("{name}@example.com"),
        name: name.to_owned(),
        password: Secret::new(PASSWORD),
    }
}

pub fn email(name: &str) -> Email {
    Email::new(&format!("{name}@example.com")).expect("an address")
}

pub fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result
        .map_err(|error: Error| error.code())
        .expect_err("must be refused")
}

/// Ada has claimed the instance and owns the organization `acme` with the group `shop`.
pub struct Start {
    pub world: World,
    pub ada: SignedIn,
    pub acme: Organization,
    pub shop: Group,
}

pub async fn start() -> Start {
    start_on(Stores::Memory).await
}

pub async fn start_on(stores: Stores) -> Start {
    let world = World::on(stores).await;
    let secret = bootstrap::claim_link(&world.system())
        .await
        .expect("mints")
        .expect("unclaimed");
    let claim = Claim {
        person: person("ada"),
        organization: Some("Acme".to_owned()),
        origin: Origin::default(),
    };
    let ada = bootstrap::claim(&world.anonymous(), &secret, claim)
        .await
        .expect("claims");
    let acme = repo::find::<Organization>(world.ports.store.as_ref(), "slug", &["acme"]).await;
    let acme = acme.expect("reads").expect("was made").value;
    let shop = world.group(&acme, "shop").await;
    Start {
        world,
        ada,
        acme,
        shop,
    }
}

impl Start {
    pub async fn enter(&self, signed_in: &SignedIn) -> Result<Caller> {
        authenticate(
            &self.world.ports,
            &Credential::Session(signed_in.secret.clone()),
        )
        .await
    }

    pub async fn ctx(&self, signed_in: &SignedIn) -> Ctx {
        self.enter(signed_in).await.expect("the session holds").ctx
    }

    pub async fn ada(&self) -> Ctx {
        self.ctx(&self.ada).await
    }

    /// Someone new, by an invitation of Ada's.
    pub async fn join(&self, name: &str, scope: Scope, role: Role) -> SignedIn {
        let ada = self.ada().await;
        let (secret, _) = invitation::create(&ada, scope, role, Some(email(name)))
            .await
            .expect("invites");
        let anonymous = self.world.anonymous();
        invitation::accept_as_new(&anonymous, &secret, person(name), Origin::default())
            .await
            .expect("accepts")
    }

    pub fn acme(&self) -> Scope {
        Scope::Organization(self.acme.id)
    }

    pub fn shop(&self) -> Scope {
        Scope::Group(self.shop.id)
    }

    pub async fn sign_in(&self, name: &str, password: &str) -> Result<SignedIn> {
        let input = SignIn {
            email: format!("{name}@example.com"),
            password: Secret::new(password),
            origin: Origin::default(),
        };
        sign_in(&self.world.anonymous(), input).await
    }

    pub async fn audit(&self, partition: &str) -> Vec<String> {
        let store = self.world.ports.store.as_ref();
        let entries = repo::all_children::<AuditEntry>(store, partition)
            .await
            .expect("reads");
        entries
            .into_iter()
            .map(|entry| entry.value.action)
            .collect()
    }

    pub fn token(&self, scopes: &[&str], days: i64) -> NewToken {
        NewToken {
            name: "pipeline".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires: self.world.ports.clock.now().plus_days(days),
        }
    }

    pub async fn bearer(&self, secret: &Secret) -> Result<Caller> {
        authenticate(&self.world.ports, &Credential::Bearer(secret.clone())).await
    }
}

pub fn ada_id(start: &Start) -> UserId {
    start.ada.user.id
}
