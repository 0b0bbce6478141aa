//! How much a package may be, and the budget that one reading of it spends (SCAN-05).
//!
//! A [`Budget`] is shared by everything that reads one package, so that ten thousand small files cost no less than one large
//! one. Time is a monotonic span, not a clock: the same package on a slow machine is refused, never mistaken for another.

use crate::Refusal;
use std::time::{Duration, Instant};

/// Bounds of one package. The default is what the marketplace promises sellers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Files and folders in the archive.
    pub max_entries: usize,
    /// Bytes of all files unpacked.
    pub max_total: u64,
    /// Bytes of one file unpacked.
    pub max_file: u64,
    /// Unpacked bytes for each packed one, judged from the first MiB on.
    pub max_ratio: u64,
    /// Folders one inside another.
    pub max_depth: usize,
    /// Time for one `inspect` or one `scan`.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 10_000,
            max_total: 2 << 30,
            max_file: 256 << 20,
            max_ratio: 100,
            max_depth: 32,
            deadline: Duration::from_secs(120),
        }
    }
}

/// Below this much output no ratio is judged: a short file of one repeated letter is no bomb.
pub(crate) const RATIO_FLOOR: u64 = 1 << 20;

/// What is left of the limits while a package is read.
#[derive(Debug)]
pub(crate) struct Budget {
    pub limits: Limits,
    packed: u64,
    unpacked: u64,
    started: Instant,
}

impl Budget {
    /// A fresh budget for a package of `packed` bytes.
    pub fn new(limits: &Limits, packed: u64) -> Self {
        Self { limits: limits.clone(), packed, unpacked: 0, started: Instant::now() }
    }

    /// Time that is left, or the refusal when there is none.
    pub fn time_left(&self) -> Result<Duration, Refusal> {
        match self.limits.deadline.checked_sub(self.started.elapsed()) {
            Some(left) if !left.is_zero() => Ok(left),
            _ => Err(Refusal::Timeout { seconds: self.limits.deadline.as_secs() }),
        }
    }

    /// Pays for `bytes` more of unpacked data.
    pub fn spend(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.time_left()?;
        self.unpacked = self.unpacked.saturating_add(bytes);
        if self.unpacked > self.limits.max_total {
            return Err(Refusal::TooLarge { limit: self.limits.max_total });
        }
        self.ratio(None, self.packed, self.unpacked)
    }

    /// Refuses what grows beyond the ratio, for one file or for the whole.
    pub fn ratio(&self, path: Option<&str>, packed: u64, unpacked: u64) -> Result<(), Refusal> {
        if unpacked > RATIO_FLOOR && unpacked / packed.max(1) >= self.limits.max_ratio {
            return Err(Refusal::Bomb {
                path: path.map(str::to_owned),
                ratio: unpacked / packed.max(1),
                limit: self.limits.max_ratio,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_may_repeat_themselves_and_large_ones_may_not() {
        let budget = Budget::new(&Limits::default(), 1_000);
        assert!(budget.ratio(None, 1, RATIO_FLOOR).is_ok());
        assert!(matches!(budget.ratio(None, 1_000, RATIO_FLOOR * 2), Err(Refusal::Bomb { ratio: 2_097, .. })));
    }

    #[test]
    fn the_total_is_shared_by_all_files() {
        let mut budget = Budget::new(&Limits { max_total: 100, ..Limits::default() }, 100);
        assert!(budget.spend(60).is_ok());
        assert!(matches!(budget.spend(60), Err(Refusal::TooLarge { limit: 100 })));
    }

    #[test]
    fn no_time_is_a_refusal() {
        let budget = Budget::new(&Limits { deadline: Duration::ZERO, ..Limits::default() }, 1);
        assert!(matches!(budget.time_left(), Err(Refusal::Timeout { .. })));
    }
}
