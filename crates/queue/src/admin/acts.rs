//! Intervening in the life of a job. What is asked of a job in the wrong state is refused with a reason, never half done.

use crate::{
    admin::{jobs::JobState, redaction},
    enqueue::{EnqueueError, Enqueued, NewJob, Place},
    job::JobId,
    options::Options,
    registry::Kind,
    workflow::{self, Ended, How, Moves, WorkflowId, WorkflowState},
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection, PgConnection};

/// Why an act was refused.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is no such job, or its history has been dropped.
    #[error("there is no job {0}")]
    NotFound(JobId),
    /// It runs just now.
    #[error("job {0} is running; cancel it or wait until it has ended")]
    Running(JobId),
    /// It is over.
    #[error("job {id} is over: {state}")]
    Finished {
        /// The job.
        id: JobId,
        /// How it ended.
        state: JobState,
    },
    /// Another job has its unique key.
    #[error("job {id} cannot come back: an unfinished job has taken its unique key {key:?}")]
    KeyTaken {
        /// The job.
        id: JobId,
        /// The key.
        key: String,
    },
    /// It is part of a workflow that has gone another way.
    #[error("job {id} is part of workflow {workflow}, which is {state}; it has no use for the job any more")]
    WorkflowOver {
        /// The job.
        id: JobId,
        /// The workflow.
        workflow: WorkflowId,
        /// Where that is in its life.
        state: WorkflowState,
    },
    /// A value that is not shown was moved to where there is none.
    #[error("{0}")]
    Hidden(String),
    /// The database refused.
    #[error("the queue cannot be reached: {0}")]
    Database(#[from] sqlx::Error),
}

/// What cancelling did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It waited, and is over.
    Ended,
    /// It runs, and its worker has been asked to stop it.
    Asked,
}

/// Cancels a job that waits, or asks the worker of one that runs to stop it. A workflow it is part of has then failed.
///
/// # Errors
/// When the job is over or unknown.
pub async fn cancel(c: &mut PgConnection, id: JobId, reason: &str) -> Result<Cancelled, ActError> {
    let mut tx = c.begin().await?;
    let cancelled = cancel_within(&mut tx, id, reason).await;
    workflow::close(tx, cancelled).await
}

async fn cancel_within(c: &mut PgConnection, id: JobId, reason: &str) -> Result<Cancelled, ActError> {
    workflow::lock_of(c, id).await?;
    let ended = sqlx::query!(
        r#"
        WITH over AS (
          DELETE FROM queue.jobs
          WHERE id = $1 AND state <> 'running'
          RETURNING id, queue, kind, version, priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at, unique_key,
                    unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                    concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                    last_error, created_at
        )
        INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease,
                                         rescues, expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor,
                                         trace, parent_id,
                                         concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                                         last_error, reason, created_at, finished_at)
        SELECT id, queue, kind, version, 'cancelled', priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at,
               unique_key, unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
               concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
               last_error, $2, created_at, now()
        FROM over
        RETURNING workflow_id, step, child
        "#,
        id.0,
        reason,
    )
    .fetch_optional(&mut *c)
    .await?;
    if let Some(ended) = ended {
        if let Some((workflow, step)) = ended.workflow_id.zip(ended.step) {
            let place = Place { workflow, step, child: ended.child };
            let how = How::Failed(format!("cancelled: {reason}"));
            workflow::advance(c, Moves::of(vec![Ended { place, how }])).await?;
        }
        return Ok(Cancelled::Ended);
    }

    // A job put back between the two statements is ended by the next pulse, which finds it marked.
    let asked = sqlx::query!(
        "UPDATE queue.jobs
         SET cancel_requested_at = coalesce(cancel_requested_at, now()), cancel_reason = $2
         WHERE id = $1",
        id.0,
        reason,
    )
    .execute(&mut *c)
    .await?;
    if asked.rows_affected() == 1 { Ok(Cancelled::Asked) } else { Err(refusal(c, id).await?) }
}

/// Runs a job again: one that is over comes back under its number with all its attempts before it, one that waits for its
/// time is due now. A workflow that failed by it runs again.
///
/// # Errors
/// When the job runs, is unknown, another job has taken its unique key, or its workflow is over.
pub async fn retry(c: &mut PgConnection, id: JobId) -> Result<(), ActError> {
    let mut tx = c.begin().await?;
    let retried = retry_within(&mut tx, id).await;
    workflow::close(tx, retried).await
}

async fn retry_within(c: &mut PgConnection, id: JobId) -> Result<(), ActError> {
    let again =
        workflow::before_retry(c, id).await?.map_err(|(workflow, state)| ActError::WorkflowOver { id, workflow, state })?;
    let finished = sqlx::query_scalar!("SELECT coalesce(unique_key, '') FROM queue.finished_jobs WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(&mut *c)
        .await?;
    let Some(key) = finished else {
        let due =
            sqlx::query!("UPDATE queue.jobs SET state = 'available', run_at = now() WHERE id = $1 AND state = 'scheduled'", id.0)
                .execute(&mut *c)
                .await?;
        if due.rows_affected() == 0 {
            match state_of(c, id).await? {
                Some(JobState::Available | JobState::Held) => {}
                _ => return Err(refusal(c, id).await?),
            }
        }
        return Ok(());
    };

    let back = sqlx::query!(
        "
        WITH back AS (
          DELETE FROM queue.finished_jobs
          WHERE id = $1
          RETURNING id, queue, kind, version, priority, args, max_attempts, lease, unique_key, unique_while, subject_kind,
                    subject_id, tags, actor, trace, parent_id,
                    concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                    last_error, created_at
        )
        INSERT INTO queue.jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, unique_key,
                                unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                                concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                                last_error, created_at)
        SELECT id, queue, kind, version, 'available', priority, now(), args, 0, max_attempts, lease + 1, unique_key, unique_while,
               subject_kind, subject_id, tags, actor, trace, parent_id,
               concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
               last_error, created_at
        FROM back
        ON CONFLICT DO NOTHING
        ",
        id.0,
    )
    .execute(&mut *c)
    .await?;
    if back.rows_affected() == 0 {
        return Err(ActError::KeyTaken { id, key: key.unwrap_or_default() }); // undoing the transaction brings the row back
    }
    if let Some(again) = again {
        workflow::reopen(c, id, again).await?;
    }
    Ok(())
}

/// Nobody will retry this one: a job that failed is cancelled and no longer asks for attention, one that waits is cancelled.
///
/// # Errors
/// When the job is running, done, cancelled already, or unknown.
pub async fn discard(c: &mut PgConnection, id: JobId, reason: &str) -> Result<(), ActError> {
    let discarded = sqlx::query!(
        "UPDATE queue.finished_jobs
         SET state = 'cancelled', reason = $2
         WHERE id = $1 AND state IN ('dead', 'quarantined', 'expired')",
        id.0,
        reason,
    )
    .execute(&mut *c)
    .await?;
    if discarded.rows_affected() > 0 {
        return Ok(());
    }
    match state_of(c, id).await? {
        Some(JobState::Scheduled | JobState::Available | JobState::Held) => cancel(c, id, reason).await.map(drop),
        _ => Err(refusal(c, id).await?),
    }
}

/// Puts a waiting job off, or brings it forward.
///
/// # Errors
/// When the job does not wait.
pub async fn reschedule(c: &mut PgConnection, id: JobId, run_at: DateTime<Utc>) -> Result<(), ActError> {
    let moved =
        sqlx::query!("UPDATE queue.jobs SET state = 'scheduled', run_at = $2 WHERE id = $1 AND state <> 'running'", id.0, run_at)
            .execute(&mut *c)
            .await?;
    if moved.rows_affected() == 1 { Ok(()) } else { Err(refusal(c, id).await?) }
}

/// Gives a waiting job other arguments. A value that is hidden and comes back as [`HIDDEN`](crate::admin::redaction::HIDDEN) stays
/// what it was.
///
/// # Errors
/// When the job does not wait, or a hidden value has nothing behind it.
pub async fn edit_args(c: &mut PgConnection, id: JobId, args: &Value) -> Result<(), ActError> {
    let mut tx = c.begin().await?;
    let before = sqlx::query!("SELECT args, redact FROM queue.jobs WHERE id = $1 AND state <> 'running' FOR UPDATE", id.0)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(before) = before else { return Err(refusal(&mut tx, id).await?) };
    let args = redaction::restored(args.clone(), &before.args, &before.redact).map_err(ActError::Hidden)?;
    sqlx::query!("UPDATE queue.jobs SET args = $2 WHERE id = $1", id.0, args).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// Enqueues a job of a kind known by name, with arguments as they come: for the command line.
///
/// # Errors
/// When the database refuses.
pub async fn enqueue_raw(c: &mut PgConnection, kind: &Kind, args: &Value, options: Options) -> Result<Enqueued, EnqueueError> {
    let job = NewJob {
        kind: kind.name.into(),
        queue: kind.queue.into(),
        version: kind.version,
        max_attempts: kind.max_attempts,
        args: args.to_string(),
        rate: kind.rate.map(str::to_owned),
        redact: kind.redact.iter().map(ToString::to_string).collect(),
        options,
        place: None,
    };
    job.insert(c).await
}

async fn state_of(c: &mut PgConnection, id: JobId) -> Result<Option<JobState>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT state AS "state!: JobState" FROM queue.jobs WHERE id = $1
        UNION ALL
        SELECT state FROM queue.finished_jobs WHERE id = $1
        "#,
        id.0,
    )
    .fetch_optional(c)
    .await
}

async fn refusal(c: &mut PgConnection, id: JobId) -> Result<ActError, sqlx::Error> {
    Ok(match state_of(c, id).await? {
        None => ActError::NotFound(id),
        Some(state) if state.is_finished() => ActError::Finished { id, state },
        Some(_) => ActError::Running(id),
    })
}
