//! What a seller has on sale goes off the shelf with them when their account is suspended, and comes back with them: exactly what
//! the suspension had moved, not what the seller had paused. Called in the transaction that changes the account, after it is
//! changed; whatever else would put a product on sale meanwhile asks [`may_sell`].

use super::Error;
use super::product::{self, ProductState, Transition};
use crate::audit::Origin;
use crate::db::Actor;
use crate::ids::{ProductId, UserId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Takes everything that a suspended seller has on sale off the shelf; says how much that was. Buyers keep what they own.
///
/// # Errors
/// When the database fails.
pub async fn withhold(
    connection: &mut PgConnection,
    seller: UserId,
    actor: Actor,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    // All of them are held, for one may be about to go on sale: its release waits here, or this waits for it and sees it.
    let held = sqlx::query!(
        r#"SELECT id AS "id: ProductId", state AS "state: ProductState"
           FROM products
           WHERE seller_id = $1 AND state <> 'deleted'
           ORDER BY id
           FOR NO KEY UPDATE"#,
        seller as UserId,
    )
    .fetch_all(&mut *connection)
    .await?;
    let on_sale: Vec<_> = held.into_iter().filter(|row| row.state == ProductState::Active).map(|row| row.id).collect();
    let transition =
        Transition { to: ProductState::Suspended, reason: None, actor, action: "product.suspend_with_seller", origin };
    move_all(connection, &on_sale, transition, now).await
}

/// Puts everything back on sale that was withheld because of its seller; says how much that was.
///
/// # Errors
/// When the database fails.
pub async fn restore(
    connection: &mut PgConnection,
    seller: UserId,
    actor: Actor,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let withheld = sqlx::query_scalar!(
        r#"SELECT id AS "id: ProductId"
           FROM products
           WHERE seller_id = $1 AND suspended_with_seller
           ORDER BY id
           FOR NO KEY UPDATE"#,
        seller as UserId,
    )
    .fetch_all(&mut *connection)
    .await?;
    let transition =
        Transition { to: ProductState::Active, reason: None, actor, action: "product.reinstate_with_seller", origin };
    move_all(connection, &withheld, transition, now).await
}

async fn move_all(
    connection: &mut PgConnection,
    products: &[ProductId],
    transition: Transition<'_>,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    for id in products {
        let product = product::get(connection, *id).await?;
        product::transition(connection, &product, transition, now).await?;
    }
    Ok(products.len())
}

/// Whether this seller's products may be on sale.
pub(super) async fn may_sell(connection: &mut PgConnection, seller: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT FROM accounts WHERE user_id = $1 AND status = 'suspended') AS "may!""#,
        seller as UserId,
    )
    .fetch_one(connection)
    .await
}
