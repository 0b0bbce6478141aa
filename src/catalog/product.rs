//! A product: what is listed, by whom, and in which state.
//!
//! ```text
//!            submit             approved
//!   draft ──────────▶ pending ──────────▶ active ◀──resume── paused
//!     ▲  ◀─withdraw─── │  │                 │ └────pause──────▶ │
//!     └──changes asked─┘  └─refused─▶ rejected ──submit─▶ pending
//!   active, paused ──an admin──▶ suspended          any but suspended ──the seller──▶ deleted
//!   active ◀──seller reinstated── suspended with its seller ◀──seller suspended── active
//! ```
//! `deleted` is soft: buyers keep what they bought. Every move is in the audit log, written by the act that makes it.

use super::text::clean;
use super::{Error, withhold};
use crate::audit::{self, Origin};
use crate::db::Actor;
use crate::ids::{CategoryId, ProductId, UserId, VersionId};
use crate::money::Cents;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

/// What kind of thing is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ProductKind {
    Code,
    Prompt,
    Bundle,
}

/// Where a product stands; the moves are drawn above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ProductState {
    Draft,
    Pending,
    Active,
    Rejected,
    Paused,
    Suspended,
    Deleted,
}

impl ProductState {
    /// Every state, in the order a list of filters shows them.
    pub const ALL: [ProductState; 7] =
        [Self::Draft, Self::Pending, Self::Active, Self::Rejected, Self::Paused, Self::Suspended, Self::Deleted];

    /// The word the database and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Paused => "paused",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }

    /// The seller may change the listing and upload packages.
    pub fn is_editable(self) -> bool {
        !matches!(self, Self::Suspended | Self::Deleted)
    }

    /// The seller may hand it in for approval.
    pub fn is_submittable(self) -> bool {
        matches!(self, Self::Draft | Self::Rejected)
    }

    /// A new version goes to approval without being handed in again: the listing itself was approved before.
    pub fn is_approved(self) -> bool {
        matches!(self, Self::Active | Self::Paused)
    }

    pub(super) fn why_not(self, act: &str) -> String {
        let fact = match self {
            Self::Draft => "is still a draft",
            Self::Pending => "is waiting for approval",
            Self::Active => "is on sale",
            Self::Rejected => "was rejected",
            Self::Paused => "is paused",
            Self::Suspended => "was suspended by an admin",
            Self::Deleted => "was deleted",
        };
        format!("This product {fact}, so it cannot be {act} now.")
    }
}

impl std::str::FromStr for ProductState {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(())
    }
}

/// Everything the seller wrote and the house noted about a product.
#[derive(Clone, Debug, Serialize)]
pub struct Product {
    pub id: ProductId,
    pub seller_id: UserId,
    pub kind: ProductKind,
    pub state: ProductState,
    pub slug: String,
    pub title: String,
    pub short_description: String,
    /// Markdown.
    pub description: String,
    pub category_id: Option<CategoryId>,
    pub framework: String,
    /// Markdown.
    pub requirements: String,
    pub demo_url: Option<String>,
    pub docs_url: Option<String>,
    pub tech_stack: Vec<String>,
    pub tags: Vec<String>,
    /// The lowest offered licence.
    pub price_cents: Cents,
    pub currency: String,
    /// The newest released version.
    pub current_version_id: Option<VersionId>,
    /// Why it was rejected, or what an admin asked to be changed.
    pub rejection_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
}

macro_rules! select_product {
    ($tail:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Product,
            r#"SELECT
                 p.id AS "id: ProductId",
                 p.seller_id AS "seller_id: UserId",
                 p.kind AS "kind: ProductKind",
                 p.state AS "state: ProductState",
                 p.slug,
                 p.title,
                 p.short_description,
                 p.description,
                 p.category_id AS "category_id: CategoryId",
                 p.framework,
                 p.requirements,
                 p.demo_url,
                 p.docs_url,
                 p.tech_stack,
                 p.tags,
                 p.price_cents AS "price_cents: Cents",
                 p.currency,
                 p.current_version_id AS "current_version_id: VersionId",
                 p.rejection_reason,
                 p.created_at,
                 p.updated_at,
                 p.submitted_at,
                 p.published_at
               FROM products p "# + $tail,
            $($argument),*
        )
    };
}

/// The product, if it exists and the actor may see it.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &mut PgConnection, id: ProductId) -> Result<Option<Product>, sqlx::Error> {
    select_product!("WHERE p.id = $1", id as ProductId).fetch_optional(connection).await
}

/// The product, which must exist and be visible to the actor.
///
/// # Errors
/// [`Error::NotFound`] when it is not.
pub async fn get(connection: &mut PgConnection, id: ProductId) -> Result<Product, Error> {
    find(connection, id).await?.ok_or(Error::NotFound("product"))
}

/// The product at this address, or that once had it: compare `slug` to see whether to redirect (PROD-04).
///
/// # Errors
/// When the database fails.
pub async fn find_by_slug(connection: &mut PgConnection, slug: &str) -> Result<Option<Product>, sqlx::Error> {
    let slug = clean(slug);
    select_product!("JOIN product_slugs s ON s.product_id = p.id WHERE s.slug = $1", slug).fetch_optional(connection).await
}

/// A product of this seller's, by id or by slug, unless it was deleted.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is somebody else's: the two must not be told apart.
pub async fn get_own(connection: &mut PgConnection, seller: UserId, key: &str) -> Result<Product, Error> {
    let product = match key.parse() {
        Ok(id) => find(connection, id).await?,
        Err(_) => find_by_slug(connection, key).await?,
    };
    product.filter(|p| p.seller_id == seller && p.state != ProductState::Deleted).ok_or(Error::NotFound("product"))
}

/// The product with its row locked until the transaction ends. Every act that changes a product or one of its versions
/// begins here, so that two of them take turns.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the actor may change.
pub async fn lock(connection: &mut PgConnection, id: ProductId) -> Result<Product, Error> {
    select_product!("WHERE p.id = $1 FOR NO KEY UPDATE", id as ProductId)
        .fetch_optional(connection)
        .await?
        .ok_or(Error::NotFound("product"))
}

/// The seller's own product, locked and open to changes.
///
/// # Errors
/// [`Error::NotFound`] when it is not theirs; [`Error::WrongState`] when it was suspended or deleted.
pub async fn lock_editable(connection: &mut PgConnection, seller: UserId, id: ProductId) -> Result<Product, Error> {
    let product = lock(connection, id).await?;
    if product.seller_id != seller || product.state == ProductState::Deleted {
        return Err(Error::NotFound("product"));
    }
    if !product.state.is_editable() {
        return Err(Error::WrongState { state: product.state, act: "changed" });
    }
    Ok(product)
}

/// A move from the state a product is in to another one. Whether it is allowed was judged by the act that makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition<'a> {
    pub to: ProductState,
    /// For the seller and for the audit log.
    pub reason: Option<&'a str>,
    pub actor: Actor,
    /// `product.pause`
    pub action: &'static str,
    pub origin: &'a Origin,
}

/// Makes the move and writes it into the audit log. The caller holds the product's lock. What would go on sale while its seller
/// is suspended is withheld instead, and goes on sale when they are reinstated.
pub(super) async fn transition(
    connection: &mut PgConnection,
    product: &Product,
    transition: Transition<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let with_seller = matches!(transition.to, ProductState::Active | ProductState::Suspended)
        && !withhold::may_sell(connection, product.seller_id).await?;
    let to = if with_seller { ProductState::Suspended } else { transition.to };
    sqlx::query!(
        "UPDATE products SET
           state = $2,
           suspended_with_seller = $5,
           rejection_reason = $3,
           submitted_at = CASE WHEN $2 = 'pending' THEN $4 ELSE submitted_at END,
           deleted_at = CASE WHEN $2 = 'deleted' THEN $4 END,
           updated_at = $4
         WHERE id = $1",
        product.id as ProductId,
        to as ProductState,
        transition.reason,
        now,
        with_seller,
    )
    .execute(&mut *connection)
    .await?;
    let entry = audit::Entry::new(transition.actor, transition.action, "product", product.id)
        .changed(json!({"state": product.state}), json!({"state": to}))
        .from(transition.origin);
    let entry = match transition.reason {
        Some(reason) => entry.because(reason),
        None => entry,
    };
    audit::record(connection, &entry, now).await?;
    Ok(())
}

/// A line of the seller's list.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    pub id: ProductId,
    pub kind: ProductKind,
    pub state: ProductState,
    pub slug: String,
    pub title: String,
    pub price_cents: Cents,
    pub currency: String,
    pub rejection_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    /// Number of the newest released version.
    pub current_version: Option<String>,
    /// Number and state of the newest version of all, where that is another one.
    pub next_version: Option<String>,
    pub next_version_state: Option<String>,
    /// Key of the first picture's thumbnail.
    pub thumbnail_key: Option<String>,
    pub views: i64,
    pub sales: i64,
}

/// Which of their products a seller asks for.
#[derive(Clone, Debug, Default)]
pub struct OwnFilter {
    pub state: Option<ProductState>,
    /// Words in the title.
    pub text: Option<String>,
    /// Continue below this one.
    pub after: Option<(DateTime<Utc>, ProductId)>,
    pub limit: i64,
}

/// The seller's products, last changed first, deleted ones left out unless asked for by state.
///
/// # Errors
/// When the database fails.
pub async fn list_own(connection: &mut PgConnection, seller: UserId, filter: &OwnFilter) -> Result<Vec<Listing>, sqlx::Error> {
    let pattern = filter.text.as_deref().map(|text| like_pattern(&clean(text)));
    sqlx::query_as!(
        Listing,
        r#"SELECT
             p.id AS "id: ProductId",
             p.kind AS "kind: ProductKind",
             p.state AS "state: ProductState",
             p.slug,
             p.title,
             p.price_cents AS "price_cents: Cents",
             p.currency,
             p.rejection_reason,
             p.created_at,
             p.updated_at,
             p.published_at,
             current.number AS "current_version?",
             newest.number AS "next_version?",
             newest.state AS "next_version_state?",
             (SELECT v.value ->> 'key'
              FROM product_images i, jsonb_array_elements(i.variants) v
              WHERE i.product_id = p.id AND i.state = 'ready' AND v.value ->> 'name' = 'thumb'
              ORDER BY i.position, i.id
              LIMIT 1) AS thumbnail_key,
             coalesce(s.views, 0) AS "views!",
             coalesce(s.sales, 0) AS "sales!"
           FROM products p
           LEFT JOIN product_versions current ON current.id = p.current_version_id
           LEFT JOIN LATERAL (
             SELECT n.id, n.number, n.state
             FROM product_versions n
             WHERE n.product_id = p.id
             ORDER BY n.created_at DESC, n.id DESC
             LIMIT 1
           ) newest ON newest.id IS DISTINCT FROM p.current_version_id
           LEFT JOIN product_stats s ON s.product_id = p.id
           WHERE p.seller_id = $1
             AND CASE WHEN $2::text IS NULL THEN p.state <> 'deleted' ELSE p.state = $2 END
             AND ($3::text IS NULL OR p.title ILIKE $3)
             AND ($4::timestamptz IS NULL OR (p.updated_at, p.id) < ($4, $5::uuid))
           ORDER BY p.updated_at DESC, p.id DESC
           LIMIT $6"#,
        seller as UserId,
        filter.state.map(ProductState::as_str),
        pattern,
        filter.after.map(|(at, _)| at),
        filter.after.map(|(_, id)| id.0),
        filter.limit,
    )
    .fetch_all(connection)
    .await
}

/// How many products of each state a seller has.
///
/// # Errors
/// When the database fails.
pub async fn count_own(connection: &mut PgConnection, seller: UserId) -> Result<Vec<(ProductState, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT state AS "state: ProductState", count(*) AS "count!"
           FROM products
           WHERE seller_id = $1
           GROUP BY state"#,
        seller as UserId,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
}

/// Sums over all of a seller's products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub views: i64,
    pub sales: i64,
}

/// # Errors
/// When the database fails.
pub async fn totals_own(connection: &mut PgConnection, seller: UserId) -> Result<Totals, sqlx::Error> {
    sqlx::query_as!(
        Totals,
        r#"SELECT
             coalesce(sum(s.views), 0)::bigint AS "views!",
             coalesce(sum(s.sales), 0)::bigint AS "sales!"
           FROM products p
           JOIN product_stats s ON s.product_id = p.id
           WHERE p.seller_id = $1"#,
        seller as UserId,
    )
    .fetch_one(connection)
    .await
}

/// The pattern that finds `text` anywhere, with the wildcards in it taken literally.
fn like_pattern(text: &str) -> String {
    format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_the_words_they_write() {
        for state in ProductState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("sold".parse::<ProductState>(), Err(()));
    }

    #[test]
    fn a_refusal_says_where_the_product_stands() {
        let error = Error::WrongState { state: ProductState::Suspended, act: "changed" };
        assert_eq!(error.to_string(), "This product was suspended by an admin, so it cannot be changed now.");
    }

    #[test]
    fn wildcards_are_searched_for_literally() {
        assert_eq!(like_pattern(r"100%_a\b"), r"%100\%\_a\\b%");
    }
}
