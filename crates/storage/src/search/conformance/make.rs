//! Documents for tests, named by small numbers.

use gna_domain::id::{FindingId, GroupId, TypedId, VulnerabilityId};
use gna_domain::port::search::{Document, FindingText, Value};
use std::collections::BTreeMap;
use uuid::Uuid;

#[must_use]
pub fn group(number: u128) -> GroupId {
    GroupId::from_uuid(Uuid::from_u128(number))
}

#[must_use]
pub fn vulnerability_id(number: u128) -> VulnerabilityId {
    VulnerabilityId::from_uuid(Uuid::from_u128(number))
}

pub(super) fn number(id: VulnerabilityId) -> u128 {
    id.uuid().as_u128()
}

/// A vulnerability of group 1 and of a finding that has its number, in version 1.
#[must_use]
pub fn vulnerability(number: u128, values: &[(&'static str, Value)]) -> Document {
    Document {
        id: vulnerability_id(number),
        group: group(1),
        finding: FindingId::from_uuid(Uuid::from_u128(number)),
        version: 1,
        values: values.iter().cloned().collect::<BTreeMap<_, _>>(),
    }
}

/// A finding of group 1, in version 1.
#[must_use]
pub fn finding_text(number: u128, title: &str, text: &str) -> FindingText {
    FindingText {
        id: FindingId::from_uuid(Uuid::from_u128(number)),
        group: group(1),
        version: 1,
        title: title.to_owned(),
        text: text.to_owned(),
    }
}

pub(super) fn word(text: &str) -> Value {
    Value::Keyword(text.to_owned())
}

pub(super) fn words(texts: &[&str]) -> Value {
    Value::Keywords(texts.iter().map(|text| (*text).to_owned()).collect())
}

pub(super) fn num(number: i64) -> Value {
    Value::Number(number)
}
