//! Keys in a file of this machine: one per line in base64, the current one last.
//!
//! Made on first use, for its owner only; refused when others can read it. The file and the store
//! must be backed up apart from each other: together they open everything, and without the file
//! nothing opens.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gna_domain::error::{Error, Result};
use gna_domain::port::Ids;
use gna_domain::port::vault::{KeyBytes, Keyring, Wrapped};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;
use zeroize::Zeroizing;

use super::held::{self, HeldKeyring};

/// More than thousands of keys.
const LARGEST: u64 = 1_048_576;

pub struct FileKeyring {
    path: PathBuf,
    ids: Arc<dyn Ids>,
    /// `None` until the file is first needed: a Gna that keeps no secrets makes none.
    held: RwLock<Option<(Stamp, Arc<HeldKeyring>)>>,
}

/// What tells one state of the file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    written: Option<SystemTime>,
    bytes: u64,
    /// Number of the file in its file system; a rotation puts another one in its place.
    node: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let node = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let node = 0;
        Self {
            written: metadata.modified().ok(),
            bytes: metadata.len(),
            node,
        }
    }
}

impl FileKeyring {
    /// Nothing is read or made yet.
    #[must_use]
    pub fn new(path: PathBuf, ids: Arc<dyn Ids>) -> Self {
        Self {
            path,
            ids,
            held: RwLock::new(None),
        }
    }

    fn known(&self) -> Option<(Stamp, Arc<HeldKeyring>)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// The keys as they are in the file now: another process may have added one, and what is wrapped
    /// with the one before it after a rotation has passed would not be wrapped anew.
    fn held(&self) -> Result<Arc<HeldKeyring>> {
        let Some((stamp, held)) = self.known() else {
            return self.load();
        };
        // Where the file is gone, a new key would open nothing of what there is.
        let now = std::fs::metadata(&self.path).map_err(|error| unusable(&self.path, &error))?;
        if Stamp::of(&now) == stamp {
            Ok(held)
        } else {
            self.load()
        }
    }

    /// Reads the file, making it where there is none.
    fn load(&self) -> Result<Arc<HeldKeyring>> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let (stamp, keys) = match read(&self.path)? {
            Some(found) => found,
            None => {
                self.make().map_err(|error| unusable(&self.path, &error))?;
                read(&self.path)?.ok_or_else(|| empty(&self.path))?
            }
        };
        let fresh = Arc::new(self.of(keys)?);
        *held = Some((stamp, Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// The first file gets its name when it is whole, so that a crash leaves none without a key, and
    /// only where no other process was first.
    fn make(&self) -> std::io::Result<()> {
        let name = self.ids.uuid().simple();
        let beside = self.path.with_extension(format!("{name}.new"));
        let named = create(&beside, &[KeyBytes::new(self.ids.random())])
            .and_then(|()| std::fs::hard_link(&beside, &self.path));
        let removed = std::fs::remove_file(&beside);
        match named {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => removed.and_then(|()| sync_folder(&self.path)),
        }
    }

    fn of(&self, mut keys: Vec<KeyBytes>) -> Result<HeldKeyring> {
        keys.reverse();
        HeldKeyring::from_keys(&keys, Arc::clone(&self.ids))
    }

    /// The new file is whole before it takes the old one's place.
    fn add(&self) -> Result<String> {
        self.load()?;
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let (_, mut keys) = read(&self.path)?.ok_or_else(|| empty(&self.path))?;
        keys.push(KeyBytes::new(self.ids.random()));
        let beside = self.path.with_extension("new");
        // Left behind by a rotation that was killed before it counted.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(unusable(&beside, &error));
            }
            _ => {}
        }
        create(&beside, &keys)
            .and_then(|()| std::fs::rename(&beside, &self.path))
            .and_then(|()| sync_folder(&self.path))
            .map_err(|error| unusable(&self.path, &error))?;
        let id = self.of(keys)?.first()?.0.clone();
        // Read again when it is next needed.
        *held = None;
        Ok(id)
    }
}

#[async_trait]
impl Keyring for FileKeyring {
    fn kind(&self) -> &'static str {
        "file"
    }

    async fn current(&self) -> Result<String> {
        Ok(self.held()?.first()?.0.clone())
    }

    async fn has(&self, key_id: &str) -> Result<bool> {
        Ok(self.held()?.knows(key_id))
    }

    async fn wrap(&self, context: &str, key: &KeyBytes) -> Result<Wrapped> {
        self.held()?.wrap_now(context, key)
    }

    async fn unwrap(&self, context: &str, wrapped: &Wrapped) -> Result<KeyBytes> {
        // Keys are never taken away: what is held opens what it ever opened.
        let held = match self.known() {
            Some((_, held)) if held.knows(&wrapped.key_id) => held,
            _ => self.held()?,
        };
        held.unwrap_now(context, wrapped)
    }

    async fn rotate(&self) -> Result<String> {
        self.add()
    }
}

/// The keys in the file, oldest first, and its state; `None` where there is no file.
fn read(path: &Path) -> Result<Option<(Stamp, Vec<KeyBytes>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
    };
    let metadata = file.metadata().map_err(|error| unusable(path, &error))?;
    check_private(path, &metadata)?;
    let mut text = Zeroizing::new(String::new());
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| unusable(path, &error))?;
    let lines = text.lines().enumerate();
    let keys = lines
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(at, line)| {
            held::key(line).ok_or_else(|| {
                Error::invalid(
                    "keyring.invalid",
                    format!("{} line {}: not 32 bytes in base64", path.display(), at + 1),
                )
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if keys.is_empty() {
        return Err(empty(path));
    }
    Ok(Some((Stamp::of(&metadata), keys)))
}

#[cfg(unix)]
fn check_private(path: &Path, metadata: &Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Error::invalid(
        "keyring.insecure",
        format!(
            "others on this machine can read or change {} (mode {:o}); run `chmod 600` on it, and `gna keys rotate` if they may have",
            path.display(),
            mode & 0o777
        ),
    ))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
fn check_private(_path: &Path, _metadata: &Metadata) -> Result<()> {
    Ok(())
}

fn create(path: &Path, keys: &[KeyBytes]) -> std::io::Result<()> {
    let mut text = Zeroizing::new(String::from(
        "# Keys of Gna's vault, the current one last. Keep them secret, and back them up apart from the store.\n",
    ));
    for key in keys {
        text.push_str(&Zeroizing::new(STANDARD.encode(key.expose())));
        text.push('\n');
    }
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

/// The name in the folder must survive a crash as the content does.
#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

fn empty(path: &Path) -> Error {
    Error::invalid(
        "keyring.invalid",
        format!(
            "{} holds no key; restore it from your backup",
            path.display()
        ),
    )
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(
        "keyring.unavailable",
        format!("the key file {} can't be used: {error}", path.display()),
    )
}
