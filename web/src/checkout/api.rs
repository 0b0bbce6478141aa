//! Buying by API. `POST /api/orders` answers with the secret that Stripe's own libraries pay with; how the payment went is told
//! by `GET /api/checkouts/{checkout}`.

use super::begin;
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    decimal::Dollars,
    form,
    openapi::Problem,
};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork::{
    catalog::licence::LicenceKind,
    ids::{CheckoutId, OrderId, ProductId},
    money::Cents,
    orders::{checkout, order::OrderState},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be bought.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    #[schema(value_type = Uuid)]
    product_id: ProductId,
    /// `standard`, `extended` or `enterprise`.
    #[schema(value_type = String, example = "standard")]
    license_type: LicenceKind,
}

/// An order waiting for its payment, or one that cost nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedOrder {
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    #[schema(example = "MW-2026-00047")]
    order_number: String,
    #[schema(value_type = Uuid)]
    checkout_id: CheckoutId,
    amount: Dollars,
    #[schema(value_type = i64)]
    amount_cents: Cents,
    /// Pays the order with Stripe's libraries; `null` when there is nothing to pay.
    stripe_client_secret: Option<String>,
    /// `pending` until the payment has arrived, `paid` when the product is free.
    #[schema(example = "pending")]
    status: &'static str,
}

/// Order a product
///
/// Opens a checkout of one product. Repeating the request while the order is unpaid answers with the same order.
#[utoipa::path(
    post,
    path = "/api/orders",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    request_body = NewOrder,
    responses(
        (status = 201, body = CreatedOrder),
        (status = 401, body = Problem),
        (status = 404, body = Problem, description = "No such product"),
        (status = 409, body = Problem, description = "Already owned, the seller's own, or not for sale"),
        (status = 422, body = Problem),
        (status = 502, body = Problem, description = "Stripe did not answer; repeat the request"),
    ),
)]
pub(super) async fn create_order(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Json(new): form::Json<NewOrder>,
) -> Result<(StatusCode, Json<CreatedOrder>)> {
    create(&app, &viewer, &new).await
}

/// Order a product
///
/// The same as `POST /api/orders`.
#[utoipa::path(
    post,
    path = "/api/marketplace/checkout",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    request_body = NewOrder,
    responses((status = 201, body = CreatedOrder), (status = 422, body = Problem)),
)]
pub(super) async fn marketplace_checkout(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Json(new): form::Json<NewOrder>,
) -> Result<(StatusCode, Json<CreatedOrder>)> {
    create(&app, &viewer, &new).await
}

async fn create(app: &App, viewer: &Viewer, new: &NewOrder) -> Result<(StatusCode, Json<CreatedOrder>)> {
    let ready = begin::begin(app, viewer, new.product_id, new.license_type).await?;
    let status = if ready.client_secret.is_some() { OrderState::Pending } else { OrderState::Paid };
    let created = CreatedOrder {
        order_id: ready.order,
        order_number: ready.order_number,
        checkout_id: ready.checkout,
        amount: ready.amount.into(),
        amount_cents: ready.amount,
        stripe_client_secret: ready.client_secret,
        status: status.as_str(),
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// How a payment stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckoutStatus {
    #[schema(value_type = Uuid)]
    checkout_id: CheckoutId,
    /// `open`, `paying`, `paid`, `failed` (still payable with another card) or `expired`.
    #[schema(example = "paying")]
    status: &'static str,
    amount: Dollars,
    #[schema(value_type = i64)]
    amount_cents: Cents,
    /// What the card's issuer said, when it declined.
    failure_message: Option<String>,
    expires_at: DateTime<Utc>,
    orders: Vec<CheckoutLine>,
}

/// One order of a checkout.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckoutLine {
    #[schema(value_type = Uuid)]
    order_id: OrderId,
    order_number: String,
    #[schema(value_type = String)]
    status: OrderState,
}

/// Show a checkout
///
/// How the payment stands, and the orders it pays.
#[utoipa::path(
    get,
    path = "/api/checkouts/{checkout}",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(("checkout" = Uuid, Path)),
    responses((status = 200, body = CheckoutStatus), (status = 404, body = Problem)),
)]
pub(super) async fn show_checkout(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(id): form::Path<CheckoutId>,
) -> Result<Json<CheckoutStatus>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let (checkout, orders) = checkout::find_own(&mut tx, viewer.id, id).await?.ok_or(Error::NotFound("checkout"))?;
    tx.commit().await?;
    let line = |o: mywork::orders::order::Order| CheckoutLine { order_id: o.id, order_number: o.number, status: o.state };
    Ok(Json(CheckoutStatus {
        checkout_id: checkout.id,
        status: checkout.state.as_str(),
        amount: checkout.total.into(),
        amount_cents: checkout.total,
        failure_message: checkout.failure_message,
        expires_at: checkout.expires_at,
        orders: orders.into_iter().map(line).collect(),
    }))
}
