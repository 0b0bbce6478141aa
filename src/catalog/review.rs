//! What buyers think (REVIEW-01, REVIEW-03). One review per order line, by whoever bought it.
//!
//! A review and the product's rating change in one transaction: the sum and the count in `product_stats` move by exactly what
//! the review changed, under the lock of their row, so they always equal what a full count would find. The counters are
//! nobody's to write but the system's. Therefore these acts run in a transaction of [`crate::db::Actor::System`], and each
//! statement itself holds the author to their own orders and reviews.

use crate::ids::{OrderId, ProductId, ReviewId, UserId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgExecutor};

/// Longest title of a review, in characters.
pub const TITLE_MAX: usize = 120;
/// Longest text of a review, in characters (spec 3).
pub const BODY_MAX: usize = 5_000;

/// A review as everybody reads it.
#[derive(Clone, Debug, Serialize)]
pub struct Review {
    pub id: ReviewId,
    pub product_id: ProductId,
    /// 1 to 5 stars.
    pub rating: i16,
    pub title: String,
    pub body: String,
    pub author_id: UserId,
    pub author_username: String,
    pub author_name: String,
    pub author_avatar_key: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Later than `created_at` when the author changed it.
    pub updated_at: DateTime<Utc>,
}

/// How many reviews gave how many stars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// One star first.
    pub counts: [i64; 5],
}

/// What an author writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opinion {
    pub rating: i16,
    pub title: String,
    pub body: String,
}

/// Why a review was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The author has no delivered order of this product.
    #[error("Only buyers can review a product. Once your order is delivered you can say what you think of it.")]
    NotBought,
    /// Every order of the product has its review already.
    #[error("You have already reviewed this product. You can change what you wrote.")]
    AlreadyReviewed,
    /// There is no such review, or it is somebody else's.
    #[error("There is no such review of yours.")]
    NotFound,
    /// A field is outside its limits.
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Distribution {
    /// All reviews together.
    pub fn total(&self) -> i64 {
        self.counts.iter().sum()
    }

    /// The share of reviews with this many stars, in whole per cent.
    pub fn percent(&self, stars: usize) -> i64 {
        let count = stars.checked_sub(1).and_then(|i| self.counts.get(i)).copied().unwrap_or(0);
        let total = self.total().max(1);
        (count * 100 + total / 2) / total
    }
}

impl Opinion {
    /// Trims what was typed and holds it to its limits.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field and a sentence for its author.
    pub fn new(rating: i16, title: &str, body: &str) -> Result<Self, Error> {
        let invalid = |field, message: String| Err(Error::Invalid { field, message });
        let printable = |text: &str| text.replace('\0', "").trim().to_owned();
        let opinion = Self { rating, title: printable(title), body: printable(body) };
        if !(1..=5).contains(&opinion.rating) {
            return invalid("rating", "Give 1 to 5 stars.".to_owned());
        }
        if opinion.title.chars().count() > TITLE_MAX {
            return invalid("title", format!("A title has at most {TITLE_MAX} characters."));
        }
        if opinion.body.chars().count() > BODY_MAX {
            return invalid("body", format!("A review has at most {BODY_MAX} characters."));
        }
        Ok(opinion)
    }
}

macro_rules! select_review {
    ($tail:literal, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            Review,
            r#"SELECT
                 r.id AS "id: ReviewId",
                 r.product_id AS "product_id: ProductId",
                 r.rating,
                 r.title,
                 r.body,
                 r.author_id AS "author_id: UserId",
                 u.username AS author_username,
                 u.display_name AS author_name,
                 u.avatar_key AS author_avatar_key,
                 r.created_at,
                 r.updated_at
               FROM reviews r
               JOIN users u ON u.id = r.author_id "# + $tail,
            $($argument),*
        )
    };
}

/// Reviews of a product, newest first, going on below `after`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    executor: impl PgExecutor<'_>,
    product: ProductId,
    after: Option<(DateTime<Utc>, ReviewId)>,
    limit: i64,
) -> Result<Vec<Review>, sqlx::Error> {
    select_review!(
        "WHERE r.product_id = $1
           AND ($2::timestamptz IS NULL OR (r.created_at, r.id) < ($2, $3::uuid))
         ORDER BY r.created_at DESC, r.id DESC
         LIMIT $4",
        product as ProductId,
        after.map(|(at, _)| at),
        after.map(|(_, id)| id.0),
        limit,
    )
    .fetch_all(executor)
    .await
}

/// The review of this id.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn get(executor: impl PgExecutor<'_>, review: ReviewId) -> Result<Review, Error> {
    select_review!("WHERE r.id = $1", review as ReviewId).fetch_optional(executor).await?.ok_or(Error::NotFound)
}

/// The latest review this person wrote of a product.
///
/// # Errors
/// When the database fails.
pub async fn find_own(executor: impl PgExecutor<'_>, author: UserId, product: ProductId) -> Result<Option<Review>, sqlx::Error> {
    select_review!(
        "WHERE r.product_id = $1 AND r.author_id = $2
         ORDER BY r.created_at DESC, r.id DESC
         LIMIT 1",
        product as ProductId,
        author as UserId,
    )
    .fetch_optional(executor)
    .await
}

/// How the stars of a product are spread.
///
/// # Errors
/// When the database fails.
pub async fn distribution(executor: impl PgExecutor<'_>, product: ProductId) -> Result<Distribution, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT rating, count(*) AS "count!"
           FROM reviews
           WHERE product_id = $1
           GROUP BY rating"#,
        product as ProductId,
    )
    .fetch_all(executor)
    .await?;
    let mut distribution = Distribution::default();
    for row in rows {
        let place = usize::try_from(row.rating - 1).ok().and_then(|i| distribution.counts.get_mut(i));
        *place.expect("constraint reviews_rating_range") = row.count;
    }
    Ok(distribution)
}

/// Writes a review of the author's newest order of the product that has none yet. The product may meanwhile be off sale.
///
/// # Errors
/// [`Error::NotBought`] and [`Error::AlreadyReviewed`].
pub async fn write(
    system: &mut PgConnection,
    author: UserId,
    product: ProductId,
    opinion: &Opinion,
    now: DateTime<Utc>,
) -> Result<ReviewId, Error> {
    let orders = sqlx::query!(
        r#"SELECT o.id AS "id: OrderId", EXISTS (SELECT FROM reviews r WHERE r.order_id = o.id) AS "reviewed!"
           FROM orders o
           WHERE o.buyer_id = $1 AND o.product_id = $2 AND o.state IN ('fulfilled', 'partially_refunded', 'disputed')
           ORDER BY o.created_at DESC, o.id DESC"#,
        author as UserId,
        product as ProductId,
    )
    .fetch_all(&mut *system)
    .await?;
    if orders.is_empty() {
        return Err(Error::NotBought);
    }
    let order = orders.iter().find(|order| !order.reviewed).ok_or(Error::AlreadyReviewed)?;
    let id = ReviewId::new();
    sqlx::query!(
        "INSERT INTO reviews (id, order_id, product_id, author_id, rating, title, body, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        id as ReviewId,
        order.id as OrderId,
        product as ProductId,
        author as UserId,
        opinion.rating,
        opinion.title,
        opinion.body,
        now,
    )
    .execute(&mut *system)
    .await
    .map_err(|error| match error.as_database_error().and_then(|e| e.constraint()) {
        // The same form sent twice: the first one won.
        Some("reviews_order_key") => Error::AlreadyReviewed,
        _ => Error::Database(error),
    })?;
    count(system, product, i64::from(opinion.rating), 1).await?;
    Ok(id)
}

/// Changes what the author wrote.
///
/// # Errors
/// [`Error::NotFound`] when it is not theirs.
pub async fn edit(
    system: &mut PgConnection,
    author: UserId,
    review: ReviewId,
    opinion: &Opinion,
    now: DateTime<Utc>,
) -> Result<ProductId, Error> {
    let before = lock_own(system, author, review).await?;
    sqlx::query!(
        "UPDATE reviews SET rating = $2, title = $3, body = $4, updated_at = $5 WHERE id = $1",
        review as ReviewId,
        opinion.rating,
        opinion.title,
        opinion.body,
        now,
    )
    .execute(&mut *system)
    .await?;
    count(system, before.product, i64::from(opinion.rating) - before.rating, 0).await?;
    Ok(before.product)
}

/// Takes a review back.
///
/// # Errors
/// [`Error::NotFound`] when it is not theirs.
pub async fn delete(system: &mut PgConnection, author: UserId, review: ReviewId) -> Result<ProductId, Error> {
    let before = lock_own(system, author, review).await?;
    sqlx::query!("DELETE FROM reviews WHERE id = $1", review as ReviewId).execute(&mut *system).await?;
    count(system, before.product, -before.rating, -1).await?;
    Ok(before.product)
}

struct Before {
    product: ProductId,
    rating: i64,
}

/// The author's review with its row locked: two changes at once must not both start from the same rating.
async fn lock_own(system: &mut PgConnection, author: UserId, review: ReviewId) -> Result<Before, Error> {
    let row = sqlx::query!(
        r#"SELECT product_id AS "product: ProductId", rating
           FROM reviews
           WHERE id = $1 AND author_id = $2
           FOR UPDATE"#,
        review as ReviewId,
        author as UserId,
    )
    .fetch_optional(system)
    .await?
    .ok_or(Error::NotFound)?;
    Ok(Before { product: row.product, rating: i64::from(row.rating) })
}

/// Moves the rating of a product by this much.
async fn count(system: &mut PgConnection, product: ProductId, stars: i64, reviews: i64) -> Result<(), Error> {
    let moved = sqlx::query!(
        "UPDATE product_stats
         SET rating_sum = rating_sum + $2, rating_count = rating_count + $3
         WHERE product_id = $1",
        product as ProductId,
        stars,
        reviews,
    )
    .execute(system)
    .await?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::Database(sqlx::Error::RowNotFound)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_per_cents() {
        let distribution = Distribution { counts: [1, 0, 0, 1, 4] };
        assert_eq!(distribution.total(), 6);
        assert_eq!([1, 2, 4, 5].map(|stars| distribution.percent(stars)), [17, 0, 17, 67]);
        assert_eq!(Distribution::default().percent(5), 0);
        assert_eq!(distribution.percent(0), 0);
    }

    #[test]
    fn an_opinion_is_trimmed_and_held_to_its_limits() {
        let opinion = Opinion::new(5, " Saved us a month ", "Works.\0\n").expect("within limits");
        assert_eq!((opinion.title.as_str(), opinion.body.as_str()), ("Saved us a month", "Works."));
        let field = |rating, title: &str, body: &str| match Opinion::new(rating, title, body) {
            Err(Error::Invalid { field, .. }) => Some(field),
            _ => None,
        };
        assert_eq!(field(0, "", ""), Some("rating"));
        assert_eq!(field(6, "", ""), Some("rating"));
        assert_eq!(field(5, &"t".repeat(TITLE_MAX + 1), ""), Some("title"));
        assert_eq!(field(5, "", &"é".repeat(BODY_MAX + 1)), Some("body"));
        assert_eq!(field(5, "", &"é".repeat(BODY_MAX)), None);
    }
}
