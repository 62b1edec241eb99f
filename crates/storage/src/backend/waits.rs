//! How long to wait before what met somebody else is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A number that nobody else has, for the token of a request and the length of a wait.
pub(super) fn random() -> u64 {
    // Each of these hashers has a key of its own.
    RandomState::new().build_hasher().finish()
}

/// Up to 5 ms after the first failure, up to twice as long after each further one, up to 320 ms.
pub(super) fn backoff(failures: u32) -> Duration {
    let most = 5_000_u64 << failures.min(6);
    Duration::from_micros(random() % most)
}
