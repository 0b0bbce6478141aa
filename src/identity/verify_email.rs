//! Proving that an address is one's own (AUTH-09): a link goes there, and who opens it and agrees has proved it. The link
//! proves the address it was sent to, so it is worth nothing once the account has another one.

use super::token::{self, Purpose};
use crate::{
    ids::UserId,
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

/// Most such e-mails to one person in an hour.
const MOST_PER_HOUR: i64 = 4;

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("This link has been used, has expired or was replaced by a newer one. Ask for a new one in your settings.")]
    DeadLink,
    #[error("Your address is confirmed already.")]
    AlreadyVerified,
    #[error("We have written to you several times within the hour. Look into the spam folder, or try again later.")]
    TooOften,
    #[error("the address could not be confirmed")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Email(#[from] QueueError),
}

/// Sends the first link, at sign-up.
pub(super) async fn ask(
    connection: &mut PgConnection,
    user: UserId,
    address: &str,
    display_name: &str,
    now: DateTime<Utc>,
) -> Result<(), QueueError> {
    let token = token::issue(connection, user, Purpose::Verify, address, now).await?;
    let email = NewEmail {
        dedupe_key: format!("user/{user}/verify/{}", now.timestamp_micros()),
        template: "verify",
        to: address,
        user: Some(user),
        context: json!({ "display_name": display_name, "secret": { "token": token.reveal() } }),
    };
    email::queue(connection, &email, now).await?;
    Ok(())
}

/// Sends another link, because the first was lost.
///
/// # Errors
/// [`VerifyError::AlreadyVerified`], [`VerifyError::TooOften`].
pub async fn ask_again(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<(), VerifyError> {
    let person = sqlx::query!(
        "SELECT a.email, a.email_verified_at, u.display_name
         FROM accounts a
         JOIN users u ON u.id = a.user_id
         WHERE a.user_id = $1",
        user as UserId,
    )
    .fetch_one(&mut *connection)
    .await?;
    if person.email_verified_at.is_some() {
        return Err(VerifyError::AlreadyVerified);
    }
    if token::sent_since(connection, user, Purpose::Verify, now - TimeDelta::hours(1)).await? >= MOST_PER_HOUR {
        return Err(VerifyError::TooOften);
    }
    ask(connection, user, &person.email, &person.display_name, now).await?;
    Ok(())
}

/// The address a link would confirm, without using it up.
///
/// # Errors
/// [`VerifyError::DeadLink`].
pub async fn preview(connection: &mut PgConnection, secret: &str, now: DateTime<Utc>) -> Result<String, VerifyError> {
    token::find(connection, secret, &[Purpose::Verify], now).await?.map(|link| link.email).ok_or(VerifyError::DeadLink)
}

/// Confirms the address the link was sent to, and welcomes its owner.
///
/// # Errors
/// [`VerifyError::DeadLink`], also when the account has another address by now.
pub async fn confirm(connection: &mut PgConnection, secret: &str, now: DateTime<Utc>) -> Result<UserId, VerifyError> {
    let link = token::redeem(connection, secret, &[Purpose::Verify], now).await?.ok_or(VerifyError::DeadLink)?;
    let verified = sqlx::query!(
        "UPDATE accounts a
         SET email_verified_at = coalesce(a.email_verified_at, $3), updated_at = $3
         FROM users u
         WHERE a.user_id = $1 AND a.email = $2 AND u.id = a.user_id
         RETURNING u.display_name",
        link.user_id as UserId,
        link.email,
        now,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(VerifyError::DeadLink)?;
    let welcome = NewEmail {
        dedupe_key: format!("user/{}/welcome", link.user_id),
        template: "welcome",
        to: &link.email,
        user: Some(link.user_id),
        context: json!({ "display_name": verified.display_name }),
    };
    email::queue(connection, &welcome, now).await?;
    Ok(link.user_id)
}
