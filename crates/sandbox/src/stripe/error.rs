//! Errors in Stripe's words: <https://docs.stripe.com/api/errors>.

use super::card::Reason;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

#[derive(Debug)]
pub(super) struct ApiError {
    pub status: StatusCode,
    fields: Map<String, Value>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let mut fields = Map::new();
        fields.insert("type".into(), kind.into());
        fields.insert("message".into(), message.into().into());
        Self { status, fields }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    pub fn missing(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    pub fn unknown_param(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(param)
    }

    pub fn no_such(what: &str, id: &str) -> Self {
        let mut error = Self::invalid(format!("No such {what}: '{id}'")).code("resource_missing").param("id");
        error.status = StatusCode::NOT_FOUND;
        error
    }

    pub fn no_route(method: &str, path: &str) -> Self {
        let mut error = Self::invalid(format!(
            "Unrecognized request URL ({method}: {path}). The sandbox has the routes of docs/sandbox.md and no others."
        ));
        error.status = StatusCode::NOT_FOUND;
        error
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message)
    }

    pub fn secret_key_required() -> Self {
        let mut error =
            Self::unauthorized("This API call cannot be made with a publishable API key. Please use a secret API key.");
        error.status = StatusCode::FORBIDDEN;
        error.code("secret_key_required")
    }

    pub fn other_parameters(key: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "idempotency_error",
            format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a \
                 key other than '{key}' if you meant to execute a different request."
            ),
        )
    }

    pub fn other_endpoint(key: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "idempotency_error",
            format!("Keys for idempotent requests can only be used for the same endpoint they were first used for ('{key}')."),
        )
    }

    pub fn state(intent: &Value, act: &str) -> Self {
        let status = intent["status"].as_str().unwrap_or_default();
        Self::invalid(format!("You cannot {act} this PaymentIntent because it has a status of {status}."))
            .code("payment_intent_unexpected_state")
            .with("payment_intent", intent.clone())
    }

    /// The number, date or code cannot be right; nothing was asked of an issuer.
    pub fn incorrect_card(code: &str, param: &str, message: &str) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", message).code(code).param(param)
    }

    /// The issuer said no.
    pub fn declined(reason: Reason, charge: Option<&str>, payment_method: &Value) -> Self {
        let mut error = Self::new(StatusCode::PAYMENT_REQUIRED, "card_error", reason.message).code(reason.code);
        if let Some(decline_code) = reason.decline_code {
            error = error.with("decline_code", decline_code.into());
        }
        if let Some(charge) = charge {
            error = error.with("charge", charge.into());
        }
        error
            .with("doc_url", format!("https://stripe.com/docs/error-codes/{}", reason.code.replace('_', "-")).into())
            .with("payment_method", payment_method.clone())
    }

    /// The holder of the card did not pass 3-D Secure.
    pub fn not_authenticated(payment_method: &Value) -> Self {
        Self::invalid(
            "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
        )
        .code("payment_intent_authentication_failure")
        .with("payment_method", payment_method.clone())
    }

    pub fn code(self, code: &str) -> Self {
        self.with("code", code.into())
    }

    pub fn param(self, param: &str) -> Self {
        self.with("param", param.into())
    }

    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.into(), value);
        self
    }

    /// Stripe keeps the outcome of a request under its idempotency key once it began to execute, a decline among them; not
    /// that of one it refused to begin.
    pub fn is_kept(&self) -> bool {
        self.status == StatusCode::PAYMENT_REQUIRED || self.status.is_server_error()
    }

    /// As `last_payment_error` of an intent.
    pub fn as_last_error(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    pub fn body(&self) -> Value {
        json!({ "error": self.fields })
    }

    pub fn message(&self) -> &str {
        self.fields["message"].as_str().unwrap_or_default()
    }

    pub fn code_text(&self) -> &str {
        self.fields.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}
