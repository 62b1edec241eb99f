//! Services on a store, told as stories.

mod access;
mod gate;
mod import;
mod integrations;
mod metrics;
mod policy_trial;
mod priority;
mod schedules;
mod triage;
mod triage_rules;
mod webhooks;
