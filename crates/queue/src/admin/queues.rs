//! Pausing and resuming queues, for all processes at once: claims look at the flag themselves.

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
