//! How commands on this machine go through a running server: a key in a file beside the store.
//!
//! `<store>.operator` holds the key and where the server answers on this machine. It is for the
//! server's own user only, made new at each start, and gone after an orderly end. After a killed
//! server it stays, and opens nothing.

use gna_domain::error::{Error, Result};
use gna_domain::port::Ids;
use gna_domain::secret::Secret;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Note {
    address: String,
    key: String,
}

/// A server on this machine and the key to it.
#[derive(Clone, Debug)]
pub struct Door {
    pub address: String,
    pub key: Secret,
}

/// The file, removed when this is dropped.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// `<store>.operator`.
#[must_use]
pub fn key_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".operator");
    PathBuf::from(name)
}

/// Where a server that listens there is reached from its own machine.
fn from_here(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Makes a new key for the server of `store` and writes it down.
///
/// # Errors
/// `operator.unwritable`.
pub fn write(store: &Path, listen: SocketAddr, ids: &dyn Ids) -> Result<(Secret, KeyFile)> {
    let path = key_path(store);
    let key: String = ids
        .random()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let note = Note {
        address: format!("http://{}", from_here(listen)),
        key: key.clone(),
    };
    replace(&path, &note).map_err(|error| {
        Error::unavailable(
            "operator.unwritable",
            format!("{} can't be written: {error}", path.display()),
        )
    })?;
    Ok((Secret::new(key), KeyFile { path }))
}

/// Nobody else ever reads it, not even for a moment, and nobody reads half of it.
fn replace(path: &Path, note: &Note) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&mut file, note)?;
    file.flush()?;
    file.persist(path)?;
    Ok(())
}

/// The way into the server of `store`.
///
/// # Errors
/// `operator.unreadable`, with whom to be.
pub fn read(store: &Path) -> Result<Door> {
    let path = key_path(store);
    let unreadable = |why: String| {
        Error::invalid(
            "operator.unreadable",
            format!(
                "a server has the store, and the key to go through it, {}, can't be read ({why}); be the user that runs the server, or use its API or pages",
                path.display()
            ),
        )
    };
    let text = std::fs::read_to_string(&path).map_err(|error| unreadable(error.to_string()))?;
    let note: Note =
        serde_json::from_str(&text).map_err(|_| unreadable("it is damaged".to_owned()))?;
    Ok(Door {
        address: note.address,
        key: Secret::new(note.key),
    })
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the operator's key stays; it opens nothing any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::SystemIds;

    #[test]
    fn the_key_is_new_each_time_for_its_owner_only_and_gone_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("gna.db");
        let refused = read(&store).expect_err("no server");
        assert_eq!(refused.code(), "operator.unreadable");

        let listen = "0.0.0.0:8420".parse().expect("an address");
        let (first, _killed) = write(&store, listen, &SystemIds).expect("is written");
        let (second, file) = write(&store, listen, &SystemIds).expect("is written over");
        assert_ne!(first.expose(), second.expose());
        let door = read(&store).expect("is there");
        assert_eq!(door.address, "http://127.0.0.1:8420");
        assert_eq!(door.key.expose(), second.expose());
        assert_eq!(door.key.expose().len(), 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(key_path(&store)).expect("is there");
            assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        }
        drop(file);
        assert!(!key_path(&store).exists());
    }

    #[test]
    fn a_server_on_all_addresses_is_reached_on_this_machines_own() {
        for (listen, here) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("[::1]:1", "[::1]:1"),
            ("192.0.2.7:1", "192.0.2.7:1"),
        ] {
            let listen: SocketAddr = listen.parse().expect("an address");
            assert_eq!(from_here(listen).to_string(), here);
        }
    }
}
