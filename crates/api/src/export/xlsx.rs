//! Exports as a workbook (Office Open XML, ECMA-376), by the library `rust_xlsxwriter`.
//!
//! Rows go to a temporary file as they come, so that memory does not grow with them; the workbook can
//! only be put together once all are there. Cells hold what scanners and people wrote and are written as
//! strings, which no spreadsheet takes for formulas; two columns are numbers.

use axum::body::Bytes;
use futures::channel::oneshot;
use gna_domain::error::{Error, Result};
use gna_domain::service::export::Export;
use rust_xlsxwriter::{Format as Style, Workbook, Worksheet, XlsxError};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::thread;
use tokio::sync::mpsc;

use super::csv::{COLUMNS, Cells, cells};
use super::{counted, unwritable};

/// Most rows below the names: the format has no more.
const ROWS: u32 = 1_048_575;
/// Longest text of a cell, in characters: the format's limit is 32,767 units of UTF-16.
const CELL: usize = 16_000;
/// The columns that are numbers.
const NUMBERS: [&str; 2] = ["score", "line"];
/// Bytes sent at once.
const PIECE: usize = 65_536;

pub fn pieces(mut export: Export) -> impl futures::Stream<Item = Result<Bytes>> + Send {
    async_stream::try_stream! {
        let (rows, taken) = mpsc::channel(2);
        let written = begin(taken)?;
        let mut count: usize = 0;
        while let Some(page) = export.next().await? {
            counted(&page, "xlsx");
            count += page.len();
            if count > usize::try_from(ROWS).unwrap_or(usize::MAX) {
                Err(Error::limit(
                    "export.too_large",
                    format!("a workbook has at most {ROWS} rows; narrow the filter, or take csv"),
                ))?;
            }
            let page: Vec<Cells> = page.iter().map(cells).collect();
            // Nobody takes it any more where writing failed: the reason comes below.
            if rows.send(page).await.is_err() {
                break;
            }
        }
        drop(rows);
        let mut file = written.await.map_err(|_| unwritable())??;
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).map_err(|_| unwritable())?;
            if read == 0 {
                break;
            }
            piece.truncate(read);
            yield Bytes::from(piece);
        }
    }
}

/// Writes on a thread of its own: putting a workbook together takes its time.
fn begin(pages: mpsc::Receiver<Vec<Cells>>) -> Result<oneshot::Receiver<Result<File>>> {
    let (done, written) = oneshot::channel();
    let work = move || {
        // Whoever waited may be gone.
        let _ = done.send(write(pages).map_err(|error| {
            tracing::warn!(%error, "a workbook can't be written");
            unwritable()
        }));
    };
    let started = thread::Builder::new().name("xlsx".to_owned()).spawn(work);
    started.map(|_| written).map_err(|_| unwritable())
}

fn write(mut pages: mpsc::Receiver<Vec<Cells>>) -> std::result::Result<File, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    sheet.set_name("Vulnerabilities")?;
    sheet.set_freeze_panes(1, 0)?;
    let bold = Style::new().set_bold();
    for (column, name) in (0_u16..).zip(COLUMNS) {
        sheet.write_string_with_format(0, column, *name, &bold)?;
    }
    let mut row = 0_u32;
    while let Some(page) = pages.blocking_recv() {
        for cells in page {
            row += 1;
            line(sheet, row, &cells)?;
        }
    }
    let last = u16::try_from(COLUMNS.len() - 1).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, row, last)?;
    let mut file = tempfile::tempfile()?;
    workbook.save_to_writer(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn line(sheet: &mut Worksheet, row: u32, cells: &Cells) -> std::result::Result<(), XlsxError> {
    for ((column, name), cell) in (0_u16..).zip(COLUMNS).zip(cells) {
        let number = NUMBERS
            .contains(name)
            .then(|| cell.parse::<f64>().ok())
            .flatten();
        match number {
            Some(number) => sheet.write_number(row, column, number)?,
            None if cell.is_empty() => continue,
            None if cell.chars().count() > CELL => {
                sheet.write_string(row, column, cell.chars().take(CELL).collect::<String>())?
            }
            None => sheet.write_string(row, column, cell)?,
        };
    }
    Ok(())
}
