//! A worker's own row: one per boot, renewed by one heartbeat for all its jobs together.

use sqlx::PgConnection;
use std::time::Duration;
use uuid::Uuid;

/// What a worker says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub name: String,
    pub group: String,
    pub release: String,
    pub queues: Vec<String>,
    pub kinds: Vec<String>,
    pub capacity: i32,
}

/// Announces the worker `id`, before it claims anything.
pub(crate) async fn register(c: &mut PgConnection, id: Uuid, about: &Registration, quiet: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.workers (id, name, process_group, release, queues, kinds, capacity, quiet_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $8 THEN now() END)
         ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()",
        id,
        about.name,
        about.group,
        about.release,
        &about.queues,
        &about.kinds,
        about.capacity,
        quiet,
    )
    .execute(c)
    .await
    .map(drop)
}

/// Says that the worker lives. False: others have given it up, and its jobs with it.
pub(crate) async fn beat(c: &mut PgConnection, id: Uuid, busy: i32, memory_bytes: Option<i64>) -> Result<bool, sqlx::Error> {
    let beaten = sqlx::query!(
        "UPDATE queue.workers
         SET heartbeat_at = now(), busy = $2, memory_bytes = $3
         WHERE id = $1 AND lost_at IS NULL",
        id,
        busy,
        memory_bytes,
    )
    .execute(c)
    .await?;
    Ok(beaten.rows_affected() == 1)
}

/// Gives up workers that have not been heard of for `lease`.
pub(crate) async fn mark_lost(c: &mut PgConnection, lease: Duration) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE queue.workers
         SET lost_at = now()
         WHERE id IN (
           SELECT id
           FROM queue.workers
           WHERE stopped_at IS NULL AND lost_at IS NULL AND heartbeat_at < now() - make_interval(secs => $1)
           FOR UPDATE SKIP LOCKED
         )
         RETURNING name",
        lease.as_secs_f64(),
    )
    .fetch_all(c)
    .await
}

/// Says that the worker can hold `capacity` jobs from now on.
pub(crate) async fn resize(c: &mut PgConnection, id: Uuid, capacity: i32) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE queue.workers SET capacity = $2 WHERE id = $1", id, capacity).execute(c).await.map(drop)
}

/// Says goodbye.
pub(crate) async fn depart(c: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE queue.workers SET stopped_at = now(), busy = 0 WHERE id = $1", id).execute(c).await.map(drop)
}

/// Makes tomorrow's partitions and drops those past their keep.
pub(crate) async fn upkeep(c: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT queue.maintain((now() AT TIME ZONE 'UTC')::date) AS "changed!""#).fetch_one(c).await
}

/// Forgets workflows, statistics and bulk acts past their keep; how many workflows that were.
pub(crate) async fn prune(c: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT queue.prune() AS "pruned!""#).fetch_one(c).await
}

/// What waits in one queue.
#[derive(Clone, Debug)]
pub(crate) struct Backlog {
    pub queue: String,
    pub waiting: i64,
    pub oldest_seconds: f64,
}

/// What waits, by queue.
pub(crate) async fn backlog(c: &mut PgConnection) -> Result<Vec<Backlog>, sqlx::Error> {
    sqlx::query_as!(
        Backlog,
        r#"
        SELECT queue, count(*) AS "waiting!",
               greatest(extract(epoch FROM now() - min(run_at)), 0)::float8 AS "oldest_seconds!"
        FROM queue.jobs
        WHERE state = 'available'
        GROUP BY queue
        "#
    )
    .fetch_all(c)
    .await
}
