//! What a person bought: the library, one order with its downloads, the certificate of its licence, and the same by API.

mod api;
mod pages;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod view;

use crate::App;
use axum::{
    Router,
    routing::{get, post},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Pages of this area.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/library", get(pages::library))
        .route("/library/orders/{order}", get(pages::order))
        .route("/library/orders/{order}/certificate", get(pages::certificate))
        .route("/library/orders/{order}/download", post(pages::download))
}

/// API of this area.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(api::list_orders))
        .routes(routes!(api::list_marketplace_orders))
        .routes(routes!(api::list_purchases))
        .routes(routes!(api::show_order))
        .routes(routes!(api::show_marketplace_order))
        .routes(routes!(api::download))
}
