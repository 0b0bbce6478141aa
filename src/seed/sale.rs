//! A sale that was paid and delivered: checkout, order, books, licence and timeline, each by the rule that writes them for a
//! real one. The end of its hold comes with the days ([`super::let_days_pass`]).

use crate::{
    catalog::{licence::Offer, product::ProductKind},
    ids::{CheckoutId, OrderId, ProductId, UserId, VersionId},
    ledger::entry::{self, BookError, EntryKind, Subject},
    money::{BasisPoints, Cents},
    orders::{
        REFUND_WINDOW_DAYS,
        checkout::{self, CheckoutState},
        commission::{self, CommissionError},
        fulfil,
        licence::{self, Grant},
        open,
        order::OrderState,
        timeline::{self, Happened, Line},
    },
};
use chrono::{DateTime, Duration, Utc};
use sqlx::PgConnection;

/// Who bought what, when.
#[derive(Clone, Debug)]
pub struct Sale<'a> {
    pub buyer: UserId,
    pub seller: UserId,
    pub product: ProductId,
    /// The version on the shelf at that time.
    pub version: VersionId,
    pub title: &'a str,
    pub offer: &'a Offer,
    pub at: DateTime<Utc>,
}

/// Why a sale was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Commission(#[from] CommissionError),
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Sells it.
///
/// # Errors
/// When no commission schedule is in force, or the database refuses.
pub async fn add(conn: &mut PgConnection, sale: &Sale<'_>) -> Result<OrderId, Error> {
    let (checkout, order) = (CheckoutId::new(), OrderId::new());
    let amount = sale.offer.price_cents;
    let schedule = commission::in_force(conn, sale.at).await?;
    let standing = commission::standing(conn, sale.seller, ProductKind::Code, sale.at).await?;
    let shares = commission::divide(amount, schedule.rules.rate(ProductKind::Code, standing)?);
    let fee = schedule.rules.processor_fee(amount);
    let paid_at = sale.at + Duration::seconds(74);

    pay(conn, sale, checkout, amount, fee, paid_at).await?;
    let number = open::next_number(conn, sale.at).await?;
    sqlx::query!(
        "INSERT INTO orders (id, number, checkout_id, buyer_id, seller_id, product_id, version_id, product_title, licence,
                             max_downloads, update_months, state, amount_cents, commission_schedule, commission_bps,
                             platform_fee_cents, seller_cents, processor_fee_cents, created_at, paid_at, fulfilled_at,
                             hold_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
        order as OrderId,
        number,
        checkout as CheckoutId,
        sale.buyer as UserId,
        sale.seller as UserId,
        sale.product as ProductId,
        sale.version as VersionId,
        sale.title,
        sale.offer.licence.as_str(),
        sale.offer.max_downloads,
        sale.offer.update_months,
        OrderState::Fulfilled as OrderState,
        amount as Cents,
        schedule.version,
        shares.rate as BasisPoints,
        shares.platform_fee as Cents,
        shares.seller as Cents,
        fee as Cents,
        sale.at,
        paid_at,
        paid_at + Duration::seconds(1),
        (amount > Cents::ZERO).then(|| paid_at + Duration::days(REFUND_WINDOW_DAYS)),
    )
    .execute(&mut *conn)
    .await?;

    let fee_postings = fulfil::processor_fee_postings(fee);
    entry::book(
        conn,
        EntryKind::ProcessorFee,
        Subject::Checkout(checkout),
        &fee_postings,
        "Processor's fee of the payment",
        paid_at,
    )
    .await?;
    let postings = fulfil::sale_postings(sale.seller, amount, shares.platform_fee, shares.seller);
    entry::book(conn, EntryKind::Sale, Subject::Order(order), &postings, &format!("Order {number}"), paid_at).await?;
    let grant = Grant {
        order,
        owner: sale.buyer,
        product: sale.product,
        kind: sale.offer.licence,
        max_downloads: sale.offer.max_downloads,
        update_months: sale.offer.update_months,
    };
    licence::grant(conn, &grant, paid_at).await?;
    tell(conn, order, sale, amount, paid_at).await?;
    sqlx::query!("UPDATE product_stats SET sales = sales + 1 WHERE product_id = $1", sale.product as ProductId)
        .execute(conn)
        .await?;
    Ok(order)
}

async fn pay(
    conn: &mut PgConnection,
    sale: &Sale<'_>,
    checkout: CheckoutId,
    total: Cents,
    fee: Cents,
    paid_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO checkouts (id, buyer_id, state, total_cents, processor_fee_cents, payment_intent_id, created_at,
                                expires_at, paid_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        checkout as CheckoutId,
        sale.buyer as UserId,
        CheckoutState::Paid as CheckoutState,
        total as Cents,
        fee as Cents,
        format!("pi_seed_{}", checkout.0.simple()),
        sale.at,
        sale.at + checkout::LIFE,
        paid_at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The timeline of an order that went well.
async fn tell(
    conn: &mut PgConnection,
    order: OrderId,
    sale: &Sale<'_>,
    amount: Cents,
    paid_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let ordered = format!("{} licence for {amount}", sale.offer.licence.as_str());
    let paid = format!("{amount} received");
    let delivered = "Licence and downloads are in the library; the receipt is on its way.";
    for (what, detail, once, at) in [
        (Happened::Ordered, ordered.as_str(), "ordered", sale.at),
        (Happened::Paid, paid.as_str(), "paid", paid_at),
        (Happened::Fulfilled, delivered, "fulfilled", paid_at + Duration::seconds(1)),
    ] {
        timeline::note(conn, order, Line { what, detail, once: Some(once), by: None }, at).await?;
    }
    Ok(())
}
