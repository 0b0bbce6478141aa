//! A seller's sales: the list with the balance above it, and one sale with where every cent went.

use crate::{
    App, Error, Result,
    auth::SignedIn,
    form,
    library::view::{OrderCard, StateChoice, TimelineLine},
    openapi::{ByTime, List, Paging},
};
use axum::{extract::State, response::Response};
use mywork::{
    ids::OrderId,
    ledger::balance,
    money::Cents,
    orders::{
        order::{self, OrderKey, OrderState},
        timeline,
    },
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize)]
pub(super) struct SalesQuery {
    state: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct SalesPage {
    orders: Vec<OrderCard>,
    states: Vec<StateChoice>,
    is_filtered: bool,
    next: Option<String>,
    sales: i64,
    sold: Cents,
    earned: Cents,
    pending: Cents,
    available: Cents,
}

/// My sales.
pub(super) async fn list(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Query(query): form::Query<SalesQuery>,
) -> Result<Response> {
    let state: Option<OrderState> = query.state.as_deref().and_then(|word| word.parse().ok());
    let paging = Paging { cursor: query.cursor, limit: None };
    let limit = paging.limit();
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, OrderId(id)));
    let mut tx = app.db.begin(viewer.actor()).await?;
    let orders = order::sold(&mut tx, viewer.id, state, after, limit + 1).await?;
    let total = order::sales_total(&mut tx, viewer.id).await?;
    let balance = balance::of(&mut tx, viewer.id).await?;
    tx.commit().await?;
    let page = List::page(orders, usize::try_from(limit).unwrap_or(100), |order| (order.created_at, order.id.0));
    let next = page.next_cursor.as_ref().map(|cursor| match state {
        Some(state) => format!("/dashboard/orders?state={}&cursor={cursor}", state.as_str()),
        None => format!("/dashboard/orders?cursor={cursor}"),
    });
    let context = SalesPage {
        orders: page.data.iter().map(OrderCard::of).collect(),
        states: StateChoice::all(state, OrderState::was_paid),
        is_filtered: state.is_some(),
        next,
        sales: total.orders,
        sold: total.amount,
        earned: total.seller_share,
        pending: balance.pending,
        available: balance.available,
    };
    app.page(&viewer, "pages/sales/list.html", &context)
}

#[derive(Serialize)]
struct SalePage {
    order: OrderCard,
    timeline: Vec<TimelineLine>,
}

/// One sale.
pub(super) async fn show(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_sold(&mut tx, viewer.id, &OrderKey::from(key.as_str())).await?.ok_or(Error::NotFound("order"))?;
    let timeline = timeline::of(&mut tx, order.id).await?;
    tx.commit().await?;
    let context = SalePage { order: OrderCard::of(&order), timeline: timeline.into_iter().map(TimelineLine::of).collect() };
    app.page(&viewer, "pages/sales/show.html", &context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sample;

    #[test]
    fn a_sale_shows_every_share() {
        let order = sample::order(OrderState::Fulfilled);
        let html = sample::render(
            "pages/sales/show.html",
            &SalePage { order: OrderCard::of(&order), timeline: sample::events().into_iter().map(TimelineLine::of).collect() },
        );
        for part in ["$299.00", "$29.90", "$269.10", "$8.97", "10 %", "Ada &lt;Lovelace&gt;"] {
            assert!(html.contains(part), "{part}");
        }
    }

    #[test]
    fn the_list_of_sales_is_shown_full_and_empty() {
        let page = |orders, is_filtered| SalesPage {
            orders,
            states: StateChoice::all(Some(OrderState::Paid), OrderState::was_paid),
            is_filtered,
            next: Some("/dashboard/orders?cursor=x".into()),
            sales: 1,
            sold: Cents(29_900),
            earned: Cents(26_910),
            pending: Cents(26_910),
            available: Cents::ZERO,
        };
        let full = sample::render("pages/sales/list.html", &page(vec![OrderCard::of(&sample::order(OrderState::Paid))], true));
        assert!(full.contains("MW-2026-00047") && full.contains("$269.10"));
        assert!(sample::render("pages/sales/list.html", &page(vec![], false)).contains("No sales yet"));
        assert!(sample::render("pages/sales/list.html", &page(vec![], true)).contains("No sale is in this state"));
    }
}
