//! What an error of MongoDB is to the contract.

use crate::kernel::Error;
use mongodb::error::{Error as MongoError, ErrorKind, TRANSIENT_TRANSACTION_ERROR, WriteFailure};

/// Codes of errors that a server gives: a key that is there, another transaction at the same
/// document, a transaction that was ended, a lock that was not to be had.
const DUPLICATE_KEY: i32 = 11_000;
const WRITE_CONFLICT: i32 = 112;
const NO_SUCH_TRANSACTION: i32 = 251;
const LOCK_TIMEOUT: i32 = 24;

/// The message names the operation and the server's code, never the content: the server's own
/// messages may quote keys, the driver's may quote the address.
pub(super) fn map(doing: &'static str, error: &MongoError) -> Error {
    tracing::debug!(doing, code = code(error), "MongoDB failed");
    Error::Unavailable(match error.kind.as_ref() {
        ErrorKind::Command(told) => said(doing, told.code, &told.code_name),
        ErrorKind::Write(WriteFailure::WriteError(told)) => said(
            doing,
            told.code,
            told.code_name.as_deref().unwrap_or("an error"),
        ),
        ErrorKind::Write(_) => {
            format!("MongoDB did not confirm that most members have it ({doing}); try again")
        }
        ErrorKind::Authentication { .. } => {
            "MongoDB does not let this user in: look at user, password and authSource".to_owned()
        }
        // What rustls makes of a certificate that it does not believe; there the driver only says that
        // there is no server.
        ErrorKind::ServerSelection { message, .. } if message.contains("peer certificate") => {
            format!(
                "no primary of the MongoDB replica set has a certificate that is believed ({doing}): look at hosts and tlsCAFile in the address"
            )
        }
        ErrorKind::ServerSelection { .. } => format!(
            "no primary of the MongoDB replica set answers ({doing}): look at hosts, replicaSet and tls in the address"
        ),
        ErrorKind::DnsResolve { .. } => {
            format!("the name of the MongoDB cluster can't be resolved ({doing})")
        }
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
            format!("the connection to MongoDB was lost ({doing}); try again")
        }
        ErrorKind::InvalidTlsConfig { .. } => {
            "a file for TLS that the mongodb: address names can't be used (tlsCAFile, tlsCertificateKeyFile)".to_owned()
        }
        _ => format!("MongoDB could not be asked ({doing})"),
    })
}

pub(super) fn said(doing: &'static str, code: i32, name: &str) -> String {
    match code {
        13 => format!(
            "MongoDB does not let this user do that ({doing}); it needs the role readWrite on the database"
        ),
        18 => "MongoDB does not let this user in: look at user, password and authSource".to_owned(),
        _ => format!("MongoDB refused ({doing}: {code} {name})"),
    }
}

/// The server's code, where it told one.
pub(super) fn code(error: &MongoError) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(told) => Some(told.code),
        ErrorKind::Write(WriteFailure::WriteError(told)) => Some(told.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(told)) => Some(told.code),
        _ => None,
    }
}

/// Whether a transaction that met this may be done once more from its beginning. Where there was no
/// primary for as long as the address allows, whoever asked has waited enough.
pub(super) fn is_transient(error: &MongoError) -> bool {
    if matches!(error.kind.as_ref(), ErrorKind::ServerSelection { .. }) {
        return false;
    }
    error.contains_label(TRANSIENT_TRANSACTION_ERROR) || code(error).is_some_and(met_another)
}

/// Whether somebody else was at the same documents.
pub(super) fn met_another(code: i32) -> bool {
    [
        DUPLICATE_KEY,
        WRITE_CONFLICT,
        NO_SUCH_TRANSACTION,
        LOCK_TIMEOUT,
    ]
    .contains(&code)
}
