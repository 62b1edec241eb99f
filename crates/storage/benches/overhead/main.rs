//! What the kernel costs over the raw driver: `cargo bench -p gna-storage --bench overhead`.
//!
//! Each operation is done twice on tables of the same shape and content: through `Backend`, as the
//! product does it, and by hand with rusqlite or sqlx, with the same settings, prepared statements
//! and one transaction for a chunk. The raw side gets its rows ready to be bound (numbers for names,
//! index entries as JSON, in the order in which the kernel writes them), knows that all of it is new,
//! checks nothing, tells no other process of it, and works on the caller's thread where the driver
//! does. So the ratio holds all that the kernel does: checks, conversion, the writer's thread, async.
//!
//! Prints a line of JSON for each store and operation: medians, and the best, which other programs
//! disturb least, in microseconds. No criterion: it measures one side to the end before it begins
//! with the other, and a machine that slows down in between makes the ratio worthless. Here the
//! sides take turns.
//!
//! `GNA_BENCH_ITEMS` says how full the stores are at first (vulnerabilities, default 20,000),
//! `GNA_BENCH_ROUNDS` how often each side is measured (default 30, at least 20). The SQLite files lie
//! in the folder for temporary files: one in memory makes the sync to disk free. PostgreSQL is
//! measured where `TEST_POSTGRES_URL` names a server.

#[path = "../import/mod.rs"]
mod import;
mod kernel;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod sqlite;
mod turns;

use tokio::runtime::Runtime;
use turns::Size;

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let size = Size::wanted();
    sqlite::run(&runtime, &size);
    #[cfg(feature = "postgres")]
    postgres::run(&runtime, &size);
    #[cfg(not(feature = "postgres"))]
    eprintln!("SKIPPED: this build leaves out postgres: stores");
}
