//! One payment by one buyer, from the pressed button to the paid or expired order.
//!
//! ```text
//!          intent recorded            intent succeeded
//! open ───────────────────▶ paying ───────────────────▶ paid          (orders::fulfil)
//!   │                        │  ▲                         ▲
//!   │              declined  ▼  │ another card            │ a payment that came late
//!   │                       failed                        │
//!   └────────24 h───────────┴──┴────────▶ expired ────────┘
//! ```
//! Opened by [`open`](super::open::open), moved by what Stripe says (`intent.rs`), paid by `fulfil.rs`. All acts here belong to
//! the system (`Actor::System`): a buyer's own transaction may read orders, not set their prices.

use super::{
    commission::{self, CommissionError},
    order::{self, Order},
    timeline::{self, By, Happened, Line},
};
use crate::{
    catalog::{licence::Offer, product::Product},
    ids::{CheckoutId, OrderId, ProductId, UserId},
    money::{BasisPoints, Cents},
};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// How long a checkout can be paid.
pub const LIFE: Duration = Duration::hours(24);

/// Where a checkout stands; the moves are drawn above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CheckoutState {
    Open,
    Paying,
    Paid,
    Failed,
    Expired,
}

impl CheckoutState {
    /// The buyer may still pay, perhaps with another card.
    pub fn is_payable(self) -> bool {
        matches!(self, Self::Open | Self::Paying | Self::Failed)
    }

    /// The word the database and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paying => "paying",
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// A checkout as its buyer sees it.
#[derive(Clone, Debug)]
pub struct Checkout {
    pub id: CheckoutId,
    pub buyer_id: UserId,
    pub state: CheckoutState,
    pub total: Cents,
    pub processor_fee: Cents,
    pub payment_intent_id: Option<String>,
    /// For the buyer's own browser.
    pub client_secret: Option<String>,
    /// What the card's issuer said, in words for the buyer.
    pub failure_message: Option<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
}

/// The checkout, if it exists and the actor may see it.
///
/// # Errors
/// When the database refuses.
pub async fn find(conn: &mut PgConnection, id: CheckoutId) -> Result<Option<Checkout>, sqlx::Error> {
    sqlx::query_as!(
        Checkout,
        r#"SELECT id AS "id: CheckoutId",
                  buyer_id AS "buyer_id: UserId",
                  state AS "state: CheckoutState",
                  total_cents AS "total: Cents",
                  processor_fee_cents AS "processor_fee: Cents",
                  payment_intent_id,
                  client_secret,
                  failure_message,
                  created_at,
                  expires_at,
                  paid_at
             FROM checkouts
            WHERE id = $1"#,
        id as CheckoutId,
    )
    .fetch_optional(conn)
    .await
}

/// The buyer's own checkout with its orders; somebody else's is not found.
///
/// # Errors
/// When the database refuses.
pub async fn find_own(
    conn: &mut PgConnection,
    buyer: UserId,
    id: CheckoutId,
) -> Result<Option<(Checkout, Vec<Order>)>, sqlx::Error> {
    let Some(checkout) = find(conn, id).await?.filter(|checkout| checkout.buyer_id == buyer) else { return Ok(None) };
    let orders = order::of_checkout(conn, id).await?;
    Ok(Some((checkout, orders)))
}

/// What a checkout would cost and who would get what, before anything is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub amount: Cents,
    pub commission: BasisPoints,
    pub platform_fee: Cents,
    pub seller_share: Cents,
    pub processor_fee: Cents,
}

/// Reckons the shares of an offer as [`open`] would freeze them.
///
/// # Errors
/// [`CommissionError`] where none can be named.
pub async fn quote(
    conn: &mut PgConnection,
    product: &Product,
    offer: &Offer,
    now: DateTime<Utc>,
) -> Result<Quote, CommissionError> {
    let schedule = commission::in_force(conn, now).await?;
    let standing = commission::standing(conn, product.seller_id, product.kind, now).await?;
    let shares = commission::divide(offer.price_cents, schedule.rules.rate(product.kind, standing)?);
    Ok(Quote {
        amount: offer.price_cents,
        commission: shares.rate,
        platform_fee: shares.platform_fee,
        seller_share: shares.seller,
        processor_fee: schedule.rules.processor_fee(offer.price_cents),
    })
}

/// What the checkout page shows of a product besides its listing.
#[derive(Clone, Debug)]
pub struct Preview {
    pub seller_username: String,
    pub seller_name: String,
    /// Storage key of the first picture.
    pub cover_key: Option<String>,
    /// The version the buyer will get.
    pub version: Option<String>,
}

/// Seller, picture and version of a product that the actor may see.
///
/// # Errors
/// When the database refuses.
pub async fn preview(conn: &mut PgConnection, product: ProductId) -> Result<Preview, sqlx::Error> {
    sqlx::query_as!(
        Preview,
        r#"SELECT u.username AS seller_username,
                  u.display_name AS seller_name,
                  (SELECT v.value ->> 'key'
                     FROM product_images i, jsonb_array_elements(i.variants) v
                    WHERE i.product_id = p.id
                      AND i.state = 'ready'
                      AND v.value ->> 'name' = 'card'
                    ORDER BY i.position, i.id
                    LIMIT 1) AS cover_key,
                  current.number AS "version?"
             FROM products p
             JOIN users u ON u.id = p.seller_id
             LEFT JOIN product_versions current ON current.id = p.current_version_id
            WHERE p.id = $1"#,
        product as ProductId,
    )
    .fetch_one(conn)
    .await
}

/// Closes a checkout whose time is over and that nobody can pay any more. Returns false when it is paid, closed, or not yet due.
/// A payment that arrives after this all the same is still honoured by `fulfil::settle`.
///
/// # Errors
/// When the database refuses.
pub async fn expire(
    conn: &mut PgConnection,
    checkout: CheckoutId,
    by: Option<By>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let expired = sqlx::query!(
        "UPDATE checkouts
            SET state = 'expired'
          WHERE id = $1
            AND state IN ('open', 'paying', 'failed')
            AND expires_at <= $2",
        checkout as CheckoutId,
        now,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if expired == 0 {
        return Ok(false);
    }
    sqlx::query!("UPDATE orders SET state = 'failed' WHERE checkout_id = $1 AND state = 'pending'", checkout as CheckoutId)
        .execute(&mut *conn)
        .await?;
    for order in orders_of(conn, checkout).await? {
        let line = Line { what: Happened::Expired, detail: "Nothing was charged.", once: Some("expired"), by };
        timeline::note(conn, order, line, now).await?;
    }
    Ok(true)
}

pub(super) async fn orders_of(conn: &mut PgConnection, checkout: CheckoutId) -> Result<Vec<OrderId>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT id AS "id: OrderId" FROM orders WHERE checkout_id = $1 ORDER BY id"#, checkout as CheckoutId,)
        .fetch_all(conn)
        .await
}
