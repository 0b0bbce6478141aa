//! Worker processes: who they are, what they hold, and asking one to take no new jobs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// A worker process.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerRow {
    /// Its id of this boot.
    pub id: Uuid,
    /// `host:pid`.
    pub name: String,
    /// Its process group.
    pub group: String,
    /// The version of its program.
    pub release: String,
    /// Queues it works on.
    pub queues: Vec<String>,
    /// Jobs it can hold at once.
    pub capacity: i32,
    /// Jobs it holds.
    pub busy: i32,
    /// Bytes of memory it has in use; nothing where that cannot be told.
    pub memory_bytes: Option<i64>,
    /// Since when it takes no new jobs, because somebody asked it to.
    pub quiet_at: Option<DateTime<Utc>>,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was last heard of.
    pub heartbeat_at: DateTime<Utc>,
    /// When it said goodbye.
    pub stopped_at: Option<DateTime<Utc>>,
    /// When others gave it up.
    pub lost_at: Option<DateTime<Utc>>,
}

/// Worker processes: those that live, then those gone within a week, latest first.
///
/// # Errors
/// When the database refuses.
pub async fn workers(c: &mut PgConnection) -> Result<Vec<WorkerRow>, sqlx::Error> {
    sqlx::query_as!(
        WorkerRow,
        r#"
        SELECT id, name, process_group AS "group", release, queues, capacity, busy, memory_bytes, quiet_at, started_at, heartbeat_at,
               stopped_at, lost_at
        FROM queue.workers
        ORDER BY (stopped_at IS NULL AND lost_at IS NULL) DESC, started_at DESC
        LIMIT 200
        "#
    )
    .fetch_all(c)
    .await
}

/// Asks a worker to take no new jobs, or to take jobs again; it heeds within a second, and what it runs goes on. False when no
/// such worker lives.
///
/// # Errors
/// When the database refuses.
pub async fn quiet(c: &mut PgConnection, worker: Uuid, quiet: bool) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query!(
        "UPDATE queue.workers
         SET quiet_at = CASE WHEN $2 THEN coalesce(quiet_at, now()) END
         WHERE id = $1 AND stopped_at IS NULL AND lost_at IS NULL",
        worker,
        quiet,
    )
    .execute(c)
    .await?;
    Ok(asked.rows_affected() == 1)
}
