//! `orders.expire_checkout`: the time of a checkout is over, or another price has replaced it. Its intent is cancelled first, so
//! that nobody can pay what is closed, and only then is it marked. A payment that turns out to have succeeded is settled
//! instead; one that is on its way is waited for. Killed between the two: the next run finds the intent cancelled and marks.

use super::payment;
use crate::{Context, vendor_failure};
use mywork::{
    db::Actor,
    orders::{checkout, command, intent, jobs::ExpireCheckout, timeline::By},
};
use mywork_queue::{Failure, Job, Outcome};
use mywork_vendors::stripe::{PaymentIntent, PaymentStatus};
use serde_json::json;
use std::time::Duration;

/// How long a payment on its way is given before the next look.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

pub async fn run(job: ExpireCheckout, cx: Context) -> mywork_queue::Result {
    let by = By { job: cx.job, kind: ExpireCheckout::KIND };
    let now = cx.clock.now();
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let checkout = checkout::find(&mut tx, job.checkout).await?;
    tx.commit().await?;
    let Some(checkout) = checkout.filter(|c| c.state.is_payable()) else { return Ok(Outcome::Done) };
    if let Ok(early) = (checkout.expires_at - now).to_std() {
        return Ok(Outcome::Snooze(early.max(Duration::from_secs(1))));
    }

    // Without an intent nothing can be paid: its secret was never recorded, so no browser has seen it.
    if let Some(intent_id) = &checkout.payment_intent_id {
        let intent = cx.state.stripe.get_payment_intent(intent_id).await.map_err(vendor_failure::of_stripe)?;
        match intent.status {
            PaymentStatus::Succeeded => {
                payment::settle(&cx, job.checkout, &intent, by).await?;
                return Ok(Outcome::Done);
            }
            PaymentStatus::Processing | PaymentStatus::RequiresCapture => return Ok(Outcome::Snooze(PATIENCE)),
            PaymentStatus::Canceled => {}
            PaymentStatus::RequiresPaymentMethod
            | PaymentStatus::RequiresConfirmation
            | PaymentStatus::RequiresAction
            | PaymentStatus::Other(_) => cancel(&cx, &job, &intent).await?,
        }
    }

    let mut tx = cx.state.db.begin(Actor::System).await?;
    let expired = checkout::expire(&mut tx, job.checkout, Some(by), cx.clock.now()).await?;
    tx.commit().await?;
    if expired {
        metrics::counter!("orders_total", "status" => "failed").increment(1);
    }
    Ok(Outcome::Done)
}

async fn cancel(cx: &Context, job: &ExpireCheckout, intent: &PaymentIntent) -> Result<(), Failure> {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let command = intent::begin_cancel(&mut tx, job.checkout, &intent.id, cx.clock.now()).await?;
    tx.commit().await?;
    let Some(command) = command else { return Ok(()) };

    let answer = cx.state.stripe.cancel_payment_intent(&intent.id, &command.key).await;

    let mut tx = cx.state.db.begin(Actor::System).await?;
    match &answer {
        Ok(cancelled) => {
            command::succeed(&mut tx, command.id, &json!({ "status": cancelled.status.as_str() }), cx.clock.now()).await?;
        }
        // The outcome is unknown: the row stays pending, and the next run repeats the call with the same key.
        Err(error) if error.is_retryable() => {}
        // Most likely the buyer paid this very moment; the next run sees it and settles.
        Err(error) => command::fail(&mut tx, command.id, &json!({ "reason": error.to_string() }), cx.clock.now()).await?,
    }
    tx.commit().await?;
    answer.map(drop).map_err(vendor_failure::of_stripe)
}
