//! A person as a request needs them: both halves and their roles in one query. Read once per signed-in request, by the two
//! ways a token names somebody: our own session, or the subject of an outside provider.

use super::account::Status;
use crate::ids::{SessionId, UserId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub avatar_key: Option<String>,
    pub email: String,
    pub email_verified: bool,
    pub is_seller: bool,
    pub is_admin: bool,
    pub status: Status,
    pub status_reason: Option<String>,
}

/// The owner of a living session. In a transaction of that person row-level security shows exactly these rows.
///
/// # Errors
/// When the database fails.
pub async fn in_session(
    connection: &mut PgConnection,
    user: UserId,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<Person>, sqlx::Error> {
    sqlx::query_as!(
        Person,
        r#"SELECT
             u.id AS "id: UserId",
             u.username,
             u.display_name,
             u.avatar_key,
             a.email,
             a.email_verified_at IS NOT NULL AS "email_verified!",
             EXISTS (SELECT FROM sellers s WHERE s.user_id = u.id) AS "is_seller!",
             a.is_admin,
             a.status AS "status: Status",
             a.status_reason
           FROM sessions t
           JOIN users u ON u.id = t.user_id
           JOIN accounts a ON a.user_id = t.user_id
           WHERE t.id = $2 AND t.user_id = $1 AND t.revoked_at IS NULL AND t.expires_at > $3"#,
        user as UserId,
        session as SessionId,
        now,
    )
    .fetch_optional(connection)
    .await
}

/// The person an outside provider calls `external_id`, in a transaction of the system: until then nobody is known.
///
/// # Errors
/// When the database fails.
pub async fn by_external_id(connection: &mut PgConnection, external_id: &str) -> Result<Option<Person>, sqlx::Error> {
    sqlx::query_as!(
        Person,
        r#"SELECT
             u.id AS "id: UserId",
             u.username,
             u.display_name,
             u.avatar_key,
             a.email,
             a.email_verified_at IS NOT NULL AS "email_verified!",
             EXISTS (SELECT FROM sellers s WHERE s.user_id = u.id) AS "is_seller!",
             a.is_admin,
             a.status AS "status: Status",
             a.status_reason
           FROM accounts a
           JOIN users u ON u.id = a.user_id
           WHERE a.external_id = $1"#,
        external_id,
    )
    .fetch_optional(connection)
    .await
}
