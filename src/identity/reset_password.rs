//! A forgotten password (AUTH-09). Asking costs a request the same whether the address is known or not, because all it does
//! is write the address down and enqueue [`SendResetLink`]; whether there is anybody to write to is found out by the worker,
//! which forgets the address again. The link chooses a new password once, within the hour, and ends every session.

use super::{
    jobs::SendResetLink,
    session,
    token::{self, Purpose},
};
use crate::{
    audit,
    db::Actor,
    ids::{ResetRequestId, UserId},
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, TimeDelta, Utc};
use mywork_queue::EnqueueError;
use serde_json::json;
use sqlx::PgConnection;

/// Most such e-mails to one person in an hour.
const MOST_PER_HOUR: i64 = 4;

#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    #[error("This link has been used, has expired or was replaced by a newer one. Ask for a new one.")]
    DeadLink,
    #[error("the password could not be reset")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Email(#[from] QueueError),
}

/// Somebody says they are the owner of `address` and have forgotten the password. Asked again before the worker has come to
/// it, it is one asking.
///
/// # Errors
/// When the queue does not take the job.
pub async fn ask(connection: &mut PgConnection, address: &str, now: DateTime<Utc>) -> Result<(), EnqueueError> {
    let request = sqlx::query_scalar!(
        r#"INSERT INTO reset_requests (id, email, asked_at)
           VALUES ($1, $2, $3)
           ON CONFLICT (email) DO UPDATE SET asked_at = excluded.asked_at
           RETURNING id AS "id: ResetRequestId""#,
        ResetRequestId::new() as ResetRequestId,
        address.trim().to_lowercase(),
        now,
    )
    .fetch_one(&mut *connection)
    .await?;
    mywork_queue::enqueue(connection, &SendResetLink::Asked { request }).await?;
    Ok(())
}

/// The address of a request, which is forgotten; nothing when that has been done.
///
/// # Errors
/// When the database fails.
pub async fn take(connection: &mut PgConnection, request: ResetRequestId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("DELETE FROM reset_requests WHERE id = $1 RETURNING email", request as ResetRequestId)
        .fetch_optional(connection)
        .await
}

/// Sends the link if there is an account with a password at `address`; `request` names this asking, so that a job that runs
/// twice sends one e-mail and does not put its own link out of use.
///
/// # Errors
/// When the database fails.
pub async fn send_link(
    connection: &mut PgConnection,
    address: &str,
    request: &str,
    now: DateTime<Utc>,
) -> Result<(), ResetError> {
    let person = sqlx::query!(
        r#"SELECT a.user_id AS "user_id: UserId", a.email, u.display_name
           FROM accounts a
           JOIN users u ON u.id = a.user_id
           WHERE lower(a.email) = $1 AND a.status = 'active' AND a.password_hash IS NOT NULL
           FOR UPDATE OF a"#,
        address,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(person) = person else {
        return Ok(());
    };
    let dedupe_key = format!("user/{}/reset/{request}", person.user_id);
    let recent = token::sent_since(connection, person.user_id, Purpose::Reset, now - TimeDelta::hours(1)).await?;
    if recent >= MOST_PER_HOUR || email::is_known(connection, &dedupe_key).await? {
        return Ok(());
    }
    let token = token::issue(connection, person.user_id, Purpose::Reset, &person.email, now).await?;
    let message = NewEmail {
        dedupe_key,
        template: "reset",
        to: &person.email,
        user: Some(person.user_id),
        context: json!({ "display_name": person.display_name, "secret": { "token": token.reveal() } }),
    };
    email::queue(connection, &message, now).await?;
    Ok(())
}

/// The address a link is for, without using it up.
///
/// # Errors
/// [`ResetError::DeadLink`].
pub async fn preview(connection: &mut PgConnection, secret: &str, now: DateTime<Utc>) -> Result<String, ResetError> {
    token::find(connection, secret, &[Purpose::Reset], now).await?.map(|link| link.email).ok_or(ResetError::DeadLink)
}

/// Replaces the password. Who read the link's e-mail has proved the address too; all sessions end, a pause ends.
///
/// # Errors
/// [`ResetError::DeadLink`].
pub async fn reset(
    connection: &mut PgConnection,
    secret: &str,
    password_hash: &str,
    origin: &audit::Origin,
    now: DateTime<Utc>,
) -> Result<UserId, ResetError> {
    let link = token::redeem(connection, secret, &[Purpose::Reset], now).await?.ok_or(ResetError::DeadLink)?;
    let user = link.user_id;
    let changed = sqlx::query!(
        "UPDATE accounts
         SET password_hash = $3, failed_sign_ins = 0, locked_until = NULL,
             email_verified_at = coalesce(email_verified_at, $4), updated_at = $4
         WHERE user_id = $1 AND email = $2 AND status = 'active'",
        user as UserId,
        link.email,
        password_hash,
        now,
    )
    .execute(&mut *connection)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(ResetError::DeadLink);
    }
    session::revoke_others(connection, user, None, now).await?;
    let entry = audit::Entry::new(Actor::User(user), "account.reset_password", "user", user).from(origin);
    audit::record(connection, &entry, now).await?;
    super::change_password::tell(connection, user, now).await?;
    Ok(user)
}
