//! Webhooks out: endpoints, what follows the feed for them, and the deliveries. Read in this order:
//! `endpoint.rs` (made and changed by people), `follow.rs` (from the feed to deliveries), `deliver.rs`
//! (the job), `delivery.rs` (the log and replays). What is in a message is `service/message/`.

pub mod deliver;
pub mod delivery;
pub mod endpoint;
pub mod follow;

pub use deliver::DeliverHandler;
