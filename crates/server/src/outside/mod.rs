//! What the domain asks of the outside, by this machine's means: one file per port.

mod blobs;
mod clock;
mod ids;
mod passwords;

pub use blobs::ObjectBlobs;
pub use clock::SystemClock;
pub use ids::SystemIds;
pub use passwords::Argon2Passwords;
