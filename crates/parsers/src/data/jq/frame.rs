//! The wire between parent and child: one kind byte, four bytes of length, the payload.
//!
//! Not lines, because items are sent as the report wrote them, line breaks included.

use std::io::{self, Read, Write};

/// What a frame carries. Upper case goes to the child, lower case comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`super::Setup`] as JSON; always first.
    Setup,
    /// A line of JSON (`$at`), then the item as JSON.
    Item,
    /// Programs are compiled, `meta` has run: a line with its error or nothing, its value as JSON.
    Ready,
    /// Programs do not compile: a sentence.
    Refused,
    /// A line with an error or nothing, then a JSON array of the outputs before it.
    Outputs,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Setup => b'S',
            Self::Item => b'I',
            Self::Ready => b'r',
            Self::Refused => b'x',
            Self::Outputs => b'o',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [
            Self::Setup,
            Self::Item,
            Self::Ready,
            Self::Refused,
            Self::Outputs,
        ]
        .into_iter()
        .find(|kind| kind.byte() == byte)
    }
}

/// Appends a frame whose payload is the parts in a row.
///
/// # Errors
/// A payload of 4 GiB or more, or what the receiver of the bytes says.
pub(super) fn write(out: &mut impl Write, kind: Kind, parts: &[&[u8]]) -> io::Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).map_err(|_| io::Error::other("a frame of 4 GiB or more"))?;
    out.write_all(&[kind.byte()])?;
    out.write_all(&length.to_le_bytes())?;
    parts.iter().try_for_each(|part| out.write_all(part))
}

/// The next frame; `None` where the stream ends before one begins.
///
/// # Errors
/// An unknown kind, a payload longer than `max`, or an end inside a frame.
pub(super) fn read(from: &mut impl Read, max: usize) -> io::Result<Option<(Kind, Vec<u8>)>> {
    let mut kind = [0];
    if from.read(&mut kind)? == 0 {
        return Ok(None);
    }
    let kind = Kind::of(kind[0]).ok_or_else(|| io::Error::other("not a frame"))?;
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > max {
        return Err(io::Error::other("a frame beyond the limit"));
    }
    let mut payload = Vec::new();
    let read = from
        .take(u64::try_from(length).unwrap_or(u64::MAX))
        .read_to_end(&mut payload)?;
    if read < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((kind, payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_as_sent_and_damage_is_an_error() {
        let mut wire = Vec::new();
        write(&mut wire, Kind::Item, &[b"{}\n", b"[1]"]).unwrap();
        write(&mut wire, Kind::Ready, &[]).unwrap();
        let mut from = wire.as_slice();
        assert_eq!(
            read(&mut from, 100).unwrap(),
            Some((Kind::Item, b"{}\n[1]".to_vec()))
        );
        assert_eq!(read(&mut from, 100).unwrap(), Some((Kind::Ready, vec![])));
        assert_eq!(read(&mut from, 100).unwrap(), None);
        assert!(
            read(&mut wire.as_slice(), 5).is_err(),
            "longer than allowed"
        );
        assert!(read(&mut &wire[..7], 100).is_err(), "cut");
        assert!(
            read(&mut &b"running 3 tests"[..], 100).is_err(),
            "another program's output"
        );
    }
}
