//! Gzip and zip, guarded against bombs: by the limit on bytes, and by a ratio that no report has.

use flate2::read::MultiGzDecoder;
use gna_domain::import::Refusal;
use std::io::{Cursor, ErrorKind, Read};
use zip::result::ZipError;

use super::{Decoded, too_large};
use crate::input::Limits;

/// Text that compresses better than this was made to; real reports stay far below 100.
const MAX_RATIO: usize = 500;
/// Below this size nothing is a bomb.
const FREE_BYTES: usize = 32 << 20;
/// More files than this in one archive are no set of reports.
const MAX_FILES: usize = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gzip,
    Zip,
    SevenZip,
    Bzip2,
    Xz,
    Zstd,
    Tar,
}

/// What the first bytes say, by each format's own signature.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    const SIGNATURES: &[(&[u8], Kind)] = &[
        (b"\x1f\x8b", Kind::Gzip),
        (b"PK\x03\x04", Kind::Zip),
        (b"PK\x05\x06", Kind::Zip),
        (b"7z\xBC\xAF\x27\x1C", Kind::SevenZip),
        (b"BZh", Kind::Bzip2),
        (b"\xFD7zXZ\0", Kind::Xz),
        (b"\x28\xB5\x2F\xFD", Kind::Zstd),
    ];
    let signed = SIGNATURES
        .iter()
        .find(|(signature, _)| bytes.starts_with(signature))
        .map(|(_, kind)| *kind);
    signed.or_else(|| (bytes.get(257..262) == Some(b"ustar")).then_some(Kind::Tar))
}

pub(super) fn refused(name: &str, kind: Kind) -> Refusal {
    let kind = match kind {
        Kind::Gzip => "gzip",
        Kind::Zip => "zip",
        Kind::SevenZip => "7-Zip",
        Kind::Bzip2 => "bzip2",
        Kind::Xz => "xz",
        Kind::Zstd => "zstd",
        Kind::Tar => "tar",
    };
    Refusal::new(
        "report.wrong_format",
        format!(
            "{name:?} is a {kind} archive where a report is expected; unpack it, or pack the report with gzip or zip alone"
        ),
    )
}

pub(super) fn gunzip(name: &str, raw: &[u8], limits: &Limits) -> Result<Decoded, Refusal> {
    let inner = name
        .strip_suffix(".gz")
        .or_else(|| name.strip_suffix(".gzip"))
        .unwrap_or(name);
    let bytes = inflate(
        name,
        MultiGzDecoder::new(raw),
        raw.len(),
        limits.max_bytes,
        limits,
    )?;
    match kind(&bytes) {
        Some(nested) => Err(refused(inner, nested)),
        None => Ok(Decoded {
            name: inner.to_owned(),
            bytes,
        }),
    }
}

pub(super) fn unzip(name: &str, raw: &[u8], limits: &Limits) -> Result<Vec<Decoded>, Refusal> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(raw)).map_err(|error| damaged(name, &error))?;
    if archive.len() > MAX_FILES {
        return Err(Refusal::new(
            "report.too_large",
            format!(
                "{name:?} holds {} files, more than {MAX_FILES}; pack only the reports",
                archive.len()
            ),
        ));
    }
    let mut files = Vec::new();
    let mut left = limits.max_bytes;
    for index in 0..archive.len() {
        let entry = archive
            .by_index(index)
            .map_err(|error| damaged(name, &error))?;
        let inner = entry
            .name()
            .map_err(|error| damaged(name, &error))?
            .into_owned();
        let hidden = inner.starts_with("__MACOSX/")
            || inner
                .rsplit('/')
                .next()
                .is_some_and(|file| file.starts_with('.'));
        if !entry.is_file() || hidden {
            continue;
        }
        let packed = usize::try_from(entry.compressed_size()).unwrap_or(usize::MAX);
        let bytes = inflate(name, entry, packed, left, limits)?;
        left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if let Some(nested) = kind(&bytes) {
            return Err(refused(&inner, nested));
        }
        files.push(Decoded { name: inner, bytes });
    }
    if files.is_empty() {
        return Err(Refusal::new(
            "report.empty",
            format!("the archive {name:?} holds no file; pack the report into it"),
        ));
    }
    Ok(files)
}

fn damaged(name: &str, error: &ZipError) -> Refusal {
    match error {
        ZipError::UnsupportedArchive(reason) => Refusal::new(
            "report.wrong_format",
            format!(
                "the archive {name:?} can't be unpacked here ({reason}); pack the report with plain zip or gzip"
            ),
        ),
        other => Refusal::new(
            "report.malformed",
            format!("the archive {name:?} is damaged ({other}); upload it again"),
        ),
    }
}

/// Unpacks up to `left` bytes.
fn inflate(
    name: &str,
    mut source: impl Read,
    packed: usize,
    left: u64,
    limits: &Limits,
) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let step = 1 << 20;
    loop {
        let before = bytes.len();
        match source.by_ref().take(step).read_to_end(&mut bytes) {
            Ok(0) => return Ok(bytes),
            Ok(_) => {}
            Err(error) => {
                let at = format!("after {before} bytes");
                return Err(match error.kind() {
                    ErrorKind::UnexpectedEof => Refusal::new(
                        "report.truncated",
                        format!(
                            "the archive {name:?} ends in the middle ({at}); upload the whole file"
                        ),
                    ),
                    _ => Refusal::new(
                        "report.malformed",
                        format!("the archive {name:?} is damaged ({error}, {at}); upload it again"),
                    ),
                });
            }
        }
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > left {
            return Err(too_large(name, limits));
        }
        if bytes.len() > FREE_BYTES && bytes.len() / MAX_RATIO > packed {
            return Err(Refusal::new(
                "report.too_large",
                format!(
                    "{name:?} unpacks to more than {MAX_RATIO} times its size, as no report does; upload it unpacked"
                ),
            ));
        }
    }
}
