//! People with confirmed addresses, some of whom sell and one of whom is an admin.

use crate::{
    identity::{TERMS_VERSION, seller::Verification},
    ids::UserId,
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;

/// Somebody.
#[derive(Clone, Debug)]
pub struct Person<'a> {
    pub username: &'a str,
    pub display_name: &'a str,
    pub email: &'a str,
    pub password_hash: &'a str,
    pub bio: &'a str,
    /// `[{"label": "GitHub", "url": "https://…"}]`
    pub links: Value,
    pub is_admin: bool,
    pub seller: Option<Seller<'a>>,
    pub joined_at: DateTime<Utc>,
}

/// What makes somebody a seller.
#[derive(Clone, Copy, Debug)]
pub struct Seller<'a> {
    pub headline: &'a str,
    pub verification: Verification,
}

/// Registers them.
///
/// # Errors
/// When name or address is taken.
pub async fn add(conn: &mut PgConnection, person: &Person<'_>) -> Result<UserId, sqlx::Error> {
    let user = UserId::new();
    sqlx::query!(
        "INSERT INTO users (id, username, display_name, bio, links, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        user as UserId,
        person.username,
        person.display_name,
        person.bio,
        person.links,
        person.joined_at,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO accounts (user_id, email, email_verified_at, password_hash, is_admin, terms_version, terms_accepted_at,
                               created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $3, $3, $3)",
        user as UserId,
        person.email,
        person.joined_at,
        person.password_hash,
        person.is_admin,
        TERMS_VERSION,
    )
    .execute(&mut *conn)
    .await?;
    if let Some(seller) = person.seller {
        sqlx::query!(
            "INSERT INTO sellers (user_id, verification, headline, created_at)
             VALUES ($1, $2, $3, $4)",
            user as UserId,
            seller.verification as Verification,
            seller.headline,
            person.joined_at,
        )
        .execute(conn)
        .await?;
    }
    Ok(user)
}
