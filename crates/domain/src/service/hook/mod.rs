//! Webhooks in. Read in this order: `receiver.rs` (addresses of ours, made by people; `provided.rs`, by integrations), `receive.rs`
//! (the two stages), `inbox.rs` (whom one is for, and who does what follows), `log.rs` (what came).

mod inbox;
pub mod log;
pub mod provided;
mod receive;
pub mod receiver;

pub use inbox::Inbox;
pub use receive::{HOOK_BYTES, HookHandler, Incoming, KIND, Receipt, receive};
