//! Services on a store, told as stories.

mod access;
mod import;
mod schedules;
mod triage;
