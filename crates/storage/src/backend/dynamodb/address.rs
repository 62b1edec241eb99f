//! `dynamodb://TABLE` URLs.

use crate::kernel::Error;

/// Most operations in one transaction, unless the URL says otherwise: what Amazon's service takes.
const OPERATIONS: usize = 100;
/// Fewest that are enough for the product's own batches.
const FEWEST: usize = 25;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// 3 to 255 letters, digits, `_`, `-` and `.`.
    pub table: String,
    /// `?region=NAME`; without it, the environment's (`AWS_REGION`).
    pub region: Option<String>,
    /// `?endpoint=URL`: another engine than Amazon's, or a private way to it.
    pub endpoint: Option<String>,
    /// `?operations=N`, 25 to 100: the most that the engine takes in one transaction.
    pub operations: usize,
}

impl Address {
    /// Reads a URL such as `dynamodb://gna?region=eu-central-1`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is wrong.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let rest = url
            .strip_prefix("dynamodb://")
            .ok_or_else(|| wrong("it must look like dynamodb://TABLE?region=REGION"))?;
        let (table, query) = rest.split_once('?').unwrap_or((rest, ""));
        let fits = (3..=255).contains(&table.len())
            && table
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !fits {
            return Err(wrong(
                "the name of a table has 3 to 255 letters, digits, _, - and .",
            ));
        }
        let mut address = Self {
            table: table.to_owned(),
            region: None,
            endpoint: None,
            operations: OPERATIONS,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("region", region)) if is_region(region) => {
                    address.region = Some(region.to_owned());
                }
                Some(("region", _)) => return Err(wrong("region is a name such as eu-central-1")),
                Some(("endpoint", url)) if is_endpoint(url) => {
                    address.endpoint = Some(url.trim_end_matches('/').to_owned());
                }
                Some(("endpoint", _)) => {
                    return Err(wrong(
                        "endpoint is a URL such as http://127.0.0.1:8000, without user, path or query",
                    ));
                }
                Some(("operations", number)) => {
                    address.operations = number
                        .parse()
                        .ok()
                        .filter(|number| (FEWEST..=OPERATIONS).contains(number))
                        .ok_or_else(|| wrong("operations is a number from 25 to 100"))?;
                }
                _ => {
                    return Err(wrong(
                        "there are region, endpoint and operations; credentials come from the environment, never from the address",
                    ));
                }
            }
        }
        Ok(address)
    }

    /// Whether the engine runs on this machine: those take any credentials.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = self
            .endpoint
            .as_deref()
            .and_then(|url| url.split_once("://"));
        host.is_some_and(|(_, host)| {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        })
    }
}

fn is_region(region: &str) -> bool {
    !region.is_empty()
        && region.len() <= 40
        && region
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_endpoint(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .map(|host| host.strip_suffix('/').unwrap_or(host));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
    })
}

fn wrong(what: &str) -> Error {
    Error::Unavailable(format!("the dynamodb: address can't be used: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        let address = Address::parse(
            "dynamodb://gna-1.x?region=eu-central-1&endpoint=http://[::1]:8000/&operations=25",
        )
        .unwrap();
        assert_eq!(address.table, "gna-1.x");
        assert_eq!(address.region.as_deref(), Some("eu-central-1"));
        assert_eq!(address.endpoint.as_deref(), Some("http://[::1]:8000"));
        assert_eq!(address.operations, 25);
        assert!(address.is_local());
        let plain = Address::parse("dynamodb://gna").unwrap();
        assert_eq!((plain.region.as_ref(), plain.operations), (None, 100));
        assert!(!plain.is_local());
        for far in [
            "https://127.0.0.1.example.com",
            "https://dynamodb.eu-central-1.amazonaws.com",
        ] {
            let address = Address::parse(&format!("dynamodb://gna?endpoint={far}")).unwrap();
            assert!(!address.is_local(), "{far}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_without_repeating_it() {
        for url in [
            "dynamodb:gna",
            "dynamodb://",
            "dynamodb://ab",
            "dynamodb://hunter2/x",
            "dynamodb://hunter2@gna",
            "dynamodb://gna?region=",
            "dynamodb://gna?region=EU hunter2",
            "dynamodb://gna?endpoint=ftp://hunter2",
            "dynamodb://gna?endpoint=http://user:hunter2@host",
            "dynamodb://gna?operations=24",
            "dynamodb://gna?operations=101",
            "dynamodb://gna?secret=hunter2",
        ] {
            let refusal = Address::parse(url).unwrap_err().to_string();
            assert!(!refusal.contains("hunter2"), "{url}: {refusal}");
        }
    }
}
