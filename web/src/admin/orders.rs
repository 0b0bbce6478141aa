//! Orders for admins (ADMIN-03): found by number, e-mail, title or state; one order with its timeline, the jobs behind it, and
//! what was booked.

use super::jobs::{JobsOf, jobs_of};
use crate::{
    App, Error, Result,
    auth::AdminOnly,
    form,
    library::view::{LicenceCard, LicenceStanding, OrderCard, Sale, StateChoice, TimelineLine},
    openapi::{ByTime, List, Paging, Problem},
    sales::intervene::{Acts, Typed},
};
use axum::{Json, Router, extract::State, response::Response, routing::get};
use chrono::{DateTime, Utc};
use http::StatusCode;
use mywork::{
    db::Actor,
    identity::account,
    ids::OrderId,
    ledger::entry::{self, BookedPosting},
    money::Cents,
    orders::{
        checkout, licence,
        order::{self, OrderKey, OrderState},
        timeline,
    },
};
use mywork_queue::Subject;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

/// Pages of this part.
pub fn pages() -> Router<App> {
    Router::new().route("/admin/orders", get(list)).route("/admin/orders/{order}", get(show))
}

/// API of this part.
pub fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_all_orders))
}

#[derive(Debug, Default, Deserialize)]
struct ListQuery {
    q: Option<String>,
    state: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct ListPage {
    orders: Vec<OrderCard>,
    q: String,
    states: Vec<StateChoice>,
    is_filtered: bool,
    next: Option<String>,
}

async fn list(
    State(app): State<App>,
    AdminOnly(viewer): AdminOnly,
    form::Query(query): form::Query<ListQuery>,
) -> Result<Response> {
    let text = query.q.as_deref().filter(|q| !q.trim().is_empty());
    let state: Option<OrderState> = query.state.as_deref().and_then(|word| word.parse().ok());
    let paging = Paging { cursor: query.cursor.clone(), limit: None };
    let limit = paging.limit_or(50);
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, OrderId(id)));
    let mut tx = app.db.begin(Actor::Admin(viewer.id)).await?;
    let orders = order::search(&mut tx, text, state, after, limit + 1).await?;
    tx.commit().await?;
    let page = List::page(orders, usize::try_from(limit).unwrap_or(100), |order| (order.created_at, order.id.0));
    let next = page.next_cursor.as_ref().map(|cursor| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(text) = text {
            query.append_pair("q", text);
        }
        if let Some(state) = state {
            query.append_pair("state", state.as_str());
        }
        format!("/admin/orders?{}", query.append_pair("cursor", cursor).finish())
    });
    let context = ListPage {
        orders: page.data.iter().map(OrderCard::of).collect(),
        is_filtered: text.is_some() || state.is_some(),
        q: query.q.clone().unwrap_or_default(),
        states: StateChoice::all(state, |_| true),
        next,
    };
    app.page(&viewer, "pages/admin/orders.html", &context)
}

#[derive(Serialize)]
struct ShowPage {
    order: OrderCard,
    buyer_email: Option<String>,
    seller_email: Option<String>,
    checkout_state: &'static str,
    checkout_total: Cents,
    payment_intent: Option<String>,
    failure_message: Option<String>,
    schedule: i32,
    licence: Option<LicenceCard>,
    acts: Acts,
    timeline: Vec<TimelineLine>,
    postings: Vec<PostingLine>,
    jobs: JobsOf,
}

/// A posting in a table of two columns.
#[derive(Serialize)]
struct PostingLine {
    at: DateTime<Utc>,
    entry: &'static str,
    description: String,
    account: &'static str,
    debit: Option<Cents>,
    credit: Option<Cents>,
}

impl PostingLine {
    fn of(posting: BookedPosting) -> Self {
        Self {
            at: posting.occurred_at,
            entry: posting.entry_kind.label(),
            description: posting.description,
            account: posting.account.label(),
            debit: (posting.amount > Cents::ZERO).then_some(posting.amount),
            credit: (posting.amount < Cents::ZERO).then(|| -posting.amount),
        }
    }
}

async fn show(State(app): State<App>, admin: AdminOnly, form::Path(key): form::Path<String>) -> Result<Response> {
    render(&app, &admin, &key, StatusCode::OK, Typed::default()).await
}

/// The order's page, also after a form on it was refused.
pub(super) async fn render(app: &App, admin: &AdminOnly, key: &str, status: StatusCode, typed: Typed) -> Result<Response> {
    let mut tx = app.db.begin(admin.actor()).await?;
    let order = order::find(&mut tx, &OrderKey::from(key)).await?.ok_or(Error::NotFound("order"))?;
    let checkout = checkout::find(&mut tx, order.checkout_id).await?.ok_or(Error::NotFound("checkout"))?;
    let licence = licence::of_order(&mut tx, order.id).await?;
    let timeline = timeline::of(&mut tx, order.id).await?;
    let postings = entry::of_order(&mut tx, order.id, order.checkout_id).await?;
    let buyer_email = account::email_of(&mut tx, order.buyer_id).await.ok();
    let seller_email = account::email_of(&mut tx, order.seller_id).await.ok();
    let subjects = [Subject::new("order", order.id), Subject::new("checkout", order.checkout_id)];
    let jobs = jobs_of(&mut tx, &subjects).await?;
    tx.commit().await?;
    let context = ShowPage {
        buyer_email,
        seller_email,
        checkout_state: checkout.state.as_str(),
        checkout_total: checkout.total,
        payment_intent: checkout.payment_intent_id,
        failure_message: checkout.failure_message,
        schedule: order.commission_schedule,
        licence: licence.as_ref().map(LicenceCard::of),
        acts: Acts {
            address: format!("/admin/orders/{}", order.id),
            licence: licence.as_ref().map(LicenceStanding::of),
            is_undelivered: order.state == OrderState::Paid,
            typed,
        },
        timeline: timeline.into_iter().map(TimelineLine::of).collect(),
        postings: postings.into_iter().map(PostingLine::of).collect(),
        jobs,
        order: OrderCard::of(&order),
    };
    app.page_with(status, admin, "pages/admin/orders_show.html", &context)
}

/// Which orders are listed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AllOrdersQuery {
    /// Order number, e-mail of buyer or seller, or words of the title.
    q: Option<String>,
    /// Only orders of this state.
    #[param(value_type = Option<String>)]
    status: Option<OrderState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many, at most 100.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// List all orders
///
/// For admins: every order, newest first.
#[utoipa::path(
    get,
    path = "/api/admin/orders",
    tag = "admin",
    security(("bearer" = []), ("session" = [])),
    params(AllOrdersQuery),
    responses((status = 200, body = List<Sale>), (status = 403, body = Problem)),
)]
async fn list_all_orders(
    State(app): State<App>,
    AdminOnly(viewer): AdminOnly,
    form::Query(query): form::Query<AllOrdersQuery>,
) -> Result<Json<List<Sale>>> {
    let paging = Paging { cursor: query.cursor, limit: query.limit };
    let limit = paging.limit();
    let after = paging.after::<ByTime>()?.map(|(at, id)| (at, OrderId(id)));
    let text = query.q.as_deref().filter(|q| !q.trim().is_empty());
    let mut tx = app.db.begin(Actor::Admin(viewer.id)).await?;
    let orders = order::search(&mut tx, text, query.status, after, limit + 1).await?;
    tx.commit().await?;
    let page = List::page(orders, usize::try_from(limit).unwrap_or(100), |order| (order.created_at, order.id.0));
    Ok(Json(page.map(|order| Sale::of(&order))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::sample;
    use mywork::ledger::{account::AccountKind, entry::EntryKind};

    #[test]
    fn an_order_is_shown_with_its_books_and_links_to_its_jobs() {
        for state in OrderState::ALL {
            let order = sample::order(state);
            let posting = |amount| BookedPosting {
                entry_kind: EntryKind::Sale,
                description: "Order MW-2026-00047".into(),
                occurred_at: sample::now(),
                account: AccountKind::SellerPending,
                owner: Some(order.seller_id),
                amount: Cents(amount),
            };
            let html = sample::render(
                "pages/admin/orders_show.html",
                &ShowPage {
                    buyer_email: Some("ada@example.test".into()),
                    seller_email: None,
                    checkout_state: "paid",
                    checkout_total: order.amount,
                    payment_intent: None,
                    failure_message: Some("Your card was declined.".into()),
                    schedule: 1,
                    licence: state.was_paid().then(|| LicenceCard::of(&sample::licence(&order))),
                    acts: Acts {
                        address: "/admin/orders/1".into(),
                        licence: state.was_paid().then(|| LicenceStanding::of(&sample::licence(&order))),
                        is_undelivered: state == OrderState::Paid,
                        typed: Typed::default(),
                    },
                    timeline: sample::events().into_iter().map(TimelineLine::of).collect(),
                    postings: if state.was_paid() {
                        vec![PostingLine::of(posting(-26_910)), PostingLine::of(posting(1))]
                    } else {
                        vec![]
                    },
                    jobs: JobsOf::default(),
                    order: OrderCard::of(&order),
                },
            );
            assert!(html.contains("/admin/jobs/7") && html.contains("ada@example.test") && html.contains("account deleted"));
        }
    }

    #[test]
    fn the_list_is_shown_full_and_empty() {
        let page = |orders, is_filtered| ListPage {
            orders,
            q: String::new(),
            states: StateChoice::all(None, |_| true),
            is_filtered,
            next: None,
        };
        let full =
            sample::render("pages/admin/orders.html", &page(vec![OrderCard::of(&sample::order(OrderState::Disputed))], false));
        assert!(full.contains("MW-2026-00047") && full.contains("Disputed"));
        assert!(sample::render("pages/admin/orders.html", &page(vec![], true)).contains("No order fits"));
        assert!(sample::render("pages/admin/orders.html", &page(vec![], false)).contains("No orders yet"));
    }
}
