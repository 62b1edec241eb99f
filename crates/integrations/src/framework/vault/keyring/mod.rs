//! Where the keys that wrap data keys live: a file, or the environment.

mod file;
mod held;

pub use file::FileKeyring;
pub use held::HeldKeyring;
