//! The formats that this installation reads: by code, as data, and the user's own.

use gna_parsers::Registry;
use gna_parsers::data::Runner;
use std::path::Path;

use crate::config::Config;

/// # Errors
/// A sentence that names the file and line of a format that can't be used.
pub fn registry(config: &Config) -> Result<Registry, String> {
    let own = Some(config.formats.dir.as_str()).filter(|folder| !folder.is_empty());
    Registry::with_data(own.map(Path::new), Runner::default()).map_err(|error| error.to_string())
}
