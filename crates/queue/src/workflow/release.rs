//! What happens when a step has nothing left to wait for: its job is enqueued, or its many jobs, or its workflow begins, or it
//! waits for its event or its time. In a workflow that does not run just now it stays as it is, until that one is resumed.
//!
//! When a sleep ends or a deadline passes is worked out by the next [`tick`](super::tick): only the workers' clock says what
//! time it is, and whoever releases a step may be a web request.

use crate::{
    enqueue::{EnqueueError, Enqueued, NewJob, Place, insert_plain},
    job::Subject,
    workflow::advance::{At, Ended, How, Moves},
};
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// So many children of a fan-out are counted down together.
pub(crate) const SHARD: i32 = 256;

/// A step whose time has come.
struct Released {
    workflow: i64,
    step: String,
    ordinal: i32,
    kind: String,
    is_done: bool,
    job: Option<Value>,
    actor: Option<Uuid>,
    trace: Option<String>,
    subject_kind: Option<String>,
    subject_id: Option<String>,
}

/// Releases `moves.ready`.
pub(super) async fn release(c: &mut PgConnection, moves: &mut Moves) -> Result<(), sqlx::Error> {
    let ready = std::mem::take(&mut moves.ready);
    let mut released = begin(c, ready).await?;
    released.sort_by_key(|step| (step.workflow, step.ordinal));

    let mut jobs = Vec::new();
    let (mut fan_outs, mut within) = (Vec::new(), Vec::new());
    for step in released {
        match step.kind.as_str() {
            "job" => match step.job.as_ref().map(NewJob::stored) {
                Some(Ok(job)) => jobs.push(step.dress(job, None)),
                Some(Err(error)) => {
                    let why = format!("the job kept for it cannot be read by this release: {error}");
                    moves.failed.extend(give_up(c, &step, why).await?);
                }
                None => moves.failed.extend(give_up(c, &step, "no job is kept for it".to_owned()).await?),
            },
            "fan_out" => fan_outs.push(step),
            "workflow" => within.push((step.workflow, step.step)),
            _ if step.is_done => moves.done.push((step.workflow, step.step)),
            _ => {}
        }
    }
    if !fan_outs.is_empty() {
        jobs.extend(fan_out(c, &fan_outs, moves).await?);
    }
    if !within.is_empty() {
        moves.ready.extend(begin_within(c, within).await?);
    }
    moves.ended.extend(enqueue(c, jobs).await?);
    Ok(())
}

/// Marks the steps as begun, and says what they consist of.
async fn begin(c: &mut PgConnection, ready: Vec<At>) -> Result<Vec<Released>, sqlx::Error> {
    let (workflows, names): (Vec<i64>, Vec<String>) = ready.into_iter().unzip();
    sqlx::query_as!(
        Released,
        r#"
        UPDATE queue.steps s
        SET state = CASE WHEN s.kind = 'event' AND s.arrived IS NOT NULL THEN 'done'
                         WHEN s.kind IN ('event', 'sleep') THEN 'waiting'
                         ELSE 'running' END,
            output = s.arrived,
            wake_at = CASE WHEN s.wait_seconds IS NOT NULL AND s.arrived IS NULL THEN '-infinity'::timestamptz END,
            started_at = clock_timestamp(),
            finished_at = CASE WHEN s.kind = 'event' AND s.arrived IS NOT NULL THEN clock_timestamp() END
        FROM unnest($1::bigint[], $2::text[]) AS r (workflow_id, step), queue.workflows w
        WHERE s.workflow_id = r.workflow_id AND s.name = r.step AND s.state = 'blocked' AND s.blockers = 0
          AND w.id = s.workflow_id AND w.state = 'running'
        RETURNING s.workflow_id AS workflow, s.name AS step, s.ordinal, s.kind, s.state = 'done' AS "is_done!", s.job, w.actor, w.trace,
                  w.subject_kind, w.subject_id
        "#,
        &workflows,
        &names,
    )
    .fetch_all(c)
    .await
}

impl Released {
    /// The job in its place, with what it has from its workflow.
    fn dress(&self, mut job: NewJob, child: Option<i32>) -> NewJob {
        job.place = Some(Place { workflow: self.workflow, step: self.step.clone(), child });
        job.options.actor = job.options.actor.or(self.actor);
        job.options.trace = job.options.trace.or_else(|| self.trace.clone());
        if let (None, Some(kind), Some(id)) = (&job.options.subject, &self.subject_kind, &self.subject_id) {
            job.options.subject = Some(Subject::new(kind.clone(), id));
        }
        job
    }
}

/// The children of these fan-outs, with the shards to count them down. An empty one is done; one that nobody filled fails.
async fn fan_out(c: &mut PgConnection, steps: &[Released], moves: &mut Moves) -> Result<Vec<NewJob>, sqlx::Error> {
    let kept = sqlx::query!(
        "
        DELETE FROM queue.fan_outs f
        USING unnest($1::bigint[], $2::text[]) AS r (workflow_id, step)
        WHERE f.workflow_id = r.workflow_id AND f.step = r.step
        RETURNING f.workflow_id, f.step, f.jobs
        ",
        &steps.iter().map(|step| step.workflow).collect::<Vec<_>>(),
        &steps.iter().map(|step| step.step.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(&mut *c)
    .await?;
    let mut kept: BTreeMap<At, Value> = kept.into_iter().map(|row| ((row.workflow_id, row.step), row.jobs)).collect();

    let mut children = Vec::new();
    for step in steps {
        let jobs = match kept.remove(&(step.workflow, step.step.clone())).map(serde_json::from_value::<Vec<NewJob>>) {
            Some(Ok(jobs)) => jobs,
            Some(Err(error)) => {
                let why = format!("the jobs kept for it cannot be read by this release: {error}");
                moves.failed.extend(give_up(c, step, why).await?);
                continue;
            }
            None => {
                let why = "no job before it said what it consists of; one must call `spawn`, with no jobs when there are none";
                moves.failed.extend(give_up(c, step, why.to_owned()).await?);
                continue;
            }
        };
        let number = i32::try_from(jobs.len()).map_err(|source| sqlx::Error::Encode(source.into()))?;
        moves.done.extend(count_up(c, step, number).await?);
        children.extend((0..).zip(jobs).map(|(child, job)| step.dress(job, Some(child))));
    }
    Ok(children)
}

/// Makes the shards of a fan-out; returns the step if it has no children, and so is done.
async fn count_up(c: &mut PgConnection, step: &Released, children: i32) -> Result<Option<At>, sqlx::Error> {
    sqlx::query!(
        "
        INSERT INTO queue.fan_out_shards (workflow_id, step, shard, remaining)
        SELECT $1, $2, shard, least($4::integer, $3::integer - shard * $4)
        FROM generate_series(0, ($3 - 1) / $4) AS shard
        WHERE $3 > 0
        ",
        step.workflow,
        step.step,
        children,
        SHARD,
    )
    .execute(&mut *c)
    .await?;
    sqlx::query!(
        "
        UPDATE queue.steps
        SET blockers = ($3::integer + $4::integer - 1) / $4,
            state = CASE WHEN $3 = 0 THEN 'done' ELSE state END,
            finished_at = CASE WHEN $3 = 0 THEN clock_timestamp() END
        WHERE workflow_id = $1 AND name = $2
        ",
        step.workflow,
        step.step,
        children,
        SHARD,
    )
    .execute(c)
    .await?;
    Ok((children == 0).then(|| (step.workflow, step.step.clone())))
}

/// Begins the workflows that are these steps; returns their first steps.
async fn begin_within(c: &mut PgConnection, steps: Vec<At>) -> Result<Vec<At>, sqlx::Error> {
    let (parents, names): (Vec<i64>, Vec<String>) = steps.into_iter().unzip();
    let first = sqlx::query!(
        r#"
        WITH begun AS (
          UPDATE queue.workflows w
          SET state = 'running'
          FROM unnest($1::bigint[], $2::text[]) AS r (workflow_id, step)
          WHERE w.parent_id = r.workflow_id AND w.parent_step = r.step AND w.state = 'held'
          RETURNING w.id
        )
        SELECT s.workflow_id, s.name
        FROM begun
        JOIN queue.steps s ON s.workflow_id = begun.id AND s.state = 'blocked' AND s.blockers = 0
        "#,
        &parents,
        &names,
    )
    .fetch_all(c)
    .await?;
    Ok(first.into_iter().map(|step| (step.workflow_id, step.name)).collect())
}

/// A step that cannot begin.
async fn give_up(c: &mut PgConnection, step: &Released, why: String) -> Result<Option<(At, String)>, sqlx::Error> {
    let failed = sqlx::query!(
        "
        UPDATE queue.steps
        SET state = 'failed', reason = $3, finished_at = clock_timestamp()
        WHERE workflow_id = $1 AND name = $2
        ",
        step.workflow,
        step.step,
        why,
    )
    .execute(c)
    .await?;
    Ok((failed.rows_affected() == 1).then(|| ((step.workflow, step.step.clone()), why)))
}

/// Enqueues jobs of any kinds in few statements. Those whose unique key is taken are answered as done: the job that is there
/// stands for them.
pub(super) async fn enqueue(c: &mut PgConnection, jobs: Vec<NewJob>) -> Result<Vec<Ended>, sqlx::Error> {
    let mut alike: BTreeMap<_, Vec<NewJob>> = BTreeMap::new();
    let mut stood_for = Vec::new();
    for job in jobs {
        if job.options.unique.is_none() {
            let key = (job.kind.to_string(), job.queue.to_string(), job.version, job.redact.clone());
            alike.entry(key).or_default().push(job);
        } else if let (Enqueued { fresh: false, .. }, Some(place)) = (job.insert(c).await.map_err(reason)?, &job.place) {
            stood_for.push(Ended { place: place.clone(), how: How::Done(None) });
        }
    }
    for jobs in alike.values() {
        for some in jobs.chunks(5_000) {
            insert_plain(c, some).await.map_err(reason)?;
        }
    }
    Ok(stood_for)
}

fn reason(error: EnqueueError) -> sqlx::Error {
    match error {
        EnqueueError::Database(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
