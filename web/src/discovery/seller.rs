//! `/sellers/{username}`: a seller's public page with everything they have on sale, in the order the address asks for.

use crate::{App, Error, Result, auth::Visitor, form::Path};
use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use mywork::{
    catalog::browse::{self, Seller},
    search::{Hit, Query},
};
use serde::Serialize;

#[derive(Serialize)]
struct Page {
    seller: Seller,
    avatar_url: String,
    items: Vec<Hit>,
    total: u64,
    first: u64,
    last: u64,
    previous: Option<String>,
    next: Option<String>,
    /// The same products with all filters.
    browse: String,
    is_own: bool,
    url: String,
}

pub(super) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    Path(username): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response> {
    let seller = browse::seller(app.db.public(), &username).await?.ok_or(Error::NotFound("seller"))?;
    let (asked, _) = Query::parse(raw.as_deref().unwrap_or_default());
    let own = Query { page: asked.page, sort: asked.sort, ..Query::default() };
    let mut query = own.clone();
    query.filters.seller = Some(username);
    let hits = app.search.search(&query).await?;
    // The seller is in the path already; order and page are what is left to say.
    let address = |page: u32| match (Query { page, ..own.clone() }).to_query_string() {
        nothing if nothing.is_empty() => format!("/sellers/{}", seller.name.username),
        rest => format!("/sellers/{}?{rest}", seller.name.username),
    };
    let first = u64::from(query.page - 1) * u64::from(query.limit) + 1;
    let shown = hits.items.len() as u64;
    let context = Page {
        avatar_url: crate::auth::avatar_url(&seller.name.username, seller.name.avatar_key.as_deref()),
        first: if shown == 0 { 0 } else { first },
        last: if shown == 0 { 0 } else { first + shown - 1 },
        total: hits.total,
        previous: (query.page > 1).then(|| address(query.page - 1)),
        next: hits.next.is_some().then(|| address(query.page + 1)),
        items: hits.items,
        browse: super::browse::address(&query.from_start()),
        is_own: visitor.0.as_ref().is_some_and(|viewer| viewer.id == seller.name.id),
        url: app.url(&format!("/sellers/{}", seller.name.username)),
        seller,
    };
    app.page(&visitor, "pages/discovery/seller.html", &context)
}
