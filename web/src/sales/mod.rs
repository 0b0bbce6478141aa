//! What a seller sold: `/dashboard/orders` and the same by API. A seller sees every share of the price to the cent and the
//! buyer's public name, never their address.

mod api;
mod pages;

use crate::App;
use axum::{Router, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Pages of this area.
pub fn pages() -> Router<App> {
    Router::new().route("/dashboard/orders", get(pages::list)).route("/dashboard/orders/{order}", get(pages::show))
}

/// API of this area.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(api::list_sales))
}
