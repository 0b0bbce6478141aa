//! `/dashboard/products`: the seller's products, the last changed first, by state and by words in the title.

use crate::{
    App, Result,
    auth::SignedIn,
    form::Query,
    openapi::{ByTime, List, Paging},
};
use axum::{extract::State, response::Response};
use mywork::catalog::product::{self, Listing, OwnFilter, ProductState};
use mywork::ids::ProductId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    state: Option<String>,
    q: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Page {
    products: Vec<Listing>,
    tabs: Vec<Tab>,
    state: String,
    q: String,
    /// Address of the next page.
    next: String,
    /// Nothing was ever created.
    is_new: bool,
}

#[derive(Serialize)]
struct Tab {
    state: String,
    label: &'static str,
    count: i64,
}

pub(super) async fn page(State(app): State<App>, SignedIn(viewer): SignedIn, Query(filter): Query<Filter>) -> Result<Response> {
    let paging = Paging { cursor: filter.cursor, limit: Some(20) };
    let state: Option<ProductState> = filter.state.as_deref().and_then(|word| word.parse().ok());
    let q = filter.q.unwrap_or_default().trim().to_owned();
    let limit = paging.limit();
    let own = OwnFilter {
        state,
        text: Some(q.clone()).filter(|text| !text.is_empty()),
        after: paging.after::<ByTime>()?.map(|(at, id)| (at, ProductId(id))),
        limit: limit + 1,
    };
    let mut tx = app.db.begin(viewer.actor()).await?;
    let rows = product::list_own(&mut tx, viewer.id, &own).await?;
    let counts = product::count_own(&mut tx, viewer.id).await?;
    tx.commit().await?;

    let list = List::page(rows, usize::try_from(limit).unwrap_or(20), |row| (row.updated_at, row.id.0));
    let state = state.map(|state| state.as_str().to_owned()).unwrap_or_default();
    let next = list.next_cursor.map(|cursor| address(&state, &q, &cursor)).unwrap_or_default();
    let page = Page { products: list.data, tabs: tabs(&counts), is_new: counts.is_empty(), state, q, next };
    app.page(&viewer, "pages/catalog/products.html", &page)
}

fn address(state: &str, q: &str, cursor: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("state", state), ("q", q), ("cursor", cursor)] {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("/dashboard/products?{}", query.finish())
}

/// All, then each state that has a product.
fn tabs(counts: &[(ProductState, i64)]) -> Vec<Tab> {
    let count = |state| counts.iter().find(|(other, _)| *other == state).map_or(0, |(_, count)| *count);
    let all = counts.iter().filter(|(state, _)| *state != ProductState::Deleted).map(|(_, count)| count).sum();
    let mut tabs = vec![Tab { state: String::new(), label: "All", count: all }];
    tabs.extend(ProductState::ALL.into_iter().filter(|state| count(*state) > 0).map(|state| Tab {
        state: state.as_str().to_owned(),
        label: label(state),
        count: count(state),
    }));
    tabs
}

fn label(state: ProductState) -> &'static str {
    match state {
        ProductState::Draft => "Drafts",
        ProductState::Pending => "In review",
        ProductState::Active => "On sale",
        ProductState::Rejected => "Rejected",
        ProductState::Paused => "Paused",
        ProductState::Suspended => "Suspended",
        ProductState::Deleted => "Deleted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_with_products_have_a_tab() {
        let tabs = tabs(&[(ProductState::Draft, 2), (ProductState::Active, 3), (ProductState::Deleted, 1)]);
        let shown: Vec<_> = tabs.iter().map(|tab| (tab.label, tab.count)).collect();
        assert_eq!(shown, [("All", 5), ("Drafts", 2), ("On sale", 3), ("Deleted", 1)]);
    }

    #[test]
    fn the_next_page_keeps_the_filter() {
        assert_eq!(address("draft", "a b", "xyz"), "/dashboard/products?state=draft&q=a+b&cursor=xyz");
        assert_eq!(address("", "", "xyz"), "/dashboard/products?cursor=xyz");
    }
}
