//! The whole at a glance: how many jobs are where, what waits longest, who works, what fails.

use crate::{admin::jobs::JobState, job::JobId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// The whole at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Jobs by state. What failed is counted for as long as it is kept, what went well for a day.
    pub states: Vec<StateCount>,
    /// Queues, by name.
    pub queues: Vec<QueueRow>,
    /// Kinds, by name.
    pub kinds: Vec<KindCount>,
}

/// How many jobs are in a state.
#[derive(Clone, Debug, Serialize)]
pub struct StateCount {
    /// The state.
    pub state: JobState,
    /// How many.
    pub jobs: i64,
}

/// A queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// In line.
    pub available: i64,
    /// Not due yet.
    pub scheduled: i64,
    /// Running.
    pub running: i64,
    /// Since when the oldest job in line could have run.
    pub oldest_available_at: Option<DateTime<Utc>>,
    /// Since when it is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub pause_reason: Option<String>,
}

/// A kind of job over the last day.
#[derive(Clone, Debug, Serialize)]
pub struct KindCount {
    /// The kind.
    pub kind: String,
    /// Waiting or running now.
    pub unfinished: i64,
    /// Done within a day.
    pub done: i64,
    /// Dead or quarantined within a day.
    pub failed: i64,
}

/// A worker process.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerRow {
    /// Its id of this boot.
    pub id: Uuid,
    /// `host:pid`.
    pub name: String,
    /// Its process group.
    pub group: String,
    /// The version of its program.
    pub release: String,
    /// Queues it works on.
    pub queues: Vec<String>,
    /// Jobs it can hold at once.
    pub capacity: i32,
    /// Jobs it holds.
    pub busy: i32,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of.
    pub heartbeat_at: DateTime<Utc>,
    /// When it said goodbye.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When others gave it up.
    pub lost_at: Option<DateTime<Utc>>,
}

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

/// Counts by state, queue and kind.
///
/// # Errors
/// When the database refuses.
pub async fn overview(c: &mut PgConnection) -> Result<Overview, sqlx::Error> {
    let counted = sqlx::query_as!(
        StateCount,
        r#"
        SELECT state AS "state!: JobState", count(*) AS "jobs!" FROM queue.jobs GROUP BY state
        UNION ALL
        SELECT state, count(*) FROM queue.finished_jobs WHERE state <> 'done' GROUP BY state
        UNION ALL
        SELECT state, count(*) FROM queue.finished_jobs WHERE state = 'done' AND finished_at > now() - interval '1 day' GROUP BY state
        "#
    )
    .fetch_all(&mut *c)
    .await?;
    let count = |state| counted.iter().find(|row| row.state == state).map_or(0, |row| row.jobs);
    let states = JobState::ALL.map(|state| StateCount { state, jobs: count(state) }).into();

    let queues = sqlx::query_as!(
        QueueRow,
        r#"
        SELECT name AS "name!",
               count(j.id) FILTER (WHERE j.state = 'available') AS "available!",
               count(j.id) FILTER (WHERE j.state = 'scheduled') AS "scheduled!",
               count(j.id) FILTER (WHERE j.state = 'running') AS "running!",
               min(j.run_at) FILTER (WHERE j.state = 'available') AS oldest_available_at,
               max(q.paused_at) AS paused_at,
               max(q.pause_reason) AS pause_reason
        FROM (
          SELECT name FROM queue.queues
          UNION
          SELECT queue FROM queue.jobs
          UNION
          SELECT unnest(queues) FROM queue.workers WHERE stopped_at IS NULL AND lost_at IS NULL
        ) AS names
        LEFT JOIN queue.queues q USING (name)
        LEFT JOIN queue.jobs j ON j.queue = name
        GROUP BY name
        ORDER BY name
        "#
    )
    .fetch_all(&mut *c)
    .await?;

    let kinds = sqlx::query_as!(
        KindCount,
        r#"
        SELECT kind AS "kind!",
               count(*) FILTER (WHERE state IN ('scheduled', 'available', 'running')) AS "unfinished!",
               count(*) FILTER (WHERE state = 'done') AS "done!",
               count(*) FILTER (WHERE state IN ('dead', 'quarantined')) AS "failed!"
        FROM (
          SELECT kind, state FROM queue.jobs
          UNION ALL
          SELECT kind, state FROM queue.finished_jobs WHERE finished_at > now() - interval '1 day'
        ) AS job
        GROUP BY kind
        ORDER BY kind
        "#
    )
    .fetch_all(c)
    .await?;
    Ok(Overview { states, queues, kinds })
}

/// Worker processes: those that live, then those gone within a week, latest first.
///
/// # Errors
/// When the database refuses.
pub async fn workers(c: &mut PgConnection) -> Result<Vec<WorkerRow>, sqlx::Error> {
    sqlx::query_as!(
        WorkerRow,
        r#"
        SELECT id, name, process_group AS "group", release, queues, capacity, busy, started_at, heartbeat_at, stopped_at, lost_at
        FROM queue.workers
        ORDER BY (stopped_at IS NULL AND lost_at IS NULL) DESC, started_at DESC
        LIMIT 200
        "#
    )
    .fetch_all(c)
    .await
}

/// What has failed since `since`, most frequent first.
///
/// # Errors
/// When the database refuses.
pub async fn errors(c: &mut PgConnection, since: DateTime<Utc>) -> Result<Vec<ErrorGroup>, sqlx::Error> {
    sqlx::query_as!(
        ErrorGroup,
        r#"
        SELECT fingerprint AS "fingerprint!", kind AS "kind!",
               (array_agg(error_class ORDER BY ended_at DESC))[1] AS error_class,
               (array_agg(error ORDER BY ended_at DESC))[1] AS latest_error,
               (array_agg(job_id ORDER BY ended_at DESC))[1] AS "latest_job!: JobId",
               count(*) AS "runs!", min(ended_at) AS "first_at!", max(ended_at) AS "last_at!"
        FROM queue.attempts
        WHERE failed AND ended_at >= $1 AND fingerprint IS NOT NULL
        GROUP BY fingerprint, kind
        ORDER BY count(*) DESC, max(ended_at) DESC
        LIMIT 200
        "#,
        since,
    )
    .fetch_all(c)
    .await
}
