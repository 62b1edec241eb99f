//! Names to addresses, through the guard.

use async_trait::async_trait;
use gna_domain::rules::address::{NotThere, TargetPolicy, check_ip};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Asks a name server. Another one than the system's is for tests.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// # Errors
    /// The name has no address, or nobody answers.
    async fn lookup(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// The guard did not let any of a name's addresses pass. Found again in the client's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Blocked(pub String);

/// The name could not be resolved. Found again in the client's error.
#[derive(Debug, thiserror::Error)]
#[error("the name could not be resolved")]
pub(super) struct Unresolved;

/// The resolver inside the connector.
pub(super) struct Guard {
    pub lookup: Arc<dyn Lookup>,
    pub policy: Arc<TargetPolicy>,
    /// Whether this one resolves for connections that are not encrypted.
    pub in_the_clear: bool,
    /// The configured proxy's own host: the operator named it, so it is trusted wherever it is.
    pub proxy_host: Option<String>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let lookup = Arc::clone(&self.lookup);
        let policy = Arc::clone(&self.policy);
        let in_the_clear = self.in_the_clear;
        let trusted = self.proxy_host.as_ref() == Some(&host);
        Box::pin(async move {
            let found = lookup.lookup(&host).await.map_err(|_| Unresolved)?;
            let mut refused = None;
            let passed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|&ip| match check_ip(ip, in_the_clear, &policy) {
                    Err(NotThere::Refused(why) | NotThere::Address(why)) if !trusted => {
                        refused.get_or_insert(why);
                        false
                    }
                    _ => true,
                })
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            match (passed.is_empty(), refused) {
                (false, _) => Ok(Box::new(passed.into_iter()) as Addrs),
                (true, Some(why)) => Err(Blocked(why).into()),
                (true, None) => Err(Unresolved.into()),
            }
        })
    }
}
