//! Copies of a store file: taken while it is in use, checked, and put back.

use super::SqliteDb;
use super::SqliteOptions;
use super::check::pages;
use super::connection::open_reader;
use super::error::io;
use super::lock::{StoreLock, private};
use super::schema::{APPLICATION_ID, version};
use super::tables::STEPS;
use crate::kernel::{Copied, Error};
use rusqlite::Connection;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

impl SqliteDb {
    /// Writes a consistent copy of the whole file (items, feed and search) to `to`, while readers
    /// and the writer go on. The copy is compacted, checked and synced; `to` appears only then.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when `to` exists or can't be written; [`Error::Corrupt`] when the
    /// copy does not pass the check.
    pub async fn backup(&self, to: PathBuf) -> Result<(), Error> {
        let from = self.path().to_owned();
        let work = move || copy(&from, &to);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Error::Unavailable("the copy failed unexpectedly".into()))?
    }

    /// As [`Self::backup`], into the folder `backups` beside the store, which only its owner reads.
    ///
    /// # Errors
    /// As [`Self::backup`], and when the folder can't be made.
    pub(super) async fn backup_beside(&self, name: &str) -> Result<Copied, Error> {
        let folder = std::path::absolute(self.path())
            .map_err(|error| io("find", self.path(), &error))?
            .with_file_name("backups");
        make_private(&folder).map_err(|error| io("make", &folder, &error))?;
        let path = folder.join(name);
        self.backup(path.clone()).await?;
        let bytes = std::fs::metadata(&path)
            .map_err(|error| io("read", &path, &error))?
            .len();
        Ok(Copied { path, bytes })
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    refuse_existing(to)?;
    let partial = partial(to);
    remove_if_there(&partial)?;
    let conn = open_reader(from, &SqliteOptions::default())?;
    // SQLite fills an empty file that is there, and so keeps whom it belongs to.
    private(OpenOptions::new().write(true).create_new(true))
        .open(&partial)
        .map_err(|error| io("make", &partial, &error))?;
    let name = partial.to_string_lossy().into_owned();
    conn.execute("VACUUM INTO ?1", [name])?;
    finish(&partial, to)
}

/// Puts the copy `from` in place as the store `to`, which must not exist. The copy stays.
///
/// # Errors
/// [`Error::Unavailable`] when `to` exists or is in use, or when `from` is no store or one of a
/// newer program; [`Error::Corrupt`] when it does not pass the check.
pub fn restore(from: &Path, to: &Path) -> Result<(), Error> {
    verify(from)?;
    let _lock = StoreLock::take(to)?;
    refuse_existing(to)?;
    // A log left of another store would be replayed into this one.
    for end in ["-wal", "-shm"] {
        refuse_existing(&beside(to, end))?;
    }
    let partial = partial(to);
    std::fs::copy(from, &partial).map_err(|error| io("copy the backup to", &partial, &error))?;
    finish(&partial, to)
}

/// Whether the file is a store of ours, whole, and not from a newer program.
///
/// # Errors
/// Says what is wrong with it, as [`restore`] does.
pub fn verify(path: &Path) -> Result<(), Error> {
    File::open(path).map_err(|error| io("open", path, &error))?;
    let conn = open_reader(path, &SqliteOptions::default())?;
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != APPLICATION_ID {
        return Err(Error::Unavailable(format!(
            "{} is not a store of this program",
            path.display()
        )));
    }
    whole(&conn)?;
    if version(&conn, "items")? > STEPS.len() {
        return Err(Error::Unavailable(format!(
            "{} was written by a newer version of this program; restore it with that version",
            path.display()
        )));
    }
    Ok(())
}

fn whole(conn: &Connection) -> Result<(), Error> {
    match pages(conn)?.into_iter().next() {
        None => Ok(()),
        Some(damage) => Err(Error::Corrupt(damage.problem)),
    }
}

/// Checks and syncs a file, then gives it its name.
fn finish(partial: &Path, to: &Path) -> Result<(), Error> {
    verify(partial)?;
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(partial).map_err(|error| io("sync", partial, &error))?;
    std::fs::rename(partial, to).map_err(|error| io("rename the copy to", to, &error))?;
    let folder = to
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Not every system can sync a folder; the copy itself is on disk either way.
    if let Err(error) = sync(folder) {
        tracing::debug!(%error, "can't sync the folder of the copy");
    }
    Ok(())
}

fn refuse_existing(path: &Path) -> Result<(), Error> {
    if path.exists() {
        return Err(Error::Unavailable(format!(
            "{} exists; move it away first",
            path.display()
        )));
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io("remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn partial(path: &Path) -> PathBuf {
    beside(path, ".partial")
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::sqlite::SqliteBackend;
    use crate::kernel::{Backend, Batch, Expect, Item, ItemKey, Op};
    use gna_domain::time::Timestamp;
    use std::sync::Arc;

    fn note(n: usize) -> Item {
        let key = ItemKey {
            collection: "note",
            partition: "p".into(),
            sort: n.to_string(),
        };
        Item {
            key,
            version: 1,
            body: "{}".into(),
            entries: vec![],
            expires: None,
        }
    }

    async fn open(path: &Path) -> SqliteBackend {
        let db = SqliteDb::open(path, &SqliteOptions::default()).unwrap();
        SqliteBackend::open(db, Arc::new(Timestamp::default))
            .await
            .unwrap()
    }

    async fn put(store: &SqliteBackend, n: usize) {
        let ops = vec![Op::Put {
            item: note(n),
            expect: Expect::Absent,
        }];
        store.commit(Batch { ops }).await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_holds_what_was_committed_when_it_began_and_can_be_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let store = open(&at("gna.db")).await;
        put(&store, 1).await;
        store.db().backup(at("copy.db")).await.unwrap();
        put(&store, 2).await;

        assert!(
            store.db().backup(at("copy.db")).await.is_err(),
            "never over an older copy"
        );
        assert!(
            restore(&at("copy.db"), &at("gna.db")).is_err(),
            "never over a store that is in use"
        );

        restore(&at("copy.db"), &at("back.db")).unwrap();
        let back = open(&at("back.db")).await;
        let found = back.get_many(&[note(1).key, note(2).key]).await.unwrap();
        assert_eq!(found, [Some(note(1)), None]);
        drop(back);
        assert!(
            restore(&at("copy.db"), &at("back.db")).is_err(),
            "never over a store"
        );
    }

    #[tokio::test]
    async fn a_damaged_copy_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let store = open(&at("gna.db")).await;
        for n in 0..200 {
            put(&store, n).await;
        }
        store.db().backup(at("copy.db")).await.unwrap();
        let mut bytes = std::fs::read(at("copy.db")).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4_096].fill(0x5A);
        std::fs::write(at("copy.db"), bytes).unwrap();
        let refusal = restore(&at("copy.db"), &at("back.db")).unwrap_err();
        assert!(matches!(refusal, Error::Corrupt(_)), "{refusal}");
        assert!(!at("back.db").exists());

        std::fs::write(at("text"), "no store").unwrap();
        assert!(restore(&at("text"), &at("back.db")).is_err());
        assert!(restore(&at("missing"), &at("back.db")).is_err());
    }
}
