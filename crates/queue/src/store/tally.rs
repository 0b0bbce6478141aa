//! Adding to the counts that charts are drawn from. Rows come sorted, so two processes never wait for each other in a circle.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Runs of a minute.
#[derive(Clone, Debug)]
pub(crate) struct RunCount {
    pub minute: DateTime<Utc>,
    pub queue: String,
    pub kind: String,
    pub outcome: String,
    pub release: String,
    pub runs: i64,
    pub seconds: f64,
    pub waited: f64,
    pub slowest: f64,
}

impl RunCount {
    pub(crate) fn none(minute: DateTime<Utc>, queue: &str, kind: &str, outcome: &str, release: &str) -> Self {
        let [queue, kind, outcome, release] = [queue, kind, outcome, release].map(str::to_owned);
        Self { minute, queue, kind, outcome, release, runs: 0, seconds: 0.0, waited: 0.0, slowest: 0.0 }
    }

    pub(crate) fn add(&mut self, runs: i64, seconds: f64, waited: f64, slowest: f64) {
        self.runs += runs;
        self.seconds += seconds;
        self.waited += waited;
        self.slowest = self.slowest.max(slowest);
    }
}

/// Failed runs of an hour with one fingerprint.
#[derive(Clone, Debug)]
pub(crate) struct ErrorCount {
    pub hour: DateTime<Utc>,
    pub fingerprint: String,
    pub kind: String,
    pub error_class: String,
    pub runs: i64,
    pub latest_error: String,
    pub latest_job: i64,
    pub first_at: DateTime<Utc>,
    pub last_at: DateTime<Utc>,
}

impl ErrorCount {
    pub(crate) fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.first_at = self.first_at.min(other.first_at);
        if other.last_at >= self.last_at {
            self.last_at = other.last_at;
            self.latest_job = other.latest_job;
            self.latest_error = other.latest_error;
        }
    }
}

pub(crate) async fn add_runs(c: &mut PgConnection, counts: &[&RunCount]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.run_counts AS sum (minute, queue, kind, outcome, release, runs, seconds, waited, slowest)
         SELECT *
         FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::float8[], $8::float8[],
                     $9::float8[])
         ON CONFLICT (minute, kind, queue, outcome, release) DO UPDATE
         SET runs = sum.runs + excluded.runs,
             seconds = sum.seconds + excluded.seconds,
             waited = sum.waited + excluded.waited,
             slowest = greatest(sum.slowest, excluded.slowest)",
        &column(counts, |count| count.minute),
        &column(counts, |count| count.queue.clone()),
        &column(counts, |count| count.kind.clone()),
        &column(counts, |count| count.outcome.clone()),
        &column(counts, |count| count.release.clone()),
        &column(counts, |count| count.runs),
        &column(counts, |count| count.seconds),
        &column(counts, |count| count.waited),
        &column(counts, |count| count.slowest),
    )
    .execute(c)
    .await
    .map(drop)
}

pub(crate) async fn add_errors(c: &mut PgConnection, counts: &[&ErrorCount]) -> Result<(), sqlx::Error> {
    if counts.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO queue.error_counts AS sum (hour, fingerprint, kind, error_class, runs, latest_error, latest_job, first_at, last_at)
         SELECT *
         FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
                     $8::timestamptz[], $9::timestamptz[])
         ON CONFLICT (hour, fingerprint, kind) DO UPDATE
         SET runs = sum.runs + excluded.runs,
             first_at = least(sum.first_at, excluded.first_at),
             last_at = greatest(sum.last_at, excluded.last_at),
             latest_error = CASE WHEN excluded.last_at >= sum.last_at THEN excluded.latest_error ELSE sum.latest_error END,
             latest_job = CASE WHEN excluded.last_at >= sum.last_at THEN excluded.latest_job ELSE sum.latest_job END",
        &column(counts, |count| count.hour),
        &column(counts, |count| count.fingerprint.clone()),
        &column(counts, |count| count.kind.clone()),
        &column(counts, |count| count.error_class.clone()),
        &column(counts, |count| count.runs),
        &column(counts, |count| count.latest_error.clone()),
        &column(counts, |count| count.latest_job),
        &column(counts, |count| count.first_at),
        &column(counts, |count| count.last_at),
    )
    .execute(c)
    .await
    .map(drop)
}

fn column<C, T>(counts: &[&C], value: impl Fn(&C) -> T) -> Vec<T> {
    counts.iter().map(|count| value(count)).collect()
}
