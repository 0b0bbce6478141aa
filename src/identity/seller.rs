//! Selling: a role that anybody may take on (AUTH-04). A new seller may draft at once; what their verification allows them
//! beyond that is SELLER-07. Only the system and admins write here, so that nobody verifies themselves.

use crate::ids::UserId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Longest headline, in characters.
pub const MAX_HEADLINE: usize = 120;

/// How well a seller is known to us, each including those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    None,
    /// E-mail address and payout account.
    Basic,
    /// The payment processor has checked their identity.
    Verified,
    /// Plan, sales and rating of a premium seller.
    Premium,
}

/// A seller with what buyers have made of them.
#[derive(Clone, Debug, Serialize)]
pub struct Seller {
    pub user_id: UserId,
    pub verification: Verification,
    pub headline: String,
    pub since: DateTime<Utc>,
    pub products: i64,
    pub sales: i64,
    pub rating_sum: i64,
    pub rating_count: i64,
}

/// Why a headline is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Use at most 120 characters.")]
pub struct LongHeadline;

/// A headline as it is kept: one line, trimmed.
///
/// # Errors
/// When it is longer than [`MAX_HEADLINE`].
pub fn normal_headline(headline: &str) -> Result<String, LongHeadline> {
    let headline = headline.split_whitespace().collect::<Vec<_>>().join(" ");
    if headline.chars().count() <= MAX_HEADLINE { Ok(headline) } else { Err(LongHeadline) }
}

/// Makes `user` a seller, or gives a seller a new headline. True when they have become one just now.
///
/// # Errors
/// When the database fails.
pub async fn become_seller(
    connection: &mut PgConnection,
    user: UserId,
    headline: &str,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"INSERT INTO sellers (user_id, headline, created_at)
           VALUES ($1, $2, $3)
           ON CONFLICT (user_id) DO UPDATE SET headline = CASE WHEN $2 = '' THEN sellers.headline ELSE $2 END
           RETURNING created_at = $3 AS "fresh!""#,
        user as UserId,
        headline,
        now,
    )
    .fetch_one(connection)
    .await
}

/// The seller `user` is, if they are one.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut PgConnection, user: UserId) -> Result<Option<Seller>, sqlx::Error> {
    sqlx::query_as!(
        Seller,
        r#"SELECT
             s.user_id AS "user_id: UserId",
             s.verification AS "verification: Verification",
             s.headline,
             s.created_at AS since,
             count(p.id) FILTER (WHERE p.state = 'active') AS "products!",
             coalesce(sum(t.sales), 0)::bigint AS "sales!",
             coalesce(sum(t.rating_sum), 0)::bigint AS "rating_sum!",
             coalesce(sum(t.rating_count), 0)::bigint AS "rating_count!"
           FROM sellers s
           LEFT JOIN products p ON p.seller_id = s.user_id
           LEFT JOIN product_stats t ON t.product_id = p.id
           WHERE s.user_id = $1
           GROUP BY s.user_id, s.verification, s.headline, s.created_at"#,
        user as UserId,
    )
    .fetch_optional(connection)
    .await
}
