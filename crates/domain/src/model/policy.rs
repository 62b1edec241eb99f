//! Policy: an organization's defaults and a group's overrides, field by field.
//!
//! The fields are declared once, below, with their defaults; the value that applies, what a level
//! sets, and a change of it are made from that list. What contradicts itself is refused by
//! [`crate::rules::policy`].

use serde::{Deserialize, Serialize};

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PolicyLevel {
    /// Nobody set it: Gna's own default.
    Default,
    Organization,
    Group,
}

/// A field that applies, with where its value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyField {
    /// As in the policy's JSON: `gate_threshold`.
    pub name: &'static str,
    pub value: serde_json::Value,
    pub from: PolicyLevel,
}

macro_rules! policy {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $default:expr;)*) => {
        /// What applies after overrides.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Policy { $($(#[$doc])* pub $field: $type,)* }

        impl Default for Policy {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        /// What one level sets; `None` inherits from the level above.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct PolicyOverride {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        /// A change of what one level sets, field by field: left alone, reset to inherit, or set.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct PolicyChange { $($(#[$doc])* pub $field: Change<$type>,)* }

        impl PolicyChange {
            #[must_use]
            pub fn apply(self, current: &PolicyOverride) -> PolicyOverride {
                PolicyOverride { $($field: self.$field.apply(current.$field),)* }
            }
        }

        impl Policy {
            /// Lays one level over the one above it.
            #[must_use]
            pub fn with(&self, over: &PolicyOverride) -> Self {
                Self { $($field: over.$field.unwrap_or(self.$field),)* }
            }

            /// Each field that applies in a group, in the order of their declaration.
            #[must_use]
            pub fn explained(organization: &PolicyOverride, group: &PolicyOverride) -> Vec<PolicyField> {
                let effective = Self::effective(organization, group);
                vec![$(PolicyField {
                    name: stringify!($field),
                    value: serde_json::json!(effective.$field),
                    from: match (group.$field, organization.$field) {
                        (Some(_), _) => PolicyLevel::Group,
                        (None, Some(_)) => PolicyLevel::Organization,
                        (None, None) => PolicyLevel::Default,
                    },
                }),*]
            }
        }
    };
}

policy! {
    /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
    review_new: bool = false;
    /// Code findings of different tools at one place (same file, line and CWE) are one
    /// vulnerability instead of related ones.
    merge_code_across_tools: bool = false;
    /// A complete report closes what its tool no longer finds on that ref.
    close_missing: bool = true;
    /// Days that raw reports are kept; 0 keeps them for good.
    keep_reports_days: u32 = 0;
    /// Days that an acceptance may last at most; 0 sets no limit.
    max_acceptance_days: u32 = 0;
    /// How often one vulnerability may be accepted for a time; 0 sets no limit.
    max_acceptances: u32 = 0;
    /// Lowest score, 0.0 to 10.0, that may be accepted.
    acceptance_min_severity: f64 = 0.0;
    /// Highest score, 0.0 to 10.0, that may be accepted.
    acceptance_max_severity: f64 = 10.0;
    /// Days after which a request for permanent acceptance that nobody decided on lapses; 0 never.
    acceptance_request_days: u32 = 30;
    /// Score, 0.0 to 10.0, from which on a vulnerability breaks the gate.
    gate_threshold: f64 = 0.0;
    /// Days for which a new vulnerability does not break the gate.
    gate_grace_days: u32 = 0;
    /// Days after which a vulnerability is technical debt and no longer breaks the gate; 0 never.
    gate_debt_days: u32 = 0;
    /// A broken gate fails the build, also where the command line says lax. Unless a level sets it,
    /// the command line decides.
    gate_strict: bool = true;
    /// Whoever asks the gate may have only what is new judged, which spares what the base has.
    gate_allow_new_only: bool = true;
    /// Whoever asks the gate may say what is compared with; otherwise it is the asset's default ref.
    gate_allow_base: bool = true;
    /// Days to repair a critical one, from when it reaches the default ref; 0 sets no due date.
    sla_days_critical: u32 = 0;
    /// Days to repair a high one; 0 sets no due date.
    sla_days_high: u32 = 0;
    /// Days to repair a medium one; 0 sets no due date.
    sla_days_medium: u32 = 0;
    /// Days to repair a low one; 0 sets no due date.
    sla_days_low: u32 = 0;
    /// Days to look after an informational one; 0 sets no due date.
    sla_days_info: u32 = 0;
    /// How many days before its due date a vulnerability is announced as soon due; 0 never.
    sla_soon_days: u32 = 7;
    /// Days without a session or a token of their own after which members are removed, 14 or more; 0 never.
    inactivity_days: u32 = 0;
}

impl Policy {
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
        let explained = Policy::explained(&organization, &group);
        let from = |name: &str| {
            explained
                .iter()
                .find(|field| field.name == name)
                .map(|field| field.from)
        };
        assert_eq!(from("review_new"), Some(PolicyLevel::Organization));
        assert_eq!(from("close_missing"), Some(PolicyLevel::Group));
        assert_eq!(from("sla_soon_days"), Some(PolicyLevel::Default));
        let written = serde_json::to_value(&policy).expect("writes");
        assert_eq!(
            written.as_object().map(serde_json::Map::len),
            Some(explained.len())
        );
    }

    #[test]
    fn absent_cleared_and_set_are_three_things() {
        assert_eq!(Change::Unset.apply(Some(1)), Some(1));
        assert_eq!(Change::Clear.apply(Some(1)), None);
        assert_eq!(Change::Set(2).apply(Some(1)), Some(2));
        let current = PolicyOverride {
            gate_threshold: Some(7.0),
            keep_reports_days: Some(3),
            ..Default::default()
        };
        let change = PolicyChange {
            keep_reports_days: Change::Clear,
            gate_grace_days: Change::Set(5),
            ..Default::default()
        };
        let expected = PolicyOverride {
            gate_threshold: Some(7.0),
            gate_grace_days: Some(5),
            ..Default::default()
        };
        assert_eq!(change.apply(&current), expected);
    }
}
