//! What time brings about: see `pulse.sql`.

use crate::workflow;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// What a pulse found.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    /// Queues with work, among those asked about.
    pub busy: Vec<String>,
    /// Those of them with jobs under a limit.
    pub limited: Vec<String>,
    /// Queues with a limit over all processes.
    pub capped: Vec<String>,
    /// Jobs held because their kind is paused, or let go because it is no longer.
    pub moved: i64,
    /// Runs of this worker that somebody cancelled.
    pub cancelled: Vec<i64>,
    /// Whether this worker is to take no new jobs.
    pub quiet: bool,
    /// Jobs that became due.
    pub promoted: i64,
    /// Jobs that expired or were cancelled while they waited.
    pub ended: i64,
    /// Whether time acts on workflows, too.
    pub in_workflows: bool,
}

/// Lets time act on the tables, and looks for work in `queues` and for cancelled runs of `worker`.
pub(crate) async fn pulse(
    c: &mut PgConnection,
    queues: &[String],
    worker: Uuid,
    now: Option<DateTime<Utc>>,
) -> Result<Pulse, sqlx::Error> {
    let pulse = sqlx::query_file_as!(Pulse, "src/store/pulse.sql", now, queues, worker).fetch_one(&mut *c).await?;
    if pulse.in_workflows {
        workflow::tick(c, now).await?;
    }
    Ok(pulse)
}
