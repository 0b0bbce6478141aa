//! Taking the next jobs of a queue: those under no limit of their own. See `claim_lanes` for the others.

use crate::enqueue::Place;
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Transaction};
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
    /// The lane it stood in.
    pub lane: Option<String>,
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

/// A place in a queue's line up to which it is worked off, but for stragglers: jobs handed back, say, or enqueued by a
/// transaction that took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub priority: i16,
    pub run_at: DateTime<Utc>,
}

/// Who asks for jobs of which queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub queue: &'a str,
    pub known: &'a Known,
    pub worker: Uuid,
    pub now: Option<DateTime<Utc>>,
    /// Whether the queue has a limit over all processes, and the caller holds its lock; see [`room`].
    pub capped: bool,
}

/// Leases up to `limit` jobs under no limit of their own, in the order they are to run: from `mark` on, or from the head of the
/// line.
pub(crate) async fn claim(
    c: &mut PgConnection,
    ask: &Ask<'_>,
    limit: usize,
    mark: Option<Mark>,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut claimed = sqlx::query_file_as!(
        Claimed,
        "src/store/claim.sql",
        ask.queue,
        i64::try_from(limit).unwrap_or(i64::MAX),
        &ask.known.names,
        &ask.known.versions,
        ask.worker,
        ask.now,
        ask.capped,
        mark.map(|mark| mark.priority),
        mark.map(|mark| mark.run_at),
    )
    .fetch_all(c)
    .await?;
    claimed.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.run_at, job.id)); // RETURNING promises no order
    Ok(claimed)
}

/// Begins a transaction that claims. A process that is frozen in the midst of it does not keep its locks for long; and a plan
/// that was made while the table was empty, and is used ever after, goes by the indexes all the same.
pub(crate) async fn begin(c: &mut PgConnection) -> Result<Transaction<'_, Postgres>, sqlx::Error> {
    const MANNER: &str = "SET LOCAL idle_in_transaction_session_timeout = '5s';
                          SET LOCAL enable_seqscan = off;
                          SET LOCAL enable_bitmapscan = off";
    if !c.is_in_transaction() {
        return c.begin_with(AssertSqlSafe(format!("BEGIN; {MANNER}"))).await;
    }
    let mut tx = c.begin().await?;
    sqlx::raw_sql(MANNER).execute(&mut *tx).await?;
    Ok(tx)
}

/// How many more jobs of a queue with a limit over all processes may run. Locks the queue until the transaction ends, and
/// counts with a snapshot taken after that.
pub(crate) async fn room(tx: &mut PgConnection, queue: &str) -> Result<usize, sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('queue.queue ' || $1, 0))", queue).fetch_one(&mut *tx).await?;
    let room = sqlx::query_scalar!(
        "SELECT max_running - (SELECT count(*) FROM queue.jobs WHERE queue = $1 AND state = 'running')
         FROM queue.queues
         WHERE name = $1",
        queue,
    )
    .fetch_optional(tx)
    .await?
    .flatten();
    Ok(room.map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(0)))
}
