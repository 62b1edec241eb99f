//! Pure decisions: from the current value and a command to the next value and its events.

pub mod backoff;
pub mod identity;
pub mod lifecycle;
pub mod matching;
