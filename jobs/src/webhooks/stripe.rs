//! `stripe.process_event`: acts on one stored event. Events come twice, late and in any order; the acts they lead to move a
//! checkout only forward, so every order of arrival ends in the same rows. The event is marked in the transaction of its
//! effect: killed before the commit, the next run does it all; after, it finds the mark and stops.

use crate::{Context, orders::count_paid};
use chrono::TimeDelta;
use mywork::{
    db::Actor,
    ids::CheckoutId,
    money::Cents,
    orders::{
        checkout,
        fulfil::{self, Payment, SettleError},
        intent::{self, Refusal},
        timeline::By,
    },
    webhooks::{
        inbox::{self, EventState, Source, StoredEvent},
        jobs::ProcessStripeEvent,
    },
};
use mywork_queue::{Failure, Job, Outcome};
use mywork_vendors::stripe::Event;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// An event that names a checkout of ours may overtake the commit that creates it, or come from another installation that
/// shares the account. So long it is waited for; in steps of [`STEP`].
const OVERTAKEN: TimeDelta = TimeDelta::minutes(10);
const STEP: Duration = Duration::from_secs(2);

pub async fn run(job: ProcessStripeEvent, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let stored = inbox::get(&mut tx, job.event).await?;
    tx.commit().await?;
    if stored.state != EventState::Received {
        return Ok(Outcome::Done);
    }
    let event = match Event::parse(stored.payload.as_bytes()) {
        Ok(event) => event,
        Err(error) => return reject(&cx, &stored, &format!("the event cannot be read: {error}")).await,
    };
    if let Some(why) = foreign(&stored) {
        return ignore(&cx, &stored, Some(why)).await;
    }
    match event.kind.as_str() {
        "payment_intent.succeeded" => payment_succeeded(&cx, &stored, &event).await,
        "payment_intent.payment_failed" => payment_failed(&cx, &stored, &event).await,
        kind => ignore(&cx, &stored, why_ignored(kind)).await,
    }
}

/// Why an event is none of ours. A connected account may create payments with any metadata, one of our checkouts' ids among
/// it; their money never reaches us, so only payments of the platform's own account may settle a checkout.
fn foreign(stored: &StoredEvent) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(default)]
        account: Option<String>,
    }
    let connected = stored.source != Source::Stripe
        || serde_json::from_str::<Envelope>(&stored.payload).is_ok_and(|envelope| envelope.account.is_some());
    connected.then_some("This is news of a connected account, on which nothing here acts.")
}

/// Why nothing acts on a kind of event; `None` where nothing would be expected to.
fn why_ignored(kind: &str) -> Option<&'static str> {
    let money_moved = kind.starts_with("charge.dispute.")
        || matches!(kind, "charge.refunded" | "refund.created" | "refund.updated" | "refund.failed");
    money_moved.then_some(
        "A refund or dispute made at Stripe is kept here but not yet booked: the order, the licence and the seller's balance \
         are unchanged. Check the order by hand.",
    )
}

/// The fields of an intent that an event carries, whatever version of Stripe's API wrote it.
#[derive(Debug, Deserialize)]
struct Intent {
    id: String,
    amount: i64,
    #[serde(default)]
    amount_received: Option<i64>,
    currency: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    last_payment_error: Option<PaymentError>,
    /// An id, or the whole charge where the account expands it.
    #[serde(default)]
    latest_charge: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct PaymentError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl Intent {
    /// The checkout it was created for; `None` for a payment that is not ours.
    fn checkout(&self) -> Option<CheckoutId> {
        self.metadata.get("checkout_id").and_then(|id| id.parse().ok())
    }

    fn charge(&self) -> Option<&str> {
        self.latest_charge.as_str().or_else(|| self.latest_charge.get("id").and_then(|id| id.as_str()))
    }
}

async fn payment_succeeded(cx: &Context, stored: &StoredEvent, event: &Event) -> mywork_queue::Result {
    let intent: Intent = match serde_json::from_value(event.object.clone()) {
        Ok(intent) => intent,
        Err(error) => return reject(cx, stored, &format!("the payment intent cannot be read: {error}")).await,
    };
    let payment = Payment {
        intent_id: &intent.id,
        checkout: intent.checkout(),
        amount: Cents(intent.amount_received.unwrap_or(intent.amount)),
        currency: &intent.currency,
    };
    let now = cx.clock.now();
    let by = By { job: cx.job, kind: ProcessStripeEvent::KIND };
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let settled = match fulfil::settle(&mut tx, &payment, Some(by), now).await {
        Ok(settled) => settled,
        Err(SettleError::UnknownCheckout) if payment.checkout.is_none() => {
            drop(tx);
            return ignore(cx, stored, Some("This payment was not begun by a checkout of ours.")).await;
        }
        Err(SettleError::UnknownCheckout) => {
            drop(tx);
            return wait_for_checkout(cx, stored).await;
        }
        Err(error) if error.is_contradiction() => {
            drop(tx);
            return reject(cx, stored, &format!("payment intent {}: {error}", intent.id)).await;
        }
        Err(error) => return Err(error.into()),
    };
    inbox::mark(&mut tx, stored.id, EventState::Processed, None, now).await?;
    tx.commit().await?;
    count_paid(settled);
    Ok(Outcome::Done)
}

async fn payment_failed(cx: &Context, stored: &StoredEvent, event: &Event) -> mywork_queue::Result {
    let intent: Intent = match serde_json::from_value(event.object.clone()) {
        Ok(intent) => intent,
        Err(error) => return reject(cx, stored, &format!("the payment intent cannot be read: {error}")).await,
    };
    let Some(checkout) = intent.checkout() else {
        return ignore(cx, stored, Some("This payment was not begun by a checkout of ours.")).await;
    };
    let now = cx.clock.now();
    let by = By { job: cx.job, kind: ProcessStripeEvent::KIND };
    let mut tx = cx.state.db.begin(Actor::System).await?;
    if checkout::find(&mut tx, checkout).await?.is_none() {
        drop(tx);
        return wait_for_checkout(cx, stored).await;
    }
    let declined = intent.last_payment_error.as_ref();
    let refusal = Refusal {
        code: declined.and_then(|d| d.decline_code.as_deref().or(d.code.as_deref())).unwrap_or("payment_failed"),
        message: declined.and_then(|d| d.message.as_deref()).unwrap_or("The payment was declined."),
        charge: intent.charge(),
    };
    // Old news after a later success changes nothing, and is processed all the same.
    intent::record_declined(&mut tx, checkout, refusal, Some(by), now).await?;
    inbox::mark(&mut tx, stored.id, EventState::Processed, None, now).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

async fn wait_for_checkout(cx: &Context, stored: &StoredEvent) -> mywork_queue::Result {
    if cx.clock.now() - stored.received_at < OVERTAKEN {
        return Ok(Outcome::Snooze(STEP));
    }
    reject(cx, stored, "the checkout that this event names does not exist here").await
}

async fn ignore(cx: &Context, stored: &StoredEvent, why: Option<&str>) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    inbox::mark(&mut tx, stored.id, EventState::Ignored, why, cx.clock.now()).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

/// Keeps the event as failed and the job as dead: it contradicts what we know, and a person has to look.
async fn reject(cx: &Context, stored: &StoredEvent, why: &str) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    inbox::mark(&mut tx, stored.id, EventState::Failed, Some(why), cx.clock.now()).await?;
    tx.commit().await?;
    tracing::error!(event = %stored.event_id, kind = %stored.kind, why, "webhook event rejected");
    Err(Failure::dead(format!("event {}: {why}", stored.event_id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mywork::ids::WebhookEventId;
    use serde_json::json;

    #[test]
    fn an_intent_is_read_with_what_it_happens_to_carry() {
        let checkout = CheckoutId::new();
        let least = json!({"id": "pi_1", "amount": 500, "currency": "usd"});
        let intent: Intent = serde_json::from_value(least).expect("the least an intent has");
        assert_eq!((intent.checkout(), intent.charge()), (None, None));
        let more = json!({
            "id": "pi_1", "amount": 500, "amount_received": 500, "currency": "usd", "object": "payment_intent",
            "metadata": {"checkout_id": checkout.to_string()}, "latest_charge": {"id": "ch_1"},
            "last_payment_error": {"code": "card_declined", "type": "card_error"},
        });
        let intent: Intent = serde_json::from_value(more).expect("an intent");
        assert_eq!((intent.checkout(), intent.charge()), (Some(checkout), Some("ch_1")));
    }

    #[test]
    fn a_connected_account_cannot_pay_our_checkouts() {
        let event = |source, payload: &str| StoredEvent {
            id: WebhookEventId::new(),
            source,
            event_id: "evt_1".into(),
            kind: "payment_intent.succeeded".into(),
            payload: payload.into(),
            state: EventState::Received,
            received_at: chrono::DateTime::UNIX_EPOCH,
        };
        assert_eq!(foreign(&event(Source::Stripe, "{}")), None);
        assert!(foreign(&event(Source::Stripe, r#"{"account":"acct_1"}"#)).is_some());
        assert!(foreign(&event(Source::StripeConnect, "{}")).is_some());
    }

    #[test]
    fn what_moves_money_is_not_ignored_silently() {
        for kind in ["charge.refunded", "charge.dispute.created", "refund.failed"] {
            assert!(why_ignored(kind).is_some(), "{kind}");
        }
        assert_eq!(why_ignored("customer.created"), None);
    }
}
