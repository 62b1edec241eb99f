//! Tokens that an adopter's own backend signs for its people.

use async_trait::async_trait;

use crate::error::Result;
use crate::secret::Secret;

/// Whom an adopter speaks of, by its own ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// A person.
    pub user: Option<String>,
    /// A customer.
    pub organization: Option<String>,
}

/// Checks tokens of an adopter.
#[async_trait]
pub trait AdopterTokens: Send + Sync + 'static {
    /// Whom the token is for.
    ///
    /// # Errors
    /// `auth.invalid` for one that does not hold; `egress.*` where the adopter's keys can't be read.
    async fn read(&self, token: &Secret) -> Result<Named>;
}
