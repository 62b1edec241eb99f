//! The modules that this installation knows: those that come with Gna, a program's and the user's own.

use gna_integrations::modules::shipped_text;
use gna_integrations::modules::{Catalogue, LoadError, Loaded, load_dir, load_over, merge};
use std::path::Path;

use crate::additions::Additions;
use crate::config::Config;

/// # Errors
/// A sentence that names the file, line and key of a module that can't be used.
pub fn catalogue(config: &Config, additions: &Additions) -> Result<Catalogue, String> {
    let own = Some(config.modules.dir.as_str()).filter(|folder| !folder.is_empty());
    built(additions, own.map(Path::new)).map_err(|error| error.to_string())
}

fn built(additions: &Additions, own: Option<&Path>) -> Result<Catalogue, LoadError> {
    let added = additions.modules().iter();
    let added = added.map(|(file, text)| {
        Ok(Loaded {
            module: load_over(file, text, shipped_text)?,
            file: (*file).to_owned(),
            shipped: true,
        })
    });
    let all = merge(Catalogue::shipped()?, added.collect::<Result<_, _>>()?)?;
    match own {
        Some(folder) => merge(all, load_dir(folder)?),
        None => Ok(all),
    }
}
