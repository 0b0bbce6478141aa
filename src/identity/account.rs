//! The private half of a person: address, password, standing. Only they, the system and an admin see it; nobody changes it
//! but the acts of this area, in transactions of the system.

use crate::ids::UserId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Whether somebody may use the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Active,
    Suspended,
    Deleted,
}

/// What only the person themselves and an admin may know.
#[derive(Clone, Debug)]
pub struct Account {
    pub user_id: UserId,
    pub email: String,
    pub email_verified_at: Option<DateTime<Utc>>,
    /// False where an outside provider signs them in.
    pub has_password: bool,
    pub is_admin: bool,
    pub status: Status,
    /// Why they are suspended, in words they may read.
    pub status_reason: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// The account of `user`, which must exist.
///
/// # Errors
/// When it does not, or the database fails.
pub async fn get(connection: &mut PgConnection, user: UserId) -> Result<Account, sqlx::Error> {
    sqlx::query_as!(
        Account,
        r#"SELECT
             user_id AS "user_id: UserId",
             email,
             email_verified_at,
             password_hash IS NOT NULL AS "has_password!",
             is_admin,
             status AS "status: Status",
             status_reason,
             created_at
           FROM accounts
           WHERE user_id = $1"#,
        user as UserId,
    )
    .fetch_one(connection)
    .await
}

/// Where to write to `user`.
///
/// # Errors
/// When there is no such account, or the database fails.
pub async fn email_of(connection: &mut PgConnection, user: UserId) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!("SELECT email FROM accounts WHERE user_id = $1", user as UserId).fetch_one(connection).await
}

/// The stored password of `user` as a PHC string; none where an outside provider signs them in.
///
/// # Errors
/// When there is no such account, or the database fails.
pub async fn password_hash_of(connection: &mut PgConnection, user: UserId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("SELECT password_hash FROM accounts WHERE user_id = $1", user as UserId).fetch_one(connection).await
}

/// Why an e-mail address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("That does not look like an e-mail address. It should read like name@example.com.")]
pub struct BadEmail;

/// The address as it is kept: trimmed, the domain in lower case. Whether it exists only a message to it can tell.
///
/// # Errors
/// When it is not of the form `name@example.com`.
pub fn normal_email(address: &str) -> Result<String, BadEmail> {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@').ok_or(BadEmail)?;
    let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let local_ok = !local.is_empty() && local.len() <= 64 && local.chars().all(plain);
    let local_ok = local_ok && !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let domain_ok = domain.len() <= 253 && domain.contains('.') && domain.split('.').all(label_ok);
    if local_ok && domain_ok { Ok(format!("{local}@{}", domain.to_lowercase())) } else { Err(BadEmail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_trimmed_and_its_domain_lowered() {
        assert_eq!(normal_email("  Ada.Love+list@Example.COM "), Ok("Ada.Love+list@example.com".into()));
        assert_eq!(normal_email("müller@bücher.example"), Ok("müller@bücher.example".into()));
    }

    #[test]
    fn what_cannot_be_delivered_is_refused() {
        for bad in
            ["", "ada", "ada@", "@example.com", "ada@localhost", "a b@example.com", "a..b@example.com", "a@-x.com", "a@x..com"]
        {
            assert_eq!(normal_email(bad), Err(BadEmail), "{bad}");
        }
        assert_eq!(normal_email("ada@example.com\r\nBcc: all@example.com"), Err(BadEmail));
    }
}
