//! Counters of fixed windows, shared by all web processes (SEC-05). A window is known by its start; counting is one upsert.
//! The table is unlogged: a crash of the database forgives a minute, which is a fair price for never waiting on a disk.
//! Called by `web/src/limits.rs`, which decides in process what it can.

use crate::db::Db;
use chrono::{DateTime, Utc};

/// Adds `by` to the count of `key` in the window that began at `window_start`, and returns the count of all processes.
///
/// # Errors
/// When the database cannot be reached.
pub async fn count(db: &Db, key: &str, window_start: DateTime<Utc>, by: u32) -> Result<u32, sqlx::Error> {
    let total = sqlx::query_scalar!(
        "INSERT INTO rate_limits AS l (key, window_start, count)
         VALUES ($1, $2, $3)
         ON CONFLICT (key, window_start) DO UPDATE SET count = l.count + EXCLUDED.count
         RETURNING count",
        key,
        window_start,
        i32::try_from(by).unwrap_or(i32::MAX),
    )
    .fetch_one(db.public())
    .await?;
    Ok(u32::try_from(total).unwrap_or(0))
}

/// Forgets windows that began before `before`; returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget(db: &Db, before: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    sqlx::query!("DELETE FROM rate_limits WHERE window_start < $1", before)
        .execute(db.public())
        .await
        .map(|done| done.rows_affected())
}
