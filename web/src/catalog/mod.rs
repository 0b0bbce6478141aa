//! Selling: the dashboard's overview and products, the wizard, uploads, live checks; and the same acts for programs.
//!
//! A handler begins a transaction as the seller, calls the domain, commits. Only `uploads.rs` speaks to storage, to sign
//! addresses and to ask what has arrived, and never while a transaction is open.

mod api;
mod checks;
mod listing;
mod manage;
mod overview;
mod shapes;
mod uploads;
mod wizard;

pub(crate) use shapes::{FindingShape, Labelled};

use crate::{App, Error, FieldErrors};
use axum::routing::{get, post};
use mywork::catalog;

/// Pages of this area.
pub fn pages() -> axum::Router<App> {
    axum::Router::new()
        .route("/dashboard", get(overview::page))
        .route("/dashboard/products", get(listing::page))
        .route("/dashboard/products/new", get(wizard::begin).post(wizard::create))
        .route("/dashboard/products/{product}", get(wizard::enter))
        .route("/dashboard/products/{product}/edit", get(wizard::edit).post(wizard::save))
        .route("/dashboard/products/{product}/submit", post(manage::submit))
        .route("/dashboard/products/{product}/withdraw", post(manage::withdraw))
        .route("/dashboard/products/{product}/pause", post(manage::pause))
        .route("/dashboard/products/{product}/resume", post(manage::resume))
        .route("/dashboard/products/{product}/delete", post(manage::delete))
        .route("/dashboard/products/{product}/images/{image}", post(manage::edit_image))
        .route("/dashboard/products/{product}/images/{image}/remove", post(manage::remove_image))
        .route("/dashboard/products/{product}/uploads/{upload}/remove", post(manage::abort_upload))
        .route("/dashboard/products/{product}/checks", get(checks::page))
        .route("/dashboard/products/{product}/checks/events", get(checks::events))
}

/// API of this area, each route with its full path.
pub fn api() -> utoipa_axum::router::OpenApiRouter<App> {
    api::routes().merge(uploads::routes())
}

impl From<catalog::Problems> for FieldErrors {
    fn from(problems: catalog::Problems) -> Self {
        let mut errors = FieldErrors::new();
        for (field, sentences) in problems.0 {
            for sentence in sentences {
                errors.add(field.clone(), sentence);
            }
        }
        errors
    }
}

impl From<catalog::Error> for Error {
    fn from(error: catalog::Error) -> Self {
        use catalog::Error as Catalog;
        match error {
            Catalog::NotFound(what) => Self::NotFound(what),
            Catalog::Invalid(problems) => Self::Invalid(problems.into()),
            Catalog::NotASeller | Catalog::Forbidden(_) => Self::Forbidden(error.to_string()),
            Catalog::WrongState { .. } | Catalog::Conflict(_) => Self::Conflict(error.to_string()),
            Catalog::Database(error) => error.into(),
            Catalog::Enqueue(error) => Self::Internal(error.into()),
            Catalog::Start(error) => Self::Internal(error.into()),
            Catalog::Workflow(error) => Self::Internal(error.into()),
            Catalog::Email(error) => Self::Internal(error.into()),
        }
    }
}

/// Takes the field errors out of a refusal, so that a page can show them; everything else stays an error.
fn field_errors(result: Result<(), catalog::Error>) -> Result<FieldErrors, Error> {
    match result {
        Ok(()) => Ok(FieldErrors::new()),
        Err(catalog::Error::Invalid(problems)) => Ok(problems.into()),
        Err(error) => Err(error.into()),
    }
}
