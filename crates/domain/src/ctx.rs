//! The context of a call: who asks, what they may do, and the ports.
//!
//! Every service takes `&Ctx` and asks [`Ctx::permit`] before it reads. What a caller may not know
//! of answers like what does not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::id::{GroupId, IntegrationId, OrganizationId, TokenId, UserId};
use crate::policy::{Action, Area, Role, allows};
use crate::port::{Blobs, Clock, Egress, Ids, Parsing, Passwords, Search, Store, Vault};
use crate::time::Timestamp;

/// What the outside supplies.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub search: Arc<dyn Search>,
    pub blobs: Arc<dyn Blobs>,
    pub parsing: Arc<dyn Parsing>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub passwords: Arc<dyn Passwords>,
    pub egress: Arc<dyn Egress>,
    pub vault: Arc<dyn Vault>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    Anonymous,
    /// A signed-in person.
    User(UserId),
    /// A program with an API token, on behalf of its owner or of a group.
    Token {
        token: TokenId,
        owner: Option<UserId>,
    },
    /// The person at the machine's own command line, with the store's file in hand.
    LocalOperator,
    /// Gna itself: a job, a schedule.
    System(&'static str),
    /// An integration, doing what its recipe says.
    Integration(IntegrationId),
}

impl Actor {
    /// How the actor is written into history and audit: `usr_…`, `tok_…`, `local-operator`, `system:import`, `itg_…`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::User(user) => user.to_string(),
            Self::Token { token, .. } => token.to_string(),
            Self::LocalOperator => "local-operator".to_owned(),
            Self::System(name) => format!("system:{name}"),
            Self::Integration(integration) => integration.to_string(),
        }
    }

    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(*user),
            Self::Token { owner, .. } => *owner,
            _ => None,
        }
    }
}

/// The roles an actor holds, as they were when the call began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Everything everywhere: the local operator and Gna itself.
    pub unlimited: bool,
    pub instance_admin: bool,
    pub organizations: BTreeMap<OrganizationId, Role>,
    /// Group roles, with the organization each group belongs to.
    pub groups: BTreeMap<GroupId, (OrganizationId, Role)>,
    /// An API token's scopes: only actions whose name is listed here (or all when `None`).
    pub scopes: Option<Vec<String>>,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Instance,
    Organization(OrganizationId),
    Group(OrganizationId, GroupId),
}

impl Resource {
    /// Which actions are done to it.
    #[must_use]
    pub fn area(self) -> Area {
        match self {
            Self::Instance => Area::Instance,
            Self::Organization(_) => Area::Organization,
            Self::Group(..) => Area::Group,
        }
    }
}

impl Grants {
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            unlimited: true,
            ..Self::default()
        }
    }

    /// The roles held on a resource, inherited ones included.
    fn roles(&self, resource: Resource) -> impl Iterator<Item = Role> {
        let organization = match resource {
            Resource::Instance => None,
            Resource::Organization(organization) | Resource::Group(organization, _) => {
                self.organizations.get(&organization).copied()
            }
        };
        let group = match resource {
            Resource::Group(_, group) => self.groups.get(&group).map(|(_, role)| *role),
            _ => None,
        };
        let admin = self.instance_admin.then_some(Role::InstanceAdmin);
        [admin, organization, group].into_iter().flatten()
    }

    fn in_scope(&self, action: Action) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|scopes| scopes.iter().any(|scope| scope == action.name()))
    }

    #[must_use]
    pub fn can(&self, action: Action, resource: Resource) -> bool {
        debug_assert_eq!(
            action.area(),
            resource.area(),
            "{} is not done to {resource:?}",
            action.name()
        );
        self.unlimited
            || (self.in_scope(action) && self.roles(resource).any(|role| allows(action, role)))
    }

    /// Whether the actor may know that the resource exists. Having a group makes its organization
    /// known by name; being an administrator makes all organizations known.
    #[must_use]
    pub fn knows(&self, resource: Resource) -> bool {
        self.unlimited
            || match resource {
                Resource::Instance => self.instance_admin,
                Resource::Organization(organization) => {
                    self.instance_admin
                        || self.organizations.contains_key(&organization)
                        || self.groups.values().any(|(of, _)| *of == organization)
                }
                Resource::Group(organization, group) => {
                    self.groups.contains_key(&group)
                        || self.organizations.get(&organization) == Some(&Role::Owner)
                }
            }
    }
}

/// The context of one call. Cheap to clone.
#[derive(Clone)]
pub struct Ctx {
    pub actor: Actor,
    pub grants: Arc<Grants>,
    pub ports: Ports,
}

impl Ctx {
    #[must_use]
    pub fn new(ports: Ports, actor: Actor, grants: Grants) -> Self {
        Self {
            actor,
            grants: Arc::new(grants),
            ports,
        }
    }

    /// For Gna's own work.
    #[must_use]
    pub fn system(ports: Ports, name: &'static str) -> Self {
        Self::new(ports, Actor::System(name), Grants::unlimited())
    }

    /// For the work of an integration. What it may touch was decided when it was made, and is asked
    /// again of its owner before each piece of work.
    #[must_use]
    pub fn integration(ports: Ports, id: IntegrationId) -> Self {
        Self::new(ports, Actor::Integration(id), Grants::unlimited())
    }

    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.ports.store.as_ref()
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    #[must_use]
    pub fn can(&self, action: Action, resource: Resource) -> bool {
        self.grants.can(action, resource)
    }

    /// # Errors
    /// `auth.required` for anonymous callers, `not_found` where the caller may not know of the
    /// resource, `auth.forbidden` where they may know but not act.
    pub fn permit(&self, action: Action, resource: Resource) -> Result<()> {
        if self.can(action, resource) {
            Ok(())
        } else if self.actor == Actor::Anonymous {
            Err(Error::unauthenticated(
                "auth.required",
                "sign in, or send an API token",
            ))
        } else if self.grants.knows(resource) {
            Err(Error::forbidden(
                "auth.forbidden",
                format!("your role does not allow {}", action.name()),
            ))
        } else {
            Err(Error::not_found(
                "not_found",
                "there is no such thing, or you may not see it",
            ))
        }
    }

    /// The answer for something that is not there: the same as for what the caller may not know of.
    #[must_use]
    pub fn absent<E: crate::port::Entity>(&self) -> Error {
        if self.actor == Actor::Anonymous {
            Error::unauthenticated("auth.required", "sign in, or send an API token")
        } else {
            crate::port::repo::missing::<E>()
        }
    }
}
