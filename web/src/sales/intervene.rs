//! What a seller does to a sale of theirs: more downloads, revoke, restore, deliver again. `web/src/admin/licences.rs` does the
//! same to any order, through [`Intervention`]. The rules are `orders/intervene.rs`.

use super::pages;
use crate::{
    App, Error, FieldErrors, Result,
    auth::SignedIn,
    form,
    identity::origin,
    library::view::LicenceStanding,
    openapi::Problem,
    page::{self, Flash},
};
use axum::{Json, extract::State, response::Response};
use http::StatusCode;
use mywork::{
    db::Actor,
    orders::{
        intervene::{self, Act, Delivery, InterveneError},
        licence::Licence,
        order::{self, OrderKey},
    },
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

impl From<InterveneError> for Error {
    fn from(error: InterveneError) -> Self {
        match error {
            InterveneError::UnknownOrder => Error::NotFound("order"),
            InterveneError::NoReason => Error::invalid("reason", error.to_string()),
            InterveneError::Extension => Error::invalid("downloads", error.to_string()),
            InterveneError::NotPaid | InterveneError::Revoked | InterveneError::Already(_) | InterveneError::Refunded => {
                Error::Conflict(error.to_string())
            }
            InterveneError::NotYours => Error::Forbidden(error.to_string()),
            InterveneError::Email(error) => error.into(),
            InterveneError::Queue(error) => Error::Internal(error.into()),
            InterveneError::Database(error) => error.into(),
        }
    }
}

/// What is done to a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Extend(i32),
    Revoke,
    Restore,
}

/// What was typed into one of the forms, to be shown again with what is wrong about it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Typed {
    pub reason: String,
    pub downloads: String,
    pub errors: FieldErrors,
}

/// The acts on one order as its page shows them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Acts {
    /// Address of the order's page, which the forms are below.
    pub address: String,
    pub licence: Option<LicenceStanding>,
    /// The delivery is still to come, and can be asked for again.
    pub is_undelivered: bool,
    pub typed: Typed,
}

/// Who acts on which order.
pub(crate) struct Intervention<'a> {
    pub app: &'a App,
    /// `User`: as the seller. `Admin`: as an admin.
    pub by: Actor,
    pub order: &'a str,
}

impl Intervention<'_> {
    pub async fn act(&self, deed: Deed, reason: &str) -> Result<Licence> {
        let order = self.look().await?;
        let origin = origin();
        let act = Act { by: self.by, reason, origin: &origin, now: self.app.now() };
        let mut tx = self.app.db.begin(Actor::System).await?;
        let licence = match deed {
            Deed::Extend(more) => intervene::extend(&mut tx, &order, more, act).await?,
            Deed::Revoke => intervene::revoke(&mut tx, &order, act).await?,
            Deed::Restore => intervene::restore(&mut tx, &order, act).await?,
        };
        tx.commit().await?;
        Ok(licence)
    }

    pub async fn deliver(&self) -> Result<Delivery> {
        let order = self.look().await?;
        let mut tx = self.app.db.begin(Actor::System).await?;
        let delivery = intervene::deliver(&mut tx, &order, self.by, &origin(), self.app.now()).await?;
        tx.commit().await?;
        Ok(delivery)
    }

    /// The message after the act, or what was typed with what is wrong about it; other errors are pages of their own.
    pub async fn on_page(&self, deed: Result<Deed, Typed>, reason: String) -> Result<Result<Flash, Typed>> {
        let (deed, downloads) = match deed {
            Ok(deed @ Deed::Extend(more)) => (deed, more.to_string()),
            Ok(deed) => (deed, String::new()),
            Err(typed) => return Ok(Err(typed)),
        };
        Ok(match self.act(deed, &reason).await {
            Ok(licence) => Ok(Flash::success(match deed {
                Deed::Extend(_) => format!("The buyer may now download each version {} times.", licence.max_downloads),
                Deed::Revoke => "The licence is revoked: its downloads are closed and its key stopped working.".into(),
                Deed::Restore => "The licence is restored: its downloads are open and its key works again.".into(),
            })),
            Err(Error::Invalid(errors)) => Err(Typed { reason, downloads, errors }),
            Err(Error::Conflict(why) | Error::Forbidden(why)) => Ok(Flash::warning(why)),
            Err(error) => return Err(error),
        })
    }

    pub async fn deliver_on_page(&self) -> Result<Flash> {
        match self.deliver().await {
            Ok(Delivery::Underway(_)) => Ok(Flash::success("The order is on its way to the buyer.")),
            Ok(Delivery::Done) => Ok(Flash::success("This order was delivered meanwhile.")),
            Err(Error::Conflict(why)) => Ok(Flash::warning(why)),
            Err(error) => Err(error),
        }
    }

    /// Looks as the actor, whom row-level security shows their own orders only, before the system acts for them.
    async fn look(&self) -> Result<OrderKey> {
        let key = OrderKey::from(self.order);
        let mut tx = self.app.db.begin(self.by).await?;
        let order = match self.by {
            Actor::User(seller) => order::find_sold(&mut tx, seller, &key).await?,
            _ => order::find(&mut tx, &key).await?,
        };
        tx.commit().await?;
        Ok(order.ok_or(Error::NotFound("order"))?.id.into())
    }
}

/// The form that grants more downloads.
#[derive(Debug, Deserialize)]
pub(crate) struct ExtendForm {
    #[serde(default)]
    downloads: String,
    #[serde(default)]
    pub reason: String,
}

impl ExtendForm {
    pub fn deed(&self) -> Result<Deed, Typed> {
        self.downloads.trim().parse().map(Deed::Extend).map_err(|_| {
            let mut errors = FieldErrors::new();
            errors.add("downloads", "Write a number from 1 to 100.");
            Typed { reason: self.reason.clone(), downloads: self.downloads.clone(), errors }
        })
    }
}

/// The forms that ask for a reason and nothing else.
#[derive(Debug, Deserialize)]
pub(crate) struct ReasonForm {
    #[serde(default)]
    pub reason: String,
}

/// Why a licence is revoked or restored.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct LicenceReason {
    /// 3 to 500 characters. The buyer reads it, and it is kept in the audit log.
    #[schema(example = "The key was published in a public repository.")]
    pub reason: String,
}

/// More downloads, and why.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct MoreDownloads {
    /// 1 to 100 more downloads of each version.
    #[schema(example = 5)]
    pub downloads: i32,
    /// 3 to 500 characters. The buyer reads it, and it is kept in the audit log.
    #[schema(example = "The buyer's machine was replaced.")]
    pub reason: String,
}

pub(super) async fn extend_on_page(
    State(app): State<App>,
    viewer: SignedIn,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<ExtendForm>,
) -> Result<Response> {
    act_on_page(&app, viewer, key, form.deed(), form.reason).await
}

pub(super) async fn revoke_on_page(
    State(app): State<App>,
    viewer: SignedIn,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<ReasonForm>,
) -> Result<Response> {
    act_on_page(&app, viewer, key, Ok(Deed::Revoke), form.reason).await
}

pub(super) async fn restore_on_page(
    State(app): State<App>,
    viewer: SignedIn,
    form::Path(key): form::Path<String>,
    form::Form(form): form::Form<ReasonForm>,
) -> Result<Response> {
    act_on_page(&app, viewer, key, Ok(Deed::Restore), form.reason).await
}

pub(super) async fn deliver_on_page(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Response> {
    let told = Intervention { app: &app, by: viewer.actor(), order: &key }.deliver_on_page().await?;
    Ok(page::flash(page::see_other(&format!("/dashboard/orders/{key}")), told))
}

async fn act_on_page(
    app: &App,
    SignedIn(viewer): SignedIn,
    key: String,
    deed: Result<Deed, Typed>,
    reason: String,
) -> Result<Response> {
    match (Intervention { app, by: viewer.actor(), order: &key }).on_page(deed, reason).await? {
        Ok(told) => Ok(page::flash(page::see_other(&format!("/dashboard/orders/{key}")), told)),
        Err(typed) => pages::render(app, &viewer, &key, StatusCode::UNPROCESSABLE_ENTITY, typed).await,
    }
}

/// Grant more downloads
///
/// To the buyer of one of the caller's sales, for every version.
#[utoipa::path(
    post,
    path = "/api/seller/orders/{order}/extend-downloads",
    tag = "seller",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    request_body = MoreDownloads,
    responses(
        (status = 200, body = LicenceStanding),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Not paid, or revoked"),
        (status = 422, body = Problem),
    ),
)]
pub(super) async fn extend_downloads(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Json(wish): form::Json<MoreDownloads>,
) -> Result<Json<LicenceStanding>> {
    let by_seller = Intervention { app: &app, by: viewer.actor(), order: &key };
    let licence = by_seller.act(Deed::Extend(wish.downloads), &wish.reason).await?;
    Ok(Json(LicenceStanding::of(&licence)))
}

/// Revoke a licence
///
/// Of one of the caller's sales: no more links are given out and the key stops working at once. The buyer is told why.
#[utoipa::path(
    post,
    path = "/api/seller/orders/{order}/revoke-licence",
    tag = "seller",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    request_body = LicenceReason,
    responses(
        (status = 200, body = LicenceStanding),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Not paid, or revoked already"),
        (status = 422, body = Problem),
    ),
)]
pub(super) async fn revoke_licence(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Json(why): form::Json<LicenceReason>,
) -> Result<Json<LicenceStanding>> {
    let by_seller = Intervention { app: &app, by: viewer.actor(), order: &key };
    Ok(Json(LicenceStanding::of(&by_seller.act(Deed::Revoke, &why.reason).await?)))
}

/// Restore a licence
///
/// That the caller revoked.
#[utoipa::path(
    post,
    path = "/api/seller/orders/{order}/restore-licence",
    tag = "seller",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    request_body = LicenceReason,
    responses(
        (status = 200, body = LicenceStanding),
        (status = 403, body = Problem, description = "Somebody else revoked it"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Active, or refunded"),
        (status = 422, body = Problem),
    ),
)]
pub(super) async fn restore_licence(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
    form::Json(why): form::Json<LicenceReason>,
) -> Result<Json<LicenceStanding>> {
    let by_seller = Intervention { app: &app, by: viewer.actor(), order: &key };
    Ok(Json(LicenceStanding::of(&by_seller.act(Deed::Restore, &why.reason).await?)))
}

/// How a delivery stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryAnswer {
    /// `delivered` or `underway`.
    #[schema(example = "underway")]
    status: &'static str,
    /// The job that delivers.
    job_id: Option<i64>,
}

/// Deliver an order again
///
/// For its seller and for admins: a paid order whose delivery never came is delivered. Asking twice delivers once, and an order
/// that was delivered stays as it is.
#[utoipa::path(
    post,
    path = "/api/marketplace/orders/{order}/deliver",
    tag = "orders",
    security(("bearer" = []), ("session" = [])),
    params(("order" = String, Path, description = "Id or number")),
    responses(
        (status = 200, body = DeliveryAnswer, description = "Delivered before"),
        (status = 202, body = DeliveryAnswer),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Not paid"),
    ),
)]
pub(super) async fn deliver_order(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<(StatusCode, Json<DeliveryAnswer>)> {
    let by = if viewer.is_admin { Actor::Admin(viewer.id) } else { viewer.actor() };
    Ok(match (Intervention { app: &app, by, order: &key }).deliver().await? {
        Delivery::Done => (StatusCode::OK, Json(DeliveryAnswer { status: "delivered", job_id: None })),
        Delivery::Underway(job) => (StatusCode::ACCEPTED, Json(DeliveryAnswer { status: "underway", job_id: Some(job.0) })),
    })
}
