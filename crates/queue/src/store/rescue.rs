//! Taking back the runs of workers that are gone: see `rescue.sql`.

use crate::{
    enqueue::Place,
    workflow::{self, Ended, How, Moves},
};
use sqlx::{Connection, PgConnection};
use std::time::Duration;

/// A run taken back, and what became of its job.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub id: i64,
    pub queue: String,
    pub kind: String,
    /// Of the worker that died.
    pub release: String,
    pub fingerprint: String,
    /// Seconds until it was taken back.
    pub took: f64,
    /// `quarantined`, `dead` or `cancelled`; nothing when it runs again.
    pub ends_as: Option<String>,
    workflow_id: Option<i64>,
    step: Option<String>,
    child: Option<i32>,
}

/// What the job says afterwards.
pub(crate) const WORKER_LOST: &str = "The worker died, or lost the database, while this job ran.";

/// Rescues jobs whose worker has not been heard of for `lease`; with `strays`, also those whose worker nobody remembers. The third
/// rescue of a job quarantines it.
pub(crate) async fn rescue(c: &mut PgConnection, lease: Duration, strays: bool) -> Result<Vec<Fate>, sqlx::Error> {
    let mut fates = take_back(c, lease, strays, None).await?;
    let workflows = with_orphans(c, lease, strays).await?;
    if !workflows.is_empty() {
        let mut tx = c.begin().await?;
        let free = workflow::lock_free(&mut tx, &workflows).await?;
        let taken = take_back(&mut tx, lease, strays, Some(&free)).await?;
        workflow::advance(&mut tx, Moves::of(taken.iter().filter_map(ended).collect())).await?;
        tx.commit().await?;
        fates.extend(taken);
    }
    Ok(fates)
}

/// Takes back runs of jobs outside of workflows, or of those within these outermost workflows.
async fn take_back(c: &mut PgConnection, lease: Duration, strays: bool, roots: Option<&[i64]>) -> Result<Vec<Fate>, sqlx::Error> {
    sqlx::query_file_as!(Fate, "src/store/rescue.sql", lease.as_secs_f64(), 3, WORKER_LOST, roots, strays).fetch_all(c).await
}

/// Workflows with runs to be taken back.
async fn with_orphans(c: &mut PgConnection, lease: Duration, strays: bool) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        SELECT workflow_id AS "id!"
        FROM queue.jobs
        WHERE state = 'running' AND workflow_id IS NOT NULL
          AND worker_id = ANY (ARRAY(
            SELECT id
            FROM queue.workers
            WHERE stopped_at IS NOT NULL OR lost_at IS NOT NULL OR heartbeat_at < now() - make_interval(secs => $1)
          ))
        UNION
        SELECT workflow_id
        FROM queue.jobs j
        WHERE $2 AND state = 'running' AND workflow_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM queue.workers WHERE id = j.worker_id)
        "#,
        lease.as_secs_f64(),
        strays,
    )
    .fetch_all(c)
    .await
}

fn ended(fate: &Fate) -> Option<Ended> {
    let ends_as = fate.ends_as.as_deref()?;
    let place = Place { workflow: fate.workflow_id?, step: fate.step.clone()?, child: fate.child };
    Some(Ended { place, how: How::Failed(format!("{ends_as}: {WORKER_LOST}")) })
}
