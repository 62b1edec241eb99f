//! `mongodb://` and `mongodb+srv://` URLs. All but the name of the database is the driver's own affair.

use crate::kernel::Error;

/// The database where the URL names none.
const DATABASE: &str = "gna";
/// Longest name of a database, in bytes: the server's limit.
const LONGEST: usize = 63;

/// Where a store is: a database of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Up to 63 letters, digits, `_` and `-`.
    pub database: String,
    /// As it was given. It may hold a password, so nothing prints it.
    pub(super) url: String,
}

impl Address {
    /// Reads a URL such as `mongodb://gna:PASSWORD@a,b,c/gna?replicaSet=rs0`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what is wrong.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let rest = url
            .strip_prefix("mongodb://")
            .or_else(|| url.strip_prefix("mongodb+srv://"))
            .ok_or_else(|| wrong("it must look like mongodb://USER:PASSWORD@HOST/DATABASE"))?;
        let (place, _) = rest.split_once('?').unwrap_or((rest, ""));
        // Within user and password, and in the path of a socket, a slash is written %2F.
        let (_, database) = place.split_once('/').unwrap_or((place, ""));
        let database = match database {
            "" => DATABASE,
            database => database,
        };
        let fits = database.len() <= LONGEST
            && database
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !fits {
            return Err(wrong(
                "the name of a database has up to 63 letters, digits, _ and -",
            ));
        }
        // These hold the server's own affairs.
        if ["admin", "config", "local"].contains(&database) {
            return Err(wrong(
                "the databases admin, config and local are MongoDB's own",
            ));
        }
        Ok(Self {
            database: database.to_owned(),
            url: url.to_owned(),
        })
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

pub(super) fn wrong(what: &str) -> Error {
    Error::Unavailable(format!("the mongodb: address can't be used: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_read() {
        for (url, database) in [
            ("mongodb://localhost", "gna"),
            ("mongodb://localhost/", "gna"),
            ("mongodb://localhost/?replicaSet=rs0", "gna"),
            ("mongodb://localhost?replicaSet=rs0", "gna"),
            ("mongodb://u:p%2Fq@a:1,b:2/my-gna_2?tls=true", "my-gna_2"),
            ("mongodb+srv://u:p@cluster.example.com/other", "other"),
        ] {
            assert_eq!(Address::parse(url).unwrap().database, database, "{url}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_without_repeating_it() {
        let long = format!("mongodb://hunter2@host/{}", "x".repeat(64));
        for url in [
            "mongodb:hunter2",
            "mongo://hunter2@host/gna",
            "mongodb://u:hunter2@host/a/b",
            "mongodb://u:hunter2@host/a.b",
            "mongodb://u:hunter2@host/a$b",
            "mongodb://u:hunter2@host/admin",
            "mongodb://u:hunter2@host/local?x=1",
            long.as_str(),
        ] {
            let refusal = Address::parse(url).unwrap_err().to_string();
            assert!(!refusal.contains("hunter2"), "{url}: {refusal}");
        }
        let address = Address::parse("mongodb://u:hunter2@host/gna").unwrap();
        assert!(!format!("{address:?}").contains("hunter2"));
    }
}
