//! Intervening in the life of a workflow: resuming one that failed, cancelling one, undoing what one did. And what it means to a
//! workflow when somebody runs one of its jobs again.

use crate::{
    enqueue::Place,
    job::JobId,
    workflow::{
        FlowError, StepKind, WorkflowId, WorkflowState,
        advance::{At, Moves, UNDOING, advance},
        lock, undo as undoing,
    },
};
use sqlx::{Connection, PgConnection};
use std::collections::BTreeSet;

/// A workflow as an act finds it, its outermost workflow locked.
struct Found {
    root: i64,
    state: WorkflowState,
    /// Whether a step of the outermost workflow, or of one within it, is being undone.
    is_half_undone: bool,
}

/// Resumes a failed workflow from the steps that failed: their failed jobs run again, and only those; an event that did not
/// come in time is waited for once more; a workflow within it is resumed. What was being undone goes on being undone.
///
/// # Errors
/// When the workflow has not failed, or its failed jobs are no longer known.
pub async fn resume(c: &mut PgConnection, id: WorkflowId) -> Result<(), FlowError> {
    let mut tx = c.begin().await?;
    let resumed = resume_within(&mut tx, id).await;
    lock::close(tx, resumed).await
}

async fn resume_within(c: &mut PgConnection, id: WorkflowId) -> Result<(), FlowError> {
    let found = find(c, id).await?;
    match found.state {
        WorkflowState::Failed if found.is_half_undone => go_on_undoing(c, found.root).await,
        WorkflowState::Failed => go_on(c, id).await,
        state if state.is_finished() => Err(FlowError::Finished { id, state }),
        state => Err(FlowError::NotFailed { id, state }),
    }
}

/// Nobody wants this workflow any more: whatever waits in it ends, whatever runs is asked to stop. Nothing is undone.
///
/// # Errors
/// When it is over, or a step of another.
pub async fn cancel(c: &mut PgConnection, id: WorkflowId, reason: &str) -> Result<(), FlowError> {
    let mut tx = c.begin().await?;
    let cancelled = cancel_within(&mut tx, id, reason).await;
    lock::close(tx, cancelled).await
}

async fn cancel_within(c: &mut PgConnection, id: WorkflowId, reason: &str) -> Result<(), FlowError> {
    let found = outermost(c, id).await?;
    Ok(undoing::call_off(c, found.root, reason).await?)
}

/// Undoes what this workflow has done so far, the latest first, by the jobs its definition gives for that. What has yet to run
/// is cancelled; what runs is asked to stop, and waited for.
///
/// # Errors
/// When it is over, being undone already, or a step of another.
pub async fn undo(c: &mut PgConnection, id: WorkflowId, reason: &str) -> Result<(), FlowError> {
    let mut tx = c.begin().await?;
    let undone = undo_within(&mut tx, id, reason).await;
    lock::close(tx, undone).await
}

async fn undo_within(c: &mut PgConnection, id: WorkflowId, reason: &str) -> Result<(), FlowError> {
    let found = outermost(c, id).await?;
    if found.state == WorkflowState::Undoing {
        return Err(FlowError::Undoing(id));
    }
    if found.is_half_undone {
        return go_on_undoing(c, found.root).await;
    }
    let to_undo = [(found.root, reason.to_owned())].into();
    Ok(advance(c, Moves { to_undo, ..Moves::default() }).await?)
}

async fn find(c: &mut PgConnection, id: WorkflowId) -> Result<Found, FlowError> {
    if lock::lock_roots(c, &[id.0]).await?.is_empty() {
        return Err(FlowError::NotFound(id));
    }
    let found = sqlx::query_as!(
        Found,
        r#"
        SELECT w.root_id AS root, w.state AS "state: WorkflowState",
               EXISTS (
                 SELECT FROM queue.workflows x
                 JOIN queue.steps s ON s.workflow_id = x.id
                 WHERE x.root_id = w.root_id AND s.state = 'undoing'
               ) AS "is_half_undone!"
        FROM queue.workflows w
        WHERE w.id = $1
        "#,
        id.0,
    );
    Ok(found.fetch_one(c).await?)
}

async fn outermost(c: &mut PgConnection, id: WorkflowId) -> Result<Found, FlowError> {
    let found = find(c, id).await?;
    if found.root != id.0 {
        return Err(FlowError::Within { id, root: WorkflowId(found.root) });
    }
    if found.state.is_finished() {
        return Err(FlowError::Finished { id, state: found.state });
    }
    Ok(found)
}

/// Runs the failed steps of `id`, and of failed workflows within it, again.
async fn go_on(c: &mut PgConnection, id: WorkflowId) -> Result<(), FlowError> {
    let workflows = failed_within(c, id).await?;
    let failed = sqlx::query!(
        r#"
        SELECT s.workflow_id, s.name, s.kind AS "kind: StepKind",
               EXISTS (SELECT FROM queue.fan_out_shards x WHERE x.workflow_id = s.workflow_id AND x.step = s.name) AS "has_begun!"
        FROM queue.steps s
        WHERE s.workflow_id = ANY ($1) AND s.state = 'failed'
        "#,
        &workflows,
    )
    .fetch_all(&mut *c)
    .await?;

    let with_jobs = failed.iter().filter(|step| matches!(step.kind, StepKind::Job | StepKind::FanOut));
    let back = bring_back(c, id, with_jobs.map(|step| (step.workflow_id, step.name.clone())).collect(), false).await?;
    let (mut runs, mut begins) = (Vec::new(), Vec::new());
    for step in failed {
        let at = (step.workflow_id, step.name);
        match step.kind {
            StepKind::Workflow => runs.push(at),
            StepKind::Job | StepKind::FanOut if back.contains(&at) => runs.push(at),
            StepKind::FanOut if step.has_begun => return Err(FlowError::JobsGone { workflow: WorkflowId(at.0), step: at.1 }),
            // Its job left no trace, it never began, or it waited in vain: from the start.
            StepKind::Job | StepKind::FanOut | StepKind::Event | StepKind::Sleep => begins.push(at),
        }
    }
    set_state(c, runs, "running").await?;
    set_state(c, begins, "blocked").await?;
    sqlx::query!("UPDATE queue.workflows SET state = 'running', reason = NULL WHERE id = ANY ($1)", &workflows)
        .execute(&mut *c)
        .await?;
    let mut running = workflows;
    running.extend(run_parents(c, id.0).await?);
    let ready = ready(c, &running).await?;
    Ok(advance(c, Moves { ready, ..Moves::default() }).await?)
}

/// This workflow, and the failed ones within it.
async fn failed_within(c: &mut PgConnection, id: WorkflowId) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        WITH RECURSIVE within AS (
          SELECT $1::bigint AS id
          UNION ALL
          SELECT w.id FROM within JOIN queue.workflows w ON w.parent_id = within.id AND w.state = 'failed'
        )
        SELECT id AS "id!" FROM within
        "#,
        id.0,
    )
    .fetch_all(c)
    .await
}

/// Brings the jobs of these steps back that did not do what they should, under their numbers, or those that should have undone
/// them. Returns the steps that have some.
async fn bring_back(c: &mut PgConnection, id: WorkflowId, steps: Vec<At>, undoing: bool) -> Result<BTreeSet<At>, FlowError> {
    let (workflows, names): (Vec<i64>, Vec<String>) = steps.into_iter().unzip();
    let back = sqlx::query_file_as!(BroughtBack, "src/workflow/bring_back.sql", &workflows, &names, undoing).fetch_all(c).await?;
    if let Some(stuck) = back.iter().find(|step| step.back < step.gone) {
        return Err(FlowError::JobsGone { workflow: id, step: stuck.step.clone() }); // dropping the transaction brings them back
    }
    Ok(back.into_iter().map(|step| (step.workflow, step.step)).collect())
}

/// How many jobs of a step left the history, and how many came back.
struct BroughtBack {
    workflow: i64,
    step: String,
    gone: i64,
    back: i64,
}

async fn set_state(c: &mut PgConnection, steps: Vec<At>, state: &str) -> Result<(), sqlx::Error> {
    let (workflows, names): (Vec<i64>, Vec<String>) = steps.into_iter().unzip();
    sqlx::query!(
        "
        UPDATE queue.steps s
        SET state = $3, reason = NULL, finished_at = NULL
        FROM unnest($1::bigint[], $2::text[]) AS r (workflow_id, step)
        WHERE s.workflow_id = r.workflow_id AND s.name = r.step
        ",
        &workflows,
        &names,
        state,
    )
    .execute(c)
    .await
    .map(drop)
}

/// The workflow `id` runs again: so does the step it is of another, and that one too unless another step of it has failed.
/// Returns those that run again by it.
async fn run_parents(c: &mut PgConnection, id: i64) -> Result<Vec<i64>, sqlx::Error> {
    let (mut running, mut child) = (Vec::new(), id);
    loop {
        let parent = sqlx::query_scalar!(
            "
            UPDATE queue.steps s
            SET state = 'running', reason = NULL, finished_at = NULL
            FROM queue.workflows w
            WHERE w.id = $1 AND s.workflow_id = w.parent_id AND s.name = w.parent_step AND s.state = 'failed'
            RETURNING s.workflow_id
            ",
            child,
        )
        .fetch_optional(&mut *c)
        .await?;
        let Some(parent) = parent else { return Ok(running) };
        if !run_unless_failed(c, parent).await? {
            return Ok(running);
        }
        running.push(parent);
        child = parent;
    }
}

/// A failed workflow runs again, unless a step of it is failed still.
async fn run_unless_failed(c: &mut PgConnection, id: i64) -> Result<bool, sqlx::Error> {
    let runs = sqlx::query!(
        "
        UPDATE queue.workflows w
        SET state = 'running', reason = NULL
        WHERE w.id = $1 AND w.state = 'failed'
          AND NOT EXISTS (SELECT FROM queue.steps s WHERE s.workflow_id = w.id AND s.state = 'failed')
        ",
        id,
    )
    .execute(c)
    .await?;
    Ok(runs.rows_affected() == 1)
}

/// Steps that nothing but their workflow's failure has kept from beginning.
async fn ready(c: &mut PgConnection, workflows: &[i64]) -> Result<Vec<At>, sqlx::Error> {
    let ready = sqlx::query!(
        "SELECT workflow_id, name FROM queue.steps WHERE workflow_id = ANY ($1) AND state = 'blocked' AND blockers = 0",
        workflows,
    )
    .fetch_all(c)
    .await?;
    Ok(ready.into_iter().map(|step| (step.workflow_id, step.name)).collect())
}

/// Undoes further, from the step whose undo failed.
async fn go_on_undoing(c: &mut PgConnection, root: i64) -> Result<(), FlowError> {
    let stuck = sqlx::query!(
        "
        SELECT s.workflow_id, s.name
        FROM queue.workflows w
        JOIN queue.steps s ON s.workflow_id = w.id
        WHERE w.root_id = $1 AND s.state = 'undoing'
        ",
        root,
    )
    .fetch_all(&mut *c)
    .await?;
    let stuck: Vec<At> = stuck.into_iter().map(|step| (step.workflow_id, step.name)).collect();
    let back = bring_back(c, WorkflowId(root), stuck.clone(), true).await?;
    // One whose job left no trace is undone from the start.
    set_state(c, stuck.into_iter().filter(|step| !back.contains(step)).collect(), "done").await?;
    sqlx::query!("UPDATE queue.workflows SET state = 'undoing' WHERE id = $1", root).execute(&mut *c).await?;
    Ok(advance(c, Moves { undone: [root].into(), ..Moves::default() }).await?)
}

/// A finished job of a workflow that somebody wants to run again.
#[derive(Clone, Debug)]
pub(crate) struct Again {
    place: Place,
    was_done: bool,
}

/// Locks the workflow of a finished job before it is run again. What cannot be, because its workflow is over, is told.
pub(crate) async fn before_retry(
    c: &mut PgConnection,
    job: JobId,
) -> Result<Result<Option<Again>, (WorkflowId, WorkflowState)>, sqlx::Error> {
    let workflow = sqlx::query_scalar!(
        r#"SELECT workflow_id AS "id!" FROM queue.finished_jobs WHERE id = $1 AND workflow_id IS NOT NULL"#,
        job.0,
    )
    .fetch_optional(&mut *c)
    .await?;
    lock::lock_roots(c, workflow.as_slice()).await?;
    let found = sqlx::query!(
        r#"
        SELECT workflow_id AS "workflow!", step AS "step!", child, state = 'done' AS "was_done!"
        FROM queue.finished_jobs
        WHERE id = $1 AND workflow_id = $2
        "#,
        job.0,
        workflow,
    )
    .fetch_optional(&mut *c)
    .await?;
    let Some(found) = found else { return Ok(Ok(None)) };
    let place = Place { workflow: found.workflow, step: found.step, child: found.child };
    if found.was_done {
        return Ok(Ok(Some(Again { place, was_done: true })));
    }
    let states = sqlx::query!(
        r#"
        SELECT w.state AS "own: WorkflowState", r.state AS "outermost: WorkflowState",
               EXISTS (SELECT FROM queue.workflows x JOIN queue.steps s ON s.workflow_id = x.id
                       WHERE x.root_id = w.root_id AND s.state = 'undoing') AS "is_half_undone!"
        FROM queue.workflows w
        JOIN queue.workflows r ON r.id = w.root_id
        WHERE w.id = $1
        "#,
        place.workflow,
    )
    .fetch_optional(c)
    .await?;
    let Some(states) = states else { return Ok(Ok(None)) };
    // What undoes a step runs again when it failed; everything else only while the workflow goes forwards.
    let (state, goes) = match (place.child == Some(UNDOING), states.is_half_undone) {
        (true, half_undone) => (states.outermost, half_undone && states.outermost == WorkflowState::Failed),
        (false, true) => (WorkflowState::Undoing, false),
        (false, false) => (states.own, matches!(states.own, WorkflowState::Running | WorkflowState::Failed)),
    };
    Ok(if goes { Ok(Some(Again { place, was_done: false })) } else { Err((WorkflowId(place.workflow), state)) })
}

/// A job came back: its step runs again, unless other children of it have failed still, and so does its workflow, unless other
/// steps have. One that was done already runs for itself, and moves nothing.
pub(crate) async fn reopen(c: &mut PgConnection, job: JobId, again: Again) -> Result<(), sqlx::Error> {
    let Again { place, was_done } = again;
    if was_done {
        let forgets = sqlx::query!("UPDATE queue.jobs SET child = NULL WHERE id = $1 AND child >= 0", job.0);
        return forgets.execute(c).await.map(drop);
    }
    if place.child == Some(UNDOING) {
        let again = sqlx::query!(
            "
            UPDATE queue.workflows r
            SET state = 'undoing'
            FROM queue.workflows w
            WHERE w.id = $1 AND r.id = w.root_id AND r.state = 'failed'
            ",
            place.workflow,
        );
        return again.execute(c).await.map(drop);
    }
    let reopened = sqlx::query!(
        "
        UPDATE queue.steps s
        SET state = 'running', reason = NULL, finished_at = NULL
        WHERE s.workflow_id = $1 AND s.name = $2 AND s.state = 'failed'
          AND NOT EXISTS (SELECT FROM queue.finished_jobs f
                          WHERE f.workflow_id = $1 AND f.step = $2 AND f.state <> 'done' AND f.child >= 0)
        ",
        place.workflow,
        place.step,
    )
    .execute(&mut *c)
    .await?;
    if reopened.rows_affected() == 0 || !run_unless_failed(c, place.workflow).await? {
        return Ok(());
    }
    let mut running = vec![place.workflow];
    running.extend(run_parents(c, place.workflow).await?);
    let ready = ready(c, &running).await?;
    advance(c, Moves { ready, ..Moves::default() }).await
}
