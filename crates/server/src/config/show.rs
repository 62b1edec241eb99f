//! The effective configuration for people, with secrets masked.

use serde_json::Value;

use super::Config;

/// What stands where a secret was.
const MASK: &str = "********";

/// Names of settings that are secrets as a whole.
const SECRETS: &[&str] = &[
    "key",
    "password",
    "old_keys",
    "client_secret",
    "api_key",
    "health_key",
    "jwt_secret",
];

/// As JSON. Passwords in addresses are masked.
#[must_use]
pub fn masked_json(config: &Config) -> Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    mask(&mut value);
    value
}

/// As TOML that could be put into a file.
#[must_use]
pub fn masked_toml(config: &Config) -> String {
    toml::to_string_pretty(&masked_json(config)).unwrap_or_default()
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(masked) = without_password(text) {
                *text = masked;
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if SECRETS.contains(&name.as_str()) => {
                        if !text.is_empty() {
                            MASK.clone_into(text);
                        }
                    }
                    other => mask(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// The address with the password of its user part, and all of its query, masked; `None` where
/// there is neither.
#[must_use]
pub fn without_password(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, format!("?{MASK}")),
        None => (rest, String::new()),
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{name}:{MASK}@{host}")
        }
        None if query.is_empty() => return None,
        None => authority.to_owned(),
    };
    Some(format!("{scheme}://{authority}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_do_not_show() {
        for (address, shown) in [
            (
                "postgres://gna:s3cret@db/gna",
                "postgres://gna:********@db/gna",
            ),
            (
                "postgres://gna:a@b@db/gna",
                "postgres://gna:********@db/gna",
            ),
            (
                "postgres://db/gna?password=s3cret",
                "postgres://db/gna?********",
            ),
            ("sqlite:/var/lib/gna.db", "sqlite:/var/lib/gna.db"),
            ("https://gna.example.com", "https://gna.example.com"),
        ] {
            assert_eq!(
                without_password(address).unwrap_or_else(|| address.to_owned()),
                shown
            );
        }
    }
}
