//! Blobs in a folder of this machine, or in memory for trials; by the `object_store` crate, so
//! that an object store in a cloud is one more arm in [`ObjectBlobs::open`].

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use gna_domain::error::{Error, Result};
use gna_domain::port::Blobs;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 512;

pub struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
}

impl ObjectBlobs {
    /// Opens `file:FOLDER` (made when it is not there) or `memory:`.
    ///
    /// # Errors
    /// `blob.url` for another address, `blob.unavailable` for a folder that can't be used.
    pub fn open(url: &str) -> Result<Self> {
        let objects: Arc<dyn ObjectStore> = match url.split_once(':') {
            Some(("memory", "")) => Arc::new(InMemory::new()),
            Some(("file", path)) if !path.is_empty() => {
                let folder = std::path::Path::new(path.strip_prefix("//").unwrap_or(path));
                let unusable = |error: &dyn std::fmt::Display| {
                    Error::unavailable(
                        "blob.unavailable",
                        format!(
                            "the folder {} can't be used for reports ({error}); make it writable or set blobs.url",
                            folder.display()
                        ),
                    )
                };
                private_folder(folder).map_err(|error| unusable(&error))?;
                // Whoever is told that a report is stored relies on it after a power cut.
                let files = LocalFileSystem::new_with_prefix(folder)
                    .map_err(|error| unusable(&error))?
                    .with_fsync(true)
                    .with_automatic_cleanup(true);
                Arc::new(files)
            }
            _ => {
                return Err(Error::invalid(
                    "blob.url",
                    "blobs.url must be file:FOLDER (memory: keeps nothing and is for trials)",
                ));
            }
        };
        Ok(Self { objects })
    }
}

/// Raw reports hold secrets at times: the folder is for its owner only.
fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A name as a path inside the store: parts of `a-z A-Z 0-9 . _ -` between slashes, none of them
/// empty or beginning with a dot.
fn path(name: &str) -> Result<Path> {
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    if name.len() > LONGEST_NAME || !name.split('/').all(good) {
        return Err(Error::internal(
            "blob.name",
            "a blob was given a name that is not one of ours",
        ));
    }
    Path::parse(name).map_err(|_| Error::internal("blob.name", "a blob's name can't be a path"))
}

fn outward(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::not_found(
            "blob.not_found",
            "the raw report is gone; it may have been removed by the policy",
        ),
        other => {
            tracing::warn!(error = %other, "the blob store failed");
            Error::unavailable(
                "blob.unavailable",
                "the blob store can't answer now; see the server's log",
            )
        }
    }
}

#[async_trait]
impl Blobs for ObjectBlobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let put = self.objects.put(&path(name)?, bytes.into()).await;
        put.map(|_| ()).map_err(|error| outward(&error))
    }

    async fn get(&self, name: &str) -> Result<Bytes> {
        let found = self.objects.get(&path(name)?).await;
        let found = found.map_err(|error| outward(&error))?;
        found.bytes().await.map_err(|error| outward(&error))
    }

    async fn stream(&self, name: &str) -> Result<BoxStream<'static, Result<Bytes>>> {
        let found = self.objects.get(&path(name)?).await;
        let found = found.map_err(|error| outward(&error))?;
        let bytes = found.into_stream();
        Ok(bytes
            .map(|part| part.map_err(|error| outward(&error)))
            .boxed())
    }

    /// Removing what is not there is no error: the wish is met.
    async fn delete(&self, name: &str) -> Result<()> {
        match self.objects.delete(&path(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(outward(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    #[tokio::test]
    async fn what_is_put_is_there_until_it_is_deleted() {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("file:{}", folder.path().join("new").display());
        for url in [url.as_str(), "memory:"] {
            let blobs = ObjectBlobs::open(url).expect("opens");
            let name = "reports/rep_1/raw.json.gz";
            blobs.put(name, "one".into()).await.expect("stored");
            blobs.put(name, "two".into()).await.expect("replaced");
            assert_eq!(blobs.get(name).await.expect("there"), "two", "{url}");
            let parts: Vec<Bytes> = blobs
                .stream(name)
                .await
                .expect("there")
                .try_collect()
                .await
                .expect("reads");
            assert_eq!(parts.concat(), b"two", "{url}");
            blobs.delete(name).await.expect("deleted");
            blobs.delete(name).await.expect("gone is gone");
            let gone = blobs.get(name).await.expect_err("gone");
            assert_eq!(gone.code(), "blob.not_found", "{url}");
        }
    }

    #[tokio::test]
    async fn names_cannot_leave_the_folder() {
        let blobs = ObjectBlobs::open("memory:").expect("opens");
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            ".hidden",
            "a b",
            "a\0",
            "a\\b",
            &"x/".repeat(300),
        ] {
            let refused = blobs.put(name, Bytes::new()).await.expect_err(name);
            assert_eq!(refused.code(), "blob.name", "{name:?}");
        }
    }

    #[test]
    fn other_addresses_are_refused_with_what_to_do() {
        for url in ["", "file:", "s3://bucket", "memory:x"] {
            let refused = ObjectBlobs::open(url).err().expect("refused");
            assert!(refused.message().contains("file:FOLDER"), "{url}");
        }
    }
}
