//! Services on a store, told as stories.

mod access;
mod import;
mod integrations;
mod schedules;
mod triage;
mod webhooks;
