//! The catalogue for programs. Lists are walked by cursor; a search also counts. Older documents name several resources twice:
//! one function each, mounted at both paths. A value that makes no sense is an error of its field here, where a page would
//! leave it out.

use super::{
    product,
    shapes::{CategoryShape, FoundProduct, Product, ProductSummary, SearchResult},
};
use crate::{
    App, Error, FieldErrors, Result,
    auth::Visitor,
    form::{Path, Query as Typed},
    openapi::{List, Problem},
};
use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use http::header;
use mywork::{
    catalog::{browse, category},
    search::Query,
};
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(super) fn routes() -> OpenApiRouter<App> {
    let api = OpenApiRouter::new()
        .routes(routes!(list_products))
        .routes(routes!(show_product))
        .routes(routes!(search))
        .routes(routes!(categories))
        .routes(routes!(featured))
        .routes(routes!(trending));
    let slot: fn(&mut PathItem) -> &mut Option<Operation> = |item| &mut item.get;
    let api = also_at(api, "/api/products", "/api/marketplace/listings", "list_listings", slot, get(list_products));
    let api =
        also_at(api, "/api/products/{product}", "/api/marketplace/listings/{product}", "show_listing", slot, get(show_product));
    also_at(api, "/api/search", "/api/marketplace/search", "search_listings", slot, get(search))
}

/// Mounts what is documented at `known` at a second path too, with an operation id of its own.
pub(super) fn also_at(
    mut api: OpenApiRouter<App>,
    known: &str,
    path: &str,
    id: &str,
    slot: fn(&mut PathItem) -> &mut Option<Operation>,
    handler: MethodRouter<App>,
) -> OpenApiRouter<App> {
    let paths = &mut api.get_openapi_mut().paths.paths;
    let documented = paths.get_mut(known).and_then(|item| slot(item).clone());
    let mut operation = documented.expect("the first path is documented before the second is mounted");
    operation.operation_id = Some(id.to_owned());
    operation.description = Some(format!("The same as `{known}`."));
    *slot(paths.entry(path.to_owned()).or_default()) = Some(operation);
    api.route(path, handler)
}

/// What a list or a search may be asked.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `mywork::search::Query` reads")]
struct SearchParams {
    /// Words; quotes make a phrase, a minus leaves out, the last word may be unfinished.
    q: Option<String>,
    /// Slug of a category; what is below it counts too.
    category: Option<String>,
    /// `code`, `prompt` or `bundle`.
    kind: Option<String>,
    /// Technologies, all of which a product must use; repeat the name.
    tech: Option<Vec<String>>,
    /// Dollars, such as 49 or 49.50.
    price_min: Option<f64>,
    price_max: Option<f64>,
    /// A licence on offer: `standard`, `extended` or `enterprise`.
    licence: Option<String>,
    /// At least this many stars.
    #[param(minimum = 1, maximum = 5)]
    rating: Option<u8>,
    /// Only what can be paid with credits.
    credits: Option<bool>,
    /// Username of a seller.
    seller: Option<String>,
    /// `relevance`, `newest`, `popular`, `rating`, `price_up` or `price_down`.
    sort: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many, 24 unless said otherwise.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// List products
///
/// Everything on sale, newest first unless sorted otherwise.
#[utoipa::path(
    get,
    path = "/api/products",
    tag = "products",
    params(SearchParams),
    responses((status = 200, body = List<ProductSummary>), (status = 422, body = Problem)),
)]
pub(super) async fn list_products(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response> {
    let found = app.search.list(&asked(&app, raw).await?).await?;
    let data = found.items.into_iter().map(|hit| ProductSummary::of(&app, hit.card)).collect();
    Ok(fresh(&List { data, next_cursor: found.next }))
}

/// Search products
///
/// Products that match, with their number and the counts beside each filter.
#[utoipa::path(
    get,
    path = "/api/search",
    tag = "products",
    params(SearchParams),
    responses((status = 200, body = SearchResult), (status = 422, body = Problem)),
)]
pub(super) async fn search(State(app): State<App>, RawQuery(raw): RawQuery) -> Result<Response> {
    let hits = app.search.search(&asked(&app, raw).await?).await?;
    let data = hits.items.into_iter().map(|hit| FoundProduct::of(&app, hit)).collect();
    Ok(fresh(&SearchResult { data, total: hits.total, facets: hits.facets.into(), next_cursor: hits.next }))
}

/// Show a product
///
/// By id or slug, also by a slug it once had. What is not on sale is shown to its seller and to its buyers only.
#[utoipa::path(
    get,
    path = "/api/products/{product}",
    tag = "products",
    params(("product" = String, Path, description = "Id or slug")),
    responses((status = 200, body = Product), (status = 404, body = Problem)),
)]
pub(super) async fn show_product(State(app): State<App>, visitor: Visitor, Path(key): Path<String>) -> Result<Response> {
    let view = product::find(&app, &visitor, &key).await?;
    Ok(fresh(&Product::of(&app, view)))
}

/// List categories
///
/// The whole tree, each category behind the one it is part of.
#[utoipa::path(
    get,
    path = "/api/marketplace/categories",
    tag = "products",
    responses((status = 200, body = List<CategoryShape>)),
)]
async fn categories(State(app): State<App>) -> Result<Response> {
    let shelves = category::shelves(app.db.public()).await?;
    Ok(fresh(&List { data: CategoryShape::all(&shelves), next_cursor: None }))
}

/// How many products a short list has.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Short {
    /// How many, 12 unless said otherwise.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

impl Short {
    fn limit(&self) -> i64 {
        i64::from(self.limit.unwrap_or(12).clamp(1, 100))
    }
}

/// List featured products
///
/// Those whose placement runs, the latest first.
#[utoipa::path(
    get,
    path = "/api/marketplace/featured",
    tag = "products",
    params(Short),
    responses((status = 200, body = List<ProductSummary>)),
)]
async fn featured(State(app): State<App>, Typed(short): Typed<Short>) -> Result<Response> {
    let cards = browse::featured(app.db.public(), app.now(), short.limit()).await?;
    Ok(fresh(&List { data: cards.into_iter().map(|card| ProductSummary::of(&app, card)).collect(), next_cursor: None }))
}

/// List trending products
///
/// What sold most of the last 90 days' products.
#[utoipa::path(
    get,
    path = "/api/marketplace/trending",
    tag = "products",
    params(Short),
    responses((status = 200, body = List<ProductSummary>)),
)]
async fn trending(State(app): State<App>, Typed(short): Typed<Short>) -> Result<Response> {
    let cards = browse::trending(app.db.public(), app.now(), short.limit()).await?;
    Ok(fresh(&List { data: cards.into_iter().map(|card| ProductSummary::of(&app, card)).collect(), next_cursor: None }))
}

/// The question, if all of it makes sense.
async fn asked(app: &App, raw: Option<String>) -> Result<Query> {
    let (query, notices) = Query::parse(raw.as_deref().unwrap_or_default());
    let mut errors = FieldErrors::new();
    for notice in notices {
        errors.add(notice.field, notice.message);
    }
    if let Some(slug) = &query.filters.category {
        let known = category::all(app.db.public()).await?.iter().any(|category| category.slug == *slug);
        if !known {
            errors.add("category", "There is no such category. `GET /api/marketplace/categories` lists them.");
        }
    }
    if errors.is_empty() { Ok(query) } else { Err(Error::Invalid(errors)) }
}

/// JSON that a cache may keep and asks about by its tag before showing it again.
pub(super) fn fresh<T: Serialize>(answer: &T) -> Response {
    ([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "cookie, authorization")], Json(answer)).into_response()
}
