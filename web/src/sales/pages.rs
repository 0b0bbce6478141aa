//! A seller's sales: the list with the balance above it, and one sale with where every cent went.

use super::intervene::{Acts, Typed};
use crate::{
    App, Error, Result,
    auth::{SignedIn, Viewer},
    form,
    library::view::{LicenceStanding, OrderCard, StateChoice, TimelineLine},
    openapi::{ByTime, List, Paging},
};
use axum::{extract::State, response::Response};
use http::StatusCode;
use mywork::{
    db::Actor,
    ids::OrderId,
    ledger::balance,
    money::Cents,
    orders::{
        licence,
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
    acts: Acts,
    timeline: Vec<TimelineLine>,
}

/// One sale.
pub(super) async fn show(
    State(app): State<App>,
    SignedIn(viewer): SignedIn,
    form::Path(key): form::Path<String>,
) -> Result<Response> {
    render(&app, &viewer, &key, StatusCode::OK, Typed::default()).await
}

/// The sale's page, also after a form on it was refused.
pub(super) async fn render(app: &App, viewer: &Viewer, key: &str, status: StatusCode, typed: Typed) -> Result<Response> {
    let mut tx = app.db.begin(viewer.actor()).await?;
    let order = order::find_sold(&mut tx, viewer.id, &OrderKey::from(key)).await?.ok_or(Error::NotFound("order"))?;
    let timeline = timeline::of(&mut tx, order.id).await?;
    tx.commit().await?;
    // The licence is the buyer's row; of it the seller is shown what it opens.
    let mut tx = app.db.begin(Actor::System).await?;
    let licence = licence::of_order(&mut tx, order.id).await?;
    tx.commit().await?;
    let acts = Acts {
        address: format!("/dashboard/orders/{}", order.id),
        licence: licence.as_ref().map(LicenceStanding::of),
        is_undelivered: order.state == OrderState::Paid,
        typed,
    };
    let context = SalePage { order: OrderCard::of(&order), acts, timeline: timeline.into_iter().map(TimelineLine::of).collect() };
    app.page_with(status, viewer, "pages/sales/show.html", &context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sample;

    #[test]
    fn a_sale_shows_every_share() {
        let html = sample::render("pages/sales/show.html", &page(OrderState::Fulfilled, true, Typed::default()));
        for part in ["$299.00", "$29.90", "$269.10", "$8.97", "10 %", "Ada &lt;Lovelace&gt;"] {
            assert!(html.contains(part), "{part}");
        }
    }

    fn page(state: OrderState, is_active: bool, typed: Typed) -> SalePage {
        let order = sample::order(state);
        let mut licence = sample::licence(&order);
        if !is_active {
            licence.state = licence::LicenceState::Revoked;
            licence.revoked_reason = Some("Published <key>".into());
        }
        SalePage {
            order: OrderCard::of(&order),
            acts: Acts {
                address: "/dashboard/orders/1".into(),
                licence: Some(LicenceStanding::of(&licence)),
                is_undelivered: state == OrderState::Paid,
                typed,
            },
            timeline: sample::events().into_iter().map(TimelineLine::of).collect(),
        }
    }

    #[test]
    fn a_sale_offers_what_can_be_done_and_never_the_key() {
        let show = |page: &SalePage| sample::render("pages/sales/show.html", page);
        let active = show(&page(OrderState::Paid, true, Typed::default()));
        for act in ["extend", "revoke", "deliver"] {
            assert!(active.contains(&format!("action=\"/dashboard/orders/1/{act}\"")), "{act}");
        }
        let revoked = show(&page(OrderState::Fulfilled, false, Typed::default()));
        assert!(revoked.contains("/dashboard/orders/1/restore") && revoked.contains("Published &lt;key&gt;"));
        assert!(!revoked.contains("/dashboard/orders/1/extend") && !revoked.contains("/dashboard/orders/1/deliver"));
        for html in [active, revoked] {
            assert!(!html.contains("ABCDE"), "a seller reads no key");
        }
        let mut typed = Typed { downloads: "many".into(), ..Typed::default() };
        typed.errors.add("downloads", "Write a number from 1 to 100.");
        let again = show(&page(OrderState::Fulfilled, true, typed));
        assert!(again.contains("Write a number from 1 to 100.") && again.contains("value=\"many\""));
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
