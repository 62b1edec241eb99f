//! From a report to vulnerabilities: what a parser delivers, the plan made of it, and how the
//! plan is applied.

mod parsed;
mod plan;

pub use parsed::{
    Category, FormatInfo, ParsedFinding, Position, Refusal, ReportMeta, Reported, SeverityBasis,
    Sink, Warning, Weakness,
};
pub use plan::{Plan, PlannedItem, PlannedStream, Seen, Step};
