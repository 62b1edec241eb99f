//! Policies: what applies and where it comes from, and what each level sets.

use async_graphql::{Enum, InputObject, Json, MaybeUndefined, SimpleObject};
use gna_domain::model;
use gna_domain::model::PolicyChange;

use crate::policy_fields::policy_fields;

macro_rules! policy {
    ($($(#[$doc:meta])* $field:ident: $type:ty;)*) => {
        /// What applies in a group, after its organization's defaults and its own overrides.
        #[derive(SimpleObject)]
        pub struct Policy { $($(#[$doc])* pub $field: $type,)* }

        impl From<model::Policy> for Policy {
            fn from(policy: model::Policy) -> Self {
                Self { $($field: policy.$field,)* }
            }
        }

        /// What one level sets; null inherits from the level above.
        #[derive(SimpleObject)]
        pub struct PolicyOverride { $($(#[$doc])* pub $field: Option<$type>,)* }

        impl From<&model::PolicyOverride> for PolicyOverride {
            fn from(policy: &model::PolicyOverride) -> Self {
                Self { $($field: policy.$field,)* }
            }
        }

        /// A change of a policy: what is left out stays, null inherits again, a value is set.
        #[derive(InputObject, Default)]
        pub struct PolicyInput { $($(#[$doc])* pub $field: MaybeUndefined<$type>,)* }

        impl From<PolicyInput> for PolicyChange {
            fn from(input: PolicyInput) -> Self {
                Self { $($field: change(input.$field),)* }
            }
        }
    };
}

policy_fields!(policy);

/// Where a value of a policy comes from.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "model::PolicyLevel")]
pub enum PolicyLevel {
    /// Nobody set it.
    Default,
    /// The organization.
    Organization,
    /// The group.
    Group,
}

/// A field of a policy, with where its value comes from.
#[derive(SimpleObject)]
pub struct PolicyField {
    /// The field, as in `Policy` but in snake case.
    pub name: String,
    /// What applies.
    pub value: Json<serde_json::Value>,
    /// The level that sets it.
    pub from: PolicyLevel,
}

impl From<model::PolicyField> for PolicyField {
    fn from(field: model::PolicyField) -> Self {
        Self {
            name: field.name.to_owned(),
            value: Json(field.value),
            from: field.from.into(),
        }
    }
}

/// Left out it stays, null clears it.
pub(super) fn change<T>(input: MaybeUndefined<T>) -> model::Change<T> {
    match input {
        MaybeUndefined::Undefined => model::Change::Unset,
        MaybeUndefined::Null => model::Change::Clear,
        MaybeUndefined::Value(value) => model::Change::Set(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_out_null_and_a_value_are_three_things() {
        assert_eq!(
            change::<bool>(MaybeUndefined::Undefined),
            model::Change::Unset
        );
        assert_eq!(change::<bool>(MaybeUndefined::Null), model::Change::Clear);
        assert_eq!(change(MaybeUndefined::Value(1)), model::Change::Set(1));
    }
}
