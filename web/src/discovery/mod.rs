//! Finding things: the front page, the catalogue with its filters, a product's page and its reviews, sellers' public pages,
//! pictures, the site map; and the same for programs. Everything public is read without an actor, in one or two round trips;
//! only what is somebody's own (a draft, a licence, a review) is read or written on their behalf.

mod api;
mod browse;
mod home;
mod media;
mod product;
mod review_api;
mod reviews;
mod seller;
mod shapes;
mod sitemap;
pub mod views;

use crate::{App, Error};
use axum::{
    Router,
    routing::{get, post},
};
use mywork::{catalog::review, search};
use utoipa_axum::router::OpenApiRouter;

/// Pages of this area.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/", get(home::show))
        .route("/products", get(browse::show))
        .route("/products/{product}", get(product::show))
        .route("/products/{product}/reviews", post(reviews::write))
        .route("/products/{product}/reviews/{review}", post(reviews::edit))
        .route("/products/{product}/reviews/{review}/delete", post(reviews::delete))
        .route("/sellers/{username}", get(seller::show))
        .route("/media/{*key}", get(media::show))
        .route("/sitemap.xml", get(sitemap::show))
}

/// API of this area, each route with its full path.
pub fn api() -> OpenApiRouter<App> {
    api::routes().merge(review_api::routes())
}

impl From<search::Error> for Error {
    fn from(error: search::Error) -> Self {
        match error {
            search::Error::BadCursor => Error::invalid("cursor", error.to_string()),
            search::Error::Unavailable(error) => error.into(),
        }
    }
}

impl From<review::Error> for Error {
    fn from(error: review::Error) -> Self {
        match error {
            review::Error::NotBought => Error::Forbidden(error.to_string()),
            review::Error::AlreadyReviewed => Error::Conflict(error.to_string()),
            review::Error::NotFound => Error::NotFound("review"),
            review::Error::Invalid { field, message } => Error::invalid(field, message),
            review::Error::Database(error) => error.into(),
        }
    }
}
