//! `/sitemap.xml`: the addresses of what is on sale, for search engines. The format allows 50,000 addresses in one file; the
//! newest products come first, so that a catalogue beyond that loses its oldest.

use crate::{App, Result};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use mywork::catalog::{browse, category};
use std::fmt::Write as _;

const MOST_PRODUCTS: i64 = 45_000;

pub(super) async fn show(State(app): State<App>) -> Result<Response> {
    let pool = app.db.public();
    let (products, shelves) = tokio::try_join!(browse::addresses(pool, MOST_PRODUCTS), category::shelves(pool))?;
    let mut xml = String::with_capacity(200 + products.len() * 120);
    xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n");
    let mut add = |path: &str, changed: Option<String>| {
        let changed = changed.map(|at| format!("<lastmod>{at}</lastmod>")).unwrap_or_default();
        // Slugs are letters, digits and dashes, so there is nothing to escape but the base, which is configuration.
        writeln!(xml, "<url><loc>{}</loc>{changed}</url>", app.url(path).replace('&', "&amp;"))
    };
    let written = ["/", "/products"].into_iter().try_for_each(|path| add(path, None)).and_then(|()| {
        let filled = shelves.iter().filter(|shelf| shelf.products > 0);
        filled.map(|shelf| format!("/products?category={}", shelf.category.slug)).try_for_each(|path| add(&path, None))?;
        products.iter().try_for_each(|product| {
            add(&format!("/products/{}", product.slug), Some(product.updated_at.format("%Y-%m-%d").to_string()))
        })
    });
    written.map_err(anyhow::Error::new)?;
    xml.push_str("</urlset>\n");
    let headers = [(header::CONTENT_TYPE, "application/xml; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    Ok((headers, xml).into_response())
}
