//! Errors become responses here and nowhere else.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
    Json,
};
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("There is no such {{ entity_words }}.")]
    NotFound,
    #[error("Some fields need attention.")]
    Invalid(Vec<String>),
    #[error("Something went wrong on our side.")]
    Database(#[from] sqlx::Error),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match &self {
            Error::NotFound => StatusCode::NOT_FOUND,
            Error::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Database(error) => {
                tracing::error!(%error, "database");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let title = self.to_string();
        let problems = if let Error::Invalid(problems) = self { problems } else { Vec::new() };
        (status, Json(json!({ "title": title, "problems": problems }))).into_response()
    }
}
