//! The sales area of the web tier: nothing is mounted yet.

use crate::App;

/// Pages of this area.
pub fn pages() -> axum::Router<App> {
    axum::Router::new()
}

/// API of this area, each route with its full path.
pub fn api() -> utoipa_axum::router::OpenApiRouter<App> {
    utoipa_axum::router::OpenApiRouter::new()
}
