//! How much is measured: the full run, aimed at under 45 minutes on two cores, and the quick one with the same rows.

use clap::ValueEnum;
use std::time::Duration;

/// A part of the run that `--only` can pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Draining a backlog of no-op jobs.
    Drain,
    /// Enqueueing single jobs, batches, and in a caller's transaction.
    Enqueue,
    /// From commit to the handler's first instruction, idle and under load.
    Latency,
    /// Claims and dashboard with ten million rows of history.
    History,
    /// Throughput while a snapshot is held open.
    Snapshot,
}

/// The sizes of one run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub quick: bool,
    /// Backlogs to drain: what the rows are called, how many jobs, how often.
    pub backlogs: [(&'static str, usize, usize); 2],
    /// How long one drain may take; what is left then is extrapolated.
    pub drain_cap: Duration,
    /// The same for stock apalis, which is much slower.
    pub slow_cap: Duration,
    /// Single enqueues measured per system and round.
    pub singles: usize,
    /// Batches of 5,000 enqueued per system and round.
    pub batches: usize,
    /// Probes per system and round, idle and under load.
    pub probes: usize,
    /// Rounds of enqueueing and latency.
    pub rounds: usize,
    /// Rows of history.
    pub history: u64,
    /// How long the queue runs without and with a snapshot held.
    pub snapshot: (Duration, Duration),
    /// The part of a held snapshot's time that is compared: its beginning and its end.
    pub window: Duration,
}

impl Plan {
    /// Processes that drain.
    pub const PROCESSES: [usize; 2] = [1, 4];
    /// Jobs at once in a process.
    pub const CONCURRENCY: [usize; 3] = [10, 50, 100];
    /// Jobs a second that go through the queue while pick-up is measured under load.
    pub const LOAD: usize = 1_000;

    pub fn new(quick: bool) -> Self {
        let seconds = Duration::from_secs;
        if quick {
            Self {
                quick,
                backlogs: [("20k", 5_000, 1), ("200k", 20_000, 1)],
                drain_cap: Duration::from_millis(2_500),
                slow_cap: Duration::from_millis(700),
                singles: 100,
                batches: 4,
                probes: 40,
                rounds: 1,
                history: 100_000,
                snapshot: (seconds(6), seconds(12)),
                window: seconds(4),
            }
        } else {
            Self {
                quick,
                backlogs: [("20k", 20_000, 3), ("200k", 200_000, 2)],
                drain_cap: seconds(25),
                slow_cap: seconds(4),
                singles: 500,
                batches: 10,
                probes: 300,
                rounds: 3,
                history: 10_000_000,
                snapshot: (seconds(120), seconds(600)),
                window: seconds(60),
            }
        }
    }
}
