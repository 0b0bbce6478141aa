//! How workflows move: what has ended is counted, what that completes passes on to what waits for it, what waits for nothing
//! any more is released, and what failed fails its workflow. One loop, since each of these can bring about another; each turn
//! is a few statements, however many workflows and steps it is about.
//!
//! Whoever calls holds the locks ([`lock_for`](super::lock_for)). A step only ever moves from a state it can move from, so that
//! a job that ends twice, because a person ran it again, moves nothing the second time.

use crate::{
    enqueue::Place,
    workflow::{lock, release, undo},
};
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// The child of a step that undoes it.
pub(crate) const UNDOING: i32 = -1;

/// A step, by workflow and name.
pub(crate) type At = (i64, String);

/// A job of a workflow that is over.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub place: Place,
    pub how: How,
}

/// How it ended, as its workflow sees it.
#[derive(Clone, Debug)]
pub(crate) enum How {
    Done(Option<Value>),
    /// Dead, expired, quarantined, or cancelled by a person.
    Failed(String),
    /// Its handler says that there is nothing to do any more: for the whole workflow.
    CalledOff(String),
}

/// What has yet to be done about it.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    /// Jobs that are over.
    pub ended: Vec<Ended>,
    /// Steps that are done, and marked so.
    pub done: Vec<At>,
    /// Steps that wait for nothing any more.
    pub ready: Vec<At>,
    /// Steps that failed, and are marked so, with the reason.
    pub failed: Vec<(At, String)>,
    /// Outermost workflows with a step that has been undone.
    pub undone: BTreeSet<i64>,
    /// Outermost workflows that failed and undo what they did.
    pub to_undo: BTreeMap<i64, String>,
}

impl Moves {
    pub(crate) fn of(ended: Vec<Ended>) -> Self {
        Self { ended, ..Self::default() }
    }
}

/// Moves until nothing is left to move.
pub(crate) async fn advance(c: &mut PgConnection, mut moves: Moves) -> Result<(), sqlx::Error> {
    loop {
        if !moves.ended.is_empty() {
            count(c, &mut moves).await?;
        } else if !moves.done.is_empty() {
            pass_on(c, &mut moves).await?;
        } else if !moves.failed.is_empty() {
            fail(c, &mut moves).await?; // before anything new begins
        } else if !moves.ready.is_empty() {
            release::release(c, &mut moves).await?;
        } else if let Some((root, reason)) = moves.to_undo.pop_first() {
            undo::begin(c, root, &reason).await?;
            moves.undone.insert(root);
        } else if let Some(root) = moves.undone.pop_first() {
            undo::go_on(c, root, &mut moves).await?;
        } else {
            return Ok(());
        }
    }
}

/// What the end of these jobs means to their steps.
async fn count(c: &mut PgConnection, moves: &mut Moves) -> Result<(), sqlx::Error> {
    let (mut singles, mut children, mut undone) = (Vec::new(), Vec::new(), Vec::new());
    let (mut failed, mut undo_failed, mut called_off) = (Vec::new(), Vec::new(), Vec::new());
    for Ended { place, how } in moves.ended.drain(..) {
        match (how, place.child) {
            (How::Done(_) | How::CalledOff(_), Some(UNDOING)) => undone.push(place), // or there was nothing to undo
            (How::Done(output), Some(_)) => children.push((place, output)),
            (How::Done(output), None) => singles.push((place, output)),
            (How::Failed(reason), Some(UNDOING)) => undo_failed.push((place, reason)),
            (How::Failed(reason), _) => failed.push((place, reason)),
            (How::CalledOff(reason), _) => called_off.push((place, reason)),
        }
    }
    if !children.is_empty() {
        moves.done.extend(count_down(c, &children).await?);
    }
    if !singles.is_empty() {
        moves.done.extend(complete(c, &singles).await?);
    }
    if !failed.is_empty() {
        moves.failed.extend(mark_failed(c, &failed).await?);
    }
    if !undone.is_empty() {
        moves.undone.extend(undo::mark_undone(c, &undone).await?);
    }
    if !undo_failed.is_empty() {
        undo::mark_failed(c, &undo_failed).await?;
    }
    for (place, reason) in called_off {
        if let Some(root) = lock::lock_roots(c, &[place.workflow]).await?.pop() {
            undo::call_off(c, root, &reason).await?;
        }
    }
    Ok(())
}

fn workflows<T>(of: &[(Place, T)]) -> Vec<i64> {
    of.iter().map(|(place, _)| place.workflow).collect()
}

fn steps<T>(of: &[(Place, T)]) -> Vec<String> {
    of.iter().map(|(place, _)| place.step.clone()).collect()
}

fn outputs(of: &[(Place, Option<Value>)]) -> Vec<Option<Value>> {
    of.iter().map(|(_, output)| output.clone()).collect()
}

/// Children of fan-outs that are done: their answers kept, their shards counted down, and the step too for each shard that is
/// through. Returns the steps that are done by it.
async fn count_down(c: &mut PgConnection, children: &[(Place, Option<Value>)]) -> Result<Vec<At>, sqlx::Error> {
    let through = sqlx::query!(
        r#"
        WITH children AS (
          SELECT *
          FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::jsonb[]) AS d (workflow_id, step, child, output)
        ),
        answers AS (
          INSERT INTO queue.outputs (workflow_id, step, child, output)
          SELECT workflow_id, step, child, output
          FROM children
          WHERE output IS NOT NULL
          ON CONFLICT (workflow_id, step, child) DO UPDATE SET output = excluded.output
        ),
        fewer AS (
          SELECT workflow_id, step, child / $5::integer AS shard, count(*)::integer AS ended
          FROM children
          GROUP BY workflow_id, step, child / $5
        ),
        counted AS (
          UPDATE queue.fan_out_shards s
          SET remaining = s.remaining - f.ended
          FROM fewer f
          WHERE s.workflow_id = f.workflow_id AND s.step = f.step AND s.shard = f.shard
          RETURNING s.workflow_id, s.step, s.remaining
        )
        SELECT workflow_id AS "workflow!", step AS "step!", count(*)::integer AS "shards!"
        FROM counted
        WHERE remaining = 0
        GROUP BY workflow_id, step
        "#,
        &workflows(children),
        &steps(children),
        &children.iter().map(|(place, _)| place.child.unwrap_or_default()).collect::<Vec<_>>(),
        &outputs(children) as _,
        release::SHARD,
    )
    .fetch_all(&mut *c)
    .await?;
    if through.is_empty() {
        return Ok(Vec::new());
    }

    let done = sqlx::query!(
        r#"
        UPDATE queue.steps s
        SET blockers = s.blockers - t.shards,
            state = CASE WHEN s.blockers = t.shards AND s.state = 'running' THEN 'done' ELSE s.state END,
            finished_at = CASE WHEN s.blockers = t.shards AND s.state = 'running' THEN clock_timestamp() ELSE s.finished_at END
        FROM unnest($1::bigint[], $2::text[], $3::integer[]) AS t (workflow_id, step, shards)
        WHERE s.workflow_id = t.workflow_id AND s.name = t.step
        RETURNING s.workflow_id, s.name, s.state = 'done' AND s.blockers = 0 AS "is_done!"
        "#,
        &through.iter().map(|step| step.workflow).collect::<Vec<_>>(),
        &through.iter().map(|step| step.step.clone()).collect::<Vec<_>>(),
        &through.iter().map(|step| step.shards).collect::<Vec<_>>(),
    )
    .fetch_all(c)
    .await?;
    Ok(done.into_iter().filter(|step| step.is_done).map(|step| (step.workflow_id, step.name)).collect())
}

/// Steps of one job that are done.
async fn complete(c: &mut PgConnection, jobs: &[(Place, Option<Value>)]) -> Result<Vec<At>, sqlx::Error> {
    let done = sqlx::query!(
        "
        UPDATE queue.steps s
        SET state = 'done', output = d.output, reason = NULL, finished_at = clock_timestamp()
        FROM unnest($1::bigint[], $2::text[], $3::jsonb[]) AS d (workflow_id, step, output)
        WHERE s.workflow_id = d.workflow_id AND s.name = d.step AND s.kind = 'job' AND s.state = 'running'
        RETURNING s.workflow_id, s.name
        ",
        &workflows(jobs),
        &steps(jobs),
        &outputs(jobs) as _,
    )
    .fetch_all(c)
    .await?;
    Ok(done.into_iter().map(|step| (step.workflow_id, step.name)).collect())
}

/// Steps whose job failed, or one of whose jobs did. A job of a fan-out that a person ran again after it was done has no
/// number among the children any more, and is nobody's business.
async fn mark_failed(c: &mut PgConnection, jobs: &[(Place, String)]) -> Result<Vec<(At, String)>, sqlx::Error> {
    let failed = sqlx::query!(
        r#"
        UPDATE queue.steps s
        SET state = 'failed', reason = f.reason, finished_at = clock_timestamp()
        FROM (
          SELECT DISTINCT ON (workflow_id, step) *
          FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::text[]) AS j (workflow_id, step, child, reason)
          ORDER BY workflow_id, step, child
        ) AS f
        WHERE s.workflow_id = f.workflow_id AND s.name = f.step AND s.state = 'running'
          AND (f.child IS NOT NULL OR s.kind = 'job')
        RETURNING s.workflow_id, s.name, s.reason AS "reason!"
        "#,
        &workflows(jobs),
        &steps(jobs),
        &jobs.iter().map(|(place, _)| place.child).collect::<Vec<_>>() as _,
        &jobs.iter().map(|(_, reason)| reason.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(c)
    .await?;
    Ok(failed.into_iter().map(|step| ((step.workflow_id, step.name), step.reason)).collect())
}

/// Steps that are done: who waits for them waits for one less, and a workflow without open steps is done, which may be a step
/// of another.
async fn pass_on(c: &mut PgConnection, moves: &mut Moves) -> Result<(), sqlx::Error> {
    let done = std::mem::take(&mut moves.done);
    let (of, names): (Vec<i64>, Vec<String>) = done.into_iter().unzip();
    let ready = sqlx::query!(
        r#"
        UPDATE queue.steps s
        SET blockers = s.blockers - n.met
        FROM (
          SELECT n.workflow_id, n.step, count(*)::integer AS met
          FROM unnest($1::bigint[], $2::text[]) AS d (workflow_id, step)
          JOIN queue.step_needs n ON n.workflow_id = d.workflow_id AND n.needs = d.step
          GROUP BY n.workflow_id, n.step
        ) AS n
        WHERE s.workflow_id = n.workflow_id AND s.name = n.step
        RETURNING s.workflow_id, s.name, s.blockers
        "#,
        &of,
        &names,
    )
    .fetch_all(&mut *c)
    .await?;
    moves.ready.extend(ready.into_iter().filter(|step| step.blockers == 0).map(|step| (step.workflow_id, step.name)));

    let whole = sqlx::query!(
        r#"
        UPDATE queue.workflows w
        SET open_steps = w.open_steps - d.done,
            state = CASE WHEN w.open_steps = d.done AND w.state = 'running' THEN 'done' ELSE w.state END,
            finished_at = CASE WHEN w.open_steps = d.done AND w.state = 'running' THEN clock_timestamp() ELSE w.finished_at END
        FROM (SELECT d.id, count(*)::integer AS done FROM unnest($1::bigint[]) AS d (id) GROUP BY d.id) AS d
        WHERE w.id = d.id
        RETURNING w.id, w.name, w.state = 'done' AND w.open_steps = 0 AS "is_done!", w.parent_id, w.parent_step
        "#,
        &of,
    )
    .fetch_all(&mut *c)
    .await?;
    let mut parents = Vec::new();
    for flow in whole.into_iter().filter(|flow| flow.is_done) {
        tracing::debug!(workflow = flow.id, name = flow.name, "workflow done");
        parents.extend(flow.parent_id.zip(flow.parent_step));
    }
    if !parents.is_empty() {
        moves.done.extend(complete_parents(c, parents).await?);
    }
    Ok(())
}

/// Steps whose workflow is done.
async fn complete_parents(c: &mut PgConnection, parents: Vec<At>) -> Result<Vec<At>, sqlx::Error> {
    let (of, names): (Vec<i64>, Vec<String>) = parents.into_iter().unzip();
    let done = sqlx::query!(
        "
        UPDATE queue.steps s
        SET state = 'done', reason = NULL, finished_at = clock_timestamp()
        FROM unnest($1::bigint[], $2::text[]) AS d (workflow_id, step)
        WHERE s.workflow_id = d.workflow_id AND s.name = d.step AND s.state = 'running'
        RETURNING s.workflow_id, s.name
        ",
        &of,
        &names,
    )
    .fetch_all(c)
    .await?;
    Ok(done.into_iter().map(|step| (step.workflow_id, step.name)).collect())
}

/// Steps that failed: so does their workflow, and the step it is of another.
async fn fail(c: &mut PgConnection, moves: &mut Moves) -> Result<(), sqlx::Error> {
    let failed = std::mem::take(&mut moves.failed);
    let said: Vec<String> = failed.iter().map(|((_, step), reason)| format!("{step}: {reason}")).collect();
    let workflows = sqlx::query!(
        r#"
        UPDATE queue.workflows w
        SET state = 'failed', reason = f.reason
        FROM (
          SELECT DISTINCT ON (id) id, reason
          FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS f (id, reason, ordinal)
          ORDER BY id, ordinal
        ) AS f
        WHERE w.id = f.id AND w.state = 'running'
        RETURNING w.id, w.name, w.reason AS "reason!", w.parent_id, w.parent_step, w.on_failure
        "#,
        &failed.iter().map(|((workflow, _), _)| *workflow).collect::<Vec<_>>(),
        &said,
    )
    .fetch_all(&mut *c)
    .await?;

    let mut parents = Vec::new();
    for flow in workflows {
        if let Some((parent, step)) = flow.parent_id.zip(flow.parent_step) {
            parents.push(((parent, step), flow.reason));
        } else {
            tracing::warn!(workflow = flow.id, name = flow.name, reason = flow.reason, "workflow failed");
            metrics::counter!("queue_workflows_failed_total", "name" => flow.name).increment(1);
            if flow.on_failure == "undo" {
                moves.to_undo.insert(flow.id, flow.reason);
            }
        }
    }
    if !parents.is_empty() {
        let marked = sqlx::query!(
            r#"
            UPDATE queue.steps s
            SET state = 'failed', reason = f.reason, finished_at = clock_timestamp()
            FROM unnest($1::bigint[], $2::text[], $3::text[]) AS f (workflow_id, step, reason)
            WHERE s.workflow_id = f.workflow_id AND s.name = f.step AND s.state = 'running'
            RETURNING s.workflow_id, s.name, s.reason AS "reason!"
            "#,
            &parents.iter().map(|((workflow, _), _)| *workflow).collect::<Vec<_>>(),
            &parents.iter().map(|((_, step), _)| step.clone()).collect::<Vec<_>>(),
            &parents.iter().map(|(_, reason)| reason.clone()).collect::<Vec<_>>(),
        )
        .fetch_all(c)
        .await?;
        moves.failed.extend(marked.into_iter().map(|step| ((step.workflow_id, step.name), step.reason)));
    }
    Ok(())
}
