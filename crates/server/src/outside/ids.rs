//! Ids and randomness of this machine: the one place that asks for them.

use gna_domain::port::Ids;
use uuid::Uuid;

/// UUIDs of version 7 with the counter of RFC 9562, section 6.2, method 1: within this process
/// later ones sort after earlier ones, also within one millisecond.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn uuid(&self) -> Uuid {
        #[expect(clippy::disallowed_methods, reason = "this is the Ids port")]
        Uuid::now_v7()
    }

    /// # Panics
    /// When the system has no randomness to give: then no secret may be made, and there is no way
    /// to go on without one.
    fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        if let Err(error) = getrandom::fill(&mut bytes) {
            panic!("the system gives no random bytes: {error}");
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_ids_sort_after_earlier_ones_and_nothing_repeats() {
        let ids: Vec<Uuid> = (0..10_000).map(|_| SystemIds.uuid()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids[0].get_version_num(), 7);
        assert_ne!(SystemIds.random(), SystemIds.random());
    }
}
