//! What time brings about: see `pulse.sql`.

use crate::{store::Mark, workflow};
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
    /// Those that jobs joined which may stand anywhere in the line.
    pub grown: Vec<String>,
    /// Queues with a limit over all processes.
    pub capped: Vec<String>,
    /// Queues that are paused.
    pub paused: Vec<String>,
    /// Kinds that are paused.
    pub paused_kinds: Vec<String>,
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

/// A queue that a pulse is asked about.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub queue: String,
    /// Whether to look for work in it. Otherwise it is known to have some.
    pub look: bool,
    /// From where on to look.
    pub mark: Option<Mark>,
}

/// Lets time act on the tables, and looks for work in `queues` and for cancelled runs of `worker`.
pub(crate) async fn pulse(
    c: &mut PgConnection,
    queues: &[Asked],
    worker: Uuid,
    now: Option<DateTime<Utc>>,
) -> Result<Pulse, sqlx::Error> {
    let pulse = sqlx::query_file_as!(
        Pulse,
        "src/store/pulse.sql",
        now,
        &queues.iter().map(|asked| asked.queue.clone()).collect::<Vec<_>>(),
        worker,
        &queues.iter().map(|asked| asked.look).collect::<Vec<_>>(),
        &queues.iter().map(|asked| asked.mark.map(|mark| mark.priority)).collect::<Vec<_>>() as _,
        &queues.iter().map(|asked| asked.mark.map(|mark| mark.run_at)).collect::<Vec<_>>() as _,
    )
    .fetch_one(&mut *c)
    .await?;
    if pulse.in_workflows {
        workflow::tick(c, now).await?;
    }
    Ok(pulse)
}
