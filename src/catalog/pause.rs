//! Taking a product off the shelf for a while, and putting it back. Buyers keep what they own; nobody new can buy.

use super::Error;
use super::product::{self, ProductState, Transition};
use crate::audit::Origin;
use crate::db::Actor;
use crate::ids::{ProductId, UserId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Off the shelf. Repeating it changes nothing.
///
/// # Errors
/// [`Error::WrongState`] when it is not on sale.
pub async fn pause(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    turn(connection, seller, id, (ProductState::Active, ProductState::Paused), ("paused", "product.pause"), origin, now).await
}

/// Back on the shelf. Repeating it changes nothing.
///
/// # Errors
/// [`Error::WrongState`] when it is not paused.
pub async fn resume(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    turn(connection, seller, id, (ProductState::Paused, ProductState::Active), ("resumed", "product.resume"), origin, now).await
}

async fn turn(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    (from, to): (ProductState, ProductState),
    (act, action): (&'static str, &'static str),
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = product::lock_editable(connection, seller, id).await?;
    if product.state == to {
        return Ok(());
    }
    if product.state != from {
        return Err(Error::WrongState { state: product.state, act });
    }
    let transition = Transition { to, reason: None, actor: Actor::User(seller), action, origin };
    product::transition(connection, &product, transition, now).await
}
