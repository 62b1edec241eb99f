//! Which value of a field counts, when two sides have one each. Pure.
//!
//! What both sides agreed on last is remembered. A side whose value differs from it has changed it
//! and is believed; where both have, or nothing was agreed on yet, the side that the configuration
//! names wins, unless its value is empty. Merged values are the same whoever merges, and merging
//! them again changes nothing: so it converges however often and in whatever order it is done.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Values by field; an absent one is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fields(pub BTreeMap<String, String>);

impl Fields {
    pub fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// The fields whose value is another one in `other`, with that value.
    pub fn changed_to<'f>(
        &self,
        other: &Self,
        fields: &'f [String],
    ) -> impl Iterator<Item = (&'f str, String)> {
        fields
            .iter()
            .map(String::as_str)
            .filter(|field| self.get(field) != other.get(field))
            .map(|field| (field, other.get(field).to_owned()))
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    First,
    Second,
}

/// The values that both sides should have of these fields.
pub fn merged(
    agreed: Option<&Fields>,
    first: &Fields,
    second: &Fields,
    fields: &[String],
    winner: Winner,
) -> Fields {
    let pick = |field: &String| {
        let (one, two) = (first.get(field), second.get(field));
        let value = match agreed.map(|agreed| agreed.get(field)) {
            Some(agreed) if one == agreed => two,
            Some(agreed) if two == agreed => one,
            _ => {
                let (wins, loses) = match winner {
                    Winner::First => (one, two),
                    Winner::Second => (two, one),
                };
                if wins.is_empty() { loses } else { wins }
            }
        };
        (!value.is_empty()).then(|| (field.clone(), value.to_owned()))
    };
    Fields(fields.iter().filter_map(pick).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
        Fields(
            pairs
                .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn whoever_changed_a_field_is_believed_and_the_winner_where_both_did() {
        let names = ["a".to_owned()];
        for (agreed, one, two, winner, is) in [
            (Some("x"), "x", "y", Winner::First, "y"),
            (Some("x"), "y", "x", Winner::Second, "y"),
            (Some("x"), "y", "z", Winner::First, "y"),
            (Some("x"), "y", "z", Winner::Second, "z"),
            (Some("x"), "", "x", Winner::Second, ""),
            (Some("x"), "", "z", Winner::First, "z"),
            (None, "y", "z", Winner::First, "y"),
            (None, "", "z", Winner::First, "z"),
            (None, "y", "", Winner::Second, "y"),
        ] {
            let agreed = agreed.map(|agreed| fields(&[("a", agreed)]));
            let (one, two) = (fields(&[("a", one)]), fields(&[("a", two)]));
            let both = merged(agreed.as_ref(), &one, &two, &names, winner);
            assert_eq!(both, fields(&[("a", is)]), "{agreed:?} {one:?} {two:?}");
        }
    }

    proptest! {
        #[test]
        fn merged_values_stay_as_they_are(
            agreed in proptest::option::of("[xyz]?"), one in "[xyz]?", two in "[xyz]?", first in any::<bool>(),
        ) {
            let names = ["a".to_owned()];
            let winner = if first { Winner::First } else { Winner::Second };
            let agreed = agreed.map(|agreed| fields(&[("a", &agreed)]));
            let both = merged(agreed.as_ref(), &fields(&[("a", &one)]), &fields(&[("a", &two)]), &names, winner);
            let again = merged(Some(&both), &both, &both, &names, winner);
            prop_assert_eq!(&again, &both);
            // One side was told and the other not yet: it is told the same.
            let half = merged(agreed.as_ref(), &both, &fields(&[("a", &two)]), &names, winner);
            if agreed.is_some() || !both.get("a").is_empty() {
                let once_more = merged(Some(&both), &both, &half, &names, winner);
                prop_assert_eq!(once_more, half);
            }
        }
    }
}
