//! Where vendors deliver their events. A request is verified against the raw body, stored once with the job that will act on
//! it, and answered, in milliseconds; everything else is the job's. Clerk's endpoint is with identity.

mod resend;
mod stripe;

use crate::{App, Error, Result};
use axum::Json;
use mywork::{
    db::Actor,
    webhooks::inbox::{self, ReceiveError, Source},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// API of this area.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stripe::receive)).routes(routes!(resend::receive))
}

/// What a sender is told.
#[derive(Debug, Serialize, ToSchema)]
struct Receipt {
    received: bool,
    /// This event had come before.
    duplicate: bool,
}

/// Files a verified event: the row and its job in one transaction. An error makes the sender deliver again.
async fn filed(app: &App, source: Source, event_id: &str, kind: &str, payload: &str) -> Result<Json<Receipt>> {
    let mut tx = app.db.begin(Actor::System).await?;
    let received = inbox::receive(&mut tx, source, event_id, kind, payload, app.now()).await.map_err(|error| match error {
        ReceiveError::Database(error) => Error::from(error),
        ReceiveError::Queue(error) => Error::Internal(error.into()),
    })?;
    tx.commit().await?;
    let fresh = if received.fresh { "yes" } else { "no" };
    metrics::counter!("webhook_events_total", "source" => source.as_str(), "fresh" => fresh).increment(1);
    Ok(Json(Receipt { received: true, duplicate: !received.fresh }))
}
