//! Putting a workflow into the tables, on the caller's own connection: it exists exactly if the caller's transaction commits.
//!
//! Workflows within it are put there too, held back until their step begins. A workflow with its unique key that is not
//! over yet is no error: the caller learns which one it is.

use crate::{
    enqueue::NewJob,
    trace::Origin,
    workflow::{
        StartError, Workflow, WorkflowId, WorkflowState,
        advance::{Moves, advance},
        build::{Definition, Work},
    },
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

/// The workflow that now stands for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its number.
    pub id: WorkflowId,
    /// Whether it is new; otherwise one with the same unique key was not over yet.
    pub fresh: bool,
}

/// What a workflow within another is a step of.
#[derive(Clone, Copy)]
struct Parent<'a> {
    root: i64,
    id: i64,
    step: &'a str,
}

impl Workflow {
    /// Starts it, and enqueues the jobs of its first steps.
    ///
    /// # Errors
    /// When its definition is faulty, or the database refuses.
    pub async fn start(mut self, c: &mut PgConnection) -> Result<Started, StartError> {
        self.check()?;
        let mut tx = c.begin().await?;
        // The holder of the key may finish between our insert and our look at it; then the key is free again.
        for _ in 0..8 {
            if let Some(id) = insert(&mut tx, &self, None).await? {
                let first = self.steps.iter().filter(|step| step.needs.is_empty()).map(|step| (id, step.name.clone()));
                advance(&mut tx, Moves { ready: first.collect(), ..Moves::default() }).await?;
                tx.commit().await?;
                return Ok(Started { id: WorkflowId(id), fresh: true });
            }
            if let Some(key) = &self.unique_key
                && let Some((id, _)) = open(&mut tx, &self.name, key).await?
            {
                tx.commit().await?;
                return Ok(Started { id, fresh: false });
            }
        }
        Err(StartError::Contended { workflow: self.name, key: self.unique_key.unwrap_or_default() })
    }
}

/// The unfinished workflow of this name and unique key, and where it is in its life.
///
/// # Errors
/// When the database refuses.
pub async fn open(
    c: &mut PgConnection,
    name: &str,
    unique_key: impl ToString,
) -> Result<Option<(WorkflowId, WorkflowState)>, sqlx::Error> {
    let found = sqlx::query!(
        r#"
        SELECT id AS "id: WorkflowId", state AS "state: WorkflowState"
        FROM queue.workflows
        WHERE name = $1 AND unique_key = $2 AND finished_at IS NULL
        "#,
        name,
        unique_key.to_string(),
    )
    .fetch_optional(c)
    .await?;
    Ok(found.map(|row| (row.id, row.state)))
}

/// The new workflow's number, or nothing when its key is taken.
fn insert<'a>(
    c: &'a mut PgConnection,
    flow: &'a Workflow,
    parent: Option<Parent<'a>>,
) -> BoxFuture<'a, Result<Option<i64>, StartError>> {
    async move {
        let Some(id) = insert_row(&mut *c, flow, parent).await? else { return Ok(None) };
        insert_steps(&mut *c, id, &flow.steps).await?;
        for step in &flow.steps {
            match &step.work {
                Work::FanOut(_, Some(jobs)) => drop(fill(&mut *c, id, &step.name, jobs).await?),
                Work::Workflow(within) => {
                    let root = parent.map_or(id, |parent| parent.root);
                    insert(&mut *c, within, Some(Parent { root, id, step: &step.name })).await?;
                }
                _ => {}
            }
        }
        Ok(Some(id))
    }
    .boxed()
}

async fn insert_row(c: &mut PgConnection, flow: &Workflow, parent: Option<Parent<'_>>) -> Result<Option<i64>, sqlx::Error> {
    let origin = Origin::current();
    sqlx::query_scalar!(
        "
        WITH drawn AS (
          SELECT nextval(pg_get_serial_sequence('queue.workflows', 'id')) AS id
        )
        INSERT INTO queue.workflows (id, name, state, unique_key, subject_kind, subject_id, open_steps, on_failure, root_id,
                                     parent_id, parent_step, actor, trace)
        OVERRIDING SYSTEM VALUE
        SELECT id, $1, CASE WHEN $8::bigint IS NULL THEN 'running' ELSE 'held' END, $2::text, $3::text, $4::text, $5::integer, $6::text,
               coalesce($7::bigint, id), $8, $9::text, $10::uuid, $11::text
        FROM drawn
        ON CONFLICT (name, unique_key) WHERE unique_key IS NOT NULL AND finished_at IS NULL DO NOTHING
        RETURNING id
        ",
        flow.name,
        flow.unique_key.as_deref().filter(|_| parent.is_none()),
        flow.subject.as_ref().map(|subject| subject.kind.as_ref()),
        flow.subject.as_ref().map(|subject| subject.id.as_str()),
        i32::try_from(flow.steps.len()).unwrap_or(i32::MAX),
        flow.on_failure.as_str(),
        parent.map(|parent| parent.root),
        parent.map(|parent| parent.id),
        parent.map(|parent| parent.step),
        flow.actor.or(origin.actor.get()),
        origin.trace,
    )
    .fetch_optional(c)
    .await
}

async fn insert_steps(c: &mut PgConnection, workflow: i64, steps: &[Definition]) -> Result<(), StartError> {
    let stored = |job: &NewJob| serde_json::to_value(job).map_err(|source| sqlx::Error::Encode(source.into()));
    let job = |step: &Definition| match &step.work {
        Work::Job(job) => stored(job).map(Some),
        Work::FanOut(kind, jobs) => Ok(Some(json!({ "kind": kind, "later": jobs.is_none() }))),
        _ => Ok(None),
    };
    let wait = |step: &Definition| match &step.work {
        Work::Sleep(time) | Work::Event(Some((time, _))) => Some(time.as_secs_f64()),
        _ => None,
    };
    let on_deadline = |step: &Definition| match &step.work {
        Work::Event(Some((_, deadline))) => Some(deadline.as_str().to_owned()),
        _ => None,
    };
    sqlx::query!(
        "
        INSERT INTO queue.steps (workflow_id, name, ordinal, kind, blockers, job, undo, wait_seconds, on_deadline)
        SELECT $1, name, ordinal, kind, blockers, job, undo, wait_seconds, on_deadline
        FROM unnest($2::text[], $3::text[], $4::integer[], $5::jsonb[], $6::jsonb[], $7::float8[], $8::text[])
             WITH ORDINALITY AS s (name, kind, blockers, job, undo, wait_seconds, on_deadline, ordinal)
        ",
        workflow,
        &steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>(),
        &steps.iter().map(|step| step.work.kind().as_str().to_owned()).collect::<Vec<_>>(),
        &steps.iter().map(|step| i32::try_from(step.needs.len()).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &steps.iter().map(job).collect::<Result<Vec<Option<Value>>, _>>()? as _,
        &steps.iter().map(|step| step.undo.as_ref().map(stored).transpose()).collect::<Result<Vec<Option<Value>>, _>>()? as _,
        &steps.iter().map(wait).collect::<Vec<_>>() as _,
        &steps.iter().map(on_deadline).collect::<Vec<_>>() as _,
    )
    .execute(&mut *c)
    .await?;

    let needs = || steps.iter().flat_map(|step| step.needs.iter().map(move |&needed| (step, &steps[needed])));
    sqlx::query!(
        "
        INSERT INTO queue.step_needs (workflow_id, step, needs)
        SELECT $1, step, needs
        FROM unnest($2::text[], $3::text[]) AS n (step, needs)
        ",
        workflow,
        &needs().map(|(step, _)| step.name.clone()).collect::<Vec<_>>(),
        &needs().map(|(_, needed)| needed.name.clone()).collect::<Vec<_>>(),
    )
    .execute(c)
    .await?;
    Ok(())
}

/// Keeps the jobs of a fan-out until it is released. False when it has been filled before.
pub(super) async fn fill(c: &mut PgConnection, workflow: i64, step: &str, jobs: &[NewJob]) -> Result<bool, sqlx::Error> {
    let jobs = serde_json::to_value(jobs).map_err(|source| sqlx::Error::Encode(source.into()))?;
    let filled = sqlx::query!(
        "
        INSERT INTO queue.fan_outs (workflow_id, step, jobs)
        VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING
        ",
        workflow,
        step,
        jobs,
    )
    .execute(c)
    .await?;
    Ok(filled.rows_affected() == 1)
}
