//! Calling a workflow off, and undoing what it did.
//!
//! Undoing begins when nothing of the workflow runs any more, and goes step by step, the one that was done last first, through
//! the workflows within it too: each step that says how is undone by a job of its own. An undo that fails stops there, and
//! goes on when it is resumed.

use crate::{
    enqueue::{NewJob, Place},
    workflow::{
        advance::{Ended, How, Moves, UNDOING},
        release,
    },
};
use serde_json::Value;
use sqlx::PgConnection;
use std::{collections::BTreeSet, time::Duration};
use uuid::Uuid;

/// How often, and after what pause, a job that somebody else holds just now is looked at again. Whoever holds one claims it,
/// ends it or puts it back, and does not wait for us meanwhile.
const ROUNDS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// A step to be undone.
struct Next {
    workflow: i64,
    step: String,
    undo: Option<Value>,
    actor: Option<Uuid>,
    trace: Option<String>,
}

/// The outermost workflow `root` undoes what it did from here on. The caller has its lock.
pub(super) async fn begin(c: &mut PgConnection, root: i64, reason: &str) -> Result<(), sqlx::Error> {
    let begun = sqlx::query!(
        "
        UPDATE queue.workflows
        SET state = 'undoing', reason = $2
        WHERE id = $1 AND state IN ('running', 'failed')
        ",
        root,
        reason,
    )
    .execute(&mut *c)
    .await?;
    if begun.rows_affected() == 0 {
        return Ok(());
    }
    // Those within begin nothing any more either.
    sqlx::query!(
        "
        UPDATE queue.workflows
        SET state = 'undoing'
        WHERE root_id = $1 AND state IN ('held', 'running', 'failed')
        ",
        root,
    )
    .execute(&mut *c)
    .await?;
    tracing::info!(workflow = root, reason, "workflow is being undone");
    end_jobs(c, root, reason).await
}

/// Undoes the next step of `root`, if it is being undone and nothing of it is at work; or it is undone.
pub(super) async fn go_on(c: &mut PgConnection, root: i64, moves: &mut Moves) -> Result<(), sqlx::Error> {
    let is_free = sqlx::query_scalar!(
        r#"
        SELECT w.state = 'undoing'
               AND NOT EXISTS (
                 SELECT FROM queue.workflows x
                 JOIN queue.jobs j ON j.workflow_id = x.id AND j.child IS DISTINCT FROM $2
                 WHERE x.root_id = $1
               )
               AND NOT EXISTS (
                 SELECT FROM queue.workflows x
                 JOIN queue.steps s ON s.workflow_id = x.id AND s.state = 'undoing'
                 WHERE x.root_id = $1
               ) AS "is_free!"
        FROM queue.workflows w
        WHERE w.id = $1
        "#,
        root,
        UNDOING,
    )
    .fetch_one(&mut *c)
    .await?;
    if !is_free {
        return Ok(());
    }
    cancel_steps(c, root, "the workflow is undone").await?;
    let Some(next) = next(c, root).await? else { return finish(c, root).await };

    match next.undo.as_ref().map(NewJob::stored) {
        Some(Ok(mut job)) => {
            job.place = Some(Place { workflow: next.workflow, step: next.step, child: Some(UNDOING) });
            job.options.actor = job.options.actor.or(next.actor);
            job.options.trace = job.options.trace.or(next.trace);
            moves.ended.extend(release::enqueue(c, vec![job]).await?);
            Ok(())
        }
        Some(Err(error)) => {
            let place = Place { workflow: next.workflow, step: next.step, child: Some(UNDOING) };
            let why = format!("the job that undoes it cannot be read by this release: {error}");
            mark_failed(c, &[(place, why)]).await
        }
        None => Ok(()),
    }
}

/// The step that was done last of those that can be undone; from here on it is being undone. A fan-out that ended half-way has
/// done something, too.
async fn next(c: &mut PgConnection, root: i64) -> Result<Option<Next>, sqlx::Error> {
    sqlx::query_as!(
        Next,
        "
        UPDATE queue.steps t
        SET state = 'undoing', reason = NULL
        FROM (
          SELECT s.workflow_id, s.name, x.actor, x.trace
          FROM queue.workflows x
          JOIN queue.steps s ON s.workflow_id = x.id
          WHERE x.root_id = $1
            AND s.undo IS NOT NULL
            AND (s.state = 'done'
                 OR s.kind = 'fan_out' AND s.state IN ('failed', 'cancelled')
                    AND EXISTS (SELECT FROM queue.finished_jobs f
                                WHERE f.workflow_id = s.workflow_id AND f.step = s.name AND f.state = 'done' AND f.child >= 0))
          ORDER BY s.finished_at DESC, s.workflow_id DESC, s.ordinal DESC
          LIMIT 1
        ) AS n
        WHERE t.workflow_id = n.workflow_id AND t.name = n.name
        RETURNING t.workflow_id AS workflow, t.name AS step, t.undo, n.actor, n.trace
        ",
        root,
    )
    .fetch_optional(c)
    .await
}

/// Everything is undone.
async fn finish(c: &mut PgConnection, root: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "
        UPDATE queue.workflows
        SET state = 'undone', finished_at = coalesce(finished_at, clock_timestamp())
        WHERE root_id = $1 AND state <> 'cancelled'
        ",
        root,
    )
    .execute(&mut *c)
    .await?;
    forget_fan_outs(c, root).await?;
    tracing::info!(workflow = root, "workflow is undone");
    Ok(())
}

/// Steps whose undo is done. Returns their outermost workflows, which go on.
pub(super) async fn mark_undone(c: &mut PgConnection, undone: &[Place]) -> Result<BTreeSet<i64>, sqlx::Error> {
    let roots = sqlx::query_scalar!(
        "
        UPDATE queue.steps s
        SET state = 'undone', reason = NULL
        FROM unnest($1::bigint[], $2::text[]) AS u (workflow_id, step), queue.workflows w
        WHERE s.workflow_id = u.workflow_id AND s.name = u.step AND s.state = 'undoing' AND w.id = s.workflow_id
        RETURNING w.root_id
        ",
        &undone.iter().map(|place| place.workflow).collect::<Vec<_>>(),
        &undone.iter().map(|place| place.step.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(c)
    .await?;
    Ok(roots.into_iter().collect())
}

/// Steps whose undo failed: a person must look.
pub(super) async fn mark_failed(c: &mut PgConnection, failed: &[(Place, String)]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "
        WITH stuck AS (
          UPDATE queue.steps s
          SET reason = f.reason
          FROM unnest($1::bigint[], $2::text[], $3::text[]) AS f (workflow_id, step, reason), queue.workflows w
          WHERE s.workflow_id = f.workflow_id AND s.name = f.step AND s.state = 'undoing' AND w.id = s.workflow_id
          RETURNING w.root_id, s.name, s.reason
        )
        UPDATE queue.workflows r
        SET state = 'failed', reason = 'undoing ' || stuck.name || ': ' || stuck.reason
        FROM stuck
        WHERE r.id = stuck.root_id AND r.state = 'undoing'
        ",
        &failed.iter().map(|(place, _)| place.workflow).collect::<Vec<_>>(),
        &failed.iter().map(|(place, _)| place.step.clone()).collect::<Vec<_>>(),
        &failed.iter().map(|(_, reason)| reason.clone()).collect::<Vec<_>>(),
    )
    .execute(c)
    .await?;
    tracing::warn!(steps = failed.len(), "steps could not be undone; they wait for a person");
    Ok(())
}

/// Nobody wants the outermost workflow `root` any more: everything within it that is not over ends. The caller has its lock.
pub(super) async fn call_off(c: &mut PgConnection, root: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "
        UPDATE queue.workflows
        SET state = 'cancelled', reason = $2, finished_at = clock_timestamp()
        WHERE root_id = $1 AND finished_at IS NULL
        ",
        root,
        reason,
    )
    .execute(&mut *c)
    .await?;
    cancel_steps(c, root, reason).await?;
    forget_fan_outs(c, root).await?;
    end_jobs(c, root, reason).await
}

/// Steps that have not come to an end will not.
async fn cancel_steps(c: &mut PgConnection, root: i64, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "
        UPDATE queue.steps s
        SET state = 'cancelled', reason = $2, wake_at = NULL, finished_at = clock_timestamp()
        FROM queue.workflows w
        WHERE w.root_id = $1 AND s.workflow_id = w.id
          AND (s.state IN ('blocked', 'running', 'waiting') OR s.state = 'undoing' AND w.state = 'cancelled')
        ",
        root,
        reason,
    )
    .execute(c)
    .await
    .map(drop)
}

async fn forget_fan_outs(c: &mut PgConnection, root: i64) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM queue.fan_outs f USING queue.workflows w WHERE w.root_id = $1 AND f.workflow_id = w.id", root)
        .execute(c)
        .await
        .map(drop)
}

/// Ends the jobs that wait, and asks the workers of those that run to stop them.
async fn end_jobs(c: &mut PgConnection, root: i64, reason: &str) -> Result<(), sqlx::Error> {
    for _ in 0..ROUNDS {
        end_waiting(c, &[root], Some(reason), None).await?;
        sqlx::query!(
            "
            UPDATE queue.jobs
            SET cancel_requested_at = now(), cancel_reason = $2
            WHERE id IN (
              SELECT j.id
              FROM queue.workflows w
              JOIN queue.jobs j ON j.workflow_id = w.id
              WHERE w.root_id = $1 AND j.cancel_requested_at IS NULL
              FOR UPDATE OF j SKIP LOCKED
            )
            ",
            root,
            reason,
        )
        .execute(&mut *c)
        .await?;
        let left = sqlx::query_scalar!(
            r#"
            SELECT EXISTS (
              SELECT FROM queue.workflows w
              JOIN queue.jobs j ON j.workflow_id = w.id
              WHERE w.root_id = $1 AND j.cancel_requested_at IS NULL
            ) AS "left!"
            "#,
            root,
        )
        .fetch_one(&mut *c)
        .await?;
        if !left {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(workflow = root, "jobs of a workflow that was called off are held by somebody, and may yet run");
    Ok(())
}

/// A job of a workflow that ended while it waited.
pub(super) struct Over {
    workflow: i64,
    step: String,
    child: Option<i32>,
    state: String,
    reason: Option<String>,
}

impl From<Over> for Ended {
    fn from(over: Over) -> Self {
        let reason = over.reason.map_or_else(|| over.state.clone(), |reason| format!("{}: {reason}", over.state));
        Self { place: Place { workflow: over.workflow, step: over.step, child: over.child }, how: How::Failed(reason) }
    }
}

/// Ends jobs that wait in these outermost workflows: all, for a reason; or those that are too late or that somebody cancelled.
pub(super) async fn end_waiting(
    c: &mut PgConnection,
    roots: &[i64],
    reason: Option<&str>,
    now: Option<chrono::DateTime<chrono::Utc>>,
) -> Result<Vec<Over>, sqlx::Error> {
    sqlx::query_file_as!(Over, "src/workflow/end_waiting.sql", roots, reason, now).fetch_all(c).await
}
