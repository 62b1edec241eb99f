//! Every embedded backend against the contract, against the model, and against being killed.

mod backends;
#[cfg(all(unix, feature = "sqlite"))]
mod kill;
#[cfg(feature = "sqlite")]
mod model;
#[cfg(feature = "sqlite")]
mod search;

use backends::{lagging_memory, memory};
#[cfg(feature = "sqlite")]
use backends::{lagging_sqlite, sqlite};

gna_storage::conformance!(on_memory, memory);
gna_storage::conformance!(on_lagging_memory, lagging_memory);
#[cfg(feature = "sqlite")]
gna_storage::conformance!(on_sqlite, sqlite);
#[cfg(feature = "sqlite")]
gna_storage::conformance!(on_lagging_sqlite, lagging_sqlite);
