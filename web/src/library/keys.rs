//! Licence keys by API, for the program that was sold: it sends the key its user entered and nobody has to be signed in. A key
//! that is unknown, replaced or revoked is answered the same way every time, and how often an address may ask is limited
//! (`limits::LICENCE_KEYS`). The rules are `orders/activation.rs`.

use super::view::SeatCount;
use crate::{App, Error, Result, form, openapi::Problem};
use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use mywork::{
    catalog::licence::LicenceKind,
    db::Actor,
    ids::ProductId,
    orders::activation::{self, ActivationError, Device, DeviceError, Terms},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key and the device it is used on.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct KeyOnDevice {
    #[schema(example = "MW-7K2QD-0V9XN-4TBRM-81HJC")]
    key: String,
    /// 1 to 200 characters that identify the device and stay the same on it.
    #[schema(example = "4c4c4544-0042-3510-8052-b4c04f564231")]
    device: String,
    /// What its user calls it; shown in their library.
    #[serde(default)]
    #[schema(example = "Ada's laptop")]
    device_name: String,
}

/// A key, and the device where it matters.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct KeyToValidate {
    #[schema(example = "MW-7K2QD-0V9XN-4TBRM-81HJC")]
    key: String,
    /// With it the answer says whether this device is activated.
    device: Option<String>,
}

/// Whether the key is good, and for what.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyAnswer {
    valid: bool,
    /// Absent when the key is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<KeyTerms>,
}

/// What a key stands for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyTerms {
    /// Compare it with your own: a key of another product is valid too.
    #[schema(value_type = Uuid)]
    product_id: ProductId,
    #[schema(value_type = String, example = "standard")]
    license_type: LicenceKind,
    /// Versions released until then are included; `null`: always.
    updates_until: Option<DateTime<Utc>>,
    seats: SeatCount,
    /// `null` when no device was named.
    activated: Option<bool>,
}

impl From<Option<Terms>> for KeyAnswer {
    fn from(terms: Option<Terms>) -> Self {
        let license = terms.map(|terms| KeyTerms {
            product_id: terms.product,
            license_type: terms.kind,
            updates_until: terms.updates_until,
            seats: terms.seats.into(),
            activated: terms.is_activated,
        });
        Self { valid: license.is_some(), license }
    }
}

impl From<ActivationError> for Error {
    fn from(error: ActivationError) -> Self {
        match error {
            ActivationError::UnknownKey => Error::invalid("key", error.to_string()),
            ActivationError::NoSeat { .. } => Error::Conflict(error.to_string()),
            ActivationError::Database(error) => error.into(),
        }
    }
}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        let field = match error {
            DeviceError::Fingerprint => "device",
            DeviceError::Name => "device_name",
        };
        Error::invalid(field, error.to_string())
    }
}

/// Activate a licence key on a device
///
/// For programs. The device takes a seat of the licence: a standard licence has one, an extended one ten, an enterprise
/// licence any number. Repeating it for the same device takes no second one, so a program may do it at every start.
#[utoipa::path(
    post,
    path = "/api/licences/activate",
    tag = "licences",
    request_body = KeyOnDevice,
    responses(
        (status = 200, body = KeyAnswer),
        (status = 409, body = Problem, description = "All seats are taken"),
        (status = 422, body = Problem, description = "No active licence has this key"),
        (status = 429, body = Problem),
    ),
)]
pub(super) async fn activate_licence(
    State(app): State<App>,
    form::Json(sent): form::Json<KeyOnDevice>,
) -> Result<Json<KeyAnswer>> {
    let device = Device::new(&sent.device, &sent.device_name)?;
    let mut tx = app.db.begin(Actor::System).await?;
    let terms = activation::activate(&mut tx, &sent.key, &device, app.now()).await?;
    tx.commit().await?;
    Ok(Json(Some(terms).into()))
}

/// Give a device's seat back
///
/// For programs, as when they are uninstalled. A device that holds no seat is answered the same.
#[utoipa::path(
    post,
    path = "/api/licences/deactivate",
    tag = "licences",
    request_body = KeyOnDevice,
    responses(
        (status = 200, body = KeyAnswer),
        (status = 422, body = Problem, description = "No active licence has this key"),
        (status = 429, body = Problem),
    ),
)]
pub(super) async fn deactivate_licence(
    State(app): State<App>,
    form::Json(sent): form::Json<KeyOnDevice>,
) -> Result<Json<KeyAnswer>> {
    let device = Device::new(&sent.device, &sent.device_name)?;
    let mut tx = app.db.begin(Actor::System).await?;
    let terms = activation::deactivate(&mut tx, &sent.key, &device, app.now()).await?;
    tx.commit().await?;
    Ok(Json(Some(terms).into()))
}

/// Validate a licence key
///
/// For programs. A key that is unknown, was replaced or belongs to a revoked licence is answered `{"valid": false}`, always.
#[utoipa::path(
    post,
    path = "/api/licences/validate",
    tag = "licences",
    request_body = KeyToValidate,
    responses((status = 200, body = KeyAnswer), (status = 422, body = Problem), (status = 429, body = Problem)),
)]
pub(super) async fn validate_licence(
    State(app): State<App>,
    form::Json(sent): form::Json<KeyToValidate>,
) -> Result<Json<KeyAnswer>> {
    let device = sent.device.map(|fingerprint| Device::new(&fingerprint, "")).transpose()?;
    let mut tx = app.db.begin(Actor::System).await?;
    let terms = activation::validate(&mut tx, &sent.key, device.as_ref(), app.now()).await?;
    tx.commit().await?;
    Ok(Json(terms.into()))
}
