//! How groups, documents and values are numbered, so that a group's rows lie side by side.
//!
//! A group has a number. A document is `group << 32 | place`, places counting up in first-seen
//! order. A scope is one field of one group, `group << 8 | field`, where a field is its position
//! in `FIELDS`. A value is `scope << 32 | number`. Inside a group a value is called by its lower 40 bits.

use gna_domain::port::search::{FIELDS, Field, FieldKind};

/// Number of a group; at least 1 and below [`MOST_GROUPS`].
pub type Group = i64;
/// Field and number of a value, `field << 32 | number`.
pub type Local = u64;

/// Values keep 23 bits for the group.
pub const MOST_GROUPS: Group = 1 << 23;
/// In place of a field: the bitmap of all documents of a group is its only value.
pub const EVERY: usize = 255;

const LOW: i64 = 0xFFFF_FFFF;

pub fn document(group: Group, place: u32) -> i64 {
    group << 32 | i64::from(place)
}

pub fn place(document: i64) -> u32 {
    (document & LOW) as u32
}

pub fn scope(group: Group, field: usize) -> i64 {
    group << 8 | field as i64
}

pub fn local(field: usize, number: u32) -> Local {
    (field as u64) << 32 | u64::from(number)
}

pub fn value(group: Group, local: Local) -> i64 {
    group << 40 | local.cast_signed()
}

/// What the group calls this value.
pub fn local_of(value: i64) -> Local {
    (value & ((1 << 40) - 1)).cast_unsigned()
}

/// Position of a declared field; [`EVERY`] for others, which have no values.
pub fn position(name: &str) -> usize {
    FIELDS
        .iter()
        .position(|field| field.name == name)
        .unwrap_or(EVERY)
}

/// Numbers that are not counted are columns; all other fields have bitmaps.
pub fn is_column(field: &Field) -> bool {
    field.kind == FieldKind::Number && !field.facet
}

/// The fields that are columns, in the order in which they are stored.
pub fn columns() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(|field| is_column(field))
}

/// What stands before each word of a group in the full-text index, so that a word or a prefix
/// never leads to another group's. Five digits and letters.
pub fn word_prefix(group: Group) -> String {
    (0..5)
        .rev()
        .filter_map(|at| char::from_digit((group >> (at * 5) & 31) as u32, 32))
        .collect()
}

/// The values of a document in few bytes: for each its field and its number in LEB128.
pub fn pack(values: &[Local]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() * 3);
    for value in values {
        bytes.push((value >> 32) as u8);
        let mut number = value & 0xFFFF_FFFF;
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    bytes
}

/// What was packed; a torn end is left out.
pub fn unpack(mut bytes: &[u8]) -> Vec<Local> {
    let mut values = Vec::new();
    while let Some((field, rest)) = bytes.split_first() {
        let Some(end) = rest.iter().position(|byte| byte & 0x80 == 0) else {
            break;
        };
        let (digits, rest) = rest.split_at(end + 1);
        let number = digits
            .iter()
            .rev()
            .fold(0u64, |number, byte| number << 7 | u64::from(byte & 0x7F));
        values.push(u64::from(*field) << 32 | number & 0xFFFF_FFFF);
        bytes = rest;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_largest_group_still_fit() {
        let group = MOST_GROUPS - 1;
        let largest = value(group, local(EVERY, u32::MAX));
        assert!(largest > 0);
        assert_eq!(local_of(largest), local(EVERY, u32::MAX));
        assert_eq!(largest >> 32, scope(group, EVERY));
        assert_eq!(place(document(group, u32::MAX)), u32::MAX);
        assert!(document(group, 0) > document(group - 1, u32::MAX));
        assert!(FIELDS.len() < EVERY);
    }

    #[test]
    fn word_prefixes_differ_and_have_one_length() {
        let prefixes: std::collections::BTreeSet<String> = [1, 31, 32, 33, 1_024, MOST_GROUPS - 1]
            .map(word_prefix)
            .into();
        assert_eq!(prefixes.len(), 6);
        assert!(prefixes.iter().all(|prefix| prefix.len() == 5));
    }

    #[test]
    fn packed_values_come_back() {
        let values = vec![
            local(0, 0),
            local(0, 127),
            local(3, 128),
            local(18, 70_000),
            local(18, u32::MAX),
        ];
        let bytes = pack(&values);
        assert_eq!(unpack(&bytes), values);
        assert_eq!(unpack(&bytes[..bytes.len() - 1]), values[..4]);
    }
}
