//! What is kept for how long (docs/security.md, "Retention"). Financial rows and the audit log stay for good; what only served
//! a moment goes when the moment is long past. Called nightly by a job; repeating it finds nothing more to do.

pub mod jobs;

use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// Expired sessions and links are shown to their owner for so long, then forgotten.
const AFTER_EXPIRY: Duration = Duration::days(30);
/// Webhooks carry personal data of the vendor's making; what they led to is in rows of our own.
const WEBHOOKS: Duration = Duration::days(90);
/// An address somebody typed, which may be that of a stranger.
const RESET_REQUESTS: Duration = Duration::days(7);

/// How many rows went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub sessions: u64,
    pub email_tokens: u64,
    pub webhook_events: u64,
    pub reset_requests: u64,
}

/// Forgets what is past its time.
///
/// # Errors
/// When the database refuses.
pub async fn prune(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Pruned, sqlx::Error> {
    let sessions = sqlx::query!("DELETE FROM sessions WHERE expires_at < $1", now - AFTER_EXPIRY).execute(&mut *conn).await?;
    let tokens = sqlx::query!("DELETE FROM email_tokens WHERE expires_at < $1", now - AFTER_EXPIRY).execute(&mut *conn).await?;
    let webhooks = sqlx::query!(
        "DELETE FROM webhook_events
          WHERE received_at < $1
            AND state IN ('processed', 'ignored')",
        now - WEBHOOKS,
    )
    .execute(&mut *conn)
    .await?;
    // Of jobs that were given up: those that did their work took the address with them.
    let requests = sqlx::query!("DELETE FROM reset_requests WHERE asked_at < $1", now - RESET_REQUESTS).execute(conn).await?;
    Ok(Pruned {
        sessions: sessions.rows_affected(),
        email_tokens: tokens.rows_affected(),
        webhook_events: webhooks.rows_affected(),
        reset_requests: requests.rows_affected(),
    })
}
