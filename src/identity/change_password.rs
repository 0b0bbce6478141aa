//! A new password for somebody who knows the old one: the caller has verified it (the hash is slow and must not run inside a
//! transaction). Every other session ends, and the owner is told by e-mail, in case it was not them.

use super::session;
use crate::{
    audit,
    db::Actor,
    ids::{SessionId, UserId},
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("Another window has just changed the password. Sign in with the new one.")]
    Overtaken,
    #[error("the password could not be changed")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Email(#[from] QueueError),
}

/// Replaces the password whose hash was `old_hash` when the caller verified it; ends every session but `kept`.
///
/// # Errors
/// [`ChangePasswordError::Overtaken`] when the password is no longer the one that was verified.
pub async fn change(
    connection: &mut PgConnection,
    user: UserId,
    old_hash: &str,
    new_hash: &str,
    kept: Option<SessionId>,
    origin: &audit::Origin,
    now: DateTime<Utc>,
) -> Result<u64, ChangePasswordError> {
    let changed = sqlx::query!(
        "UPDATE accounts
         SET password_hash = $3, failed_sign_ins = 0, locked_until = NULL, updated_at = $4
         WHERE user_id = $1 AND password_hash = $2",
        user as UserId,
        old_hash,
        new_hash,
        now,
    )
    .execute(&mut *connection)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(ChangePasswordError::Overtaken);
    }
    let ended = session::revoke_others(connection, user, kept, now).await?;
    let entry = audit::Entry::new(Actor::User(user), "account.change_password", "user", user).from(origin);
    audit::record(connection, &entry, now).await?;
    tell(connection, user, now).await?;
    Ok(ended)
}

/// Tells the owner that the password is a new one.
pub(super) async fn tell(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), QueueError> {
    let person = sqlx::query!(
        "SELECT a.email, u.display_name FROM accounts a JOIN users u ON u.id = a.user_id WHERE a.user_id = $1",
        user as UserId,
    )
    .fetch_one(&mut *connection)
    .await?;
    let message = NewEmail {
        dedupe_key: format!("user/{user}/password_changed/{}", now.timestamp_micros()),
        template: "password_changed",
        to: &person.email,
        user: Some(user),
        context: json!({ "display_name": person.display_name, "changed_at": now.format("%-d %B %Y, %H:%M UTC").to_string() }),
    };
    email::queue(connection, &message, now).await?;
    Ok(())
}
