//! Query texts that clients name by their hash (automatic persisted queries): the text is sent once
//! with its SHA-256, and after that the hash alone is enough.
//!
//! The protocol is the one that clients have: `extensions.persistedQuery` with `version` 1 and
//! `sha256Hash`; an unknown hash is answered with the error `PersistedQueryNotFound`, upon which the
//! client sends both. A text found here is then a text like any other: all limits hold.

use async_graphql::{ErrorExtensionValues, Request, ServerError, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::document::{KEPT_BYTES, refused};

/// Texts that are kept; when there are more, all are forgotten and sent again.
const KEPT: usize = 1_000;

/// Texts by their hash.
#[derive(Default)]
pub struct Persisted(Mutex<HashMap<String, String>>);

impl Persisted {
    /// The request with its text, where it names one by its hash.
    ///
    /// # Errors
    /// `PERSISTED_QUERY_NOT_FOUND`, `PERSISTED_QUERY_NOT_SUPPORTED` (another version),
    /// `graphql.hash_mismatch`.
    pub fn filled(&self, mut request: Request) -> Result<Request, ServerError> {
        let Some(Value::Object(named)) = request.extensions.get("persistedQuery") else {
            return Ok(request);
        };
        let hash = match (named.get("version"), named.get("sha256Hash")) {
            (Some(Value::Number(version)), Some(Value::String(hash)))
                if version.as_u64() == Some(1) =>
            {
                hash.to_ascii_lowercase()
            }
            _ => {
                return Err(told(
                    "PersistedQueryNotSupported",
                    "PERSISTED_QUERY_NOT_SUPPORTED",
                ));
            }
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if request.query.is_empty() {
            let text = known.get(&hash).cloned();
            request.query =
                text.ok_or_else(|| told("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND"))?;
        } else if hex::encode(Sha256::digest(request.query.as_bytes())) != hash {
            return Err(refused(
                "graphql.hash_mismatch",
                "extensions.persistedQuery.sha256Hash is not the hash of the query".to_owned(),
            ));
        } else if request.query.len() <= KEPT_BYTES {
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(hash, request.query.clone());
        }
        Ok(request)
    }
}

/// In the words that clients wait for.
fn told(message: &str, code: &str) -> ServerError {
    let mut error = ServerError::new(message, None);
    let mut values = ErrorExtensionValues::default();
    values.set("code", code);
    error.extensions = Some(values);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::value;

    fn hash(text: &str) -> String {
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    fn request(text: &str, named: Value) -> Request {
        let mut request = Request::new(text);
        request
            .extensions
            .0
            .insert("persistedQuery".to_owned(), named);
        request
    }

    fn by(text: &str, of: &str) -> Request {
        let hash = hash(of);
        request(text, value!({ "version": 1, "sha256Hash": hash }))
    }

    #[test]
    fn a_text_is_sent_once_and_named_after_that() {
        let shelf = Persisted::default();
        let message = |request| shelf.filled(request).err().map(|error| error.message);
        let not_found = Some("PersistedQueryNotFound".to_owned());
        assert_eq!(message(by("", "{a}")), not_found);
        assert_eq!(message(by("{a}", "{a}")), None);
        assert_eq!(shelf.filled(by("", "{a}")).expect("known").query, "{a}");
        assert_eq!(message(by("", "{b}")), not_found);

        assert!(message(by("{b}", "{a}")).is_some_and(|told| told.contains("not the hash")));
        assert_eq!(
            shelf.filled(by("", "{a}")).expect("known").query,
            "{a}",
            "not replaced"
        );
        let old = value!({ "version": 2, "sha256Hash": "00" });
        assert_eq!(
            message(request("{a}", old)),
            Some("PersistedQueryNotSupported".to_owned())
        );
        assert_eq!(message(request("{a}", Value::Null)), None, "not used");
    }

    #[test]
    fn the_shelf_has_an_end() {
        let shelf = Persisted::default();
        for n in 0..KEPT + 3 {
            let text = format!("{{a{n}}}");
            assert!(shelf.filled(by(&text, &text)).is_ok());
        }
        assert_eq!(shelf.0.lock().expect("not poisoned").len(), 3);
        let long = format!("{{a{}}}", " ".repeat(KEPT_BYTES));
        assert!(
            shelf.filled(by(&long, &long)).is_ok(),
            "runs, and is not kept"
        );
        assert!(shelf.filled(by("", &long)).is_err());
    }
}
