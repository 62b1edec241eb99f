//! The domain's parsing port: opens an upload with a registry and reads it as often as asked.

use bytes::Bytes;
use gna_domain::import::{FormatInfo, Refusal, ReportMeta, Sink};
use gna_domain::port::{OpenReport, Parsing};
use std::sync::Arc;

use crate::decode::{Decoded, decode};
use crate::{Limits, Registry};

/// Reads reports with the formats of a registry, under limits.
pub struct Reader {
    registry: Arc<Registry>,
    limits: Limits,
}

impl Reader {
    #[must_use]
    pub fn new(registry: Arc<Registry>, limits: Limits) -> Self {
        Self { registry, limits }
    }

    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

struct Opened {
    registry: Arc<Registry>,
    limits: Limits,
    info: FormatInfo,
    decoded: Decoded,
}

impl Parsing for Reader {
    fn open(
        &self,
        file_name: &str,
        raw: Bytes,
        format: Option<&str>,
    ) -> Result<Box<dyn OpenReport>, Refusal> {
        // Takes the buffer over where nobody else holds it.
        let decoded = decode(file_name, Vec::from(raw), &self.limits)?;
        let input = decoded.input(self.limits);
        let info = match format {
            Some(name) => self
                .registry
                .by_name(name)
                .map(|format| format.info().clone()),
            None => Some(self.registry.detect(&input)?.info().clone()),
        };
        let info = info.ok_or_else(|| {
            Refusal::new(
                "report.unknown_format",
                "the format named at the upload is no longer there",
            )
        })?;
        Ok(Box::new(Opened {
            registry: self.registry.clone(),
            limits: self.limits,
            info,
            decoded,
        }))
    }

    fn formats(&self) -> Vec<FormatInfo> {
        self.registry
            .all()
            .iter()
            .map(|format| format.info().clone())
            .collect()
    }
}

impl OpenReport for Opened {
    fn format(&self) -> &FormatInfo {
        &self.info
    }

    fn parse(&self, sink: &mut dyn Sink) -> Result<ReportMeta, Refusal> {
        let input = self.decoded.input(self.limits);
        self.registry
            .parse(&input, Some(&self.info.name), sink)
            .map(|parsed| parsed.meta)
    }
}
