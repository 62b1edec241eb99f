//! For tests: a table of its own in the engine that `TEST_DYNAMODB_URL` names.

use crate::backend::dynamodb::{Address, DynamoDb, table};
use std::hash::{BuildHasher, Hasher, RandomState};

/// The variable that names an engine to test on, `http://127.0.0.1:8000`. Tables are made there and
/// removed again.
pub const VARIABLE: &str = "TEST_DYNAMODB_URL";

/// A table that goes when this is dropped.
pub struct Place {
    /// The URL of the store in it.
    pub url: String,
}

impl Place {
    /// The URL of a table that is not there yet; `None`, said loudly, where there is no engine to test
    /// on. Older engines take fewer operations at once: `http://127.0.0.1:8000&operations=25`.
    #[must_use]
    pub fn unmade() -> Option<Self> {
        let Ok(url) = std::env::var(VARIABLE) else {
            eprintln!("SKIPPED: {VARIABLE} is not set; scripts/test-stores starts an engine");
            return None;
        };
        // Each of these hashers has a key of its own.
        let random = RandomState::new().build_hasher().finish();
        // Always as long: tests count bytes.
        let table = format!("t-{:08}-{random:016x}", std::process::id());
        Some(Self {
            url: format!("dynamodb://{table}?endpoint={url}"),
        })
    }

    /// A fresh table. The engine does not remove what expires in it: a check has its own time.
    ///
    /// # Panics
    /// Where an engine that was named can't be reached.
    pub async fn fresh() -> Option<Self> {
        let place = Self::unmade()?;
        table::create(&place.open().await)
            .await
            .expect("the table can be made");
        Some(place)
    }

    /// A client for it.
    ///
    /// # Panics
    /// Where the address can't be used.
    pub async fn open(&self) -> DynamoDb {
        let address = Address::parse(&self.url).expect("the address can be used");
        DynamoDb::connect(&address).await.expect("a client")
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
                let db = DynamoDb::connect(&address).await.ok()?;
                table::drop_table(&db).await.ok()
            })
        });
        let _ = removing.join();
    }
}
