//! The decompressed bytes of one report and the limits under which they are read.

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
    /// The first 64 KiB.
    #[must_use]
    pub fn head(&self) -> &'a [u8] {
        self.bytes.get(..65_536).unwrap_or(self.bytes)
    }
}
