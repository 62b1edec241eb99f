//! Any encoding a scanner writes to UTF-8: marks first, then what an XML declaration says, then
//! UTF-8 itself. Only CSV, which can't declare anything, falls back to windows-1252, the encoding
//! of the spreadsheets that write it. An XML declaration is left as it was: readers of the result
//! must not believe its `encoding`.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use gna_domain::import::{Position, Refusal};

pub(super) fn to_utf8(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let text = if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF") {
        checked(name, rest.to_vec())?
    } else if bytes.starts_with(b"\xFF\xFE\0\0") || bytes.starts_with(b"\0\0\xFE\xFF") {
        return Err(Refusal::new(
            "report.encoding",
            format!("{name:?} is UTF-32, which no scanner writes; convert it to UTF-8"),
        ));
    } else if let Some(rest) = bytes.strip_prefix(b"\xFF\xFE") {
        converted(name, UTF_16LE, rest)?
    } else if let Some(rest) = bytes.strip_prefix(b"\xFE\xFF") {
        converted(name, UTF_16BE, rest)?
    } else if matches!(bytes.as_slice(), [b'{' | b'[' | b'<', 0, ..]) {
        converted(name, UTF_16LE, &bytes)?
    } else if matches!(bytes.as_slice(), [0, b'{' | b'[' | b'<', ..]) {
        converted(name, UTF_16BE, &bytes)?
    } else {
        match declared(&bytes) {
            Some(encoding) => converted(name, encoding, &bytes)?,
            None if std::str::from_utf8(&bytes).is_err() && is_csv(name, &bytes) => {
                converted(name, WINDOWS_1252, &bytes)?
            }
            None => checked(name, bytes)?,
        }
    };
    without_leading_space(name, text)
}

/// The encoding that an XML declaration names, if it is another than UTF-8. A declaration that
/// could be read cannot be UTF-16, whatever it says.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..200).unwrap_or(bytes).trim_ascii_start();
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = declaration.iter().position(|byte| *byte == b'>')?;
    let declaration = std::str::from_utf8(declaration.get(..end)?).ok()?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value.get(1..)?.split(quote).next()?;
    Encoding::for_label(label.as_bytes())
        .filter(|encoding| ![UTF_8, UTF_16LE, UTF_16BE].contains(encoding))
}

fn is_csv(name: &str, bytes: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let separators = line
        .iter()
        .filter(|byte| matches!(byte, b',' | b';' | b'\t'))
        .count();
    [".csv", ".tsv"].iter().any(|end| name.ends_with(end))
        || separators >= 2
            && !line.trim_ascii_start().starts_with(b"{")
            && !line.starts_with(b"[")
            && !line.starts_with(b"<")
}

fn checked(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let byte = error.valid_up_to();
            let line = bytes.iter().take(byte).filter(|b| **b == b'\n').count() + 1;
            Err(Refusal::new(
                "report.encoding",
                format!(
                    "{name:?} is not UTF-8 at byte {byte}; export it as UTF-8, or convert it first"
                ),
            )
            .at(Position {
                item: 0,
                byte: u64::try_from(byte).ok(),
                line: u64::try_from(line).ok(),
            }))
        }
    }
}

fn converted(name: &str, encoding: &'static Encoding, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Ok(text.into_owned().into_bytes()),
        None => Err(Refusal::new(
            "report.encoding",
            format!(
                "{name:?} says that it is {}, but is not; export it as UTF-8",
                encoding.name()
            ),
        )),
    }
}

fn without_leading_space(name: &str, mut bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    let space = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    if space == bytes.len() {
        return Err(Refusal::new(
            "report.empty",
            format!("{name:?} is empty; check that the scan wrote its output to this file"),
        ));
    }
    if space > 0 {
        bytes.drain(..space);
    }
    Ok(bytes)
}
