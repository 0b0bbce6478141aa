//! Who asks: a thin axum tier, pages and API over the same domain calls.
//!
//! A handler finds out who is asking, begins a transaction for them, calls the domain, commits, and answers. It contains no
//! SQL, knows no rule of the marketplace, and calls no vendor besides signing storage addresses and asking Stripe for a
//! payment. An area is a folder with `pages.rs` and `api.rs`; `router.rs` is the table of contents.

mod address;
pub mod app;
pub mod assets;
pub mod auth;
mod conditional;
pub mod decimal;
pub mod error;
pub mod form;
mod headers;
mod idempotency;
pub mod limits;
pub mod openapi;
pub mod page;
pub mod request;
pub mod router;
mod server;
pub mod templates;

pub mod admin;
pub mod catalog;
pub mod checkout;
pub mod discovery;
pub mod identity;
pub mod library;
pub mod ops;
pub mod sales;
pub mod webhooks;

pub use app::{App, Parts};
pub use error::{Error, FieldErrors};
pub use server::serve;

/// What a handler answers with.
pub type Result<T, E = Error> = std::result::Result<T, E>;
