//! The outbox. [`queue`] writes a message once (`dedupe_key` is its name: `order/<id>/receipt`) and its job with it, so that
//! an e-mail goes out if and only if the fact it tells of was committed. `queued → sent | failed`, and `sent → bounced`
//! when the provider says so. Sending is `jobs/src/notifications/send_email.rs`.
//!
//! What stands under `secret` in the context (the token of a link) is erased once the message is sent or given up.
//! The outbox belongs to the system: call [`queue`] in a job or in a transaction begun for [`crate::db::Actor::System`].

use super::jobs::SendEmail;
use crate::ids::{EmailId, UserId};
use chrono::{DateTime, Utc};
use mywork_queue::EnqueueError;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum EmailState {
    Queued,
    Sent,
    Failed,
    Bounced,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct NewEmail<'a> {
    /// Names the message; a second one of the same name is not sent.
    pub dedupe_key: String,
    /// `templates/emails/<template>.{subject,txt,html}`
    pub template: &'a str,
    pub to: &'a str,
    pub user: Option<UserId>,
    /// An object; its fields are the template's variables.
    pub context: Value,
}

/// A message as it lies in the outbox.
#[derive(Clone, Debug)]
pub struct Email {
    pub id: EmailId,
    pub template: String,
    pub to: String,
    pub context: Value,
    pub state: EmailState,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the e-mail could not be written to the outbox")]
    Database(#[from] sqlx::Error),
    #[error("the e-mail was written but its sending could not be arranged")]
    Enqueue(#[from] EnqueueError),
}

/// Writes the message and its job, or finds that it was written before; either way its id.
///
/// # Errors
/// When the database fails; the caller's transaction is then lost.
pub async fn queue(connection: &mut PgConnection, email: &NewEmail<'_>, now: DateTime<Utc>) -> Result<EmailId, QueueError> {
    let fresh = sqlx::query_scalar!(
        r#"INSERT INTO emails (id, dedupe_key, template, to_address, user_id, context, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT ON CONSTRAINT emails_dedupe_key_key DO NOTHING
           RETURNING id AS "id: EmailId""#,
        EmailId::new() as EmailId,
        email.dedupe_key,
        email.template,
        email.to,
        email.user as Option<UserId>,
        email.context,
        now,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = fresh {
        mywork_queue::enqueue(connection, &SendEmail { email: id }).await?;
        return Ok(id);
    }
    Ok(sqlx::query_scalar!(r#"SELECT id AS "id: EmailId" FROM emails WHERE dedupe_key = $1"#, email.dedupe_key)
        .fetch_one(connection)
        .await?)
}

/// Whether a message of this name was written before.
///
/// # Errors
/// When the database fails.
pub async fn is_known(connection: &mut PgConnection, dedupe_key: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM emails WHERE dedupe_key = $1) AS "known!""#, dedupe_key)
        .fetch_one(connection)
        .await
}

/// The message, if it exists.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut PgConnection, id: EmailId) -> Result<Option<Email>, sqlx::Error> {
    sqlx::query_as!(
        Email,
        r#"SELECT
             id AS "id: EmailId",
             template,
             to_address AS "to",
             context,
             state AS "state: EmailState",
             created_at
           FROM emails
           WHERE id = $1"#,
        id as EmailId,
    )
    .fetch_optional(connection)
    .await
}

/// The provider took the message. Repeating it changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn record_sent(
    connection: &mut PgConnection,
    id: EmailId,
    provider_id: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE emails
         SET state = 'sent', provider_id = $2, sent_at = $3, error = NULL, context = context - 'secret'
         WHERE id = $1 AND state IN ('queued', 'failed')",
        id as EmailId,
        provider_id,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The message will not be sent, and why.
///
/// # Errors
/// When the database fails.
pub async fn record_failed(connection: &mut PgConnection, id: EmailId, error: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE emails
         SET state = 'failed', error = $2, context = context - 'secret'
         WHERE id = $1 AND state IN ('queued', 'failed')",
        id as EmailId,
        error,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The provider took the message and could not deliver it (Resend's `email.bounced`).
///
/// # Errors
/// When the database fails.
pub async fn record_bounced(connection: &mut PgConnection, provider_id: &str, error: &str) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE emails SET state = 'bounced', error = $2 WHERE provider_id = $1 AND state = 'sent'",
        provider_id,
        error,
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() > 0)
}
