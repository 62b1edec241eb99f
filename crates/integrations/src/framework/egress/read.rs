//! Takes an answer's body piece by piece, decompressing it, and stops at a limit.
//!
//! The limit counts twice: bytes received and bytes after decompression. Neither a long body nor a
//! short one that unpacks to a long one takes more memory than the limit and one piece.

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use gna_domain::port::egress::{EgressError, Failure};
use std::io::{self, Write};

use super::error::{from_client, too_large};

/// Grows up to a limit, then refuses.
struct Limited {
    bytes: Vec<u8>,
    limit: u64,
    over: bool,
}

impl Write for Limited {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let after = self.bytes.len().saturating_add(piece.len());
        if u64::try_from(after).unwrap_or(u64::MAX) > self.limit {
            self.over = true;
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Plain(Limited),
    Gzip(Box<MultiGzDecoder<Limited>>),
}

impl Decoder {
    fn new(encoding: &str, limit: u64) -> Option<Self> {
        let limited = Limited {
            bytes: Vec::new(),
            limit,
            over: false,
        };
        match encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain(limited)),
            "gzip" | "x-gzip" => Some(Self::Gzip(Box::new(MultiGzDecoder::new(limited)))),
            _ => None,
        }
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.write_all(piece),
            Self::Gzip(to) => to.write_all(piece),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Plain(to) => to.over,
            Self::Gzip(to) => to.get_ref().over,
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(to) => Ok(to.bytes),
            Self::Gzip(mut to) => {
                to.try_finish()?;
                Ok(std::mem::take(&mut to.get_mut().bytes))
            }
        }
    }
}

/// Reads the whole body.
///
/// # Errors
/// `TooLarge`, `Reset`, `Timeout`, or `Protocol` for a compression that was not offered or is broken.
pub(super) async fn body(
    mut response: reqwest::Response,
    host: &str,
    limit: u64,
) -> Result<Bytes, EgressError> {
    let encoding = response
        .headers()
        .get(reqwest::header::CONTENT_ENCODING)
        .map_or(Ok(""), |value| value.to_str())
        .unwrap_or("unreadable")
        .to_owned();
    if response
        .content_length()
        .is_some_and(|length| length > limit)
    {
        return Err(too_large(host, limit));
    }
    let mut decoder = Decoder::new(&encoding, limit).ok_or_else(|| {
        EgressError::unknown(
            Failure::Protocol,
            format!("{host} compresses its answer in a way that was not offered"),
        )
    })?;
    let mut received: u64 = 0;
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| from_client(&error, host))?
    {
        received = received.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if received > limit {
            return Err(too_large(host, limit));
        }
        if decoder.write(&piece).is_err() {
            return Err(if decoder.is_over() {
                too_large(host, limit)
            } else {
                broken(host)
            });
        }
    }
    if received == 0 {
        // The answer to HEAD names an encoding and has no body.
        return Ok(Bytes::new());
    }
    decoder.finish().map(Bytes::from).map_err(|_| broken(host))
}

fn broken(host: &str) -> EgressError {
    EgressError::unknown(
        Failure::Protocol,
        format!("the compressed answer of {host} is broken"),
    )
}
