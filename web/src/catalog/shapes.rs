//! What the seller's API answers with. Amounts are written twice: as a decimal with two places, and in cents.

use crate::decimal::Dollars;
use chrono::{DateTime, Utc};
use mywork::catalog::{
    category::Category,
    check::{Check, Finding},
    image::Image,
    licence::Offer,
    product::{Listing, Product},
    publish::Missing,
    version::Version,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A licence at its price.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfferShape {
    #[schema(example = "standard")]
    licence: &'static str,
    price: Dollars,
    price_cents: i64,
    /// Absent where it is not sold for credits.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_credits: Option<i64>,
    /// Per version.
    max_downloads: i32,
    /// Months of new versions; absent for always.
    #[serde(skip_serializing_if = "Option::is_none")]
    update_months: Option<i32>,
}

impl From<Offer> for OfferShape {
    fn from(offer: Offer) -> Self {
        Self {
            licence: offer.licence.as_str(),
            price: Dollars(offer.price_cents),
            price_cents: offer.price_cents.0,
            price_credits: offer.price_credits,
            max_downloads: offer.max_downloads,
            update_months: offer.update_months,
        }
    }
}

/// A picture in its sizes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageShape {
    id: Uuid,
    /// `received`, `ready` or `rejected`.
    state: String,
    alt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    variants: Vec<VariantShape>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VariantShape {
    #[schema(example = "card")]
    name: String,
    #[schema(example = "/media/public/images/…/card.jpg")]
    url: String,
    width: u32,
    height: u32,
}

impl From<Image> for ImageShape {
    fn from(image: Image) -> Self {
        let variants = image.variants.into_iter().map(|variant| VariantShape {
            name: variant.name,
            url: format!("/media/{}", variant.key),
            width: variant.width,
            height: variant.height,
        });
        Self { id: image.id.0, state: word(&image.state), alt: image.alt, error: image.error, variants: variants.collect() }
    }
}

/// One package of a product.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionShape {
    id: Uuid,
    #[schema(example = "1.2.0")]
    number: String,
    /// Markdown.
    changelog: String,
    /// `received`, `quarantined`, `checked`, `rejected` or `released`.
    state: &'static str,
    file_name: String,
    size_bytes: Option<i64>,
    sha256: Option<String>,
    file_count: Option<i32>,
    detected_stack: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<String>,
    created_at: DateTime<Utc>,
    released_at: Option<DateTime<Utc>>,
}

impl From<Version> for VersionShape {
    fn from(version: Version) -> Self {
        Self {
            id: version.id.0,
            number: version.number,
            changelog: version.changelog,
            state: version.state.as_str(),
            file_name: version.file_name,
            size_bytes: version.size_bytes,
            sha256: version.sha256,
            file_count: version.file_count,
            detected_stack: version.detected_stack,
            rejection: version.rejection,
            created_at: version.created_at,
            released_at: version.released_at,
        }
    }
}

/// Something that has to be there before the product can be published.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MissingShape {
    #[schema(example = "files")]
    step: &'static str,
    #[schema(example = "package")]
    field: &'static str,
    #[schema(example = "Upload the package.")]
    detail: String,
}

impl From<Missing> for MissingShape {
    fn from(missing: Missing) -> Self {
        Self { step: missing.step.as_str(), field: missing.field, detail: missing.sentence }
    }
}

/// A product as its seller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SellerProduct {
    pub id: Uuid,
    pub slug: String,
    pub title: String,
    #[schema(example = "code")]
    pub kind: String,
    /// `draft`, `pending`, `active`, `rejected`, `paused`, `suspended` or `deleted`.
    pub state: &'static str,
    pub short_description: String,
    /// Markdown.
    pub description: String,
    /// Slug of the category.
    pub category: Option<String>,
    pub framework: String,
    /// Markdown.
    pub requirements: String,
    pub demo_url: Option<String>,
    pub docs_url: Option<String>,
    pub tech_stack: Vec<String>,
    pub tags: Vec<String>,
    /// The lowest offered licence.
    pub price: Dollars,
    pub price_cents: i64,
    pub currency: String,
    pub licences: Vec<OfferShape>,
    pub images: Vec<ImageShape>,
    /// The newest first.
    pub versions: Vec<VersionShape>,
    /// What it lacks to be published; empty when it is complete.
    pub missing: Vec<MissingShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub submitted_at: Option<DateTime<Utc>>,
    pub published_at: Option<DateTime<Utc>>,
}

/// Everything a [`SellerProduct`] is made of.
pub(super) struct Parts {
    pub product: Product,
    pub categories: Vec<Category>,
    pub offers: Vec<Offer>,
    pub images: Vec<Image>,
    pub versions: Vec<Version>,
    pub missing: Vec<Missing>,
}

impl From<Parts> for SellerProduct {
    fn from(parts: Parts) -> Self {
        let product = parts.product;
        let category = parts.categories.into_iter().find(|category| Some(category.id) == product.category_id);
        Self {
            id: product.id.0,
            slug: product.slug,
            title: product.title,
            kind: word(&product.kind),
            state: product.state.as_str(),
            short_description: product.short_description,
            description: product.description,
            category: category.map(|category| category.slug),
            framework: product.framework,
            requirements: product.requirements,
            demo_url: product.demo_url,
            docs_url: product.docs_url,
            tech_stack: product.tech_stack,
            tags: product.tags,
            price: Dollars(product.price_cents),
            price_cents: product.price_cents.0,
            currency: product.currency,
            licences: parts.offers.into_iter().map(Into::into).collect(),
            images: parts.images.into_iter().map(Into::into).collect(),
            versions: parts.versions.into_iter().map(Into::into).collect(),
            missing: parts.missing.into_iter().map(Into::into).collect(),
            rejection_reason: product.rejection_reason,
            created_at: product.created_at,
            updated_at: product.updated_at,
            submitted_at: product.submitted_at,
            published_at: product.published_at,
        }
    }
}

/// A line of the seller's list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SellerListing {
    pub id: Uuid,
    pub slug: String,
    pub title: String,
    #[schema(example = "code")]
    pub kind: String,
    #[schema(example = "active")]
    pub state: &'static str,
    pub price: Dollars,
    pub price_cents: i64,
    pub currency: String,
    /// Number of the version buyers get.
    pub current_version: Option<String>,
    /// A newer one on its way, and how far it has come.
    pub next_version: Option<String>,
    pub next_version_state: Option<String>,
    pub views: i64,
    pub sales: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
}

impl From<Listing> for SellerListing {
    fn from(listing: Listing) -> Self {
        Self {
            id: listing.id.0,
            slug: listing.slug,
            title: listing.title,
            kind: word(&listing.kind),
            state: listing.state.as_str(),
            price: Dollars(listing.price_cents),
            price_cents: listing.price_cents.0,
            currency: listing.currency,
            current_version: listing.current_version,
            next_version: listing.next_version,
            next_version_state: listing.next_version_state,
            views: listing.views,
            sales: listing.sales,
            created_at: listing.created_at,
            updated_at: listing.updated_at,
            published_at: listing.published_at,
        }
    }
}

/// One step of the publish workflow, as a page shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Labelled {
    label: &'static str,
    #[serde(flatten)]
    check: Check,
}

impl From<Check> for Labelled {
    fn from(check: Check) -> Self {
        Self { label: check.step.label(), check }
    }
}

/// One step of the publish workflow.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckShape {
    #[schema(example = "scan")]
    step: &'static str,
    #[schema(example = "Security scan")]
    label: &'static str,
    /// `waiting`, `running`, `passed`, `failed` or `skipped`.
    state: String,
    detail: String,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<Check> for CheckShape {
    fn from(check: Check) -> Self {
        Self {
            step: check.step.as_str(),
            label: check.step.label(),
            state: word(&check.state),
            detail: check.detail,
            started_at: check.started_at,
            finished_at: check.finished_at,
        }
    }
}

/// Something a step noticed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingShape {
    /// `blocker`, `review` or `info`.
    severity: String,
    #[schema(example = "secret.aws-access-key")]
    rule: String,
    title: String,
    path: Option<String>,
    line: Option<i32>,
    /// Secrets are masked.
    excerpt: Option<String>,
    remedy: String,
}

impl From<Finding> for FindingShape {
    fn from(finding: Finding) -> Self {
        Self {
            severity: word(&finding.severity),
            rule: finding.rule,
            title: finding.title,
            path: finding.path,
            line: finding.line,
            excerpt: finding.excerpt,
            remedy: finding.remedy,
        }
    }
}

/// How the checks of a version stand.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChecksShape {
    pub version: VersionShape,
    pub checks: Vec<CheckShape>,
    pub findings: Vec<FindingShape>,
}

/// The word an enum of the domain is written as.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mywork::{catalog::licence::LicenceKind, money::Cents};

    #[test]
    fn amounts_have_two_places() {
        let offer = OfferShape::from(Offer::at(LicenceKind::Enterprise, Cents(29_900)));
        let json = serde_json::to_string(&offer).expect("serialises");
        assert!(json.contains(r#""price":299.00,"price_cents":29900"#), "{json}");
        assert!(!json.contains("update_months"), "always: {json}");
    }
}
