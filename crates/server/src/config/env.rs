//! The environment as settings: `GNA_STORE__URL` is `store.url`.
//!
//! A `.env` file in the working folder counts as environment that the real one overrides. A name
//! that ends with `_FILE` names a file that holds the value, for secrets.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};
use std::collections::BTreeMap;
use std::path::Path;

/// Names that are read elsewhere (by the command line) and are no settings.
const OTHERS: &[&str] = &["GNA_CONFIG", "GNA_SERVER", "GNA_SNAPSHOT_KEY", "GNA_TOKEN"];

/// Variables that concern Gna.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From the process and the `.env` file in the folder, where there is one.
    ///
    /// # Errors
    /// A sentence, where `.env` can't be read.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(".env");
        let mut all = match std::fs::read_to_string(&path) {
            Ok(text) => dotenv(&text)
                .map_err(|line| format!("{} line {line}: write NAME=VALUE", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(format!("{} can't be read: {error}", path.display())),
        };
        all.extend(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Ok(Self::from_pairs(all))
    }

    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .filter(|(name, _)| name.starts_with("GNA_"))
                .collect(),
        )
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The settings among the variables, as `store.url` and text.
    ///
    /// # Errors
    /// A sentence about the first variable that can't be a setting.
    fn settings(&self) -> Result<Vec<(String, String)>, String> {
        let mut settings = Vec::new();
        for (name, value) in &self.0 {
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            let path = name.trim_start_matches("GNA_").to_ascii_lowercase();
            if !path.contains("__") {
                return Err(format!(
                    "the variable {name} is not a setting; two underscores stand between section and name, as in GNA_STORE__URL"
                ));
            }
            // `keyring.file` is a setting of that name.
            let named = path.strip_suffix("_file");
            let (path, value) = match named.filter(|path| !path.ends_with('_')) {
                Some(path) => {
                    let text = std::fs::read_to_string(value).map_err(|error| {
                        format!("the file {value:?} that {name} names can't be read: {error}")
                    })?;
                    (
                        path.to_owned(),
                        text.trim_end_matches(['\n', '\r']).to_owned(),
                    )
                }
                None => (path, value.clone()),
            };
            settings.push((dotted(&path), value));
        }
        Ok(settings)
    }
}

/// `store__url` as `store.url`. Names of modules have `-` where a variable can only have `_`.
fn dotted(path: &str) -> String {
    let parts: Vec<&str> = path.split("__").collect();
    match parts.as_slice() {
        ["modules", name, rest @ ..] if !rest.is_empty() => {
            format!("modules.{}.{}", name.replace('_', "-"), rest.join("."))
        }
        parts => parts.join("."),
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut all = Dict::new();
        for (path, text) in self.settings().map_err(Error::from)? {
            merge(&mut all, &path, typed(&text));
        }
        Ok(Profile::Default.collect(all))
    }
}

/// Numbers and flags as such, all else as text.
fn typed(text: &str) -> Value {
    if let Ok(flag) = text.parse::<bool>() {
        return Value::from(flag);
    }
    match text.parse::<u64>() {
        // What starts with a zero is a name or an id.
        Ok(number) if number.to_string() == text => Value::from(number),
        _ => Value::from(text),
    }
}

/// Puts a value at a path such as `store.url`.
pub(super) fn merge(into: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            into.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let mut inner = into
                .remove(first)
                .and_then(Value::into_dict)
                .unwrap_or_default();
            merge(&mut inner, rest, value);
            into.insert(first.to_owned(), Value::from(inner));
        }
    }
}

/// Reads `NAME=VALUE` lines; blank lines and `#` comments are left out, `export` and quotes are
/// taken off.
///
/// # Errors
/// The number of the first line that is neither.
fn dotenv(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut all = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(at + 1)?;
        let value = value.trim();
        let bare = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        all.insert(name.trim().to_owned(), bare.to_owned());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotenv_reads_what_people_write() {
        let read = dotenv("# c\n\nexport GNA_A__B=1\nGNA_C__D = \"x y\"\nE='q'\n").expect("reads");
        assert_eq!(read.get("GNA_A__B").map(String::as_str), Some("1"));
        assert_eq!(read.get("GNA_C__D").map(String::as_str), Some("x y"));
        assert_eq!(read.get("E").map(String::as_str), Some("q"));
        assert_eq!(dotenv("A=1\nwhat"), Err(2));
    }

    #[test]
    fn a_file_variable_gives_what_the_file_holds() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("url");
        std::fs::write(&path, "sqlite:/x\n").expect("written");
        let environment =
            Environment::from_pairs([("GNA_STORE__URL_FILE", path.display().to_string())]);
        assert_eq!(
            environment.settings(),
            Ok(vec![("store.url".to_owned(), "sqlite:/x".to_owned())])
        );
        let keyring = Environment::from_pairs([("GNA_KEYRING__FILE", "/keys")]);
        assert_eq!(
            keyring.settings(),
            Ok(vec![("keyring.file".to_owned(), "/keys".to_owned())])
        );
        let missing = Environment::from_pairs([("GNA_STORE__URL_FILE", "/nowhere/at/all")]);
        assert!(
            missing
                .settings()
                .is_err_and(|error| error.contains("GNA_STORE__URL_FILE"))
        );
    }

    #[test]
    fn a_module_is_named_with_its_dashes() {
        let environment = Environment::from_pairs([
            ("GNA_MODULES__JIRA_CLOUD__CLIENT_ID", "007"),
            ("GNA_MODULES__DIR", "apps"),
        ]);
        assert_eq!(
            environment.settings(),
            Ok(vec![
                ("modules.dir".to_owned(), "apps".to_owned()),
                ("modules.jira-cloud.client_id".to_owned(), "007".to_owned()),
            ])
        );
        assert_eq!(typed("007"), Value::from("007"));
        assert_eq!(typed("7"), Value::from(7_u64));
    }

    #[test]
    fn a_name_with_one_underscore_is_an_error_that_shows_the_right_form() {
        let typo = Environment::from_pairs([("GNA_STORE_URL", "x")]);
        assert!(
            typo.settings()
                .is_err_and(|error| error.contains("GNA_STORE__URL"))
        );
        let other =
            Environment::from_pairs([("GNA_TOKEN", "x"), ("GNA_SNAPSHOT_KEY", "x"), ("HOME", "/")]);
        assert_eq!(other.settings(), Ok(vec![]));
    }
}
