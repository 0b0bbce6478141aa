//! How often products are looked at. Web processes count in memory and hand batches over; a batch is added in one transaction
//! with its name, so that it counts once whatever is run twice.

use crate::ids::ProductId;
use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// No job is run again after so long, and the names of its batches may be forgotten.
const REMEMBERED: Duration = Duration::days(30);

/// Adds a batch. False when it was added before.
///
/// # Errors
/// When the database fails.
pub async fn count(
    connection: &mut PgConnection,
    batch: Uuid,
    counts: &[(ProductId, i64)],
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let fresh = sqlx::query!("INSERT INTO view_batches (id, counted_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING", batch, now)
        .execute(&mut *connection)
        .await?
        .rows_affected()
        == 1;
    if !fresh {
        return Ok(false);
    }
    let (products, views): (Vec<Uuid>, Vec<i64>) = counts.iter().map(|(product, views)| (product.0, *views)).unzip();
    // Rows are taken in the order of their ids, so that two batches wait for each other and never in a circle.
    sqlx::query!(
        "WITH held AS (
           SELECT product_id
           FROM product_stats
           WHERE product_id = ANY($1)
           ORDER BY product_id
           FOR NO KEY UPDATE
         )
         UPDATE product_stats s
         SET views = s.views + c.views
         FROM held
         JOIN unnest($1::uuid[], $2::bigint[]) AS c (product_id, views) USING (product_id)
         WHERE s.product_id = held.product_id",
        &products,
        &views,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM view_batches WHERE counted_at < $1", now - REMEMBERED).execute(connection).await?;
    Ok(true)
}
