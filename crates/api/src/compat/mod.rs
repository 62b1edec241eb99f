//! Surfaces of other products, for their clients.

pub mod frigg;
