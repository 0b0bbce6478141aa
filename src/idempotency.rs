//! `Idempotency-Key` of API mutations: a caller's key names one request, whose first answer is kept for 24 hours and given again.
//! The row is written before the request is done and filled after; of two requests at once one wins the insert and the other is
//! told to wait. A request whose process died keeps its key for [`LEASE`], then may be done again.
//! Called by `web/src/idempotency.rs` in transactions of the system's own.

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// After this long without an answer, the request is taken for lost. Longer than any request may take.
pub const LEASE: Duration = Duration::seconds(120);
/// How long an answer is given again.
pub const KEPT: Duration = Duration::hours(24);

/// What a key turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Not seen before: do the request, then [`answered`] or [`abandon`].
    Fresh,
    /// Done before, with this answer.
    Answered { status: u16, body: Vec<u8> },
    /// Being done right now.
    Running,
    /// Used before for a request that was not this one.
    OtherRequest,
}

/// Claims `key` of `actor` for the request with this hash.
///
/// # Errors
/// When the database cannot be reached.
pub async fn claim(
    connection: &mut PgConnection,
    actor: &str,
    key: &str,
    request_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<Claim, sqlx::Error> {
    // Takes the key if it is new, has expired, or belongs to this very request and its process was lost.
    let taken = sqlx::query_scalar!(
        r#"INSERT INTO idempotency_keys AS k (actor, key, request_hash, created_at)
           VALUES ($1, $2, $3, $4)
           ON CONFLICT (actor, key) DO UPDATE
             SET request_hash = EXCLUDED.request_hash, created_at = EXCLUDED.created_at, status = NULL, body = NULL
             WHERE k.created_at < $5
                OR (k.status IS NULL AND k.request_hash = EXCLUDED.request_hash AND k.created_at < $6)
           RETURNING true AS "taken!""#,
        actor,
        key,
        request_hash,
        now,
        now - KEPT,
        now - LEASE,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if taken.is_some() {
        return Ok(Claim::Fresh);
    }
    let before = sqlx::query!(
        "SELECT request_hash, status, body
         FROM idempotency_keys
         WHERE actor = $1 AND key = $2",
        actor,
        key,
    )
    .fetch_optional(&mut *connection)
    .await?;
    Ok(match before {
        Some(row) if row.request_hash != request_hash => Claim::OtherRequest,
        Some(row) => match row.status {
            Some(status) => Claim::Answered { status: status.unsigned_abs(), body: row.body.unwrap_or_default() },
            None => Claim::Running,
        },
        // Abandoned between the two statements: whoever asks next gets it.
        None => Claim::Running,
    })
}

/// Keeps the answer to a claimed request.
///
/// # Errors
/// When the database cannot be reached.
pub async fn answered(
    connection: &mut PgConnection,
    actor: &str,
    key: &str,
    status: u16,
    body: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE idempotency_keys
         SET status = $3, body = $4
         WHERE actor = $1 AND key = $2 AND status IS NULL",
        actor,
        key,
        i16::try_from(status).unwrap_or(i16::MAX),
        body,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Gives a claimed key back: the request had no answer worth keeping.
///
/// # Errors
/// When the database cannot be reached.
pub async fn abandon(connection: &mut PgConnection, actor: &str, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM idempotency_keys WHERE actor = $1 AND key = $2 AND status IS NULL", actor, key)
        .execute(connection)
        .await
        .map(drop)
}

/// Forgets keys older than [`KEPT`]; returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forget(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < $1", now - KEPT)
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}
