//! What an admin does to the licence of any order (ORDER-03): `/admin/orders/{order}/…` and `/api/admin/orders/{order}/…`. The
//! seller's twin, and all they share, is `web/src/sales/intervene.rs`.

use super::orders;
use crate::{
    App, Result,
    auth::AdminOnly,
    form,
    library::view::LicenceStanding,
    openapi::Problem,
    page,
    sales::intervene::{Deed, ExtendForm, Intervention, LicenceReason, MoreDownloads, ReasonForm, Typed},
};
use axum::{Json, Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/admin/orders/{order}/extend", post(extend_on_page))
        .route("/admin/orders/{order}/revoke", post(revoke_on_page))
        .route("/admin/orders/{order}/restore", post(restore_on_page))
        .route("/admin/orders/{order}/deliver", post(deliver_on_page))
}

/// API of this part.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(admin_extend_downloads))
        .routes(routes!(admin_revoke_licence))
        .routes(routes!(admin_restore_licence))
}

async fn extend_on_page(
    State(app): State<App>,
    admin: AdminOnly,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<ExtendForm>,
) -> Result<Response> {
    act_on_page(&app, &admin, &key, form.deed(), form.reason).await
}

async fn revoke_on_page(
    State(app): State<App>,
    admin: AdminOnly,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<ReasonForm>,
) -> Result<Response> {
    act_on_page(&app, &admin, &key, Ok(Deed::Revoke), form.reason).await
}

async fn restore_on_page(
    State(app): State<App>,
    admin: AdminOnly,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<ReasonForm>,
) -> Result<Response> {
    act_on_page(&app, &admin, &key, Ok(Deed::Restore), form.reason).await
}

async fn deliver_on_page(State(app): State<App>, admin: AdminOnly, form::Path(key): form::Path<String>) -> Result<Response> {
    let told = Intervention { app: &app, by: admin.actor(), order: &key }.deliver_on_page().await?;
    Ok(page::flash(page::see_other(&format!("/admin/orders/{key}")), told))
}

async fn act_on_page(app: &App, admin: &AdminOnly, key: &str, deed: Result<Deed, Typed>, reason: String) -> Result<Response> {
    match (Intervention { app, by: admin.actor(), order: key }).on_page(deed, reason).await? {
        Ok(told) => Ok(page::flash(page::see_other(&format!("/admin/orders/{key}")), told)),
        Err(typed) => orders::render(app, admin, key, StatusCode::UNPROCESSABLE_ENTITY, typed).await,
    }
}

/// Grant more downloads of any order
#[utoipa::path(
    post,
    path = "/api/admin/orders/{order}/extend-downloads",
    tag = "admin",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    request_body = MoreDownloads,
    responses(
        (status = 200, body = LicenceStanding),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Not paid, or revoked"),
        (status = 422, body = Problem),
    ),
)]
async fn admin_extend_downloads(
    State(app): State<App>,
    admin: AdminOnly,
    form::Path(key): form::Path<String>,
    form::Json(wish): form::Json<MoreDownloads>,
) -> Result<Json<LicenceStanding>> {
    let by_admin = Intervention { app: &app, by: admin.actor(), order: &key };
    let licence = by_admin.act(Deed::Extend(wish.downloads), &wish.reason).await?;
    Ok(Json(LicenceStanding::of(&licence)))
}

/// Revoke the licence of any order
///
/// No more links are given out and the key stops working at once; its seller cannot restore it. The buyer is told why.
#[utoipa::path(
    post,
    path = "/api/admin/orders/{order}/revoke-licence",
    tag = "admin",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    request_body = LicenceReason,
    responses(
        (status = 200, body = LicenceStanding),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Not paid, or revoked already"),
        (status = 422, body = Problem),
    ),
)]
async fn admin_revoke_licence(
    State(app): State<App>,
    admin: AdminOnly,
    form::Path(key): form::Path<String>,
    form::Json(why): form::Json<LicenceReason>,
) -> Result<Json<LicenceStanding>> {
    let by_admin = Intervention { app: &app, by: admin.actor(), order: &key };
    Ok(Json(LicenceStanding::of(&by_admin.act(Deed::Revoke, &why.reason).await?)))
}

/// Restore the licence of any order
///
/// Whoever revoked it, unless its money went back.
#[utoipa::path(
    post,
    path = "/api/admin/orders/{order}/restore-licence",
    tag = "admin",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    request_body = LicenceReason,
    responses(
        (status = 200, body = LicenceStanding),
        (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Active, or refunded"),
        (status = 422, body = Problem),
    ),
)]
async fn admin_restore_licence(
    State(app): State<App>,
    admin: AdminOnly,
    form::Path(key): form::Path<String>,
    form::Json(why): form::Json<LicenceReason>,
) -> Result<Json<LicenceStanding>> {
    let by_admin = Intervention { app: &app, by: admin.actor(), order: &key };
    Ok(Json(LicenceStanding::of(&by_admin.act(Deed::Restore, &why.reason).await?)))
}
