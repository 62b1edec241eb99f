//! The connection to a replica set, and what is asked of it before anything else.

use super::address::{Address, wrong};
use super::error::map;
use crate::kernel::Error;
use gna_domain::time::Timestamp;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::{Error as MongoError, ErrorKind};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria,
    TransactionOptions, WriteConcern,
};
use mongodb::{Client, ClientSession, Collection, Database};
use std::time::Duration;

/// Oldest server that is taken, as it tells its version to drivers, and as people call it.
const OLDEST: (i32, &str) = (17, "6.0");
/// Longest wait for a primary, where the address does not say otherwise. An election takes some 12 s.
const SELECT: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);

/// An open database; cheap to clone.
#[derive(Clone)]
pub struct MongoDb {
    client: Client,
    database: Database,
    /// The items.
    pub(super) items: Collection<RawDocumentBuf>,
    /// The entries of the feed, by number.
    pub(super) feed: Collection<RawDocumentBuf>,
    /// Where the feed begins and ends, and the format of it all.
    pub(super) meta: Collection<RawDocumentBuf>,
}

impl MongoDb {
    /// Connects and checks the server. What the address says of reading and writing does not count:
    /// all is read from the primary, and a commit is done when most members have it in their journals.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where no primary answers, or naming what the server lacks.
    pub async fn connect(address: &Address) -> Result<Self, Error> {
        let mut options = ClientOptions::parse(&address.url).await.map_err(|error| {
            // What the driver says may quote the address.
            match map("reading the address", &error) {
                told @ Error::Unavailable(_) if told.to_string().contains("resolved") => told,
                _ => wrong("its form is mongodb://USER:PASSWORD@HOST,HOST/DATABASE?replicaSet=NAME, with % and two digits for special characters in user and password"),
            }
        })?;
        options.app_name.get_or_insert_with(|| "gna".to_owned());
        options.server_selection_timeout.get_or_insert(SELECT);
        options.connect_timeout.get_or_insert(CONNECT);
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.read_concern = Some(ReadConcern::local());
        options.write_concern = Some(durable());
        options.retry_reads = Some(true);
        options.retry_writes = Some(true);
        let client = Client::with_options(options).map_err(|error| match error.kind.as_ref() {
            ErrorKind::InvalidTlsConfig { .. } | ErrorKind::Io(_) => wrong(
                "a file for TLS that it names is missing or is none (tlsCAFile, tlsCertificateKeyFile)",
            ),
            _ => wrong("its words do not go together, or name what this build leaves out"),
        })?;
        let database = client.database(&address.database);
        let db = Self {
            items: database.collection("items"),
            feed: database.collection("feed"),
            meta: database.collection("meta"),
            client,
            database,
        };
        db.examine().await?;
        Ok(db)
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.database.name()
    }

    /// The driver's client, for checks.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The database itself, for what only operators and checks do.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Removes the database with all that is in it. There is no way back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the user may not.
    pub async fn drop_database(&self) -> Result<(), Error> {
        self.database
            .drop()
            .await
            .map_err(|e| map("dropDatabase", &e))
    }

    /// A session with a transaction that sees the store as it is at its first question.
    pub(super) async fn begin(&self) -> Result<ClientSession, MongoError> {
        let mut session = self.client.start_session().await?;
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(durable())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        session.start_transaction().with_options(options).await?;
        Ok(session)
    }

    /// The primary's clock, to the millisecond; `None` where it does not tell.
    pub(super) async fn time(&self) -> Result<Option<Timestamp>, Error> {
        let told = self.hello().await?;
        let time = told.get_datetime("localTime").ok();
        Ok(time.map(|time| Timestamp::from_millis(time.timestamp_millis())))
    }

    /// What the primary says of itself.
    async fn hello(&self) -> Result<Document, Error> {
        let told = self.database.run_command(doc! { "hello": 1 }).await;
        told.map_err(|e| map("hello", &e))
    }

    /// Refuses servers that can't keep the contract.
    async fn examine(&self) -> Result<(), Error> {
        let told = self.hello().await?;
        lacks(&told).map_or(Ok(()), |lack| Err(Error::Unavailable(lack)))
    }
}

/// In the journals of most members: a commit that was confirmed so survives the loss of a primary.
fn durable() -> WriteConcern {
    WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build()
}

/// What a server lacks that answers `hello` so.
fn lacks(told: &Document) -> Option<String> {
    let is_router = told.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    if is_router {
        return Some("the server is the router of a sharded cluster, on which this was never tried; point store.url at a replica set".into());
    }
    if told.get_str("setName").is_err() {
        return Some(
            "the server is not a member of a replica set, so it has no transactions; start mongod with --replSet rs0 and call rs.initiate() once (a set of one member will do)".into(),
        );
    }
    let version = told.get_i32("maxWireVersion").unwrap_or_default();
    if version < OLDEST.0 {
        return Some(format!(
            "the MongoDB server is too old; {} or newer is needed",
            OLDEST.1
        ));
    }
    if !told.get_bool("isWritablePrimary").unwrap_or_default() {
        return Some("the server is not the primary of its replica set; leave directConnection out of the address, and name the set in replicaSet".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_can_not_keep_the_contract_are_refused() {
        let fits = doc! { "setName": "rs0", "maxWireVersion": 21, "isWritablePrimary": true };
        assert_eq!(lacks(&fits), None);
        for (answer, says) in [
            (
                doc! { "maxWireVersion": 21, "isWritablePrimary": true },
                "--replSet",
            ),
            (
                doc! { "msg": "isdbgrid", "maxWireVersion": 21, "isWritablePrimary": true },
                "sharded",
            ),
            (
                doc! { "setName": "rs0", "maxWireVersion": 13, "isWritablePrimary": true },
                "6.0",
            ),
            (
                doc! { "setName": "rs0", "maxWireVersion": 21, "isWritablePrimary": false },
                "primary",
            ),
        ] {
            let refused = lacks(&answer).unwrap_or_default();
            assert!(refused.contains(says), "{refused}");
        }
    }
}
