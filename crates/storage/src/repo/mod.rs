//! The store port, written once over the kernel.

mod attributes;
mod store;

pub use attributes::{SEPARATOR, sortable};
pub use store::KernelStore;
