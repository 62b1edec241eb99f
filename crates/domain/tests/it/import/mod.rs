//! What imports make of reports.

mod desk;
mod helpers;
mod identity;
mod lifecycle;
mod properties;
mod resume;
