//! Reading what changed in an app, look by look: how far the last one came, and where this one begins.
//!
//! A list that is too long for one look is gone on with page by page. Beginning anew from the time of
//! its last item would stand still where more changed within the overlap than is read at once, and
//! lose the rest where the app tells no times.

use gna_domain::connect::module::PageState;
use gna_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is remembered between two looks; times in milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Remembered {
    /// Everything was read; when that began.
    Whole(i64),
    Part {
        since: i64,
        begun: i64,
        page: PageState,
    },
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Changes since then are asked for.
    pub since: Timestamp,
    /// Where the list is gone on with; `None` for its beginning.
    pub page: Option<PageState>,
    /// When the first look at this list began.
    begun: Timestamp,
}

impl Look {
    /// After what is remembered of the one before, `overlap` milliseconds of it once more; from `first`
    /// where there was none.
    #[must_use]
    pub fn after(before: Option<&Value>, first: Timestamp, overlap: i64, now: Timestamp) -> Self {
        let before = before.and_then(|data| Remembered::deserialize(data).ok());
        match before {
            None => Self {
                since: first,
                page: None,
                begun: now,
            },
            Some(Remembered::Whole(at)) => Self {
                since: Timestamp::from_millis(at.saturating_sub(overlap)),
                page: None,
                // A clock that was set back makes nothing be read twice.
                begun: now.max(Timestamp::from_millis(at)),
            },
            Some(Remembered::Part { since, begun, page }) => Self {
                since: Timestamp::from_millis(since),
                page: Some(page),
                begun: Timestamp::from_millis(begun),
            },
        }
    }

    /// The same from the list's beginning: the app does not know the page any more.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            page: None,
            ..self.clone()
        }
    }

    /// What is to be remembered when it was read up to `next`, or to its end.
    #[must_use]
    pub fn read_to(&self, next: Option<PageState>) -> Value {
        json!(match next {
            None => Remembered::Whole(self.begun.millis()),
            Some(page) => Remembered::Part {
                since: self.since.millis(),
                begun: self.begun.millis(),
                page,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: i64 = 600_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_list_longer_than_a_look_is_read_to_its_end_also_within_the_overlap() {
        // A thousand changes within a second, of which a look reads a hundred.
        let changes: Vec<i64> = (0..1_000).map(|nth| 5_000_000 + nth).collect();
        let mut data = json!(4_900_000);
        let mut seen: Vec<i64> = Vec::new();
        for nth in 0..10 {
            let now = at(5_100_000 + nth * 60_000);
            let look = Look::after(Some(&data), at(0), OVERLAP, now);
            let asked = changes.iter().filter(|change| at(**change) >= look.since);
            let from = look.page.as_ref().map_or(0, |page| page.offset);
            let rest: Vec<i64> = asked
                .copied()
                .skip(usize::try_from(from).expect("small"))
                .collect();
            seen.extend(rest.iter().take(100));
            let next = (rest.len() > 100).then(|| PageState {
                offset: from + 100,
                ..PageState::default()
            });
            data = look.read_to(next);
        }
        assert_eq!(seen, changes);
        // The next one begins where the first of these did.
        assert_eq!(data, json!(5_100_000));
        let next = Look::after(Some(&data), at(0), OVERLAP, at(6_000_000));
        assert_eq!((next.since, next.page), (at(4_500_000), None));
    }

    #[test]
    fn the_first_look_begins_where_it_is_told_and_a_page_can_be_given_up() {
        let look = Look::after(None, at(7), OVERLAP, at(9));
        assert_eq!((look.since, look.read_to(None)), (at(7), json!(9)));
        let data = look.read_to(Some(PageState::default()));
        let later = Look::after(Some(&data), at(0), OVERLAP, at(99));
        assert!(later.page.is_some());
        assert_eq!(later.anew().read_to(None), json!(9));
        // What an earlier version or nobody wrote.
        assert_eq!(Look::after(Some(&Value::Null), at(7), OVERLAP, at(9)), look);
    }
}
