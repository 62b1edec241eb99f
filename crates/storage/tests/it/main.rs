//! Every backend against the contract, against the model, and against being killed.

mod backends;
#[cfg(any(feature = "mongodb", feature = "postgres"))]
mod certificates;
#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(all(unix, feature = "sqlite"))]
mod kill;
#[cfg(any(feature = "dynamodb", feature = "mongodb", feature = "postgres"))]
mod load;
#[cfg(any(
    feature = "dynamodb",
    feature = "mongodb",
    feature = "postgres",
    feature = "sqlite"
))]
mod model;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "opensearch")]
mod opensearch;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "dynamodb", feature = "postgres"))]
mod races;
#[cfg(feature = "sqlite")]
mod search;
#[cfg(any(feature = "dynamodb", feature = "postgres"))]
mod skew;

#[cfg(feature = "dynamodb")]
use backends::{dynamodb as dynamodb_subject, lagging_dynamodb};
use backends::{lagging_memory, memory};
#[cfg(feature = "mongodb")]
use backends::{lagging_mongodb, mongodb as mongodb_subject};
#[cfg(feature = "postgres")]
use backends::{lagging_postgres, postgres as postgres_subject};
#[cfg(feature = "sqlite")]
use backends::{lagging_sqlite, sqlite};

gna_storage::conformance!(on_memory, memory);
gna_storage::conformance!(on_lagging_memory, lagging_memory);
#[cfg(feature = "sqlite")]
gna_storage::conformance!(on_sqlite, sqlite);
#[cfg(feature = "sqlite")]
gna_storage::conformance!(on_lagging_sqlite, lagging_sqlite);
#[cfg(feature = "postgres")]
gna_storage::conformance!(on_postgres, postgres_subject);
#[cfg(feature = "postgres")]
gna_storage::conformance!(on_lagging_postgres, lagging_postgres);
#[cfg(feature = "dynamodb")]
gna_storage::conformance!(on_dynamodb, dynamodb_subject);
#[cfg(feature = "dynamodb")]
gna_storage::conformance!(on_lagging_dynamodb, lagging_dynamodb);
#[cfg(feature = "mongodb")]
gna_storage::conformance!(on_mongodb, mongodb_subject);
#[cfg(feature = "mongodb")]
gna_storage::conformance!(on_lagging_mongodb, lagging_mongodb);
