//! From the bytes as uploaded to reports in UTF-8: unpacks gzip and zip, and settles the encoding.
//!
//! What it is: the only place where a report's bytes are changed. Offsets in later messages count
//! in its result. What it is not: it guesses no format (`detect` does) and follows no archive
//! inside an archive. Read next: `decode/archive.rs`, `decode/encoding.rs`.

mod archive;
mod encoding;

use gna_domain::import::Refusal;
use std::io::Read;

use crate::input::{Input, Limits};

/// One report, decompressed and in UTF-8 without a byte order mark or leading white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The uploaded name without `.gz`; for a file in an archive its name in there.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Decoded {
    fn into_utf8(self) -> Result<Self, Refusal> {
        let bytes = encoding::to_utf8(&self.name, self.bytes)?;
        Ok(Self {
            name: self.name,
            bytes,
        })
    }

    #[must_use]
    pub fn input(&self, limits: Limits) -> Input<'_> {
        Input {
            name: &self.name,
            bytes: &self.bytes,
            limits,
        }
    }
}

/// The one report in an upload.
///
/// # Errors
/// As [`decode_all`], and `report.wrong_format` for an archive that holds several files.
pub fn decode(name: &str, raw: Vec<u8>, limits: &Limits) -> Result<Decoded, Refusal> {
    let mut files = unpack(name, raw, limits)?;
    match (files.pop(), files.len()) {
        (Some(only), 0) => only.into_utf8(),
        (last, more) => {
            let names: Vec<String> = files
                .into_iter()
                .chain(last)
                .take(5)
                .map(|file| format!("{:?}", file.name))
                .collect();
            Err(Refusal::new(
                "report.wrong_format",
                format!(
                    "{name:?} holds {} files ({}); give each report by itself",
                    more + 1,
                    names.join(", ")
                ),
            ))
        }
    }
}

/// Every report in an upload: the file itself, what gzip packed, or each file of a zip archive.
///
/// # Errors
/// `report.empty`; `report.too_large` with the limit and its setting; `report.truncated` and
/// `report.malformed` for damaged archives; `report.encoding` with the byte; `report.wrong_format`
/// for archives in archives and encrypted ones. Never a panic, and never more memory than the
/// limit.
pub fn decode_all(name: &str, raw: Vec<u8>, limits: &Limits) -> Result<Vec<Decoded>, Refusal> {
    unpack(name, raw, limits)?
        .into_iter()
        .map(Decoded::into_utf8)
        .collect()
}

/// The files as they were packed, in whatever encoding.
fn unpack(name: &str, raw: Vec<u8>, limits: &Limits) -> Result<Vec<Decoded>, Refusal> {
    if u64::try_from(raw.len()).unwrap_or(u64::MAX) > limits.max_bytes {
        return Err(too_large(name, limits));
    }
    match archive::kind(&raw) {
        Some(archive::Kind::Gzip) => Ok(vec![archive::gunzip(name, &raw, limits)?]),
        Some(archive::Kind::Zip) => archive::unzip(name, &raw, limits),
        Some(other) => Err(archive::refused(name, other)),
        None => Ok(vec![Decoded {
            name: name.to_owned(),
            bytes: raw,
        }]),
    }
}

/// Reads to the end and decodes, holding no more than the limit.
///
/// # Errors
/// As [`decode_all`], and `report.unreadable` where reading fails.
pub fn read_all(name: &str, source: impl Read, limits: &Limits) -> Result<Vec<Decoded>, Refusal> {
    let mut raw = Vec::new();
    source
        .take(limits.max_bytes.saturating_add(1))
        .read_to_end(&mut raw)
        .map_err(|error| {
            Refusal::new(
                "report.unreadable",
                format!("{name:?} can't be read: {error}"),
            )
        })?;
    decode_all(name, raw, limits)
}

fn too_large(name: &str, limits: &Limits) -> Refusal {
    Refusal::new(
        "report.too_large",
        format!(
            "{name:?} is larger than {} bytes; split the report, or raise the setting import.max_bytes",
            limits.max_bytes
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    }

    fn one(name: &str, raw: Vec<u8>) -> Result<(String, String), String> {
        decode(name, raw, &Limits::default())
            .map(|decoded| (decoded.name, String::from_utf8(decoded.bytes).unwrap()))
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn every_wrapping_and_encoding_gives_the_same_text() {
        let json = "{\"a\":\"ä\"}";
        let with_mark = [b"\xEF\xBB\xBF".as_slice(), json.as_bytes()].concat();
        for (label, name, raw) in [
            ("plain", "r.json", json.as_bytes().to_vec()),
            (
                "white space",
                "r.json",
                format!("\r\n  {json}").into_bytes(),
            ),
            ("mark", "r.json", with_mark.clone()),
            ("gzip", "r.json.gz", gzip(&with_mark)),
            (
                "two gzip members",
                "r.json.gz",
                [gzip(b"{\"a\":"), gzip("\"ä\"}".as_bytes())].concat(),
            ),
            (
                "zip",
                "up.zip",
                zip(&[("__MACOSX/._r", b"x"), ("r.json", &with_mark)]),
            ),
            (
                "utf-16 le",
                "r.json",
                utf16(&format!("\u{feff}{json}"), false),
            ),
            (
                "utf-16 be",
                "r.json",
                utf16(&format!("\u{feff}{json}"), true),
            ),
            ("utf-16 without mark", "r.json", utf16(json, false)),
        ] {
            assert_eq!(
                one(name, raw),
                Ok(("r.json".to_owned(), json.to_owned())),
                "{label}"
            );
        }
    }

    #[test]
    fn old_encodings_are_read_where_they_are_declared_or_usual() {
        let xml = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe4</a>".to_vec();
        assert!(one("r.xml", xml).is_ok_and(|(_, text)| text.contains("ä")));
        let lying = b"<?xml version='1.0' encoding='utf-16'?><a>\xc3\xa4</a>".to_vec();
        assert!(one("r.xml", lying).is_ok_and(|(_, text)| text.contains("ä")));
        assert!(
            one("r.csv", b"title,host\nGr\xfc\xdfe,x".to_vec())
                .is_ok_and(|(_, text)| text.contains("Grüße"))
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        let whole = gzip(&b"0123456789abcdef".repeat(50));
        let cut = whole[..whole.len() / 2].to_vec();
        let mut flipped = whole.clone();
        let checksum = flipped.len() - 6;
        flipped[checksum] ^= 0xff;
        for (name, raw, code) in [
            ("empty", vec![], "report.empty"),
            ("blank", b" \n".to_vec(), "report.empty"),
            (
                "latin1.json",
                b"{\"a\":\"\xe4\"}".to_vec(),
                "report.encoding",
            ),
            ("cut.gz", cut, "report.truncated"),
            ("bad.gz", flipped, "report.malformed"),
            ("bad.zip", b"PK\x03\x04garbage".to_vec(), "report.malformed"),
            ("none.zip", zip(&[]), "report.empty"),
            (
                "two.zip",
                zip(&[("a", b"1"), ("b", b"2")]),
                "report.wrong_format",
            ),
            (
                "binary.zip",
                zip(&[("a", b"1"), ("b", b"\xff\x80")]),
                "report.wrong_format",
            ),
            ("deep.gz", gzip(&gzip(b"x")), "report.wrong_format"),
            (
                "deep.zip",
                zip(&[("r.gz", &gzip(b"x"))]),
                "report.wrong_format",
            ),
            (
                "x.7z",
                b"7z\xBC\xAF\x27\x1Crest".to_vec(),
                "report.wrong_format",
            ),
            ("utf32", b"\xff\xfe\0\0{\0\0\0".to_vec(), "report.encoding"),
        ] {
            assert_eq!(one(name, raw).unwrap_err(), code, "{name}");
        }
    }

    #[test]
    fn several_files_are_taken_where_the_caller_wants_them() {
        let all = decode_all(
            "up.zip",
            zip(&[("d/a.json", b"{}"), ("b.xml", b"<b/>")]),
            &Limits::default(),
        )
        .unwrap();
        assert_eq!(
            all.iter()
                .map(|file| file.name.as_str())
                .collect::<Vec<_>>(),
            ["d/a.json", "b.xml"]
        );
    }

    #[test]
    fn bombs_stop_at_the_limit_and_name_the_setting() {
        let limits = Limits {
            max_bytes: 100_000,
            ..Limits::default()
        };
        let zeros = vec![b' '; 1_000_000];
        for (name, raw) in [
            ("b.gz", gzip(&zeros)),
            ("b.zip", zip(&[("a", &zeros)])),
            ("b", zeros.clone()),
        ] {
            let refusal = decode_all(name, raw, &limits).unwrap_err();
            assert_eq!(refusal.code, "report.too_large", "{name}");
            assert!(
                refusal.message.contains("import.max_bytes") && refusal.message.contains(name),
                "{refusal}"
            );
        }
        let many = vec![b' '; 40 << 20];
        let refusal = decode_all("ratio.gz", gzip(&many), &Limits::default()).unwrap_err();
        assert!(
            refusal.code == "report.too_large" && refusal.message.contains("times"),
            "{refusal}"
        );
        let cut = read_all("r", std::io::repeat(b'x'), &limits).unwrap_err();
        assert_eq!(cut.code, "report.too_large");
    }
}
