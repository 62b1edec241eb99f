//! The store port, written once over the kernel.

mod attributes;
mod jobs;
mod store;

pub use attributes::{SEPARATOR, sortable};
pub use jobs::StoreJobs;
pub use store::KernelStore;
