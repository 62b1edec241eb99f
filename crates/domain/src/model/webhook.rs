//! Webhooks out: where events are sent to, and what became of each.

use serde::{Deserialize, Serialize};

use crate::id::{DeliveryId, EndpointId, GroupId, OrganizationId};
use crate::port::store::{ById, Entity, Key};
use crate::port::vault::{Binding, HoldsSealed, Sealed, Tenant};
use crate::time::{DAY_MS, Timestamp};

use super::severity::Level;

/// How long a delivery and its attempts are kept, in milliseconds: 30 days.
pub const DELIVERY_KEPT_MS: i64 = 30 * DAY_MS;

/// Most endpoints of one organization.
pub const ENDPOINTS_MAX: usize = 20;

/// Attempts that are kept with a delivery: the first ones are dropped.
const ATTEMPTS_KEPT: usize = 20;

/// The fields of an endpoint that its secrets are bound to.
const SECRET: &str = "secret";
const OLD_SECRET: &str = "old_secret";

/// A secret that is on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    pub sealed: Sealed,
    /// Until then messages are signed with it, too.
    pub until: Timestamp,
}

/// An address that an organization has events sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: EndpointId,
    pub organization: OrganizationId,
    pub url: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Names of event types; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Only events of these groups; of all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    /// Only vulnerabilities that are at least so severe; events of other kinds are not concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_level: Option<Level>,
    /// Only events of which it is true; in CEL: [`crate::rules::webhook_filter`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Since when messages are sent of which it can't be said whether the condition is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_failing_since: Option<Timestamp>,
    pub secret: Sealed,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret: Option<OldSecret>,
    pub enabled: bool,
    /// Why Gna switched it off, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// Since when nothing has been taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Events from before are not sent: when it was made, switched on or given other filters.
    pub since: Timestamp,
    pub created: Timestamp,
    /// [`crate::Actor::label`] of who made it.
    pub by: String,
}

impl Entity for Endpoint {
    const COLLECTION: &'static str = "webhook_endpoint";
    fn key(&self) -> Key {
        Key::new(Self::COLLECTION, self.id.to_string(), "")
    }
}

impl ById for Endpoint {
    type Id = EndpointId;
    fn id(&self) -> EndpointId {
        self.id
    }
}

impl Endpoint {
    /// What its secret is sealed under.
    #[must_use]
    pub fn binding(organization: OrganizationId, id: EndpointId) -> Binding {
        Self::bound(organization, id, SECRET)
    }

    /// What the secret before it is sealed under.
    #[must_use]
    pub fn old_binding(organization: OrganizationId, id: EndpointId) -> Binding {
        Self::bound(organization, id, OLD_SECRET)
    }

    fn bound(organization: OrganizationId, id: EndpointId, field: &str) -> Binding {
        let tenant = Tenant::Organization(organization);
        Binding::new(tenant, format!("{}/{id}", Self::COLLECTION), field)
    }
}

impl HoldsSealed for Endpoint {
    fn sealed(&self) -> Vec<(Binding, Sealed)> {
        let (organization, id) = (self.organization, self.id);
        let current = (Self::binding(organization, id), self.secret.clone());
        let old = self
            .old_secret
            .iter()
            .map(|old| (Self::old_binding(organization, id), old.sealed.clone()));
        std::iter::once(current).chain(old).collect()
    }

    fn resealed(&self, fresh: &[(Binding, Sealed)]) -> Self {
        let of = |field: &str| {
            let mut all = fresh.iter();
            all.find(|(binding, _)| binding.field == field)
                .map(|(_, sealed)| sealed.clone())
        };
        Self {
            secret: of(SECRET).unwrap_or_else(|| self.secret.clone()),
            old_secret: self.old_secret.as_ref().map(|old| OldSecret {
                sealed: of(OLD_SECRET).unwrap_or_else(|| old.sealed.clone()),
                until: old.until,
            }),
            ..self.clone()
        }
    }
}

/// Which endpoints an organization has. Written with each that is made or removed, so that the list
/// is never behind and its length holds also under races.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointBook {
    pub organization: OrganizationId,
    /// Oldest first.
    pub endpoints: Vec<EndpointId>,
}

impl Entity for EndpointBook {
    const COLLECTION: &'static str = "webhook_book";
    fn key(&self) -> Key {
        Self::key_of(self.organization)
    }
}

impl EndpointBook {
    /// All books share this partition: whether there is any is one look.
    pub const PARTITION: &'static str = "all";

    #[must_use]
    pub fn key_of(organization: OrganizationId) -> Key {
        Key::new(Self::COLLECTION, Self::PARTITION, organization.to_string())
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryState {
    /// To be sent, for the first time or again.
    Pending,
    Delivered,
    /// Given up, or the endpoint was switched off meanwhile.
    Failed,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub at: Timestamp,
    /// What was answered, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Milliseconds until the answer or the failure.
    pub ms: i64,
    /// Why there was no answer; holds no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Goes with the message as `webhook-id`; the same for every try.
    pub id: DeliveryId,
    pub endpoint: EndpointId,
    pub organization: OrganizationId,
    /// Name of the type of event.
    pub event: String,
    /// The message, byte for byte.
    pub body: String,
    /// Why the endpoint's condition could not be asked, where it could not: the message is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition_error: Option<String>,
    pub state: DeliveryState,
    /// The last ones.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// How many there were in all.
    #[serde(default)]
    pub tries: u32,
    /// How many of them failed since it was last started from the beginning.
    #[serde(default)]
    pub failures: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    pub created: Timestamp,
}

impl Entity for Delivery {
    const COLLECTION: &'static str = "webhook_delivery";
    fn key(&self) -> Key {
        Self::key_of(self.endpoint, self.id)
    }
    fn expires(&self) -> Option<Timestamp> {
        Some(self.created.plus_millis(DELIVERY_KEPT_MS))
    }
}

impl Delivery {
    #[must_use]
    pub fn key_of(endpoint: EndpointId, id: DeliveryId) -> Key {
        Key::new(Self::COLLECTION, endpoint.to_string(), id.to_string())
    }

    /// With one more try in its log.
    #[must_use]
    pub fn tried(&self, attempt: Attempt) -> Self {
        let mut attempts = self.attempts.clone();
        attempts.push(attempt);
        let surplus = attempts.len().saturating_sub(ATTEMPTS_KEPT);
        attempts.drain(..surplus);
        Self {
            attempts,
            tries: self.tries.saturating_add(1),
            ..self.clone()
        }
    }
}
