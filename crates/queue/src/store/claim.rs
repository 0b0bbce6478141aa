//! Taking the next jobs of a queue.

use crate::enqueue::Place;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// The kinds a worker understands, and up to which version of their arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub names: Vec<String>,
    pub versions: Vec<i16>,
}

/// A job leased to this worker.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub id: i64,
    pub lease: i32,
    pub queue: String,
    pub kind: String,
    pub version: i16,
    pub args: Value,
    pub attempt: i16,
    pub max_attempts: i16,
    pub priority: i16,
    pub run_at: DateTime<Utc>,
    pub trace: Option<String>,
    pub actor: Option<Uuid>,
    pub workflow_id: Option<i64>,
    pub step: Option<String>,
    pub child: Option<i32>,
    /// The bucket its run drew from.
    pub rate_key: Option<String>,
    pub redact: Vec<String>,
    /// Seconds it stood in line.
    pub waited: f64,
}

impl Claimed {
    /// Where in a workflow it stands.
    pub(crate) fn place(&self) -> Option<Place> {
        let (workflow, step) = self.workflow_id.zip(self.step.clone())?;
        Some(Place { workflow, step, child: self.child })
    }
}

/// Leases up to `limit` jobs of `queue` to `worker`, in the order they are to run.
pub(crate) async fn claim(
    c: &mut PgConnection,
    queue: &str,
    limit: usize,
    known: &Known,
    worker: Uuid,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut claimed = sqlx::query_file_as!(
        Claimed,
        "src/store/claim.sql",
        queue,
        i64::try_from(limit).unwrap_or(i64::MAX),
        &known.names,
        &known.versions,
        worker,
        now,
    )
    .fetch_all(c)
    .await?;
    claimed.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.run_at, job.id)); // RETURNING promises no order
    Ok(claimed)
}
