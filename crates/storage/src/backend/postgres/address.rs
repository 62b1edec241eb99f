//! `postgres://` URLs: those of libpq, and two words of our own in the query.

use crate::kernel::Error;
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// The schema that holds everything, unless the URL names one.
const SCHEMA: &str = "gna";
/// Longest name of a schema: channels are called after it, and PostgreSQL cuts names at 63 bytes.
const SCHEMA_BYTES: usize = 40;
/// Connections kept by one process, unless the URL says how many.
const CONNECTIONS: u32 = 10;
/// Most that may be asked for.
const MOST_CONNECTIONS: u32 = 500;

/// Where a store is.
#[derive(Clone, Debug)]
pub struct Address {
    pub(super) options: PgConnectOptions,
    /// `?schema=NAME`: several stores may share a database. Lower-case letters, digits and `_`.
    pub schema: String,
    /// `?connections=N`, 2 to 500.
    pub connections: u32,
}

impl Address {
    /// Reads a URL such as `postgres://gna:secret@db.example.com/gna?sslmode=verify-full&schema=gna`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is wrong; the message never holds the URL, which may hold a
    /// password.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut schema, mut connections) = (SCHEMA.to_owned(), CONNECTIONS);
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("schema", name)) => schema = checked_schema(name)?,
                Some(("connections", number)) => {
                    connections = number
                        .parse()
                        .ok()
                        .filter(|number| (2..=MOST_CONNECTIONS).contains(number))
                        .ok_or_else(|| {
                            wrong(format!(
                                "connections is a number from 2 to {MOST_CONNECTIONS}"
                            ))
                        })?;
                }
                _ => rest.push(pair),
            }
        }
        let libpq = match rest.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", rest.join("&")),
        };
        let options = PgConnectOptions::from_str(&libpq).map_err(|_| {
            wrong("it must look like postgres://USER:PASSWORD@HOST:PORT/DATABASE".into())
        })?;
        Ok(Self {
            options,
            schema,
            connections,
        })
    }
}

fn checked_schema(name: &str) -> Result<String, Error> {
    let fits = !name.is_empty()
        && name.len() <= SCHEMA_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with("pg_");
    if fits {
        Ok(name.to_owned())
    } else {
        Err(wrong(format!(
            "schema is 1 to {SCHEMA_BYTES} lower-case letters, digits and _, begins with a letter and not with pg_"
        )))
    }
}

fn wrong(what: String) -> Error {
    Error::Unavailable(format!("the postgres: address can't be used: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_words_are_read_and_the_rest_is_left_to_libpq() {
        let address =
            Address::parse("postgres://u:p@h:5433/d?schema=team_1&sslmode=disable&connections=4")
                .unwrap();
        assert_eq!(
            (address.schema.as_str(), address.connections),
            ("team_1", 4)
        );
        assert_eq!(
            (address.options.get_host(), address.options.get_port()),
            ("h", 5433)
        );
        let plain = Address::parse("postgres://h/d").unwrap();
        assert_eq!((plain.schema.as_str(), plain.connections), ("gna", 10));
    }

    #[test]
    fn what_does_not_fit_is_refused_without_repeating_the_password() {
        for query in [
            "schema=",
            "schema=A",
            "schema=pg_x",
            "schema=a;drop",
            "schema=1",
            "connections=1",
            "connections=x",
            "sslmode=perhaps",
        ] {
            let refusal = Address::parse(&format!("postgres://u:hunter2@h/d?{query}"))
                .unwrap_err()
                .to_string();
            assert!(!refusal.contains("hunter2"), "{query}: {refusal}");
        }
    }
}
