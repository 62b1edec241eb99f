//! Pure decisions: from the current value and a command to the next value and its events.

pub mod access;
pub mod address;
pub mod backoff;
pub mod config;
pub mod credential;
pub mod cron;
pub mod decide;
pub mod desk;
pub mod document;
pub mod false_positive;
pub mod identity;
pub mod integration;
pub mod lifecycle;
pub mod matching;
pub mod policy;
pub mod process;
pub mod redact;
pub mod refresh;
pub mod retry;
pub mod schedule;
pub mod sighting;
pub mod sla;
pub mod throttle;
pub mod treatment;
pub mod verification;
pub mod weakness;
