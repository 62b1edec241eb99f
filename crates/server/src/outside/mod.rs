//! What the domain asks of the outside, by this machine's means: one file per port.

mod blobs;
mod clock;
mod handover;
mod ids;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "mail")]
mod mail_egress;
#[cfg(feature = "mail")]
mod mail_texts;
mod passwords;

pub use blobs::ObjectBlobs;
pub use clock::{SystemClock, agree, watch_clock};
pub use ids::SystemIds;
#[cfg(feature = "mail")]
pub use mail::SmtpMailer;
#[cfg(feature = "mail")]
pub use mail_egress::MailEgress;
#[cfg(feature = "mail")]
pub use mail_texts::Templates;
pub use passwords::Argon2Passwords;
