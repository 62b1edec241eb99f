//! Blobs in a folder of this machine, in a bucket (S3, with the cargo feature `s3`), or in memory for
//! trials; by the `object_store` crate, so that another object store is one more arm in
//! [`ObjectBlobs::open`].

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use gna_domain::error::{Error, Result};
use gna_domain::port::Blobs;
#[cfg(feature = "s3")]
use gna_domain::secret::Secret;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::sync::Arc;
#[cfg(feature = "s3")]
use std::time::Duration;

use super::handover::Handover;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 512;

pub struct ObjectBlobs {
    objects: Arc<dyn ObjectStore>,
    /// Signs addresses of the same objects.
    #[cfg(feature = "s3")]
    signer: Option<Arc<dyn object_store::signer::Signer>>,
    handover: Handover,
}

impl ObjectBlobs {
    /// Opens `file:FOLDER` (made when it is not there), `s3://BUCKET/FOLDER` or `memory:`.
    ///
    /// # Errors
    /// `blob.url` for another address, or one that this build leaves out; `blob.unavailable` for a
    /// folder that can't be used.
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
            Some(("s3", rest)) if rest.len() > 2 && rest.starts_with("//") => return bucket(rest),
            _ => {
                return Err(Error::invalid(
                    "blob.url",
                    "blobs.url must be file:FOLDER or s3://BUCKET/FOLDER (memory: keeps nothing and is for trials)",
                ));
            }
        };
        Ok(Self {
            objects,
            #[cfg(feature = "s3")]
            signer: None,
            handover: Handover::default(),
        })
    }
}

/// A folder in a bucket. Region, endpoint and credentials come from the environment, as all programs
/// for AWS take them (`AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, the role of a container).
#[cfg(feature = "s3")]
fn bucket(rest: &str) -> Result<ObjectBlobs> {
    use object_store::aws::AmazonS3Builder;
    use object_store::prefix::PrefixStore;

    let place = rest.trim_start_matches('/');
    let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
    let wrong = |error: &dyn std::fmt::Display| {
        Error::invalid(
            "blob.url",
            format!("the bucket {bucket} can't be used: {error}"),
        )
    };
    let builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let objects = builder.build().map_err(|error| wrong(&error))?;
    let folder = Path::parse(folder.trim_end_matches('/')).map_err(|error| wrong(&error))?;
    let objects = Arc::new(PrefixStore::new(objects, folder));
    Ok(ObjectBlobs {
        signer: Some(objects.clone()),
        objects,
        handover: Handover::default(),
    })
}

#[cfg(not(feature = "s3"))]
fn bucket(_: &str) -> Result<ObjectBlobs> {
    Err(Error::invalid(
        "blob.url",
        "this build leaves out buckets (s3:); build it with the cargo feature `s3`, or use file:FOLDER",
    ))
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
        let put = self.objects.put(&path(name)?, bytes.clone().into()).await;
        put.map_err(|error| outward(&error))?;
        self.handover.keep(name, bytes);
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Bytes> {
        if let Some(bytes) = self.handover.take(name) {
            return Ok(bytes);
        }
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
        drop(self.handover.take(name));
        match self.objects.delete(&path(name)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(outward(&error)),
        }
    }

    async fn size(&self, name: &str) -> Result<u64> {
        let found = self.objects.head(&path(name)?).await;
        Ok(found.map_err(|error| outward(&error))?.size)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        drop(self.handover.take(to));
        let copied = self.objects.copy(&path(from)?, &path(to)?).await;
        copied.map_err(|error| outward(&error))
    }

    #[cfg(feature = "s3")]
    async fn signed_put(&self, name: &str, lasts: Duration) -> Result<Option<Secret>> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        let put = object_store::signer::Method::PUT;
        let signed = signer.signed_url(put, &path(name)?, lasts).await;
        let url = signed.map_err(|error| outward(&error))?;
        Ok(Some(Secret::new(String::from(url))))
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
            assert_eq!(blobs.size(name).await.expect("there"), 3, "{url}");
            let copy = "uploads/org_1/upl_1";
            blobs.copy(name, copy).await.expect("copied");
            blobs.put(name, "three".into()).await.expect("replaced");
            assert_eq!(blobs.get(copy).await.expect("its own"), "two", "{url}");
            blobs.delete(copy).await.expect("deleted");
            for missing in [
                blobs.size(copy).await.map(|_| ()),
                blobs.copy(copy, name).await,
            ] {
                let code = missing.expect_err("gone").code();
                assert_eq!(code, "blob.not_found", "{url}");
            }
            let lasts = std::time::Duration::from_secs(60);
            let signed = blobs.signed_put(name, lasts).await.expect("answers");
            assert!(signed.is_none(), "{url}: only a bucket has a way in");
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

    #[cfg(not(feature = "s3"))]
    #[test]
    fn a_bucket_that_is_left_out_names_its_feature() {
        let refused = ObjectBlobs::open("s3://bucket/folder").err();
        assert!(refused.expect("refused").message().contains("feature `s3`"));
    }

    /// A bucket on a server that speaks S3: `TEST_S3_URL`, with the variables that AWS' programs take.
    #[cfg(feature = "s3")]
    #[tokio::test]
    async fn a_bucket_keeps_what_is_put() {
        let Ok(url) = std::env::var("TEST_S3_URL") else {
            eprintln!("SKIPPED: TEST_S3_URL names no bucket");
            return;
        };
        let blobs = ObjectBlobs::open(&url).expect("opens");
        let name = "reports/rep_1/raw.json.gz";
        let large = Bytes::from(vec![7; 3 << 20]);
        blobs.put(name, "one".into()).await.expect("stored");
        blobs.put(name, large.clone()).await.expect("replaced");
        assert!(blobs.get(name).await.expect("there") == large);
        let parts: Vec<Bytes> = blobs
            .stream(name)
            .await
            .expect("there")
            .try_collect()
            .await
            .expect("reads");
        assert!(parts.concat() == large);
        assert_eq!(blobs.size(name).await.expect("there"), 3 << 20);
        let copy = "uploads/org_1/upl_1";
        blobs.copy(name, copy).await.expect("copied");
        assert!(blobs.get(copy).await.expect("there") == large);
        let signed = blobs.signed_put(copy, Duration::from_secs(60)).await;
        let signed = signed.expect("signs").expect("an address");
        let http = reqwest::Client::builder().no_proxy().build();
        let put = http.expect("a client").put(signed.expose()).body("sent");
        assert!(put.send().await.expect("is sent").status().is_success());
        assert_eq!(blobs.get(copy).await.expect("there"), "sent");
        blobs.delete(copy).await.expect("deleted");
        blobs.delete(name).await.expect("deleted");
        blobs.delete(name).await.expect("gone is gone");
        let gone = blobs.get(name).await.expect_err("gone");
        assert_eq!(gone.code(), "blob.not_found");
    }

    #[test]
    fn other_addresses_are_refused_with_what_to_do() {
        for url in ["", "file:", "s3://", "s3:bucket", "memory:x"] {
            let refused = ObjectBlobs::open(url).err().expect("refused");
            assert!(refused.message().contains("file:FOLDER"), "{url}");
        }
    }
}
