//! The blob that was stored last, for whoever reads it at once: an upload's import begins the moment
//! that the upload is durable, and would read the same bytes into memory beside those just written.

use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For how long it is kept when nobody comes for it, as where another process imports.
const KEPT: Duration = Duration::from_secs(1);

/// One blob at most; the newest one takes the place of another.
#[derive(Default)]
pub struct Handover {
    last: Arc<Mutex<Option<(String, Bytes)>>>,
}

impl Handover {
    /// Keeps what was stored under this name for a moment. Must run on the runtime.
    pub fn keep(&self, name: &str, bytes: Bytes) {
        let (name, last) = (name.to_owned(), Arc::clone(&self.last));
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((name.clone(), bytes));
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            taken(&last, &name);
        });
    }

    /// What was stored under this name, once.
    #[must_use]
    pub fn take(&self, name: &str) -> Option<Bytes> {
        taken(&self.last, name)
    }
}

fn taken(last: &Mutex<Option<(String, Bytes)>>, name: &str) -> Option<Bytes> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    last.take_if(|(of, _)| of == name).map(|(_, bytes)| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_newest_is_handed_over_once_and_only_for_a_moment() {
        let handover = Handover::default();
        handover.keep("old", "1".into());
        handover.keep("new", "2".into());
        assert_eq!(handover.take("old"), None, "the newer one took its place");
        assert_eq!(handover.take("new"), Some("2".into()));
        assert_eq!(handover.take("new"), None, "once");

        handover.keep("left", "3".into());
        tokio::time::sleep(KEPT + Duration::from_millis(1)).await;
        assert_eq!(handover.take("left"), None, "nobody came for it");
    }
}
