//! Which events somebody who watches an organization is told. Pure.
//!
//! The events are those of [`event_type`](super::event_type). Who may be told of one is whoever may
//! read what it is about.

use crate::error::{Error, Result};
use crate::id::{AssetId, GroupId, OrganizationId};
use crate::policy::Action;
use crate::rules::event_type::{TEST, is_known};

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub organization: OrganizationId,
    /// All groups if there is none.
    pub group: Option<GroupId>,
    /// All assets, and what is about no asset, if there is none.
    pub asset: Option<AssetId>,
    /// Types of events; all if there are none.
    pub events: Vec<String>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    pub event: &'static str,
    pub organization: OrganizationId,
    pub group: GroupId,
    pub asset: Option<AssetId>,
}

impl Watched {
    /// Whether events of that type are wanted.
    #[must_use]
    pub fn has_type(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event)
    }

    /// Whether an event is wanted.
    #[must_use]
    pub fn wants(&self, about: &About) -> bool {
        let is_place = self.organization == about.organization
            && self.group.is_none_or(|group| group == about.group)
            && self.asset.is_none_or(|asset| about.asset == Some(asset));
        is_place && self.has_type(about.event)
    }
}

/// What whoever is told of an event of that type must be allowed to do in its group; none for what
/// nobody is told.
#[must_use]
pub fn action_for(event: &str) -> Option<Action> {
    let (noun, _) = event.split_once('.')?;
    match noun {
        "asset" => Some(Action::AssetRead),
        "blocker" => Some(Action::BlockerRead),
        "comment" => Some(Action::CommentRead),
        "gate" => Some(Action::GateRead),
        "group" => Some(Action::GroupRead),
        "report" => Some(Action::ReportRead),
        "vulnerability" => Some(Action::VulnerabilityRead),
        _ => None,
    }
}

/// Types of events as they were asked for, each once.
///
/// # Errors
/// `changes.event` for one that there is not, or that is no change of anything.
pub fn checked_events(mut events: Vec<String>) -> Result<Vec<String>> {
    events.sort_unstable();
    events.dedup();
    match events.iter().find(|name| !is_known(name) || *name == TEST) {
        None => Ok(events),
        Some(unknown) => {
            let unknown: String = unknown.chars().take(100).collect();
            Err(Error::invalid(
                "changes.event",
                format!("there is no change of the type {unknown:?}; docs/WEBHOOKS.md lists them"),
            )
            .on_field("events"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId;
    use crate::rules::event_type::EVENT_TYPES;

    fn id<I: TypedId>(number: u128) -> I {
        I::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn each_filter_narrows_what_is_told() {
        let all = Watched {
            organization: id(1),
            group: None,
            asset: None,
            events: Vec::new(),
        };
        let group = Watched {
            group: Some(id(2)),
            ..all.clone()
        };
        let asset = Watched {
            asset: Some(id(3)),
            ..all.clone()
        };
        let events = Watched {
            events: vec!["comment.added".to_owned()],
            ..all.clone()
        };
        let comment = About {
            event: "comment.added",
            organization: id(1),
            group: id(2),
            asset: Some(id(3)),
        };
        let elsewhere = About {
            organization: id(9),
            ..comment
        };
        let beside = About {
            group: id(8),
            asset: Some(id(7)),
            ..comment
        };
        let of_group = About {
            event: "group.created",
            asset: None,
            ..comment
        };
        for (name, about, told) in [
            ("comment", comment, [true, true, true, true]),
            ("elsewhere", elsewhere, [false, false, false, false]),
            ("beside", beside, [true, false, false, true]),
            ("of the group", of_group, [true, true, false, false]),
        ] {
            let watched = [&all, &group, &asset, &events];
            assert_eq!(watched.map(|of| of.wants(&about)), told, "{name}");
        }
    }

    #[test]
    fn each_type_of_event_takes_a_right_of_a_group() {
        for of in EVENT_TYPES.iter().filter(|of| of.name != TEST) {
            let action = action_for(of.name);
            assert!(
                action.is_some_and(|action| action.area() == crate::policy::Area::Group),
                "{}",
                of.name
            );
        }
        assert_eq!(action_for(TEST), None);
    }

    #[test]
    fn types_that_there_are_not_are_refused() {
        let asked = |names: &[&str]| checked_events(names.iter().map(|&of| of.into()).collect());
        assert_eq!(
            asked(&["report.failed", "asset.created", "report.failed"]),
            Ok(vec!["asset.created".to_owned(), "report.failed".to_owned()])
        );
        for wrong in ["vulnerability.exploded", "", TEST] {
            let refused = asked(&["asset.created", wrong]).expect_err("must be refused");
            assert_eq!(refused.code(), "changes.event", "{wrong}");
            assert_eq!(refused.field(), Some("events"));
        }
    }
}
