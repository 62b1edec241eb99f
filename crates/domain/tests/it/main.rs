//! Services on a store, told as stories.

mod access;
mod environments;
mod failing;
mod gate;
mod gate_events;
mod import;
mod integrations;
mod interrupted;
mod late;
mod metrics;
mod notices;
mod policy_trial;
mod priority;
mod reindexed;
mod schedules;
mod triage;
mod triage_rules;
mod watch;
mod weakness_acceptances;
mod webhooks;
