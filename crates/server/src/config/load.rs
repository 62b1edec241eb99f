//! Puts the layers over each other and checks the result.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::path::{Path, PathBuf};

use super::env::{Environment, merge};
use super::{Config, DEFAULTS};

/// The file that is read from the working folder when no other is named.
pub const FILE: &str = "gna.toml";

/// What is wrong with the configuration and what to do, one sentence per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// What flags say: settings by path.
#[derive(Clone, Debug, Default)]
pub struct Overrides(Vec<(&'static str, String)>);

impl Overrides {
    #[must_use]
    pub fn with(mut self, path: &'static str, value: Option<impl Into<String>>) -> Self {
        self.0.extend(value.map(|value| (path, value.into())));
        self
    }
}

impl Provider for Overrides {
    fn metadata(&self) -> Metadata {
        Metadata::named("the command line")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut all = Dict::new();
        for (path, value) in &self.0 {
            merge(&mut all, path, Value::from(value.as_str()));
        }
        Ok(Profile::Default.collect(all))
    }
}

/// The effective configuration. `file` is one that must exist; without it `gna.toml` in `folder`
/// is read if it is there.
///
/// # Errors
/// A file that can't be read, an unknown key, a value of the wrong type, a value out of bounds.
pub fn load(
    folder: &Path,
    file: Option<&Path>,
    environment: &Environment,
    flags: Overrides,
) -> Result<Config, ConfigError> {
    let mut layers = Figment::from(Toml::string(DEFAULTS));
    let path: Option<PathBuf> = match file {
        Some(path) if !path.is_file() => {
            return Err(ConfigError(format!(
                "there is no configuration file {}; check the path given with --config",
                path.display()
            )));
        }
        Some(path) => Some(path.to_owned()),
        None => Some(folder.join(FILE)).filter(|path| path.is_file()),
    };
    if let Some(path) = path {
        layers = layers.merge(Toml::file_exact(path));
    }
    let layers = layers.merge(environment.clone()).merge(flags);
    let config: Config = layers.extract().map_err(|errors| {
        let lines: Vec<String> = errors.into_iter().map(|error| sentence(&error)).collect();
        ConfigError(lines.join("\n"))
    })?;
    match config.validate().as_slice() {
        [] => Ok(config),
        wrong => Err(ConfigError(wrong.join("\n"))),
    }
}

fn file(error: &figment::Error) -> Option<&Path> {
    match error.metadata.as_ref()?.source.as_ref()? {
        figment::Source::File(file) => Some(file),
        _ => None,
    }
}

fn sentence(error: &figment::Error) -> String {
    let path = error.path.join(".");
    let source = error
        .metadata
        .as_ref()
        .map_or_else(String::new, |metadata| match metadata.source.as_ref() {
            Some(figment::Source::File(file)) => format!(" in {}", file.display()),
            _ => format!(" in {}", metadata.name),
        });
    match &error.kind {
        figment::error::Kind::UnknownField(field, expected) => {
            let place = if path.is_empty() || path == *field {
                field.clone()
            } else if path.ends_with(field.as_str()) {
                path
            } else {
                format!("{path}.{field}")
            };
            format!(
                "unknown setting {place}{source}; known here: {}. `gna config` shows them all",
                expected.join(", ")
            )
        }
        figment::error::Kind::Message(message) if path.is_empty() => match file(error) {
            Some(file) => format!("{}: {message}", file.display()),
            None => message.clone(),
        },
        kind if path.is_empty() => format!("{kind}{source}"),
        kind => format!("{path}: {kind}{source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn the_defaults_are_whole_and_valid() {
        let folder = tempfile::tempdir().expect("folder");
        let config = load(
            folder.path(),
            None,
            &Environment::default(),
            Overrides::default(),
        )
        .expect("valid");
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8420");
        assert_eq!(config.store_url(), "sqlite:./gna-data/gna.db");
        assert_eq!(config.blobs_url(), "file:./gna-data/blobs");
        assert_eq!(config.public_url(), "http://127.0.0.1:8420");
        let limits = gna_parsers::Limits::default();
        assert_eq!(
            config.limits().max_bytes,
            limits.max_bytes,
            "one default, said twice"
        );
        assert_eq!(config.limits().max_depth, limits.max_depth);
        assert_eq!(config.limits().max_findings, limits.max_findings);
    }

    #[test]
    fn each_layer_overrides_the_one_before() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(
            folder.path().join(FILE),
            "[server]\nlisten = \"127.0.0.1:1\"\npublic_url = \"https://f.example/\"\n[worker]\nslots = 7\n",
        )
        .expect("written");
        let environment = environment(&[
            ("GNA_SERVER__LISTEN", "127.0.0.1:2"),
            ("GNA_IMPORT__MAX_BYTES", "2048"),
        ]);
        let flags = Overrides::default().with("server.listen", Some("127.0.0.1:3"));
        let config = load(folder.path(), None, &environment, flags).expect("valid");
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.public_url(), "https://f.example");
        assert_eq!((config.worker.slots, config.import.max_bytes), (7, 2_048));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("own.toml");
        let nothing = Environment::default();
        for (text, environment, words) in [
            ("[stroe]\nurl = 'x'", nothing.clone(), ["stroe", "own.toml"]),
            ("[store]\nulr = 'x'", nothing.clone(), ["store.ulr", "url"]),
            (
                "",
                environment(&[("GNA_STORE__ULR", "x")]),
                ["store.ulr", "environment"],
            ),
            (
                "[worker]\nslots = 'many'",
                nothing.clone(),
                ["worker.slots", "own.toml"],
            ),
            (
                "[worker]\nslots = 0",
                nothing.clone(),
                ["worker.slots", "between"],
            ),
            (
                "[log]\nformat = 'xml'",
                nothing.clone(),
                ["log.format", "json"],
            ),
            ("[server\n", nothing.clone(), ["own.toml", "expected"]),
        ] {
            std::fs::write(&file, text).expect("written");
            let error = load(
                folder.path(),
                Some(&file),
                &environment,
                Overrides::default(),
            )
            .expect_err(text);
            for word in words {
                assert!(error.0.contains(word), "{text:?}: {error} lacks {word}");
            }
        }
        let missing = load(
            folder.path(),
            Some(Path::new("/no/such.toml")),
            &nothing,
            Overrides::default(),
        );
        assert!(missing.is_err_and(|error| error.0.contains("--config")));
    }
}
