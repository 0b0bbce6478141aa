//! From a payment that succeeded to an order that is delivered, in two transactions.
//!
//! [`settle`] writes everything that money decides at once: checkout and order paid, the books, the licence, the start of the
//! hold, and the job that goes on. [`complete`] is that job's: receipt, sale notice, counters. Both begin by locking the row
//! whose state they move and stop when it has been moved, so a webhook twice, a webhook and `orders.reconcile_checkout` at
//! once, and a job killed and run again all end in the same rows. Whoever loses the race waits for the lock and finds the
//! work done.

use super::{
    REFUND_WINDOW_DAYS,
    jobs::Fulfil,
    licence::{self, Grant},
    order::OrderState,
    timeline::{self, By, Happened, Line},
};
use crate::{
    catalog::licence::LicenceKind,
    ids::{CheckoutId, OrderId, ProductId, UserId},
    ledger::{
        account::Account,
        entry::{self, BookError, EntryKind, Posting, Subject},
    },
    money::Cents,
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, Duration, Utc};
use mywork_queue::{EnqueueError, enqueue};
use serde_json::json;
use sqlx::PgConnection;

use super::{checkout::CheckoutState, open};

/// A payment that the processor says has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment<'a> {
    pub intent_id: &'a str,
    /// From the intent's metadata; finds the checkout even before the intent's id was recorded.
    pub checkout: Option<CheckoutId>,
    pub amount: Cents,
    /// ISO 4217 in lower case.
    pub currency: &'a str,
}

/// What [`settle`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// This call made it paid.
    Paid(CheckoutId),
    /// It was paid before; nothing has changed.
    AlreadyPaid(CheckoutId),
}

/// Why a payment was not accepted as the payment of a checkout. All but the last two need a person.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error("no checkout belongs to this payment")]
    UnknownCheckout,
    #[error("the checkout asks for {expected} and {paid} were paid")]
    AmountDiffers { expected: Cents, paid: Cents },
    #[error("the checkout is in {expected} and the payment in {paid}")]
    CurrencyDiffers { expected: String, paid: String },
    #[error("the checkout belongs to payment intent {expected}, not to {paid}")]
    IntentDiffers { expected: String, paid: String },
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Queue(#[from] EnqueueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl SettleError {
    /// The payment contradicts our records, and will contradict them at every repeat.
    pub fn is_contradiction(&self) -> bool {
        matches!(self, Self::AmountDiffers { .. } | Self::CurrencyDiffers { .. } | Self::IntentDiffers { .. })
    }
}

/// Makes a checkout and its orders paid, once. Also one that has expired: the buyer's money came, so the buyer gets the goods.
///
/// # Errors
/// See [`SettleError`]; nothing is written then.
pub async fn settle(
    conn: &mut PgConnection,
    payment: &Payment<'_>,
    by: Option<By>,
    now: DateTime<Utc>,
) -> Result<Settled, SettleError> {
    let checkout = lock(conn, payment).await?.ok_or(SettleError::UnknownCheckout)?;
    check(&checkout, payment)?;
    if checkout.state == CheckoutState::Paid {
        return Ok(Settled::AlreadyPaid(checkout.id));
    }
    make_paid(conn, &checkout, Some(payment.intent_id), by, now).await?;
    Ok(Settled::Paid(checkout.id))
}

/// Makes a checkout of nothing but free products paid. Called by `open::open` in the transaction that creates it.
pub(super) async fn settle_free(conn: &mut PgConnection, id: CheckoutId, now: DateTime<Utc>) -> Result<(), SettleError> {
    let free = Payment { intent_id: "", checkout: Some(id), amount: Cents::ZERO, currency: "usd" };
    let checkout = lock(conn, &free).await?.ok_or(SettleError::UnknownCheckout)?;
    check(&checkout, &free)?;
    make_paid(conn, &checkout, None, None, now).await
}

struct Locked {
    id: CheckoutId,
    state: CheckoutState,
    currency: String,
    total: Cents,
    processor_fee: Cents,
    intent_id: Option<String>,
}

/// The checkout with its row locked until the transaction ends: by the intent's id, or, for an event that was faster than
/// `intent::record_intent`, by the id in the intent's metadata.
async fn lock(conn: &mut PgConnection, payment: &Payment<'_>) -> Result<Option<Locked>, sqlx::Error> {
    sqlx::query_as!(
        Locked,
        r#"SELECT id AS "id: CheckoutId",
                  state AS "state: CheckoutState",
                  currency,
                  total_cents AS "total: Cents",
                  processor_fee_cents AS "processor_fee: Cents",
                  payment_intent_id AS intent_id
             FROM checkouts
            WHERE payment_intent_id = $1
               OR id = $2
            ORDER BY (payment_intent_id = $1) DESC NULLS LAST
            LIMIT 1
              FOR UPDATE"#,
        payment.intent_id,
        payment.checkout as Option<CheckoutId>,
    )
    .fetch_optional(conn)
    .await
}

fn check(checkout: &Locked, payment: &Payment<'_>) -> Result<(), SettleError> {
    if let Some(expected) = checkout.intent_id.as_deref().filter(|id| *id != payment.intent_id) {
        return Err(SettleError::IntentDiffers { expected: expected.into(), paid: payment.intent_id.into() });
    }
    if checkout.currency != payment.currency {
        return Err(SettleError::CurrencyDiffers { expected: checkout.currency.clone(), paid: payment.currency.into() });
    }
    if checkout.total != payment.amount {
        return Err(SettleError::AmountDiffers { expected: checkout.total, paid: payment.amount });
    }
    Ok(())
}

async fn make_paid(
    conn: &mut PgConnection,
    checkout: &Locked,
    intent_id: Option<&str>,
    by: Option<By>,
    now: DateTime<Utc>,
) -> Result<(), SettleError> {
    sqlx::query!(
        "UPDATE checkouts
            SET state = 'paid',
                paid_at = $2,
                payment_intent_id = coalesce(payment_intent_id, $3),
                failure_code = NULL,
                failure_message = NULL
          WHERE id = $1",
        checkout.id as CheckoutId,
        now,
        intent_id,
    )
    .execute(&mut *conn)
    .await?;
    let fee = processor_fee_postings(checkout.processor_fee);
    let subject = Subject::Checkout(checkout.id);
    entry::book(conn, EntryKind::ProcessorFee, subject, &fee, "Processor's fee of the payment", now).await?;
    for line in lines(conn, checkout.id).await? {
        pay_line(conn, &line, by, now).await?;
    }
    Ok(())
}

/// An order that is being paid.
struct PaidLine {
    id: OrderId,
    number: String,
    buyer_id: UserId,
    seller_id: UserId,
    product_id: ProductId,
    licence: LicenceKind,
    max_downloads: i32,
    update_months: Option<i32>,
    amount: Cents,
    platform_fee: Cents,
    seller_share: Cents,
}

async fn lines(conn: &mut PgConnection, checkout: CheckoutId) -> Result<Vec<PaidLine>, sqlx::Error> {
    sqlx::query_as!(
        PaidLine,
        r#"SELECT id AS "id: OrderId",
                  number,
                  buyer_id AS "buyer_id: UserId",
                  seller_id AS "seller_id: UserId",
                  product_id AS "product_id: ProductId",
                  licence AS "licence: LicenceKind",
                  max_downloads,
                  update_months,
                  amount_cents AS "amount: Cents",
                  platform_fee_cents AS "platform_fee: Cents",
                  seller_cents AS "seller_share: Cents"
             FROM orders
            WHERE checkout_id = $1
              AND state IN ('pending', 'failed')
            ORDER BY id
              FOR UPDATE"#,
        checkout as CheckoutId,
    )
    .fetch_all(conn)
    .await
}

async fn pay_line(conn: &mut PgConnection, line: &PaidLine, by: Option<By>, now: DateTime<Utc>) -> Result<(), SettleError> {
    // What cost nothing has nothing to hold.
    let hold_until = (line.amount > Cents::ZERO).then(|| now + Duration::days(REFUND_WINDOW_DAYS));
    sqlx::query!(
        "UPDATE orders
            SET state = 'paid',
                paid_at = $2,
                hold_until = $3
          WHERE id = $1",
        line.id as OrderId,
        now,
        hold_until,
    )
    .execute(&mut *conn)
    .await?;
    let postings = sale_postings(line.seller_id, line.amount, line.platform_fee, line.seller_share);
    let description = format!("Order {}", line.number);
    entry::book(conn, EntryKind::Sale, Subject::Order(line.id), &postings, &description, now).await?;
    let grant = Grant {
        order: line.id,
        owner: line.buyer_id,
        product: line.product_id,
        kind: line.licence,
        max_downloads: line.max_downloads,
        update_months: line.update_months,
    };
    licence::grant(conn, &grant, now).await?;
    open::close_narrower(conn, line.buyer_id, line.product_id, line.licence, now).await?;
    let paid = if line.amount == Cents::ZERO { "Free of charge".into() } else { format!("{} received", line.amount) };
    timeline::note(conn, line.id, Line { what: Happened::Paid, detail: &paid, once: Some("paid"), by }, now).await?;
    enqueue(conn, &Fulfil { order: line.id }).await?;
    Ok(())
}

/// The money is with the processor; the seller's part is pending, ours is earned.
pub(crate) fn sale_postings(seller: UserId, amount: Cents, platform_fee: Cents, seller_share: Cents) -> [Posting; 3] {
    [
        Posting::debit(Account::PROCESSOR_CLEARING, amount),
        Posting::credit(Account::seller_pending(seller), seller_share),
        Posting::credit(Account::PLATFORM_REVENUE, platform_fee),
    ]
}

/// The processor keeps its fee of what it holds: our expense.
pub(crate) fn processor_fee_postings(fee: Cents) -> [Posting; 2] {
    [Posting::debit(Account::PROCESSOR_FEES, fee), Posting::credit(Account::PROCESSOR_CLEARING, fee)]
}

/// What [`complete`] did, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// This call delivered the order, which cost so much.
    Delivered(Cents),
    /// It was delivered before, or is not paid (any more).
    Unchanged(OrderState),
}

/// Why an order was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    #[error("there is no such order")]
    UnknownOrder,
    #[error(transparent)]
    Email(#[from] QueueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

struct Delivery {
    number: String,
    state: OrderState,
    product_id: ProductId,
    product_title: String,
    licence: LicenceKind,
    amount: Cents,
    platform_fee: Cents,
    seller_share: Cents,
    processor_fee: Cents,
    paid_at: Option<DateTime<Utc>>,
    hold_until: Option<DateTime<Utc>>,
    buyer_id: UserId,
    buyer_name: String,
    buyer_email: Option<String>,
    seller_id: UserId,
    seller_name: String,
    seller_email: Option<String>,
}

/// Delivers a paid order: receipt to the buyer, notice to the seller, one sale counted, state `fulfilled`.
///
/// # Errors
/// [`CompleteError::UnknownOrder`], which no repeat will mend; else when the database refuses.
pub async fn complete(
    conn: &mut PgConnection,
    order: OrderId,
    by: Option<By>,
    now: DateTime<Utc>,
) -> Result<Completed, CompleteError> {
    let delivery = sqlx::query_as!(
        Delivery,
        r#"SELECT o.number,
                  o.state AS "state: OrderState",
                  o.product_id AS "product_id: ProductId",
                  o.product_title,
                  o.licence AS "licence: LicenceKind",
                  o.amount_cents AS "amount: Cents",
                  o.platform_fee_cents AS "platform_fee: Cents",
                  o.seller_cents AS "seller_share: Cents",
                  o.processor_fee_cents AS "processor_fee: Cents",
                  o.paid_at,
                  o.hold_until,
                  o.buyer_id AS "buyer_id: UserId",
                  buyer.display_name AS buyer_name,
                  buyer_account.email AS "buyer_email?",
                  o.seller_id AS "seller_id: UserId",
                  seller.display_name AS seller_name,
                  seller_account.email AS "seller_email?"
             FROM orders o
             JOIN users buyer ON buyer.id = o.buyer_id
             JOIN users seller ON seller.id = o.seller_id
             LEFT JOIN accounts buyer_account ON buyer_account.user_id = o.buyer_id AND buyer_account.status <> 'deleted'
             LEFT JOIN accounts seller_account ON seller_account.user_id = o.seller_id AND seller_account.status <> 'deleted'
            WHERE o.id = $1
              FOR UPDATE OF o"#,
        order as OrderId,
    )
    .fetch_optional(&mut *conn)
    .await?
    .ok_or(CompleteError::UnknownOrder)?;
    if delivery.state != OrderState::Paid {
        return Ok(Completed::Unchanged(delivery.state));
    }
    sqlx::query!("UPDATE orders SET state = 'fulfilled', fulfilled_at = $2 WHERE id = $1", order as OrderId, now)
        .execute(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO product_stats (product_id, sales)
         VALUES ($1, 1)
         ON CONFLICT (product_id) DO UPDATE SET sales = product_stats.sales + 1",
        delivery.product_id as ProductId,
    )
    .execute(&mut *conn)
    .await?;
    queue_receipt(conn, order, &delivery, now).await?;
    queue_sale_notice(conn, order, &delivery, now).await?;
    let line = Line {
        what: Happened::Fulfilled,
        detail: "Licence and downloads are in the library; the receipt is on its way.",
        once: Some("fulfilled"),
        by,
    };
    timeline::note(conn, order, line, now).await?;
    Ok(Completed::Delivered(delivery.amount))
}

async fn queue_receipt(conn: &mut PgConnection, order: OrderId, d: &Delivery, now: DateTime<Utc>) -> Result<(), CompleteError> {
    let Some(to) = &d.buyer_email else { return Ok(()) };
    let paid_at = d.paid_at.unwrap_or(now);
    let receipt = NewEmail {
        dedupe_key: format!("order/{order}/receipt"),
        template: "order_receipt",
        to,
        user: Some(d.buyer_id),
        context: json!({
            "name": d.buyer_name,
            "order_id": order,
            "order_number": d.number,
            "product_title": d.product_title,
            "licence": d.licence.as_str(),
            "seller_name": d.seller_name,
            "amount": d.amount.to_string(),
            "is_free": d.amount == Cents::ZERO,
            "paid_on": day(paid_at),
            "refundable_until": day(paid_at + Duration::days(REFUND_WINDOW_DAYS)),
            "library_path": format!("/library/orders/{order}"),
        }),
    };
    email::queue(conn, &receipt, now).await?;
    Ok(())
}

/// The seller learns the buyer's public name and never their address (spec 7).
async fn queue_sale_notice(
    conn: &mut PgConnection,
    order: OrderId,
    d: &Delivery,
    now: DateTime<Utc>,
) -> Result<(), CompleteError> {
    let Some(to) = &d.seller_email else { return Ok(()) };
    let notice = NewEmail {
        dedupe_key: format!("order/{order}/sale"),
        template: "order_sale",
        to,
        user: Some(d.seller_id),
        context: json!({
            "name": d.seller_name,
            "order_number": d.number,
            "product_title": d.product_title,
            "licence": d.licence.as_str(),
            "buyer_name": d.buyer_name,
            "amount": d.amount.to_string(),
            "is_free": d.amount == Cents::ZERO,
            "platform_fee": d.platform_fee.to_string(),
            "seller_share": d.seller_share.to_string(),
            "processor_fee": d.processor_fee.to_string(),
            "available_on": d.hold_until.map(day),
            "sales_path": format!("/dashboard/orders/{order}"),
        }),
    };
    email::queue(conn, &notice, now).await?;
    Ok(())
}

/// `14 March 2026`
fn day(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::account::AccountKind, money::BasisPoints, orders::commission};
    use proptest::prelude::*;

    fn checkout(total: i64) -> Locked {
        Locked {
            id: CheckoutId::new(),
            state: CheckoutState::Paying,
            currency: "usd".into(),
            total: Cents(total),
            processor_fee: Cents(45),
            intent_id: Some("pi_1".into()),
        }
    }

    #[test]
    fn a_payment_has_to_be_the_one_that_was_asked_for() {
        let right = Payment { intent_id: "pi_1", checkout: None, amount: Cents(500), currency: "usd" };
        assert!(check(&checkout(500), &right).is_ok());
        let refused = |payment: Payment<'_>| check(&checkout(500), &payment).expect_err("a contradiction");
        assert!(refused(Payment { amount: Cents(499), ..right.clone() }).is_contradiction());
        assert!(refused(Payment { currency: "eur", ..right.clone() }).is_contradiction());
        assert!(refused(Payment { intent_id: "pi_2", ..right }).is_contradiction());
    }

    proptest! {
        #[test]
        fn a_sale_sums_to_zero_and_gives_everybody_their_share(amount in 0i64..=1_000_000, bps in 0i32..=10_000, fee in 0i64..50_000) {
            let seller = UserId::new();
            let shares = commission::divide(Cents(amount), BasisPoints(bps));
            let sale = sale_postings(seller, Cents(amount), shares.platform_fee, shares.seller);
            prop_assert_eq!(sale.iter().map(|p| p.amount).sum::<Cents>(), Cents::ZERO);
            let of = |kind| sale.iter().filter(|p| p.account.kind == kind).map(|p| p.amount).sum::<Cents>();
            prop_assert_eq!(of(AccountKind::SellerPending), -shares.seller);
            prop_assert_eq!(of(AccountKind::PlatformRevenue), -shares.platform_fee);
            prop_assert_eq!(processor_fee_postings(Cents(fee)).iter().map(|p| p.amount).sum::<Cents>(), Cents::ZERO);
        }
    }
}
