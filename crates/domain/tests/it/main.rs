//! Services on a store, told as stories.

mod access;
mod gate;
mod import;
mod integrations;
mod notices;
mod priority;
mod schedules;
mod triage;
mod webhooks;
