//! Reviews for programs: read by everybody, written by buyers. Older documents name them three times; one function each.

use super::{
    api::{also_at, fresh},
    product, reviews,
    shapes::{ReviewShape, Reviews},
};
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer, Visitor},
    form::{Json as Body, Path, Query},
    openapi::{ByTime, Cursor, Paging, Problem},
};
use axum::{
    Json,
    extract::State,
    response::Response,
    routing::{get, post, put},
};
use http::StatusCode;
use mywork::{
    catalog::review::{self, Opinion},
    db::Actor,
    ids::{ProductId, ReviewId},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    let api = OpenApiRouter::new()
        .routes(routes!(list_of_product, write_of_product))
        .routes(routes!(list))
        .routes(routes!(write))
        .routes(routes!(edit, delete));
    let api = also_at(
        api,
        "/api/reviews/product/{id}",
        "/api/marketplace/reviews/{id}",
        "list_listing_reviews",
        |i| &mut i.get,
        get(list),
    );
    let api =
        also_at(api, "/api/reviews/{id}", "/api/marketplace/reviews/{id}", "edit_listing_review", |i| &mut i.put, put(edit));
    also_at(api, "/api/reviews", "/api/marketplace/reviews", "write_listing_review", |i| &mut i.post, post(write))
}

/// What an author says of a product they name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewReview {
    #[schema(value_type = Uuid)]
    product_id: ProductId,
    /// 1 to 5 stars.
    #[schema(minimum = 1, maximum = 5)]
    rating: i16,
    /// At most 120 characters.
    #[serde(default)]
    title: String,
    /// At most 5,000 characters.
    #[serde(default)]
    text: String,
}

/// What an author says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewText {
    /// 1 to 5 stars.
    #[schema(minimum = 1, maximum = 5)]
    rating: i16,
    /// At most 120 characters.
    #[serde(default)]
    title: String,
    /// At most 5,000 characters.
    #[serde(default)]
    text: String,
}

impl ReviewText {
    fn opinion(&self) -> Result<Opinion> {
        Opinion::new(self.rating, &self.title, &self.text).map_err(|error| match error {
            // The domain's name for the field, and the API's.
            review::Error::Invalid { field: "body", message } => Error::invalid("text", message),
            other => other.into(),
        })
    }
}

/// List reviews of a product
///
/// Newest first, with the distribution of stars over all of them.
#[utoipa::path(
    get,
    path = "/api/reviews/product/{id}",
    tag = "reviews",
    operation_id = "list_reviews",
    params(("id" = String, Path, description = "Id or slug of the product"), Paging),
    responses((status = 200, body = Reviews), (status = 404, body = Problem)),
)]
async fn list(
    State(app): State<App>,
    visitor: Visitor,
    Path(key): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    reviews_of(&app, &visitor, &key, &paging).await
}

/// List reviews of a product
///
/// The same as `GET /api/reviews/product/{id}`.
#[utoipa::path(
    get,
    path = "/api/products/{product}/reviews",
    tag = "reviews",
    operation_id = "list_product_reviews",
    params(("product" = String, Path, description = "Id or slug of the product"), Paging),
    responses((status = 200, body = Reviews), (status = 404, body = Problem)),
)]
async fn list_of_product(
    State(app): State<App>,
    visitor: Visitor,
    Path(key): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Response> {
    reviews_of(&app, &visitor, &key, &paging).await
}

async fn reviews_of(app: &App, visitor: &Visitor, key: &str, paging: &Paging) -> Result<Response> {
    let product = product::find(app, visitor, key).await?.id;
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, ReviewId(id)));
    let limit = paging.limit();
    let pool = app.db.public();
    let (mut found, distribution) =
        tokio::try_join!(review::list(pool, product, after, limit + 1), review::distribution(pool, product))?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|last| Cursor::<ByTime>((last.created_at, last.id.0)).encode());
    let data = found.into_iter().map(|review| ReviewShape::of(app, review)).collect();
    Ok(fresh(&Reviews { data, distribution: distribution.into(), next_cursor }))
}

/// Review a product
///
/// For buyers, once per order.
#[utoipa::path(
    post,
    path = "/api/products/{product}/reviews",
    tag = "reviews",
    security(("bearer" = []), ("session" = [])),
    operation_id = "write_product_review",
    params(("product" = String, Path, description = "Id or slug of the product")),
    request_body = ReviewText,
    responses(
        (status = 201, body = ReviewShape),
        (status = 401, body = Problem),
        (status = 403, body = Problem, description = "Not bought"),
        (status = 409, body = Problem, description = "Reviewed already"),
        (status = 422, body = Problem),
    ),
)]
async fn write_of_product(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(key): Path<String>,
    Body(text): Body<ReviewText>,
) -> Result<(StatusCode, Json<ReviewShape>)> {
    let product = product::find(&app, &Visitor(Some(viewer.clone())), &key).await?.id;
    write_review(&app, &viewer, product, &text).await
}

/// Review a product
///
/// For buyers, once per order.
#[utoipa::path(
    post,
    path = "/api/reviews",
    tag = "reviews",
    security(("bearer" = []), ("session" = [])),
    operation_id = "write_review",
    request_body = NewReview,
    responses(
        (status = 201, body = ReviewShape),
        (status = 401, body = Problem),
        (status = 403, body = Problem, description = "Not bought"),
        (status = 409, body = Problem, description = "Reviewed already"),
        (status = 422, body = Problem),
    ),
)]
async fn write(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Body(new): Body<NewReview>,
) -> Result<(StatusCode, Json<ReviewShape>)> {
    let text = ReviewText { rating: new.rating, title: new.title, text: new.text };
    write_review(&app, &viewer, new.product_id, &text).await
}

async fn write_review(
    app: &App,
    viewer: &Viewer,
    product: ProductId,
    text: &ReviewText,
) -> Result<(StatusCode, Json<ReviewShape>)> {
    let opinion = text.opinion()?;
    let mut tx = app.db.begin(Actor::System).await?;
    let id = review::write(&mut tx, viewer.id, product, &opinion, app.now()).await?;
    let review = review::get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(ReviewShape::of(app, review))))
}

/// Change a review
#[utoipa::path(
    put,
    path = "/api/reviews/{id}",
    tag = "reviews",
    security(("bearer" = []), ("session" = [])),
    operation_id = "edit_review",
    params(("id" = Uuid, Path, description = "Id of the review")),
    request_body = ReviewText,
    responses((status = 200, body = ReviewShape), (status = 404, body = Problem), (status = 422, body = Problem)),
)]
async fn edit(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    Path(id): Path<ReviewId>,
    Body(text): Body<ReviewText>,
) -> Result<Json<ReviewShape>> {
    let opinion = text.opinion()?;
    let mut tx = app.db.begin(Actor::System).await?;
    review::edit(&mut tx, viewer.id, id, &opinion, app.now()).await?;
    let review = review::get(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(Json(ReviewShape::of(&app, review)))
}

/// Take a review back
#[utoipa::path(
    delete,
    path = "/api/reviews/{id}",
    tag = "reviews",
    security(("bearer" = []), ("session" = [])),
    operation_id = "delete_review",
    params(("id" = Uuid, Path, description = "Id of the review")),
    responses((status = 204), (status = 404, body = Problem)),
)]
async fn delete(State(app): State<App>, SignedIn(viewer): SignedIn, Path(id): Path<ReviewId>) -> Result<StatusCode> {
    reviews::remove(&app, &viewer, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
