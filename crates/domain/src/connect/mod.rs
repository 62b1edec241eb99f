//! The integration framework's data and pure parts: what a module is, what is sent and read.
//!
//! Nothing here calls anybody. Read next: `module/` (definition of one external app), `template.rs`
//! (how values come into requests), `oauth2/` (messages), `verify.rs` (checks of incoming webhooks),
//! `inbox.rs` (whom they are for).

pub mod answer;
pub mod credential;
pub mod entity;
pub mod filter;
pub mod inbox;
pub mod integration;
pub mod mapping;
pub mod module;
pub mod oauth2;
pub mod process;
pub mod recipe;
pub mod request;
pub mod session;
pub mod template;
pub mod values;
pub mod verify;

pub use answer::{Answer, Class, Failed};
pub use credential::{Credential, Intent, Owner};
pub use entity::ConnectedEntity;
pub use integration::Integration;
pub use mapping::Mapping;
pub use module::{Module, ModuleName};
pub use process::Process;
pub use request::{Body, Request};
pub use session::AuthorizationSession;
pub use template::{Take, Template, Tree};
pub use values::Values;
