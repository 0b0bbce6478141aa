//! Secrets that we give away and keep only as hashes: the links of our e-mails (AUTH-09), and the refresh cookie of a session.
//! 256 random bits need no slow hash: SHA-256 is what stands in the database, and looking one up compares hashes.
//!
//! A link works once and for a while; a newer one of the same purpose puts the older ones out of use.

use crate::ids::UserId;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::fmt;
use uuid::Uuid;

/// A secret as its receiver holds it. It never appears in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// 256 bits from the operating system's generator.
    pub fn fresh() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// The secret, for the one place that has to hand it over.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The address of a new account is theirs.
    Verify,
    /// Choose a new password.
    Reset,
    /// The old address agrees to the change.
    ChangeOld,
    /// The new address receives mail.
    ChangeNew,
}

impl Purpose {
    /// How long a link works.
    pub fn lifetime(self) -> TimeDelta {
        match self {
            Purpose::Verify => TimeDelta::days(3),
            Purpose::Reset => TimeDelta::hours(1),
            Purpose::ChangeOld | Purpose::ChangeNew => TimeDelta::days(1),
        }
    }
}

/// A link that was sent.
#[derive(Clone, Debug)]
pub struct Link {
    pub id: Uuid,
    pub user_id: UserId,
    pub purpose: Purpose,
    /// The address being proved.
    pub email: String,
    pub created_at: DateTime<Utc>,
}

/// Makes a link for `user` and puts earlier ones of this purpose out of use.
///
/// # Errors
/// When the database fails.
pub async fn issue(
    connection: &mut PgConnection,
    user: UserId,
    purpose: Purpose,
    email: &str,
    now: DateTime<Utc>,
) -> Result<Token, sqlx::Error> {
    withdraw(connection, user, purpose, now).await?;
    let token = Token::fresh();
    sqlx::query!(
        "INSERT INTO email_tokens (id, user_id, purpose, token_hash, email, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Uuid::now_v7(),
        user as UserId,
        purpose as Purpose,
        hash(token.reveal()).to_vec(),
        email,
        now,
        now + purpose.lifetime(),
    )
    .execute(connection)
    .await?;
    Ok(token)
}

/// Puts the open links of this purpose out of use.
///
/// # Errors
/// When the database fails.
pub async fn withdraw(
    connection: &mut PgConnection,
    user: UserId,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE email_tokens
         SET expires_at = $3
         WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3",
        user as UserId,
        purpose as Purpose,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The link behind `secret`, if it is of one of these purposes and still works. It stays unused: pages show what a link is
/// about before the person agrees, because mail scanners open links too.
///
/// # Errors
/// When the database fails.
pub async fn find(
    connection: &mut PgConnection,
    secret: &str,
    purposes: &[Purpose],
    now: DateTime<Utc>,
) -> Result<Option<Link>, sqlx::Error> {
    let link = sqlx::query_as!(
        Link,
        r#"SELECT id, user_id AS "user_id: UserId", purpose AS "purpose: Purpose", email, created_at
           FROM email_tokens
           WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2"#,
        hash(secret).to_vec(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(link.filter(|link| purposes.contains(&link.purpose)))
}

/// Uses the link up. Of two at once, one gets it: the row lock decides.
///
/// # Errors
/// When the database fails.
pub async fn redeem(
    connection: &mut PgConnection,
    secret: &str,
    purposes: &[Purpose],
    now: DateTime<Utc>,
) -> Result<Option<Link>, sqlx::Error> {
    let Some(link) = find(connection, secret, purposes, now).await? else {
        return Ok(None);
    };
    let used =
        sqlx::query!("UPDATE email_tokens SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2", link.id, now)
            .execute(connection)
            .await?;
    Ok((used.rows_affected() == 1).then_some(link))
}

/// How many links of this purpose `user` was sent since `since`, to bound how often somebody can be written to.
///
/// # Errors
/// When the database fails.
pub async fn sent_since(
    connection: &mut PgConnection,
    user: UserId,
    purpose: Purpose,
    since: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM email_tokens WHERE user_id = $1 AND purpose = $2 AND created_at > $3"#,
        user as UserId,
        purpose as Purpose,
        since,
    )
    .fetch_one(connection)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_random_and_fit_for_a_link() {
        let (a, b) = (Token::fresh(), Token::fresh());
        assert_ne!(a, b);
        assert_eq!(a.reveal().len(), 43);
        assert!(a.reveal().bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
        assert_eq!(format!("{a:?}"), "Token([redacted])");
    }

    #[test]
    fn only_the_hash_is_kept() {
        assert_eq!(hex::encode(hash("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
