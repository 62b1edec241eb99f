//! The time of this machine: the one place that asks for it.

use gna_domain::port::Clock;
use gna_domain::time::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock before 1970 counts as 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_later_than_this_test_was_written() {
        let written = Timestamp::parse("2025-01-01").expect("a date");
        assert!(SystemClock.now() > written);
    }
}
