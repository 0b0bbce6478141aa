//! What a visitor sees of the catalogue: cards in lists, one product whole, a seller's public face. Lists read the views of
//! active products, which need no actor and use every index; one product is read from the tables under their policies, so
//! that its seller can look at a draft and its buyer at what was taken off sale.
//!
//! A card is one row and a product is one row, whatever hangs on them: a page costs one round trip for each.

use super::{
    licence::Offer,
    product::{ProductKind, ProductState},
};
use crate::{
    ids::{LicenceId, OrderId, ProductId, UserId, VersionId},
    money::Cents,
};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgExecutor, PgPool, types::Json};

/// What a list shows of an active product.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    pub id: ProductId,
    pub slug: String,
    pub title: String,
    pub short_description: String,
    pub kind: ProductKind,
    pub tech_stack: Vec<String>,
    /// The lowest offered licence.
    pub price_cents: Cents,
    pub currency: String,
    pub category: Option<CategoryName>,
    /// The first picture.
    pub image: Option<Image>,
    pub seller: SellerName,
    pub stats: Stats,
    pub accepts_credits: bool,
    pub featured_until: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

/// A category as a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CategoryName {
    pub slug: String,
    pub name: String,
}

/// A seller as a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SellerName {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub avatar_key: Option<String>,
    /// The processor has checked who they are (SELLER-07).
    pub verified: bool,
}

/// How a product does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stats {
    pub views: i64,
    pub sales: i64,
    /// One to five stars, two places; none before the first review.
    pub rating_average: Option<f64>,
    pub rating_count: i64,
}

/// A picture in several sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub alt: String,
    pub variants: Vec<Variant>,
}

/// One size of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    pub name: String,
    /// Key in storage, under `public/`.
    pub key: String,
    pub width: i32,
    pub height: i32,
}

impl Image {
    /// The smallest size at least this wide, or the widest there is.
    pub fn at_least(&self, width: i32) -> Option<&Variant> {
        let wide_enough = self.variants.iter().filter(|variant| variant.width >= width).min_by_key(|variant| variant.width);
        wide_enough.or_else(|| self.variants.iter().max_by_key(|variant| variant.width))
    }
}

/// "Verified" on a page means that the processor has checked the person, and not only the e-mail address.
fn is_verified(verification: &str) -> bool {
    matches!(verification, "verified" | "premium")
}

/// These products as cards, in this order; what is not active is left out.
///
/// # Errors
/// When the database fails.
pub async fn cards(executor: impl PgExecutor<'_>, ids: &[ProductId]) -> Result<Vec<Card>, sqlx::Error> {
    let ids: Vec<_> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"SELECT
             c.id AS "id!: ProductId",
             c.slug AS "slug!",
             c.title AS "title!",
             c.short_description AS "short_description!",
             c.kind AS "kind!: ProductKind",
             c.tech_stack AS "tech_stack!",
             c.price_cents AS "price_cents!: Cents",
             c.currency AS "currency!",
             c.featured_until,
             c.published_at,
             c.updated_at AS "updated_at!",
             c.category_slug,
             c.category_name,
             c.seller_id AS "seller_id!: UserId",
             c.username AS "username!",
             c.display_name AS "display_name!",
             c.avatar_key,
             c.verification AS "verification!",
             c.views AS "views!",
             c.sales AS "sales!",
             c.rating_average::float8 AS rating_average,
             c.rating_count AS "rating_count!",
             c.image_alt,
             c.image_variants AS "image_variants: Json<Vec<Variant>>",
             c.accepts_credits AS "accepts_credits!"
           FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place)
           JOIN product_cards c ON c.id = wanted.id
           ORDER BY wanted.place"#,
        &ids,
    )
    .fetch_all(executor)
    .await?;
    let cards = rows.into_iter().map(|row| Card {
        id: row.id,
        slug: row.slug,
        title: row.title,
        short_description: row.short_description,
        kind: row.kind,
        tech_stack: row.tech_stack,
        price_cents: row.price_cents,
        currency: row.currency,
        category: row.category_slug.zip(row.category_name).map(|(slug, name)| CategoryName { slug, name }),
        image: row.image_variants.zip(row.image_alt).map(|(Json(variants), alt)| Image { alt, variants }),
        seller: SellerName {
            id: row.seller_id,
            username: row.username,
            display_name: row.display_name,
            avatar_key: row.avatar_key,
            verified: is_verified(&row.verification),
        },
        stats: Stats { views: row.views, sales: row.sales, rating_average: row.rating_average, rating_count: row.rating_count },
        accepts_credits: row.accepts_credits,
        featured_until: row.featured_until,
        published_at: row.published_at,
        updated_at: row.updated_at,
    });
    Ok(cards.collect())
}

/// Products whose featured placement runs, the newest placement first.
///
/// # Errors
/// When the database fails.
pub async fn featured(pool: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<Vec<Card>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT id AS "id!: ProductId"
           FROM active_products
           WHERE featured_until > $1
           ORDER BY featured_until DESC
           LIMIT $2"#,
        now,
        limit,
    )
    .fetch_all(pool)
    .await?;
    cards(pool, &ids).await
}

/// What came last.
///
/// # Errors
/// When the database fails.
pub async fn newest(pool: &PgPool, limit: i64) -> Result<Vec<Card>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT id AS "id!: ProductId"
           FROM active_products
           ORDER BY published_at DESC, id DESC
           LIMIT $1"#,
        limit,
    )
    .fetch_all(pool)
    .await?;
    cards(pool, &ids).await
}

/// What sold most.
///
/// # Errors
/// When the database fails.
pub async fn popular(pool: &PgPool, limit: i64) -> Result<Vec<Card>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT p.id AS "id!: ProductId"
           FROM product_stats s
           JOIN active_products p ON p.id = s.product_id
           ORDER BY s.sales DESC, s.product_id DESC
           LIMIT $1"#,
        limit,
    )
    .fetch_all(pool)
    .await?;
    cards(pool, &ids).await
}

/// What sold most among the products of the last 90 days: on its way up, and not merely old. Filled up with what sold most
/// of all where there are too few.
///
/// # Errors
/// When the database fails.
pub async fn trending(pool: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<Vec<Card>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"WITH recent AS (
             SELECT p.id, s.sales, s.views
             FROM (
               SELECT id
               FROM active_products
               WHERE published_at > $1
               ORDER BY published_at DESC
               LIMIT 2000
             ) p
             JOIN product_stats s ON s.product_id = p.id
             WHERE s.sales > 0
             ORDER BY s.sales DESC, s.views DESC, p.id DESC
             LIMIT $2
           ), best AS (
             SELECT p.id, s.sales, s.views
             FROM product_stats s
             JOIN active_products p ON p.id = s.product_id
             ORDER BY s.sales DESC, s.product_id DESC
             LIMIT $2 * 2
           )
           SELECT found.id AS "id!: ProductId"
           FROM (
             SELECT 1 AS part, id, sales, views FROM recent
             UNION ALL
             SELECT 2, id, sales, views FROM best WHERE id NOT IN (SELECT id FROM recent)
           ) found
           ORDER BY found.part, found.sales DESC, found.views DESC, found.id DESC
           LIMIT $2"#,
        now - Duration::days(90),
        limit,
    )
    .fetch_all(pool)
    .await?;
    cards(pool, &ids).await
}

/// Products that share a category or a technology, those that share most first. The 200 newest of them are compared.
///
/// # Errors
/// When the database fails.
pub async fn similar(pool: &PgPool, product: ProductId, limit: i64) -> Result<Vec<Card>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT near.id AS "id!: ProductId"
           FROM active_products own
           CROSS JOIN LATERAL (
             SELECT p.id, p.category_id, p.technologies, p.tags, p.published_at
             FROM active_products p
             WHERE (p.category_id = own.category_id OR p.technologies && own.technologies)
               AND p.kind = own.kind
               AND p.id <> own.id
             ORDER BY p.published_at DESC, p.id DESC
             LIMIT 200
           ) near
           CROSS JOIN LATERAL (
             SELECT count(*) AS shared
             FROM (
               SELECT unnest(near.technologies || near.tags)
               INTERSECT
               SELECT unnest(own.technologies || own.tags)
             ) word
           ) words
           WHERE own.id = $1
           ORDER BY
             words.shared + CASE WHEN near.category_id = own.category_id THEN 2 ELSE 0 END DESC,
             near.published_at DESC,
             near.id DESC
           LIMIT $2"#,
        product as ProductId,
        limit,
    )
    .fetch_all(pool)
    .await?;
    cards(pool, &ids).await
}

/// Numbers of the whole marketplace as they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    pub products: i64,
    pub sellers: i64,
    pub sales: i64,
    pub reviews: i64,
}

/// What is on sale, by how many sellers, and how often anything was bought and reviewed.
///
/// # Errors
/// When the database fails.
pub async fn figures(executor: impl PgExecutor<'_>) -> Result<Figures, sqlx::Error> {
    sqlx::query_as!(
        Figures,
        r#"SELECT
             (SELECT count(*) FROM active_products) AS "products!",
             (SELECT count(*)
              FROM sellers w
              WHERE EXISTS (SELECT FROM active_products p WHERE p.seller_id = w.user_id)) AS "sellers!",
             totals.sales AS "sales!",
             totals.reviews AS "reviews!"
           FROM (
             SELECT coalesce(sum(sales), 0)::bigint AS sales, coalesce(sum(rating_count), 0)::bigint AS reviews
             FROM product_stats
           ) totals"#
    )
    .fetch_one(executor)
    .await
}

/// A product as its page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    pub id: ProductId,
    pub kind: ProductKind,
    /// Active for everybody; any other only its seller, a buyer or an admin can be looking at.
    pub state: ProductState,
    pub slug: String,
    pub title: String,
    pub short_description: String,
    /// Markdown.
    pub description: String,
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
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    pub category: Option<CategoryName>,
    pub seller: SellerName,
    pub seller_stats: SellerStats,
    pub stats: Stats,
    /// From the narrowest licence to the widest.
    pub offers: Vec<Offer>,
    pub images: Vec<Image>,
    /// Released ones, newest first, at most 50.
    pub versions: Vec<Released>,
}

/// How a seller does, over all that is on sale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SellerStats {
    pub products: i64,
    pub sales: i64,
    pub rating_average: Option<f64>,
    pub rating_count: i64,
}

/// A version that buyers get.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Released {
    pub id: VersionId,
    pub number: String,
    /// Markdown.
    pub changelog: String,
    pub size_bytes: Option<i64>,
    pub file_count: Option<i32>,
    pub released_at: Option<DateTime<Utc>>,
}

/// The product with this id or slug, if whoever asks may see it. It may be found by a slug it once had: compare
/// [`View::slug`] to see whether to redirect (PROD-04).
///
/// # Errors
/// When the database fails.
pub async fn find(executor: impl PgExecutor<'_>, key: &str) -> Result<Option<View>, sqlx::Error> {
    let row = sqlx::query!(
        // The id comes first, by itself: compared with an expression over subqueries, it would not use the index, since
        // the policies on products have to be decided before anything that is not known to keep secrets.
        r#"WITH wanted AS MATERIALIZED (
             SELECT coalesce(
               $1::uuid,
               (SELECT q.id FROM products q WHERE q.slug = $2),
               (SELECT q.product_id FROM product_slugs q WHERE q.slug = $2)
             ) AS id
           )
           SELECT
             p.id AS "id: ProductId",
             p.kind AS "kind: ProductKind",
             p.state AS "state: ProductState",
             p.slug,
             p.title,
             p.short_description,
             p.description,
             p.framework,
             p.requirements,
             p.demo_url,
             p.docs_url,
             p.tech_stack,
             p.tags,
             p.price_cents AS "price_cents: Cents",
             p.currency,
             p.created_at,
             p.updated_at,
             p.published_at,
             c.slug AS "category_slug?",
             c.name AS "category_name?",
             u.id AS "seller_id: UserId",
             u.username,
             u.display_name,
             u.avatar_key,
             coalesce(w.verification, 'none') AS "verification!",
             s.views,
             s.sales,
             s.rating_average::float8 AS rating_average,
             s.rating_count,
             all_of.products AS "seller_products!",
             all_of.sales AS "seller_sales!",
             all_of.rating_average AS seller_rating_average,
             all_of.rating_count AS "seller_rating_count!",
             offers.list AS "offers: Json<Vec<Offer>>",
             images.list AS "images: Json<Vec<Image>>",
             versions.list AS "versions: Json<Vec<Released>>"
           FROM wanted
           JOIN products p ON p.id = wanted.id
           JOIN product_stats s ON s.product_id = p.id
           JOIN users u ON u.id = p.seller_id
           LEFT JOIN sellers w ON w.user_id = p.seller_id
           LEFT JOIN categories c ON c.id = p.category_id
           CROSS JOIN LATERAL (
             SELECT
               count(*) AS products,
               coalesce(sum(t.sales), 0)::bigint AS sales,
               round(sum(t.rating_sum) / NULLIF(sum(t.rating_count), 0), 2)::float8 AS rating_average,
               coalesce(sum(t.rating_count), 0)::bigint AS rating_count
             FROM active_products a
             JOIN product_stats t ON t.product_id = a.id
             WHERE a.seller_id = p.seller_id
           ) all_of
           CROSS JOIN LATERAL (
             SELECT jsonb_agg(
                 to_jsonb(l) - 'product_id'
                 ORDER BY array_position(ARRAY['standard', 'extended', 'enterprise'], l.licence)
               ) AS list
             FROM product_licences l
             WHERE l.product_id = p.id
           ) offers
           CROSS JOIN LATERAL (
             SELECT jsonb_agg(jsonb_build_object('alt', i.alt, 'variants', i.variants) ORDER BY i.position, i.id) AS list
             FROM product_images i
             WHERE i.product_id = p.id AND i.state = 'ready'
           ) images
           CROSS JOIN LATERAL (
             SELECT jsonb_agg(to_jsonb(r) ORDER BY r.released_at DESC, r.id DESC) AS list
             FROM (
               SELECT v.id, v.number, v.changelog, v.size_bytes, v.file_count, v.released_at
               FROM product_versions v
               WHERE v.product_id = p.id AND v.state = 'released'
               ORDER BY v.released_at DESC, v.id DESC
               LIMIT 50
             ) r
           ) versions
           WHERE p.state <> 'deleted'"#,
        key.parse::<ProductId>().ok().map(|id| id.0),
        key,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| View {
        id: row.id,
        kind: row.kind,
        state: row.state,
        slug: row.slug,
        title: row.title,
        short_description: row.short_description,
        description: row.description,
        framework: row.framework,
        requirements: row.requirements,
        demo_url: row.demo_url,
        docs_url: row.docs_url,
        tech_stack: row.tech_stack,
        tags: row.tags,
        price_cents: row.price_cents,
        currency: row.currency,
        created_at: row.created_at,
        updated_at: row.updated_at,
        published_at: row.published_at,
        category: row.category_slug.zip(row.category_name).map(|(slug, name)| CategoryName { slug, name }),
        seller: SellerName {
            id: row.seller_id,
            username: row.username,
            display_name: row.display_name,
            avatar_key: row.avatar_key,
            verified: is_verified(&row.verification),
        },
        seller_stats: SellerStats {
            products: row.seller_products,
            sales: row.seller_sales,
            rating_average: row.seller_rating_average,
            rating_count: row.seller_rating_count,
        },
        stats: Stats { views: row.views, sales: row.sales, rating_average: row.rating_average, rating_count: row.rating_count },
        offers: row.offers.map(|Json(list)| list).unwrap_or_default(),
        images: row.images.map(|Json(list)| list).unwrap_or_default(),
        versions: row.versions.map(|Json(list)| list).unwrap_or_default(),
    }))
}

/// What somebody already has of a product.
#[derive(Clone, Debug, Serialize)]
pub struct Owned {
    pub licence_id: LicenceId,
    pub order_id: OrderId,
    /// `standard`, `extended` or `enterprise`.
    pub licence: super::licence::LicenceKind,
    pub since: DateTime<Utc>,
}

/// The widest licence this person holds, if any.
///
/// # Errors
/// When the database fails.
pub async fn owned(executor: impl PgExecutor<'_>, owner: UserId, product: ProductId) -> Result<Option<Owned>, sqlx::Error> {
    sqlx::query_as!(
        Owned,
        r#"SELECT
             id AS "licence_id: LicenceId",
             order_id AS "order_id: OrderId",
             licence AS "licence: super::licence::LicenceKind",
             created_at AS since
           FROM licences
           WHERE product_id = $1 AND owner_id = $2 AND state = 'active'
           ORDER BY array_position(ARRAY['enterprise', 'extended', 'standard'], licence), created_at
           LIMIT 1"#,
        product as ProductId,
        owner as UserId,
    )
    .fetch_optional(executor)
    .await
}

/// A seller as the world sees them.
#[derive(Clone, Debug, Serialize)]
pub struct Seller {
    #[serde(flatten)]
    pub name: SellerName,
    pub headline: String,
    pub bio: String,
    pub links: Vec<Link>,
    pub stats: SellerStats,
    pub since: DateTime<Utc>,
}

/// A link in a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub label: String,
    pub url: String,
}

/// The public face of this person, whether they sell yet or not.
///
/// # Errors
/// When the database fails.
pub async fn seller(executor: impl PgExecutor<'_>, username: &str) -> Result<Option<Seller>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT
             u.id AS "id: UserId",
             u.username,
             u.display_name,
             u.avatar_key,
             u.bio,
             u.links AS "links: Json<Vec<Link>>",
             coalesce(w.created_at, u.created_at) AS "since!",
             coalesce(w.headline, '') AS "headline!",
             coalesce(w.verification, 'none') AS "verification!",
             all_of.products AS "products!",
             all_of.sales AS "sales!",
             all_of.rating_average,
             all_of.rating_count AS "rating_count!"
           FROM users u
           LEFT JOIN sellers w ON w.user_id = u.id
           CROSS JOIN LATERAL (
             SELECT
               count(*) AS products,
               coalesce(sum(s.sales), 0)::bigint AS sales,
               round(sum(s.rating_sum) / NULLIF(sum(s.rating_count), 0), 2)::float8 AS rating_average,
               coalesce(sum(s.rating_count), 0)::bigint AS rating_count
             FROM active_products p
             JOIN product_stats s ON s.product_id = p.id
             WHERE p.seller_id = u.id
           ) all_of
           WHERE u.username = $1 AND u.deleted_at IS NULL"#,
        username,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Seller {
        name: SellerName {
            id: row.id,
            username: row.username,
            display_name: row.display_name,
            avatar_key: row.avatar_key,
            verified: is_verified(&row.verification),
        },
        headline: row.headline,
        bio: row.bio,
        links: row.links.0,
        stats: SellerStats {
            products: row.products,
            sales: row.sales,
            rating_average: row.rating_average,
            rating_count: row.rating_count,
        },
        since: row.since,
    }))
}

/// An address for the site map.
#[derive(Clone, Debug)]
pub struct Address {
    pub slug: String,
    pub updated_at: DateTime<Utc>,
}

/// The addresses of active products, newest first.
///
/// # Errors
/// When the database fails.
pub async fn addresses(executor: impl PgExecutor<'_>, limit: i64) -> Result<Vec<Address>, sqlx::Error> {
    sqlx::query_as!(
        Address,
        r#"SELECT slug AS "slug!", updated_at AS "updated_at!"
           FROM active_products
           ORDER BY published_at DESC, id DESC
           LIMIT $1"#,
        limit,
    )
    .fetch_all(executor)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(widths: &[i32]) -> Image {
        let variant = |width: &i32| Variant { name: width.to_string(), key: format!("public/{width}"), width: *width, height: 1 };
        Image { alt: String::new(), variants: widths.iter().map(variant).collect() }
    }

    #[test]
    fn a_picture_is_given_wide_enough_and_no_wider() {
        let widths = |image: Image, wanted| image.at_least(wanted).map(|variant| variant.width);
        assert_eq!(widths(image(&[1600, 320, 640]), 600), Some(640));
        assert_eq!(widths(image(&[320, 640]), 2000), Some(640));
        assert_eq!(widths(image(&[]), 100), None);
    }

    #[test]
    fn an_e_mail_address_alone_does_not_verify_a_seller() {
        assert_eq!(["none", "basic", "verified", "premium"].map(is_verified), [false, false, true, true]);
    }
}
