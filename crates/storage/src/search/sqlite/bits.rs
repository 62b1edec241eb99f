//! A set of documents of one group, one bit for each place.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    blocks: Vec<u64>,
}

/// Places in a block.
pub const BLOCK: u32 = u64::BITS;

impl Bits {
    pub fn has(&self, place: u32) -> bool {
        self.block(place / BLOCK) >> (place % BLOCK) & 1 == 1
    }

    pub fn block(&self, block: u32) -> u64 {
        self.blocks.get(block as usize).copied().unwrap_or(0)
    }

    pub fn add_block(&mut self, block: u32, bits: u64) {
        let at = block as usize;
        if at >= self.blocks.len() {
            self.blocks.resize(at + 1, 0);
        }
        if let Some(old) = self.blocks.get_mut(at) {
            *old |= bits;
        }
    }

    pub fn add(&mut self, place: u32) {
        self.add_block(place / BLOCK, 1 << (place % BLOCK));
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.iter().all(|block| *block == 0)
    }

    pub fn count(&self) -> u64 {
        self.blocks
            .iter()
            .map(|block| u64::from(block.count_ones()))
            .sum()
    }

    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.blocks.iter().zip(0u32..).flat_map(|(block, at)| {
            (0..BLOCK)
                .filter(move |bit| block >> bit & 1 == 1)
                .map(move |bit| at * BLOCK + bit)
        })
    }

    pub fn keep(&mut self, other: &Self) {
        self.blocks.truncate(other.blocks.len());
        self.blocks
            .iter_mut()
            .zip(&other.blocks)
            .for_each(|(block, other)| *block &= other);
    }

    pub fn join(&mut self, other: &Self) {
        (0u32..)
            .zip(&other.blocks)
            .for_each(|(at, block)| self.add_block(at, *block));
    }

    pub fn drop(&mut self, other: &Self) {
        self.blocks
            .iter_mut()
            .zip(&other.blocks)
            .for_each(|(block, other)| *block &= !other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn bits_are_sets() {
        let (a, b) = ([0u32, 1, 63, 64, 700], [1u32, 64, 65, 9_999]);
        let of = |places: &[u32]| {
            places.iter().fold(Bits::default(), |mut bits, place| {
                bits.add(*place);
                bits
            })
        };
        let sets = (BTreeSet::from(a), BTreeSet::from(b));
        let [mut keep, mut join, mut drop] = [of(&a), of(&a), of(&a)];
        keep.keep(&of(&b));
        join.join(&of(&b));
        drop.drop(&of(&b));
        for (bits, expected) in [
            (
                keep,
                sets.0.intersection(&sets.1).copied().collect::<Vec<_>>(),
            ),
            (join, sets.0.union(&sets.1).copied().collect()),
            (drop, sets.0.difference(&sets.1).copied().collect()),
        ] {
            assert_eq!(bits.places().collect::<Vec<_>>(), expected);
            assert_eq!(bits.count(), expected.len() as u64);
            assert!(
                expected.iter().all(|place| bits.has(*place))
                    && !bits.has(2)
                    && !bits.has(1_000_000)
            );
        }
        assert!(Bits::default().is_empty() && !of(&[5]).is_empty());
    }
}
