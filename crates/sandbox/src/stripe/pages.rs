//! The pages around payments: the bank's question of 3-D Secure, what was paid and delivered, and the script that stands in
//! for Stripe.js.

use super::{Stripe, book::Origin, card};
use crate::{
    page::{dollars, escape, message, moment, page},
    webhook::DeliveryState,
};
use axum::{
    Form, Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

const SCRIPT: &str = include_str!("stripe.js");

pub(super) fn routes(stripe: Stripe) -> Router {
    Router::new()
        .route("/v3/", get(script))
        .route("/v3", get(script))
        .route("/_sandbox/3ds/{intent}", get(ask).post(answer))
        .route("/_sandbox/stripe", get(overview))
        .route("/_sandbox/stripe/events/{event}/resend", post(resend))
        .with_state(stripe)
}

async fn script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, SCRIPT).into_response()
}

#[derive(Deserialize)]
struct Question {
    client_secret: String,
}

async fn ask(State(stripe): State<Stripe>, Path(id): Path<String>, Query(question): Query<Question>) -> Response {
    let Some(intent) = asked_intent(&stripe, &id, &question.client_secret) else { return unknown() };
    if intent["status"] != "requires_action" {
        return after(&intent);
    }
    let amount = dollars(intent["amount"].as_i64().unwrap_or_default());
    let text = intent["description"].as_str().map_or_else(|| "a payment".to_owned(), escape);
    let secret = escape(&question.client_secret);
    page(
        "3-D Secure",
        &format!(
            "<div class=\"card narrow\"><h1>Confirm it is you</h1><p>Your bank asks whether you allow <strong>{amount}</strong> \
             for {text}.</p><p class=\"muted\">A stand-in for the page of a bank: choose what its customer does.</p>\
             <form method=\"post\"><input type=\"hidden\" name=\"client_secret\" value=\"{secret}\">\
             <button class=\"wide\" name=\"outcome\" value=\"complete\">Complete authentication</button>\
             <button class=\"wide bad\" name=\"outcome\" value=\"fail\">Fail authentication</button></form></div>"
        ),
    )
    .into_response()
}

#[derive(Deserialize)]
struct Answer {
    client_secret: String,
    outcome: String,
}

async fn answer(State(stripe): State<Stripe>, Path(id): Path<String>, Form(answer): Form<Answer>) -> Response {
    let Some(asked) = asked_intent(&stripe, &id, &answer.client_secret) else { return unknown() };
    if asked["status"] != "requires_action" {
        return after(&asked);
    }
    let passed = answer.outcome == "complete";
    match stripe.act(|book| book.authenticate(&id, passed, &Origin::default())) {
        Ok(mut intent) => {
            // The act took the question off the intent; where to return to was part of it.
            intent["next_action"] = asked["next_action"].clone();
            after(&intent)
        }
        Err(error) => message(error.status, "That did not work", error.message()),
    }
}

fn asked_intent(stripe: &Stripe, id: &str, client_secret: &str) -> Option<Value> {
    stripe.object(id).filter(|intent| intent["object"] == "payment_intent" && intent["client_secret"] == client_secret)
}

fn unknown() -> Response {
    message(StatusCode::NOT_FOUND, "No such payment", "The address of this page is not complete, or the payment is gone.")
}

/// Back to the shop, which is told the outcome in the address as Stripe tells it.
fn after(intent: &Value) -> Response {
    let text = |name: &str| intent[name].as_str().unwrap_or_default();
    let outcome = if text("status") == "succeeded" { "succeeded" } else { "failed" };
    let target = intent["next_action"]["redirect_to_url"]["return_url"].as_str().and_then(|url| Url::parse(url).ok());
    match target.filter(|url| matches!(url.scheme(), "http" | "https")) {
        Some(mut url) => {
            url.query_pairs_mut()
                .append_pair("payment_intent", text("id"))
                .append_pair("payment_intent_client_secret", text("client_secret"))
                .append_pair("redirect_status", outcome);
            Redirect::to(url.as_str()).into_response()
        }
        None => message(StatusCode::OK, "Done", &format!("The payment is {}. You can close this page.", text("status"))),
    }
}

#[derive(Deserialize)]
struct Resend {
    #[serde(default = "one")]
    copies: u32,
}

fn one() -> u32 {
    1
}

async fn resend(
    State(stripe): State<Stripe>,
    Path(event): Path<String>,
    Query(resend): Query<Resend>,
    headers: HeaderMap,
) -> Response {
    let from_a_page =
        headers.get(header::ACCEPT).is_some_and(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    match stripe.resend(&event, resend.copies.min(100)) {
        Some(_) if from_a_page => Redirect::to("/_sandbox/stripe").into_response(),
        Some(deliveries) => Json(json!({ "deliveries": deliveries })).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "message": format!("There is no event {event}.") }))).into_response(),
    }
}

async fn overview(State(stripe): State<Stripe>) -> Response {
    let intents = stripe.payment_intents();
    let payments: String = intents.iter().take(50).map(payment_row).collect();
    let events: String = stripe
        .deliveries()
        .iter()
        .rev()
        .take(50)
        .map(|delivery| {
            let (class, state) = match delivery.state {
                DeliveryState::Delivered => ("good", "delivered"),
                DeliveryState::Waiting => ("warn", "waiting"),
                DeliveryState::GivenUp => ("bad", "given up"),
            };
            format!(
                "<tr><td>{}<br><span class=\"mono muted\">{}</span></td><td class=\"mono\">{}</td>\
                 <td><span class=\"badge {class}\">{state}</span> {}</td><td>{}</td>\
                 <td><form method=\"post\" action=\"/_sandbox/stripe/events/{}/resend\"><button class=\"quiet small\">Deliver again</button></form></td></tr>",
                escape(&delivery.kind),
                escape(&delivery.event),
                escape(&delivery.url),
                escape(delivery.answer.as_deref().unwrap_or_default()),
                moment(delivery.created),
                escape(&delivery.event)
            )
        })
        .collect();
    let cards: String = card::CARDS
        .iter()
        .map(|card| format!("<tr><td class=\"mono\">{}</td><td>{}</td></tr>", grouped(card.number), escape(card.meaning)))
        .collect();
    let table = |head: &str, rows: &str, empty: &str| {
        if rows.is_empty() {
            return format!("<p class=\"empty\">{empty}</p>");
        }
        format!("<div class=\"list\"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>")
    };
    page(
        "Payments",
        &format!(
            "<h1>Payments</h1>{}<h2>Webhooks</h2>{}<h2>Test cards</h2><p class=\"muted\">Any expiry in the future, any CVC.</p>{}",
            table("<th>Payment</th><th>Amount</th><th>State</th><th>When</th>", &payments, "Nothing was paid yet."),
            table("<th>Event</th><th>Endpoint</th><th>State</th><th>When</th><th></th>", &events, "No event was sent yet."),
            table("<th>Number</th><th>What it does</th>", &cards, ""),
        ),
    )
    .into_response()
}

fn payment_row(intent: &Value) -> String {
    let text = |name: &str| escape(intent[name].as_str().unwrap_or_default());
    let class = match intent["status"].as_str() {
        Some("succeeded") => "good",
        Some("canceled") => "",
        _ if intent["last_payment_error"].is_object() => "bad",
        _ => "warn",
    };
    let error = escape(intent["last_payment_error"]["message"].as_str().unwrap_or_default());
    format!(
        "<tr><td class=\"mono\">{}<br><span class=\"muted\">{}</span></td><td>{}</td>\
         <td><span class=\"badge {class}\">{}</span><br>{error}</td><td>{}</td></tr>",
        text("id"),
        text("description"),
        dollars(intent["amount"].as_i64().unwrap_or_default()),
        text("status").replace('_', " "),
        moment(intent["created"].as_i64().unwrap_or_default())
    )
}

fn grouped(number: &str) -> String {
    let groups: Vec<&str> = (0..number.len()).step_by(4).map(|start| &number[start..(start + 4).min(number.len())]).collect();
    groups.join(" ")
}
