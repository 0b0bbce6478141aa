//! How many jobs of a queue to claim ahead of free slots: what begins within a tenth of a second, as long as runs are short, and
//! none otherwise. So a backlog of quick jobs goes through in large claims, while long jobs, and those of a queue that has few,
//! are left for whoever has a slot for them.

use crate::engine::line::Line;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// As many as begin within this time.
const AHEAD: Duration = Duration::from_millis(100);
/// Longer runs make nobody wait for them.
const QUICK: Duration = Duration::from_millis(50);
/// Never more than this, or twice the slots.
const MOST: usize = 1_000;

/// How fast jobs of a queue have begun of late, as seen from claim to claim.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    begun: u64,
    a_second: f64,
}

impl Pace {
    /// Nothing is known yet.
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), begun: 0, a_second: 0.0 }
    }

    /// Begins anew, after a rest.
    pub(crate) fn reset(&mut self, line: &Line) {
        *self = Self { begun: line.runs.begun(), ..Self::new() };
    }

    /// Takes note of what has begun since the last time.
    pub(crate) fn note(&mut self, line: &Line) {
        let (took, begun) = (self.since.elapsed(), line.runs.begun());
        if took < Duration::from_micros(500) {
            return;
        }
        let now = (begun - self.begun) as f64 / took.as_secs_f64();
        let a_second = if self.a_second > 0.0 { f64::midpoint(self.a_second, now) } else { now };
        *self = Self { since: Instant::now(), begun, a_second };
    }

    /// How many jobs to hold that have no slot yet, in a process of so many `slots`.
    pub(crate) fn ahead(&self, line: &Line, slots: usize) -> usize {
        if line.runs.mean().is_none_or(|mean| mean > QUICK) {
            return 0;
        }
        ((self.a_second * AHEAD.as_secs_f64()) as usize).min(MOST.max(2 * slots))
    }
}

/// The runs of a queue in this process, in figures.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    begun: AtomicU64,
    /// Seconds, as bits; of late counts most.
    mean: AtomicU64,
}

impl Runs {
    pub(crate) fn one_begins(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// Two that end at once may count as one, which does no harm.
    pub(crate) fn one_took(&self, took: Duration) {
        let took = took.as_secs_f64().max(f64::MIN_POSITIVE);
        let mean = f64::from_bits(self.mean.load(Relaxed));
        let mean = if mean == 0.0 { took } else { mean + (took - mean) / 16.0 };
        self.mean.store(mean.to_bits(), Relaxed);
    }

    fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    fn mean(&self) -> Option<Duration> {
        let mean = f64::from_bits(self.mean.load(Relaxed));
        (mean > 0.0).then(|| Duration::from_secs_f64(mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_pace(a_second: f64, mean: Duration) -> usize {
        let line = Line::new("q");
        line.runs.one_took(mean);
        Pace { a_second, ..Pace::new() }.ahead(&line, 10)
    }

    #[test]
    fn quick_jobs_are_claimed_ahead_by_a_tenth_of_a_second() {
        assert_eq!(at_pace(2_000.0, Duration::from_millis(5)), 200);
        assert_eq!(at_pace(1e6, Duration::from_micros(10)), MOST);
    }

    #[test]
    fn long_jobs_and_unknown_ones_are_not() {
        assert_eq!(at_pace(2_000.0, Duration::from_millis(51)), 0);
        assert_eq!(at_pace(0.0, Duration::from_millis(5)), 0);
        let fresh = Line::new("q");
        assert_eq!(Pace { a_second: 1e6, ..Pace::new() }.ahead(&fresh, 10), 0);
    }
}
