//! Reading reports: what the import needs of the parsers.

use bytes::Bytes;

use crate::import::{FormatInfo, Refusal, ReportMeta, Sink};

/// Knows the formats. Calls use the processor and may take seconds: run them where blocking is allowed.
pub trait Parsing: Send + Sync + 'static {
    /// Decompresses and decodes what was uploaded and finds its format out, or checks that the
    /// named one exists.
    ///
    /// # Errors
    /// A refusal of the whole report.
    fn open(
        &self,
        file_name: &str,
        raw: Bytes,
        format: Option<&str>,
    ) -> Result<Box<dyn OpenReport>, Refusal>;

    /// All formats, by name.
    fn formats(&self) -> Vec<FormatInfo>;
}

/// A report that is ready to be read, any number of times, with the same result each time.
pub trait OpenReport: Send + Sync {
    fn format(&self) -> &FormatInfo;

    /// # Errors
    /// A refusal of the whole report, at whatever point it shows.
    fn parse(&self, sink: &mut dyn Sink) -> Result<ReportMeta, Refusal>;
}
