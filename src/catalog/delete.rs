//! Deleting a product: it leaves the shelf and the seller's list for good, and whoever bought it keeps it. Nothing is erased, its
//! address stays taken, and what is on its way to approval is dropped.

use super::product::{self, ProductState, Transition};
use super::{Error, version};
use crate::audit::Origin;
use crate::db::Actor;
use crate::ids::{ProductId, UserId};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Deletes the product.
///
/// # Errors
/// [`Error::WrongState`] while it is suspended: an admin decides about it then; [`Error::Conflict`] while it is being released.
pub async fn delete(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = product::lock_editable(connection, seller, id).await?;
    version::replace_unreleased(connection, &product, "The product was deleted.", now).await?;
    let deleted =
        Transition { to: ProductState::Deleted, reason: None, actor: Actor::User(seller), action: "product.delete", origin };
    product::transition(connection, &product, deleted, now).await
}
