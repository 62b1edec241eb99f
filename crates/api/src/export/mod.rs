//! Exports as streams: a page is read, written and sent before the next one is read. A reader that
//! is slow slows the reading down; how much there is does not matter for memory.
//!
//! An error after the head was sent breaks the stream off, so that a client sees an incomplete
//! transfer and never a file that looks whole. JSON lines are in this file, the rest in theirs.

mod csv;
mod html;
pub mod sarif;
mod vex;
#[cfg(feature = "xlsx")]
mod xlsx;

use axum::body::Bytes;
use futures::stream::{BoxStream, StreamExt};
use gna_domain::error::{Error, Result};
use gna_domain::service::export::{Export, Row};

use crate::rest::VulnerabilityView;

pub use csv::COLUMNS;

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line, as the list has it.
    JsonLines,
    /// RFC 4180, with a line of names.
    Csv,
    /// A workbook (Office Open XML).
    #[cfg(feature = "xlsx")]
    Xlsx,
    /// A page with a summary and charts, to be read and printed.
    Html,
    /// SARIF 2.1.0 (OASIS), one run per tool.
    Sarif,
    /// OpenVEX 0.2.0.
    OpenVex,
    /// CycloneDX 1.6 with the analysis of each vulnerability.
    CycloneDx,
    /// CSAF 2.0, profile VEX.
    Csaf,
}

/// The names of all formats, as a sentence has them.
#[cfg(feature = "xlsx")]
pub const FORMATS: &str = "jsonl, csv, xlsx, html, sarif, openvex, cyclonedx or csaf";
#[cfg(not(feature = "xlsx"))]
pub const FORMATS: &str = "jsonl, csv, html, sarif, openvex, cyclonedx or csaf";

impl Format {
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "jsonl" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            #[cfg(feature = "xlsx")]
            "xlsx" => Some(Self::Xlsx),
            "html" => Some(Self::Html),
            "sarif" => Some(Self::Sarif),
            "openvex" => Some(Self::OpenVex),
            "cyclonedx" => Some(Self::CycloneDx),
            "csaf" => Some(Self::Csaf),
            _ => None,
        }
    }

    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            #[cfg(feature = "xlsx")]
            Self::Xlsx => "xlsx",
            Self::Html => "html",
            Self::Sarif => "sarif",
            Self::OpenVex => "openvex.json",
            Self::CycloneDx => "cdx.json",
            Self::Csaf => "csaf.json",
        }
    }

    /// Whether it says what was decided: then what was decided to be no vulnerability belongs in it.
    #[must_use]
    pub fn is_vex(self) -> bool {
        matches!(self, Self::OpenVex | Self::CycloneDx | Self::Csaf)
    }

    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::JsonLines => "application/jsonl",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            #[cfg(feature = "xlsx")]
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Html => "text/html; charset=utf-8",
            Self::Sarif => "application/sarif+json",
            Self::CycloneDx => "application/vnd.cyclonedx+json; version=1.6",
            Self::OpenVex | Self::Csaf => "application/json",
        }
    }
}

/// The bytes of an export.
pub type Stream = BoxStream<'static, Result<Bytes, std::io::Error>>;

/// Starts an export: its beginning has been read when this returns.
///
/// # Errors
/// Those of the first page; later ones break the stream off.
pub async fn write(export: Export, format: Format) -> Result<Stream> {
    let mut pieces = match format {
        Format::JsonLines => rows(export, Vec::new(), json_line).boxed(),
        Format::Csv => rows(export, csv::head()?, csv::line).boxed(),
        #[cfg(feature = "xlsx")]
        Format::Xlsx => xlsx::pieces(export).boxed(),
        Format::Html => html::pieces(export).boxed(),
        Format::Sarif => sarif::pieces(export).boxed(),
        Format::OpenVex => vex::openvex(export).boxed(),
        Format::CycloneDx => vex::cyclonedx(export).boxed(),
        Format::Csaf => vex::csaf(export).boxed(),
    };
    let first = pieces.next().await.transpose()?;
    let first = futures::stream::iter(first.map(Ok));
    let all = first.chain(pieces).map(|piece: Result<Bytes>| {
        piece.map_err(|error| {
            crate::problem::log(&error);
            std::io::Error::other("the export broke off")
        })
    });
    Ok(all.boxed())
}

/// Row by row, one piece per page; `head` comes before the first.
fn rows(
    mut export: Export,
    head: Vec<u8>,
    line: fn(Row, &mut Vec<u8>) -> Result<()>,
) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let mut piece = head;
        while let Some(page) = export.next().await? {
            counted(&page, "rows");
            for row in page {
                line(row, &mut piece)?;
            }
            yield Bytes::from(std::mem::take(&mut piece));
        }
    }
}

fn counted(page: &[Row], way: &'static str) {
    let rows = u64::try_from(page.len()).unwrap_or(u64::MAX);
    metrics::counter!("gna_exported_rows_total", "way" => way).increment(rows);
}

fn json_line(row: Row, to: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(&mut *to, &VulnerabilityView::from(row)).map_err(|_| unwritable())?;
    to.push(b'\n');
    Ok(())
}

fn unwritable() -> Error {
    Error::internal("export.unwritable", "a row can't be written")
}
