//! What an error of SQLite means for the caller: try again later, or the file is damaged.

use crate::kernel::Error;
use rusqlite::ErrorCode;
use std::path::Path;

/// Maps an error of SQLite. Its messages name tables and columns, never what is in them.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        map(&error)
    }
}

pub(super) fn map(error: &rusqlite::Error) -> Error {
    use rusqlite::Error as Sql;
    match error {
        Sql::FromSqlConversionFailure(column, ..)
        | Sql::IntegralValueOutOfRange(column, _)
        | Sql::InvalidColumnType(column, ..) => Error::Corrupt(format!(
            "column {column} of a row does not hold what it should"
        )),
        Sql::SqliteFailure(failure, message) => {
            let text = message.clone().unwrap_or_else(|| failure.to_string());
            match failure.code {
                ErrorCode::DatabaseCorrupt => Error::Corrupt(text),
                ErrorCode::NotADatabase => {
                    Error::Corrupt("the file is not an SQLite database".into())
                }
                ErrorCode::DiskFull => Error::Unavailable(
                    "no space is left for the store's file; free some and try again".into(),
                ),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    Error::Unavailable("another program holds the store's file; try again".into())
                }
                ErrorCode::SystemIoFailure => Error::Unavailable(format!(
                    "reading or writing the store's file failed: {text}"
                )),
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                    Error::Unavailable(format!(
                        "the store's file can't be opened for writing: {text}"
                    ))
                }
                _ => Error::Unavailable(text),
            }
        }
        other => Error::Unavailable(other.to_string()),
    }
}

/// An error of the file system on `path`, with what was being done.
pub(super) fn io(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("can't {what} {}: {error}", path.display()))
}
