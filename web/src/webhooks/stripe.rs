//! Stripe's events (ORDER-07, PAY-03). Two secrets may be valid at once, while one is rolled; a signature older than five minutes
//! is refused. An event of a kind that nothing acts on is stored too and marked by its job.

use super::filed;
use crate::{App, Result, openapi::Problem};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use mywork::{config::Secret, webhooks::inbox::Source};
use mywork_vendors::stripe::{Event, verify_signature};

/// Receive a Stripe event
///
/// For Stripe only: signed by `Stripe-Signature`. Answered as soon as the event is stored.
#[utoipa::path(
    post,
    path = "/api/webhooks/stripe",
    operation_id = "receive_stripe_webhook",
    tag = "webhooks",
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, body = super::Receipt),
        (status = 400, body = Problem, description = "The signature is missing, wrong or too old, or the body is no event"),
    ),
)]
pub(super) async fn receive(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let signature = headers.get("stripe-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let secrets: Vec<&str> = app.config.stripe.webhook_secrets.iter().map(Secret::reveal).collect();
    if let Err(error) = verify_signature(&body, signature, &secrets, app.now().timestamp()) {
        tracing::warn!(%error, "a Stripe event was refused");
        let sentence = format!("The signature of this event was not accepted: {error}.");
        return Ok(Problem::new(StatusCode::BAD_REQUEST, sentence).into_response());
    }
    let (Ok(event), Ok(payload)) = (Event::parse(&body), std::str::from_utf8(&body)) else {
        return Ok(Problem::new(StatusCode::BAD_REQUEST, "This body is not an event of Stripe's.").into_response());
    };
    filed(&app, Source::Stripe, &event.id, &event.kind, payload).await.map(IntoResponse::into_response)
}
