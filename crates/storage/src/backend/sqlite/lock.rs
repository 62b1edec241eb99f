//! Who owns a store file: a lock beside it, with the owner's process number and address.
//!
//! The lock belongs to an open file, so a killed process leaves it free; the content only tells
//! people and the command line whom to talk to.

use super::error::io;
use crate::kernel::Error;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The process that has a store open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub pid: u32,
    /// Where its API answers, `http://127.0.0.1:8080`; none while it only works on the file.
    pub address: Option<String>,
}

/// The lock, free again when this is dropped.
#[derive(Debug)]
pub struct StoreLock {
    path: PathBuf,
    file: Mutex<File>,
}

/// `<store>.lock`.
#[must_use]
pub fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// The process that has `store` open now, if one has. `pid` is 0 when it can't be told.
///
/// # Errors
/// [`Error::Unavailable`] when the lock file is there but can't be opened.
pub fn owner(store: &Path) -> Result<Option<Owner>, Error> {
    let path = lock_path(store);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("open", &path, &error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_owner(&mut file))),
        Err(TryLockError::Error(error)) => Err(io("lock", &path, &error)),
    }
}

impl StoreLock {
    /// Takes the lock of `store` for this process.
    ///
    /// # Errors
    /// [`Error::Unavailable`], naming the owner when there is one.
    pub fn take(store: &Path) -> Result<Self, Error> {
        let path = lock_path(store);
        let mut file = private(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false),
        )
        .open(&path)
        .map_err(|error| io("open", &path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(store, &read_owner(&mut file))),
            Err(TryLockError::Error(error)) => return Err(io("lock", &path, &error)),
        }
        let lock = Self {
            path,
            file: Mutex::new(file),
        };
        lock.announce(None)?;
        Ok(lock)
    }

    /// Writes down where this process can be reached.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the lock file can't be written.
    pub fn announce(&self, address: Option<&str>) -> Result<(), Error> {
        let owner = Owner {
            pid: std::process::id(),
            address: address.map(ToOwned::to_owned),
        };
        let text = serde_json::to_string(&owner).unwrap_or_default();
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        replace(&mut file, &text).map_err(|error| io("write", &self.path, &error))
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // The file stays: removing it would let two processes each lock a file of that name.
        let mut file = self
            .file
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // Unlocked by name, not by closing: a child process that is just being started has a copy
        // of the open file for a moment.
        if let Err(error) = replace(&mut file, "").and_then(|()| file.unlock()) {
            tracing::warn!(%error, path = %self.path.display(), "the lock of the store stays until this process ends");
        }
    }
}

fn replace(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

fn read_owner(file: &mut File) -> Owner {
    let mut text = String::new();
    let read = file.take(4_096).read_to_string(&mut text);
    read.ok()
        .and_then(|_| serde_json::from_str(&text).ok())
        .unwrap_or(Owner {
            pid: 0,
            address: None,
        })
}

fn taken(store: &Path, owner: &Owner) -> Error {
    let store = store.display();
    Error::Unavailable(match owner {
        Owner { pid: 0, .. } => format!("{store} is in use by another process; stop it first"),
        Owner { pid, address: None } => {
            format!("{store} is in use by process {pid}; wait until it ends or stop it")
        }
        Owner {
            pid,
            address: Some(address),
        } => {
            format!(
                "{store} is in use by process {pid}, which answers at {address}; go through it or stop it"
            )
        }
    })
}

/// Files of the store are for their owner only: they hold what is wrong with other systems.
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_told_who_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("gna.db");
        assert_eq!(owner(&store).unwrap(), None, "nobody, and no file yet");

        let lock = StoreLock::take(&store).unwrap();
        let pid = std::process::id();
        assert_eq!(owner(&store).unwrap(), Some(Owner { pid, address: None }));

        lock.announce(Some("http://127.0.0.1:8080")).unwrap();
        let refusal = StoreLock::take(&store).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {pid}")), "{refusal}");
        assert!(refusal.contains("http://127.0.0.1:8080"), "{refusal}");

        drop(lock);
        assert_eq!(owner(&store).unwrap(), None);
        StoreLock::take(&store).unwrap();
    }
}
