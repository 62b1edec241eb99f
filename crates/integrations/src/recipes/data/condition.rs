//! The `condition` of a call in a recipe file: one CEL expression over what its templates may name.

use gna_domain::error::Result;
use gna_domain::rules::condition::{Condition, Facts, Kind, LIST_LIMIT, Vocabulary};
use serde_json::Value;

/// What a condition stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Something happened here.
    On,
    /// Time has passed.
    Tick,
    /// The app told of something.
    Webhook,
}

type Names = &'static [(&'static str, Kind)];

// Those that may be anything first. `docs/RECIPES.md` has the same names.
const ON: Names = &[
    ("config", Kind::Any),
    ("event", Kind::Text),
    ("made", Kind::Text),
    ("subject.id", Kind::Text),
    ("subject.title", Kind::Text),
    ("subject.text", Kind::Text),
    ("subject.severity", Kind::Text),
    ("subject.score", Kind::Number),
    ("subject.asset", Kind::Text),
    ("subject.place", Kind::Text),
    ("subject.state", Kind::Text),
    ("subject.is_open", Kind::Flag),
    ("subject.tags", Kind::Texts),
    ("subject.identifiers", Kind::Texts),
];
const TICK: Names = &[("config", Kind::Any), ("item", Kind::Any)];
const WEBHOOK: Names = &[
    ("config", Kind::Any),
    ("webhook.body", Kind::Any),
    ("webhook.event", Kind::Text),
];

impl Place {
    fn names(self) -> Names {
        match self {
            Self::On => ON,
            Self::Tick => TICK,
            Self::Webhook => WEBHOOK,
        }
    }

    /// Of what may be anything nothing can be tried beforehand, so a condition that does without is read
    /// without.
    ///
    /// # Errors
    /// As [`Condition::compile`].
    pub(super) fn compile(self, source: &str) -> Result<Condition> {
        let names = self.names();
        let open = names.iter().filter(|(_, kind)| *kind == Kind::Any).count();
        let (_, plain) = names.split_at(open);
        match Condition::compile(source, Vocabulary(plain)) {
            Err(error) if error.code() == "condition.unknown_name" => {
                Condition::compile(source, Vocabulary(names))
            }
            read => read,
        }
    }

    /// Whether it is true of what the templates see as `input`; one that is not there is.
    ///
    /// # Errors
    /// As [`Condition::holds`].
    pub(super) fn holds(self, condition: Option<&Condition>, input: &Value) -> Result<bool> {
        let Some(condition) = condition else {
            return Ok(true);
        };
        let facts = Vocabulary(self.names()).facts(|path, kind| {
            let found = path.split('.').try_fold(input, |at, name| at.get(name));
            match (kind, found) {
                (Kind::Any, Some(found)) => cut(found),
                (_, found) => found
                    .and_then(|value| kind.seen(value))
                    .unwrap_or_else(|| kind.nothing()),
            }
        });
        condition.holds(&Facts::new(&facts)?)
    }
}

/// With lists as long as conditions take them.
fn cut(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().take(LIST_LIMIT).map(cut).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, value)| (name.clone(), cut(value)))
                .collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_see_what_templates_see() {
        let on = json!({
            "event": "vulnerability.created",
            "config": {"least": 7, "team": "web"},
            "made": null,
            "subject": {"severity": "HIGH", "score": 7.5, "is_open": true, "tags": ["pci"], "asset": "shop"},
        });
        let tick = json!({"config": {}, "item": {"id": 4, "total": 12.5, "lines": vec![1; LIST_LIMIT + 1]}});
        let webhook =
            json!({"config": {}, "webhook": {"event": "card.moved", "body": {"to": "Done"}}});
        for (place, input, source, holds) in [
            (
                Place::On,
                &on,
                "subject.score >= 7.0 && 'pci' in subject.tags",
                true,
            ),
            (
                Place::On,
                &on,
                "subject.is_open && subject.asset.startsWith('x')",
                false,
            ),
            (Place::On, &on, "config.team == 'web' && made == ''", true),
            (
                Place::Tick,
                &tick,
                "item.total > 10.0 && size(item.lines) == 100",
                true,
            ),
            (
                Place::Webhook,
                &webhook,
                "webhook.event == 'card.moved'",
                true,
            ),
            (
                Place::Webhook,
                &webhook,
                "webhook.body.to == 'Doing'",
                false,
            ),
        ] {
            let condition = place.compile(source).expect(source);
            let held = place.holds(Some(&condition), input).expect(source);
            assert_eq!(held, holds, "{source}");
            assert!(place.holds(None, input).expect("nothing asked"));
        }
    }

    #[test]
    fn what_can_not_be_right_is_refused_when_it_is_read() {
        for (place, source, code) in [
            (Place::On, "subject.score > 'high'", "condition.type"),
            (Place::On, "subject.asset", "condition.type"),
            (Place::On, "item.id == 1", "condition.unknown_name"),
            (Place::Tick, "subject.is_open", "condition.unknown_name"),
            (Place::Webhook, "webhook.event ==", "condition.syntax"),
        ] {
            let refused = place.compile(source).expect_err(source);
            assert_eq!(refused.code(), code, "{source}");
        }
    }
}
