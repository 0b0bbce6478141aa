//! Numbers over time, for charts. Worker processes count their runs by the minute and add them up every few seconds, so a chart
//! of a week reads no history; what a process had not yet written down when it was killed is missing.

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// Runs of one kind in one stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bucket {
    /// When the stretch begins.
    pub at: DateTime<Utc>,
    /// The queue.
    pub queue: String,
    /// The kind.
    pub kind: String,
    /// Runs that did what they should.
    pub done: i64,
    /// Runs that failed, were given up, or lost their worker.
    pub failed: i64,
    /// Seconds of work, in all.
    pub seconds: f64,
    /// Seconds of standing in line, in all.
    pub waited: f64,
    /// The longest run, in seconds.
    pub slowest: f64,
}

/// When a version of the program first had a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseMark {
    /// The version.
    pub release: String,
    /// When.
    pub first_at: DateTime<Utc>,
}

/// Runs by kind, in stretches of `step` (whole minutes, even ones: 15 minutes begin at a quarter), from the one in which `since` lies.
/// Eight days are kept; by the minute for two hours, by the quarter of an hour for a day, then by the hour, so a step should not be
/// finer than that.
///
/// # Errors
/// When the database refuses.
pub async fn throughput(c: &mut PgConnection, since: DateTime<Utc>, step: Duration) -> Result<Vec<Bucket>, sqlx::Error> {
    let step = step.num_minutes().max(1) * 60;
    sqlx::query_as!(
        Bucket,
        r#"
        SELECT date_bin(make_interval(secs => $2), minute, timestamptz '2000-01-01 00:00Z') AS "at!", queue, kind,
               coalesce(sum(runs) FILTER (WHERE outcome = 'done'), 0)::bigint AS "done!",
               coalesce(sum(runs) FILTER (WHERE outcome IN ('retried', 'dead', 'lost')), 0)::bigint AS "failed!",
               sum(seconds) AS "seconds!", sum(waited) AS "waited!", max(slowest) AS "slowest!"
        FROM queue.run_counts
        WHERE minute >= date_bin(make_interval(secs => $2), $1::timestamptz, timestamptz '2000-01-01 00:00Z')
        GROUP BY 1, queue, kind
        ORDER BY 1, queue, kind
        "#,
        since,
        step as f64,
    )
    .fetch_all(c)
    .await
}

/// Releases that had their first worker since `since`, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn releases(c: &mut PgConnection, since: DateTime<Utc>) -> Result<Vec<ReleaseMark>, sqlx::Error> {
    sqlx::query_as!(
        ReleaseMark,
        r#"
        SELECT release, min(started_at) AS "first_at!"
        FROM queue.workers
        GROUP BY release
        HAVING min(started_at) >= $1
        ORDER BY min(started_at)
        "#,
        since,
    )
    .fetch_all(c)
    .await
}
