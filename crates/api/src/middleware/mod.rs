//! What goes around every handler, outermost first: [`envelope`] (request id, span, numbers,
//! security headers, every error as a problem), then [`recency`], then [`rate`], then [`idempotency`].

mod envelope;
mod idempotency;
mod pages;
mod rate;
mod recency;

pub use envelope::{around as envelope, no_such_route};
pub use idempotency::around as idempotency;
pub use pages::around as pages;
pub use rate::{RateLimits, around as rate};
pub use recency::around as recency;
