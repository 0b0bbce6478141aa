//! Finding workflows: lists, newest first, and one with its steps as a graph, for whoever looks at them.

use crate::{
    admin::{JobState, redaction},
    job::{JobId, Subject},
    workflow::{StepKind, StepState, WorkflowId, WorkflowState},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Which workflows to list. Everything absent does not narrow. Workflows that are steps of others are not listed.
#[derive(Clone, Debug, Default)]
pub struct WorkflowFilter {
    /// In one of these states.
    pub states: Vec<WorkflowState>,
    /// Of this name.
    pub name: Option<String>,
    /// Serving this object.
    pub subject: Option<Subject>,
    /// Older than this one: the last of the page before.
    pub before: Option<WorkflowId>,
    /// At most this many; 0 is 50.
    pub limit: u32,
}

/// A workflow in a list.
#[derive(Clone, Debug, Serialize)]
pub struct WorkflowRow {
    /// Its number.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: WorkflowState,
    /// The key it is unique by.
    pub unique_key: Option<String>,
    /// Kind of the object it serves.
    pub subject_kind: Option<String>,
    /// The object it serves.
    pub subject_id: Option<String>,
    /// How many steps it has.
    pub steps: i64,
    /// How many of them are not done.
    pub open_steps: i32,
    /// Why it failed, was cancelled or undone.
    pub reason: Option<String>,
    /// The workflow it is a step of.
    pub parent: Option<WorkflowId>,
    /// Who caused it.
    pub actor: Option<Uuid>,
    /// The trace it belongs to.
    pub trace: Option<String>,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A workflow with its steps.
#[derive(Clone, Debug, Serialize)]
pub struct WorkflowDetail {
    /// The workflow.
    pub workflow: WorkflowRow,
    /// Its steps, in the order of their definition, so that a step comes after those it needs.
    pub steps: Vec<StepRow>,
}

/// A step of a workflow.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    /// Its name.
    pub name: String,
    /// What it consists of.
    pub kind: StepKind,
    /// Where it is in its life.
    pub state: StepState,
    /// The steps it comes after.
    pub needs: Vec<String>,
    /// The kind of its job or jobs.
    pub job_kind: Option<String>,
    /// The kind of the job that undoes it.
    pub undo_kind: Option<String>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// When its sleep ends, or the deadline of its event passes.
    pub wake_at: Option<DateTime<Utc>>,
    /// What its job answered or came with its event, without what its kind hides. The answers of a fan-out are many, and left
    /// out.
    pub output: Option<Value>,
    /// Why it failed, or was cancelled.
    pub reason: Option<String>,
    /// Its jobs, by state.
    pub jobs: Vec<JobCount>,
    /// Its job, when it is a single one.
    pub job: Option<JobId>,
    /// The job that undoes it.
    pub undo_job: Option<JobId>,
    /// The workflow it is.
    pub workflow: Option<WorkflowId>,
}

/// How many jobs are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct JobCount {
    /// The state.
    pub state: JobState,
    /// How many.
    pub jobs: i64,
}

/// Workflows by `filter`, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(c: &mut PgConnection, filter: &WorkflowFilter) -> Result<Vec<WorkflowRow>, sqlx::Error> {
    let limit = if filter.limit == 0 { 50 } else { i64::from(filter.limit) };
    rows(c, None, filter, limit).await
}

/// One workflow with its steps; nothing when there is none of this number.
///
/// # Errors
/// When the database refuses.
pub async fn find(c: &mut PgConnection, id: WorkflowId) -> Result<Option<WorkflowDetail>, sqlx::Error> {
    let Some(workflow) = rows(c, Some(id), &WorkflowFilter::default(), 1).await?.pop() else { return Ok(None) };
    Ok(Some(WorkflowDetail { workflow, steps: steps(c, id).await? }))
}

async fn rows(
    c: &mut PgConnection,
    id: Option<WorkflowId>,
    filter: &WorkflowFilter,
    limit: i64,
) -> Result<Vec<WorkflowRow>, sqlx::Error> {
    sqlx::query_as!(
        WorkflowRow,
        r#"
        SELECT w.id AS "id: WorkflowId", w.name, w.state AS "state: WorkflowState", w.unique_key, w.subject_kind, w.subject_id,
               (SELECT count(*) FROM queue.steps s WHERE s.workflow_id = w.id) AS "steps!", w.open_steps, w.reason,
               w.parent_id AS "parent: WorkflowId", w.actor, w.trace, w.created_at, w.finished_at
        FROM queue.workflows w
        WHERE CASE WHEN $1::bigint IS NULL THEN w.parent_id IS NULL ELSE w.id = $1 END
          AND (cardinality($2::text[]) = 0 OR w.state = ANY ($2))
          AND ($3::text IS NULL OR w.name = $3)
          AND ($4::text IS NULL OR w.subject_kind = $4)
          AND ($5::text IS NULL OR w.subject_id = $5)
          AND ($6::bigint IS NULL OR w.id < $6)
        ORDER BY w.id DESC
        LIMIT $7
        "#,
        id.map(|id| id.0),
        &filter.states.iter().map(ToString::to_string).collect::<Vec<_>>(),
        filter.name.as_deref(),
        filter.subject.as_ref().map(|subject| subject.kind.as_ref()),
        filter.subject.as_ref().map(|subject| subject.id.as_str()),
        filter.before.map(|id| id.0),
        limit,
    )
    .fetch_all(c)
    .await
}

/// What the jobs of a step amount to.
#[derive(Default)]
struct Jobs {
    counts: Vec<JobCount>,
    single: Option<JobId>,
    undo: Option<JobId>,
}

async fn steps(c: &mut PgConnection, id: WorkflowId) -> Result<Vec<StepRow>, sqlx::Error> {
    let mut jobs = jobs(c, id).await?;
    let rows = sqlx::query!(
        r#"
        SELECT s.name, s.kind AS "kind: StepKind", s.state AS "state: StepState", s.started_at, s.finished_at,
               nullif(s.wake_at, '-infinity') AS wake_at, s.output, s.reason, s.job ->> 'kind' AS job_kind,
               s.undo ->> 'kind' AS undo_kind,
               coalesce(ARRAY(SELECT jsonb_array_elements_text(s.job -> 'redact')), '{}') AS "redact!",
               ARRAY(SELECT n.needs FROM queue.step_needs n WHERE n.workflow_id = s.workflow_id AND n.step = s.name
                     ORDER BY n.needs) AS "needs!",
               w.id AS "workflow?: WorkflowId"
        FROM queue.steps s
        LEFT JOIN queue.workflows w ON w.parent_id = s.workflow_id AND w.parent_step = s.name
        WHERE s.workflow_id = $1
        ORDER BY s.ordinal
        "#,
        id.0,
    )
    .fetch_all(c)
    .await?;
    let rows = rows.into_iter().map(|step| {
        let jobs = jobs.remove(&step.name).unwrap_or_default();
        StepRow {
            needs: step.needs,
            job_kind: step.job_kind,
            undo_kind: step.undo_kind,
            started_at: step.started_at,
            finished_at: step.finished_at,
            wake_at: step.wake_at,
            output: step.output.map(|output| redaction::redacted(output, &step.redact)),
            reason: step.reason,
            jobs: jobs.counts,
            job: jobs.single.filter(|_| step.kind == StepKind::Job),
            undo_job: jobs.undo,
            workflow: step.workflow,
            name: step.name,
            kind: step.kind,
            state: step.state,
        }
    });
    Ok(rows.collect())
}

async fn jobs(c: &mut PgConnection, id: WorkflowId) -> Result<BTreeMap<String, Jobs>, sqlx::Error> {
    let counts = sqlx::query!(
        r#"
        SELECT step AS "step!", coalesce(child < 0, false) AS "undoes!", state AS "state!: JobState", count(*) AS "jobs!",
               max(id) AS "latest!: JobId"
        FROM (
          SELECT id, step, child, state FROM queue.jobs WHERE workflow_id = $1
          UNION ALL
          SELECT id, step, child, state FROM queue.finished_jobs WHERE workflow_id = $1
        ) AS job
        GROUP BY step, coalesce(child < 0, false), state
        ORDER BY step, state
        "#,
        id.0,
    )
    .fetch_all(c)
    .await?;
    let mut steps: BTreeMap<String, Jobs> = BTreeMap::new();
    for count in counts {
        let step = steps.entry(count.step).or_default();
        if count.undoes {
            step.undo = step.undo.max(Some(count.latest));
        } else {
            step.counts.push(JobCount { state: count.state, jobs: count.jobs });
            step.single = step.single.max(Some(count.latest));
        }
    }
    Ok(steps)
}
