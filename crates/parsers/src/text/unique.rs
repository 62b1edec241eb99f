//! Lists without repeats.

use std::collections::HashSet;
use std::hash::Hash;

/// What is given, in its order, each once. Whoever writes a report decides how long its lists are, so
/// the time taken grows with the list and not with its square.
pub fn unique<T: Clone + Eq + Hash>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items
        .into_iter()
        .filter(|item| seen.insert(item.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::unique;
    use std::cell::Cell;
    use std::hash::{Hash, Hasher};

    /// Counts how often two are compared.
    #[derive(Clone)]
    struct Counted<'c>(u32, &'c Cell<u64>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Eq for Counted<'_> {}

    impl Hash for Counted<'_> {
        fn hash<H: Hasher>(&self, hasher: &mut H) {
            self.0.hash(hasher);
        }
    }

    #[test]
    fn comparisons_grow_with_the_list_and_not_with_its_square() {
        let (count, many) = (Cell::new(0), 10_000);
        let list = (0..many).chain(0..many).map(|nth| Counted(nth, &count));
        assert_eq!(unique(list).len(), 10_000);
        // Each repeat once; of others those few whose hash begins alike.
        assert!(count.get() < 30_000, "{}", count.get());
    }

    #[test]
    fn the_first_of_each_stays_in_its_place() {
        assert_eq!(unique(["b", "a", "b", "c", "a"]), ["b", "a", "c"]);
        assert_eq!(unique(Vec::<u32>::new()), Vec::<u32>::new());
    }
}
