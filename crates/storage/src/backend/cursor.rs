//! How backends write down where a page ended: the key of its last item, wrapped so that nobody
//! builds on its form. Not signed: a made-up cursor leads to another place of the same range.

use crate::kernel::Error;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gna_domain::page::Cursor;

/// What kind of page a cursor continues; a cursor of one kind is refused by the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A range of the primary key.
    Primary,
    /// A range of an index.
    Index,
    /// All items of a collection.
    Scan,
}

impl Kind {
    fn tag(self) -> &'static str {
        match self {
            Self::Primary => "p",
            Self::Index => "i",
            Self::Scan => "s",
        }
    }
}

pub(super) fn encode(kind: Kind, parts: &[&str]) -> Cursor {
    let all: Vec<&str> = std::iter::once(kind.tag())
        .chain(parts.iter().copied())
        .collect();
    // A list of texts always serialises.
    Cursor(URL_SAFE_NO_PAD.encode(serde_json::to_vec(&all).unwrap_or_default()))
}

pub(super) fn decode<const N: usize>(kind: Kind, cursor: &Cursor) -> Result<[String; N], Error> {
    let json = URL_SAFE_NO_PAD
        .decode(&cursor.0)
        .map_err(|_| Error::BadCursor)?;
    let mut all: Vec<String> = serde_json::from_slice(&json).map_err(|_| Error::BadCursor)?;
    if all.first().map(String::as_str) != Some(kind.tag()) {
        return Err(Error::BadCursor);
    }
    all.remove(0);
    all.try_into().map_err(|_| Error::BadCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_kind_only() {
        let cursor = encode(Kind::Index, &["a\u{1f}\"b", ""]);
        assert_eq!(
            decode::<2>(Kind::Index, &cursor).unwrap(),
            ["a\u{1f}\"b", ""]
        );
        assert!(decode::<2>(Kind::Primary, &cursor).is_err());
        assert!(decode::<1>(Kind::Index, &cursor).is_err());
        for made_up in ["", "%", "W10", "eyJhIjoxfQ"] {
            assert!(
                decode::<1>(Kind::Primary, &Cursor(made_up.into())).is_err(),
                "{made_up}"
            );
        }
    }
}
