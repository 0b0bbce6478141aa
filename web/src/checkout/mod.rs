//! Paying: the page where a licence is chosen and paid for, the confirmation that waits for the payment, and the same by API.

mod api;
mod begin;
mod pages;

use crate::App;
use axum::{Router, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Pages of this area.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/checkout/success", get(pages::success))
        .route("/checkout/success/part", get(pages::success_part))
        .route("/checkout/{product}", get(pages::choose).post(pages::begin))
}

/// API of this area.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::create_order))
        .routes(routes!(api::marketplace_checkout))
        .routes(routes!(api::show_checkout))
}
