//! What a search cursor holds: the order it belongs to, and the sort value and id of the last hit.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gna_domain::error::{Error, Result};
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::page::Cursor;
use gna_domain::port::search::{FIELDS, Sort};
use uuid::Uuid;

/// The sort value of a document that has none; it comes first, and last when descending.
pub const MISSING: i64 = i64::MIN;

/// Where a hit stands in the order: pages are sorted by value, then by id; both the same way.
pub type Place = (i64, VulnerabilityId);

pub fn encode(sort: Sort, (value, id): Place) -> Cursor {
    let mut bytes = Vec::with_capacity(25);
    bytes.push(order(sort));
    bytes.extend_from_slice(&value.to_be_bytes());
    bytes.extend_from_slice(id.uuid().as_bytes());
    Cursor(URL_SAFE_NO_PAD.encode(bytes))
}

/// # Errors
/// `cursor.invalid` for a text that is no cursor, and for one that was made under another order.
pub fn decode(sort: Sort, cursor: &Cursor) -> Result<Place> {
    let place = || {
        let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).ok()?;
        let (tag, rest) = bytes.split_first()?;
        let (value, id) = rest.split_first_chunk::<8>()?;
        let id = Uuid::from_slice(id).ok()?;
        (*tag == order(sort)).then(|| (i64::from_be_bytes(*value), VulnerabilityId::from_uuid(id)))
    };
    place().ok_or_else(|| {
        Error::invalid(
            "cursor.invalid",
            "this cursor was not made by this list in this order; start again without one",
        )
    })
}

fn order(sort: Sort) -> u8 {
    let position = FIELDS
        .iter()
        .position(|field| field.name == sort.field)
        .unwrap_or(FIELDS.len());
    u8::try_from(position * 2 + usize::from(sort.descending)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_in_its_own_order_only() {
        let by_severity = Sort {
            field: "severity",
            descending: true,
        };
        let place = (-5, VulnerabilityId::from_uuid(Uuid::from_u128(9)));
        let cursor = encode(by_severity, place);
        assert_eq!(decode(by_severity, &cursor).ok(), Some(place));
        for other in [
            Sort {
                field: "severity",
                descending: false,
            },
            Sort {
                field: "created",
                descending: true,
            },
        ] {
            assert_eq!(
                decode(other, &cursor).map_err(|e| e.code()),
                Err("cursor.invalid")
            );
        }
        for bad in ["", "x", "!!!!", &format!("{}AAAA", cursor.0)] {
            assert!(
                decode(by_severity, &Cursor(bad.to_owned())).is_err(),
                "{bad:?}"
            );
        }
    }
}
