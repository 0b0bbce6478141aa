//! What the public API answers with. Names are those that older documents of the marketplace fixed; amounts are written twice,
//! as a decimal with two places and in cents; addresses are absolute.

use crate::{App, decimal::Dollars, templates};
use chrono::{DateTime, Utc};
use mywork::{
    catalog::{
        browse::{Card, Released, SellerName, SellerStats, Stats, View},
        category::Shelf,
        licence::{Offer, Rights},
        product::{ProductKind, ProductState},
        review::{Distribution, Review},
    },
    search::{Count, Facets, Fragment, Highlight, Hit},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Wide enough for a list on a sharp screen.
const CARD_WIDTH: i32 = 640;
/// Wide enough for a page.
const PAGE_WIDTH: i32 = 1_600;

fn media(app: &App, key: &str) -> String {
    app.url(&templates::media(key))
}

fn avatar(app: &App, seller: &SellerName) -> String {
    app.url(&crate::auth::avatar_url(&seller.username, seller.avatar_key.as_deref()))
}

fn kind(kind: ProductKind) -> &'static str {
    match kind {
        ProductKind::Code => "code",
        ProductKind::Prompt => "prompt",
        ProductKind::Bundle => "bundle",
    }
}

/// A product in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProductSummary {
    pub id: Uuid,
    #[schema(example = "axum-saas-starter")]
    pub slug: String,
    pub title: String,
    pub short_description: String,
    /// `code`, `prompt` or `bundle`.
    #[schema(example = "code")]
    pub kind: &'static str,
    /// Of the lowest offered licence.
    pub price: Dollars,
    pub price_cents: i64,
    #[schema(example = "usd")]
    pub currency: String,
    /// Slug of its category.
    pub category: Option<String>,
    pub tech_stack: Vec<String>,
    /// The first picture.
    pub preview_image: Option<String>,
    pub seller: SellerRef,
    pub stats: StatsShape,
    pub accepts_credits: bool,
    /// Its page.
    pub url: String,
    pub published_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
}

/// A seller in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SellerRef {
    pub id: Uuid,
    pub username: String,
    pub display_name: String,
    pub avatar_url: String,
    /// The payment processor has checked who they are.
    pub verified: bool,
}

/// How a product does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsShape {
    pub views: i64,
    pub sales: i64,
    /// One to five stars; `null` before the first review.
    pub rating_average: Option<f64>,
    pub rating_count: i64,
}

impl From<Stats> for StatsShape {
    fn from(stats: Stats) -> Self {
        Self { views: stats.views, sales: stats.sales, rating_average: stats.rating_average, rating_count: stats.rating_count }
    }
}

impl SellerRef {
    fn of(app: &App, seller: SellerName) -> Self {
        Self {
            id: seller.id.0,
            avatar_url: avatar(app, &seller),
            username: seller.username,
            display_name: seller.display_name,
            verified: seller.verified,
        }
    }
}

impl ProductSummary {
    pub fn of(app: &App, card: Card) -> Self {
        Self {
            id: card.id.0,
            url: app.url(&format!("/products/{}", card.slug)),
            slug: card.slug,
            title: card.title,
            short_description: card.short_description,
            kind: kind(card.kind),
            price: card.price_cents.into(),
            price_cents: card.price_cents.0,
            currency: card.currency,
            category: card.category.map(|category| category.slug),
            tech_stack: card.tech_stack,
            preview_image: card.image.as_ref().and_then(|image| image.at_least(CARD_WIDTH)).map(|v| media(app, &v.key)),
            seller: SellerRef::of(app, card.seller),
            stats: card.stats.into(),
            accepts_credits: card.accepts_credits,
            published_at: card.published_at,
            updated_at: card.updated_at,
        }
    }
}

/// A product found, and where the words were.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundProduct {
    #[serde(flatten)]
    pub product: ProductSummary,
    /// The title in pieces, those that matched marked; absent when no words were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title_highlight: Option<Vec<Piece>>,
    /// The part of the description where the words are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Vec<Piece>>,
}

/// A piece of text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Piece {
    pub text: String,
    /// Whether it matched.
    pub hit: bool,
}

impl FoundProduct {
    pub fn of(app: &App, hit: Hit) -> Self {
        let pieces = |highlight: Highlight| highlight.0.into_iter().map(|Fragment { text, hit }| Piece { text, hit }).collect();
        Self {
            product: ProductSummary::of(app, hit.card),
            title_highlight: hit.title_highlight.map(pieces),
            excerpt: hit.excerpt.map(pieces),
        }
    }
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchResult {
    pub data: Vec<FoundProduct>,
    /// On all pages together.
    pub total: u64,
    pub facets: FacetsShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How many products there would be for each value of a filter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FacetsShape {
    pub category: Vec<CountShape>,
    pub tech: Vec<CountShape>,
    pub kind: Vec<CountShape>,
    pub licence: Vec<CountShape>,
    pub rating: Vec<CountShape>,
    /// How many accept credits.
    pub credits: u64,
    pub price_min_cents: Option<i64>,
    pub price_max_cents: Option<i64>,
}

/// A value of a filter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountShape {
    /// For the query string.
    pub value: String,
    /// For a person.
    pub label: String,
    pub count: u64,
}

impl From<Facets> for FacetsShape {
    fn from(facets: Facets) -> Self {
        let counts = |list: Vec<Count>| {
            list.into_iter().map(|Count { value, label, count, .. }| CountShape { value, label, count }).collect()
        };
        Self {
            category: counts(facets.category),
            tech: counts(facets.tech_stack),
            kind: counts(facets.kind),
            licence: counts(facets.licence),
            rating: counts(facets.rating),
            credits: facets.accepts_credits,
            price_min_cents: facets.price.map(|range| range.min_cents.0),
            price_max_cents: facets.price.map(|range| range.max_cents.0),
        }
    }
}

/// A product with all a buyer needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Product {
    pub id: Uuid,
    pub title: String,
    #[schema(example = "axum-saas-starter")]
    pub slug: String,
    pub short_description: String,
    /// Markdown.
    pub description: String,
    /// Of the lowest offered licence.
    pub price: Dollars,
    pub price_cents: i64,
    #[schema(example = "usd")]
    pub currency: String,
    /// Slug of its category.
    pub category: Option<String>,
    pub category_name: Option<String>,
    pub tech_stack: Vec<String>,
    pub tags: Vec<String>,
    pub framework: String,
    /// Markdown.
    pub requirements: String,
    pub preview_images: Vec<String>,
    pub demo_url: Option<String>,
    pub docs_url: Option<String>,
    /// `code`, `prompt` or `bundle`.
    pub kind: &'static str,
    /// `active` for everything that is on sale.
    #[schema(example = "active")]
    pub state: &'static str,
    pub seller: SellerShape,
    pub stats: StatsShape,
    /// From the narrowest to the widest.
    pub licences: Vec<LicenceShape>,
    /// What buyers can download, newest first.
    pub versions: Vec<VersionShape>,
    /// Its page.
    pub url: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
}

/// A seller beside a product.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SellerShape {
    pub id: Uuid,
    pub username: String,
    pub display_name: String,
    pub avatar_url: String,
    /// The payment processor has checked who they are.
    pub verified: bool,
    /// Average over all of their products.
    pub rating: Option<f64>,
    pub total_sales: i64,
}

impl SellerShape {
    fn of(app: &App, seller: SellerName, stats: SellerStats) -> Self {
        let SellerRef { id, username, display_name, avatar_url, verified } = SellerRef::of(app, seller);
        Self { id, username, display_name, avatar_url, verified, rating: stats.rating_average, total_sales: stats.sales }
    }
}

/// A licence at its price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LicenceShape {
    /// `standard`, `extended` or `enterprise`.
    #[schema(example = "standard")]
    pub licence: &'static str,
    pub price: Dollars,
    pub price_cents: i64,
    /// `null` where it is not sold for credits.
    pub price_credits: Option<i64>,
    /// Per version.
    pub max_downloads: i32,
    /// Months of new versions; `null` for always.
    pub update_months: Option<i32>,
    pub rights: RightsShape,
}

/// What a licence allows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RightsShape {
    #[schema(example = "1 project")]
    pub projects: &'static str,
    #[schema(example = "1 person")]
    pub seats: &'static str,
    pub commercial_use: bool,
    pub modification: bool,
    /// As a part of products sold to others.
    pub in_products_sold: bool,
    /// As such.
    pub resale: bool,
    #[schema(example = "asked")]
    pub attribution: &'static str,
}

impl From<Offer> for LicenceShape {
    fn from(offer: Offer) -> Self {
        let Rights { projects, seats, commercial_use, modification, in_products_sold, resale, attribution } =
            offer.licence.rights();
        Self {
            licence: offer.licence.as_str(),
            price: offer.price_cents.into(),
            price_cents: offer.price_cents.0,
            price_credits: offer.price_credits,
            max_downloads: offer.max_downloads,
            update_months: offer.update_months,
            rights: RightsShape { projects, seats, commercial_use, modification, in_products_sold, resale, attribution },
        }
    }
}

/// A version that buyers can download.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionShape {
    pub id: Uuid,
    #[schema(example = "1.2.0")]
    pub number: String,
    /// Markdown.
    pub changelog: String,
    pub size_bytes: Option<i64>,
    pub file_count: Option<i32>,
    pub released_at: Option<DateTime<Utc>>,
}

impl From<Released> for VersionShape {
    fn from(version: Released) -> Self {
        Self {
            id: version.id.0,
            number: version.number,
            changelog: version.changelog,
            size_bytes: version.size_bytes,
            file_count: version.file_count,
            released_at: version.released_at,
        }
    }
}

impl Product {
    pub fn of(app: &App, view: View) -> Self {
        let (category, category_name) = view.category.map(|category| (category.slug, category.name)).unzip();
        let pictures = view.images.iter().filter_map(|image| image.at_least(PAGE_WIDTH)).map(|v| media(app, &v.key));
        Self {
            id: view.id.0,
            url: app.url(&format!("/products/{}", view.slug)),
            title: view.title,
            slug: view.slug,
            short_description: view.short_description,
            description: view.description,
            price: view.price_cents.into(),
            price_cents: view.price_cents.0,
            currency: view.currency,
            category,
            category_name,
            tech_stack: view.tech_stack,
            tags: view.tags,
            framework: view.framework,
            requirements: view.requirements,
            preview_images: pictures.collect(),
            demo_url: view.demo_url,
            docs_url: view.docs_url,
            kind: kind(view.kind),
            state: ProductState::as_str(view.state),
            seller: SellerShape::of(app, view.seller, view.seller_stats),
            stats: view.stats.into(),
            licences: view.offers.into_iter().map(Into::into).collect(),
            versions: view.versions.into_iter().map(Into::into).collect(),
            created_at: view.created_at,
            updated_at: view.updated_at,
            published_at: view.published_at,
        }
    }
}

/// A category.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CategoryShape {
    #[schema(example = "saas-starters")]
    pub slug: String,
    pub name: String,
    pub description: String,
    /// Kind of product it holds: `code`, `prompt` or `bundle`.
    pub kind: &'static str,
    /// Slug of the category it is part of.
    pub parent: Option<String>,
    /// On sale in it and below it.
    pub products: i64,
}

impl CategoryShape {
    /// All of them, in the order of the tree.
    pub fn all(shelves: &[Shelf]) -> Vec<Self> {
        let slug_of = |id| shelves.iter().find(|shelf| shelf.category.id == id).map(|shelf| shelf.category.slug.clone());
        let shape = |Shelf { category, products }: &Shelf| Self {
            slug: category.slug.clone(),
            name: category.name.clone(),
            description: category.description.clone(),
            kind: kind(category.kind),
            parent: category.parent_id.and_then(slug_of),
            products: *products,
        };
        shelves.iter().map(shape).collect()
    }
}

/// A review.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReviewShape {
    pub id: Uuid,
    pub product_id: Uuid,
    /// 1 to 5 stars.
    pub rating: i16,
    pub title: String,
    pub text: String,
    pub author: AuthorShape,
    /// Always true: only buyers review.
    pub verified_purchase: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Who wrote a review.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorShape {
    pub username: String,
    pub display_name: String,
    pub avatar_url: String,
}

impl ReviewShape {
    pub fn of(app: &App, review: Review) -> Self {
        Self {
            id: review.id.0,
            product_id: review.product_id.0,
            rating: review.rating,
            title: review.title,
            text: review.body,
            author: AuthorShape {
                avatar_url: app.url(&crate::auth::avatar_url(&review.author_username, review.author_avatar_key.as_deref())),
                username: review.author_username,
                display_name: review.author_name,
            },
            verified_purchase: true,
            created_at: review.created_at,
            updated_at: review.updated_at,
        }
    }
}

/// Reviews of a product and how its stars are spread.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reviews {
    /// Newest first.
    pub data: Vec<ReviewShape>,
    pub distribution: DistributionShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// How many reviews gave how many stars.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DistributionShape {
    #[serde(rename = "1")]
    pub one: i64,
    #[serde(rename = "2")]
    pub two: i64,
    #[serde(rename = "3")]
    pub three: i64,
    #[serde(rename = "4")]
    pub four: i64,
    #[serde(rename = "5")]
    pub five: i64,
}

impl From<Distribution> for DistributionShape {
    fn from(distribution: Distribution) -> Self {
        let [one, two, three, four, five] = distribution.counts;
        Self { one, two, three, four, five }
    }
}
