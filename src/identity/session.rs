//! A signed-in browser or client: one row, alive until it expires or is revoked. What travels is a short signed token naming
//! the row, and a refresh secret, kept here as a hash, that buys the next token while the row lives. Every request reads the
//! row again ([`super::person::in_session`]), so a revoked session ends at once.

use super::token::{self, Token};
use crate::ids::{SessionId, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// How long somebody stays signed in without giving the password again.
pub const LIFETIME: TimeDelta = TimeDelta::days(30);

/// A session as its owner sees it in the settings.
#[derive(Clone, Debug, Serialize)]
pub struct Session {
    pub id: SessionId,
    pub user_agent: String,
    pub ip: String,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Who is signing in from where, as the request says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device<'a> {
    pub user_agent: &'a str,
    pub ip: &'a str,
}

/// A session that has just begun; the only moment its secret is known here.
#[derive(Clone, Debug)]
pub struct Opened {
    pub id: SessionId,
    pub refresh: Token,
    pub expires_at: DateTime<Utc>,
}

/// Begins a session of `user`.
///
/// # Errors
/// When the database fails.
pub async fn open(
    connection: &mut PgConnection,
    user: UserId,
    device: Device<'_>,
    now: DateTime<Utc>,
) -> Result<Opened, sqlx::Error> {
    let opened = Opened { id: SessionId::new(), refresh: Token::fresh(), expires_at: now + LIFETIME };
    sqlx::query!(
        "INSERT INTO sessions (id, user_id, refresh_hash, user_agent, ip, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
        opened.id as SessionId,
        user as UserId,
        token::hash(opened.refresh.reveal()).to_vec(),
        device.user_agent.chars().filter(|c| !c.is_control()).take(300).collect::<String>(),
        device.ip,
        now,
        opened.expires_at,
    )
    .execute(connection)
    .await?;
    Ok(opened)
}

/// The living session behind a refresh secret, noted as seen now; none once it was revoked, has expired, or its owner may no
/// longer sign in. The secret stays the same, so that two tabs renewing at once do not put each other out.
///
/// # Errors
/// When the database fails.
pub async fn renew(
    connection: &mut PgConnection,
    refresh: &str,
    now: DateTime<Utc>,
) -> Result<Option<(SessionId, UserId)>, sqlx::Error> {
    let found = sqlx::query!(
        r#"UPDATE sessions s
           SET last_seen_at = greatest(s.last_seen_at, $2)
           FROM accounts a
           WHERE s.refresh_hash = $1
             AND s.revoked_at IS NULL
             AND s.expires_at > $2
             AND a.user_id = s.user_id
             AND a.status = 'active'
           RETURNING s.id AS "id: SessionId", s.user_id AS "user_id: UserId""#,
        token::hash(refresh).to_vec(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.map(|row| (row.id, row.user_id)))
}

/// The living sessions of `user`, the latest seen first.
///
/// # Errors
/// When the database fails.
pub async fn list(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> Result<Vec<Session>, sqlx::Error> {
    sqlx::query_as!(
        Session,
        r#"SELECT id AS "id: SessionId", user_agent, ip, created_at, last_seen_at, expires_at
           FROM sessions
           WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
           ORDER BY last_seen_at DESC
           LIMIT 100"#,
        user as UserId,
        now,
    )
    .fetch_all(connection)
    .await
}

/// Ends one session of `user`. False when there was none to end.
///
/// # Errors
/// When the database fails.
pub async fn revoke(
    connection: &mut PgConnection,
    user: UserId,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE sessions SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
        session as SessionId,
        user as UserId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends every session of `user` but `kept`; how many.
///
/// # Errors
/// When the database fails.
pub async fn revoke_others(
    connection: &mut PgConnection,
    user: UserId,
    kept: Option<SessionId>,
    now: DateTime<Utc>,
) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE sessions
         SET revoked_at = $3
         WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2",
        user as UserId,
        kept as Option<SessionId>,
        now,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}
