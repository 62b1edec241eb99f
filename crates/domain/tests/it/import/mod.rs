//! What imports make of reports.

mod helpers;
mod identity;
mod lifecycle;
mod properties;
mod resume;
