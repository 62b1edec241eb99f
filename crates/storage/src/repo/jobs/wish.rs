//! What a look at the queue is for: kinds of jobs, and how many of each class of them there is room for.

use gna_domain::model::Job;
use gna_domain::port::jobs::Wanted;
use std::collections::BTreeMap;

/// What is wanted, by kind.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    classes: BTreeMap<&'a str, usize>,
    /// How many are wanted still, by class.
    room: Vec<usize>,
}

impl<'a> Wish<'a> {
    pub fn new(wanted: &[Wanted<'a>]) -> Self {
        let of_class = |(class, wanted): (usize, &Wanted<'a>)| {
            let kinds = wanted.kinds.iter();
            kinds.map(move |kind| (*kind, class)).collect::<Vec<_>>()
        };
        Self {
            classes: wanted.iter().enumerate().flat_map(of_class).collect(),
            room: wanted.iter().map(|wanted| wanted.most).collect(),
        }
    }

    /// All kinds, in one text.
    pub fn kinds(&self) -> String {
        let kinds: Vec<&str> = self.classes.keys().copied().collect();
        kinds.join(" ")
    }

    /// Whether somebody here does such jobs at all.
    pub fn knows(&self, job: &Job) -> bool {
        self.classes.contains_key(job.kind.as_str())
    }

    /// How many of a kind are wanted.
    pub fn room(&self, kind: &str) -> usize {
        let class = self.classes.get(kind);
        class
            .and_then(|class| self.room.get(*class))
            .copied()
            .unwrap_or(0)
    }

    /// How many are wanted of all kinds together.
    pub fn most(&self) -> usize {
        self.room
            .iter()
            .fold(0, |sum, room| sum.saturating_add(*room))
    }

    /// The same kinds, as many as there are.
    pub fn boundless(&self) -> Self {
        Self {
            room: vec![usize::MAX; self.room.len()],
            ..self.clone()
        }
    }

    /// One more is there; answers whether it was wanted.
    pub fn fill(&mut self, kind: &str) -> bool {
        let class = self.classes.get(kind);
        match class.and_then(|class| self.room.get_mut(*class)) {
            Some(room) if *room > 0 => {
                *room -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_one_class_share_its_room() {
        let wanted = |kinds, most| Wanted { kinds, most };
        let mut wish = Wish::new(&[wanted(&["a", "b"], 2), wanted(&["c"], 0)]);
        assert_eq!(
            (wish.most(), wish.room("b"), wish.room("c"), wish.room("d")),
            (2, 2, 0, 0)
        );
        let filled = ["a", "c", "b", "a", "d"].map(|kind| wish.fill(kind));
        assert_eq!(filled, [true, false, true, false, false]);
        assert_eq!(wish.most(), 0);
    }
}
