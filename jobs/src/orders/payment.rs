//! What a succeeded payment leads to, whoever learns of it first: the webhook, a look at the intent, or the end of the
//! checkout's time.

use crate::Context;
use mywork::{
    db::Actor,
    ids::CheckoutId,
    money::Cents,
    orders::{
        fulfil::{self, Payment, SettleError, Settled},
        timeline::By,
    },
};
use mywork_queue::Failure;
use mywork_vendors::stripe::PaymentIntent;

/// Settles the checkout of an intent that Stripe says has succeeded.
///
/// # Errors
/// Dead when the payment contradicts the checkout: no repeat will mend that, a person has to look.
pub(crate) async fn settle(cx: &Context, checkout: CheckoutId, intent: &PaymentIntent, by: By) -> Result<(), Failure> {
    let payment =
        Payment { intent_id: &intent.id, checkout: Some(checkout), amount: Cents(intent.amount), currency: &intent.currency };
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let settled = match fulfil::settle(&mut tx, &payment, Some(by), cx.clock.now()).await {
        Err(error) if error.is_contradiction() || matches!(error, SettleError::UnknownCheckout) => {
            return Err(Failure::dead(format!("payment {} of checkout {checkout}: {error}", intent.id)));
        }
        other => other?,
    };
    tx.commit().await?;
    count_paid(settled);
    Ok(())
}

/// Counts an order as paid, once per payment.
pub(crate) fn count_paid(settled: Settled) {
    if let Settled::Paid(checkout) = settled {
        metrics::counter!("orders_total", "status" => "paid").increment(1);
        tracing::info!(%checkout, "checkout paid");
    }
}
