//! What operators and monitors look at: `/health` (every dependency with its latency), `/ready` (may traffic come), `/metrics`
//! (Prometheus); the API's reference page; and the legal pages, which an operator edits as Markdown.

pub mod health;
pub mod legal;
pub mod metrics;
pub mod reference;

use crate::App;
use axum::{Router, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Routes of monitors.
pub fn routes() -> Router<App> {
    Router::new().route("/metrics", get(metrics::show))
}

/// The routes that the OpenAPI document names.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health::health)).routes(routes!(health::ready))
}
