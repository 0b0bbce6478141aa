//! Products as the wizard and the publish workflow would have left them: listed, packaged, checked, and, but for a few that
//! wait for an admin, approved and on the shelf. Their objects are in storage before this is written.

use crate::{
    audit,
    catalog::{
        check::{Finding, Severity, Step},
        image::{ImageState, Variant},
        licence::Offer,
        product::{ProductKind, ProductState},
        version::VersionState,
    },
    db::Actor,
    ids::{CategoryId, ImageId, ProductId, UserId, VersionId},
    money::Cents,
};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// How far a product has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Approved by this admin and on sale.
    OnSale { admin: UserId },
    /// Handed in and checked; an admin decides next.
    AwaitingApproval,
}

/// A listing.
#[derive(Clone, Debug)]
pub struct Product<'a> {
    pub id: ProductId,
    pub seller: UserId,
    pub category: CategoryId,
    pub stage: Stage,
    pub slug: &'a str,
    pub title: &'a str,
    pub short_description: &'a str,
    pub description: &'a str,
    pub framework: &'a str,
    pub requirements: &'a str,
    pub tech_stack: &'a [String],
    pub tags: &'a [String],
    pub offers: &'a [Offer],
    pub featured_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Oldest first; the last one is on the shelf.
    pub versions: &'a [Version<'a>],
    pub pictures: &'a [Picture],
}

/// One package.
#[derive(Clone, Debug)]
pub struct Version<'a> {
    pub id: VersionId,
    pub number: &'a str,
    pub changelog: &'a str,
    pub file_name: String,
    pub object_key: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
    pub checked: Checked,
    pub created_at: DateTime<Utc>,
}

/// What the scanner said of it.
#[derive(Clone, Debug)]
pub struct Checked {
    pub bill_of_materials: Value,
    /// `[{"path": "README.md", "size": 812}]`, by path.
    pub files: Value,
    pub stack: Vec<String>,
    pub file_count: i32,
    pub unpacked_bytes: i64,
    pub summary: String,
    pub findings: Vec<(Step, Finding)>,
}

/// A picture whose variants are in storage.
#[derive(Clone, Debug)]
pub struct Picture {
    pub id: ImageId,
    pub alt: String,
    pub width: i32,
    pub height: i32,
    pub variants: Vec<Variant>,
}

/// Writes the product with everything that belongs to it.
///
/// # Errors
/// When the database refuses.
pub async fn add(conn: &mut PgConnection, product: &Product<'_>) -> Result<(), sqlx::Error> {
    listing(conn, product).await?;
    for offer in product.offers {
        licence(conn, product.id, offer).await?;
    }
    for (position, picture) in (1..).zip(product.pictures) {
        image(conn, product, position, picture).await?;
    }
    for entry in product.versions {
        version(conn, product, entry).await?;
    }
    if let Stage::OnSale { admin } = product.stage {
        put_on_shelf(conn, product, admin).await?;
    }
    Ok(())
}

async fn listing(conn: &mut PgConnection, product: &Product<'_>) -> Result<(), sqlx::Error> {
    let state = match product.stage {
        Stage::OnSale { .. } => ProductState::Active,
        Stage::AwaitingApproval => ProductState::Pending,
    };
    let submitted_at = product.created_at + Duration::hours(2);
    let lowest = product.offers.iter().map(|offer| offer.price_cents).min().unwrap_or(Cents::ZERO);
    sqlx::query!(
        "INSERT INTO products (id, seller_id, kind, state, slug, title, short_description, description, category_id, framework,
                               requirements, tech_stack, tags, price_cents, featured_until, created_at, updated_at, submitted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17)",
        product.id as ProductId,
        product.seller as UserId,
        ProductKind::Code as ProductKind,
        state as ProductState,
        product.slug,
        product.title,
        product.short_description,
        product.description,
        product.category as CategoryId,
        product.framework,
        product.requirements,
        product.tech_stack,
        product.tags,
        lowest as Cents,
        product.featured_until,
        product.created_at,
        submitted_at,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "INSERT INTO product_slugs (slug, product_id, created_at)
         VALUES ($1, $2, $3)",
        product.slug,
        product.id as ProductId,
        product.created_at,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("INSERT INTO product_stats (product_id) VALUES ($1)", product.id as ProductId).execute(conn).await?;
    Ok(())
}

async fn licence(conn: &mut PgConnection, product: ProductId, offer: &Offer) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO product_licences (product_id, licence, price_cents, price_credits, max_downloads, update_months)
         VALUES ($1, $2, $3, $4, $5, $6)",
        product as ProductId,
        offer.licence.as_str(),
        offer.price_cents as Cents,
        offer.price_credits,
        offer.max_downloads,
        offer.update_months,
    )
    .execute(conn)
    .await
    .map(drop)
}

async fn image(conn: &mut PgConnection, product: &Product<'_>, position: i32, picture: &Picture) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO product_images (id, product_id, position, state, alt, width, height, variants, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        picture.id as ImageId,
        product.id as ProductId,
        position,
        ImageState::Ready as ImageState,
        picture.alt,
        picture.width,
        picture.height,
        Json(&picture.variants) as _,
        product.created_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

async fn version(conn: &mut PgConnection, product: &Product<'_>, version: &Version<'_>) -> Result<(), sqlx::Error> {
    let released = matches!(product.stage, Stage::OnSale { .. });
    let state = if released { VersionState::Released } else { VersionState::Checked };
    let checked = &version.checked;
    sqlx::query!(
        "INSERT INTO product_versions (id, product_id, number, changelog, state, file_name, size_bytes, sha256, object_key,
                                       bill_of_materials, files, detected_stack, file_count, unpacked_bytes, created_at,
                                       released_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        version.id as VersionId,
        product.id as ProductId,
        version.number,
        version.changelog,
        state as VersionState,
        version.file_name,
        version.size_bytes,
        version.sha256,
        version.object_key,
        checked.bill_of_materials,
        checked.files,
        &checked.stack,
        checked.file_count,
        checked.unpacked_bytes,
        version.created_at,
        released.then(|| released_at(version)),
    )
    .execute(&mut *conn)
    .await?;
    for step in Step::ALL {
        check(conn, version, step, released).await?;
    }
    for (step, found) in &checked.findings {
        finding(conn, version.id, *step, found).await?;
    }
    Ok(())
}

/// The steps took seconds; the admin came the next morning.
fn released_at(version: &Version<'_>) -> DateTime<Utc> {
    version.created_at + Duration::hours(14)
}

async fn check(conn: &mut PgConnection, version: &Version<'_>, step: Step, released: bool) -> Result<(), sqlx::Error> {
    let to_review = version.checked.findings.iter().filter(|(_, finding)| finding.severity == Severity::Review).count();
    let at = |seconds| version.created_at + Duration::seconds(seconds);
    let passed = |detail: String, from, to| ("passed", detail, Some(from), Some(to));
    let (state, detail, started_at, finished_at) = match step {
        Step::Quarantine => passed(format!("{} bytes copied and hashed.", version.size_bytes), at(2), at(3)),
        Step::Validate => passed(version.checked.summary.clone(), at(3), at(5)),
        Step::Scan if to_review == 0 => passed("Nothing suspicious found.".to_owned(), at(5), at(9)),
        Step::Scan => passed(format!("{to_review} for a person to look at."), at(5), at(9)),
        Step::Approval if released => passed("Approved.".to_owned(), at(9), released_at(version)),
        Step::Approval => ("running", "Waiting for a person to look at it.".to_owned(), Some(at(9)), None),
        Step::Release if released => passed("On the shelf.".to_owned(), released_at(version), released_at(version)),
        Step::Release => ("waiting", String::new(), None, None),
    };
    sqlx::query!(
        "INSERT INTO version_checks (version_id, step, state, detail, started_at, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        version.id as VersionId,
        step as Step,
        state,
        detail,
        started_at,
        finished_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

async fn finding(conn: &mut PgConnection, version: VersionId, step: Step, finding: &Finding) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO findings (id, version_id, step, severity, rule, title, path, line, excerpt, remedy)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        Uuid::now_v7(),
        version as VersionId,
        step as Step,
        finding.severity as Severity,
        finding.rule,
        finding.title,
        finding.path,
        finding.line,
        finding.excerpt,
        finding.remedy,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The newest version is what buyers get; the trail names who approved it.
async fn put_on_shelf(conn: &mut PgConnection, product: &Product<'_>, admin: UserId) -> Result<(), sqlx::Error> {
    let (Some(first), Some(last)) = (product.versions.first(), product.versions.last()) else {
        return Err(sqlx::Error::RowNotFound);
    };
    sqlx::query!(
        "UPDATE products
            SET current_version_id = $2,
                published_at = $3,
                updated_at = $4
          WHERE id = $1",
        product.id as ProductId,
        last.id as VersionId,
        released_at(first),
        released_at(last),
    )
    .execute(&mut *conn)
    .await?;
    let entry = audit::Entry::new(Actor::Admin(admin), "product.approve", "product", product.id)
        .changed(json!({ "state": "pending" }), json!({ "state": "active" }));
    audit::record(conn, &entry, released_at(first)).await
}
