//! Names of modules: part of routes, so none may shadow one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Words that stand in routes where a module's name could stand.
const RESERVED: &[&str] = &[
    "admin",
    "all",
    "api",
    "authorize",
    "config",
    "create",
    "credential",
    "credentials",
    "demo",
    "entities",
    "entity",
    "health",
    "hooks",
    "integration",
    "integrations",
    "login",
    "me",
    "meta",
    "new",
    "options",
    "redirect",
    "reports",
    "requirements",
    "test",
    "test-auth",
    "types",
    "user",
    "users",
    "webhooks",
];

/// Lower-case letters, digits and single dashes, a letter first, at most 40 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "maxLength" = 40))]
pub struct ModuleName(String);

impl ModuleName {
    /// # Errors
    /// A sentence that tells what a name may be.
    pub fn new(name: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let shaped = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 40
            && name.chars().all(fits)
            && !name.ends_with('-')
            && !name.contains("--");
        if !shaped {
            return Err(format!(
                "the name {name:?} must be of lower-case letters, digits and single dashes, begin with a letter and have at most 40 characters, like my-tracker"
            ));
        }
        if RESERVED.contains(&name) || name.ends_with("-integration") {
            return Err(format!(
                "the name {name:?} would shadow an address of the API; choose another one, like my-{name}"
            ));
        }
        Ok(Self(name.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModuleName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::new(&name)
    }
}

impl From<ModuleName> for String {
    fn from(name: ModuleName) -> Self {
        name.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_routes_and_shadow_none() {
        for good in ["github", "jira-cloud", "a1", "x-2-y"] {
            assert!(ModuleName::new(good).is_ok(), "{good}");
        }
        for (bad, part) in [
            ("", "lower-case"),
            ("GitHub", "lower-case"),
            ("1st", "lower-case"),
            ("a--b", "lower-case"),
            ("a-", "lower-case"),
            ("a/b", "lower-case"),
            ("a.b", "lower-case"),
            (&"a".repeat(41), "lower-case"),
            ("options", "shadow"),
            ("types", "shadow"),
            ("slack-integration", "shadow"),
        ] {
            let refused = ModuleName::new(bad).expect_err(bad);
            assert!(refused.contains(part), "{refused}");
        }
    }
}
