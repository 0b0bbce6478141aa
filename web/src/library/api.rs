//! Orders by API, as their buyer sees them. Older documents name the list three times and the order twice: one function each,
//! mounted at every path.

use super::view::{LicenceCard, OrderSummary, TimelineLine, VersionLine};
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form,
    openapi::{ByTime, List, Paging, Problem},
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mywork::{
    ids::{OrderId, VersionId},
    orders::{
        download::{self, DownloadError},
        licence,
        order::{self, OrderKey, OrderState},
        timeline,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which orders are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderQuery {
    /// Only orders of this state.
    #[param(value_type = Option<String>)]
    status: Option<OrderState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many, at most 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// List my orders
///
/// Everything the caller ordered, newest first.
#[utoipa::path(
    get,
    path = "/api/orders",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(OrderQuery),
    responses((status = 200, body = List<OrderSummary>), (status = 401, body = Problem)),
)]
pub(super) async fn list_orders(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<OrderQuery>,
) -> Result<Json<List<OrderSummary>>> {
    list(&app, &viewer, query).await
}

/// List my orders
///
/// The same as `GET /api/orders`.
#[utoipa::path(
    get,
    path = "/api/marketplace/orders",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(OrderQuery),
    responses((status = 200, body = List<OrderSummary>)),
)]
pub(super) async fn list_marketplace_orders(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<OrderQuery>,
) -> Result<Json<List<OrderSummary>>> {
    list(&app, &viewer, query).await
}

/// List my purchases
///
/// The same as `GET /api/orders`.
#[utoipa::path(
    get,
    path = "/api/user/purchases",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(OrderQuery),
    responses((status = 200, body = List<OrderSummary>)),
)]
pub(super) async fn list_purchases(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<OrderQuery>,
) -> Result<Json<List<OrderSummary>>> {
    list(&app, &viewer, query).await
}

async fn list(app: &App, viewer: &Viewer, query: OrderQuery) -> Result<Json<List<OrderSummary>>> {
    let paging = Paging { cursor: query.cursor, limit: query.limit };
    let limit = paging.limit();
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, OrderId(id)));
    let mut tx = app.db.begin(viewer.actor()).await?;
    let orders = order::bought(&mut tx, viewer.id, query.status, after, limit + 1).await?;
    tx.commit().await?;
    let page = List::page(orders, usize::try_from(limit).unwrap_or(100), |order| (order.created_at, order.id.0));
    Ok(Json(page.map(|order| OrderSummary::of(&order))))
}

/// An order with everything that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderDetail {
    #[serde(flatten)]
    order: OrderSummary,
    /// `null` until the order is paid.
    license: Option<LicenceCard>,
    /// Every version that can be downloaded, newest first.
    versions: Vec<VersionLine>,
    timeline: Vec<TimelineLine>,
}

/// Show an order
///
/// One order by id or number, with its licence, every version it includes, and its timeline.
#[utoipa::path(
    get,
    path = "/api/orders/{order}",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    responses((status = 200, body = OrderDetail), (status = 404, body = Problem)),
)]
pub(super) async fn show_order(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Json<OrderDetail>> {
    show(&app, &viewer, &key).await
}

/// Show an order
///
/// The same as `GET /api/orders/{order}`.
#[utoipa::path(
    get,
    path = "/api/marketplace/orders/{order}",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    responses((status = 200, body = OrderDetail), (status = 404, body = Problem)),
)]
pub(super) async fn show_marketplace_order(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Json<OrderDetail>> {
    show(&app, &viewer, &key).await
}

async fn show(app: &App, viewer: &Viewer, key: &str) -> Result<Json<OrderDetail>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_bought(&mut tx, viewer.id, &OrderKey::from(key)).await?.ok_or(Error::NotFound("order"))?;
    let licence = licence::of_order(&mut tx, order.id).await?;
    let versions = match &licence {
        Some(licence) => download::versions(&mut tx, &order, licence).await?,
        None => Vec::new(),
    };
    let timeline = timeline::of(&mut tx, order.id).await?;
    tx.commit().await?;
    Ok(Json(OrderDetail {
        order: OrderSummary::of(&order),
        license: licence.as_ref().map(LicenceCard::of),
        versions: versions.into_iter().map(VersionLine::of).collect(),
        timeline: timeline.into_iter().map(TimelineLine::of).collect(),
    }))
}

impl From<DownloadError> for Error {
    fn from(error: DownloadError) -> Self {
        match error {
            DownloadError::NotPaid | DownloadError::LimitReached { .. } => Error::Conflict(error.to_string()),
            DownloadError::Revoked(_) => Error::Gone(error.to_string()),
            DownloadError::NotIncluded => Error::NotFound("version"),
            DownloadError::Database(error) => error.into(),
        }
    }
}

/// Which version is downloaded.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DownloadQuery {
    /// Without one: the newest.
    #[param(value_type = Option<Uuid>)]
    version: Option<VersionId>,
}

/// A signed link to the file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DownloadLink {
    url: String,
    file_name: String,
    version: String,
    /// Seconds that the link opens the file.
    expires_in: u64,
    /// Downloads of this version that are left after this one.
    remaining_downloads: i32,
}

/// Download a product
///
/// Counts one download and leads to a link that opens the file for fifteen minutes: a redirect, or JSON where the request
/// accepts `application/json`.
#[utoipa::path(
    get,
    path = "/api/orders/{order}/download",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number"), DownloadQuery),
    responses(
        (status = 200, body = DownloadLink),
        (status = 302, description = "To the file"),
        (status = 404, body = Problem, description = "No such order, or a version that is not part of the licence"),
        (status = 409, body = Problem, description = "Not paid, or no downloads left"),
        (status = 410, body = Problem, description = "The licence was revoked"),
    ),
)]
pub(super) async fn download(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Query(query): form::Query<DownloadQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    // A link on somebody else's site must not use up a person's downloads.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return Err(Error::Forbidden("Open this download from your library.".into()));
    }
    let link = sign(&app, &viewer, &key, query.version).await?;
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    let mut response = if wants_json {
        Json(link).into_response()
    } else {
        let location = HeaderValue::from_str(&link.url).map_err(|error| Error::Internal(error.into()))?;
        (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Takes one download and signs its link, in this order: see `orders::download`.
pub(super) async fn sign(app: &App, viewer: &Viewer, key: &str, version: Option<VersionId>) -> Result<DownloadLink> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_bought(&mut tx, viewer.id, &OrderKey::from(key)).await?.ok_or(Error::NotFound("order"))?;
    let grant = download::take(&mut tx, &order, version, app.now()).await?;
    tx.commit().await?;
    let url = app
        .storage
        .presign_get(&grant.object_key, Some(&grant.file_name), download::LINK_LIFE)
        .await
        .map_err(|error| Error::Internal(error.into()))?;
    Ok(DownloadLink {
        url: url.into(),
        file_name: grant.file_name,
        version: grant.version_number,
        expires_in: download::LINK_LIFE.as_secs(),
        remaining_downloads: grant.remaining,
    })
}

impl DownloadLink {
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}
