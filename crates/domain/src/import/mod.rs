//! From a report to vulnerabilities: what a parser delivers, the plan made of it, and how the
//! plan is applied.

mod parsed;

pub use parsed::{
    Category, FormatInfo, ParsedFinding, Position, Refusal, ReportMeta, Reported, SeverityBasis,
    Sink, Warning, Weakness,
};
