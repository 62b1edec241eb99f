//! For tests: a database of its own in the replica set that `TEST_MONGODB_URL` names.

use crate::backend::mongodb::{Address, MongoDb};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The variable that names a replica set to test on, `mongodb://127.0.0.1:27017/?replicaSet=rs0`,
/// without a database. Databases are made there and removed again.
pub const VARIABLE: &str = "TEST_MONGODB_URL";

/// A database that goes when this is dropped.
pub struct Place {
    /// The URL of the store in it.
    pub url: String,
}

impl Place {
    /// The URL of a database that is not there yet; `None`, said loudly, where there is no server to
    /// test on.
    #[must_use]
    pub fn fresh() -> Option<Self> {
        let Ok(server) = std::env::var(VARIABLE) else {
            eprintln!(
                "SKIPPED: {VARIABLE} is not set; scripts/test-stores mongodb starts a server"
            );
            return None;
        };
        // Each of these hashers has a key of its own.
        let random = RandomState::new().build_hasher().finish();
        let (hosts, words) = server.split_once('?').unwrap_or((&server, ""));
        let hosts = hosts.trim_end_matches('/');
        let database = format!("t_{}_{random:016x}", std::process::id());
        Some(Self {
            url: format!("{hosts}/{database}?{words}"),
        })
    }

    /// A connection to it.
    ///
    /// # Panics
    /// Where a server that was named can't be used.
    pub async fn open(&self) -> MongoDb {
        let address = Address::parse(&self.url).expect("the address can be used");
        MongoDb::connect(&address).await.expect("a connection")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(address) = Address::parse(&self.url) else {
            return;
        };
        // A runtime of its own: the test's may be gone or be this very thread's.
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            runtime.block_on(async {
                let db = MongoDb::connect(&address).await.ok()?;
                db.drop_database().await.ok()
            })
        });
        let _ = removing.join();
    }
}
