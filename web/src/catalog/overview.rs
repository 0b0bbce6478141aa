//! `/dashboard`: what to do next, what needs attention, how the products stand.

use crate::{App, Result, auth::SignedIn, library::view::OrderCard};
use axum::{extract::State, response::Response};
use mywork::catalog::product::{self, Listing, OwnFilter, ProductState};
use mywork::ledger::balance;
use mywork::money::Cents;
use mywork::orders::order;
use serde::Serialize;

#[derive(Serialize)]
struct Page {
    /// Getting started; empty once everything is done.
    checklist: Vec<Item>,
    /// Rejected products and refused versions.
    attention: Vec<Listing>,
    recent: Vec<Listing>,
    sales: Vec<OrderCard>,
    pending: Cents,
    available: Cents,
    earned: Cents,
    on_sale: i64,
    in_review: i64,
    drafts: i64,
    totals: product::Totals,
}

#[derive(Serialize)]
struct Item {
    label: &'static str,
    hint: &'static str,
    href: &'static str,
    done: bool,
}

pub(super) async fn page(State(app): State<App>, SignedIn(viewer): SignedIn) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let counts = product::count_own(&mut tx, viewer.id).await?;
    let totals = product::totals_own(&mut tx, viewer.id).await?;
    let sales = order::sold(&mut tx, viewer.id, None, None, 5).await?;
    let total = order::sales_total(&mut tx, viewer.id).await?;
    let balance = balance::of(&mut tx, viewer.id).await?;
    let recent = product::list_own(&mut tx, viewer.id, &OwnFilter { limit: 20, ..OwnFilter::default() }).await?;
    tx.commit().await?;

    let count = |state| counts.iter().find(|(other, _)| *other == state).map_or(0, |(_, count)| *count);
    let drafted = !counts.is_empty();
    let submitted = counts.iter().any(|(state, _)| !matches!(state, ProductState::Draft | ProductState::Deleted));
    let on_sale = count(ProductState::Active);
    let checklist = vec![
        Item {
            label: "Confirm your e-mail address",
            hint: "So that news of sales and checks reaches you.",
            href: "/dashboard/settings",
            done: viewer.email_verified,
        },
        Item { label: "Become a seller", hint: "One click; it costs nothing.", href: "/become-seller", done: viewer.is_seller },
        Item {
            label: "Describe your first product",
            hint: "A title is enough to begin; everything is saved as you go.",
            href: "/dashboard/products/new",
            done: drafted,
        },
        Item {
            label: "Upload it and submit it",
            hint: "The package is checked within minutes, then a person looks at it.",
            href: "/dashboard/products",
            done: submitted,
        },
        Item {
            label: "Be on sale",
            hint: "You keep 90 % of every sale of code.",
            href: "/dashboard/products",
            done: on_sale > 0 || totals.sales > 0,
        },
    ];
    let finished = checklist.iter().all(|item| item.done);
    let needs_attention = |listing: &Listing| {
        matches!(listing.state, ProductState::Rejected | ProductState::Suspended)
            || (listing.state == ProductState::Draft && listing.rejection_reason.is_some())
            || listing.next_version_state.as_deref() == Some("rejected")
    };
    let page = Page {
        checklist: if finished { Vec::new() } else { checklist },
        attention: recent.iter().filter(|listing| needs_attention(listing)).cloned().collect(),
        recent: recent.into_iter().take(5).collect(),
        sales: sales.iter().map(OrderCard::of).collect(),
        pending: balance.pending,
        available: balance.available,
        earned: total.seller_share,
        on_sale,
        in_review: count(ProductState::Pending),
        drafts: count(ProductState::Draft),
        totals,
    };
    app.page(&viewer, "pages/catalog/overview.html", &page)
}
