//! One line of a checkout: a buyer, a product, a licence, and the shares it was sold at (frozen, PAY-09).
//!
//! ```text
//! pending ──paid──▶ paid ──delivered──▶ fulfilled ──▶ partially_refunded | refunded | disputed
//!    └──expired──▶ failed ──a late payment──▶ paid
//! ```
//! This file reads orders, for their buyer, their seller and admins; `checkout`, `fulfil` and `hold` change them.

use crate::{
    catalog::licence::LicenceKind,
    ids::{CheckoutId, OrderId, ProductId, UserId, VersionId},
    money::{BasisPoints, Cents},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::str::FromStr;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    Pending,
    Paid,
    Fulfilled,
    PartiallyRefunded,
    Refunded,
    Disputed,
    Failed,
}

impl OrderState {
    /// In the order in which filters show them.
    pub const ALL: [OrderState; 7] =
        [Self::Fulfilled, Self::Paid, Self::Pending, Self::PartiallyRefunded, Self::Refunded, Self::Disputed, Self::Failed];

    /// The word the database and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Fulfilled => "fulfilled",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Disputed => "disputed",
            Self::Failed => "failed",
        }
    }

    /// The word a person reads.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "Waiting for payment",
            Self::Paid => "Paid",
            Self::Fulfilled => "Delivered",
            Self::PartiallyRefunded => "Partly refunded",
            Self::Refunded => "Refunded",
            Self::Disputed => "Disputed",
            Self::Failed => "Not paid",
        }
    }

    /// The buyer's money has arrived at some time.
    pub fn was_paid(self) -> bool {
        !matches!(self, Self::Pending | Self::Failed)
    }
}

impl FromStr for OrderState {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(())
    }
}

/// An order with the public names of those it concerns.
#[derive(Clone, Debug)]
pub struct Order {
    pub id: OrderId,
    /// `MW-2026-00047`
    pub number: String,
    pub checkout_id: CheckoutId,
    pub buyer_id: UserId,
    pub buyer_username: String,
    pub buyer_name: String,
    pub seller_id: UserId,
    pub seller_username: String,
    pub seller_name: String,
    pub product_id: ProductId,
    /// As it was sold.
    pub product_title: String,
    /// `None` when the product is no longer to be seen by who asks.
    pub product_slug: Option<String>,
    /// Storage key of the product's first picture.
    pub cover_key: Option<String>,
    /// The version that was current when it was bought.
    pub version_id: Option<VersionId>,
    pub licence: LicenceKind,
    pub state: OrderState,
    pub currency: String,
    pub amount: Cents,
    pub commission_schedule: i32,
    pub commission: BasisPoints,
    pub platform_fee: Cents,
    pub seller_share: Cents,
    /// This line's part of the payment's fee, borne by the platform.
    pub processor_fee: Cents,
    pub created_at: DateTime<Utc>,
    pub paid_at: Option<DateTime<Utc>>,
    pub fulfilled_at: Option<DateTime<Utc>>,
    /// Until then the seller's share is pending; `None` while unpaid, and where there is nothing to hold.
    pub hold_until: Option<DateTime<Utc>>,
    pub hold_released_at: Option<DateTime<Utc>>,
}

/// An order as an address names it: by id or by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderKey {
    id: Option<OrderId>,
    number: Option<String>,
}

impl From<&str> for OrderKey {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(id) => OrderKey { id: Some(id), number: None },
            Err(_) => OrderKey { id: None, number: Some(text.trim().to_uppercase()) },
        }
    }
}

impl From<OrderId> for OrderKey {
    fn from(id: OrderId) -> Self {
        OrderKey { id: Some(id), number: None }
    }
}

/// Where a list goes on: below this moment and id.
pub type After = Option<(DateTime<Utc>, OrderId)>;

macro_rules! select_orders {
    ($tail:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Order,
            r#"SELECT o.id AS "id: OrderId",
                      o.number,
                      o.checkout_id AS "checkout_id: CheckoutId",
                      o.buyer_id AS "buyer_id: UserId",
                      buyer.username AS buyer_username,
                      buyer.display_name AS buyer_name,
                      o.seller_id AS "seller_id: UserId",
                      seller.username AS seller_username,
                      seller.display_name AS seller_name,
                      o.product_id AS "product_id: ProductId",
                      o.product_title,
                      p.slug AS "product_slug?",
                      (SELECT v.value ->> 'key'
                         FROM product_images i, jsonb_array_elements(i.variants) v
                        WHERE i.product_id = o.product_id
                          AND i.state = 'ready'
                          AND v.value ->> 'name' = 'card'
                        ORDER BY i.position, i.id
                        LIMIT 1) AS cover_key,
                      o.version_id AS "version_id: VersionId",
                      o.licence AS "licence: LicenceKind",
                      o.state AS "state: OrderState",
                      o.currency,
                      o.amount_cents AS "amount: Cents",
                      o.commission_schedule,
                      o.commission_bps AS "commission: BasisPoints",
                      o.platform_fee_cents AS "platform_fee: Cents",
                      o.seller_cents AS "seller_share: Cents",
                      o.processor_fee_cents AS "processor_fee: Cents",
                      o.created_at,
                      o.paid_at,
                      o.fulfilled_at,
                      o.hold_until,
                      o.hold_released_at
                 FROM orders o
                 JOIN users buyer ON buyer.id = o.buyer_id
                 JOIN users seller ON seller.id = o.seller_id
                 LEFT JOIN products p ON p.id = o.product_id "# + $tail
            $(, $argument)*
        )
    };
}

/// Any order, for an admin.
///
/// # Errors
/// When the database refuses.
pub async fn find(conn: &mut PgConnection, key: &OrderKey) -> Result<Option<Order>, sqlx::Error> {
    select_orders!("WHERE o.id = $1 OR o.number = $2", key.id as Option<OrderId>, key.number.as_deref())
        .fetch_optional(conn)
        .await
}

/// An order this person bought. Somebody else's is not found, not forbidden: the two must not be told apart.
///
/// # Errors
/// When the database refuses.
pub async fn find_bought(conn: &mut PgConnection, buyer: UserId, key: &OrderKey) -> Result<Option<Order>, sqlx::Error> {
    Ok(find(conn, key).await?.filter(|order| order.buyer_id == buyer))
}

/// An order this person sold and was paid for: what was only begun is between the buyer and us.
///
/// # Errors
/// When the database refuses.
pub async fn find_sold(conn: &mut PgConnection, seller: UserId, key: &OrderKey) -> Result<Option<Order>, sqlx::Error> {
    Ok(find(conn, key).await?.filter(|order| order.seller_id == seller && order.state.was_paid()))
}

/// The orders of one payment, first line first.
///
/// # Errors
/// When the database refuses.
pub async fn of_checkout(conn: &mut PgConnection, checkout: CheckoutId) -> Result<Vec<Order>, sqlx::Error> {
    select_orders!("WHERE o.checkout_id = $1 ORDER BY o.id", checkout as CheckoutId).fetch_all(conn).await
}

/// Orders per page of the library.
pub const LIBRARY_PAGE: i64 = 9;

/// What somebody looks for in their library.
#[derive(Clone, Debug, Default)]
pub struct LibraryFilter {
    /// Words of the title, or an order number.
    pub text: Option<String>,
    /// Without one: everything that was paid.
    pub state: Option<OrderState>,
    /// From 1.
    pub page: i64,
}

/// A page of the library.
#[derive(Clone, Debug)]
pub struct Library {
    pub orders: Vec<Order>,
    /// How many there are on all pages.
    pub total: i64,
}

/// What somebody bought, newest first (ORDER-04).
///
/// # Errors
/// When the database refuses.
pub async fn library(conn: &mut PgConnection, buyer: UserId, filter: &LibraryFilter) -> Result<Library, sqlx::Error> {
    let pattern = filter.text.as_deref().map(like_pattern);
    let state = filter.state.map(OrderState::as_str);
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
             FROM orders o
            WHERE o.buyer_id = $1
              AND CASE WHEN $2::text IS NULL THEN o.state NOT IN ('pending', 'failed') ELSE o.state = $2 END
              AND ($3::text IS NULL OR o.product_title ILIKE $3 OR o.number ILIKE $3)"#,
        buyer as UserId,
        state,
        pattern,
    )
    .fetch_one(&mut *conn)
    .await?;
    let orders = select_orders!(
        "WHERE o.buyer_id = $1
           AND CASE WHEN $2::text IS NULL THEN o.state NOT IN ('pending', 'failed') ELSE o.state = $2 END
           AND ($3::text IS NULL OR o.product_title ILIKE $3 OR o.number ILIKE $3)
         ORDER BY o.created_at DESC, o.id DESC
         LIMIT $4
        OFFSET $5",
        buyer as UserId,
        state,
        pattern,
        LIBRARY_PAGE,
        (filter.page.max(1) - 1).saturating_mul(LIBRARY_PAGE)
    )
    .fetch_all(conn)
    .await?;
    Ok(Library { orders, total })
}

/// Everything somebody ordered, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn bought(
    conn: &mut PgConnection,
    buyer: UserId,
    state: Option<OrderState>,
    after: After,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    select_orders!(
        "WHERE o.buyer_id = $1
           AND ($2::text IS NULL OR o.state = $2)
           AND ($3::timestamptz IS NULL OR (o.created_at, o.id) < ($3, $4::uuid))
         ORDER BY o.created_at DESC, o.id DESC
         LIMIT $5",
        buyer as UserId,
        state.map(OrderState::as_str),
        after.map(|(at, _)| at),
        after.map(|(_, id)| id.0),
        limit
    )
    .fetch_all(conn)
    .await
}

/// What somebody sold and was paid for, newest first (ORDER-06).
///
/// # Errors
/// When the database refuses.
pub async fn sold(
    conn: &mut PgConnection,
    seller: UserId,
    state: Option<OrderState>,
    after: After,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    select_orders!(
        "WHERE o.seller_id = $1
           AND o.state NOT IN ('pending', 'failed')
           AND ($2::text IS NULL OR o.state = $2)
           AND ($3::timestamptz IS NULL OR (o.created_at, o.id) < ($3, $4::uuid))
         ORDER BY o.created_at DESC, o.id DESC
         LIMIT $5",
        seller as UserId,
        state.map(OrderState::as_str),
        after.map(|(at, _)| at),
        after.map(|(_, id)| id.0),
        limit
    )
    .fetch_all(conn)
    .await
}

/// Orders as an admin looks for them: by number, by the e-mail of buyer or seller, by title, by state (ADMIN-03). Needs an
/// admin's transaction, which alone may read e-mail addresses.
///
/// # Errors
/// When the database refuses.
pub async fn search(
    conn: &mut PgConnection,
    text: Option<&str>,
    state: Option<OrderState>,
    after: After,
    limit: i64,
) -> Result<Vec<Order>, sqlx::Error> {
    select_orders!(
        "WHERE ($1::text IS NULL OR o.state = $1)
           AND ($2::text IS NULL
                OR o.number ILIKE $2
                OR o.product_title ILIKE $2
                OR EXISTS (SELECT FROM accounts a WHERE a.user_id IN (o.buyer_id, o.seller_id) AND a.email ILIKE $2))
           AND ($3::timestamptz IS NULL OR (o.created_at, o.id) < ($3, $4::uuid))
         ORDER BY o.created_at DESC, o.id DESC
         LIMIT $5",
        state.map(OrderState::as_str),
        text.map(like_pattern),
        after.map(|(at, _)| at),
        after.map(|(_, id)| id.0),
        limit
    )
    .fetch_all(conn)
    .await
}

/// What a seller sees above their list of sales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SalesTotal {
    pub orders: i64,
    pub amount: Cents,
    pub seller_share: Cents,
}

/// All sales of a seller that were not refunded whole.
///
/// # Errors
/// When the database refuses.
pub async fn sales_total(conn: &mut PgConnection, seller: UserId) -> Result<SalesTotal, sqlx::Error> {
    sqlx::query_as!(
        SalesTotal,
        r#"SELECT count(*) AS "orders!",
                  coalesce(sum(amount_cents), 0)::bigint AS "amount!: Cents",
                  coalesce(sum(seller_cents), 0)::bigint AS "seller_share!: Cents"
             FROM orders
            WHERE seller_id = $1
              AND state NOT IN ('pending', 'failed', 'refunded')"#,
        seller as UserId,
    )
    .fetch_one(conn)
    .await
}

/// The pattern that finds `text` anywhere, with the wildcards in it taken literally.
fn like_pattern(text: &str) -> String {
    format!("%{}%", text.trim().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_the_words_they_write() {
        for state in OrderState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("lost".parse::<OrderState>(), Err(()));
    }

    #[test]
    fn an_order_is_named_by_id_or_by_number() {
        let id = OrderId::new();
        assert_eq!(OrderKey::from(id.to_string().as_str()), OrderKey::from(id));
        assert_eq!(OrderKey::from(" mw-2026-00047").number.as_deref(), Some("MW-2026-00047"));
    }

    #[test]
    fn wildcards_are_searched_for_literally() {
        assert_eq!(like_pattern(" 100%_a "), r"%100\%\_a%");
    }
}
