//! How long a failed job waits before it runs again: doubling from `first` up to `cap`, a quarter more or less by chance, so
//! that jobs which failed together do not come back together. The time is stored with the job and survives every restart.

use rand::Rng;
use std::time::Duration;

/// Exponential backoff of one kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// Two seconds, four, eight … at most an hour: 25 attempts span about fifteen hours.
    pub const DEFAULT: Self = Self::new(Duration::from_secs(2), Duration::from_secs(3600));

    /// Waits `first` after the first failure and twice as long after each further one, never longer than `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// The wait after attempt number `attempt` (1 for the first) has failed.
    pub fn delay(self, attempt: i16) -> Duration {
        self.exact(attempt).mul_f64(rand::rng().random_range(0.75..1.25))
    }

    fn exact(self, attempt: i16) -> Duration {
        let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(30);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let seconds: Vec<u64> = [1, 2, 3, 12, 13, 400].map(|attempt| Backoff::DEFAULT.exact(attempt).as_secs()).into();
        assert_eq!(seconds, [2, 4, 8, 3600, 3600, 3600]);
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_quarter(attempt in 1i16..100) {
            let exact = Backoff::DEFAULT.exact(attempt).as_secs_f64();
            let delay = Backoff::DEFAULT.delay(attempt).as_secs_f64();
            prop_assert!((exact * 0.75 - 0.001..=exact * 1.25 + 0.001).contains(&delay));
        }
    }
}
