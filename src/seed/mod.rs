//! A believable past, written into an empty marketplace: people, shelves, products with their packages, sales, reviews.
//!
//! What a rule decides is decided by that rule here too: commission, postings, licences, reviews and the end of holds go
//! through the same functions as a real sale, at the time the sale is said to have happened. What is skipped is what would
//! reach out of the database: no e-mail is written and no job enqueued. Called by `mywork seed` and `mywork dev`, in one
//! transaction of the role that owns the tables: a marketplace is planted whole or not at all.

mod category;
mod person;
mod product;
mod sale;

pub use category::{Category, add as add_category};
pub use person::{Person, Seller, add as add_person};
pub use product::{Checked, Picture, Product, Stage, Version, add as add_product};
pub use sale::{Error as SaleError, Sale, add as add_sale};

use crate::{ids::ProductId, ledger::entry::BookError, orders::hold};
use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// Holds the door while somebody plants, and tells whether anything grows already: somebody is registered.
///
/// # Errors
/// When the database refuses.
pub async fn is_planted(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('mywork.seed', 0)) IS NULL AS locked")
        .fetch_one(&mut *conn)
        .await?;
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM users) AS "planted!""#).fetch_one(conn).await
}

/// Lets the days from `from` to `now` pass: holds that end on a day are released on that day.
///
/// # Errors
/// When the books refuse.
pub async fn let_days_pass(conn: &mut PgConnection, from: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), BookError> {
    let mut day = from;
    while day <= now {
        hold::release_due(conn, i64::from(i16::MAX), None, day).await?;
        day += Duration::days(1);
    }
    Ok(())
}

/// Sets how often a product was looked at.
///
/// # Errors
/// When the product has no counters.
pub async fn set_views(conn: &mut PgConnection, product: ProductId, views: i64) -> Result<(), sqlx::Error> {
    let changed = sqlx::query!("UPDATE product_stats SET views = $2 WHERE product_id = $1", product as ProductId, views)
        .execute(conn)
        .await?
        .rows_affected();
    if changed == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}
