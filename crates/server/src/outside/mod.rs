//! What the domain asks of the outside, by this machine's means: one file per port.

mod blobs;

pub use blobs::ObjectBlobs;
