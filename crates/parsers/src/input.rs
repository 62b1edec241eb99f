//! The decompressed bytes of one report and the limits under which they are read.

use gna_domain::import::{Position, Refusal};

/// Limits under which reports are read; configuration of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest report after decompression, in bytes.
    pub max_bytes: u64,
    /// Deepest nesting of JSON or XML.
    pub max_depth: u32,
    /// Most findings one report may hold.
    pub max_findings: u64,
    /// Most warnings that are kept one by one; the rest is only counted.
    pub max_warnings: usize,
    /// Longest text field kept, in bytes; longer ones are cut at a character and end with `…`.
    pub max_text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_depth: 128,
            max_findings: 5_000_000,
            max_warnings: 1_000,
            max_text: 65_536,
        }
    }
}

/// One report, in memory, decompressed and in UTF-8.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// File name as given by the caller; may help detection, never decides alone.
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub limits: Limits,
}

impl<'a> Input<'a> {
    /// An input under the default limits.
    #[must_use]
    pub fn new(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name,
            bytes,
            limits: Limits::default(),
        }
    }

    /// The first 64 KiB.
    #[must_use]
    pub fn head(&self) -> &'a [u8] {
        self.bytes.get(..65_536).unwrap_or(self.bytes)
    }

    /// The first 64 KiB as text; what a cut character left at the end is dropped.
    #[must_use]
    pub fn head_text(&self) -> &'a str {
        let head = self.head();
        match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => head
                .get(..error.valid_up_to())
                .and_then(|valid| std::str::from_utf8(valid).ok())
                .unwrap_or_default(),
        }
    }

    /// The whole report as text.
    ///
    /// # Errors
    /// `report.empty` where there is nothing but white space, `report.encoding` with the byte that
    /// is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Refusal> {
        let text = std::str::from_utf8(self.bytes).map_err(|error| {
            let byte = u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX);
            Refusal::new(
                "report.encoding",
                "the report is not UTF-8 text; export it again, or convert it to UTF-8 first",
            )
            .at(Position {
                byte: Some(byte),
                ..Position::default()
            })
        })?;
        if text.trim_start().is_empty() {
            return Err(Refusal::new(
                "report.empty",
                "the report is empty; check that the scan wrote its output to this file",
            ));
        }
        Ok(text)
    }
}
