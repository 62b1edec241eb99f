//! What an error of PostgreSQL is to the contract.

use crate::kernel::Error;
use std::io::ErrorKind;

/// SQLSTATE of an error that the server told, `40001`.
pub(super) fn state(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Database(told) => told.code().map(|code| code.into_owned()),
        _ => None,
    }
}

/// Whether two commits got in each other's way, so that trying at once is right: a serialization
/// failure, a deadlock, a key that was created meanwhile.
pub(super) fn collided(error: &sqlx::Error) -> bool {
    matches!(state(error).as_deref(), Some("40001" | "40P01" | "23505"))
}

/// Whether the connection is gone, so that another one may answer.
pub(super) fn cut(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // 08: connection exceptions; 57P01 to 57P03: the server stops, crashed or starts.
        sqlx::Error::Database(_) => {
            state(error).is_some_and(|state| state.starts_with("08") || state.starts_with("57P0"))
        }
        _ => false,
    }
}

fn lost() -> Error {
    Error::Unavailable("the connection to PostgreSQL was lost; try again".into())
}

fn untrusted(told: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!(
        "there is no TLS with PostgreSQL as the postgres: address demands it: {told}; look at its host, sslmode and sslrootcert"
    ))
}

/// The message names the place, never the content: PostgreSQL's own messages quote keys in their
/// DETAIL only, which is left out.
pub(crate) fn map(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(told) => {
            let state = state(&error).unwrap_or_default();
            let message = told.message();
            match state.as_str() {
                // Data and index pages that can't be read.
                "XX001" | "XX002" => Error::Corrupt(message.to_owned()),
                "57014" => Error::Unavailable("a statement took too long and was ended".into()),
                "55P03" => Error::Unavailable("another commit held a record for too long".into()),
                "53100" => Error::Unavailable("the database server's disk is full".into()),
                "25006" => Error::Unavailable(
                    "the database server is read-only (a standby?); point store.url at the primary"
                        .into(),
                ),
                "40001" | "40P01" | "23505" => Error::Unavailable(
                    "other commits kept getting in the way of this one; try again".into(),
                ),
                _ => Error::Unavailable(format!("PostgreSQL says: {message} ({state})")),
            }
        }
        sqlx::Error::PoolTimedOut => Error::Unavailable(
            "no connection to PostgreSQL was free or could be made in time".into(),
        ),
        sqlx::Error::ColumnDecode { index, .. } => {
            Error::Corrupt(format!("column {index} can't be read"))
        }
        sqlx::Error::Tls(told) => untrusted(told),
        sqlx::Error::Io(told) => match told.kind() {
            // What rustls makes of a certificate that it does not believe.
            ErrorKind::InvalidData => untrusted(told),
            // Of the address' own files: those of the store are the server's.
            ErrorKind::NotFound | ErrorKind::PermissionDenied => Error::Unavailable(format!(
                "a file that the postgres: address names can't be read (sslrootcert, sslcert, sslkey, or a socket): {}",
                told.kind()
            )),
            _ => lost(),
        },
        sqlx::Error::Protocol(_) => lost(),
        other => Error::Unavailable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error as IoError;

    #[test]
    fn what_can_be_mended_is_told_from_what_passes() {
        for (error, says) in [
            (
                sqlx::Error::Io(IoError::new(
                    ErrorKind::InvalidData,
                    "invalid peer certificate",
                )),
                "invalid peer certificate; look at its host, sslmode and sslrootcert",
            ),
            (
                sqlx::Error::Tls("server does not support TLS".into()),
                "server does not support TLS; look at its host, sslmode",
            ),
            (
                sqlx::Error::Io(ErrorKind::NotFound.into()),
                "can't be read (sslrootcert",
            ),
            (
                sqlx::Error::Io(ErrorKind::ConnectionReset.into()),
                "was lost; try again",
            ),
        ] {
            let told = map(error).to_string();
            assert!(told.contains(says), "{told}");
        }
    }
}
