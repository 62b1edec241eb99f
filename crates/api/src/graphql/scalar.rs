//! Scalars, and ids on their way in and out.

use async_graphql::{ID, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use gna_domain::error::Result;
use gna_domain::id::TypedId;
use gna_domain::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub Timestamp);

/// A point in time, RFC 3339 in UTC: `2026-01-31T09:30:00.000Z`. As input any offset is taken.
#[Scalar]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Timestamp::parse(text)
                .map(Self)
                .map_err(InputValueError::custom),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<Timestamp> for DateTime {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// As it is written.
pub fn id(id: impl TypedId) -> ID {
    ID(id.to_string())
}

/// As it was sent in that argument or field.
///
/// # Errors
/// `id.malformed`, naming the field.
pub fn parse<I: TypedId>(id: &ID, field: &str) -> Result<I> {
    id.parse::<I>().map_err(|error| error.on_field(field))
}

/// Several ids; none for an absent list.
///
/// # Errors
/// `id.malformed`, naming the field.
pub fn parse_all<I: TypedId>(ids: Option<Vec<ID>>, field: &str) -> Result<Vec<I>> {
    ids.unwrap_or_default()
        .iter()
        .map(|id| parse(id, field))
        .collect()
}
