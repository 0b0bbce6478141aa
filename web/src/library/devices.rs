//! The buyer's side of a licence key: the devices that hold its seats, a button to take one back, and a new key. The same by API.

use super::view::{DeviceLine, LicenceCard, SeatCount};
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form,
    identity::origin,
    openapi::Problem,
    page::{self, Flash},
};
use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use mywork::{
    db::Actor,
    ids::ActivationId,
    orders::{
        activation, licence,
        order::{self, OrderKey},
        rotate_key::{self, RotateError},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

impl From<RotateError> for Error {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::UnknownOrder => Error::NotFound("order"),
            RotateError::NotPaid => Error::Conflict(error.to_string()),
            RotateError::Revoked => Error::Gone(error.to_string()),
            RotateError::Email(error) => error.into(),
            RotateError::Database(error) => error.into(),
        }
    }
}

/// The devices of a licence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    seats: SeatCount,
    /// Those that hold a seat, the one seen last first; at most a hundred.
    data: Vec<DeviceLine>,
}

/// List the devices of a licence
///
/// Every device on which the key of this order's licence is active.
#[utoipa::path(
    get,
    path = "/api/orders/{order}/activations",
    tag = "licences",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    responses((status = 200, body = Devices), (status = 404, body = Problem)),
)]
pub(super) async fn list_activations(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Json<Devices>> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_bought(&mut tx, viewer.id, &OrderKey::from(key.as_str())).await?.ok_or(Error::NotFound("order"))?;
    let licence = licence::of_order(&mut tx, order.id).await?.ok_or(Error::NotFound("licence"))?;
    let devices = activation::of_licence(&mut tx, licence.id).await?;
    let seats = activation::seats(&mut tx, &licence).await?;
    tx.commit().await?;
    Ok(Json(Devices { seats: seats.into(), data: devices.into_iter().map(DeviceLine::of).collect() }))
}

/// Release a device
///
/// Its seat is free at once, for this device or another.
#[utoipa::path(
    delete,
    path = "/api/orders/{order}/activations/{activation}",
    tag = "licences",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number"), ("activation" = Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem)),
)]
pub(super) async fn release_activation(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path((key, activation)): form::Path<(String, ActivationId)>,
) -> Result<StatusCode> {
    release(&app, &viewer, &key, activation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace a licence key
///
/// The old key stops working at once and every device has to be activated again with the new one, which is in the answer.
#[utoipa::path(
    post,
    path = "/api/orders/{order}/rotate-key",
    tag = "licences",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    responses(
        (status = 200, body = LicenceCard),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Not paid"),
        (status = 410, body = Problem, description = "The licence was revoked"),
    ),
)]
pub(super) async fn rotate_licence_key(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Json<LicenceCard>> {
    rotate(&app, &viewer, &key).await.map(Json)
}

/// The button beside the key.
pub(super) async fn rotate_on_page(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Response> {
    let told = match rotate(&app, &viewer, &key).await {
        Ok(_) => Flash::success("The licence has a new key. Enter it on your devices; the old one stopped working."),
        Err(error @ (Error::Conflict(_) | Error::Gone(_))) => Flash::error(error.to_string()),
        Err(error) => return Err(error),
    };
    Ok(page::flash(page::see_other(&format!("/library/orders/{key}")), told))
}

/// The button beside a device.
pub(super) async fn release_on_page(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path((key, activation)): form::Path<(String, ActivationId)>,
) -> Result<Response> {
    release(&app, &viewer, &key, activation).await?;
    let back = page::see_other(&format!("/library/orders/{key}"));
    Ok(page::flash(back, Flash::success("The device is released; its seat is free.")))
}

async fn rotate(app: &App, viewer: &Viewer, key: &str) -> Result<LicenceCard> {
    let key = OrderKey::from(key);
    let mut tx = app.db.begin(Actor::System).await?;
    let order = rotate_key::rotate(&mut tx, viewer.id, &key, &origin(), app.now()).await?;
    let licence = licence::of_order(&mut tx, order).await?.ok_or(Error::NotFound("licence"))?;
    tx.commit().await?;
    Ok(LicenceCard::of(&licence))
}

/// Looks in the buyer's own transaction, which shows only their orders, and writes in the system's.
async fn release(app: &App, viewer: &Viewer, key: &str, activation: ActivationId) -> Result<()> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_bought(&mut tx, viewer.id, &OrderKey::from(key)).await?.ok_or(Error::NotFound("order"))?;
    tx.commit().await?;
    let mut tx = app.db.begin(Actor::System).await?;
    if !activation::release(&mut tx, viewer.id, order.id, activation, app.now()).await? {
        return Err(Error::NotFound("device"));
    }
    tx.commit().await?;
    Ok(())
}
