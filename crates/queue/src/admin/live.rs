//! What a page that is open shows anew every second: statements cheap enough to be asked that often, by one poller of each web
//! process for all who watch there (JOB-19).

use crate::{
    admin::{
        StateCount,
        jobs::{JobState, Progress},
        overview::{self, QueueRow},
    },
    job::JobId,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// The queue as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct Tick {
    /// The database's time.
    pub at: DateTime<Utc>,
    /// Unfinished jobs by state.
    pub states: Vec<StateCount>,
    /// Queues, by name.
    pub queues: Vec<QueueRow>,
    /// Workers that live.
    pub workers: i64,
    /// Jobs they can hold …
    pub capacity: i64,
    /// … and hold.
    pub busy: i64,
    /// Runs that did what they should within the last minute, as far as workers have said.
    pub done: i64,
    /// Runs that failed within the last minute.
    pub failed: i64,
}

/// The queue as it is now, for everybody who watches the overview.
///
/// # Errors
/// When the database refuses.
pub async fn tick(c: &mut PgConnection) -> Result<Tick, sqlx::Error> {
    let hot = overview::hot(c).await?;
    let queues = overview::queues(c, &hot).await?;
    let unfinished = JobState::ALL.into_iter().filter(|state| !state.is_finished());
    let count = |state| hot.iter().filter(|group| group.state == state).map(|group| group.jobs).sum();
    let states = unfinished.map(|state| StateCount { state, jobs: count(state), or_more: false }).collect();
    let now = sqlx::query!(
        r#"
        SELECT now() AS "at!", w.workers AS "workers!", w.capacity AS "capacity!", w.busy AS "busy!", r.done AS "done!", r.failed AS "failed!"
        FROM (
          SELECT count(*) AS workers, coalesce(sum(capacity), 0)::bigint AS capacity, coalesce(sum(busy), 0)::bigint AS busy
          FROM queue.workers
          WHERE stopped_at IS NULL AND lost_at IS NULL
        ) AS w,
        (
          SELECT coalesce(sum(runs) FILTER (WHERE outcome = 'done'), 0)::bigint AS done,
                 coalesce(sum(runs) FILTER (WHERE outcome IN ('retried', 'dead', 'lost')), 0)::bigint AS failed
          FROM queue.run_counts
          WHERE minute = date_trunc('minute', now()) - interval '1 minute'
        ) AS r
        "#
    )
    .fetch_one(c)
    .await?;
    Ok(Tick {
        at: now.at,
        states,
        queues,
        workers: now.workers,
        capacity: now.capacity,
        busy: now.busy,
        done: now.done,
        failed: now.failed,
    })
}

/// One job as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct JobNow {
    /// Its number.
    pub id: JobId,
    /// Where it is in its life.
    pub state: JobState,
    /// Which run: it changes with every claim and release, so a page knows when to fetch the job's attempts anew.
    pub lease: i32,
    /// Attempts so far that count.
    pub attempt: i16,
    /// When somebody asked to cancel it while it ran.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// How far it said it was.
    pub progress: Option<Progress>,
    /// What the run in progress has logged beyond the characters the caller has already.
    pub log: String,
    /// Characters of the log so far: what to ask with next.
    pub log_length: i32,
}

/// One job as it is now, with its log from character `log_from` on; nothing when there is no such job. A log that is shorter
/// than `log_from` is that of a new run, and comes from its beginning.
///
/// # Errors
/// When the database refuses.
pub async fn of_job(c: &mut PgConnection, id: JobId, log_from: i32) -> Result<Option<JobNow>, sqlx::Error> {
    let now = sqlx::query!(
        r#"
        SELECT job.state AS "state!: JobState", job.lease AS "lease!", job.attempt AS "attempt!", job.cancel_requested_at,
               p.done AS "done?", p.total AS "total?", p.message AS "message?", p.updated_at AS "updated_at?",
               coalesce(length(run.log), 0) AS "log_length!",
               coalesce(CASE WHEN length(run.log) >= $2 THEN substr(run.log, $2 + 1) ELSE run.log END, '') AS "log!"
        FROM (
          SELECT id, state, lease, attempt, cancel_requested_at FROM queue.jobs WHERE id = $1
          UNION ALL
          SELECT id, state, lease, attempt, NULL FROM queue.finished_jobs WHERE id = $1
        ) AS job
        LEFT JOIN queue.progress p ON p.job_id = job.id
        LEFT JOIN LATERAL (SELECT p.log WHERE job.state = 'running' AND p.lease = job.lease) AS run ON true
        LIMIT 1
        "#,
        id.0,
        log_from.max(0),
    )
    .fetch_optional(c)
    .await?;
    Ok(now.map(|now| {
        let told = now.done.zip(now.total).zip(now.message).zip(now.updated_at);
        let progress = told.map(|(((done, total), message), updated_at)| Progress { done, total, message, updated_at });
        JobNow {
            id,
            state: now.state,
            lease: now.lease,
            attempt: now.attempt,
            cancel_requested_at: now.cancel_requested_at,
            progress: progress.and_then(Progress::unless_silent),
            log: now.log,
            log_length: now.log_length,
        }
    }))
}
