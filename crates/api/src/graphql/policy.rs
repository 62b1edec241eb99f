//! Policies: what applies, and what each level sets.

use async_graphql::{InputObject, MaybeUndefined, SimpleObject};
use gna_domain::model;
use gna_domain::service::organization::PolicyChange;

/// What applies in a group, after its organization's defaults and its own overrides.
#[derive(SimpleObject)]
pub struct Policy {
    /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
    pub review_new: bool,
    /// Code findings of different tools at one place are one vulnerability.
    pub merge_code_across_tools: bool,
    /// A complete report closes what its tool no longer finds on that ref.
    pub close_missing: bool,
    /// Days that raw reports are kept; 0 keeps them for good.
    pub keep_reports_days: u32,
}

impl From<model::Policy> for Policy {
    fn from(policy: model::Policy) -> Self {
        Self {
            review_new: policy.review_new,
            merge_code_across_tools: policy.merge_code_across_tools,
            close_missing: policy.close_missing,
            keep_reports_days: policy.keep_reports_days,
        }
    }
}

/// What one level sets; null inherits from the level above.
#[derive(SimpleObject)]
pub struct PolicyOverride {
    /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
    pub review_new: Option<bool>,
    /// Code findings of different tools at one place are one vulnerability.
    pub merge_code_across_tools: Option<bool>,
    /// A complete report closes what its tool no longer finds on that ref.
    pub close_missing: Option<bool>,
    /// Days that raw reports are kept; 0 keeps them for good.
    pub keep_reports_days: Option<u32>,
}

impl From<&model::PolicyOverride> for PolicyOverride {
    fn from(policy: &model::PolicyOverride) -> Self {
        Self {
            review_new: policy.review_new,
            merge_code_across_tools: policy.merge_code_across_tools,
            close_missing: policy.close_missing,
            keep_reports_days: policy.keep_reports_days,
        }
    }
}

/// A change of a policy: what is left out stays, null inherits again, a value is set.
#[derive(InputObject, Default)]
pub struct PolicyInput {
    /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
    pub review_new: MaybeUndefined<bool>,
    /// Code findings of different tools at one place are one vulnerability.
    pub merge_code_across_tools: MaybeUndefined<bool>,
    /// A complete report closes what its tool no longer finds on that ref.
    pub close_missing: MaybeUndefined<bool>,
    /// Days that raw reports are kept; 0 keeps them for good.
    pub keep_reports_days: MaybeUndefined<u32>,
}

impl From<PolicyInput> for PolicyChange {
    fn from(input: PolicyInput) -> Self {
        Self {
            review_new: change(input.review_new),
            merge_code_across_tools: change(input.merge_code_across_tools),
            close_missing: change(input.close_missing),
            keep_reports_days: change(input.keep_reports_days),
        }
    }
}

fn change<T>(input: MaybeUndefined<T>) -> model::Change<T> {
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
