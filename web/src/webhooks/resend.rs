//! Resend's events: what became of the e-mails we sent. Signed by Svix; the id in the header names the event.

use super::filed;
use crate::{App, Result, openapi::Problem};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use mywork::{config::Secret, webhooks::inbox::Source};
use mywork_vendors::svix;
use serde::Deserialize;

/// What is needed of the envelope to file it; the rest is read by the job.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
}

/// Receive a Resend event
///
/// For Resend only: signed by `svix-signature`. Answered as soon as the event is stored.
#[utoipa::path(
    post,
    path = "/api/webhooks/resend",
    operation_id = "receive_resend_webhook",
    tag = "webhooks",
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, body = super::Receipt),
        (status = 400, body = Problem, description = "The signature is missing, wrong or too old, or the body is no event"),
    ),
)]
pub(super) async fn receive(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let secrets: Vec<&str> = app.config.email.webhook_secrets.iter().map(Secret::reveal).collect();
    let id = header("svix-id");
    let verdict = svix::verify(id, header("svix-timestamp"), &body, header("svix-signature"), &secrets, app.now().timestamp());
    if let Err(error) = verdict {
        tracing::warn!(%error, "a Resend event was refused");
        let sentence = format!("The signature of this event was not accepted: {error}.");
        return Ok(Problem::new(StatusCode::BAD_REQUEST, sentence).into_response());
    }
    let parsed = std::str::from_utf8(&body).ok().and_then(|text| Some((text, serde_json::from_str::<Envelope>(text).ok()?)));
    let Some((payload, envelope)) = parsed else {
        return Ok(Problem::new(StatusCode::BAD_REQUEST, "This body is not an event of Resend's.").into_response());
    };
    filed(&app, Source::Resend, id, &envelope.kind, payload).await.map(IntoResponse::into_response)
}
