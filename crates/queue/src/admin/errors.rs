//! What fails, grouped by what the errors have in common. Counted by the hour while jobs run, so that a week of failures is a few
//! rows; the group's jobs are found by [`JobFilter::fingerprint`](crate::admin::JobFilter).

use crate::job::JobId;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// Errors that differ only in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorGroup {
    /// What they have in common.
    pub fingerprint: String,
    /// The kind of job.
    pub kind: String,
    /// The error's type.
    pub error_class: Option<String>,
    /// The latest of them.
    pub latest_error: Option<String>,
    /// The job it happened to.
    pub latest_job: JobId,
    /// How many runs failed so.
    pub runs: i64,
    /// The first within the time asked about.
    pub first_at: DateTime<Utc>,
    /// The last.
    pub last_at: DateTime<Utc>,
}

/// What has failed since `since`, most frequent first. The hour in which `since` lies counts from the first failure in it.
///
/// # Errors
/// When the database refuses.
pub async fn errors(c: &mut PgConnection, since: DateTime<Utc>) -> Result<Vec<ErrorGroup>, sqlx::Error> {
    sqlx::query_as!(
        ErrorGroup,
        r#"
        WITH grouped AS (
          SELECT fingerprint, kind, sum(runs)::bigint AS runs, min(first_at) AS first_at, max(last_at) AS last_at
          FROM queue.error_counts
          WHERE hour >= date_trunc('hour', $1::timestamptz, 'UTC')
            AND last_at >= $1
          GROUP BY fingerprint, kind
          ORDER BY sum(runs) DESC, max(last_at) DESC
          LIMIT 200
        )
        SELECT g.fingerprint, g.kind, latest.error_class, latest.latest_error, latest.latest_job AS "latest_job: JobId",
               g.runs AS "runs!", g.first_at AS "first_at!", g.last_at AS "last_at!"
        FROM grouped g
        JOIN queue.error_counts latest
          ON latest.hour = date_trunc('hour', g.last_at, 'UTC') AND latest.fingerprint = g.fingerprint AND latest.kind = g.kind
        ORDER BY g.runs DESC, g.last_at DESC
        "#,
        since,
    )
    .fetch_all(c)
    .await
}

/// How often a group failed within an hour.
#[derive(Clone, Debug, Serialize)]
pub struct ErrorHour {
    /// When the hour begins.
    pub hour: DateTime<Utc>,
    /// The group.
    pub fingerprint: String,
    /// The kind of job.
    pub kind: String,
    /// How many runs failed so.
    pub runs: i64,
}

/// What has failed since `since`, by group and hour: how each group of [`errors`] went. Thirty-one days are kept.
///
/// # Errors
/// When the database refuses.
pub async fn error_hours(c: &mut PgConnection, since: DateTime<Utc>) -> Result<Vec<ErrorHour>, sqlx::Error> {
    sqlx::query_as!(
        ErrorHour,
        "SELECT hour, fingerprint, kind, runs FROM queue.error_counts WHERE hour >= $1 ORDER BY hour",
        since,
    )
    .fetch_all(c)
    .await
}
