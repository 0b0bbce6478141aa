//! The limits as they stand: what each rate allows, how full its buckets are, who waits for which key.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

/// So many keys are listed; those with most jobs in line come first.
const AT_MOST: i64 = 200;

/// A rate, as `workers.toml` last said.
#[derive(Clone, Debug, Serialize)]
pub struct RateRow {
    /// Its name.
    pub name: String,
    /// So many runs …
    pub permits: f64,
    /// … in so many seconds …
    pub per_seconds: f64,
    /// … and at most so many at once.
    pub burst: f64,
}

/// A bucket that jobs draw from.
#[derive(Clone, Debug, Serialize)]
pub struct RateKeyRow {
    /// A rate's name, or that with `:` and what it is kept apart by.
    pub key: String,
    /// Runs that could begin now; nothing when nobody has drawn from it yet, or its rate is not known any more.
    pub tokens: Option<f64>,
    /// Until when nobody draws from it, because a provider said so.
    pub paused_until: Option<DateTime<Utc>>,
    /// What the provider said.
    pub pause_reason: Option<String>,
    /// Jobs in line for it.
    pub waiting: i64,
    /// Jobs of it that run.
    pub running: i64,
}

/// A key of which only so many jobs run at once.
#[derive(Clone, Debug, Serialize)]
pub struct ConcurrencyKeyRow {
    /// The key.
    pub key: String,
    /// So many at once.
    pub at_most: i16,
    /// Jobs in line for it.
    pub waiting: i64,
    /// Jobs of it that run.
    pub running: i64,
}

/// All rates, by name.
///
/// # Errors
/// When the database refuses.
pub async fn rates(c: &mut PgConnection) -> Result<Vec<RateRow>, sqlx::Error> {
    sqlx::query_as!(RateRow, "SELECT name, permits, per_seconds, burst FROM queue.rates ORDER BY name").fetch_all(c).await
}

/// Buckets that have been drawn from or are waited for; those with most jobs in line first.
///
/// # Errors
/// When the database refuses.
pub async fn rate_keys(c: &mut PgConnection) -> Result<Vec<RateKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        RateKeyRow,
        r#"
        SELECT key AS "key!",
               least(r.burst, b.tokens + extract(epoch FROM now() - b.refilled_at)::float8 * r.permits / r.per_seconds) AS tokens,
               CASE WHEN b.paused_until > now() THEN b.paused_until END AS paused_until,
               CASE WHEN b.paused_until > now() THEN b.pause_reason END AS pause_reason,
               coalesce(drawn.waiting, 0) AS "waiting!", coalesce(drawn.running, 0) AS "running!"
        FROM queue.buckets b
        FULL JOIN (
          SELECT rate_key AS key, count(*) FILTER (WHERE state = 'available') AS waiting, count(*) FILTER (WHERE state = 'running') AS running
          FROM queue.jobs
          WHERE rate_key IS NOT NULL
          GROUP BY rate_key
        ) AS drawn USING (key)
        LEFT JOIN queue.rates r ON r.name = split_part(key, ':', 1)
        ORDER BY coalesce(drawn.waiting, 0) DESC, key
        LIMIT $1
        "#,
        AT_MOST,
    )
    .fetch_all(c)
    .await
}

/// Keys with limited concurrency that have jobs in line or running; those with most jobs in line first.
///
/// # Errors
/// When the database refuses.
pub async fn concurrency_keys(c: &mut PgConnection) -> Result<Vec<ConcurrencyKeyRow>, sqlx::Error> {
    sqlx::query_as!(
        ConcurrencyKeyRow,
        r#"
        SELECT concurrency_key AS "key!", max(concurrency_limit) AS "at_most!",
               count(*) FILTER (WHERE state = 'available') AS "waiting!", count(*) FILTER (WHERE state = 'running') AS "running!"
        FROM queue.jobs
        WHERE concurrency_key IS NOT NULL
        GROUP BY concurrency_key
        ORDER BY 3 DESC, concurrency_key
        LIMIT $1
        "#,
        AT_MOST,
    )
    .fetch_all(c)
    .await
}
