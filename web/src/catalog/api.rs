//! The seller's API: products written, handed in, removed; versions, pictures and checks. The same domain calls as the pages.
//!
//! Older documents call a product a listing. Each such pair is one handler at two addresses; the second one only has an
//! operation id of its own.

use super::shapes::{ChecksShape, ImageShape, Parts, SellerListing, SellerProduct, VersionShape};
use crate::{
    App, Error, FieldErrors, Result,
    auth::{SignedIn, Viewer},
    form::{Json, Path, Query},
    identity::origin,
    openapi::{ByTime, List, Paging, Problem},
};
use axum::extract::State;
use http::StatusCode;
use mywork::catalog::{
    self, category, check, delete as deletion, image,
    licence::{self, LicenceKind, Offer},
    pause as pausing,
    product::{self, OwnFilter, Product, ProductKind, ProductState},
    publish,
    version::{self, NewVersion},
    wizard::{self, Basics, Details},
};
use mywork::db::Tx;
use mywork::ids::{ImageId, ProductId, UploadId, VersionId};
use mywork::money::Cents;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(create_listing))
        .routes(routes!(mine))
        .routes(routes!(my_listings))
        .routes(routes!(seller_products))
        .routes(routes!(show))
        .routes(routes!(update, delete))
        .routes(routes!(update_listing, delete_listing))
        .routes(routes!(submit))
        .routes(routes!(withdraw))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(create_version))
        .routes(routes!(checks))
        .routes(routes!(edit_image, remove_image))
}

/// A product to be written. Everything but the title may come later; what is absent stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct ProductInput {
    /// 10 to 200 characters.
    #[serde(default)]
    title: Option<String>,
    /// `code`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "code")]
    kind: Option<ProductKind>,
    /// Up to 500 characters.
    #[serde(default)]
    short_description: Option<String>,
    /// Markdown, 100 to 10,000 characters.
    #[serde(default)]
    description: Option<String>,
    /// Slug of a category; empty for none.
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    framework: Option<String>,
    /// Markdown, up to 5,000 characters.
    #[serde(default)]
    requirements: Option<String>,
    /// Empty for none.
    #[serde(default)]
    demo_url: Option<String>,
    /// Empty for none.
    #[serde(default)]
    docs_url: Option<String>,
    /// Up to 10.
    #[serde(default)]
    tech_stack: Option<Vec<String>>,
    /// Up to 20.
    #[serde(default)]
    tags: Option<Vec<String>>,
    /// All offered licences; replaces those offered before.
    #[serde(default)]
    licences: Option<Vec<OfferInput>>,
    /// Move a published product to an address made of its new title; the old one redirects.
    #[serde(default)]
    change_slug: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
struct OfferInput {
    /// `standard`, `extended` or `enterprise`.
    #[schema(value_type = String, example = "standard")]
    licence: LicenceKind,
    /// 0 to 1,000,000.
    #[schema(example = 4900)]
    price_cents: i64,
    /// Absent: not sold for credits.
    #[serde(default)]
    price_credits: Option<i64>,
    /// Per version; absent: as many as the licence allows.
    #[serde(default)]
    max_downloads: Option<i32>,
    /// Months of new versions; absent: as long as the licence allows.
    #[serde(default)]
    update_months: Option<i32>,
}

impl From<&OfferInput> for Offer {
    fn from(input: &OfferInput) -> Self {
        let standard = Offer::at(input.licence, Cents(input.price_cents));
        Self {
            price_credits: input.price_credits,
            max_downloads: input.max_downloads.unwrap_or(standard.max_downloads),
            update_months: input.update_months.or(standard.update_months),
            ..standard
        }
    }
}

/// A package that was uploaded, to become a version.
#[derive(Debug, Deserialize, ToSchema)]
struct VersionInput {
    /// A complete upload of a package of this product.
    upload: Uuid,
    /// Above every released one; absent: the next one.
    #[serde(default)]
    #[schema(example = "1.2.0")]
    number: Option<String>,
    /// Markdown, up to 5,000 characters.
    #[serde(default)]
    changelog: String,
}

#[derive(Debug, Deserialize, ToSchema)]
struct ImageInput {
    /// What it shows, for who cannot see it; up to 200 characters.
    alt: String,
    /// Put it first.
    #[serde(default)]
    first: bool,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only products of this state.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "active")]
    state: Option<ProductState>,
    /// Words in the title.
    #[serde(default)]
    q: Option<String>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: Option<String>,
    /// How many, at most 100.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

type Answer<T> = Result<axum::Json<T>>;
type Created<T> = Result<(StatusCode, axum::Json<T>)>;

/// Write a product
#[utoipa::path(post, path = "/api/products", tag = "selling", operation_id = "create_product", security(("bearer" = []), ("session" = [])),
    request_body = ProductInput,
    responses((status = 201, body = SellerProduct), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn create(State(app): State<App>, SignedIn(viewer): SignedIn, Json(input): Json<ProductInput>) -> Created<SellerProduct> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let basics = Basics {
        title: input.title.clone().unwrap_or_default(),
        short_description: input.short_description.clone().unwrap_or_default(),
        category: input.category.clone().unwrap_or_default(),
    };
    let kind = input.kind.unwrap_or(ProductKind::Code);
    let id = match wizard::create(&mut tx, viewer.id, kind, &basics, &origin(), app.now()).await {
        Ok(id) => id,
        Err(catalog::Error::Invalid(mut problems)) => {
            // What else is wrong with it is told at once, not after the next try.
            problems.extend(details_of(&input, &Details::default()).tidy().check());
            if let Some(offers) = &input.licences {
                problems.extend(licence::check(&offers.iter().map(Offer::from).collect::<Vec<_>>()));
            }
            return Err(Error::Invalid(problems.into()));
        }
        Err(error) => return Err(error.into()),
    };
    let product = product::get(&mut tx, id).await?;
    let mut errors = FieldErrors::new();
    save_details_and_offers(&app, &viewer, &mut tx, &product, &input, &mut errors).await?;
    errors.into_result()?;
    let answer = whole(&mut tx, id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Write a listing
#[utoipa::path(post, path = "/api/marketplace/listings", tag = "selling", operation_id = "create_listing", security(("bearer" = []), ("session" = [])),
    request_body = ProductInput,
    responses((status = 201, body = SellerProduct), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn create_listing(app: State<App>, viewer: SignedIn, input: Json<ProductInput>) -> Created<SellerProduct> {
    create(app, viewer, input).await
}

/// Change a product
#[utoipa::path(put, path = "/api/products/{product}", tag = "selling", operation_id = "update_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    request_body = ProductInput,
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn update(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Json(input): Json<ProductInput>,
) -> Answer<SellerProduct> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, &key).await?;
    let mut errors = FieldErrors::new();
    if input.kind.is_some_and(|kind| kind != product.kind) {
        errors.add("kind", "A product keeps its kind.");
    }
    if input.title.is_some() || input.short_description.is_some() || input.category.is_some() || input.change_slug {
        let categories = category::all(&mut *tx).await?;
        let category = categories.into_iter().find(|category| Some(category.id) == product.category_id);
        let basics = Basics {
            title: input.title.clone().unwrap_or_else(|| product.title.clone()),
            short_description: input.short_description.clone().unwrap_or_else(|| product.short_description.clone()),
            category: input.category.clone().unwrap_or_else(|| category.map(|c| c.slug).unwrap_or_default()),
        };
        collect(wizard::save_basics(&mut tx, viewer.id, product.id, &basics, input.change_slug, app.now()).await, &mut errors)?;
    }
    save_details_and_offers(&app, &viewer, &mut tx, &product, &input, &mut errors).await?;
    errors.into_result()?;
    let answer = whole(&mut tx, product.id).await?;
    tx.commit().await?;
    Ok(axum::Json(answer))
}

/// Change a listing
#[utoipa::path(put, path = "/api/marketplace/listings/{product}", tag = "selling", operation_id = "update_listing", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    request_body = ProductInput,
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn update_listing(
    app: State<App>,
    viewer: SignedIn,
    key: Path<String>,
    input: Json<ProductInput>,
) -> Answer<SellerProduct> {
    update(app, viewer, key, input).await
}

/// Delete a product
///
/// Whoever bought it keeps it.
#[utoipa::path(delete, path = "/api/products/{product}", tag = "selling", operation_id = "delete_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn delete(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Result<StatusCode> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    deletion::delete(&mut tx, viewer.id, id, &origin(), app.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a listing
///
/// Whoever bought it keeps it.
#[utoipa::path(delete, path = "/api/marketplace/listings/{product}", tag = "selling", operation_id = "delete_listing", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn delete_listing(app: State<App>, viewer: SignedIn, key: Path<String>) -> Result<StatusCode> {
    delete(app, viewer, key).await
}

/// Hand a product in
///
/// It goes on sale once its package has passed its checks and a person has approved it. What is missing is told field by field.
#[utoipa::path(post, path = "/api/products/{product}/publish", tag = "selling", operation_id = "publish_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn submit(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Answer<SellerProduct> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    publish::submit(&mut tx, viewer.id, id, &origin(), app.now()).await?;
    finish(tx, id).await
}

/// Take a product back before it is approved
#[utoipa::path(post, path = "/api/products/{product}/withdraw", tag = "selling", operation_id = "withdraw_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn withdraw(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Answer<SellerProduct> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    publish::withdraw(&mut tx, viewer.id, id, &origin(), app.now()).await?;
    finish(tx, id).await
}

/// Take a product off sale for a while
#[utoipa::path(post, path = "/api/products/{product}/pause", tag = "selling", operation_id = "pause_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn pause(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Answer<SellerProduct> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    pausing::pause(&mut tx, viewer.id, id, &origin(), app.now()).await?;
    finish(tx, id).await
}

/// Put a paused product back on sale
#[utoipa::path(post, path = "/api/products/{product}/resume", tag = "selling", operation_id = "resume_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn resume(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Answer<SellerProduct> {
    let (mut tx, id) = begin(&app, &viewer, &key).await?;
    pausing::resume(&mut tx, viewer.id, id, &origin(), app.now()).await?;
    finish(tx, id).await
}

/// My products
#[utoipa::path(get, path = "/api/products/me", tag = "selling", operation_id = "list_my_products", security(("bearer" = []), ("session" = [])),
    params(ListQuery), responses((status = 200, body = List<SellerListing>)))]
async fn mine(State(app): State<App>, SignedIn(viewer): SignedIn, Query(query): Query<ListQuery>) -> Answer<List<SellerListing>> {
    let paging = Paging { cursor: query.cursor, limit: query.limit };
    let limit = paging.limit();
    let filter = OwnFilter {
        state: query.state,
        text: query.q.map(|q| q.trim().to_owned()).filter(|q| !q.is_empty()),
        after: paging.after::<ByTime>()?.map(|(at, id)| (at, ProductId(id))),
        limit: limit + 1,
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    let rows = product::list_own(&mut tx, viewer.id, &filter).await?;
    tx.commit().await?;
    let list = List::page(rows, usize::try_from(limit).unwrap_or(20), |row| (row.updated_at, row.id.0));
    Ok(axum::Json(list.map(SellerListing::from)))
}

/// My listings
#[utoipa::path(get, path = "/api/marketplace/my-listings", tag = "selling", operation_id = "list_my_listings", security(("bearer" = []), ("session" = [])),
    params(ListQuery), responses((status = 200, body = List<SellerListing>)))]
async fn my_listings(app: State<App>, viewer: SignedIn, query: Query<ListQuery>) -> Answer<List<SellerListing>> {
    mine(app, viewer, query).await
}

/// The seller's products
#[utoipa::path(get, path = "/api/seller/products", tag = "selling", operation_id = "list_seller_products", security(("bearer" = []), ("session" = [])),
    params(ListQuery), responses((status = 200, body = List<SellerListing>)))]
async fn seller_products(app: State<App>, viewer: SignedIn, query: Query<ListQuery>) -> Answer<List<SellerListing>> {
    mine(app, viewer, query).await
}

/// A product as its seller sees it
///
/// In every state, with all its versions and with what it lacks to be published.
#[utoipa::path(get, path = "/api/seller/products/{product}", tag = "selling", operation_id = "get_seller_product", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 200, body = SellerProduct), (status = 404, body = Problem)))]
async fn show(State(app): State<App>, SignedIn(viewer): SignedIn, Path(key): Path<String>) -> Answer<SellerProduct> {
    let (tx, id) = begin(&app, &viewer, &key).await?;
    finish(tx, id).await
}

/// Make an upload a version
///
/// Its checks begin at once. Repeating it answers with the version made the first time.
#[utoipa::path(post, path = "/api/products/{product}/versions", tag = "selling", operation_id = "create_version", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug")),
    request_body = VersionInput,
    responses((status = 201, body = VersionShape), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn create_version(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Json(input): Json<VersionInput>,
) -> Created<VersionShape> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    let new = NewVersion { upload: UploadId(input.upload), number: input.number, changelog: input.changelog };
    let id = version::create(&mut tx, viewer.id, &new, app.now()).await?;
    let made = version::find(&mut tx, id).await?.filter(|version| version.product_id == product);
    let made = made.ok_or_else(|| Error::invalid("upload", "This upload belongs to another product."))?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, axum::Json(made.into())))
}

/// The checks of a version
#[utoipa::path(get, path = "/api/products/{product}/versions/{version}/checks", tag = "selling", operation_id = "get_version_checks", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug"), ("version" = Uuid, Path)),
    responses((status = 200, body = ChecksShape), (status = 404, body = Problem)))]
async fn checks(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, VersionId)>,
) -> Answer<ChecksShape> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    let version = version::find(&mut tx, id).await?.filter(|version| version.product_id == product);
    let version = version.ok_or(Error::NotFound("version"))?;
    let answer = ChecksShape {
        version: version.into(),
        checks: check::checks_of(&mut tx, id).await?.into_iter().map(Into::into).collect(),
        findings: check::findings_of(&mut tx, id).await?.into_iter().map(Into::into).collect(),
    };
    tx.commit().await?;
    Ok(axum::Json(answer))
}

/// Describe a picture, or put it first
#[utoipa::path(put, path = "/api/products/{product}/images/{image}", tag = "selling", operation_id = "update_product_image", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug"), ("image" = Uuid, Path)),
    request_body = ImageInput,
    responses((status = 200, body = Vec<ImageShape>), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn edit_image(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, ImageId)>,
    Json(input): Json<ImageInput>,
) -> Answer<Vec<ImageShape>> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    image::edit(&mut tx, viewer.id, product, id, &input.alt, input.first).await?;
    let images = image::images_of(&mut tx, product).await?;
    tx.commit().await?;
    Ok(axum::Json(images.into_iter().map(Into::into).collect()))
}

/// Remove a picture
#[utoipa::path(delete, path = "/api/products/{product}/images/{image}", tag = "selling", operation_id = "delete_product_image", security(("bearer" = []), ("session" = [])),
    params(("product" = String, Path, description = "Id or slug"), ("image" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
async fn remove_image(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path((key, id)): Path<(String, ImageId)>,
) -> Result<StatusCode> {
    let (mut tx, product) = begin(&app, &viewer, &key).await?;
    image::remove(&mut tx, viewer.id, product, id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn begin(app: &App, viewer: &Viewer, key: &str) -> Result<(Tx, ProductId)> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let product = product::get_own(&mut tx, viewer.id, key).await?;
    Ok((tx, product.id))
}

async fn finish(mut tx: Tx, id: ProductId) -> Answer<SellerProduct> {
    let answer = whole(&mut tx, id).await?;
    tx.commit().await?;
    Ok(axum::Json(answer))
}

async fn whole(tx: &mut Tx, id: ProductId) -> Result<SellerProduct> {
    let product = product::get(&mut *tx, id).await?;
    let parts = Parts {
        categories: category::all(&mut **tx).await?,
        offers: licence::offers_of(&mut *tx, id).await?,
        images: image::images_of(&mut *tx, id).await?,
        versions: version::all_of(&mut *tx, id).await?,
        missing: publish::missing(&mut *tx, &product).await?,
        product,
    };
    Ok(parts.into())
}

/// What the input says of the details, over what is there.
fn details_of(input: &ProductInput, saved: &Details) -> Details {
    let text = |given: &Option<String>, saved: &String| given.clone().unwrap_or_else(|| saved.clone());
    Details {
        description: text(&input.description, &saved.description),
        framework: text(&input.framework, &saved.framework),
        requirements: text(&input.requirements, &saved.requirements),
        demo_url: text(&input.demo_url, &saved.demo_url),
        docs_url: text(&input.docs_url, &saved.docs_url),
        tech_stack: input.tech_stack.clone().unwrap_or_else(|| saved.tech_stack.clone()),
        tags: input.tags.clone().unwrap_or_else(|| saved.tags.clone()),
    }
}

async fn save_details_and_offers(
    app: &App,
    viewer: &Viewer,
    tx: &mut Tx,
    product: &Product,
    input: &ProductInput,
    errors: &mut FieldErrors,
) -> Result<()> {
    let saved = Details {
        description: product.description.clone(),
        framework: product.framework.clone(),
        requirements: product.requirements.clone(),
        demo_url: product.demo_url.clone().unwrap_or_default(),
        docs_url: product.docs_url.clone().unwrap_or_default(),
        tech_stack: product.tech_stack.clone(),
        tags: product.tags.clone(),
    };
    let details = details_of(input, &saved);
    collect(wizard::save_details(&mut *tx, viewer.id, product.id, &details, app.now()).await, errors)?;
    if let Some(licences) = &input.licences {
        let offers: Vec<Offer> = licences.iter().map(Offer::from).collect();
        collect(wizard::save_pricing(&mut *tx, viewer.id, product.id, &offers, &origin(), app.now()).await, errors)?;
    }
    Ok(())
}

/// Gathers field errors, so that all of a request's are answered at once; nothing of it is then saved.
fn collect(outcome: Result<(), catalog::Error>, errors: &mut FieldErrors) -> Result<()> {
    errors.extend(super::field_errors(outcome)?);
    Ok(())
}
