//! Environments of an asset: where it runs, by name (production, staging), with their addresses.

use serde::{Deserialize, Serialize};

use crate::id::{AssetId, EnvironmentId, GroupId, OrganizationId};
use crate::port::store::{Entity, Key};
use crate::time::Timestamp;

/// Most environments of one asset.
pub const ENVIRONMENTS_MAX: usize = 50;
/// Most addresses of one environment.
pub const ADDRESSES_MAX: usize = 50;

/// What an environment's addresses are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnvironmentKind {
    /// Web addresses.
    #[default]
    Url,
    /// Names or IP addresses of hosts, perhaps with a port.
    Host,
    /// Ids of cloud accounts, subscriptions or projects.
    CloudAccount,
    /// Ids of mobile apps. No report says of which app a place is: nothing is found by them.
    MobileApp,
}

impl EnvironmentKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Url => "URL",
            Self::Host => "HOST",
            Self::CloudAccount => "CLOUD_ACCOUNT",
            Self::MobileApp => "MOBILE_APP",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    pub id: EnvironmentId,
    /// Unique in the asset, 1 to 100 bytes, in lower case: `production`, `staging`.
    pub name: String,
    pub kind: EnvironmentKind,
    /// In the form that [`crate::rules::environment::address`] gives them; at most
    /// [`ADDRESSES_MAX`].
    pub addresses: Vec<String>,
    pub created: Timestamp,
}

/// All environments of one asset, by name; one record, so that names are unique and the number is
/// bounded whoever adds one when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentBook {
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: AssetId,
    pub environments: Vec<Environment>,
}

impl Entity for EnvironmentBook {
    const COLLECTION: &'static str = "environment_book";
    fn key(&self) -> Key {
        Self::key_of(self.asset)
    }
}

impl EnvironmentBook {
    #[must_use]
    pub fn key_of(asset: AssetId) -> Key {
        Key::new(Self::COLLECTION, asset.to_string(), "")
    }

    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|known| known.name == name)
    }
}

/// Which environment a report is about, as its uploader says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportEnvironment {
    pub id: EnvironmentId,
    /// Its name when the report came.
    pub name: String,
}
