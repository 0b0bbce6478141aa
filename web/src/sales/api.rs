//! Sales by API.

use crate::{
    App, Result,
    auth::SignedIn,
    form,
    library::view::Sale,
    openapi::{ByTime, List, Paging, Problem},
};
use axum::{Json, extract::State};
use mywork::{
    ids::OrderId,
    orders::order::{self, OrderState},
};
use serde::Deserialize;

/// Which sales are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SalesQuery {
    /// Only orders of this state.
    #[param(value_type = Option<String>)]
    status: Option<OrderState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many, at most 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// List my sales
///
/// Orders of the caller's products that were paid, newest first, with every share of the price.
#[utoipa::path(
    get,
    path = "/api/seller/orders",
    tag = "seller",
    security(("bearer" = []), ("session" = [])),
    params(SalesQuery),
    responses((status = 200, body = List<Sale>), (status = 401, body = Problem)),
)]
pub(super) async fn list_sales(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<SalesQuery>,
) -> Result<Json<List<Sale>>> {
    let paging = Paging { cursor: query.cursor, limit: query.limit };
    let limit = paging.limit();
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, OrderId(id)));
    let mut tx = app.db.begin(viewer.actor()).await?;
    let orders = order::sold(&mut tx, viewer.id, query.status, after, limit + 1).await?;
    tx.commit().await?;
    let page = List::page(orders, usize::try_from(limit).unwrap_or(100), |order| (order.created_at, order.id.0));
    Ok(Json(page.map(|order| Sale::of(&order))))
}
