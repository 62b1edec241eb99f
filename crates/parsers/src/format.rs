//! The contract of a format.

use gna_domain::import::{FormatInfo, Refusal, ReportMeta, Sink};

use crate::input::Input;

/// How sure a format is that a report is its own, judged by the first bytes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    No,
    /// The shape fits, but other formats look the same (a bare JSON array, a CSV with `title`).
    Weak,
    /// Fields or elements that only this family writes.
    Likely,
    /// A mark made for telling: a namespace, `$schema`, `bomFormat`.
    Certain,
}

/// Choices of the caller that change how a report is read.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The child process that runs the programs of formats as data.
    pub jq: crate::data::Runner,
}

/// One report format. Implementations hold no state.
pub trait Format: Send + Sync {
    fn info(&self) -> &FormatInfo;

    /// Judges by name and first bytes ([`Input::head`]) only; must be cheap and never fail.
    fn detect(&self, input: &Input<'_>) -> Confidence;

    /// Reads the report to its end, handing over each finding as it is met.
    ///
    /// # Errors
    /// A refusal of the WHOLE report: not this format, truncated, wrong encoding, too deep, or
    /// whatever the sink handed back. A single bad item is a [`Sink::warning`] instead.
    fn parse(
        &self,
        input: &Input<'_>,
        options: &Options,
        sink: &mut dyn Sink,
    ) -> Result<ReportMeta, Refusal>;
}
