//! Pausing, draining and resuming queues and kinds, for all processes at once: claims look at the flags themselves. And what
//! the rate limits are doing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// No job of `queue` starts from now on; those that run go on.
///
/// # Errors
/// When the database refuses.
pub async fn pause(c: &mut PgConnection, queue: &str, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.queues AS q (name, paused_at, pause_reason)
         VALUES ($1, now(), $2)
         ON CONFLICT (name) DO UPDATE
         SET paused_at = coalesce(q.paused_at, now()), pause_reason = excluded.pause_reason",
        queue,
        reason,
    )
    .execute(c)
    .await
    .map(drop)
}

/// Jobs of `queue` start again. False when it was not paused.
///
/// # Errors
/// When the database refuses.
pub async fn resume(c: &mut PgConnection, queue: &str) -> Result<bool, sqlx::Error> {
    let resumed = sqlx::query!(
        "UPDATE queue.queues SET paused_at = NULL, pause_reason = NULL WHERE name = $1 AND paused_at IS NOT NULL",
        queue
    )
    .execute(c)
    .await?;
    Ok(resumed.rows_affected() == 1)
}

/// A kind that somebody has paused.
#[derive(Clone, Debug, Serialize)]
pub struct PausedKind {
    /// The kind.
    pub kind: String,
    /// Since when.
    pub paused_at: DateTime<Utc>,
    /// Why.
    pub pause_reason: String,
}

/// No job of `kind` starts from now on, in whatever queue; those that run go on. Jobs in line are `held` until it is resumed.
///
/// # Errors
/// When the database refuses.
pub async fn pause_kind(c: &mut PgConnection, kind: &str, reason: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO queue.paused_kinds (kind, pause_reason)
         VALUES ($1, $2)
         ON CONFLICT (kind) DO UPDATE SET pause_reason = excluded.pause_reason",
        kind,
        reason,
    )
    .execute(c)
    .await
    .map(drop)
}

/// Jobs of `kind` start again, from where they stood in line. False when it was not paused.
///
/// # Errors
/// When the database refuses.
pub async fn resume_kind(c: &mut PgConnection, kind: &str) -> Result<bool, sqlx::Error> {
    let resumed = sqlx::query!("DELETE FROM queue.paused_kinds WHERE kind = $1", kind).execute(c).await?;
    Ok(resumed.rows_affected() == 1)
}

/// Kinds that are paused, by name.
///
/// # Errors
/// When the database refuses.
pub async fn paused_kinds(c: &mut PgConnection) -> Result<Vec<PausedKind>, sqlx::Error> {
    sqlx::query_as!(PausedKind, "SELECT kind, paused_at, pause_reason FROM queue.paused_kinds ORDER BY kind").fetch_all(c).await
}

/// How far a queue or a kind that was paused to be drained has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Draining {
    /// Jobs that run still.
    pub running: i64,
    /// Nothing runs, and nothing will: also a claim that had begun when the pause was made has ended by now.
    pub over: bool,
}

/// Pauses `queue` and says how many of its jobs run still. Ask [`draining`] until it is over.
///
/// # Errors
/// When the database refuses.
pub async fn drain(c: &mut PgConnection, queue: &str, reason: &str) -> Result<Draining, sqlx::Error> {
    pause(c, queue, reason).await?;
    draining(c, queue).await
}

/// How far draining `queue` has come. One that is not paused is never drained.
///
/// # Errors
/// When the database refuses.
pub async fn draining(c: &mut PgConnection, queue: &str) -> Result<Draining, sqlx::Error> {
    sqlx::query_as!(
        Draining,
        r#"
        SELECT jobs AS "running!",
               jobs = 0 AND EXISTS (SELECT FROM queue.queues WHERE name = $1 AND paused_at < clock_timestamp() - interval '1 second')
                 AS "over!"
        FROM (SELECT count(*) AS jobs FROM queue.jobs WHERE queue = $1 AND state = 'running') AS running
        "#,
        queue,
    )
    .fetch_one(c)
    .await
}

/// Pauses `kind` and says how many of its jobs run still. Ask [`draining_kind`] until it is over.
///
/// # Errors
/// When the database refuses.
pub async fn drain_kind(c: &mut PgConnection, kind: &str, reason: &str) -> Result<Draining, sqlx::Error> {
    pause_kind(c, kind, reason).await?;
    draining_kind(c, kind).await
}

/// How far draining `kind` has come. One that is not paused is never drained.
///
/// # Errors
/// When the database refuses.
pub async fn draining_kind(c: &mut PgConnection, kind: &str) -> Result<Draining, sqlx::Error> {
    sqlx::query_as!(
        Draining,
        r#"
        SELECT jobs AS "running!",
               jobs = 0
                 AND EXISTS (SELECT FROM queue.paused_kinds WHERE kind = $1 AND paused_at < clock_timestamp() - interval '1 second')
                 AS "over!"
        FROM (SELECT count(*) AS jobs FROM queue.jobs WHERE kind = $1 AND state = 'running') AS running
        "#,
        kind,
    )
    .fetch_one(c)
    .await
}

/// A bucket nobody can draw from just now.
#[derive(Clone, Debug, Serialize)]
pub struct BucketRow {
    /// A rate's name, or that with `:` and what it is kept apart by.
    pub key: String,
    /// When it can be drawn from again.
    pub opens_at: DateTime<Utc>,
    /// What the provider said, when it is the provider that wants to be left alone.
    pub pause_reason: Option<String>,
}

/// Buckets that are empty, or paused because a provider said "too many requests"; those that open last first, at most 200.
///
/// # Errors
/// When the database refuses.
pub async fn buckets(c: &mut PgConnection) -> Result<Vec<BucketRow>, sqlx::Error> {
    sqlx::query_as!(
        BucketRow,
        r#"
        SELECT key, greatest(paused_until, empty_until) AS "opens_at!", CASE WHEN paused_until > now() THEN pause_reason END AS pause_reason
        FROM queue.buckets
        WHERE greatest(paused_until, empty_until) > now()
        ORDER BY greatest(paused_until, empty_until) DESC
        LIMIT 200
        "#
    )
    .fetch_all(c)
    .await
}

/// Lets jobs draw from the bucket `key` again before the time the provider gave. False when it was not paused.
///
/// # Errors
/// When the database refuses.
pub async fn open_bucket(c: &mut PgConnection, key: &str) -> Result<bool, sqlx::Error> {
    let opened = sqlx::query!(
        "UPDATE queue.buckets SET paused_until = NULL, pause_reason = NULL WHERE key = $1 AND paused_until > now()",
        key
    )
    .execute(c)
    .await?;
    Ok(opened.rows_affected() == 1)
}
