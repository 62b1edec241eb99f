//! For tests: a place of its own in the PostgreSQL server that `TEST_POSTGRES_URL` names.

use crate::backend::postgres::{Address, PostgresDb};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The variable that names a server to test on, `postgres://user@host/database`. Its user must be
/// allowed to make schemas.
pub const VARIABLE: &str = "TEST_POSTGRES_URL";

/// A schema that goes when this is dropped.
pub struct Place {
    /// The URL of the store in it.
    pub url: String,
}

impl Place {
    /// A fresh one; `None`, said loudly, where there is no server to test on.
    #[must_use]
    pub fn fresh() -> Option<Self> {
        let Ok(url) = std::env::var(VARIABLE) else {
            eprintln!("SKIPPED: {VARIABLE} is not set; scripts/test-stores starts a server");
            return None;
        };
        let mark = if url.contains('?') { '&' } else { '?' };
        // Each of these hashers has a key of its own.
        let random = RandomState::new().build_hasher().finish();
        let schema = format!("t_{}_{random:016x}", std::process::id());
        Some(Self {
            url: format!("{url}{mark}schema={schema}&connections=4"),
        })
    }

    /// Connects to it.
    ///
    /// # Panics
    /// When that fails: a server that was named must be there.
    pub async fn open(&self) -> PostgresDb {
        let address = Address::parse(&self.url).expect("the address can be used");
        PostgresDb::open(&address)
            .await
            .expect("the server answers")
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
                let db = PostgresDb::open(&address).await.ok()?;
                db.drop_schema().await.ok()
            })
        });
        let _ = removing.join();
    }
}
