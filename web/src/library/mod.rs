//! What a person bought: the library, one order with its downloads, the certificate of its licence, the devices that hold
//! its seats, and the same by API.

mod api;
mod devices;
mod keys;
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
        .route("/library/orders/{order}/rotate-key", post(devices::rotate_on_page))
        .route("/library/orders/{order}/devices/{device}/release", post(devices::release_on_page))
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
        .routes(routes!(devices::list_activations))
        .routes(routes!(devices::release_activation))
        .routes(routes!(devices::rotate_licence_key))
        .routes(routes!(keys::activate_licence))
        .routes(routes!(keys::deactivate_licence))
        .routes(routes!(keys::validate_licence))
}
