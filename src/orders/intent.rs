//! What Stripe says of a checkout's payment intent, as it is written down: created, refused, declined, to be canceled; and when
//! to ask again, should no word come. That a payment succeeded is [`settle`](super::fulfil::settle)'s to write.
//!
//! Each act repeats without harm: events come twice and late, and a look may cross a webhook.

use super::{
    checkout::orders_of,
    command::{self, Begun, Command, Step},
    jobs::ReconcileCheckout,
    open::OpenError,
    timeline::{self, By, Happened, Line},
};
use crate::ids::{CheckoutId, CommandId};
use chrono::{DateTime, Duration, Utc};
use mywork_queue::{EnqueueError, Options, enqueue_with};
use serde_json::json;
use sqlx::PgConnection;

/// Records the intent that Stripe created and plans to ask how it stands, should its webhook not come. Repeating it changes
/// nothing. The webhook may have been faster: a checkout that is already paid stays paid. One that another press of the button
/// replaced meanwhile stays closed: the secret has reached no browser yet, so its intent can never be paid.
///
/// # Errors
/// [`OpenError::Closed`] when the checkout was closed meanwhile; `RowNotFound` when it carries another intent: two were
/// created, which the key makes impossible.
pub async fn record_intent(
    conn: &mut PgConnection,
    checkout: CheckoutId,
    command: CommandId,
    intent_id: &str,
    client_secret: &str,
    now: DateTime<Utc>,
) -> Result<(), OpenError> {
    let recorded = sqlx::query!(
        "UPDATE checkouts
            SET payment_intent_id = $2,
                client_secret = $3,
                state = CASE state WHEN 'open' THEN 'paying' ELSE state END
          WHERE id = $1
            AND state <> 'expired'
            AND (payment_intent_id IS NULL OR payment_intent_id = $2)",
        checkout as CheckoutId,
        intent_id,
        client_secret,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if recorded == 0 {
        let closed =
            sqlx::query_scalar!(r#"SELECT state = 'expired' AS "closed!" FROM checkouts WHERE id = $1"#, checkout as CheckoutId,)
                .fetch_one(conn)
                .await?;
        return Err(if closed { OpenError::Closed } else { sqlx::Error::RowNotFound.into() });
    }
    command::succeed(conn, command, &json!({ "payment_intent": intent_id }), now).await?;
    plan_look(conn, checkout, 0, now).await?;
    Ok(())
}

/// Records that Stripe definitely refused to create the intent: the next [`open`] asks under a new key.
///
/// # Errors
/// When the database refuses.
pub async fn record_refusal(
    conn: &mut PgConnection,
    command: CommandId,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    command::fail(conn, command, &json!({ "reason": reason }), now).await
}

/// Plans a look at the payment, the `round`th of [`ReconcileCheckout::AFTER_MINUTES`]. Returns false when there are no more.
///
/// # Errors
/// When the database refuses.
pub async fn plan_look(
    conn: &mut PgConnection,
    checkout: CheckoutId,
    round: u8,
    now: DateTime<Utc>,
) -> Result<bool, EnqueueError> {
    let Some(minutes) = ReconcileCheckout::AFTER_MINUTES.get(usize::from(round)) else { return Ok(false) };
    let look = ReconcileCheckout { checkout, round };
    enqueue_with(conn, &look, Options::default().run_at(now + Duration::minutes(*minutes))).await?;
    Ok(true)
}

/// Asks for a look at the payment in a few seconds: the buyer is back from the card form and waits, and the webhook may have
/// been lost. However often the page is loaded, one look is planned at a time.
///
/// # Errors
/// When the database refuses.
pub async fn look_soon(conn: &mut PgConnection, checkout: CheckoutId, now: DateTime<Utc>) -> Result<(), EnqueueError> {
    // A round beyond the planned ones: it neither collides with them nor plans another.
    let look = ReconcileCheckout { checkout, round: u8::MAX };
    enqueue_with(conn, &look, Options::default().run_at(now + Duration::seconds(5))).await.map(drop)
}

/// A card's refusal as Stripe tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub code: &'a str,
    /// In words for the buyer.
    pub message: &'a str,
    /// The attempt: a second telling of the same one leaves no second line in the timeline.
    pub charge: Option<&'a str>,
}

/// Records that a card was declined. The checkout stays payable with another card. Returns false where the news is old: a
/// refusal that arrives after the success of a later attempt changes nothing.
///
/// # Errors
/// When the database refuses.
pub async fn record_declined(
    conn: &mut PgConnection,
    checkout: CheckoutId,
    refusal: Refusal<'_>,
    by: Option<By>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let declined = sqlx::query!(
        "UPDATE checkouts
            SET state = 'failed',
                failure_code = $2,
                failure_message = $3
          WHERE id = $1
            AND state IN ('open', 'paying', 'failed')",
        checkout as CheckoutId,
        refusal.code,
        refusal.message,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if declined == 0 {
        return Ok(false);
    }
    let once = format!("declined/{}", refusal.charge.unwrap_or(refusal.code));
    for order in orders_of(conn, checkout).await? {
        let line = Line { what: Happened::PaymentFailed, detail: refusal.message, once: Some(&once), by };
        timeline::note(conn, order, line, now).await?;
    }
    Ok(true)
}

/// Writes the command that cancels the intent of an expiring checkout; the caller has just seen that the intent can still be
/// paid. `None` when Stripe has confirmed a cancellation before.
///
/// # Errors
/// When the database refuses.
pub async fn begin_cancel(
    conn: &mut PgConnection,
    checkout: CheckoutId,
    intent_id: &str,
    now: DateTime<Utc>,
) -> Result<Option<Command>, sqlx::Error> {
    let step = Step { vendor: "stripe", subject_kind: "checkout", subject_id: checkout.0, step: "cancel_payment_intent" };
    let request = json!({ "payment_intent": intent_id });
    match command::begin(conn, step, &request, now).await? {
        Begun::Call(command) => Ok(Some(command)),
        Begun::Done(_) => Ok(None),
        // The look that the caller took is the answer: the old call did not cancel it.
        Begun::LookUp(old) => {
            command::fail(conn, old.id, &json!({ "reason": "not canceled when it was looked up" }), now).await?;
            match command::begin(conn, step, &request, now).await? {
                Begun::Call(command) => Ok(Some(command)),
                Begun::Done(_) | Begun::LookUp(_) => Ok(None),
            }
        }
    }
}
