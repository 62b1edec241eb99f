//! From a URL to a backend. To add one: a line in [`SCHEMES`] and an arm in [`open`].

use super::Now;
#[cfg(feature = "dynamodb")]
use super::dynamodb::{self, DynamoBackend, DynamoDb};
use super::memory::MemoryBackend;
#[cfg(feature = "mongodb")]
use super::mongodb::{self, MongoBackend, MongoDb};
#[cfg(feature = "postgres")]
use super::postgres::{Address, PostgresBackend, PostgresDb};
#[cfg(feature = "sqlite")]
use super::sqlite::{SqliteBackend, SqliteDb, SqliteOptions};
use crate::kernel::{Backend, Error};
use std::sync::Arc;

/// A kind of store.
#[derive(Clone, Copy, Debug)]
pub struct Scheme {
    pub name: &'static str,
    /// What a URL looks like.
    pub example: &'static str,
    /// The cargo feature that compiles it in, where it is not always there.
    pub feature: Option<&'static str>,
    pub compiled: bool,
    /// What a kind of store was proved on that was not proved on the real thing.
    pub experimental: Option<&'static str>,
}

/// All kinds of store that there are, compiled in or not.
pub const SCHEMES: &[Scheme] = &[
    Scheme {
        name: "memory",
        example: "memory:",
        feature: None,
        compiled: true,
        experimental: None,
    },
    Scheme {
        name: "sqlite",
        example: "sqlite:gna.db",
        feature: Some("sqlite"),
        compiled: cfg!(feature = "sqlite"),
        experimental: None,
    },
    Scheme {
        name: "postgres",
        example: "postgres://gna:PASSWORD@localhost/gna",
        feature: Some("postgres"),
        compiled: cfg!(feature = "postgres"),
        experimental: None,
    },
    Scheme {
        name: "dynamodb",
        example: "dynamodb://TABLE?region=REGION",
        feature: Some("dynamodb"),
        compiled: cfg!(feature = "dynamodb"),
        experimental: Some("proved on Amazon's DynamoDB Local, not in Amazon's own service"),
    },
    Scheme {
        name: "mongodb",
        example: "mongodb://gna:PASSWORD@HOST/gna?replicaSet=NAME",
        feature: Some("mongodb"),
        compiled: cfg!(feature = "mongodb"),
        experimental: Some(
            "proved on SecantusDB, a substitute for MongoDB, not on MongoDB's own server",
        ),
    },
];

/// An open store.
pub struct Opened {
    pub backend: Arc<dyn Backend>,
    /// The file behind it, where it is one: search can live in it, and it can be copied.
    #[cfg(feature = "sqlite")]
    pub sqlite: Option<SqliteDb>,
    /// The server behind it, where it is one: search can live in it, and other processes share it.
    #[cfg(feature = "postgres")]
    pub postgres: Option<PostgresDb>,
}

impl Opened {
    fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            #[cfg(feature = "sqlite")]
            sqlite: None,
            #[cfg(feature = "postgres")]
            postgres: None,
        }
    }
}

/// Opens the store at `url`: `memory:`, `sqlite:PATH` (the file is made when there is none),
/// `postgres://USER:PASSWORD@HOST/DATABASE?schema=NAME` (the schema is made when there is none),
/// `mongodb://USER:PASSWORD@HOST/DATABASE?replicaSet=NAME` (so are the collections), or
/// `dynamodb://TABLE?region=REGION` (the table must be there: see [`init`]).
///
/// # Errors
/// [`Error::Unavailable`] when the URL names no store, one that this build leaves out (naming the
/// cargo feature), or one that can't be opened.
pub async fn open(url: &str, now: Now) -> Result<Opened, Error> {
    let (scheme, rest) = parse(url)?;
    match scheme.name {
        #[cfg(feature = "sqlite")]
        "sqlite" => open_sqlite(rest, now).await,
        #[cfg(feature = "postgres")]
        "postgres" => open_postgres(url, now).await,
        #[cfg(feature = "dynamodb")]
        "dynamodb" => {
            let db = DynamoDb::connect(&dynamodb::Address::parse(url)?).await?;
            Ok(Opened::new(Arc::new(DynamoBackend::open(db, now).await?)))
        }
        #[cfg(feature = "mongodb")]
        "mongodb" => {
            let db = MongoDb::connect(&mongodb::Address::parse(url)?).await?;
            Ok(Opened::new(Arc::new(MongoBackend::open(db, now).await?)))
        }
        _ => {
            if !rest.is_empty() {
                return Err(Error::Unavailable(format!(
                    "{url:?}: memory: takes no path; its content ends with the process"
                )));
            }
            Ok(Opened::new(Arc::new(MemoryBackend::new(now))))
        }
    }
}

/// What the kind of store at `url` was proved on, where that was not the real thing.
#[must_use]
pub fn experimental(url: &str) -> Option<&'static str> {
    parse(url).ok()?.0.experimental
}

/// Makes the store at `url`, where it is not there yet, or brings it up to date. Only a DynamoDB table
/// needs this: it costs money and takes a while, so it is not made by the way.
///
/// # Errors
/// As [`open`].
pub async fn init(url: &str, now: Now) -> Result<(), Error> {
    #[cfg(feature = "dynamodb")]
    if parse(url)?.0.name == "dynamodb" {
        let db = DynamoDb::connect(&dynamodb::Address::parse(url)?).await?;
        dynamodb::table::init(&db).await?;
    }
    open(url, now).await.map(drop)
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: &str, now: Now) -> Result<Opened, Error> {
    let path = std::path::PathBuf::from(path.strip_prefix("//").unwrap_or(path));
    if path.as_os_str().is_empty() {
        return Err(Error::Unavailable(
            "sqlite: needs the path of a file, as in sqlite:gna.db".into(),
        ));
    }
    let opening =
        tokio::task::spawn_blocking(move || SqliteDb::open(&path, &SqliteOptions::default()));
    let db = opening
        .await
        .map_err(|_| Error::Unavailable("opening the store failed unexpectedly".into()))??;
    let backend = SqliteBackend::open(db.clone(), now).await?;
    Ok(Opened {
        sqlite: Some(db),
        ..Opened::new(Arc::new(backend))
    })
}

#[cfg(feature = "postgres")]
async fn open_postgres(url: &str, now: Now) -> Result<Opened, Error> {
    let db = PostgresDb::open(&Address::parse(url)?).await?;
    let backend = PostgresBackend::open(db.clone(), now).await?;
    Ok(Opened {
        postgres: Some(db),
        ..Opened::new(Arc::new(backend))
    })
}

/// The scheme that a URL names, and what follows the colon.
fn parse(url: &str) -> Result<(&'static Scheme, &str), Error> {
    let (name, rest) = url.split_once(':').unwrap_or((url, ""));
    // The rest of a URL may hold a password: it never gets into a message.
    let short = match name {
        // libpq knows both spellings.
        "postgresql" => "postgres",
        // The hosts come from DNS.
        "mongodb+srv" => "mongodb",
        name => name,
    };
    let Some(scheme) = SCHEMES.iter().find(|scheme| scheme.name == short) else {
        let known: Vec<&str> = SCHEMES.iter().map(|scheme| scheme.example).collect();
        return Err(Error::Unavailable(format!(
            "no store has URLs that begin with {name:?}; there are {}",
            known.join(", ")
        )));
    };
    match scheme.feature {
        Some(feature) if !scheme.compiled => Err(Error::Unavailable(format!(
            "this build leaves out {name}: stores; build it with the cargo feature `{feature}`"
        ))),
        _ => Ok((scheme, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gna_domain::time::Timestamp;

    fn now() -> Now {
        Arc::new(Timestamp::default)
    }

    #[tokio::test]
    async fn what_is_no_store_is_refused_with_what_there_is() {
        for url in ["", "mysql://user:secret@host/db", "gna.db", "memory:x"] {
            let refusal = open(url, now()).await.err().unwrap().to_string();
            assert!(
                refusal.contains("memory:") && !refusal.contains("secret"),
                "{url}: {refusal}"
            );
        }
        assert_eq!(
            open("memory:", now()).await.unwrap().backend.name(),
            "memory"
        );
    }

    #[cfg(not(feature = "sqlite"))]
    #[tokio::test]
    async fn a_store_that_is_left_out_names_its_feature() {
        let refusal = open("sqlite:gna.db", now())
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(refusal.contains("feature `sqlite`"), "{refusal}");
    }

    #[cfg(not(feature = "postgres"))]
    #[tokio::test]
    async fn a_server_that_is_left_out_names_its_feature_and_not_the_password() {
        let refusal = open("postgres://gna:hunter2@localhost/gna", now())
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            refusal.contains("feature `postgres`") && !refusal.contains("hunter2"),
            "{refusal}"
        );
    }

    #[cfg(not(feature = "dynamodb"))]
    #[tokio::test]
    async fn a_table_that_is_left_out_names_its_feature() {
        for url in ["dynamodb://gna", "dynamodb://gna?region=eu-central-1"] {
            let refusal = open(url, now()).await.err().unwrap().to_string();
            assert!(refusal.contains("feature `dynamodb`"), "{refusal}");
        }
    }

    #[cfg(not(feature = "mongodb"))]
    #[tokio::test]
    async fn a_database_that_is_left_out_names_its_feature_and_not_the_password() {
        for url in [
            "mongodb://gna:hunter2@localhost/gna",
            "mongodb+srv://gna:hunter2@cluster.example.com",
        ] {
            let refusal = open(url, now()).await.err().unwrap().to_string();
            assert!(
                refusal.contains("feature `mongodb`") && !refusal.contains("hunter2"),
                "{refusal}"
            );
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_path_opens_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gna.db");
        let opened = open(&format!("sqlite:{}", path.display()), now())
            .await
            .unwrap();
        assert_eq!(opened.backend.name(), "sqlite");
        assert_eq!(opened.sqlite.unwrap().path(), path);
        assert!(open("sqlite:", now()).await.is_err());
    }
}
