//! Accounts of people whom an outside provider signs in (Clerk; AUTH-05). They appear with the first token we see or with
//! the provider's webhook, whichever comes first, and follow the provider's news about their address. Their profile is ours:
//! the provider's name for them is only where it starts.
//!
//! News may come twice, late or out of order: older news than what we know changes nothing, and a deletion is final.

use super::{
    account::normal_email,
    avatar::{self, AvatarError},
    profile::normal_display_name,
    session, username,
};
use crate::ids::UserId;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// What the provider says of a person; anything but the id may be missing.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// `user_2ab…`
    pub external_id: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub username: Option<String>,
    pub display_name: Option<String>,
    /// When the provider knew this; none in a session token.
    pub known_at: Option<DateTime<Utc>>,
}

/// The account of `subject`: found, taken over where the provider has verified the address of an account of ours, or made.
///
/// # Errors
/// When the database fails.
pub async fn provision(connection: &mut PgConnection, subject: &Subject, now: DateTime<Utc>) -> Result<UserId, sqlx::Error> {
    // The first page of a new person may bring several requests at once, and the webhook with them.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL AS locked", subject.external_id)
        .fetch_one(&mut *connection)
        .await?;
    let known =
        sqlx::query_scalar!(r#"SELECT user_id AS "user_id: UserId" FROM accounts WHERE external_id = $1"#, subject.external_id)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(user) = known {
        follow(connection, user, subject, now).await?;
        return Ok(user);
    }
    let email = subject.email.as_deref().and_then(|address| normal_email(address).ok());
    if let Some(user) = take_over(connection, subject, email.as_deref(), now).await? {
        return Ok(user);
    }
    create(connection, subject, email, now).await
}

/// The provider has deleted the person: they can no longer sign in, and what the world saw of them is made anonymous.
///
/// # Errors
/// When the database fails.
pub async fn remove(connection: &mut PgConnection, external_id: &str, now: DateTime<Utc>) -> Result<(), AvatarError> {
    let gone = sqlx::query_scalar!(
        r#"UPDATE accounts
           SET status = 'deleted', email = user_id::text || '@deleted.invalid', email_verified_at = NULL,
               is_admin = false, updated_at = $2
           WHERE external_id = $1 AND status <> 'deleted'
           RETURNING user_id AS "user_id: UserId""#,
        external_id,
        now,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(user) = gone else {
        return Ok(());
    };
    avatar::remove(connection, user, now).await?;
    sqlx::query!(
        "UPDATE users
         SET username = 'deleted-' || replace(id::text, '-', ''), display_name = 'Deleted member', bio = '', links = '[]',
             updated_at = $2, deleted_at = $2
         WHERE id = $1",
        user as UserId,
        now,
    )
    .execute(&mut *connection)
    .await?;
    session::revoke_others(connection, user, None, now).await?;
    Ok(())
}

/// Takes over the provider's news about the address, if it is news.
async fn follow(connection: &mut PgConnection, user: UserId, subject: &Subject, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let (Some(known_at), Some(email)) = (subject.known_at, subject.email.as_deref().and_then(|a| normal_email(a).ok())) else {
        return Ok(());
    };
    sqlx::query!(
        "UPDATE accounts a
         SET email = $2,
             email_verified_at = CASE WHEN $3 THEN coalesce(a.email_verified_at, $5::timestamptz) END,
             external_seen_at = $4,
             updated_at = $5
         WHERE a.user_id = $1
           AND a.status <> 'deleted'
           AND (a.external_seen_at IS NULL OR a.external_seen_at <= $4)
           AND NOT EXISTS (SELECT FROM accounts b WHERE lower(b.email) = lower($2) AND b.user_id <> a.user_id)",
        user as UserId,
        email,
        subject.email_verified,
        known_at,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An account of ours with the same address becomes the provider's, if the provider has verified that address.
async fn take_over(
    connection: &mut PgConnection,
    subject: &Subject,
    email: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, sqlx::Error> {
    let Some(email) = email.filter(|_| subject.email_verified) else {
        return Ok(None);
    };
    sqlx::query_scalar!(
        r#"UPDATE accounts
           SET external_id = $1, external_seen_at = $4, email_verified_at = coalesce(email_verified_at, $3), updated_at = $3
           WHERE lower(email) = lower($2) AND external_id IS NULL AND status <> 'deleted'
           RETURNING user_id AS "user_id: UserId""#,
        subject.external_id,
        email,
        now,
        subject.known_at,
    )
    .fetch_optional(connection)
    .await
}

async fn create(
    connection: &mut PgConnection,
    subject: &Subject,
    email: Option<String>,
    now: DateTime<Utc>,
) -> Result<UserId, sqlx::Error> {
    let user = UserId::new();
    let hint = subject.username.as_deref().or(subject.display_name.as_deref()).unwrap_or_default();
    let wanted = subject.username.as_deref().and_then(|name| username::normal(name).ok());
    let candidates =
        [wanted, Some(username::derived(hint, &subject.external_id)), Some(username::derived("", &user.to_string()))];
    let display_name = subject.display_name.as_deref().and_then(|name| normal_display_name(name).ok());
    let mut named = false;
    for username in candidates.into_iter().flatten() {
        let inserted = sqlx::query!(
            "INSERT INTO users (id, username, display_name, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (username) DO NOTHING",
            user as UserId,
            username,
            display_name.as_deref().unwrap_or(&username),
            now,
        )
        .execute(&mut *connection)
        .await?;
        named = inserted.rows_affected() == 1;
        if named {
            break;
        }
    }
    if !named {
        return Err(sqlx::Error::Protocol(format!("no username was free for {}", subject.external_id)));
    }
    // Without an address, or with one that belongs to somebody else, the account waits for the provider's next news.
    sqlx::query!(
        "INSERT INTO accounts (user_id, email, email_verified_at, external_id, external_seen_at, created_at, updated_at)
         SELECT $1, a.email, CASE WHEN a.email = $2 AND $3 THEN $6::timestamptz END, $4, $5, $6, $6
         FROM (SELECT CASE
                 WHEN $2::text IS NULL OR EXISTS (SELECT FROM accounts b WHERE lower(b.email) = lower($2))
                 THEN $1::uuid::text || '@unknown.invalid'
                 ELSE $2
               END AS email) a",
        user as UserId,
        email,
        subject.email_verified,
        subject.external_id,
        subject.known_at,
        now,
    )
    .execute(connection)
    .await?;
    Ok(user)
}
