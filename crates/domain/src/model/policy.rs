//! Policy: an organization's defaults and a group's overrides, field by field.

use serde::{Deserialize, Serialize};

/// What applies after overrides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
    pub review_new: bool,
    /// Code findings of different tools at one place (same file, line and CWE) are one
    /// vulnerability instead of related ones.
    pub merge_code_across_tools: bool,
    /// A complete report closes what its tool no longer finds on that ref.
    pub close_missing: bool,
    /// Days that raw reports are kept; 0 keeps them for good.
    pub keep_reports_days: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            review_new: false,
            merge_code_across_tools: false,
            close_missing: true,
            keep_reports_days: 0,
        }
    }
}

/// What one level sets; `None` inherits from the level above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyOverride {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_new: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_code_across_tools: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_missing: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_reports_days: Option<u32>,
}

impl Policy {
    /// Lays one level over the one above it.
    #[must_use]
    pub fn with(&self, over: &PolicyOverride) -> Self {
        Self {
            review_new: over.review_new.unwrap_or(self.review_new),
            merge_code_across_tools: over
                .merge_code_across_tools
                .unwrap_or(self.merge_code_across_tools),
            close_missing: over.close_missing.unwrap_or(self.close_missing),
            keep_reports_days: over.keep_reports_days.unwrap_or(self.keep_reports_days),
        }
    }

    /// What applies in a group.
    #[must_use]
    pub fn effective(organization: &PolicyOverride, group: &PolicyOverride) -> Self {
        Self::default().with(organization).with(group)
    }
}

/// An update of one field: leave it, reset it to inherit, or set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    #[default]
    Unset,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    /// The field's next value.
    pub fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Unset => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_wins_over_the_organization_and_silence_inherits() {
        let organization = PolicyOverride {
            review_new: Some(true),
            close_missing: Some(false),
            ..Default::default()
        };
        let group = PolicyOverride {
            close_missing: Some(true),
            ..Default::default()
        };
        let policy = Policy::effective(&organization, &group);
        assert!(policy.review_new && policy.close_missing && !policy.merge_code_across_tools);
    }

    #[test]
    fn absent_cleared_and_set_are_three_things() {
        assert_eq!(Change::Unset.apply(Some(1)), Some(1));
        assert_eq!(Change::Clear.apply(Some(1)), None);
        assert_eq!(Change::Set(2).apply(Some(1)), Some(2));
    }
}
