//! What concerns a store that is one file: who has it open, and putting a backup in its place. A build
//! without the cargo feature `sqlite` knows no such store.

#[cfg(feature = "sqlite")]
pub use gna_storage::backend::sqlite::backup::restore;
#[cfg(feature = "sqlite")]
pub use gna_storage::backend::sqlite::lock::{Owner, owner};

#[cfg(not(feature = "sqlite"))]
pub use left_out::{Owner, owner, restore};

#[cfg(not(feature = "sqlite"))]
mod left_out {
    use gna_storage::kernel::Error;
    use std::path::Path;

    /// The process that has a store open.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Owner {
        pub pid: u32,
        pub address: Option<String>,
    }

    /// Nobody: files are never opened.
    ///
    /// # Errors
    /// None.
    pub fn owner(_: &Path) -> Result<Option<Owner>, Error> {
        Ok(None)
    }

    /// # Errors
    /// [`Error::Unavailable`], naming the cargo feature.
    pub fn restore(_: &Path, _: &Path) -> Result<(), Error> {
        Err(Error::Unavailable(
            "this build leaves out sqlite: stores; build it with the cargo feature `sqlite`".into(),
        ))
    }
}
