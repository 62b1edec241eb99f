//! What imports make of reports.

mod desk;
pub mod helpers;
pub mod identity;
mod lifecycle;
mod properties;
mod refused;
mod resume;
mod two_steps;
