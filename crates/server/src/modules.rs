//! The modules that this installation knows: those that come with Gna and the user's own.

use gna_integrations::modules::Catalogue;
use std::path::Path;

use crate::config::Config;

/// # Errors
/// A sentence that names the file, line and key of a module that can't be used.
pub fn catalogue(config: &Config) -> Result<Catalogue, String> {
    let own = Some(config.modules.dir.as_str()).filter(|folder| !folder.is_empty());
    Catalogue::new(own.map(Path::new)).map_err(|error| error.to_string())
}
