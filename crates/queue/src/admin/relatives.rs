//! Jobs that belong to a job: what enqueued it, what it enqueued, what stands with it in a workflow, and what else came of the
//! same request (JOB-20).

use crate::{admin::jobs::JobState, job::JobId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// At most so many of each relation are shown.
const AT_MOST: i64 = 100;
/// A child waits in the hot table among the jobs enqueued after its parent. This many of them are looked at.
const LOOKS_AT: i64 = 5_000;

/// How one job belongs to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Relation {
    /// It enqueued the job.
    Parent,
    /// The job enqueued it.
    Child,
    /// It has the same trace: both came of one request.
    Trace,
}

/// A job that belongs to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relative {
    /// Its number.
    pub id: JobId,
    /// How it belongs.
    pub relation: Relation,
    /// Its kind.
    pub kind: String,
    /// Where it is in its life.
    pub state: JobState,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What belongs to a job.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Relatives {
    /// The job that enqueued it.
    pub parent: Option<Relative>,
    /// The jobs it enqueued, oldest first, at most a hundred.
    pub children: Vec<Relative>,
    /// Other jobs of its trace, oldest first, at most a hundred.
    pub trace: Vec<Relative>,
    /// The workflow it belongs to …
    pub workflow: Option<i64>,
    /// … and the step of it.
    pub step: Option<String>,
}

/// What belongs to the job `id`; nothing when there is no such job.
///
/// # Errors
/// When the database refuses.
pub async fn relatives(c: &mut PgConnection, id: JobId) -> Result<Option<Relatives>, sqlx::Error> {
    let job = sqlx::query!(
        r#"
        SELECT parent_id, left(trace, 35) AS trace, workflow_id, step, created_at AS "created_at!" FROM queue.jobs WHERE id = $1
        UNION ALL
        SELECT parent_id, left(trace, 35), workflow_id, step, created_at FROM queue.finished_jobs WHERE id = $1
        LIMIT 1
        "#,
        id.0,
    )
    .fetch_optional(&mut *c)
    .await?;
    let Some(job) = job else { return Ok(None) };

    let found = sqlx::query_as!(
        Relative,
        r#"
        -- Materialised, so that the few jobs an index knows are found by it, and not by walking down all numbers.
        WITH children AS MATERIALIZED (
          SELECT id, kind, state, created_at, finished_at FROM queue.finished_jobs WHERE parent_id = $1
        ),
        same_trace AS MATERIALIZED (
          SELECT id, kind, state, created_at, finished_at
          FROM queue.finished_jobs
          WHERE left(trace, 35) = $3 AND id <> $1 AND parent_id IS DISTINCT FROM $1 AND id IS DISTINCT FROM $2
        ),
        waiting AS MATERIALIZED (
          SELECT id, kind, state, created_at, parent_id, left(trace, 35) AS trace
          FROM queue.jobs
          WHERE id > least($1, $2) - 1000 -- what one request enqueues has numbers close together
          ORDER BY id
          LIMIT $5
        )
        SELECT id AS "id!: JobId", relation AS "relation!: Relation", kind AS "kind!", state AS "state!: JobState",
               created_at AS "created_at!", finished_at
        FROM (
          SELECT 'parent' AS relation, id, kind, state, created_at, NULL::timestamptz AS finished_at FROM queue.jobs WHERE id = $2
          UNION ALL
          SELECT 'parent', id, kind, state, created_at, finished_at FROM queue.finished_jobs WHERE id = $2
          UNION ALL
          (SELECT 'child', id, kind, state, created_at, finished_at FROM children ORDER BY id LIMIT $4)
          UNION ALL
          (SELECT 'trace', id, kind, state, created_at, finished_at FROM same_trace ORDER BY id LIMIT $4)
          UNION ALL
          (SELECT CASE WHEN parent_id = $1 THEN 'child' ELSE 'trace' END, id, kind, state, created_at, NULL
           FROM waiting
           WHERE id <> $1 AND id IS DISTINCT FROM $2 AND (parent_id = $1 OR trace = $3)
           ORDER BY id
           LIMIT $4)
        ) AS relative
        ORDER BY id
        "#,
        id.0,
        job.parent_id,
        job.trace,
        AT_MOST,
        LOOKS_AT,
    )
    .fetch_all(c)
    .await?;

    let mut relatives = Relatives { workflow: job.workflow_id, step: job.step, ..Relatives::default() };
    for relative in found {
        match relative.relation {
            Relation::Parent => relatives.parent = Some(relative),
            Relation::Child => relatives.children.push(relative),
            Relation::Trace => relatives.trace.push(relative),
        }
    }
    Ok(Some(relatives))
}
