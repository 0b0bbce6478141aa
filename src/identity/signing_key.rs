//! The keys that sign our own session tokens. One signs; it and its predecessor, until that one's tokens have run out, verify
//! and are published. Making the first key, or the next, happens under an advisory lock, so that many processes starting at
//! once agree on one. Rows are the system's alone; generating the RSA key is the caller's.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

/// How long a retired key still verifies: longer than any token it signed.
pub const OVERLAP: TimeDelta = TimeDelta::days(1);

/// Serialises key making across processes; an arbitrary constant of this act.
const LOCK: i64 = 0x6d79_776f_726b_6b65;

/// A key pair.
#[derive(Clone)]
pub struct SigningKey {
    pub kid: String,
    /// PKCS#8
    pub private_der: Vec<u8>,
    pub public_jwk: Value,
}

/// The keys that verify now, the one that signs first; none before the first was made.
///
/// # Errors
/// When the database fails.
pub async fn live(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<SigningKey>, sqlx::Error> {
    sqlx::query_as!(
        SigningKey,
        "SELECT kid, private_der, public_jwk
         FROM signing_keys
         WHERE retires_at IS NULL OR retires_at > $1
         ORDER BY retires_at DESC NULLS FIRST, created_at DESC",
        now,
    )
    .fetch_all(connection)
    .await
}

/// Keeps `offered` as the first key unless another process was faster; the key that signs afterwards.
///
/// # Errors
/// When the database fails.
pub async fn establish(
    connection: &mut PgConnection,
    offered: SigningKey,
    now: DateTime<Utc>,
) -> Result<SigningKey, sqlx::Error> {
    lock(connection).await?;
    match live(connection, now).await?.into_iter().next() {
        Some(first) => Ok(first),
        None => {
            insert(connection, &offered, now).await?;
            Ok(offered)
        }
    }
}

/// Makes `next` the key that signs; its predecessor verifies for [`OVERLAP`] more.
///
/// # Errors
/// When the database fails.
pub async fn rotate(connection: &mut PgConnection, next: &SigningKey, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    lock(connection).await?;
    sqlx::query!("UPDATE signing_keys SET retires_at = $1 WHERE retires_at IS NULL", now + OVERLAP)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM signing_keys WHERE retires_at < $1", now).execute(&mut *connection).await?;
    insert(connection, next, now).await
}

async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1) IS NULL AS locked", LOCK).fetch_one(connection).await?;
    Ok(())
}

async fn insert(connection: &mut PgConnection, key: &SigningKey, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO signing_keys (kid, private_der, public_jwk, created_at) VALUES ($1, $2, $3, $4)",
        key.kid,
        key.private_der,
        key.public_jwk,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
