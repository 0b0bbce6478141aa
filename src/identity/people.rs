//! Everybody, for admins (ADMIN-02): a list to search and page through, and one person with what they have done here. Runs in
//! transactions of an admin; row-level security shows the addresses to nobody else.

use super::{account::Status, seller::Verification};
use crate::{ids::UserId, money::Cents};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Which people to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of a username, display name or e-mail address.
    pub words: Option<String>,
    pub role: Option<Role>,
    pub status: Option<Status>,
}

/// What somebody may be besides a buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Seller,
    Admin,
}

/// One line of the list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub avatar_key: Option<String>,
    pub email: String,
    pub email_verified: bool,
    pub status: Status,
    pub is_admin: bool,
    /// None for who does not sell.
    pub verification: Option<Verification>,
    pub created_at: DateTime<Utc>,
}

/// One person in full.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub bio: String,
    pub avatar_key: Option<String>,
    pub email: String,
    pub email_verified_at: Option<DateTime<Utc>>,
    pub external_id: Option<String>,
    pub status: Status,
    pub status_reason: Option<String>,
    pub is_admin: bool,
    pub verification: Option<Verification>,
    pub locked_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub last_seen_at: Option<DateTime<Utc>>,
    pub products: i64,
    pub purchases: i64,
    pub spent: Cents,
    pub sales: i64,
}

/// The newest people who match, at most `limit`, after the one at `after` (its time and id).
///
/// # Errors
/// When the database fails.
pub async fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    after: Option<(DateTime<Utc>, UserId)>,
    limit: i64,
) -> Result<Vec<Listed>, sqlx::Error> {
    let pattern = filter.words.as_deref().map(str::trim).filter(|words| !words.is_empty()).map(containing);
    let (after_time, after_id) = after.unzip();
    sqlx::query_as!(
        Listed,
        r#"SELECT
             u.id AS "id: UserId",
             u.username,
             u.display_name,
             u.avatar_key,
             a.email,
             a.email_verified_at IS NOT NULL AS "email_verified!",
             a.status AS "status: Status",
             a.is_admin,
             s.verification AS "verification?: Verification",
             u.created_at
           FROM users u
           JOIN accounts a ON a.user_id = u.id
           LEFT JOIN sellers s ON s.user_id = u.id
           WHERE ($1::text IS NULL OR u.username ILIKE $1 OR u.display_name ILIKE $1 OR a.email ILIKE $1)
             AND ($2::boolean IS NOT TRUE OR s.user_id IS NOT NULL)
             AND ($3::boolean IS NOT TRUE OR a.is_admin)
             AND ($4::text IS NULL OR a.status = $4)
             AND ($5::timestamptz IS NULL OR (u.created_at, u.id) < ($5, $6))
           ORDER BY u.created_at DESC, u.id DESC
           LIMIT $7"#,
        pattern,
        filter.role == Some(Role::Seller),
        filter.role == Some(Role::Admin),
        filter.status as Option<Status>,
        after_time,
        after_id as Option<UserId>,
        limit,
    )
    .fetch_all(connection)
    .await
}

/// One person, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut PgConnection, user: UserId) -> Result<Option<Detail>, sqlx::Error> {
    sqlx::query_as!(
        Detail,
        r#"SELECT
             u.id AS "id: UserId",
             u.username,
             u.display_name,
             u.bio,
             u.avatar_key,
             a.email,
             a.email_verified_at,
             a.external_id,
             a.status AS "status: Status",
             a.status_reason,
             a.is_admin,
             s.verification AS "verification?: Verification",
             a.locked_until,
             u.created_at,
             (SELECT max(t.last_seen_at) FROM sessions t WHERE t.user_id = u.id) AS last_seen_at,
             (SELECT count(*) FROM products p WHERE p.seller_id = u.id AND p.deleted_at IS NULL) AS "products!",
             (SELECT count(*) FROM orders o WHERE o.buyer_id = u.id AND o.paid_at IS NOT NULL) AS "purchases!",
             (SELECT coalesce(sum(o.amount_cents), 0)::bigint
              FROM orders o
              WHERE o.buyer_id = u.id AND o.paid_at IS NOT NULL) AS "spent!: Cents",
             (SELECT count(*) FROM orders o WHERE o.seller_id = u.id AND o.paid_at IS NOT NULL) AS "sales!"
           FROM users u
           JOIN accounts a ON a.user_id = u.id
           LEFT JOIN sellers s ON s.user_id = u.id
           WHERE u.id = $1"#,
        user as UserId,
    )
    .fetch_optional(connection)
    .await
}

/// A LIKE pattern that finds these words literally.
fn containing(words: &str) -> String {
    format!("%{}%", words.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sought_literally() {
        assert_eq!(containing("50%_a\\b"), r"%50\%\_a\\b%");
    }
}
