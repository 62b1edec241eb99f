//! The formats that this installation reads: by code, as data, and the user's own.

use gna_parsers::{Registry, data};
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;

/// # Errors
/// A sentence that names the file and line of a format that can't be used.
pub fn registry(config: &Config) -> Result<Registry, String> {
    let mut registry = Registry::native();
    let own = match config.formats.dir.as_str() {
        "" => Vec::new(),
        folder => data::load_dir(Path::new(folder)).map_err(|error| error.to_string())?,
    };
    let builtin = data::builtin().map_err(|error| error.to_string())?;
    let taken = |name: &str| registry.by_name(name).is_some();
    let all = data::merge(builtin, own, taken).map_err(|error| error.to_string())?;
    for format in all {
        registry
            .add(Arc::new(format))
            .map_err(|refusal| refusal.to_string())?;
    }
    Ok(registry)
}
