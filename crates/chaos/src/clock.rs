//! A clock that runs fast, the same in every process, and stops at an hour: ten thousand minutes of a schedule in one of ours.

use chrono::{DateTime, Duration, Utc};
use clap::Args;
use mywork_queue::clock::Clock;

/// See the module. Processes are told of it on their command line.
#[derive(Args, Clone, Copy, Debug)]
pub struct FastClock {
    /// When it was started, by the machine's clock.
    #[arg(long)]
    pub began: DateTime<Utc>,
    /// What it showed then.
    #[arg(long)]
    pub from: DateTime<Utc>,
    /// What it shows in the end.
    #[arg(long)]
    pub until: DateTime<Utc>,
    /// How many seconds it counts in one.
    #[arg(long)]
    pub pace: i32,
}

impl FastClock {
    /// As arguments of a process.
    pub fn arguments(&self) -> Vec<String> {
        let Self { began, from, until, pace } = self;
        let time = |time: &DateTime<Utc>| time.to_rfc3339();
        ["--began", &time(began), "--from", &time(from), "--until", &time(until), "--pace", &pace.to_string()]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Clock for FastClock {
    fn now(&self) -> DateTime<Utc> {
        let passed: Duration = Utc::now() - self.began;
        (self.from + passed * self.pace).min(self.until)
    }
}
