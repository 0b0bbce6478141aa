//! The press on "Continue to payment": opens a checkout of one product, or finds the one that stands.
//!
//! The price is read here, never sent by the browser. [`open`] is repeated freely: a double click, a reload and a second tab
//! find the same checkout, because they take turns on one advisory lock per buyer and product. The call to Stripe lies between
//! [`open`] and [`record_intent`](super::intent::record_intent), outside any transaction, under the key that [`open`] committed.

use super::{
    checkout::LIFE,
    command::{self, Begun, Command, Step},
    commission::{self, CommissionError},
    fulfil::{self, SettleError},
    jobs::ExpireCheckout,
    licence,
    timeline::{self, Happened, Line},
};
use crate::{
    catalog::{
        licence::{LicenceKind, MIN_CARD_TOTAL, Offer, offers_of},
        product::{self, Product, ProductState},
    },
    ids::{CheckoutId, CommandId, OrderId, ProductId, UserId, VersionId},
    money::{BasisPoints, Cents},
};
use chrono::{DateTime, Datelike, Duration, Utc};
use mywork_queue::{EnqueueError, Options, enqueue, enqueue_with};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::BTreeMap;

/// A checkout with less than this left is not taken up again: it might close while the buyer types a card number.
const REUSE_MARGIN: Duration = Duration::hours(1);

/// Why nothing was opened. Each sentence is for the buyer.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("There is no such product, or it is no longer listed.")]
    ProductNotFound,
    #[error("This product is not for sale at the moment.")]
    NotForSale,
    #[error("This is your own product; you already have everything in it.")]
    OwnProduct,
    #[error("The {} licence is not offered for this product. Choose another one.", .0.as_str())]
    LicenceNotOffered(LicenceKind),
    #[error("You already own this product with the {} licence: it is in your library as order {}.", .0.kind.as_str(), .0.order_number)]
    AlreadyOwned(licence::Held),
    #[error(
        "This checkout was closed while the payment was being prepared, because its price changed or its time was over. Nothing was charged. Start again."
    )]
    Closed,
    #[error("A card payment is at least {MIN_CARD_TOTAL}, and this licence costs {0}. It cannot be bought with a card.")]
    TooSmallForACard(Cents),
    #[error(transparent)]
    Commission(#[from] CommissionError),
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error(transparent)]
    Queue(#[from] EnqueueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What Stripe is asked for. Stored with the command, so that a repeated call has the same parameters whatever has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentRequest {
    pub amount_cents: Cents,
    pub currency: String,
    pub description: String,
    /// Ties later transfers to sellers to this payment.
    pub transfer_group: String,
    /// `checkout_id` leads an event back to us even before the intent's id is recorded.
    pub metadata: BTreeMap<String, String>,
}

/// The call the web tier makes after committing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentCall {
    pub command: CommandId,
    pub idempotency_key: String,
    pub request: IntentRequest,
}

/// What happens next with an opened checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It cost nothing and is paid.
    Paid,
    /// The intent is there; the browser pays with this secret.
    Pay { client_secret: String },
    /// Commit, then ask Stripe for the intent, then [`record_intent`].
    CreateIntent(IntentCall),
}

/// A checkout of one product, new or taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub checkout: CheckoutId,
    pub order: OrderId,
    pub order_number: String,
    pub amount: Cents,
    pub next: Next,
    /// False when an earlier click had opened it.
    pub fresh: bool,
}

/// Opens a checkout of one product with one licence, or finds the one that is open.
///
/// # Errors
/// See [`OpenError`]; nothing is written then.
pub async fn open(
    conn: &mut PgConnection,
    buyer: UserId,
    product: ProductId,
    licence: LicenceKind,
    now: DateTime<Utc>,
) -> Result<Opened, OpenError> {
    take_turns(conn, buyer, product).await?;
    let product = product::find(conn, product).await?.ok_or(OpenError::ProductNotFound)?;
    let offer = admissible(conn, buyer, &product, licence).await?;
    if let Some(standing) = find_standing(conn, buyer, product.id, licence).await? {
        let still_good = standing.amount == offer.price_cents && standing.expires_at > now + REUSE_MARGIN;
        if still_good && let Some(next) = resume(conn, &standing, now).await? {
            return Ok(Opened {
                checkout: standing.id,
                order: standing.order,
                order_number: standing.order_number,
                amount: standing.amount,
                next,
                fresh: false,
            });
        }
        supersede(conn, standing.id, now).await?;
    }
    create(conn, buyer, &product, &offer, now).await
}

/// Holds back every other `open` of this buyer and product until this transaction ends, so that two clicks cannot both see
/// no checkout and both create one. There is no row to lock yet, hence an advisory lock; of the transaction, not of the
/// session, so that it works through PgBouncer.
async fn take_turns(conn: &mut PgConnection, buyer: UserId, product: ProductId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0)) IS NULL AS locked",
        format!("checkout/{buyer}/{product}"),
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// The offer, if this buyer may take it.
async fn admissible(conn: &mut PgConnection, buyer: UserId, product: &Product, licence: LicenceKind) -> Result<Offer, OpenError> {
    match product.state {
        ProductState::Active => {}
        ProductState::Paused | ProductState::Suspended => return Err(OpenError::NotForSale),
        ProductState::Draft | ProductState::Pending | ProductState::Rejected | ProductState::Deleted => {
            return Err(OpenError::ProductNotFound);
        }
    }
    if product.seller_id == buyer {
        return Err(OpenError::OwnProduct);
    }
    if product.current_version_id.is_none() {
        return Err(OpenError::NotForSale);
    }
    // A wider licence may follow a narrower one; the same or a narrower one would buy nothing.
    if let Some(held) = licence::held(conn, buyer, product.id).await?.filter(|held| held.kind >= licence) {
        return Err(OpenError::AlreadyOwned(held));
    }
    let offer = offers_of(conn, product.id)
        .await?
        .into_iter()
        .find(|offer| offer.licence == licence)
        .ok_or(OpenError::LicenceNotOffered(licence))?;
    if offer.price_cents > Cents::ZERO && offer.price_cents < MIN_CARD_TOTAL {
        return Err(OpenError::TooSmallForACard(offer.price_cents));
    }
    Ok(offer)
}

/// A checkout that an earlier click opened.
struct Standing {
    id: CheckoutId,
    order: OrderId,
    order_number: String,
    amount: Cents,
    client_secret: Option<String>,
    expires_at: DateTime<Utc>,
}

async fn find_standing(
    conn: &mut PgConnection,
    buyer: UserId,
    product: ProductId,
    licence: LicenceKind,
) -> Result<Option<Standing>, sqlx::Error> {
    // The row lock keeps a payment that arrives this moment from being overtaken by `supersede`.
    sqlx::query_as!(
        Standing,
        r#"SELECT c.id AS "id: CheckoutId",
                  o.id AS "order: OrderId",
                  o.number AS order_number,
                  o.amount_cents AS "amount: Cents",
                  c.client_secret,
                  c.expires_at
             FROM checkouts c
             JOIN orders o ON o.checkout_id = c.id
            WHERE c.buyer_id = $1
              AND o.product_id = $2
              AND o.licence = $3
              AND c.state IN ('open', 'paying', 'failed')
            ORDER BY c.created_at DESC
            LIMIT 1
              FOR UPDATE OF c"#,
        buyer as UserId,
        product as ProductId,
        licence as LicenceKind,
    )
    .fetch_optional(conn)
    .await
}

/// Goes on with a standing checkout. `None` when its intent can neither be used nor asked for again; a new checkout is
/// needed then.
async fn resume(conn: &mut PgConnection, standing: &Standing, now: DateTime<Utc>) -> Result<Option<Next>, sqlx::Error> {
    if let Some(client_secret) = &standing.client_secret {
        return Ok(Some(Next::Pay { client_secret: client_secret.clone() }));
    }
    // The process was killed, or Stripe did not answer, between `open` and `record_intent`.
    let request = intent_request(standing.id, &standing.order_number, standing.amount);
    begin_intent(conn, standing.id, &request, now).await
}

async fn begin_intent(
    conn: &mut PgConnection,
    checkout: CheckoutId,
    request: &IntentRequest,
    now: DateTime<Utc>,
) -> Result<Option<Next>, sqlx::Error> {
    let step = Step { vendor: "stripe", subject_kind: "checkout", subject_id: checkout.0, step: "create_payment_intent" };
    Ok(match command::begin(conn, step, &json!(request), now).await? {
        Begun::Call(Command { id, key, request, .. }) => Some(Next::CreateIntent(IntentCall {
            command: id,
            idempotency_key: key,
            request: serde_json::from_value(request).map_err(|error| sqlx::Error::Decode(error.into()))?,
        })),
        // `Done` without a recorded secret, or a key that Stripe may have forgotten: start afresh.
        Begun::Done(_) | Begun::LookUp(_) => None,
    })
}

/// Closes a standing checkout early because its price is no longer the product's, or its time is nearly over. The job cancels
/// the intent, or settles it should it have been paid in the meantime.
async fn supersede(conn: &mut PgConnection, checkout: CheckoutId, now: DateTime<Utc>) -> Result<(), EnqueueError> {
    sqlx::query!("UPDATE checkouts SET expires_at = $2 WHERE id = $1 AND expires_at > $2", checkout as CheckoutId, now)
        .execute(&mut *conn)
        .await?;
    enqueue(conn, &ExpireCheckout { checkout }).await?;
    Ok(())
}

/// Closes what a licence just granted makes worthless: the buyer's other open checkouts of the product, in another tab say,
/// for the same licence or a narrower one. Called by the payment that grants it.
///
/// # Errors
/// When the database refuses.
pub(super) async fn close_narrower(
    conn: &mut PgConnection,
    buyer: UserId,
    product: ProductId,
    granted: LicenceKind,
    now: DateTime<Utc>,
) -> Result<(), EnqueueError> {
    let others = sqlx::query!(
        r#"SELECT c.id AS "id: CheckoutId",
                  o.licence AS "licence: LicenceKind"
             FROM checkouts c
             JOIN orders o ON o.checkout_id = c.id
            WHERE c.buyer_id = $1
              AND o.product_id = $2
              AND c.state IN ('open', 'paying', 'failed')"#,
        buyer as UserId,
        product as ProductId,
    )
    .fetch_all(&mut *conn)
    .await?;
    for other in others.into_iter().filter(|other| other.licence <= granted) {
        supersede(conn, other.id, now).await?;
    }
    Ok(())
}

async fn create(
    conn: &mut PgConnection,
    buyer: UserId,
    product: &Product,
    offer: &Offer,
    now: DateTime<Utc>,
) -> Result<Opened, OpenError> {
    let amount = offer.price_cents;
    let schedule = commission::in_force(conn, now).await?;
    let standing = commission::standing(conn, product.seller_id, product.kind, now).await?;
    let shares = commission::divide(amount, schedule.rules.rate(product.kind, standing)?);
    let processor_fee = schedule.rules.processor_fee(amount);
    let line_fee = schedule.rules.processor_fee_by_line(&[amount]).into_iter().sum::<Cents>();
    let (checkout, order) = (CheckoutId::new(), OrderId::new());
    let expires_at = now + LIFE;
    sqlx::query!(
        "INSERT INTO checkouts (id, buyer_id, currency, total_cents, processor_fee_cents, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        checkout as CheckoutId,
        buyer as UserId,
        product.currency,
        amount as Cents,
        processor_fee as Cents,
        now,
        expires_at,
    )
    .execute(&mut *conn)
    .await?;
    let order_number = next_number(conn, now).await?;
    sqlx::query!(
        "INSERT INTO orders
                (id, number, checkout_id, buyer_id, seller_id, product_id, version_id, product_title, licence, max_downloads,
                 update_months, currency, amount_cents, commission_schedule, commission_bps, platform_fee_cents, seller_cents,
                 processor_fee_cents, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        order as OrderId,
        order_number,
        checkout as CheckoutId,
        buyer as UserId,
        product.seller_id as UserId,
        product.id as ProductId,
        product.current_version_id as Option<VersionId>,
        product.title,
        offer.licence as LicenceKind,
        offer.max_downloads,
        offer.update_months,
        product.currency,
        amount as Cents,
        schedule.version,
        shares.rate as BasisPoints,
        shares.platform_fee as Cents,
        shares.seller as Cents,
        line_fee as Cents,
        now,
    )
    .execute(&mut *conn)
    .await?;
    let ordered = Line {
        what: Happened::Ordered,
        detail: &format!("{} licence for {amount}", offer.licence.as_str()),
        once: Some("ordered"),
        by: None,
    };
    timeline::note(conn, order, ordered, now).await?;
    let next = if amount == Cents::ZERO {
        fulfil::settle_free(conn, checkout, now).await?;
        Next::Paid
    } else {
        let expire = ExpireCheckout { checkout };
        enqueue_with(conn, &expire, Options::default().run_at(expires_at)).await?;
        let request = intent_request(checkout, &order_number, amount);
        begin_intent(conn, checkout, &request, now).await?.ok_or(sqlx::Error::RowNotFound)?
    };
    Ok(Opened { checkout, order, order_number, amount, next, fresh: true })
}

/// `MW-2026-00047`. Numbers may have gaps: one that a lost transaction took is not given again.
pub(crate) async fn next_number(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<String, sqlx::Error> {
    let n = sqlx::query_scalar!(r#"SELECT nextval('order_numbers') AS "n!""#).fetch_one(conn).await?;
    Ok(format_number(now, n))
}

fn format_number(now: DateTime<Utc>, n: i64) -> String {
    format!("MW-{}-{n:05}", now.year())
}

fn intent_request(checkout: CheckoutId, order_number: &str, amount: Cents) -> IntentRequest {
    IntentRequest {
        amount_cents: amount,
        currency: "usd".into(),
        description: format!("MyWork order {order_number}"),
        transfer_group: format!("checkout_{checkout}"),
        metadata: BTreeMap::from([
            ("checkout_id".to_owned(), checkout.to_string()),
            ("order_number".to_owned(), order_number.to_owned()),
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn order_numbers_carry_the_year_and_grow_past_five_digits() {
        let now = Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).unwrap();
        assert_eq!(format_number(now, 47), "MW-2026-00047");
        assert_eq!(format_number(now, 123_456), "MW-2026-123456");
    }

    #[test]
    fn a_stored_request_is_repeated_word_for_word() {
        let request = intent_request(CheckoutId::new(), "MW-2026-00047", Cents(29_900));
        let stored = json!(request);
        assert_eq!(stored["amount_cents"], 29_900);
        assert_eq!(serde_json::from_value::<IntentRequest>(stored).ok(), Some(request));
    }
}
