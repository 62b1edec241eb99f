//! Reads what Frigg's back ends kept of connected accounts: the documents of its collection of
//! credentials, one on each line, as `mongoexport` writes them (extended JSON, relaxed or canonical).
//!
//! Beside the fields that each document has stand those that its module keeps, until core 1.x beside
//! them, later in `data`; texts among them are encrypted, each by itself ([`super::vault::legacy`]).
//! Source: packages/core/module-plugin and packages/core/credential in the framework's repository.

use gna_domain::error::{Error, Result};
use gna_domain::time::Timestamp;
use serde_json::{Map, Value};

use super::vault::legacy::{LegacyKeys, is_encrypted};

/// What every document has, whatever its module.
const OWN: [&str; 16] = [
    "_id",
    "__v",
    "__t",
    "id",
    "user",
    "userId",
    "type",
    "subType",
    "module",
    "moduleName",
    "auth_is_valid",
    "authIsValid",
    "externalId",
    "createdAt",
    "updatedAt",
    "data",
];

/// An account as it was connected there. It holds secrets, and is not printed.
pub struct Exported {
    /// Id of Frigg's user whose it is.
    pub user: Option<String>,
    /// What the document says of its module, in the order in which to try.
    pub kinds: Vec<String>,
    /// The app's own id of the account.
    pub external_id: String,
    /// Whether it worked, as far as was known.
    pub valid: bool,
    /// What was kept, in the clear, with names in our way: `access_token`.
    pub values: Map<String, Value>,
    pub access_expires: Option<Timestamp>,
    pub refresh_expires: Option<Timestamp>,
}

/// Reads one line.
///
/// # Errors
/// `legacy.document`, `legacy.malformed`, `legacy.key_missing`, `legacy.kms`. None holds what was kept.
pub fn read(line: &str, keys: &LegacyKeys) -> Result<Exported> {
    let wrong = |text: &str| Error::invalid("legacy.document", text);
    let Ok(Value::Object(document)) = serde_json::from_str::<Value>(line) else {
        return Err(wrong(
            "this is no JSON object on one line, as `mongoexport` writes them",
        ));
    };
    let external_id = document.get("externalId").and_then(text);
    let external_id = external_id
        .ok_or_else(|| wrong("the document has no externalId: nothing says whose account it is"))?;
    let inner = document.get("data").and_then(Value::as_object);
    let outer = document
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()));
    let mut values = Map::new();
    for (name, value) in outer.chain(inner.into_iter().flatten()) {
        let value = match value {
            Value::String(text) if is_encrypted(text) => Value::from(keys.open(text)?.expose()),
            Value::Null => continue,
            other => other.clone(),
        };
        values.insert(ours(name), value);
    }
    let mut moment_of = |names: [&str; 2]| {
        let found: Vec<Value> = names
            .iter()
            .filter_map(|name| values.remove(*name))
            .collect();
        found.iter().find_map(moment)
    };
    let access_expires = moment_of(["access_token_expire", "access_token_expires"]);
    let refresh_expires = moment_of(["refresh_token_expire", "refresh_token_expires"]);
    // Dates and numbers in their long form, and lists: no module keeps such.
    values.retain(|_, value| !value.is_object() && !value.is_array());
    let named = ["moduleName", "module", "type", "subType", "__t"];
    let kinds = named.iter().filter_map(|name| text(document.get(*name)?));
    let valid = ["auth_is_valid", "authIsValid"];
    let valid = valid.iter().find_map(|name| document.get(*name)?.as_bool());
    Ok(Exported {
        user: ["user", "userId"]
            .iter()
            .find_map(|name| text(document.get(*name)?)),
        kinds: kinds.map(|kind| kind_of(&kind)).collect(),
        external_id,
        valid: valid.unwrap_or(true),
        values,
        access_expires,
        refresh_expires,
    })
}

/// A text, or an id or a number in any of the forms that extended JSON has.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(map) => ["$oid", "$numberInt", "$numberLong"]
            .iter()
            .find_map(|name| text(map.get(*name)?)),
        _ => None,
    }
}

fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => match text.parse::<i64>() {
            Ok(millis) => Some(Timestamp::from_millis(millis)),
            Err(_) => Timestamp::parse(text).ok(),
        },
        Value::Number(number) => number.as_i64().map(Timestamp::from_millis),
        Value::Object(map) => ["$date", "$numberLong"]
            .iter()
            .find_map(|name| moment(map.get(*name)?)),
        _ => None,
    }
}

/// `HubSpotCredential` is said of a module `hubspot`.
fn kind_of(said: &str) -> String {
    let name = said.strip_suffix("Credential").unwrap_or(said);
    name.to_lowercase()
}

/// Names of theirs in our way.
fn ours(name: &str) -> String {
    if name == "API_KEY_VALUE" {
        return "api_key".to_owned();
    }
    let mut whole = String::with_capacity(name.len() + 4);
    let mut was_lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && was_lower {
            whole.push('_');
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        whole.push(c.to_ascii_lowercase());
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys() -> LegacyKeys {
        LegacyKeys::new(Vec::new())
    }

    #[test]
    fn documents_of_every_generation_are_read() {
        let at = Timestamp::parse("2030-01-01T00:00:00Z").ok();
        for (document, kinds, user) in [
            (
                json!({
                    "_id": {"$oid": "65a"}, "__v": 0, "__t": "HubSpotCredential", "user": {"$oid": "u1"},
                    "auth_is_valid": false, "externalId": 42, "accessToken": "a", "refreshToken": null,
                    "accessTokenExpire": {"$date": "2030-01-01T00:00:00Z"},
                }),
                vec!["hubspot"],
                "u1",
            ),
            (
                json!({
                    "_id": "65a", "userId": "u2", "authIsValid": false, "moduleName": "hubspot",
                    "externalId": {"$numberLong": "42"}, "data": {
                        "access_token": "a",
                        "access_token_expire": {"$date": {"$numberLong": "1893456000000"}},
                    },
                }),
                vec!["hubspot"],
                "u2",
            ),
        ] {
            let read = read(&document.to_string(), &keys()).expect("is read");
            assert_eq!(read.external_id, "42");
            assert_eq!(read.kinds, kinds);
            assert_eq!(read.user.as_deref(), Some(user));
            assert_eq!(Value::Object(read.values), json!({"access_token": "a"}));
            assert_eq!((read.access_expires, read.refresh_expires), (at, None));
            assert!(!read.valid);
        }
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for (line, code) in [
            ("", "legacy.document"),
            ("[]", "legacy.document"),
            ("{\"externalId\": \"\"}", "legacy.document"),
            (
                "{\"externalId\": \"1\", \"a\": \"aw==:00000000000000000000000000000000:00:MDA6MDA=\"}",
                "legacy.key_missing",
            ),
        ] {
            let refused = read(line, &keys()).err().map(|error| error.code());
            assert_eq!(refused, Some(code), "{line}");
        }
    }

    #[test]
    fn names_are_written_in_our_way() {
        for (theirs, name) in [
            ("access_token", "access_token"),
            ("accessToken", "access_token"),
            ("apiKey", "api_key"),
            ("API_KEY_VALUE", "api_key"),
            ("portalId", "portal_id"),
        ] {
            assert_eq!(ours(theirs), name);
        }
    }
}
