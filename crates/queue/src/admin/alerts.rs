//! What a person should look at now. Each alert names what it is about, so that a page can link to it and a pager can tell two of
//! them apart.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use std::time::Duration;

/// Something a person should look at.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    /// What is wrong.
    pub kind: AlertKind,
    /// With what: a queue, a worker, a schedule, a table.
    pub about: String,
    /// Since when, where that is known.
    pub since: Option<DateTime<Utc>>,
    /// A sentence for people.
    pub message: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AlertKind {
    /// A job has stood in its queue's line for too long.
    OldestWaiting,
    /// Jobs are quarantined: their worker died under them three times.
    Quarantined,
    /// A worker was given up within the last day.
    LostWorker,
    /// A schedule cannot run.
    ScheduleFault,
    /// Rows of the history are in a default partition: its upkeep has failed, and they cannot be dropped by the day.
    DefaultPartition,
}

/// Everything a person should look at, by kind. Jobs of a paused queue are meant to wait and raise none.
///
/// # Errors
/// When the database refuses.
pub async fn alerts(c: &mut PgConnection) -> Result<Vec<Alert>, sqlx::Error> {
    sqlx::query_as!(
        Alert,
        r#"
        SELECT 'oldest_waiting' AS "kind!: AlertKind", line.queue AS "about!", line.oldest AS since,
               'A job of queue ' || line.queue || ' has been in line for '
                 || round(extract(epoch FROM now() - line.oldest) / 60) || ' minutes.' AS "message!"
        FROM (
          SELECT queue, min(greatest(run_at, created_at)) AS oldest FROM queue.jobs WHERE state = 'available' GROUP BY queue
        ) AS line
        LEFT JOIN queue.queues q ON q.name = line.queue
        WHERE line.oldest < now() - make_interval(secs => coalesce(q.alert_after_seconds, 600))
          AND q.paused_at IS NULL
        UNION ALL
        SELECT 'quarantined', bad.kind, bad.since,
               bad.jobs || CASE WHEN bad.jobs = 1 THEN ' job' ELSE ' jobs' END || ' of kind ' || bad.kind
                 || ' lost three workers. Find out what kills them, then retry or discard.'
        FROM (
          SELECT kind, count(*) AS jobs, min(finished_at) AS since
          FROM (SELECT kind, finished_at FROM queue.finished_jobs WHERE state = 'quarantined' ORDER BY id DESC LIMIT 1000) AS latest
          GROUP BY kind
        ) AS bad
        UNION ALL
        SELECT 'lost_worker', name, lost_at, 'Worker ' || name || ' of group ' || process_group || ' was not heard of and was given up.'
        FROM queue.workers
        WHERE lost_at > now() - interval '1 day'
        UNION ALL
        SELECT 'schedule_fault', name, updated_at, 'Schedule ' || name || ' cannot run: ' || fault
        FROM queue.schedules
        WHERE fault IS NOT NULL AND paused_at IS NULL
        UNION ALL
        SELECT 'default_partition', part.name, NULL,
               'Table queue.' || part.name || ' holds rows: the upkeep of the history has failed. Look for its error in the workers'' logs.'
        FROM (
          SELECT 'finished_jobs_default' AS name WHERE EXISTS (SELECT FROM queue.finished_jobs_default)
          UNION ALL
          SELECT 'attempts_ok_default' WHERE EXISTS (SELECT FROM queue.attempts_ok_default)
          UNION ALL
          SELECT 'attempts_failed_default' WHERE EXISTS (SELECT FROM queue.attempts_failed_default)
        ) AS part
        "#
    )
    .fetch_all(c)
    .await
}

/// From how long a wait on `queue` raises an alert; nothing is the usual ten minutes.
///
/// # Errors
/// When the database refuses.
pub async fn alert_after(c: &mut PgConnection, queue: &str, wait: Option<Duration>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.queues (name, alert_after_seconds)
         VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE
         SET alert_after_seconds = excluded.alert_after_seconds",
        queue,
        wait.map(|wait| i32::try_from(wait.as_secs().max(1)).unwrap_or(i32::MAX)),
    )
    .execute(c)
    .await
    .map(drop)
}
