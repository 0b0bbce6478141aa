//! Numbers that look random and are the same on every machine (SplitMix64).

use std::cell::Cell;

/// Draws through a shared reference, so that an argument may be drawn while its receiver is borrowed.
pub(crate) struct Chance(Cell<u64>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed ^ 0x5eed_c0de_5eed_c0de))
    }

    fn next(&self) -> u64 {
        self.0.set(self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut z = self.0.get();
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    pub fn part(&self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Between the two.
    pub fn between(&self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.part()
    }

    /// From 0 up to `n`.
    pub fn below(&self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// One of these.
    pub fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// True in `percent` of a hundred cases.
    pub fn happens(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
