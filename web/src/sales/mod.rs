//! What a seller sold: `/dashboard/orders` and the same by API. A seller sees every share of the price to the cent and the
//! buyer's public name, never their address.

mod api;
pub(crate) mod intervene;
mod pages;

use crate::App;
use axum::{
    Router,
    routing::{get, post},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Pages of this area.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/dashboard/orders", get(pages::list))
        .route("/dashboard/orders/{order}", get(pages::show))
        .route("/dashboard/orders/{order}/extend", post(intervene::extend_on_page))
        .route("/dashboard/orders/{order}/revoke", post(intervene::revoke_on_page))
        .route("/dashboard/orders/{order}/restore", post(intervene::restore_on_page))
        .route("/dashboard/orders/{order}/deliver", post(intervene::deliver_on_page))
}

/// API of this area.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::list_sales))
        .routes(routes!(intervene::extend_downloads))
        .routes(routes!(intervene::revoke_licence))
        .routes(routes!(intervene::restore_licence))
        .routes(routes!(intervene::deliver_order))
}
