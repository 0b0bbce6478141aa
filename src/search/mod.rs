//! The search port: what a person may ask of the catalogue and what comes back, whoever answers. Postgres answers today
//! ([`PgSearch`]); another engine implements the same trait and finds ids and highlights, never prices or titles, which
//! are always read fresh from the catalogue ([`crate::catalog::browse::cards`]).
//!
//! A [`Query`] is the whole state of a result page and round-trips through its query string, so that a URL says
//! everything (SEARCH-04). Nothing in a [`Hits`] tells which engine made it.

mod cursor;
mod facets;
mod highlight;
mod postgres;
mod query;

pub use facets::{Count, Facets, PriceRange};
pub use highlight::{Fragment, Highlight};
pub use postgres::PgSearch;
pub use query::{Filters, LIMIT_MAX, Notice, PAGE_MAX, PAGE_SIZE, Query, Sort};

use crate::catalog::browse::Card;
use async_trait::async_trait;
use serde::Serialize;

/// Something that finds active products.
#[async_trait]
pub trait SearchEngine: Send + Sync + 'static {
    /// One page of results with the number of all of them and the counts beside each filter.
    async fn search(&self, query: &Query) -> Result<Hits, Error>;

    /// One page of results without any counting: for lists that are walked by cursor.
    async fn list(&self, query: &Query) -> Result<Found, Error>;
}

/// What a search page shows.
#[derive(Clone, Debug, Serialize)]
pub struct Hits {
    pub items: Vec<Hit>,
    /// How many products match, on all pages together.
    pub total: u64,
    pub facets: Facets,
    /// Where the next page starts, if there is one: a [`Query::cursor`].
    pub next: Option<String>,
}

/// What a list shows.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub items: Vec<Hit>,
    /// Where the next page starts, if there is one: a [`Query::cursor`].
    pub next: Option<String>,
}

/// One product found, and where the words were.
#[derive(Clone, Debug, Serialize)]
pub struct Hit {
    #[serde(flatten)]
    pub card: Card,
    /// The title with the words that matched; only when there was a text to match.
    pub title_highlight: Option<Highlight>,
    /// The part of the description where the words are; only when there was a text to match.
    pub excerpt: Option<Highlight>,
}

/// Why a search gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cursor was not made by this list, or by another sort order.
    #[error("This cursor does not belong to this list. Start again without it.")]
    BadCursor,
    /// The engine did not answer.
    #[error("Search is not available at the moment. Try again in a minute.")]
    Unavailable(#[from] sqlx::Error),
}
