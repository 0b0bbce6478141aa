//! The admin area of the web tier: its parts, mounted.

pub mod approvals;
pub mod categories;
pub mod jobs;
pub mod licences;
pub mod orders;
pub mod users;

use crate::{App, Result, auth::AdminOnly, page};
use axum::{response::Response, routing::get};

/// Pages of this area.
pub fn pages() -> axum::Router<App> {
    axum::Router::new()
        .route("/admin", get(home))
        .merge(approvals::pages())
        .merge(orders::pages())
        .merge(licences::pages())
        .merge(categories::pages())
        .merge(users::pages())
        .merge(jobs::pages())
}

/// API of this area, each route with its full path.
pub fn api() -> utoipa_axum::router::OpenApiRouter<App> {
    utoipa_axum::router::OpenApiRouter::new()
        .merge(approvals::api())
        .merge(orders::api())
        .merge(licences::api())
        .merge(categories::api())
        .merge(users::api())
        .merge(jobs::api())
}

/// What waits for an admin comes first.
async fn home(_: AdminOnly) -> Result<Response> {
    Ok(page::see_other("/admin/approvals"))
}
