//! `orders.reconcile_checkout`: asks Stripe how a payment stands, because its webhook may have been lost. Planned two minutes,
//! ten minutes and an hour after the intent was created, and at once when a buyer waits for their confirmation. Whatever it
//! finds goes through the same acts as a webhook, so the two may come together.

use super::payment;
use crate::{Context, vendor_failure};
use mywork::{
    db::Actor,
    orders::{
        checkout,
        intent::{self, Refusal},
        jobs::ReconcileCheckout,
        timeline::By,
    },
};
use mywork_queue::{Job, Outcome};
use mywork_vendors::stripe::PaymentStatus;

pub async fn run(job: ReconcileCheckout, cx: Context) -> mywork_queue::Result {
    let by = By { job: cx.job, kind: ReconcileCheckout::KIND };
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let checkout = checkout::find(&mut tx, job.checkout).await?;
    tx.commit().await?;
    let Some(checkout) = checkout.filter(|c| c.state.is_payable()) else { return Ok(Outcome::Done) };
    let Some(intent_id) = checkout.payment_intent_id else { return Ok(Outcome::Done) };

    let intent = cx.state.stripe.get_payment_intent(&intent_id).await.map_err(vendor_failure::of_stripe)?;

    cx.log(format_args!("intent {} is {}", intent.id, intent.status.as_str()));
    if intent.status == PaymentStatus::Succeeded {
        payment::settle(&cx, job.checkout, &intent, by).await?;
        return Ok(Outcome::Done);
    }
    let now = cx.clock.now();
    let mut tx = cx.state.db.begin(Actor::System).await?;
    if let Some(declined) = &intent.last_error {
        let refusal = Refusal { code: &declined.code, message: &declined.message, charge: intent.latest_charge.as_deref() };
        intent::record_declined(&mut tx, job.checkout, refusal, Some(by), now).await?;
    }
    if let Some(next) = job.round.checked_add(1) {
        intent::plan_look(&mut tx, job.checkout, next, now).await?;
    }
    tx.commit().await?;
    Ok(Outcome::Done)
}
