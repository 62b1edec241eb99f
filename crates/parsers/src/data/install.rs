//! Formats as data in the registry, beside those that are code.

use std::path::Path;
use std::sync::Arc;

use super::jq::Runner;
use super::load::{LoadError, builtin, load_dir, merge};
use crate::format::Options;
use crate::registry::Registry;

impl Registry {
    /// Every format there is: those read by code, those that come as data, and a user's own from
    /// the folder `own`. A file there takes the place of a built-in format of its name, code or
    /// data, only where it says `replaces = true`. `jq` says how the child process is started
    /// that runs the programs.
    ///
    /// # Errors
    /// The first thing that is wrong with a user's format, with its file and line.
    pub fn with_data(own: Option<&Path>, jq: Runner) -> Result<Self, LoadError> {
        let mut registry = Self::native().with_options(Options { jq });
        let own = own.map_or_else(|| Ok(Vec::new()), load_dir)?;
        for format in merge(builtin()?, own, |name| registry.by_name(name).is_some())? {
            registry.put(Arc::new(format));
        }
        Ok(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "title = 'Own'\ntool = 'Own'\ncategory = 'SAST'\ndocs = 'https://acme.example'\nidentity = 'rule'\n\
        input = 'jsonl'\nmap = '{title: .t}'\n[[detect]]\nkeys = ['t']\n";

    #[test]
    fn a_users_formats_stand_beside_and_over_the_built_in_ones() {
        let plain = Registry::with_data(None, Runner::default()).unwrap();
        let count = plain.all().len();
        assert!(plain.by_name("sarif").is_some() && plain.by_name("gosec").is_some());
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, more: &str| {
            let text = format!("name = '{name}'\n{more}\n{OWN}");
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        };
        write("acme", "");
        write("gosec", "replaces = true");
        write("sarif", "replaces = true");
        let own = Registry::with_data(Some(folder.path()), Runner::default()).unwrap();
        assert_eq!(own.all().len(), count + 1);
        for name in ["acme", "gosec", "sarif"] {
            assert_eq!(
                own.by_name(name).map(|format| format.info().title.as_str()),
                Some("Own"),
                "{name}"
            );
        }
        for name in ["gosec", "sarif"] {
            write(name, "");
            let error = Registry::with_data(Some(folder.path()), Runner::default())
                .err()
                .unwrap();
            assert!(
                error.file.ends_with(&format!("{name}.toml")) && error.message.contains("replaces"),
                "{error}"
            );
            write(name, "replaces = true");
        }
    }
}
