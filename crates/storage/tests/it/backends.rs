//! Fresh backends for the checks.

#[cfg(feature = "dynamodb")]
use gna_storage::backend::dynamodb::DynamoBackend;
use gna_storage::backend::lagging::{Lag, Lagging};
use gna_storage::backend::memory::MemoryBackend;
#[cfg(feature = "mongodb")]
use gna_storage::backend::mongodb::MongoBackend;
#[cfg(feature = "postgres")]
use gna_storage::backend::postgres::PostgresBackend;
#[cfg(feature = "sqlite")]
use gna_storage::backend::sqlite::{SqliteBackend, SqliteDb, SqliteOptions};
#[cfg(feature = "dynamodb")]
use gna_storage::conformance::dynamodb;
#[cfg(feature = "mongodb")]
use gna_storage::conformance::mongodb;
#[cfg(feature = "postgres")]
use gna_storage::conformance::postgres::Place;
use gna_storage::conformance::{Subject, TestClock};
use gna_storage::kernel::Backend;
#[cfg(feature = "sqlite")]
use std::path::Path;
use std::sync::Arc;

pub async fn memory() -> Option<Subject> {
    let clock = TestClock::default();
    Some(Subject::new(
        Arc::new(MemoryBackend::new(clock.reader())),
        clock,
        (),
    ))
}

pub async fn lagging_memory() -> Option<Subject> {
    memory().await.map(lagging)
}

#[cfg(feature = "sqlite")]
pub async fn sqlite() -> Option<Subject> {
    let clock = TestClock::default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let backend = open(&folder.path().join("gna.db"), &clock).await;
    Some(Subject::new(Arc::new(backend), clock, folder))
}

#[cfg(feature = "sqlite")]
pub async fn lagging_sqlite() -> Option<Subject> {
    sqlite().await.map(lagging)
}

#[cfg(feature = "sqlite")]
pub async fn open(path: &Path, clock: &TestClock) -> SqliteBackend {
    let db = SqliteDb::open(path, &SqliteOptions::default()).expect("opens");
    SqliteBackend::open(db, clock.reader())
        .await
        .expect("opens")
}

/// In a schema of its own, where there is a server.
#[cfg(feature = "postgres")]
pub async fn postgres() -> Option<Subject> {
    let place = Place::fresh()?;
    let clock = TestClock::default();
    let backend = open_postgres(&place, &clock).await;
    Some(Subject::new(Arc::new(backend), clock, place))
}

#[cfg(feature = "postgres")]
pub async fn lagging_postgres() -> Option<Subject> {
    postgres().await.map(lagging)
}

#[cfg(feature = "postgres")]
pub async fn open_postgres(place: &Place, clock: &TestClock) -> PostgresBackend {
    PostgresBackend::open(place.open().await, clock.reader())
        .await
        .expect("opens")
}

/// In a table of its own, where there is an engine.
#[cfg(feature = "dynamodb")]
pub async fn dynamodb() -> Option<Subject> {
    let place = dynamodb::Place::fresh().await?;
    let clock = TestClock::default();
    let backend = open_dynamodb(&place, &clock).await;
    Some(Subject::new(Arc::new(backend), clock, place))
}

#[cfg(feature = "dynamodb")]
pub async fn lagging_dynamodb() -> Option<Subject> {
    dynamodb().await.map(lagging)
}

#[cfg(feature = "dynamodb")]
pub async fn open_dynamodb(place: &dynamodb::Place, clock: &TestClock) -> DynamoBackend {
    DynamoBackend::open(place.open().await, clock.reader())
        .await
        .expect("opens")
}

/// In a database of its own, where there is a server.
#[cfg(feature = "mongodb")]
pub async fn mongodb() -> Option<Subject> {
    let place = mongodb::Place::fresh()?;
    let clock = TestClock::default();
    let backend = open_mongodb(&place, &clock).await;
    Some(Subject::new(Arc::new(backend), clock, place))
}

#[cfg(feature = "mongodb")]
pub async fn lagging_mongodb() -> Option<Subject> {
    mongodb().await.map(lagging)
}

#[cfg(feature = "mongodb")]
pub async fn open_mongodb(place: &mongodb::Place, clock: &TestClock) -> MongoBackend {
    MongoBackend::open(place.open().await, clock.reader())
        .await
        .expect("opens")
}

/// Shows nothing in indexes and in the feed until the check settles it.
fn lagging(subject: Subject) -> Subject {
    let backend: Arc<dyn Backend> = Arc::clone(&subject.backend);
    let clock = subject.clock.clone();
    let lagging = Arc::new(Lagging::new(backend, clock.reader(), Lag::CatchUp));
    let settled = Arc::clone(&lagging);
    Subject::new(lagging, clock, subject).settling(move || {
        let settled = Arc::clone(&settled);
        Box::pin(async move { settled.catch_up().await })
    })
}
